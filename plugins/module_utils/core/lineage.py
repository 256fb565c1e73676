# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A container's data through time: its data set, the ones that restores have kept beside it, and all of their snapshots."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..nas.driver import Container, Driver
from ..nas.storage import Snapshot
from . import labels, naming

# Up to so many containers are asked for by name; for more everything of their pools is fetched at once.
_FEW = 20


@dataclass(frozen=True)
class Checkpoint:
    """A snapshot that is ours and has a label."""

    label: str
    snapshot: Snapshot


@dataclass(frozen=True)
class Lineage:
    """What there is of one container. `snapshots` has those of everybody, oldest first."""

    instance: str
    dataset: str
    parent: str
    snapshots: tuple[Snapshot, ...] = ()

    @property
    def own(self) -> tuple[Snapshot, ...]:
        """Those of the data set that the container has now."""
        return tuple(snapshot for snapshot in self.snapshots if snapshot.dataset == self.dataset)

    @property
    def kept(self) -> tuple[str, ...]:
        """The data sets kept beside it, as far as they have snapshots."""
        return tuple(dict.fromkeys(snapshot.dataset for snapshot in self.snapshots if snapshot.dataset != self.dataset))

    @property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """The newest first."""
        found = ((labels.label_of(snapshot.name), snapshot) for snapshot in reversed(self.snapshots) if not snapshot.deferred)
        return tuple(Checkpoint(label, snapshot) for label, snapshot in found if label is not None)

    def checkpoint(self, label: str) -> Checkpoint | None:
        return next((entry for entry in self.checkpoints if entry.label == label), None)

    def newer_than(self, snapshot: Snapshot) -> tuple[Snapshot, ...]:
        """What a rollback of the snapshot's data set to it would have to go past."""
        return tuple(entry for entry in self.snapshots if entry.dataset == snapshot.dataset and entry.txg > snapshot.txg)

    def outside(self, snapshot: Snapshot) -> tuple[str, ...]:
        """The data sets that need the snapshot and are none of this container's own."""
        return tuple(name for name in snapshot.clones if not self.owns(name))

    def owns(self, dataset: str) -> bool:
        return dataset == self.dataset or labels.parked_instance(dataset) == self.instance


def of(driver: Driver, containers: Iterable[Container]) -> dict[str, Lineage]:
    """Those of the containers, by instance name, with one call for all of them."""
    storage = driver.storage
    found = [(container, storage.dataset_of(container), storage.parent_of(container)) for container in containers]
    if not found:
        return {}
    if len(found) <= _FEW:
        datasets = [dataset for _container, dataset, _parent in found]
        prefixes = [labels.kept_prefix(parent, container.name) for container, _dataset, parent in found]
        snapshots = storage.snapshots(datasets, prefixes=prefixes)
    else:
        snapshots = storage.snapshots(prefixes=sorted({f"{parent}/" for _container, _dataset, parent in found}))
    by_dataset: dict[str, list[Snapshot]] = {}
    by_kept: dict[tuple[str, str], list[Snapshot]] = {}
    for snapshot in snapshots:
        by_dataset.setdefault(snapshot.dataset, []).append(snapshot)
        instance = labels.kept_instance(snapshot.dataset)
        if instance is not None:
            by_kept.setdefault((snapshot.dataset.rpartition("/")[0], instance), []).append(snapshot)
    return {
        container.name: Lineage(
            instance=container.name,
            dataset=dataset,
            parent=parent,
            snapshots=tuple(
                sorted([*by_dataset.get(dataset, []), *by_kept.get((parent, container.name), [])], key=lambda entry: entry.txg)
            ),
        )
        for container, dataset, parent in found
    }


def container_of(dataset: str) -> str:
    """A data set as people know it: task1 for one of our containers' (parked ones too), otherwise its own name."""
    parked = labels.parked_instance(dataset)
    name = parked if parked is not None else dataset.rpartition("/")[2]
    is_instance = parked is not None or dataset.rpartition("/")[0].endswith("/containers")
    return naming.from_instance(name) if is_instance and name.startswith(naming.PREFIX) else dataset


def names_of(datasets: Sequence[str]) -> list[str]:
    """The same for many, each once."""
    return list(dict.fromkeys(container_of(dataset) for dataset in datasets))
