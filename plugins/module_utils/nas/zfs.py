# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The ZFS of TrueNAS 25.04 and 25.10: see `storage.Storage`.

A refusal carries ZFS's words and hardly a number, so what it means is found out by looking at what is there, never by reading the words.
A lost answer is settled the same way: what has happened is not asked for again, and what has not is asked for once more.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from ..rpc.api import Api
from ..rpc.errors import ApiError, CallError, NotFound, NotLoggedIn, OutcomeUnknown, PermissionDenied, UnknownMethod, ValidationFailed
from .driver import Container
from .errors import AlreadyExists, DriverError, Held, Missing, NewerInTheWay, Refused, StillNeeded
from .storage import Dataset, Snapshot
from .zfs_calls import DESTROY, PROMOTE, Filters, below_filters, dataset_options, of_version, outermost, properties_of, snapshot_filters
from .zfs_entry import SNAPSHOT_DETAILS, SNAPSHOT_PROPERTIES, dataset_record, snapshot_record, tells_origin, told_snapshot

Question: TypeAlias = Callable[[], bool]

# Looking through all snapshots of a large appliance takes a while, and so does taking leave of a large data set.
LISTING_TIMEOUT = 300.0
CHANGE_TIMEOUT = 300.0
# How long the appliance may still be at a call whose connection is gone, where doing it twice would do harm. It takes milliseconds.
LATE = 3.0

# Refusals that ZFS was never asked about.
_NOT_OF_ZFS = (NotLoggedIn, PermissionDenied, UnknownMethod)


class ZfsStorage:
    """Implements `storage.Storage`."""

    def __init__(self, api: Api, version: str, dataset_prefix: str | None = None) -> None:
        self.api = api
        self.dataset_prefix = dataset_prefix
        self._calls = of_version(version)

    # Names

    def dataset_of(self, container: Container) -> str:
        return f"{self._holder(container)}/{container.name}"

    def parent_of(self, container: Container) -> str:
        return self._holder(container).rpartition("/")[0]

    def _holder(self, container: Container) -> str:
        if self.dataset_prefix:
            prefix = self.dataset_prefix.strip("/")
            if "/" not in prefix:
                raise Refused("checkpoint.dataset_prefix", self.dataset_prefix, "it has to be a data set inside a pool, not a pool")
            return prefix
        if container.pool is None:
            raise DriverError(f"the appliance does not tell which pool {container.name} is in; set checkpoint.dataset_prefix")
        return f"{container.pool}/.ix-virt/containers"

    # Reading

    def snapshots(self, datasets: Iterable[str] = (), *, prefixes: Iterable[str] = (), details: bool = False) -> Sequence[Snapshot]:
        wanted, beginnings = list(dict.fromkeys(datasets)), list(dict.fromkeys(prefixes))
        if not wanted and not beginnings:
            return []
        return self._snapshots(snapshot_filters(wanted, beginnings), details=details)

    def _snapshots(self, filters: Filters, *, details: bool = False) -> list[Snapshot]:
        options = {"extra": {"properties": SNAPSHOT_DETAILS if details else SNAPSHOT_PROPERTIES}}
        answer = self.api.read(f"{self._calls.snapshots}.query", filters, options, timeout=LISTING_TIMEOUT)
        told = [snapshot_record(entry) for entry in answer]
        pools = sorted({_pool(snapshot) for snapshot, clones_known in told if not clones_known})
        clones = self._clones_by_origin(pools) if pools else {}
        found = [replace(entry, clones=tuple(clones.get(entry.id, ()))) if _pool(entry) in pools else entry for entry, _known in told]
        return sorted(found, key=lambda entry: entry.txg)

    def _snapshot(self, snapshot: str) -> Snapshot | None:
        found = self._snapshots([["id", "=", snapshot]])
        return found[0] if found else None

    def _clones_by_origin(self, pools: Sequence[str]) -> dict[str, list[str]]:
        """Who was made of which snapshot, from the clones' side: a clone is anywhere in its pool. Private in all versions, so that it sees
        everything."""
        answer = self.api.read("zfs.dataset.query", below_filters(pools), dataset_options(), timeout=LISTING_TIMEOUT)
        if not answer or not all(map(tells_origin, answer)):
            raise DriverError("the appliance does not tell which data sets are clones, without which nothing can be decided")
        found: dict[str, list[str]] = {}
        for dataset in map(dataset_record, answer):
            if dataset.origin is not None:
                found.setdefault(dataset.origin, []).append(dataset.name)
        return found

    def datasets(self, parents: Iterable[str], *, details: bool = False) -> Sequence[Dataset]:
        roots = outermost(parents)
        if not roots:
            return []
        if self._calls.resources:
            answer = self._resources(roots, details=details)
        else:
            answer = self.api.read("zfs.dataset.query", below_filters(roots), dataset_options(details=details), timeout=LISTING_TIMEOUT)
        found = [dataset_record(entry) for entry in answer]
        return sorted((entry for entry in found if entry.name not in roots), key=lambda entry: entry.name)

    def _resources(self, paths: Sequence[str], *, children: bool = True, details: bool = False) -> Sequence[Any]:
        query = {"paths": list(paths), "properties": properties_of(details), "get_children": children}
        try:
            answer: Sequence[Any] = self.api.read("zfs.resource.query", query, timeout=LISTING_TIMEOUT)
        except CallError as error:
            if not _says_missing(error):
                raise
            if len(paths) == 1:
                return []
            # One that is missing spoils the answer for the others.
            return [entry for path in paths for entry in self._resources([path], children=children, details=details)]
        return answer

    def _dataset(self, name: str) -> Dataset | None:
        if self._calls.resources:
            answer = self._resources([name], children=False)
        else:
            answer = self.api.read("zfs.dataset.query", [["id", "=", name]], dataset_options(children=False))
        return dataset_record(answer[0]) if answer else None

    # Changing

    def snapshot(self, dataset: str, name: str) -> Snapshot | None:
        target = f"{dataset}@{name}"
        told: list[Any] = []

        def exists() -> bool:
            return self._snapshot(target) is not None

        error = self._change(exists, f"{self._calls.snapshots}.create", {"dataset": dataset, "name": name}, answered=told.append)
        if error is None:
            return told_snapshot(told[-1]) if told else None
        if errno.EEXIST in _numbers(error):
            raise AlreadyExists(target) from error
        if self._look(lambda: self._dataset(dataset), error) is None:
            raise Missing(dataset) from error
        raise error

    def destroy_snapshot(self, snapshot: str, *, defer: bool = False) -> None:
        def gone() -> bool:
            now = self._snapshot(snapshot)
            return now is None or (defer and now.deferred)

        error = self._change(gone, f"{self._calls.snapshots}.delete", snapshot, {"defer": defer})
        if error is None or isinstance(error, NotFound):
            return
        now: Snapshot | None = self._look(lambda: self._snapshot(snapshot), error)
        if now is None:
            return
        # Deferred, neither is in the way.
        if now.clones and not defer:
            raise StillNeeded(snapshot, now.clones) from error
        if now.held and not defer:
            raise Held(snapshot) from error
        raise error

    def rollback(self, snapshot: str, *, newer: bool = False) -> None:
        # Of a stopped container it can be done twice, and whether it has been done once cannot be seen.
        error = self._change(lambda: False, f"{self._calls.snapshots}.rollback", snapshot, {"recursive": newer})
        if error is None:
            return
        dataset = snapshot.partition("@")[0]
        found: Sequence[Snapshot] = self._look(lambda: self.snapshots([dataset]), error)
        target = next((entry for entry in found if entry.id == snapshot), None)
        if target is None:
            raise Missing(snapshot) from error
        after = [entry for entry in found if entry.txg > target.txg]
        if after and not newer:
            raise NewerInTheWay(snapshot, [entry.id for entry in after]) from error
        held = [entry.id for entry in after if entry.held]
        if held:
            raise NewerInTheWay(snapshot, held, "there are holds on newer snapshots") from error
        cloned = [name for entry in after for name in entry.clones]
        if cloned:
            raise NewerInTheWay(snapshot, cloned, "newer snapshots have clones") from error
        raise error

    def clone(self, snapshot: str, dataset: str) -> None:
        def is_clone() -> bool:
            now = self._dataset(dataset)
            return now is not None and now.origin == snapshot

        error = self._change(is_clone, f"{self._calls.snapshots}.clone", {"snapshot": snapshot, "dataset_dst": dataset})
        if error is None:
            return
        if self._look(lambda: self._snapshot(snapshot), error) is None:
            raise Missing(snapshot) from error
        if self._look(lambda: self._dataset(dataset), error) is not None:
            raise AlreadyExists(dataset) from error
        raise error

    def promote(self, dataset: str) -> None:
        before = self._dataset(dataset)
        if before is None:
            raise Missing(dataset)
        origin = before.origin
        if origin is None:
            raise DriverError(f"{dataset} cannot be promoted: it is not a clone")

        def promoted() -> bool:
            now = self._dataset(dataset)
            return now is not None and now.origin != origin

        # Twice would take it two generations up, as a container's data set is itself a clone of an image. The first one may only be late.
        error = self._change(promoted, PROMOTE, dataset, patience=LATE)
        if error is not None:
            raise error

    def rename(self, dataset: str, new_name: str) -> None:
        def renamed() -> bool:
            return self._dataset(new_name) is not None and self._dataset(dataset) is None

        error = self._change(renamed, *self._calls.rename(dataset, new_name))
        if error is None:
            return
        if self._look(lambda: self._dataset(dataset), error) is None:
            raise Missing(dataset) from error
        if self._look(lambda: self._dataset(new_name), error) is not None:
            raise AlreadyExists(new_name) from error
        raise error

    def destroy_dataset(self, dataset: str, *, recursive: bool = False) -> None:
        def gone() -> bool:
            return self._dataset(dataset) is None

        # Force means to unmount it. Never with the option that takes clones along.
        error = self._change(gone, DESTROY, dataset, {"force": True, "recursive": recursive})
        if error is None or self._look(gone, error):
            return
        found: Sequence[Snapshot] = self._look(lambda: self.snapshots([dataset], prefixes=[f"{dataset}/"]), error)
        clones = dict.fromkeys(name for entry in found for name in entry.clones if not name.startswith(f"{dataset}/"))
        if clones:
            raise StillNeeded(dataset, clones) from error
        held = [entry.id for entry in found if entry.held]
        if held:
            raise Held(held[0]) from error
        raise error

    def _change(
        self, is_done: Question, method: str, *params: Any, patience: float = 0.0, answered: Callable[[Any], object] | None = None
    ) -> CallError | None:
        """A call that changes something; returns what ZFS has against it, or None once it is done.

        When the connection is lost before the answer: look, after so many seconds look again, and if it has not happened call once more.
        What has only timed out may be under way still, and is not asked for twice.
        """
        try:
            self._call(method, params, answered)
            return None
        except _NOT_OF_ZFS:
            raise
        except CallError as error:
            return error
        except OutcomeUnknown as lost:
            if self._look(is_done, lost):
                return None
            if lost.timed_out:
                raise
            if patience:
                time.sleep(patience)
                if self._look(is_done, lost):
                    return None
        try:
            self._call(method, params, answered)
            return None
        except (CallError, OutcomeUnknown) as error:
            # The first one may have been late, and in the way of the second.
            if self._look(is_done, error):
                return None
            if isinstance(error, _NOT_OF_ZFS) or not isinstance(error, CallError):
                raise
            return error

    def _call(self, method: str, params: Sequence[Any], answered: Callable[[Any], object] | None) -> None:
        answer = self.api.call(method, *params, timeout=CHANGE_TIMEOUT)
        if answered is not None:
            answered(answer)

    @staticmethod
    def _look(question: Callable[[], Any], error: ApiError) -> Any:
        """The answer; when there is none to be had, the failure that the question was about."""
        try:
            return question()
        except (ApiError, DriverError) as unanswered:
            raise error from unanswered


def _pool(snapshot: Snapshot) -> str:
    return snapshot.dataset.partition("/")[0]


def _numbers(error: CallError) -> set[int | None]:
    """All errno of an answer: validation has them in its fields."""
    fields = error.fields if isinstance(error, ValidationFailed) else []
    return {error.errno, *(number for _attribute, _message, number in fields)}


def _says_missing(error: CallError) -> bool:
    """A path of zfs.resource.query that does not exist: a validation error of nothing but ENOENT."""
    if isinstance(error, NotFound):
        return True
    return isinstance(error, ValidationFailed) and bool(error.fields) and all(field[2] == errno.ENOENT for field in error.fields)
