# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ZFS in memory behind the Storage interface, by ZFS's own rules; a data set's content is a text."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ansible_collections.pixels.sandbox.plugins.module_utils.nas.driver import Container
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.errors import AlreadyExists, Missing, StillNeeded
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.storage import Dataset, Snapshot


@dataclass
class Snap:
    dataset: str
    name: str
    txg: int
    content: str
    held: bool = False
    deferred: bool = False

    @property
    def id(self) -> str:
        return f"{self.dataset}@{self.name}"


@dataclass
class Data:
    content: str = ""
    origin: Snap | None = None
    snaps: list[Snap] = field(default_factory=list)


def home(instance: str, pool: str = "tank") -> str:
    return f"{pool}/.ix-virt/containers/{instance}"


class FakeStorage:
    """`run` stands before each operation: it notes the call, and brings faults in."""

    dataset_prefix: str | None = None

    def __init__(self, run: Callable[..., None]) -> None:
        self._run = run
        self._txg = itertools.count(100)
        self.data: dict[str, Data] = {}

    # What tests say

    def put(self, dataset: str, content: str = "") -> Data:
        return self.data.setdefault(dataset, Data(content))

    def take(self, dataset: str, name: str, *, held: bool = False) -> Snap:
        snap = Snap(dataset, name, next(self._txg), self.data[dataset].content, held)
        self.data[dataset].snaps.append(snap)
        return snap

    def branch(self, snapshot: str, dataset: str) -> Data:
        origin = self.find(snapshot)
        self.data[dataset] = Data(origin.content, origin)
        return self.data[dataset]

    def find(self, snapshot: str) -> Snap:
        dataset, _at, name = snapshot.partition("@")
        found = next((snap for snap in self.data.get(dataset, Data()).snaps if snap.name == name), None)
        if found is None:
            raise Missing(snapshot)
        return found

    def clones(self, snap: Snap) -> list[str]:
        return sorted(name for name, data in self.data.items() if data.origin is snap)

    def all_snapshots(self) -> list[str]:
        return sorted(snap.id for data in self.data.values() for snap in data.snaps)

    # What the interface says

    def dataset_of(self, container: Container) -> str:
        return home(container.name, container.pool or "tank")

    def parent_of(self, container: Container) -> str:
        return f"{container.pool or 'tank'}/.ix-virt"

    def snapshots(self, datasets: Iterable[str] = (), *, prefixes: Iterable[str] = (), details: bool = False) -> list[Snapshot]:
        wanted, beginnings = set(datasets), tuple(prefixes)
        self._run("snapshots", "", lambda when: None)
        found = [
            snap
            for name, data in self.data.items()
            if name in wanted or (beginnings and name.startswith(beginnings))
            for snap in data.snaps
        ]
        return [
            Snapshot(snap.dataset, snap.name, snap.txg, 0, clones=tuple(self.clones(snap)), held=snap.held, deferred=snap.deferred)
            for snap in sorted(found, key=lambda snap: snap.txg)
        ]

    def datasets(self, parents: Iterable[str]) -> list[Dataset]:
        beginnings = tuple(f"{parent}/" for parent in parents)
        self._run("datasets", "", lambda when: None)
        return [
            Dataset(name, None if data.origin is None else data.origin.id)
            for name, data in sorted(self.data.items())
            if name.startswith(beginnings)
        ]

    def snapshot(self, dataset: str, name: str) -> None:
        def work(when: str) -> None:
            if dataset not in self.data:
                raise Missing(dataset)
            if any(snap.name == name for snap in self.data[dataset].snaps):
                raise AlreadyExists(f"{dataset}@{name}")
            self.take(dataset, name)

        self._run("snapshot", dataset, work, name)

    def destroy_snapshot(self, snapshot: str, *, defer: bool = False) -> None:
        def work(when: str) -> None:
            try:
                snap = self.find(snapshot)
            except Missing:
                return
            if self.clones(snap) or snap.held:
                if not defer:
                    raise StillNeeded(snapshot, self.clones(snap))
                snap.deferred = True
            else:
                self.data[snap.dataset].snaps.remove(snap)

        self._run("destroy_snapshot", snapshot, work, defer)

    def clone(self, snapshot: str, dataset: str) -> None:
        self._run("clone_dataset", dataset, lambda when: self.branch(snapshot, dataset) and None)

    def promote(self, dataset: str) -> None:
        def work(when: str) -> None:
            clone = self.data[dataset]
            origin = clone.origin
            assert origin is not None, f"{dataset} is no clone"
            parent = self.data[origin.dataset]
            moved = [snap for snap in parent.snaps if snap.txg <= origin.txg]
            assert not {snap.name for snap in moved} & {snap.name for snap in clone.snaps}, "names conflict"
            parent.snaps = [snap for snap in parent.snaps if snap not in moved]
            clone.origin, parent.origin = parent.origin, origin
            for snap in moved:
                snap.dataset = dataset
            clone.snaps = [*moved, *clone.snaps]

        self._run("promote", dataset, work)

    def rename(self, dataset: str, new_name: str) -> None:
        raise NotImplementedError

    def rollback(self, snapshot: str, *, newer: bool = False) -> None:
        raise NotImplementedError

    def destroy_dataset(self, dataset: str, *, recursive: bool = False) -> None:
        self._run("destroy_dataset", dataset, lambda when: self.drop(dataset), recursive)

    def drop(self, dataset: str) -> None:
        """A data set goes with its snapshots, never with what needs those."""
        data = self.data.get(dataset)
        if data is None:
            return
        needed = [name for snap in data.snaps for name in self.clones(snap)]
        if needed:
            raise StillNeeded(dataset, needed)
        assert not any(snap.held for snap in data.snaps), f"a snapshot of {dataset} is held"
        del self.data[dataset]
        if data.origin is not None and data.origin.deferred and not self.clones(data.origin):
            self.data[data.origin.dataset].snaps.remove(data.origin)
