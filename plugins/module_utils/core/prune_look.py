# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One look at everything that might have been left behind: on all pools of the appliance, and in our known_hosts file here.

Nothing else is asked: no list of what earlier runs have made is kept anywhere, so none can be lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from ..nas.driver import Container, Driver
from ..nas.storage import Dataset, Snapshot
from . import known_hosts, labels, lineage, marker, naming


@dataclass(frozen=True)
class Look:
    """What there is. Everything is in it that a plan needs, so that a plan asks nobody."""

    now: int  # seconds since 1970
    containers: Mapping[str, Container] = field(default_factory=dict)  # everybody's, by instance name
    lineages: Mapping[str, lineage.Lineage] = field(default_factory=dict)  # theirs
    parents: frozenset[str] = frozenset()  # the data sets below which ours may be parked
    datasets: tuple[Dataset, ...] = ()  # all below those
    snapshots: tuple[Snapshot, ...] = ()  # all of those, oldest first
    over: frozenset[str] = frozenset()  # the leases of whoever is at work no more
    pins: Mapping[str, str] = field(default_factory=dict)  # container (task1) -> its host key in our known_hosts file

    def owner(self, dataset: str) -> str | None:
        """The container (px-task1), whoever made it, that a data set belongs to; None where there is no such container."""
        instance = labels.parked_instance(dataset) or dataset.rpartition("/")[2]
        found = self.lineages.get(instance)
        return instance if found is not None and found.owns(dataset) else None


def look(driver: Driver, appliance: str, now: int, is_over: Callable[[str], bool]) -> Look:
    """`appliance` is the label of its endpoint.

    What could be without its container is looked at before the containers are: one that is being made meanwhile is seen then.
    """
    pins = known_hosts.pinned(appliance)
    storage = driver.storage
    nobody = Container(id="", name="", status="")
    parents = {storage.parent_of(replace(nobody, pool=pool)) for pool in driver.pools()}
    datasets = tuple(storage.datasets(sorted(parents), details=True))
    snapshots = tuple(storage.snapshots(prefixes=[f"{parent}/" for parent in sorted(parents)], details=True))
    containers = {container.name: container for container in driver.list()}
    return Look(
        now=now,
        containers=containers,
        lineages=_lineages(driver, containers.values(), snapshots),
        parents=frozenset(parents),
        datasets=datasets,
        snapshots=snapshots,
        over=frozenset(token for token in _tokens(containers.values(), snapshots) if is_over(token)),
        pins=pins,
    )


def _lineages(driver: Driver, containers: Iterable[Container], snapshots: Iterable[Snapshot]) -> dict[str, lineage.Lineage]:
    storage = driver.storage
    found = {entry.name: lineage.Lineage(entry.name, storage.dataset_of(entry), storage.parent_of(entry)) for entry in containers}
    theirs: dict[str, list[Snapshot]] = {}
    for snapshot in snapshots:
        instance = labels.parked_instance(snapshot.dataset) or snapshot.dataset.rpartition("/")[2]
        if instance in found and found[instance].owns(snapshot.dataset):
            theirs.setdefault(instance, []).append(snapshot)
    return {name: replace(entry, snapshots=tuple(theirs.get(name, ()))) for name, entry in found.items()}


def _tokens(containers: Iterable[Container], snapshots: Iterable[Snapshot]) -> set[str]:
    """All the leases there are."""
    marks = (marker.read(container.environment) for container in containers)
    found = {mark.making for mark in marks if mark is not None}
    found |= {labels.token_of(snapshot.name) for snapshot in snapshots}
    return {token for token in found if token is not None}


def is_ours(container: Container) -> bool:
    """By its mark and by its name: whoever copies an environment copies the mark."""
    return container.name.startswith(naming.PREFIX) and marker.read(container.environment) is not None
