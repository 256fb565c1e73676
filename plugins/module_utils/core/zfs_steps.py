# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The steps that plans about data sets and snapshots consist of. Names are full ones, as in `nas/storage.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from ..nas.storage import Storage


@dataclass(frozen=True)
class Clone:
    snapshot: str
    dataset: str
    verb = "cloned"


@dataclass(frozen=True)
class Rename:
    dataset: str
    new_name: str
    verb = "renamed"


@dataclass(frozen=True)
class Promote:
    """The clone takes the snapshot that it was made of, and all older ones of the same data set."""

    dataset: str
    verb = "promoted"


@dataclass(frozen=True)
class Rollback:
    snapshot: str
    newer: bool = False  # destroy the newer ones
    verb = "rolled back"


@dataclass(frozen=True)
class DestroySnapshot:
    snapshot: str
    defer: bool = False  # one that clones need goes with the last of them
    verb = "snapshot destroyed"


@dataclass(frozen=True)
class DestroyDataset:
    """With its snapshots."""

    dataset: str
    verb = "dataset destroyed"


Step: TypeAlias = "Clone | Rename | Promote | Rollback | DestroySnapshot | DestroyDataset"


def carry_out(storage: Storage, step: Step) -> None:
    """Do one; it has been done when this returns."""
    if isinstance(step, Clone):
        storage.clone(step.snapshot, step.dataset)
    elif isinstance(step, Rename):
        storage.rename(step.dataset, step.new_name)
    elif isinstance(step, Promote):
        storage.promote(step.dataset)
    elif isinstance(step, Rollback):
        storage.rollback(step.snapshot, newer=step.newer)
    elif isinstance(step, DestroySnapshot):
        storage.destroy_snapshot(step.snapshot, defer=step.defer)
    else:
        storage.destroy_dataset(step.dataset, recursive=True)
