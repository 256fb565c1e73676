# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a container gets back to a checkpoint, and how a checkpoint is removed: all of it decided here, before anything is touched. Pure.

Where nothing newer stands in the way a restore is a rollback. Otherwise a clone of the checkpoint takes the place of the container's data
set, which is then kept beside it for the newer checkpoints, or destroyed once nobody needs anything of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..nas.storage import Dataset, Snapshot
from . import labels, lease
from .checkpoint_errors import Dependents, InProgress, NewerCheckpoints, NoCheckpoint, OlderCheckpoints
from .family import Entry, Family
from .lineage import Checkpoint, Lineage, names_of
from .promotion import Held, hand_over
from .repair import dispose, drop_empty, family_of, kept_in, plan_repair, promote_home
from .zfs_steps import Clone, DestroyDataset, DestroySnapshot, Rename, Rollback, Step


@dataclass(frozen=True)
class Newer:
    """A snapshot that stood in the way of a restore, and what becomes of it."""

    snapshot: str  # behind the @
    label: str | None  # None: it is not a checkpoint of ours
    kind: str  # checkpoint, foreign, or spent: it lives on for its clones only
    dependents: tuple[str, ...]  # containers, or data sets, that are none of this container's own
    fate: str  # destroyed, kept, or left: only to those that depend on it


@dataclass(frozen=True)
class Restore:
    """The steps by what the container does meanwhile. Those of `before` can be undone by destroying what they made."""

    before: tuple[Step, ...]  # goes on as it was
    down: tuple[Step, ...]  # stopped
    after: tuple[Step, ...]  # started again
    checkpoint: Checkpoint
    newer: tuple[Newer, ...] = ()
    parked: str | None = None  # where the container's data set goes, when it is swapped for a clone
    repaired: bool = False  # an earlier restore was cut short, and is completed first

    @property
    def steps(self) -> tuple[Step, ...]:
        return (*self.before, *self.down, *self.after)


@dataclass(frozen=True)
class Removal:
    """How a checkpoint goes."""

    steps: tuple[Step, ...]
    checkpoint: Checkpoint
    dependents: tuple[str, ...] = ()
    deferred: bool = False  # the data goes with the last of those that need it


def plan_restore(
    lineage: Lineage,
    datasets: Iterable[Dataset],
    label: str,
    *,
    on_newer: str = "fail",
    dependents: str = "fail",
    others: Iterable[Snapshot] = (),
) -> Restore:
    """The way back to a checkpoint, or the typed error that says why there is none.

    `datasets` are those beside and below the container's, `others` the snapshots of the data sets that depend on its snapshots.
    """
    checkpoint = lineage.checkpoint(label)
    if checkpoint is None:
        raise NoCheckpoint(lineage, label)
    family = family_of(lineage, datasets, others)
    before: list[Step] = list(plan_repair(lineage, family))
    repaired = bool(before)
    target = _find(family, lineage, checkpoint)
    blocking, leftovers = _in_the_way(family, lineage, target)
    newer = tuple(_told(lineage, entry, on_newer) for entry in blocking)
    _permit(lineage, target, blocking, newer, on_newer, dependents)
    before += _take(family, [DestroySnapshot(entry.id) for entry in leftovers])
    if target.dataset == lineage.dataset and not (blocking and on_newer == "keep") and not any(entry.clones for entry in blocking):
        down = _take(family, [Rollback(target.id, newer=bool(blocking))])
        return Restore(tuple(before), tuple(down), (), checkpoint, newer, repaired=repaired)

    keep = on_newer == "keep" and any(_worth_keeping(entry) or (dependents == "fail" and _outside(lineage, entry)) for entry in blocking)
    parked = labels.kept_dataset(lineage.parent, lineage.instance, kept_in(family, lineage)) if keep else lineage.old
    before += _take(family, [Clone(target.id, lineage.new)])
    down = _take(family, [Rename(lineage.dataset, parked), Rename(lineage.new, lineage.dataset)])
    down += promote_home(lineage, family)
    after = [] if keep else dispose(lineage, family, parked)
    after += drop_empty(lineage, family)
    return Restore(tuple(before), tuple(down), tuple(after), checkpoint, newer, parked, repaired)


def plan_removal(lineage: Lineage, label: str, *, dependents: str = "fail", others: Iterable[Snapshot] = ()) -> Removal | None:
    """How to be rid of a checkpoint; None where there is none."""
    checkpoint = lineage.checkpoint(label)
    if checkpoint is None:
        return None
    snapshot = checkpoint.snapshot
    if snapshot.held:
        raise Held([snapshot.id])
    outside = lineage.outside(snapshot)
    names = tuple(names_of(outside))
    if outside and dependents == "fail":
        raise Dependents(lineage, f"checkpoint {label}", names, "dependents=defer lets it go now and its data with the last of them")
    if outside and dependents == "promote":
        return Removal(_moved_away(lineage, snapshot, others), checkpoint, names, deferred=True)
    if snapshot.clones:
        # Of the container's own data sets one that is kept for other checkpoints may need it: then they share it until the last one goes.
        return Removal((DestroySnapshot(snapshot.id, defer=True),), checkpoint, names, deferred=True)
    last = [entry for entry in lineage.snapshots if entry.dataset == snapshot.dataset] == [snapshot]
    if last and labels.kept_instance(snapshot.dataset) is not None:
        return Removal((DestroyDataset(snapshot.dataset),), checkpoint)
    return Removal((DestroySnapshot(snapshot.id),), checkpoint)


def _take(family: Family, steps: list[Step]) -> list[Step]:
    for step in steps:
        family.take(step)
    return steps


def _find(family: Family, lineage: Lineage, checkpoint: Checkpoint) -> Entry:
    """The checkpoint, wherever it is by now."""
    known = [family.find(f"{name}@{checkpoint.snapshot.name}") for name in family.datasets() if lineage.owns(name)]
    found = [entry for entry in known if entry is not None and entry.txg == checkpoint.snapshot.txg]
    if not found:
        raise NoCheckpoint(lineage, checkpoint.label)
    return found[0]


def _in_the_way(family: Family, lineage: Lineage, target: Entry) -> tuple[list[Entry], list[Entry]]:
    """What the container's data set has that the checkpoint does not come after; and our own leftovers among it, which nobody minds."""
    before: set[int] = set()
    entry: Entry | None = target
    # Only as far as it stays within the container's own data sets: no promotion gets the rest back from others.
    while entry is not None and lineage.owns(entry.dataset):
        before |= {id(older) for older in family.up_to(entry)}
        entry = family.origin(entry.dataset)
    blocking: list[Entry] = []
    leftovers: list[Entry] = []
    for entry in family.entries(lineage.dataset):
        if id(entry) in before:
            continue
        temporary = _not_in_use(lineage, entry)
        (leftovers if temporary and not entry.clones and not entry.held else blocking).append(entry)
    return blocking, leftovers


def _not_in_use(lineage: Lineage, entry: Entry) -> bool:
    """Whether it only serves, or served, to make clones; raises for one of which another run is making some."""
    token = labels.token_of(entry.name)
    if token is not None and not entry.deferred and not lease.is_over(token):
        raise InProgress(lineage, token)
    return token is not None


def _worth_keeping(entry: Entry) -> bool:
    """What somebody may come back to: not what is destroyed already, nor what only served to make clones."""
    return not entry.deferred and labels.token_of(entry.name) is None


def _outside(lineage: Lineage, entry: Entry) -> list[str]:
    return sorted(clone for clone in entry.clones if not lineage.owns(clone))


def _told(lineage: Lineage, entry: Entry, on_newer: str) -> Newer:
    outside = _outside(lineage, entry)
    if on_newer == "keep" and _worth_keeping(entry):
        fate = "kept"
    else:
        fate = "left" if entry.clones else "destroyed"
    label = labels.label_of(entry.name) if _worth_keeping(entry) else None
    kind = "spent" if not _worth_keeping(entry) else "foreign" if label is None else "checkpoint"
    return Newer(entry.name, label, kind, tuple(names_of(outside)), fate)


def _permit(lineage: Lineage, target: Entry, blocking: list[Entry], newer: tuple[Newer, ...], on_newer: str, dependents: str) -> None:
    """Whether the user has agreed to what is going to happen to those in the way."""
    if not blocking or on_newer == "keep":
        return
    label = labels.label_of(target.name) or target.name
    if on_newer == "fail":
        raise NewerCheckpoints(lineage, label, newer)
    held = [entry.id for entry in blocking if entry.held]
    if held:
        raise Held(held)
    names = list(dict.fromkeys(name for entry in newer for name in entry.dependents))
    if names and dependents != "promote":
        hint = "dependents=promote leaves to them what they need, on_newer=keep keeps all of it"
        raise Dependents(lineage, f"what is newer than {label}", names, hint)


def _moved_away(lineage: Lineage, snapshot: Snapshot, others: Iterable[Snapshot]) -> tuple[Step, ...]:
    """One of its clones gets it. All that is older would go along, so there must be nothing older that anybody wants."""
    family = Family([*lineage.snapshots, *others])
    entry = family.find(snapshot.id)
    if entry is None:
        raise RuntimeError(f"{snapshot.id} is not among the snapshots of its own lineage")
    older = [other for other in family.up_to(entry) if other is not entry]
    for other in older:
        _not_in_use(lineage, other)
    wanted = [labels.label_of(other.name) or other.name for other in older if _worth_keeping(other)]
    if wanted:
        raise OlderCheckpoints(lineage, labels.label_of(snapshot.name) or snapshot.name, wanted)
    return tuple(hand_over(family, entry, [name for name in family.datasets() if lineage.owns(name)]))
