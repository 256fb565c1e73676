# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a restore that was cut short has left of a container's data sets, and the steps that bring them in order. Pure.

A swap makes a clone of the checkpoint (new), parks the container's data set (old, or kept), gives its name to the clone and promotes it.
Where that was cut short tells by itself what to do: nothing has to be remembered anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..nas.storage import Dataset, Snapshot
from . import labels
from .errors import CoreError
from .family import Family
from .lineage import Lineage
from .promotion import Held, NameConflict, release
from .zfs_steps import DestroyDataset, Promote, Rename, Step


class MissingData(CoreError):
    """A container has no data set, and none that could take its place."""

    def __init__(self, lineage: Lineage, kept: Iterable[str]) -> None:
        names = list(kept)
        told = f"; kept beside it are {', '.join(names)}, and which of them was the last one nothing tells" if names else ""
        super().__init__(f"{lineage.instance}: its data set {lineage.dataset} is missing{told}", dataset=lineage.dataset, kept=names)


def owned(lineage: Lineage, datasets: Iterable[Dataset]) -> list[Dataset]:
    """Those of the container, whatever they are for at the moment."""
    return [dataset for dataset in datasets if lineage.owns(dataset.name)]


def family_of(lineage: Lineage, datasets: Iterable[Dataset], others: Iterable[Snapshot] = ()) -> Family:
    """The container's data sets and snapshots, with the snapshots of those data sets that depend on them."""
    return Family([*lineage.snapshots, *others], owned(lineage, datasets))


def kept_in(family: Family, lineage: Lineage) -> list[str]:
    return [name for name in family.datasets() if labels.kept_instance(name) == lineage.instance and lineage.owns(name)]


def plan_repair(lineage: Lineage, family: Family) -> list[Step]:
    """The steps, taken in the family too; none where nothing was cut short.

    Only where the container's own data set is missing they take its name, and there it cannot be running; the others do no harm to one that
    runs. Raises `MissingData`, `Held` or `NameConflict` where there is no way.
    """
    steps: list[Step] = []
    if not family.exists(lineage.dataset):
        # To go on is right wherever it was cut short: the clone has what was asked for. One that was swapped out comes back only when
        # there is no clone.
        found = next((name for name in (lineage.new, lineage.old) if family.exists(name)), None)
        if found is None:
            raise MissingData(lineage, kept_in(family, lineage))
        steps += _taken(family, Rename(found, lineage.dataset))
    elif family.exists(lineage.new):
        steps += dispose(lineage, family, lineage.new)
    steps += promote_home(lineage, family)
    if family.exists(lineage.old):
        steps += dispose(lineage, family, lineage.old)
    return steps + drop_empty(lineage, family)


def promote_home(lineage: Lineage, family: Family) -> list[Step]:
    """The container's data set gets its own history, back to where it is a clone of something that is not the container's."""
    steps: list[Step] = []
    while (origin := family.origin(lineage.dataset)) is not None and lineage.owns(origin.dataset):
        names = family.conflicts(lineage.dataset, family.up_to(origin))
        if names:
            raise NameConflict(origin.dataset, {lineage.dataset: names})
        steps += _taken(family, Promote(lineage.dataset))
    return steps


def dispose(lineage: Lineage, family: Family, dataset: str) -> list[Step]:
    """One of the container's data sets goes with its snapshots. What clones still need of it becomes theirs."""
    held = [entry.id for entry in family.entries(dataset) if entry.held]
    if held:
        raise Held(held)
    return [*release(family, [dataset], prefer=kept_in(family, lineage)), *_taken(family, DestroyDataset(dataset))]


def drop_empty(lineage: Lineage, family: Family) -> list[Step]:
    """What is kept is kept for its snapshots: without any it goes."""
    empty = [name for name in kept_in(family, lineage) if not family.entries(name)]
    return [step for name in empty for step in _taken(family, DestroyDataset(name))]


def _taken(family: Family, step: Step) -> list[Step]:
    family.take(step)
    return [step]
