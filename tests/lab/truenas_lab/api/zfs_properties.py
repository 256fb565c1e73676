"""Datasets and snapshots as `zfs get` shows them: each property with its value for people, for programs, and its source."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from ..zfs.records import Dataset, Size, Sizes, Snapshot
from ..zfs.tree import Tree

Shown = dict[str, Any]
MEASURED = {"used", "referenced", "written", "available", "usedbydataset", "usedbysnapshots", "usedbychildren", "logicalreferenced"}
_UNITS = "BKMGTPE"
_NOTHING = Size(0, 0)


def nice(number: int) -> str:
    """As ZFS writes sizes: at most five characters."""
    index, value = 0, number
    while value >= 1024 and index < len(_UNITS) - 1:
        value //= 1024
        index += 1
    if index == 0 or number % (1024**index) == 0:
        return f"{value}{_UNITS[index]}"
    exact = number / 1024**index
    for digits in (2, 1, 0):
        text = f"{exact:.{digits}f}{_UNITS[index]}"
        if len(text) <= 5:
            break
    return text


def _shown(value: str, parsed: Any = None, raw: str | None = None, source: str = "NONE") -> Shown:
    raw = value if raw is None else raw
    return {"value": value, "rawvalue": raw, "source": source, "parsed": raw if parsed is None else parsed}


def _size(number: int) -> Shown:
    return _shown(nice(number), number, str(number))


def _creation(moment: float) -> Shown:
    made = int(moment)
    return _shown(time.strftime("%a %b %d %H:%M %Y", time.gmtime(made)), {"$date": made * 1000}, str(made))


def _number(number: int) -> Shown:
    return _shown(str(number))


def _chosen(properties: dict[str, Shown], wanted: Iterable[str] | None) -> dict[str, Shown]:
    return properties if wanted is None else {name: properties[name] for name in wanted if name in properties}


def needs_sizes(wanted: Iterable[str] | None) -> bool:
    return wanted is None or bool(MEASURED & set(wanted))


def of_snapshot(tree: Tree, snapshot: Snapshot, sizes: Sizes, wanted: Iterable[str] | None = None) -> dict[str, Shown]:
    ident = tree.ident(snapshot)
    clones = ",".join(clone.name for clone in tree.clones(snapshot))
    properties = {
        "name": _shown(ident),
        "type": _shown("snapshot"),
        "creation": _creation(snapshot.created),
        "used": _size(sizes.snapshots.get(snapshot.guid, _NOTHING).unique),
        "referenced": _size(snapshot.referenced),
        "createtxg": _number(snapshot.txg),
        "guid": _number(snapshot.guid),
        "defer_destroy": _shown("on" if snapshot.deferred else "off"),
        "userrefs": _number(len(snapshot.holds)),
        "clones": _shown(clones),
    }
    properties.update({key: _shown(value, source="LOCAL") for key, value in snapshot.properties.items()})
    return _chosen(properties, wanted)


def snapshot_entry(
    tree: Tree, snapshot: Snapshot, sizes: Sizes, *, wanted: Iterable[str] | None = None, holds: bool = False
) -> dict[str, Any]:
    ident = tree.ident(snapshot)
    dataset, _at, name = ident.partition("@")
    result: dict[str, Any] = {
        "id": ident,
        "properties": of_snapshot(tree, snapshot, sizes, wanted),
        "pool": tree.pool,
        "name": ident,
        "type": "SNAPSHOT",
        "snapshot_name": name,
        "dataset": dataset,
        "createtxg": str(snapshot.txg),
    }
    if holds:
        result["holds"] = {tag: int(since) for tag, since in snapshot.holds.items()}
    return result


def used(tree: Tree, dataset: Dataset, sizes: Sizes) -> tuple[int, int, int]:
    """By the dataset itself, by its snapshots, by what is below it.

    What only several snapshots share counts for none of them.
    """

    def own(item: Dataset) -> int:
        return (sizes.of(item.volume) or _NOTHING).unique

    def snapshots(item: Dataset) -> int:
        return sum(sizes.snapshots.get(one.guid, _NOTHING).unique for one in tree.snapshots_of(item))

    return own(dataset), snapshots(dataset), sum(own(item) + snapshots(item) for item in tree.below(dataset))


def of_dataset(
    tree: Tree, dataset: Dataset, sizes: Sizes, *, mounted: bool = False, wanted: Iterable[str] | None = None
) -> dict[str, Shown]:
    itself, snapshots, children = used(tree, dataset, sizes)
    origin = tree.origin(dataset)
    # Since its last snapshot, or since it was cloned, everything that is written is its own.
    written = itself if origin or tree.snapshots_of(dataset) else dataset.referenced
    legacy = dataset.name != tree.pool
    properties = {
        "name": _shown(dataset.name),
        "type": _shown("filesystem"),
        "creation": _creation(dataset.created),
        "used": _size(itself + snapshots + children),
        "referenced": _size(dataset.referenced),
        "usedbydataset": _size(itself),
        "usedbysnapshots": _size(snapshots),
        "usedbychildren": _size(children),
        "written": _size(written),
        "origin": _shown(tree.ident(origin) if origin else ""),
        "createtxg": _number(dataset.txg),
        "guid": _number(dataset.guid),
        "mounted": _shown("yes" if mounted else "no"),
        "canmount": _shown("noauto" if legacy else "on", source="LOCAL" if legacy else "DEFAULT"),
        "mountpoint": _shown("legacy" if legacy else f"/mnt/{dataset.name}", source="LOCAL" if legacy else "DEFAULT"),
    }
    properties.update({key: _shown(value, source="LOCAL") for key, value in dataset.properties.items()})
    return _chosen(properties, wanted)
