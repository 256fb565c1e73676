# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Data sets and the snapshots that they were made of, as they are after each step of a plan.

A plan is made by taking its steps here first, by ZFS's own rules: one that breaks a rule is found before anything is touched.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..nas.storage import Dataset, Snapshot
from .zfs_steps import Clone, DestroySnapshot, Promote, Rename, Rollback, Step


class Impossible(Exception):
    """ZFS would refuse this step. Whoever plans looks out for it, so nobody else should ever see one."""


@dataclass(eq=False)
class Entry:
    """A snapshot. Two are never the same one, however alike they look."""

    dataset: str
    name: str
    txg: int
    held: bool
    deferred: bool
    clones: set[str]

    @property
    def id(self) -> str:
        return f"{self.dataset}@{self.name}"


class Family:
    """What is known is what was looked at: a data set whose origin was not has one all the same."""

    def __init__(self, snapshots: Iterable[Snapshot], datasets: Iterable[Dataset] = ()) -> None:
        self._entries: dict[str, list[Entry]] = {}
        self._outer: dict[str, str] = {}  # data set -> its origin, where that is none of the entries
        for snapshot in sorted(snapshots, key=lambda found: found.txg):
            entry = Entry(snapshot.dataset, snapshot.name, snapshot.txg, snapshot.held, snapshot.deferred, set(snapshot.clones))
            self._entries.setdefault(snapshot.dataset, []).append(entry)
        for dataset in datasets:
            self._entries.setdefault(dataset.name, [])
        # Either side of the relation may have been told only by the other.
        for dataset in datasets:
            if dataset.origin is not None:
                known = self.find(dataset.origin)
                if known is None:
                    self._outer[dataset.name] = dataset.origin
                else:
                    known.clones.add(dataset.name)

    # Looking

    def exists(self, dataset: str) -> bool:
        return dataset in self._entries

    def datasets(self) -> list[str]:
        return list(self._entries)

    def entries(self, dataset: str) -> list[Entry]:
        """Its snapshots, oldest first."""
        return self._entries.get(dataset, [])

    def find(self, snapshot: str) -> Entry | None:
        dataset, _at, name = snapshot.partition("@")
        return next((entry for entry in self.entries(dataset) if entry.name == name), None)

    def origin(self, dataset: str) -> Entry | None:
        """The snapshot that it is a clone of, as far as that was looked at."""
        return next((entry for entries in self._entries.values() for entry in entries if dataset in entry.clones), None)

    def up_to(self, entry: Entry) -> list[Entry]:
        """What goes along with it when a clone of it is promoted: itself and all older ones of its data set."""
        return [other for other in self.entries(entry.dataset) if other.txg <= entry.txg]

    def conflicts(self, clone: str, moved: Iterable[Entry]) -> list[str]:
        """The names that the clone has itself already."""
        own = {entry.name for entry in self.entries(clone)}
        return [entry.name for entry in moved if entry.name in own]

    # Taking steps

    def take(self, step: Step) -> None:
        if isinstance(step, Clone):
            self._clone(self._known(step.snapshot), step.dataset)
        elif isinstance(step, Rename):
            self._rename(step.dataset, step.new_name)
        elif isinstance(step, Promote):
            self._promote(step.dataset)
        elif isinstance(step, Rollback):
            self._rollback(self._known(step.snapshot), step.newer)
        elif isinstance(step, DestroySnapshot):
            self._destroy_snapshot(self._known(step.snapshot), step.defer)
        else:
            self._destroy_dataset(step.dataset)

    def _known(self, snapshot: str) -> Entry:
        entry = self.find(snapshot)
        if entry is None:
            raise Impossible(f"there is no {snapshot}")
        return entry

    def _clone(self, entry: Entry, dataset: str) -> None:
        if self.exists(dataset):
            raise Impossible(f"{dataset} exists")
        self._entries[dataset] = []
        entry.clones.add(dataset)

    def _rename(self, dataset: str, new_name: str) -> None:
        if not self.exists(dataset) or self.exists(new_name):
            raise Impossible(f"{dataset} cannot be renamed to {new_name}")
        moved = self._entries.pop(dataset)
        for entry in moved:
            entry.dataset = new_name
        self._entries[new_name] = moved
        for entries in self._entries.values():
            for entry in entries:
                if dataset in entry.clones:
                    entry.clones = (entry.clones - {dataset}) | {new_name}
        if dataset in self._outer:
            self._outer[new_name] = self._outer.pop(dataset)

    def _promote(self, clone: str) -> None:
        origin = self.origin(clone)
        if origin is None:
            raise Impossible(f"{clone} is no clone of what is known")
        parent = origin.dataset
        moved = self.up_to(origin)
        if self.conflicts(clone, moved):
            raise Impossible(f"{clone} has snapshots of the same names as {parent}")
        above = self.origin(parent)
        origin.clones = (origin.clones - {clone}) | {parent}
        if above is not None:
            above.clones = (above.clones - {parent}) | {clone}
        elif parent in self._outer:
            self._outer[clone] = self._outer.pop(parent)
        self._entries[parent] = [entry for entry in self._entries[parent] if entry not in moved]
        for entry in moved:
            entry.dataset = clone
        self._entries[clone] = sorted([*moved, *self._entries.get(clone, [])], key=lambda entry: entry.txg)

    def _rollback(self, entry: Entry, newer: bool) -> None:
        after = [other for other in self.entries(entry.dataset) if other.txg > entry.txg]
        if after and (not newer or any(other.clones or other.held for other in after)):
            raise Impossible(f"{entry.id} has newer ones after it")
        self._entries[entry.dataset] = self.up_to(entry)

    def _destroy_snapshot(self, entry: Entry, defer: bool) -> None:
        if entry.clones or entry.held:
            if not defer:
                raise Impossible(f"{entry.id} is needed")
            entry.deferred = True
        else:
            self._entries[entry.dataset].remove(entry)

    def _destroy_dataset(self, dataset: str) -> None:
        if any(entry.clones or entry.held for entry in self.entries(dataset)):
            raise Impossible(f"{dataset} is needed")
        origin = self.origin(dataset)
        self._entries.pop(dataset, None)
        self._outer.pop(dataset, None)
        if origin is not None:
            origin.clones.discard(dataset)
            if origin.deferred and not origin.clones and not origin.held:
                self._entries[origin.dataset].remove(origin)
