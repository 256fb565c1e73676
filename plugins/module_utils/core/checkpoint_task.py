# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every task about checkpoints does, for as many containers as it names: look, decide, carry out, tell."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ..nas.driver import Container, Driver
from . import checkpoint_look, fleet, naming
from .apply import Watch
from .checkpoint_view import checkpoint_view
from .context import Context
from .lineage import Checkpoint, Lineage


@dataclass(frozen=True)
class Wish:
    """The options, checked."""

    state: str
    label: str | None
    on_newer: str = "fail"
    dependents: str = "fail"
    stop_timeout: int = 30
    force: bool = True
    wait_for: str | None = None
    wait_timeout: float = 120
    concurrency: int = 4


class Task:
    """One task. What is done differs by state."""

    def __init__(self, ctx: Context, driver: Driver, names: list[str], wish: Wish) -> None:
        self.ctx = ctx
        self.driver = driver
        self.names = names
        self.wish = wish
        self.containers: dict[str, Container] = {}
        self.lineages: dict[str, Lineage] = {}
        self.entries: dict[str, dict[str, Any]] = {}
        self.diffs: dict[str, dict[str, Any]] = {}
        self.cancelled = threading.Event()

    def result(self) -> dict[str, Any]:
        with fleet.Herald(self.ctx.show) as self.herald:
            self._find()
            self._do()
        extra = {"diff": [self.diffs[name] for name in self.names if name in self.diffs]} if self.ctx.diff else {}
        return fleet.collect([self.entries[name] for name in self.names], **extra)

    def _do(self) -> None:
        """Give every container its entry."""
        raise NotImplementedError

    def _find(self) -> None:
        listed = checkpoint_look.containers(self.driver, self.names)
        for name in self.names:
            try:
                found = listed.get(naming.to_instance(name))
                self.containers[name] = checkpoint_look.checked(self.driver, name, found, self._watch(name))
            except Exception as error:  # of this container; the others go on, or are told
                self._fail(name, error)
            finally:
                self.herald.done(name)

    def _look(self, names: Iterable[str], *, datasets: bool = False, promote: bool = False, details: bool = True) -> checkpoint_look.Seen:
        containers = [self.containers[name] for name in names]
        seen = checkpoint_look.look(self.driver, containers, datasets=datasets, promote=promote, details=details)
        for instance, found in seen.lineages.items():
            self.lineages[naming.from_instance(instance)] = found
        return seen

    def _left(self) -> list[str]:
        return [name for name in self.names if name not in self.entries]

    def _watch(self, name: str) -> Watch:
        return self.herald.watch(name, self.cancelled)

    def _fail(self, name: str, error: Exception) -> None:
        self.entries[name] = fleet.failure(name, naming.to_instance(name), error)

    def _entry(self, name: str, label: str | None, actions: list[str], checkpoint: Checkpoint | None = None, **more: Any) -> dict[str, Any]:
        found = self.lineages.get(name)
        return {
            "name": name,
            "instance": naming.to_instance(name),
            "changed": bool(actions),
            "actions": actions,
            "label": label,
            "checkpoint": None if found is None or checkpoint is None else checkpoint_view(found, checkpoint),
            **more,
        }

    def _note(self, name: str, before: list[str], after: list[str], **more: Any) -> None:
        self.diffs[name] = {
            "before_header": name,
            "after_header": name,
            "before": {"checkpoints": before},
            "after": {"checkpoints": after, **more},
        }

    def _in_parallel(self, names: list[str], work: Callable[[str], dict[str, Any]]) -> None:
        def one(name: str) -> dict[str, Any]:
            try:
                return work(name)
            finally:
                self.herald.done(name)

        for name, outcome in fleet.in_parallel(names, one, self.wish.concurrency, self.cancelled).items():
            if isinstance(outcome, Exception):
                self._fail(name, outcome)
            else:
                self.entries[name] = outcome

    def _is_refused(self) -> bool:
        """Whether one of them was refused; the others are left alone then. What destroys or replaces data is done to all or to none."""
        if not any(entry.get("failed") for entry in self.entries.values()):
            return False
        for name in self._left():
            said = "not touched, since another one of this task was refused"
            self.entries[name] = self._entry(name, self.wish.label, [], skipped=True, msg=said)
        return True
