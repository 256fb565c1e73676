# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A container's data through time: its data set, the ones that restores have parked beside it, and all of their snapshots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ..nas.driver import Container, Driver
from ..nas.storage import Snapshot
from . import labels, naming
from .errors import CoreError

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
    def new(self) -> str:
        """Where the data set is made that is to become the container's."""
        return labels.new_dataset(self.parent, self.instance)

    @property
    def old(self) -> str:
        """Where the one goes that was the container's, to be destroyed."""
        return labels.old_dataset(self.parent, self.instance)

    @property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """The newest first."""
        found = ((labels.label_of(snapshot.name), snapshot) for snapshot in reversed(self.snapshots) if not snapshot.deferred)
        return tuple(Checkpoint(label, snapshot) for label, snapshot in found if label is not None)

    def checkpoint(self, label: str) -> Checkpoint | None:
        return next((entry for entry in self.checkpoints if entry.label == label), None)

    def outside(self, snapshot: Snapshot) -> tuple[str, ...]:
        """The data sets that need the snapshot and are none of this container's own."""
        return tuple(name for name in snapshot.clones if not self.owns(name))

    def owns(self, dataset: str) -> bool:
        parked = dataset.rpartition("/")[0] == self.parent and labels.parked_instance(dataset) == self.instance
        return parked or dataset == self.dataset


def of(driver: Driver, containers: Iterable[Container], *, details: bool = False) -> dict[str, Lineage]:
    """Those of the containers, by instance name, with one call for all of them; with `details` their snapshots say how large they are."""
    storage = driver.storage
    found = [Lineage(container.name, storage.dataset_of(container), storage.parent_of(container)) for container in containers]
    if not found:
        return {}
    # What a restore that was cut short has left is a part of it: there may be checkpoints in it.
    if len(found) <= _FEW:
        datasets = [name for entry in found for name in (entry.dataset, entry.new, entry.old)]
        snapshots = storage.snapshots(
            datasets, prefixes=[labels.kept_prefix(entry.parent, entry.instance) for entry in found], details=details
        )
    else:
        prefixes = {f"{entry.parent}/" for entry in found} | {f"{entry.dataset.rpartition('/')[0]}/" for entry in found}
        snapshots = storage.snapshots(prefixes=sorted(prefixes), details=details)
    if storage.dataset_prefix and not snapshots:
        _must_exist(driver, storage.dataset_prefix, found)
    by_dataset: dict[str, list[Snapshot]] = {}
    by_parked: dict[tuple[str, str], list[Snapshot]] = {}
    for snapshot in snapshots:
        by_dataset.setdefault(snapshot.dataset, []).append(snapshot)
        instance = labels.parked_instance(snapshot.dataset)
        if instance is not None:
            by_parked.setdefault((snapshot.dataset.rpartition("/")[0], instance), []).append(snapshot)
    return {entry.instance: replace(entry, snapshots=_ordered(by_dataset, by_parked, entry)) for entry in found}


def _must_exist(driver: Driver, prefix: str, found: Iterable[Lineage]) -> None:
    """A data set that is not there has no snapshots either; where a person has said where they are, that may be the reason."""
    there = {dataset.name for dataset in driver.storage.datasets([prefix.strip("/")])}
    missing = [entry.dataset for entry in found if entry.dataset not in there]
    if missing and not any(entry.dataset in there for entry in found):
        raise CoreError(
            f"there is no data set {missing[0]}; checkpoint.dataset_prefix is {prefix}, and the appliance has its containers elsewhere."
            " Leave it out, and it is asked where",
            option="checkpoint.dataset_prefix",
        )


def _ordered(
    by_dataset: Mapping[str, list[Snapshot]], by_parked: Mapping[tuple[str, str], list[Snapshot]], entry: Lineage
) -> tuple[Snapshot, ...]:
    found = [*by_dataset.get(entry.dataset, []), *by_parked.get((entry.parent, entry.instance), [])]
    return tuple(sorted(found, key=lambda snapshot: snapshot.txg))


def container_of(dataset: str) -> str:
    """A data set as people know it: task1 for one of our containers' (parked ones too), otherwise its own name."""
    parked = labels.parked_instance(dataset)
    name = parked if parked is not None else dataset.rpartition("/")[2]
    is_instance = parked is not None or dataset.rpartition("/")[0].endswith("/containers")
    return naming.from_instance(name) if is_instance and name.startswith(naming.PREFIX) else dataset


def names_of(datasets: Sequence[str]) -> list[str]:
    """The same for many, each once."""
    return list(dict.fromkeys(container_of(dataset) for dataset in datasets))
