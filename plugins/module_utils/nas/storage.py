# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the collection asks of an appliance's ZFS, in one set of words for every version of TrueNAS.

Three services stand behind it: `zfs.snapshot.*` (25.04), `pool.snapshot.*` (25.10 and later) and, for data sets, partly private ones.
The rules are ZFS's own: a clone keeps the snapshot alive that it was made of, a rollback goes past nothing newer unless told to,
a promotion moves snapshots from the origin to the clone. Names here are full ones: `tank/.ix-virt/containers/px-task1@pixels-ready`.

Errors are the types of `rpc.errors`. A missing snapshot or data set is never an empty answer, except where that is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .driver import Container


@dataclass(frozen=True)
class Snapshot:
    """A snapshot as it is now."""

    dataset: str
    name: str  # behind the @
    txg: int  # the order in which snapshots were made: a larger one is newer
    created: int  # seconds since 1970
    used: int | None = None  # bytes that nothing else holds: what its removal would give back
    referenced: int | None = None  # bytes that can be reached through it
    clones: tuple[str, ...] = ()  # data sets that were made of it and need it
    held: bool = False  # somebody has put a hold on it: it cannot be destroyed
    deferred: bool = False  # destroyed already; it only lives on until its last clone is gone

    @property
    def id(self) -> str:
        return f"{self.dataset}@{self.name}"


@dataclass(frozen=True)
class Dataset:
    """A data set as it is now."""

    name: str
    origin: str | None = None  # the snapshot that it is a clone of
    created: int | None = None  # seconds since 1970
    used: int | None = None  # bytes: what its removal with all of its snapshots would give back


class Storage(Protocol):
    """The operations. Safe to use from several threads. After each returned, what it promises is true: an answer that was lost on the way
    is settled by looking, and what cannot be settled is `OutcomeUnknown`.

    What ZFS refuses is told by type, where a look can tell: `Missing`, `AlreadyExists`, `StillNeeded` (with the clones), `Held`,
    `NewerInTheWay`; otherwise it is the appliance's own `CallError`. After any of these nothing has changed.
    """

    # The data set that holds those of the containers, from the configuration; None: where the appliance has them.
    dataset_prefix: str | None

    def dataset_of(self, container: Container) -> str:
        """The data set that a container's data lies in. It need not exist."""

    def parent_of(self, container: Container) -> str:
        """The data set below which one of ours may be parked: the parent of the one that has all containers of that pool."""

    def snapshots(self, datasets: Iterable[str] = (), *, prefixes: Iterable[str] = (), details: bool = False) -> Sequence[Snapshot]:
        """All snapshots of these data sets and of those whose names begin so, oldest first, in one call. One that is missing has none.
        Only with `details` they say how large they are.

        On 25.04 and 25.10 the appliance looks through all of its snapshots for that: ask once for many, not once for each.
        """

    def datasets(self, parents: Iterable[str], *, details: bool = False) -> Sequence[Dataset]:
        """Everything below these data sets, at any depth, without themselves. A parent that is missing has nothing below it.
        Only with `details` they say when they were made and how large they are."""

    def snapshot(self, dataset: str, name: str) -> Snapshot | None:
        """Take one. That one of that name exists already is `AlreadyExists`. Returns what the appliance has told of it, if anything."""

    def destroy_snapshot(self, snapshot: str, *, defer: bool = False) -> None:
        """Remove one; with `defer` one that clones need goes with the last of them. That it was gone already is fine."""

    def rollback(self, snapshot: str, *, newer: bool = False) -> None:
        """Take the data set of a stopped container back to it; with `newer` the snapshots after it are destroyed, never a clone of them.
        After a lost answer it is done again, as nothing shows whether it has been done."""

    def clone(self, snapshot: str, dataset: str) -> None:
        """Make a data set of it."""

    def promote(self, dataset: str) -> None:
        """Let a clone and its origin change roles: the origin's snapshots up to the one it was made of are the clone's afterwards."""

    def rename(self, dataset: str, new_name: str) -> None:
        """Rename a data set of a container that is stopped."""

    def destroy_dataset(self, dataset: str, *, recursive: bool = False) -> None:
        """Remove one; with `recursive` its snapshots too, never a clone of them. That it was gone already is fine."""
