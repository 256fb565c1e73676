# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Destroying containers with all that belongs to them: in which order, what goes before, and who would lose data by it.

An appliance destroys a container together with its snapshots, whoever needs those. So it is found out beforehand which other data sets
are clones of them: with `dependents=fail` they are named and the container stays, with `promote` they are made independent first.
What is destroyed by the same task does not count, clones go before what they were made of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace

from ..nas.driver import Container, Driver, DriverError
from ..nas.storage import Dataset, Snapshot
from . import labels, lineage, naming, zfs_steps
from .apply import Watch
from .errors import CoreError
from .family import Family
from .promotion import Held, release
from .zfs_steps import DestroyDataset, Promote, Step

# Up to so many data sets their snapshots are asked for by name; for more everything of their pools is fetched at once.
_FEW = 25


class HasDependents(CoreError):
    """Others were made of its snapshots, and would lose their data."""

    def __init__(self, instance: str, datasets: Iterable[str]) -> None:
        names = lineage.names_of(list(datasets))
        several = len(names) > 1
        super().__init__(
            f"{naming.from_instance(instance)}: {', '.join(names)} {'are clones' if several else 'is a clone'} of it and would lose"
            f" {'their' if several else 'its'} data. Destroy {'them' if several else 'it'} first or in the same task; dependents=promote"
            f" makes {'them' if several else 'it'} independent instead",
            dependents=names,
        )


@dataclass(frozen=True)
class Home:
    """Where a container's data lies, and below what its parked data sets do."""

    instance: str
    dataset: str
    parent: str


@dataclass(frozen=True)
class Look:
    """What there is of the containers that are to go, and of all that depends on them."""

    homes: tuple[Home, ...]
    datasets: tuple[Dataset, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()

    def own(self, home: Home) -> list[str]:
        """The data sets of a container as far as they are there, its present one last."""
        parked = [
            entry.name
            for entry in self.datasets
            if entry.name.rpartition("/")[0] == home.parent and labels.parked_instance(entry.name) == home.instance
        ]
        return [*parked, *(entry.name for entry in self.datasets if entry.name == home.dataset)]


@dataclass(frozen=True)
class Removal:
    """What it takes to destroy a container."""

    steps: tuple[Step, ...] = ()  # before the container itself
    last: tuple[str, ...] = ()  # data sets that cannot go before the container has
    after: frozenset[str] = frozenset()  # the containers that have to be gone first
    promoted: tuple[str, ...] = ()  # data sets that are independent afterwards


@dataclass
class Plan:
    """One outcome for each container that was to go: how, or why not; and the order in which they go, those together that may."""

    removals: dict[str, Removal] = field(default_factory=dict)
    refused: dict[str, Exception] = field(default_factory=dict)

    @property
    def waves(self) -> dict[str, int]:
        """0 for those that may go at once; a container's number is larger than those of all that have to go before it."""
        found: dict[str, int] = {}
        for instance, removal in self.removals.items():
            found[instance] = 1 + max((found[other] for other in removal.after if other in found), default=-1)
        return found


def home_of(driver: Driver, container: Container) -> Home:
    return Home(container.name, driver.storage.dataset_of(container), driver.storage.parent_of(container))


def look(driver: Driver, homes: Iterable[Home], dependents: str) -> Look:
    """Two calls for all of them, and one more where something has to be promoted."""
    storage = driver.storage
    seen = Look(tuple(homes))
    parents = sorted({home.parent for home in seen.homes})
    seen = replace(seen, datasets=tuple(storage.datasets(parents)))
    own = sorted({name for home in seen.homes for name in seen.own(home)})
    if not own:
        return seen
    everything = [f"{parent}/" for parent in parents]
    snapshots = storage.snapshots(own) if len(own) <= _FEW else storage.snapshots(prefixes=everything)
    outside = {clone for snapshot in snapshots if snapshot.dataset in own for clone in snapshot.clones}.difference(own)
    if dependents == "promote" and outside:
        snapshots = storage.snapshots(sorted(outside.union(own)), prefixes=everything)
    return replace(seen, snapshots=tuple(snapshots))


def plan(seen: Look, dependents: str) -> Plan:
    """Pure. The steps are taken in a model of the data sets, one container after the other, so that each sees what those before it left."""
    family = Family(seen.snapshots, seen.datasets)
    result = Plan()
    needs = _needs(seen)
    left = {home.instance: home for home in seen.homes}
    while left:
        instance = min(left, key=lambda name: len(needs[name] & left.keys()))
        home = left.pop(instance)
        before = deepcopy(family) if dependents == "promote" else family
        try:
            removal = _one(family, home, seen.own(home), dependents)
        except CoreError as error:
            family = before
            result.refused[instance] = error
        else:
            result.removals[instance] = Removal(*removal, frozenset(needs[instance] & result.removals.keys()), _promoted(removal[0], home))
    return result


def _needs(seen: Look) -> Mapping[str, set[str]]:
    """For each container those of the others that are made of its snapshots."""
    owner = {name: home.instance for home in seen.homes for name in seen.own(home)}
    needs: dict[str, set[str]] = {home.instance: set() for home in seen.homes}
    for snapshot in seen.snapshots:
        source = owner.get(snapshot.dataset)
        if source is not None:
            needs[source] |= {owner[clone] for clone in snapshot.clones if clone in owner} - {source}
    return needs


def _one(family: Family, home: Home, own: list[str], dependents: str) -> tuple[tuple[Step, ...], tuple[str, ...]]:
    """What comes before and after the container itself."""
    held = [entry.id for name in own for entry in family.entries(name) if entry.held]
    if held:
        raise Held(held)
    outside = [clone for name in own for entry in family.entries(name) for clone in sorted(entry.clones) if clone not in own]
    if outside and dependents != "promote":
        raise HasDependents(home.instance, dict.fromkeys(outside))
    steps: list[Step] = [*_upwards(family, home.dataset, own), *release(family, own)]
    order = _leaves_first(family, own)
    position = order.index(home.dataset) if home.dataset in order else len(order)
    for name in order:
        family.take(DestroyDataset(name))
    before, last = order[:position], order[position + 1 :]
    return (*steps, *(DestroyDataset(name) for name in before)), tuple(last)


def _upwards(family: Family, dataset: str, own: list[str]) -> list[Step]:
    """A container's present data set may be a clone of one that is parked beside it, when a restore was cut off. It is the one that goes
    last, so it is turned round."""
    steps: list[Step] = []
    while (origin := family.origin(dataset)) is not None and origin.dataset in own:
        if family.conflicts(dataset, family.up_to(origin)):
            break
        steps.append(Promote(dataset))
        family.take(steps[-1])
    return steps


def _leaves_first(family: Family, own: list[str]) -> list[str]:
    left, order = list(own), []
    while left:
        free = next((name for name in left if not any(entry.clones & set(left) - {name} for entry in family.entries(name))), left[0])
        left.remove(free)
        order.append(free)
    return order


def _promoted(steps: Iterable[Step], home: Home) -> tuple[str, ...]:
    return tuple(step.dataset for step in steps if isinstance(step, Promote) and step.dataset != home.dataset)


class Remover:
    """Destroys the containers of one task, as planned; one whose removal was cut off is looked at anew."""

    def __init__(self, driver: Driver, dependents: str) -> None:
        self.driver = driver
        self.dependents = dependents
        self.plan = Plan()
        self._begun: set[str] = set()

    def prepare(self, containers: Iterable[Container]) -> Plan:
        """Decide for all of them. Only reads."""
        homes, unknown = [], {}
        for container in containers:
            try:
                homes.append(home_of(self.driver, container))
            except DriverError as error:  # of this container; the others go
                unknown[container.name] = error
        if homes:
            self.plan = plan(look(self.driver, homes, self.dependents), self.dependents)
        self.plan.refused.update(unknown)
        return self.plan

    def remove(self, container: Container, watch: Watch) -> None:
        """It is gone when this returns, and so is all that was parked beside it."""
        removal = self.plan.removals.get(container.name)
        if removal is None or container.name in self._begun:
            seen = plan(look(self.driver, [home_of(self.driver, container)], self.dependents), self.dependents)
            if container.name in seen.refused:
                raise seen.refused[container.name]
            removal = seen.removals[container.name]
        self._begun.add(container.name)
        for step in removal.steps:
            if isinstance(step, Promote):
                watch.doing(f"making {lineage.container_of(step.dataset)} independent")
            zfs_steps.carry_out(self.driver.storage, step)
        watch.doing("destroying")
        self.driver.delete(container)
        for dataset in removal.last:
            self.driver.storage.destroy_dataset(dataset, recursive=True)

    def promoted(self, instance: str) -> list[str]:
        """Who is or would be independent of it, as people know them."""
        removal = self.plan.removals.get(instance)
        return [] if removal is None else lineage.names_of(removal.promoted)
