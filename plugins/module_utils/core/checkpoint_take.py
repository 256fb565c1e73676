# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The state `present`: a checkpoint is taken of each container, which goes on meanwhile."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..nas.driver import Container
from ..nas.errors import AlreadyExists
from ..nas.storage import Snapshot
from . import labels, lineage, naming
from .checkpoint_task import Task
from .checkpoint_view import labels_of
from .errors import CoreError
from .lineage import Lineage

# Two controllers may hit the same microsecond once, but not time and again.
ATTEMPTS = 5


class Take(Task):
    """One call for each container, and where a label was given, or the difference is shown, a look for all of them before."""

    def _do(self) -> None:
        label = self.wish.label
        if label is None and self.ctx.diff:
            self._look(self._left(), details=False)
        elif label is not None:
            self._look(self._left(), details=False)
            there = [name for name in self._left() if self.lineages[name].checkpoint(label) is not None]
            if there:
                self._look(there)
        for name in self._left():
            checkpoint = None if label is None else self.lineages[name].checkpoint(label)
            if checkpoint is not None:
                self.entries[name] = self._entry(name, label, [], checkpoint)
        if self.ctx.check_mode:
            for name in self._left():
                self._note_taken(name, label or "(the time)")
                self.entries[name] = self._entry(name, label, ["taken"])
            return
        self.told: dict[str, Snapshot] = {}
        names, wanted = self._left(), label or labels.default_label()
        self._in_parallel(names, lambda name: self._take(name, wanted))
        taken = [name for name in names if not self.entries[name].get("failed")]
        unknown = [name for name in taken if name not in self.told]
        if unknown:
            # Size and time of creation are the appliance's own, read for all of them at once.
            self._look(unknown)
        for name, snapshot in self.told.items():
            self._add(name, snapshot)
        for name in taken:
            label, actions = self.entries[name]["label"], self.entries[name]["actions"]
            if actions:
                self._note_taken(name, label)
            self.entries[name] = self._entry(name, label, actions, self.lineages[name].checkpoint(label))

    def _add(self, name: str, snapshot: Snapshot) -> None:
        """What the appliance told of it when it was taken saves a look through all of its snapshots."""
        container, storage = self.containers[name], self.driver.storage
        found = self.lineages.get(name) or Lineage(container.name, storage.dataset_of(container), storage.parent_of(container))
        self.lineages[name] = replace(found, snapshots=(*found.snapshots, snapshot))

    def _note_taken(self, name: str, label: str) -> None:
        before = labels_of(self.lineages[name], without=[label]) if name in self.lineages else []
        self._note(name, before, [label, *before])

    def _take(self, name: str, label: str) -> dict[str, Any]:
        """One call, while the container goes on."""
        container, watch = self.containers[name], self._watch(name)
        dataset = self.driver.storage.dataset_of(container)
        for attempt in range(ATTEMPTS):
            watch.check()
            watch.doing(f"taking {label}")
            try:
                told = self.driver.storage.snapshot(dataset, labels.snapshot_name(label))
                if told is not None:
                    self.told[name] = told
                return self._entry(name, label, ["taken"])
            except AlreadyExists:
                if self.wish.label is not None:
                    return self._there_already(container, label)
                if attempt == ATTEMPTS - 1:
                    raise
                label = labels.default_label()
        raise RuntimeError("no attempt was made")

    def _there_already(self, container: Container, label: str) -> dict[str, Any]:
        """Somebody was quicker; or the name is taken by one that was removed and that clones still need."""
        found, name = lineage.of(self.driver, [container])[container.name], naming.from_instance(container.name)
        if found.checkpoint(label) is not None:
            return self._entry(name, label, [])
        taken = labels.snapshot_name(label)
        needed = [clone for entry in found.own if entry.name == taken for clone in entry.clones]
        told = f", since {', '.join(lineage.names_of(needed))} came from it" if needed else ""
        raise CoreError(
            f"{name}: the checkpoint {label} was removed, but its data is still needed{told};"
            " until that is gone no other one can be called so",
            label=label,
            dependents=lineage.names_of(needed),
        )
