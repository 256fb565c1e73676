# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a look can find, thing by thing, with the reason why it is not to stay. Pure.

In doubt something stays. A thing is ours by its mark or by its name, and it is nobody's work in progress only when the process that began
it is known to be gone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..nas.driver import Container
from ..nas.storage import Dataset
from . import expiry, labels, lease, lineage, marker, naming, repair
from .errors import CoreError
from .prune_look import Look, is_ours
from .zfs_steps import Step

HALF_MADE, EXPIRED, ORPHANED = WHATS = ("half_made", "expired", "orphaned")
CONTAINER, DATASET, SNAPSHOT, HOST_KEY = "container", "dataset", "snapshot", "host_key"
DESTROY, REPAIR, FORGET, LEAVE = "destroy", "repair", "forget", "leave"


@dataclass(frozen=True)
class Item:
    """One thing that was found, and what is to become of it."""

    kind: str
    name: str  # task1 for a container and for a host key, the full name for a data set and a snapshot
    what: str
    reason: str
    action: str
    age: int | None = None  # seconds since it expired, was begun, or was made
    size: int | None = None  # bytes that its going gives back
    dependents: tuple[str, ...] = ()  # who needs it, as people know them
    steps: tuple[Step, ...] = ()  # of a repair

    @property
    def key(self) -> tuple[str, str, str]:
        return self.kind, self.name, self.what

    @property
    def unit(self) -> str | None:
        """What goes as one: the instance, or the data set that has lost its container."""
        return {CONTAINER: naming.to_instance(self.name), DATASET: self.name}.get(self.kind)

    def left(self, reason: str, dependents: Iterable[str] = ()) -> Item:
        return replace(self, action=LEAVE, reason=f"{self.reason}; {reason}", dependents=tuple(dependents), steps=())


def find(look: Look, patience: float) -> list[Item]:
    """Everything. What was made within so many seconds may be a restore's that is still at work."""
    return [*_containers(look), *_restores(look, patience), *_parked(look), *_temporary(look), *_host_keys(look)]


def _age(look: Look, since: int | None) -> int | None:
    return None if since is None else max(0, look.now - since)


def _containers(look: Look) -> Iterable[Item]:
    for container in look.containers.values():
        mark = marker.read(container.environment) if is_ours(container) else None
        if mark is not None and mark.making is not None:
            yield _half_made(look, container, mark.making)
        elif mark is not None and mark.expires is not None and mark.expires <= look.now:
            reason = f"it expired at {expiry.shown(mark.expires)}"
            yield _container(look, container, EXPIRED, reason, _age(look, mark.expires))


def _container(look: Look, container: Container, what: str, reason: str, age: int | None) -> Item:
    sizes = [dataset.used for dataset in look.datasets if look.owner(dataset.name) == container.name]
    size = sum(entry for entry in sizes if entry is not None) if sizes and None not in sizes else None
    return Item(CONTAINER, naming.from_instance(container.name), what, reason, DESTROY, age, size)


def _half_made(look: Look, container: Container, token: str) -> Item:
    item = _container(look, container, HALF_MADE, "whoever was making it is gone", _age(look, lease.since(token)))
    if token not in look.over:
        return replace(item, action=LEAVE, reason="it is being made")
    if not container.stopped:
        return item.left(f"yet it is {container.status}: somebody has started it, and may be using it")
    if container.never_started is False:
        return item.left("yet it has been started: somebody may have used it")
    return item


def _restores(look: Look, patience: float) -> Iterable[Item]:
    """Containers of ours that have more data sets than they should: a restore was cut short."""
    for name, family in look.lineages.items():
        owned = repair.owned(family, look.datasets)
        container = look.containers[name]
        mark = marker.read(container.environment) if is_ours(container) else None
        if mark is None or mark.making is not None or not any(labels.parked_instance(dataset.name) for dataset in owned):
            continue
        item = Item(CONTAINER, naming.from_instance(name), HALF_MADE, "a restore of it was cut short", REPAIR, _youngest(look, owned))
        others = (snapshot for snapshot in look.snapshots if not family.owns(snapshot.dataset))
        try:
            steps = repair.plan_repair(family, repair.family_of(family, look.datasets, others))
        except CoreError as error:
            yield item.left(error.message)
            continue
        if not steps:
            continue
        if patience and (item.age is None or item.age < patience):
            yield replace(item, action=LEAVE, reason="a restore of it is at work, or was cut short just now; the same restore completes it")
        else:
            powerless = "" if container.running else f", and it is {container.status}"
            yield replace(item, reason=item.reason + powerless, steps=tuple(steps))


def _youngest(look: Look, datasets: Iterable[Dataset]) -> int | None:
    """The age of the one that was made last: a restore begins by making one."""
    born = [dataset.created for dataset in datasets]
    known = [entry for entry in born if entry is not None]
    return _age(look, max(known)) if known and len(known) == len(born) else None


def _parked(look: Look) -> Iterable[Item]:
    """The data sets that restores have parked and whose container is gone."""
    for dataset in look.datasets:
        instance = labels.parked_instance(dataset.name)
        ours = instance is not None and instance.startswith(naming.PREFIX) and dataset.name.rpartition("/")[0] in look.parents
        if instance is None or not ours:
            continue
        name = naming.from_instance(instance)
        item = Item(DATASET, dataset.name, ORPHANED, f"{name} is gone", DESTROY, _age(look, dataset.created), dataset.used)
        if look.owner(dataset.name) is None:
            elsewhere = f", the one of that name lies at {look.lineages[instance].dataset}" if instance in look.lineages else ""
            item = replace(item, reason=item.reason + elsewhere)
            yield item.left("but not its data set, so it may come back") if _is_lost(look, instance, dataset.name) else item
        elif not is_ours(look.containers[instance]):
            yield item.left("there is a container of that name that is not ours, so whose this is cannot be told")


def _is_lost(look: Look, instance: str, parked: str) -> bool:
    """Whether the data of a container is there that the appliance does not know, as when it has lost its list of containers."""
    parent = parked.rpartition("/")[0]
    places = (dataset.name.rsplit("/", 2) for dataset in look.datasets)
    return any((place[0], place[-1]) == (parent, instance) for place in places)


def _temporary(look: Look) -> Iterable[Item]:
    for snapshot in look.snapshots:
        token = labels.token_of(snapshot.name)
        if token is None or snapshot.deferred:
            continue
        dependents = tuple(lineage.names_of(snapshot.clones))
        item = Item(
            SNAPSHOT,
            snapshot.id,
            ORPHANED,
            "the run that made clones of it is gone" + ("; it goes with the last of them" if dependents else ""),
            DESTROY,
            _age(look, snapshot.created),
            None if dependents else snapshot.used,
            dependents,
        )
        if token not in look.over:
            yield replace(item, action=LEAVE, reason="clones of it are being made")
        elif snapshot.held:
            yield item.left("somebody has put a hold on it")
        else:
            yield item


def _host_keys(look: Look) -> Iterable[Item]:
    for name in look.pins:
        container = look.containers.get(naming.to_instance(name))
        if container is None:
            yield Item(HOST_KEY, name, ORPHANED, f"{name} is gone", FORGET)
        elif not is_ours(container):
            yield Item(HOST_KEY, name, ORPHANED, f"{name} is not ours any more", FORGET)
