# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A pool in memory with ZFS's own rules and with content, behind the interface of `nas/storage.py`.

Written from the manual of ZFS and from nothing of the collection's: what a plan promises is checked against this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.pixels.sandbox.plugins.module_utils.core import lineage as lineages
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.driver import Container
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.errors import AlreadyExists, DriverError
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.storage import Dataset, Snapshot

PARENT = "tank/.ix-virt"


class Refusal(DriverError):
    """ZFS refuses."""


@dataclass(eq=False)
class Snap:
    owner: Volume
    name: str
    txg: int
    data: Any
    held: bool = False
    deferred: bool = False

    @property
    def id(self) -> str:
        return f"{self.owner.name}@{self.name}"


@dataclass(eq=False)
class Volume:
    name: str
    data: Any
    origin: Snap | None = None
    snaps: list[Snap] = field(default_factory=list)


class Pool:
    """`before` and `after` are called around every change, to interrupt it or to count."""

    dataset_prefix: str | None = None

    def __init__(self) -> None:
        self.volumes: dict[str, Volume] = {}
        self.busy: set[str] = set()  # mounted ones
        self.changes: list[tuple[Any, ...]] = []
        self.reads: list[str] = []
        self.before: Callable[[str], Any] = lambda what: None
        self.after: Callable[[str], Any] = lambda what: None
        self._txg = 100

    # For tests

    def create(self, dataset: str, data: Any = "") -> Volume:
        self.volumes[dataset] = Volume(dataset, data)
        return self.volumes[dataset]

    def find(self, snapshot: str) -> Snap:
        dataset, _at, name = snapshot.partition("@")
        for snap in self.volumes[dataset].snaps if dataset in self.volumes else []:
            if snap.name == name:
                return snap
        raise Refusal(f"{snapshot} does not exist")

    def clones(self, snap: Snap) -> list[str]:
        return sorted(volume.name for volume in self.volumes.values() if volume.origin is snap)

    def names(self) -> list[str]:
        return sorted(self.volumes)

    def state(self) -> Any:
        """Everything, for comparison."""
        return {
            name: (
                volume.data,
                volume.origin.id if volume.origin else None,
                [(snap.name, snap.txg, snap.data, snap.held, snap.deferred) for snap in volume.snaps],
            )
            for name, volume in sorted(self.volumes.items())
        }

    # Reading

    def dataset_of(self, container: Container) -> str:
        return f"{self.dataset_prefix or f'{container.pool}/.ix-virt/containers'}/{container.name}"

    def parent_of(self, container: Container) -> str:
        return self.dataset_of(container).rpartition("/")[0].rpartition("/")[0]

    def snapshots(self, datasets: Iterable[str] = (), *, prefixes: Iterable[str] = (), details: bool = False) -> list[Snapshot]:
        self.reads.append("snapshots")
        wanted, beginnings = set(datasets), tuple(prefixes)
        found = [
            Snapshot(
                dataset=name,
                name=snap.name,
                txg=snap.txg,
                created=1_700_000_000 + snap.txg,
                used=0,
                referenced=10,
                clones=tuple(self.clones(snap)),
                held=snap.held,
                deferred=snap.deferred,
            )
            for name, volume in self.volumes.items()
            if name in wanted or name.startswith(beginnings)
            for snap in volume.snaps
        ]
        return sorted(found, key=lambda snapshot: snapshot.txg)

    def datasets(self, parents: Iterable[str]) -> list[Dataset]:
        self.reads.append("datasets")
        below = tuple(f"{parent}/" for parent in parents)
        return [
            Dataset(name, volume.origin.id if volume.origin else None)
            for name, volume in sorted(self.volumes.items())
            if name.startswith(below)
        ]

    # Changing

    def _change(self, what: str, work: Callable[[], None], *details: Any) -> None:
        self.before(what)
        self.changes.append((what, *details))
        work()
        self.after(what)

    def snapshot(self, dataset: str, name: str) -> None:
        def work() -> None:
            volume = self.volumes[dataset]
            if any(snap.name == name for snap in volume.snaps):
                raise AlreadyExists(f"{dataset}@{name}")
            self._txg += 1
            volume.snaps.append(Snap(volume, name, self._txg, volume.data))

        self._change("snapshot", work, f"{dataset}@{name}")

    def destroy_snapshot(self, snapshot: str, *, defer: bool = False) -> None:
        def work() -> None:
            try:
                snap = self.find(snapshot)
            except Refusal:
                return
            if not self.clones(snap) and not snap.held:
                snap.owner.snaps.remove(snap)
            elif defer:
                snap.deferred = True
            else:
                raise Refusal(f"{snapshot} is needed by {self.clones(snap)}")

        self._change("destroy_snapshot", work, snapshot, defer)

    def rollback(self, snapshot: str, *, newer: bool = False) -> None:
        def work() -> None:
            snap = self.find(snapshot)
            volume = snap.owner
            self._idle(volume)
            after = [other for other in volume.snaps if other.txg > snap.txg]
            if after and not newer:
                raise Refusal(f"{snapshot} has newer ones")
            for other in after:
                if self.clones(other) or other.held:
                    raise Refusal(f"{other.id} is needed")
            volume.snaps = [other for other in volume.snaps if other.txg <= snap.txg]
            volume.data = snap.data

        self._change("rollback", work, snapshot, newer)

    def clone(self, snapshot: str, dataset: str) -> None:
        def work() -> None:
            if dataset in self.volumes:
                raise AlreadyExists(dataset)
            snap = self.find(snapshot)
            self.volumes[dataset] = Volume(dataset, snap.data, snap)

        self._change("clone", work, snapshot, dataset)

    def promote(self, dataset: str) -> None:
        def work() -> None:
            volume = self.volumes[dataset]
            origin = volume.origin
            if origin is None:
                raise Refusal(f"{dataset} is no clone")
            parent = origin.owner
            moved = [snap for snap in parent.snaps if snap.txg <= origin.txg]
            if {snap.name for snap in moved} & {snap.name for snap in volume.snaps}:
                raise Refusal(f"{dataset} and {parent.name} have snapshots of the same name")
            volume.origin, parent.origin = parent.origin, origin
            parent.snaps = [snap for snap in parent.snaps if snap not in moved]
            for snap in moved:
                snap.owner = volume
            volume.snaps = sorted([*volume.snaps, *moved], key=lambda snap: snap.txg)

        self._change("promote", work, dataset)

    def rename(self, dataset: str, new_name: str) -> None:
        def work() -> None:
            if new_name in self.volumes:
                raise AlreadyExists(new_name)
            if dataset not in self.volumes:
                raise Refusal(f"{dataset} does not exist")
            self._idle(self.volumes[dataset])
            volume = self.volumes.pop(dataset)
            volume.name = new_name
            self.volumes[new_name] = volume

        self._change("rename", work, dataset, new_name)

    def destroy_dataset(self, dataset: str, *, recursive: bool = False) -> None:
        def work() -> None:
            volume = self.volumes.get(dataset)
            if volume is None:
                return
            self._idle(volume)
            if volume.snaps and not recursive:
                raise Refusal(f"{dataset} has snapshots")
            for snap in volume.snaps:
                if self.clones(snap) or snap.held:
                    raise Refusal(f"{snap.id} is needed by {self.clones(snap)}")
            del self.volumes[dataset]
            origin = volume.origin
            if origin is not None and origin.deferred and not origin.held and not self.clones(origin):
                origin.owner.snaps.remove(origin)

        self._change("destroy_dataset", work, dataset, recursive)

    def _idle(self, volume: Volume) -> None:
        if volume.name in self.busy:
            raise Refusal(f"{volume.name} is busy")


def home(name: str) -> str:
    return f"{PARENT}/containers/px-{name}"


def box(name: str) -> Container:
    return Container(id=f"px-{name}", name=f"px-{name}", status="stopped", pool="tank")


class Holder:
    """As much of a driver as looking needs."""

    def __init__(self, pool: Pool) -> None:
        self.storage = pool


def lineage_of(pool: Pool, name: str) -> lineages.Lineage:
    return lineages.of(Holder(pool), [box(name)])[f"px-{name}"]  # type: ignore[arg-type]
