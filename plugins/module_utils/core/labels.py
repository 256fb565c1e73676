# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Labels of checkpoints, and the names that they and our other snapshots and data sets have on the appliance.

The name is the mark: what is not called so was made by somebody else (a periodic task, a person) and is never listed, cloned or
removed as one of ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import count
from typing import Any

from .errors import Invalid

LONGEST = 63
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_ALLOWED = f"a label has 1 to {LONGEST} letters, digits, dots, underscores and hyphens, and begins with a letter or digit"

_CHECKPOINT = "pixels-"
# No label gives a checkpoint such a name: behind "pixels" there is no hyphen.
_TEMPORARY = "pixels.tmp."
_NEW, _OLD, _KEPT = "pixels.new.", "pixels.old.", "pixels.kept."


def check(label: Any) -> str:
    """The label itself; raises for one that ZFS, or a person, would stumble over."""
    text = "" if isinstance(label, bool) or not isinstance(label, (str, int)) else str(label)
    if len(text) > LONGEST or not _LABEL.fullmatch(text):
        raise Invalid("label", label, _ALLOWED)
    return text


def default_label(now: datetime | None = None) -> str:
    """20261123-153301-123456: UTC to the microsecond, so that sorting by name is sorting by time."""
    return (now or datetime.now(UTC)).strftime("%Y%m%d-%H%M%S-%f")


def snapshot_name(label: str) -> str:
    """ready -> pixels-ready"""
    return _CHECKPOINT + label


def label_of(snapshot_name: str) -> str | None:
    """The label of a checkpoint; None for a snapshot that is none of ours."""
    label = snapshot_name.removeprefix(_CHECKPOINT)
    return label if label != snapshot_name and _LABEL.fullmatch(label) else None


def temporary_name(token: str) -> str:
    """The snapshot that clones of a container's present state are made of."""
    return _TEMPORARY + token


def token_of(snapshot_name: str) -> str | None:
    """Whose temporary snapshot that is; None for any other snapshot."""
    return snapshot_name.removeprefix(_TEMPORARY) if snapshot_name.startswith(_TEMPORARY) else None


# Data sets beside those of the containers, while one is swapped for another, or afterwards for the checkpoints in it.


def new_dataset(parent: str, instance: str) -> str:
    """The one that is to become the container's."""
    return f"{parent}/{_NEW}{instance}"


def old_dataset(parent: str, instance: str) -> str:
    """The one that was the container's and has nothing worth keeping."""
    return f"{parent}/{_OLD}{instance}"


def kept_prefix(parent: str, instance: str) -> str:
    """What those that were the container's and have checkpoints begin with; a number follows."""
    return f"{parent}/{_KEPT}{instance}."


def kept_dataset(parent: str, instance: str, taken: Iterable[str]) -> str:
    """The first of these names that is free."""
    prefix, used = kept_prefix(parent, instance), set(taken)
    return next(name for name in (f"{prefix}{number}" for number in count(1)) if name not in used)


def kept_instance(dataset: str) -> str | None:
    """The container (px-task1) whose checkpoints such a data set keeps; None for any other."""
    name = dataset.rpartition("/")[2]
    return name.removeprefix(_KEPT).rpartition(".")[0] if name.startswith(_KEPT) else None


def parked_instance(dataset: str) -> str | None:
    """The container that a data set belongs to which we have parked, for whatever reason; None for any other."""
    name = dataset.rpartition("/")[2]
    for prefix in (_NEW, _OLD):
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return kept_instance(dataset)
