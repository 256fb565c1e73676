# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How each version of TrueNAS calls the operations on its ZFS, and how a query is put so that it does not stumble over it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .zfs_entry import DATASET_DETAILS, DATASET_PROPERTIES

Params = tuple[Any, ...]
Filters = list[list[Any]]


@dataclass(frozen=True)
class Calls:
    """The names in one family of versions. All are plain calls, none is a job."""

    snapshots: str  # the service of snapshots
    rename_method: str
    rename_options: dict[str, Any]  # beside the new name
    resources: bool  # whether zfs.resource.query is there: public, where zfs.dataset.query is private

    def rename(self, dataset: str, new_name: str) -> Params:
        return (self.rename_method, dataset, {"new_name": new_name, **self.rename_options})


# Public wherever it can be: private calls need an account with all rights, and the appliance announces to refuse them one day.
OLD = Calls(snapshots="zfs.snapshot", rename_method="zfs.dataset.rename", rename_options={}, resources=False)
# Without force it refuses every rename, as nothing is checked then.
NEW = Calls(snapshots="pool.snapshot", rename_method="pool.dataset.rename", rename_options={"force": True}, resources=True)

PROMOTE = "pool.dataset.promote"
# Private in both versions: the public one does not see the data sets of containers.
DESTROY = "zfs.dataset.delete"


def of_version(version: str) -> Calls:
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    return OLD if numbers < (25, 10) else NEW


def snapshot_filters(datasets: Sequence[str], prefixes: Sequence[str]) -> Filters:
    """Snapshots of some data sets, and of those whose names begin so, in one filter.

    An `OR` is not an option: both versions look through the filters first and crash on one that has not exactly two branches.
    """
    if not prefixes:
        return [["dataset", "in", list(datasets)]] if len(datasets) > 1 else [["dataset", "=", datasets[0]]]
    if not datasets and len(prefixes) == 1:
        return [["dataset", "^", prefixes[0]]]
    whole = [rf"{re.escape(dataset)}\Z" for dataset in datasets]
    return [["dataset", "~", "|".join([*whole, *(re.escape(prefix) for prefix in prefixes)])]]


def below_filters(parents: Sequence[str]) -> Filters:
    if len(parents) == 1:
        return [["id", "^", f"{parents[0]}/"]]
    return [["id", "~", "|".join(f"{re.escape(parent)}/" for parent in parents)]]


def dataset_options(*, children: bool = True, details: bool = False) -> dict[str, Any]:
    """For zfs.dataset.query: names and origins, and of each only itself."""
    extra = {"properties": properties_of(details), "user_properties": False, "retrieve_children": children}
    return {"extra": extra, "select": ["id", "properties"]}


def properties_of(details: bool) -> list[str]:
    return DATASET_DETAILS if details else DATASET_PROPERTIES


def outermost(datasets: Iterable[str]) -> list[str]:
    """Without those that lie below another one: zfs.resource.query refuses to list anything twice."""
    found: list[str] = []
    for dataset in sorted(set(datasets)):
        if not any(dataset.startswith(f"{other}/") for other in found):
            found.append(dataset)
    return found
