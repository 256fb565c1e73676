# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Making clones independent of data sets that are to go: which of them to promote, and what becomes of the snapshots that move.

A clone of a snapshot, once promoted, has that snapshot and all older ones of the same data set, byte for byte; the other clones of these
snapshots then depend on it instead. Nobody asked for the snapshots that it gets in this way, so they are destroyed in ZFS's deferred
manner *before* they move: what no clone needs is gone at once, and the rest goes by itself with the last clone. A run that is killed
at any point leaves nothing behind that would have to be remembered.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ..nas.storage import Dataset, Snapshot
from . import lineage
from .errors import CoreError
from .family import Entry, Family
from .zfs_steps import DestroySnapshot, Promote, Step


class Held(CoreError):
    """A snapshot that would have to go is held."""

    def __init__(self, snapshots: Iterable[str]) -> None:
        names = list(snapshots)
        super().__init__(
            f"{', '.join(names)}: somebody has put a hold on it, and what is held is not destroyed;"
            " release it on the appliance (Datasets, Manage Snapshots) if it is not needed any more",
            held=names,
        )


class NameConflict(CoreError):
    """No clone can be promoted, since each has a snapshot of the same name as one that would move to it."""

    def __init__(self, dataset: str, conflicts: dict[str, list[str]]) -> None:
        told = "; ".join(f"{lineage.container_of(clone)} has {', '.join(names)} too" for clone, names in conflicts.items())
        super().__init__(
            f"the snapshots of {lineage.container_of(dataset)} cannot move to a clone, which may have no snapshot of the same name: {told}."
            " Delete those of the clone, or destroy the clone",
            conflicts={lineage.container_of(clone): names for clone, names in conflicts.items()},
        )


def plan_promotion(going: Iterable[str], snapshots: Iterable[Snapshot], datasets: Iterable[Dataset] = ()) -> tuple[Step, ...]:
    """What has to be done before these data sets can be destroyed, clones before what they were made of. Raises `Held` or `NameConflict`
    where it cannot be done.

    The snapshots are those of the data sets that go and of all that depend on them: a conflict of names with one that was not looked at
    goes unnoticed.
    """
    known, gone = list(snapshots), set(going)
    held = [snapshot.id for snapshot in known if snapshot.dataset in gone and snapshot.held]
    if held:
        raise Held(held)
    return tuple(release(Family(known, datasets), gone))


def release(family: Family, going: Iterable[str], prefer: Collection[str] = ()) -> list[Step]:
    """The steps, taken in the family too, after which no other data set needs one of these."""
    gone = set(going)
    steps: list[Step] = []
    while True:
        # A promotion can make a clone depend on another one that is to go, so it takes a new look each time.
        needed = [entry for dataset in sorted(gone) for entry in reversed(family.entries(dataset)) if entry.clones - gone]
        if not needed:
            return steps
        steps += _promote(family, gone, needed, prefer)


def hand_over(family: Family, entry: Entry, own: Iterable[str]) -> list[Step]:
    """The steps, taken in the family too, by which a clone gets this snapshot, and all older ones, that is none of these data sets."""
    return _promote(family, set(own), [entry], ())


def _promote(family: Family, gone: set[str], needed: list[Entry], prefer: Collection[str]) -> list[Step]:
    clone, moved = _choice(family, gone, needed, prefer)
    steps: list[Step] = [*(DestroySnapshot(entry.id, defer=True) for entry in moved if not entry.deferred), Promote(clone)]
    for step in steps:
        family.take(step)
    return steps


def _choice(family: Family, gone: set[str], needed: list[Entry], prefer: Collection[str]) -> tuple[str, list[Entry]]:
    """The clone to promote next: one of the newest snapshot, so that one promotion does for all older ones. Names may speak against it."""
    conflicts: dict[str, list[str]] = {}
    for entry in needed:
        moved = family.up_to(entry)
        # What nobody needs is gone before the others move.
        remaining = [other for other in moved if other.clones or other.held]
        for clone in sorted(entry.clones - gone, key=lambda name: (name not in prefer, name)):
            names = family.conflicts(clone, remaining)
            if not names:
                return clone, moved
            conflicts[clone] = names
    raise NameConflict(needed[0].dataset, conflicts)
