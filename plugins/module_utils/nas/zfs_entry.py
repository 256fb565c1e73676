# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Entries of the appliance's ZFS queries as records.

Snapshots come as `{"properties": {"used": {"value", "rawvalue", "parsed", "source"}}}`; rawvalue is what `zfs get -p` prints. Data sets
of `zfs.dataset.query` do too, those of `zfs.resource.query` have `raw` instead. Only the raw text is read: the other forms differ
between versions. A property that is not there is unknown, which is never the same as empty.

Known from the sources of 25.04 and 25.10 (py-libzfs): a property that was asked for is always there, one without a value has an empty
text, `clones` is a text with commas, `defer_destroy` is on or off. Assumed: how `zfs.resource.query` shows a data set without an origin;
an empty text, a null and an entry without it are all taken, as only a text with an @ in it is an origin.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import DriverError
from .storage import Dataset, Snapshot

# What is asked for. `userrefs` counts holds and costs nothing, the list of holds is one more look into the pool for each snapshot.
SNAPSHOT_PROPERTIES = ["creation", "createtxg", "clones", "defer_destroy", "userrefs"]
DATASET_PROPERTIES = ["origin"]
# Not for every look: sizes take their time.
SNAPSHOT_DETAILS = ["used", "referenced", *SNAPSHOT_PROPERTIES]
DATASET_DETAILS = [*DATASET_PROPERTIES, "creation", "used"]

# The appliance reads a property into a buffer of 4096 bytes, and a longer list of clones is cut off without a word.
_LONGEST_LIST = 4095

_NOTHING = ("", "-", "none")


def snapshot_record(entry: Mapping[str, Any]) -> tuple[Snapshot, bool]:
    """The record, and whether its clones are known."""
    ident = str(entry.get("id") or entry.get("name"))
    dataset, _at, name = ident.partition("@")
    clones = clones_of(entry)
    deferred = raw(entry, "defer_destroy")
    snapshot = Snapshot(
        dataset=dataset,
        name=name,
        txg=_needed(ident, "createtxg", _number(entry.get("createtxg")) or _number(raw(entry, "createtxg"))),
        created=_needed(ident, "creation", _number(raw(entry, "creation"))),
        used=_number(raw(entry, "used")),
        referenced=_number(raw(entry, "referenced")),
        clones=clones or (),
        held=bool(_number(raw(entry, "userrefs"))) or bool(entry.get("holds")),
        deferred=deferred is not None and deferred.lower() in ("on", "yes", "1"),
    )
    return snapshot, clones is not None


def told_snapshot(entry: Any) -> Snapshot | None:
    """What the answer to its making tells of a snapshot, which nobody can have cloned yet; None when that is too little."""
    try:
        return snapshot_record(entry)[0] if isinstance(entry, Mapping) else None
    except DriverError:
        return None


def clones_of(entry: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The data sets that were made of a snapshot; None when the entry does not tell, or not all."""
    text = raw(entry, "clones")
    if text is None or len(text) >= _LONGEST_LIST:
        return None
    return () if text in _NOTHING else tuple(name.strip() for name in text.split(","))


def dataset_record(entry: Mapping[str, Any]) -> Dataset:
    origin = raw(entry, "origin")
    return Dataset(
        name=str(entry.get("id") or entry.get("name")),
        origin=origin if origin is not None and "@" in origin else None,
        created=_number(raw(entry, "creation")),
        used=_number(raw(entry, "used")),
    )


def tells_origin(entry: Mapping[str, Any]) -> bool:
    """Whether no origin in the record means that there is none."""
    return "origin" in (entry.get("properties") or {})


def raw(entry: Mapping[str, Any], name: str) -> str | None:
    shown = (entry.get("properties") or {}).get(name)
    if not isinstance(shown, Mapping):
        return None
    for key in ("rawvalue", "raw", "value"):
        if shown.get(key) is not None:
            return str(shown[key])
    return None


def _number(text: Any) -> int | None:
    try:
        return int(text)
    except (TypeError, ValueError):
        return None


def _needed(ident: str, name: str, value: int | None) -> int:
    if value is None:
        raise DriverError(f"the appliance does not tell the {name} of the snapshot {ident}, without which nothing can be decided")
    return value
