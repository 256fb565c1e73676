"""The datasets and snapshots of one pool, and what may be done to them: ZFS's rules, without any data.

An operation either raises ZfsError and has changed nothing, or changes the tree and answers the steps with which an engine
does the same to the data. Whoever calls works on a copy and keeps that when the engine has done its part.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable
from copy import copy
from dataclasses import asdict
from typing import Any

from .records import (
    BUSY,
    CHILDREN,
    CLONES,
    EXISTS,
    FIXED,
    INVALID,
    MISSING,
    NEWER,
    Dataset,
    Destroy,
    Drop,
    MakeClone,
    Move,
    Restore,
    Snapshot,
    Step,
    Take,
    ZfsError,
)

_FIRST_TXG = 1000
_TXG_STEP = 7


def missing(name: str) -> ZfsError:
    return ZfsError(MISSING, f"cannot open '{name}': dataset does not exist")


class Tree:
    def __init__(self, pool: str) -> None:
        self.pool = pool
        self.txg = _FIRST_TXG
        self.datasets: dict[int, Dataset] = {}
        self.snapshots: dict[int, Snapshot] = {}
        for name in (pool, *(f"{pool}/{item}" for item in FIXED)):
            self.add_dataset(name)

    # -- keeping ------------------------------------------------------------------------------------------------
    def copy(self) -> Tree:
        other = copy(self)
        other.datasets = {guid: copy(item) for guid, item in self.datasets.items()}
        other.snapshots = {guid: copy(item) for guid, item in self.snapshots.items()}
        for snapshot in other.snapshots.values():
            snapshot.holds = dict(snapshot.holds)
            snapshot.properties = dict(snapshot.properties)
        for dataset in other.datasets.values():
            dataset.properties = dict(dataset.properties)
        return other

    def dump(self) -> dict[str, Any]:
        return {
            "pool": self.pool,
            "txg": self.txg,
            "datasets": [asdict(item) for item in self.datasets.values()],
            "snapshots": [asdict(item) for item in self.snapshots.values()],
        }

    @classmethod
    def load(cls, data: dict[str, Any]) -> Tree:
        tree = cls(data["pool"])
        tree.txg = data["txg"]
        tree.datasets = {item["guid"]: Dataset(**item) for item in data["datasets"]}
        tree.snapshots = {item["guid"]: Snapshot(**item) for item in data["snapshots"]}
        return tree

    # -- looking ------------------------------------------------------------------------------------------------
    def find(self, name: str) -> Dataset | None:
        return next((item for item in self.datasets.values() if item.name == name), None)

    def dataset(self, name: str) -> Dataset:
        found = self.find(name)
        if found is None:
            raise missing(name)
        return found

    def below(self, dataset: Dataset) -> list[Dataset]:
        """What is in it, at any depth."""
        return sorted((item for item in self.datasets.values() if item.name.startswith(f"{dataset.name}/")), key=lambda item: item.name)

    def snapshots_of(self, dataset: Dataset) -> list[Snapshot]:
        """Oldest first."""
        return sorted((item for item in self.snapshots.values() if item.dataset == dataset.guid), key=lambda item: item.txg)

    def ident(self, snapshot: Snapshot) -> str:
        return f"{self.datasets[snapshot.dataset].name}@{snapshot.name}"

    def find_snapshot(self, ident: str) -> Snapshot | None:
        name, _at, label = ident.partition("@")
        dataset = self.find(name)
        if dataset is None:
            return None
        return next((item for item in self.snapshots.values() if item.dataset == dataset.guid and item.name == label), None)

    def snapshot(self, ident: str) -> Snapshot:
        found = self.find_snapshot(ident)
        if found is None:
            raise missing(ident)
        return found

    def clones(self, snapshot: Snapshot) -> list[Dataset]:
        return sorted((item for item in self.datasets.values() if item.origin == snapshot.guid), key=lambda item: item.name)

    def origin(self, dataset: Dataset) -> Snapshot | None:
        return None if dataset.origin is None else self.snapshots[dataset.origin]

    # -- making -------------------------------------------------------------------------------------------------
    def next_txg(self) -> int:
        self.txg += _TXG_STEP
        return self.txg

    def add_dataset(self, name: str, **values: Any) -> Dataset:
        dataset = Dataset(name, secrets.randbits(63), self.next_txg(), time.time(), **values)
        self.datasets[dataset.guid] = dataset
        return dataset

    def add_snapshot(self, dataset: Dataset, name: str, txg: int, **values: Any) -> Snapshot:
        snapshot = Snapshot(dataset.guid, name, secrets.randbits(63), txg, time.time(), referenced=dataset.referenced, **values)
        self.snapshots[snapshot.guid] = snapshot
        return snapshot

    def take(
        self,
        name: str,
        label: str,
        *,
        recursive: bool = False,
        exclude: Iterable[str] = (),
        properties: dict[str, str] | None = None,
    ) -> list[Step]:
        """A snapshot; with `recursive` one of everything below at the same moment."""
        top = self.dataset(name)
        left_out = set(exclude)
        chosen = [item for item in (top, *(self.below(top) if recursive else ())) if item.name not in left_out]
        for item in chosen:
            if self.find_snapshot(f"{item.name}@{label}"):
                raise ZfsError(EXISTS, f"cannot create snapshot '{item.name}@{label}': dataset already exists")
        steps: list[Step] = []
        txg = self.next_txg()
        for item in chosen:
            made = self.add_snapshot(item, label, txg, data=item.data, properties=dict(properties or {}))
            if item.data:
                steps.append(Take(item.volume, made.guid))
        return steps

    def clone(self, ident: str, target: str, properties: dict[str, str] | None = None) -> list[Step]:
        snapshot = self.snapshot(ident)
        self._free_place(target, f"cannot create '{target}'")
        made = self.add_dataset(target, data=True, origin=snapshot.guid, properties=dict(properties or {}), referenced=snapshot.referenced)
        return [MakeClone(snapshot.guid if snapshot.data else None, made.volume)]

    def create(self, name: str, properties: dict[str, str] | None = None, *, ancestors: bool = False) -> list[Step]:
        """An empty dataset."""
        steps: list[Step] = []
        if ancestors and self.find(parent := name.rpartition("/")[0]) is None:
            steps = self.create(parent, ancestors=True)
        self._free_place(name, f"cannot create '{name}'")
        made = self.add_dataset(name, data=True, properties=dict(properties or {}))
        return [*steps, MakeClone(None, made.volume)]

    def _free_place(self, name: str, prefix: str) -> None:
        if name.partition("/")[0] != self.pool:
            raise ZfsError(INVALID, f"{prefix}: source and target pools differ")
        if self.find(name):
            raise ZfsError(EXISTS, f"{prefix}: dataset already exists")
        if self.find(name.rpartition("/")[0]) is None:
            raise ZfsError(MISSING, f"{prefix}: parent does not exist")

    def rename(self, name: str, new: str) -> list[Step]:
        top = self.dataset(name)
        if new.startswith(f"{name}/"):
            raise ZfsError(INVALID, f"cannot rename '{name}': New dataset name cannot be a descendant of current dataset name")
        if new.partition("/")[0] != self.pool:
            raise ZfsError(INVALID, f"cannot rename '{name}': datasets must be within same pool")
        self._free_place(new, f"cannot rename to '{new}'")
        steps: list[Step] = []
        for item in (top, *self.below(top)):
            before = item.volume
            item.name = new + item.name.removeprefix(name)
            if item.data:
                steps.append(Move(before, item.volume))
        return steps

    def rename_snapshot(self, ident: str, new: str) -> None:
        """`new` is a full name, or what comes after the @."""
        snapshot = self.snapshot(ident)
        dataset, at, label = new.rpartition("@")
        if not label or (at and dataset != self.datasets[snapshot.dataset].name):
            raise ZfsError(INVALID, f"cannot rename to '{new}': snapshots must be part of same dataset")
        if self.find_snapshot(f"{ident.partition('@')[0]}@{label}"):
            raise ZfsError(EXISTS, f"cannot rename '{ident}': dataset already exists")
        snapshot.name = label

    # -- holding ------------------------------------------------------------------------------------------------
    def _same_named(self, ident: str, *, recursive: bool) -> list[Snapshot]:
        """The snapshot, and with `recursive` those of its name in what is below its dataset."""
        first = self.snapshot(ident)
        others = self.below(self.datasets[first.dataset]) if recursive else []
        found = [self.find_snapshot(f"{item.name}@{first.name}") for item in others]
        return [first, *(item for item in found if item is not None)]

    def hold(self, ident: str, tag: str, *, recursive: bool = False) -> None:
        chosen = self._same_named(ident, recursive=recursive)
        for item in chosen:
            if tag in item.holds:
                raise ZfsError(EXISTS, f"cannot hold snapshot '{self.ident(item)}': tag already exists on this dataset")
        for item in chosen:
            item.holds[tag] = time.time()

    def release(self, ident: str, *, recursive: bool = False) -> list[Step]:
        """Every tag that the snapshot has; a deferred one goes with its last."""
        chosen = self._same_named(ident, recursive=recursive)
        tags = list(chosen[0].holds)
        for item in chosen:
            for tag in tags:
                item.holds.pop(tag, None)
        return self.reap()

    # -- destroying ---------------------------------------------------------------------------------------------
    def reap(self) -> list[Step]:
        """Deferred snapshots that nothing holds any more."""
        steps: list[Step] = []
        for item in [item for item in self.snapshots.values() if item.deferred]:
            if not item.holds and not self.clones(item):
                steps += self.drop(item)
        return steps

    def drop(self, snapshot: Snapshot) -> list[Step]:
        """Without a question."""
        del self.snapshots[snapshot.guid]
        return [Drop(self.pool, snapshot.guid)] if snapshot.data else []

    def destroy_snapshot(self, ident: str, *, defer: bool = False, recursive: bool = False) -> list[Step]:
        chosen = self._same_named(ident, recursive=recursive)
        if not defer:
            for item in chosen:
                if clones := self.clones(item):
                    text = f"cannot destroy '{self.ident(item)}': snapshot has dependent clones"
                    raise ZfsError(CLONES, text, [clone.name for clone in clones])
                if item.holds:
                    raise ZfsError(BUSY, f"cannot destroy snapshot {self.ident(item)}: dataset is busy")
        for item in chosen:
            item.deferred = True
        return self.reap()

    def dependents(self, snapshots: Iterable[Snapshot]) -> list[Dataset]:
        """The clones of snapshots, what is below them, and the clones of that, in an order in which they can be destroyed."""
        found: list[Dataset] = []
        waiting = [clone for item in snapshots for clone in self.clones(item)]
        while waiting:
            clone = waiting.pop()
            group = [clone, *self.below(clone)]
            for item in group:
                if item in found:
                    found.remove(item)  # something else depends on it too: it goes later
                found.append(item)
            waiting += [one for item in group for label in self.snapshots_of(item) for one in self.clones(label) if one not in group]
        return found[::-1]

    def remove(self, datasets: list[Dataset]) -> list[Step]:
        """Datasets with their snapshots; whoever calls has seen to it that nothing else depends on them."""
        steps: list[Step] = []
        for item in datasets:
            for snapshot in self.snapshots_of(item):
                steps += self.drop(snapshot)
            if item.data:
                steps.append(Destroy(item.volume))
            del self.datasets[item.guid]
        return steps + self.reap()

    def _refuse_held(self, datasets: Iterable[Dataset]) -> None:
        for dataset in datasets:
            for snapshot in self.snapshots_of(dataset):
                if snapshot.holds:
                    raise ZfsError(BUSY, f"cannot destroy snapshot {self.ident(snapshot)}: dataset is busy")

    def rollback(self, ident: str, *, recursive: bool = False, recursive_clones: bool = False) -> list[Step]:
        """`recursive` (-r) destroys newer snapshots on the way, `recursive_clones` (-R) also what was cloned from them."""
        snapshot = self.snapshot(ident)
        dataset = self.datasets[snapshot.dataset]
        newer = [item for item in self.snapshots_of(dataset) if item.txg > snapshot.txg]
        if newer and not (recursive or recursive_clones):
            names = [self.ident(item) for item in newer]
            raise ZfsError(
                NEWER,
                f"cannot rollback to '{ident}': more recent snapshots or bookmarks exist\n"
                "use '-r' to force deletion of the following snapshots and bookmarks:\n" + "\n".join(names),
                names,
            )
        clones = self.dependents(newer)
        if clones and not recursive_clones:
            names = [item.name for item in clones]
            raise ZfsError(
                CLONES,
                f"cannot rollback to '{ident}': clones of previous snapshots exist\n"
                "use '-R' to force deletion of the following clones and dependents:\n" + "\n".join(names),
                names,
            )
        for item in newer:
            if item.holds:
                raise ZfsError(BUSY, f"cannot destroy snapshot {self.ident(item)}: dataset is busy")
        self._refuse_held(clones)
        steps = self.remove(clones)
        for item in newer:
            if item.guid in self.snapshots:  # a deferred one may have gone with its clone
                steps += self.drop(item)
        dataset.token = ""  # what the engine puts there is another volume
        dataset.referenced = snapshot.referenced
        return [*steps, Restore(dataset.volume, snapshot.guid)] if snapshot.data else steps

    def destroy(self, name: str, *, recursive: bool = False, dependents: bool = False) -> list[Step]:
        """`recursive` (-r) takes what is below and the snapshots along, `dependents` (-R) also what was cloned from them."""
        top = self.dataset(name)
        group = [top, *self.below(top)]
        snapshots = [snapshot for item in group for snapshot in self.snapshots_of(item)]
        if not (recursive or dependents) and (len(group) > 1 or snapshots):
            names = [*(item.name for item in group[1:]), *(self.ident(item) for item in snapshots)]
            text = f"cannot destroy '{name}': filesystem has children\nuse '-r' to destroy the following datasets:\n" + "\n".join(names)
            raise ZfsError(CHILDREN, text, names)
        outside = [item for item in self.dependents(snapshots) if item not in group]
        if outside and not dependents:
            names = [item.name for item in outside]
            text = f"cannot destroy '{name}': filesystem has dependent clones\nuse '-R' to destroy the following datasets:\n"
            raise ZfsError(CLONES, text + "\n".join(names), names)
        self._refuse_held([*outside, *group])
        return self.remove([*outside, *group[::-1]])

    # -- promoting ----------------------------------------------------------------------------------------------
    def promote(self, name: str) -> None:
        """The clone takes over its origin and all older snapshots; what it was cloned from becomes a clone of it."""
        clone = self.dataset(name)
        origin = self.origin(clone)
        if origin is None:
            raise ZfsError(INVALID, f"cannot promote '{name}': not a cloned filesystem")
        parent = self.datasets[origin.dataset]
        moving = [item for item in self.snapshots_of(parent) if item.txg <= origin.txg]
        own = {item.name for item in self.snapshots_of(clone)}
        if conflicts := [item.name for item in moving if item.name in own]:
            label = conflicts[0]
            text = f"cannot promote '{name}': snapshot name '{label}' from origin \nconflicts with '{label}' from target"
            raise ZfsError(EXISTS, text, [f"{parent.name}@{item}" for item in conflicts])
        for item in moving:
            item.dataset = clone.guid
        clone.origin, parent.origin = parent.origin, origin.guid
