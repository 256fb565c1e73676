# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Carrying out what a plan has decided, thing by thing.

Others are at work on the same appliance. Right before its turn each thing is looked at once more, and one that is not as it was when the
plan was made is left alone. What fails keeps nothing else from its turn.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ..nas.driver import Driver, DriverError
from . import fleet, known_hosts, labels, lineage, marker, naming, repair, zfs_steps
from .apply import Watch, settled
from .errors import describe
from .promotion import plan_promotion
from .prune_items import CONTAINER, DATASET, REPAIR, SNAPSHOT, Item
from .prune_look import Look, is_ours
from .removal import Remover


@dataclass
class Outcome:
    """What has become of an item."""

    item: Item
    failure: dict[str, Any] | None = None
    spared: bool = False  # by the second look; the item says why

    @property
    def done(self) -> bool:
        return self.failure is None and not self.spared


class Stale(Exception):
    """It is not as it was when the plan was made."""


@dataclass
class Pruner:
    """One task."""

    driver: Driver
    appliance: str
    seen: Look
    dependents: str
    concurrency: int
    herald: fleet.Herald
    cancelled: threading.Event = field(default_factory=threading.Event)

    def carry_out(self, step: Iterable[Item]) -> list[Outcome]:
        """The items of one step, some at once. What goes before them is gone."""
        from ..rpc.errors import ApiError

        items = {f"{item.kind} {item.name}": item for item in step}
        remover = Remover(self.driver, self.dependents)
        going = [self.seen.containers[naming.to_instance(item.name)] for item in items.values() if _is_removal(item)]
        if going:
            # What has no plan by then is looked at by itself when its turn comes, and fails by itself.
            with contextlib.suppress(ApiError, DriverError):
                remover.prepare(going)

        def work(name: str) -> None:
            watch = self.herald.watch(name, self.cancelled)
            try:
                watch.check()
                self._one(items[name], remover, watch)
            finally:
                self.herald.done(name)

        results = fleet.in_parallel(items, work, self.concurrency, self.cancelled)
        return [_outcome(item, results[name]) for name, item in items.items()]

    def _one(self, item: Item, remover: Remover, watch: Watch) -> None:
        if item.action == REPAIR:
            self._repair(item, watch)
        elif item.kind == CONTAINER:
            self._container(item, remover, watch)
        elif item.kind == DATASET:
            self._dataset(item, watch)
        elif item.kind == SNAPSHOT:
            watch.doing("destroying")
            self.driver.storage.destroy_snapshot(item.name, defer=True)
        else:
            self._host_key(item)

    def _container(self, item: Item, remover: Remover, watch: Watch) -> None:
        planned = self.seen.containers[naming.to_instance(item.name)]
        now = settled(self.driver, planned.name, watch)
        mark = None if now is None else marker.read(now.environment)
        same = now is not None and mark is not None and mark == marker.read(planned.environment)
        if now is None or not same or (mark is not None and mark.making is not None and (not now.stopped or now.never_started is False)):
            raise Stale("it is not as it was a moment ago, somebody is at work on it")
        # First, as a line too few is pinned again, and a line too many would speak for somebody else.
        known_hosts.remove([known_hosts.alias(self.appliance, item.name)])
        remover.remove(now, watch)

    def _dataset(self, item: Item, watch: Watch) -> None:
        instance = labels.parked_instance(item.name) or ""
        now = self.driver.get(instance)
        if now is not None and self.driver.storage.parent_of(now) == item.name.rpartition("/")[0]:
            raise Stale(f"there is a container {instance} again")
        storage = self.driver.storage
        if item.dependents:
            parent = item.name.rpartition("/")[0]
            for step in plan_promotion([item.name], storage.snapshots(prefixes=[f"{parent}/"]), storage.datasets([parent])):
                watch.doing("making those independent that need it")
                zfs_steps.carry_out(storage, step)
        watch.doing("destroying")
        storage.destroy_dataset(item.name, recursive=True)

    def _repair(self, item: Item, watch: Watch) -> None:
        """The plan is made anew from what is there now, and has to be the same."""
        container = self.driver.get(naming.to_instance(item.name))
        if container is None or not is_ours(container):
            raise Stale("it is gone by now")
        storage = self.driver.storage
        own = lineage.of(self.driver, [container])[container.name]
        snapshots = storage.snapshots(prefixes=[f"{own.parent}/"])
        others = (snapshot for snapshot in snapshots if not own.owns(snapshot.dataset))
        steps = repair.plan_repair(own, repair.family_of(own, storage.datasets([own.parent]), others))
        if tuple(steps) != item.steps:
            raise Stale("somebody is at work on its data")
        watch.doing("bringing its data in order")
        for step in steps:
            zfs_steps.carry_out(storage, step)

    def _host_key(self, item: Item) -> None:
        """A container that was made in the meantime may have been pinned again."""
        alias = known_hosts.alias(self.appliance, item.name)
        now = self.driver.get(naming.to_instance(item.name))
        if (now is not None and is_ours(now)) or known_hosts.lookup(alias) != self.seen.pins[item.name]:
            raise Stale(f"there is a container {item.name} again")
        known_hosts.remove([alias])


def _is_removal(item: Item) -> bool:
    return item.kind == CONTAINER and item.action != REPAIR


def _outcome(item: Item, result: object) -> Outcome:
    if isinstance(result, Stale):
        return Outcome(item.left(str(result)), spared=True)
    if isinstance(result, Exception):
        told = describe(result)
        message = str(told["msg"])
        known = (f"{item.name}:", f"{naming.to_instance(item.name)}:")
        return Outcome(item, {**told, "msg": message if message.startswith(known) else f"{item.name}: {message}"})
    return Outcome(item)
