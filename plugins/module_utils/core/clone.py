# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What clones are made of: their sources, found and judged before anything is made, and the snapshots of a present state.

A snapshot of the present state is taken once for all clones of a task. It is destroyed in ZFS's deferred manner as soon as they are made:
it lives on as long as one of them needs it, and no run has to remember it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from ..nas.driver import Container, Driver
from ..nas.errors import AlreadyExists, DriverError
from . import labels, lease, lineage, marker
from .errors import CoreError
from .lineage import Lineage
from .wanted import Origin, Source

# A name that is taken belongs to another task of this process; there are not many.
_ATTEMPTS = 10


class NoSource(CoreError):
    """What a clone was to be made of is not there, or not to be had."""


class Sources:
    """The sources of one task. `listed` has containers that were looked at already."""

    def __init__(self, driver: Driver, listed: Mapping[str, Container], warn: Callable[[str], None]) -> None:
        self.driver = driver
        self.listed = listed
        self.warn = warn
        self.origins: dict[Source, Origin] = {}
        self._lineages: dict[str, Lineage] = {}
        self._taken: list[str] = []
        self._waiting: dict[str, set[str]] = {}  # temporary snapshot -> the containers that are still to be made of it
        self._lock = threading.Lock()

    def find(self, sources: Iterable[Source], going: Iterable[str] = ()) -> Mapping[Source, Origin]:
        """All of them; raises for those that cannot be cloned, naming each. Only reads.

        `going` are the containers that this task itself destroys.
        """
        wanted = list(dict.fromkeys(sources))
        problems: dict[Source, NoSource] = {}
        found: dict[Source, Container] = {}
        for source in wanted:
            try:
                found[source] = self._container(source, set(going))
            except NoSource as error:
                problems[source] = error
        self._lineages = lineage.of(self.driver, {container.name: container for container in found.values()}.values())
        for source, container in found.items():
            try:
                self.origins[source] = Origin(container, self._snapshot(source))
            except NoSource as error:
                problems[source] = error
        if problems:
            raise _together(problems)
        return self.origins

    def _container(self, source: Source, going: set[str]) -> Container:
        container = self.listed.get(source.instance)
        if container is None and source.instance not in self.listed:
            container = self.driver.get(source.instance)
        if container is None:
            raise NoSource(f"from={source.text}: there is no container {source.name} ({source.instance})", missing=True)
        mark = marker.read(container.environment)
        if mark is None:
            raise NoSource(
                f"from={source.text}: a container {source.instance} exists on the appliance but is not ours (it lacks our mark);"
                " only what this collection has made or adopted is cloned",
                instance=source.instance,
            )
        if mark.making is not None:
            raise NoSource(f"from={source.text}: {source.name} is half-made itself; whoever makes it has to complete it first")
        if source.instance in going:
            raise NoSource(f"from={source.text}: this very task destroys {source.name} and makes it anew; clone it in another task")
        return container

    def _snapshot(self, source: Source) -> str | None:
        if source.label is None:
            return None
        own = self._lineages[source.instance]
        checkpoint = own.checkpoint(source.label)
        if checkpoint is None:
            there = [entry.label for entry in own.checkpoints]
            told = f"it has {', '.join(there)}" if there else "it has none"
            raise NoSource(f"from={source.text}: {source.name} has no checkpoint {source.label}; {told}", labels=there)
        return checkpoint.snapshot.id

    # Changing

    def take(self, source: Source, name: str) -> Origin:
        """The source with a snapshot for that container to be made of: for a present state one is taken, once."""
        origin = self.origins[source]
        if origin.snapshot is None:
            origin = self.origins[source] = replace(origin, snapshot=self._take(source))
        if origin.snapshot in self._taken:
            self._waiting.setdefault(origin.snapshot, set()).add(name)
        return origin

    def _take(self, source: Source) -> str:
        dataset = self._lineages[source.instance].dataset
        start, _dash, second = lease.token().rpartition("-")
        for attempt in range(_ATTEMPTS):
            name = labels.temporary_name(f"{start}-{int(second) + attempt}")
            # Known before it is there: whatever happens, it is not left behind.
            self._taken.append(f"{dataset}@{name}")
            try:
                self.driver.storage.snapshot(dataset, name)
                return self._taken[-1]
            except AlreadyExists:
                self._taken.pop()
        raise CoreError(f"{source.name}: no name is free for a temporary snapshot of {dataset}")

    def tidy(self, sources: Iterable[Source]) -> None:
        """Remove the temporary snapshots that runs have left which were killed in the middle."""
        for instance in {source.instance for source in sources}:
            for snapshot in self._lineages[instance].snapshots:
                token = labels.token_of(snapshot.name)
                if token is not None and not snapshot.deferred and lease.is_over(token):
                    self._destroy(snapshot.id)

    def made(self, name: str) -> None:
        """That container is made, or is not going to be."""
        with self._lock:
            through = []
            for snapshot, names in self._waiting.items():
                names.discard(name)
                if not names and snapshot in self._taken:
                    self._taken.remove(snapshot)
                    through.append(snapshot)
        for snapshot in through:
            self._destroy(snapshot)

    def release(self) -> None:
        """No more clones are made in this task."""
        while self._taken:
            self._destroy(self._taken.pop())

    def _destroy(self, snapshot: str) -> None:
        from ..rpc.errors import ApiError

        try:
            self.driver.storage.destroy_snapshot(snapshot, defer=True)
        except (ApiError, DriverError) as error:
            # The clones are as they should be; the next one of that source tries again.
            self.warn(f"the temporary snapshot {snapshot} could not be removed: {error}")


def _together(problems: Mapping[Source, NoSource]) -> NoSource:
    """One failure for all: nothing is made while one of the sources is wrong."""
    result = {key: value for error in problems.values() for key, value in error.result.items()}
    return NoSource("; ".join(error.message for error in problems.values()) + ". Nothing was made", **result)
