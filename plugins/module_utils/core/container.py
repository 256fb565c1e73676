# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The promise of the module `container`: the containers of a task are as it says, or it says which are not and why."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ..nas.driver import Container, ContainerSpec, Driver
from . import fleet, identity, known_hosts, marker, naming, ssh_config
from .apply import Watch, apply, settled
from .clone import Sources
from .context import Context
from .egress_policy import MODES
from .errors import CoreError, Invalid
from .front import Spec
from .gateway import Ways, behind, check_cards, inside_card
from .identity import CATEGORIES, Identity
from .plan import Change, Clone, Create, Delete, plan
from .removal import Remover
from .view import view
from .wait import Lookout
from .wanted import STATES, Wanted
from .wishes import from_context

SPEC = Spec(
    arguments={
        "name": {"type": "list", "elements": "str", "required": True, "aliases": ["container"]},
        "state": {"type": "str", "choices": list(STATES), "default": "started"},
        "image": {"type": "str"},
        "from": {"type": "str"},
        "scrub": {"type": "list", "elements": "str", "choices": list(CATEGORIES)},
        "cpu": {"type": "str"},
        "memory": {"type": "str"},
        "pool": {"type": "str"},
        "environment": {"type": "dict"},
        "autostart": {"type": "bool"},
        "network": {"type": "str"},
        "nic_type": {"type": "str", "choices": ["macvlan", "bridged"]},
        "parent": {"type": "str"},
        "inside": {"type": "str"},
        "via": {"type": "str"},
        "owner": {"type": "str"},
        "labels": {"type": "dict"},
        "egress": {"type": "str", "choices": list(MODES)},
        "expires": {"type": "str"},
        "vars_by_name": {"type": "dict"},
        "create": {"type": "bool", "default": True},
        "new": {"type": "bool", "default": False},
        "adopt": {"type": "bool", "default": False},
        "recreate": {"type": "bool", "default": False},
        "dependents": {"type": "str", "choices": ["fail", "promote"], "default": "fail"},
        "wait_for": {"type": "str", "choices": ["none", "address", "ssh"], "default": "address"},
        "wait_timeout": {"type": "int", "default": 120},
        "stop_timeout": {"type": "int", "default": 30},
        "force": {"type": "bool", "default": True},
        "concurrency": {"type": "int", "default": 4},
    },
    mutually_exclusive=(
        ("network", "nic_type"),
        ("network", "parent"),
        *(("via", key) for key in ("network", "nic_type", "parent", "inside")),
    ),
)


def run(ctx: Context) -> dict[str, Any]:
    params = ctx.params
    if not 1 <= params["concurrency"] <= 64:
        raise Invalid("concurrency", params["concurrency"], "1 to 64 containers at a time")
    if params["wait_timeout"] < 1:
        raise Invalid("wait_timeout", params["wait_timeout"], "it takes at least one second")
    return converge(ctx, {wanted.name: wanted for wanted in from_context(ctx)})


def converge(ctx: Context, wishes: dict[str, Wanted]) -> dict[str, Any]:
    """The containers as they are wished for, each in a way of its own; of the options those count that are about the task as a whole."""
    return _Run(ctx, ctx.driver(), wishes).result()


class _Run:
    """One task."""

    def __init__(self, ctx: Context, driver: Driver, wishes: dict[str, Wanted]) -> None:
        self.ctx = ctx
        self.driver = driver
        self.wishes = wishes
        self.changes: dict[str, Change] = {}
        self.current: dict[str, Container | None] = {}
        self.entries: dict[str, dict[str, Any]] = {}
        self.cancelled = threading.Event()
        self.listed: dict[str, Container] = {}
        self.remover = Remover(driver, ctx.params["dependents"])
        self.ways = Ways(driver, ctx.config, ctx.endpoint)
        self.lookout = Lookout(driver, self.ways.door)

    def result(self) -> dict[str, Any]:
        with fleet.Herald(self.ctx.show) as herald:
            self.herald = herald
            self._look()
            self._find_gateways()
            self._find_sources()
            self._fix_specs()
            self._plan_removals()
            if self.ctx.check_mode:
                for name in self._planned():
                    self.entries[name] = self._predicted(name)
            else:
                self._carry_out()
        entries = [self.entries[name] for name in self.wishes]
        extra: dict[str, Any] = {}
        if self.ctx.diff:
            extra["diff"] = [self._diff(name) for name, change in self.changes.items() if change.changed]
        return fleet.collect(entries, **extra)

    def _planned(self) -> list[str]:
        return [name for name in self.wishes if name not in self.entries]

    def _fail(self, name: str, error: Exception) -> None:
        self.entries[name] = fleet.failure(name, self.wishes[name].instance, error)

    def _look(self) -> None:
        """One call for all, then a plan for each."""
        single = next(iter(self.wishes.values())).instance if len(self.wishes) == 1 else None
        if single is not None:
            found = self.driver.get(single)
            self.listed = {} if found is None else {single: found}
        else:
            self.listed = {container.name: container for container in self.driver.list(naming.PREFIX)}
        for name, wanted in self.wishes.items():
            try:
                current = self.listed.get(wanted.instance)
                if current is not None:
                    current = settled(self.driver, wanted.instance, self._watch(name), current)
                self.current[name] = current
                self.changes[name] = plan(current, wanted)
            except Exception as error:  # of this container; the others go on
                self._fail(name, error)
            finally:
                self.herald.done(name)

    def _replan(self, name: str, **filled: Any) -> None:
        """The plan with what has been found out since."""
        wanted = replace(self.wishes[name], **filled)
        try:
            self.changes[name] = plan(self.current[name], wanted)
            self.wishes[name] = wanted
        except CoreError as error:
            del self.changes[name]
            self._fail(name, error)

    def _find_sources(self) -> None:
        """Where something is to be cloned, what from. A single source that cannot be is the end of the task: nothing is made."""
        cloned = {name: source for name in self._planned() if (source := self.changes[name].clones) is not None}
        self.sources = Sources(self.driver, self.listed, self.ctx.warn)
        if cloned:
            going = [self.wishes[name].instance for name in self._planned() if self.changes[name].deletes]
            origins = self.sources.find(cloned.values(), going)
            for name, source in cloned.items():
                self._replan(name, origin=origins[source])

    def _find_gateways(self) -> None:
        """Where containers are to be behind a gateway, on which bridge that is."""
        found: dict[str, Container | None] = {}
        for name in self._planned():
            wanted, current = self.wishes[name], self.current[name]
            via = wanted.via
            if via is None or wanted.state == "absent":
                continue
            instance = naming.to_instance(via)
            if instance not in found:
                found[instance] = self.listed.get(instance) or self.driver.get(instance)
            try:
                nic = inside_card(via, found[instance], wanted.state in ("started", "restarted"))
                if current is not None and not self.changes[name].deletes and current.cards is not None:
                    check_cards(current, via, nic.parent)
            except CoreError as error:
                del self.changes[name]
                self._fail(name, error)
                continue
            self._replan(name, nic=nic)

    def _keep_gateways(self, going: dict[str, str]) -> None:
        """A gateway goes after what is behind it: nobody could reach that any more."""
        gateways = [name for name in going.values() if self.wishes[name].state == "absent" and self._has_inside(name)]
        every = self.driver.list(naming.PREFIX) if gateways else []
        for name in gateways:
            left = [other for other in behind(name, every) if naming.to_instance(other) not in going]
            if left:
                del going[self.wishes[name].instance], self.changes[name]
                self._fail(name, CoreError(f"{name}: {', '.join(left)} can only be reached through it; destroy that first", behind=left))

    def _has_inside(self, name: str) -> bool:
        current = self.current[name]
        return current is not None and current.inside is not None

    def _plan_removals(self) -> None:
        """Who would lose data by what is to be destroyed, before anything is."""
        going = {self.wishes[name].instance: name for name in self._planned() if self.changes[name].deletes}
        self._keep_gateways(going)
        found = [container for name in going.values() if (container := self.current[name]) is not None]
        for instance, error in self.remover.prepare(found).refused.items():
            del self.changes[going[instance]]
            self._fail(going[instance], error)

    def _fix_specs(self) -> None:
        """Have the driver refuse what it can and fill in what was left open, once for all containers that are made alike."""
        known: list[tuple[ContainerSpec, ContainerSpec | Exception]] = []
        for name in self._planned():
            spec = self.changes[name].spec
            if spec is None:
                continue
            # Each has an identity of its own in its environment, which no appliance looks into.
            alike = replace(spec, name="", environment={})
            outcome = next((result for seen, result in known if seen == alike), None)
            if outcome is None:
                try:
                    outcome = self.driver.check_spec(spec)
                except Exception as error:  # told for each container that was to be made so
                    outcome = error
                known.append((alike, outcome))
            if isinstance(outcome, Exception):
                del self.changes[name]
                self._fail(name, outcome)
                continue
            self._replan(name, spec=replace(outcome, name=spec.name, environment=spec.environment))

    def _carry_out(self) -> None:
        cloned = dict.fromkeys(source for name in self._planned() if (source := self.changes[name].clones) is not None)
        self.herald.fleet = sum(1 for name in self._planned() if self.changes[name].changed)
        try:
            if cloned:
                self.sources.tidy(cloned)
                self._take_snapshots()
            for names in self._waves():
                outcomes = fleet.in_parallel(names, self._one, self.ctx.params["concurrency"], self.cancelled)
                for name, outcome in outcomes.items():
                    if isinstance(outcome, Exception):
                        self._fail(name, outcome)
                    else:
                        self.entries[name] = outcome
        finally:
            self.sources.release()

    def _take_snapshots(self) -> None:
        """Of the present state of the sources that are cloned so. Where that fails none of their clones is made."""
        failed: dict[Any, Exception] = {}
        for name in self._planned():
            source = self.changes[name].clones
            if source is None:
                continue
            try:
                if source in failed:
                    raise failed[source]
                self._replan(name, origin=self.sources.take(source, name))
            except Exception as error:
                failed[source] = error
                del self.changes[name]
                self._fail(name, error)

    def _waves(self) -> Iterator[list[str]]:
        """Which containers come together: what is destroyed comes after what was made of it, and not at all where that is still there."""
        order = self.remover.plan.waves
        every = {wanted.instance: name for name, wanted in self.wishes.items()}
        names = {self.wishes[name].instance: name for name in self._planned()}
        for wave in sorted({order.get(instance, 0) for instance in names}):
            ready = []
            for instance, name in names.items():
                if order.get(instance, 0) != wave:
                    continue
                removal = self.remover.plan.removals.get(instance)
                left = [every[other] for other in (removal.after if removal else ()) if self.entries.get(every[other], {}).get("failed")]
                if left:
                    self._fail(name, CoreError(f"{name}: {', '.join(sorted(left))}, made of it, could not be destroyed; so it stays"))
                else:
                    ready.append(name)
            yield ready

    def _watch(self, name: str) -> Watch:
        return self.herald.watch(name, self.cancelled)

    def _one(self, name: str) -> dict[str, Any]:
        """Everything for one container: the steps, the host key, the waiting, the result."""
        wanted, change, current = self.wishes[name], self.changes[name], self.current[name]
        watch = self._watch(name)
        actions: list[str] = []
        try:
            self._forget_host_key(name, wanted, change)
            try:
                actions = apply(self.driver, wanted, current, change, watch, self.remover.remove, lambda: self.sources.made(name))
            finally:
                self.sources.made(name)
            self._check_cards(change, bool(actions))
            # While its network comes up: what has no identity of its own keeps it down, and only a look at that can tell.
            proven = self._proven(wanted, current, bool(actions), watch)
            if proven is not None and proven.renewed:
                actions.append("renewed")
            final = self._final(wanted, current, bool(actions), watch)
            if wanted.state in ("started", "restarted"):
                ssh_config.keep(self.ctx, self.ways, final)
        except Exception as error:
            if not hasattr(error, "actions"):
                error.actions = actions  # type: ignore[attr-defined]
            self.herald.through(name, "failed")
            raise
        finally:
            self.herald.done(name)
        if actions:
            self.herald.through(name, ", ".join(actions))
        entry = self._entry(wanted, final, changed=bool(actions), actions=actions)
        entry["machine_id"] = None if proven is None else proven.machine_id
        return entry

    def _alias(self, name: str) -> str:
        return known_hosts.alias(self.ctx.endpoint.label, name)

    def _forget_host_key(self, name: str, wanted: Wanted, change: Change) -> None:
        """A container that goes, or comes anew, does not have the key that was pinned under its name.

        It goes first: a line too few is pinned again, a line too many would speak for somebody else.
        """
        if wanted.state == "absent" or any(isinstance(step, (Create, Clone, Delete)) for step in change.steps):
            known_hosts.remove([self._alias(name)])
            ssh_config.forget(self.ctx, [name])

    def _proven(self, wanted: Wanted, current: Container | None, changed: bool, watch: Watch) -> Identity | None:
        """A clone that is reached for the first time, from here at least: its identity is its own, and its host key is pinned."""
        if wanted.state == "absent" or self.ctx.params["wait_for"] == "none" or known_hosts.lookup(self._alias(wanted.name)) is not None:
            return None
        mark = marker.read(current.environment) if current is not None else None
        if wanted.source is None and (mark is None or mark.source is None):
            return None
        container = self.driver.get(wanted.instance) if changed else current
        mark = None if container is None else marker.read(container.environment)
        if container is None or not container.running or mark is None or mark.source is None or mark.id is None:
            return None
        proven = identity.prove(self.driver, container, mark.id, watch)
        if proven.host_key is not None:
            known_hosts.pin(self._alias(wanted.name), proven.host_key)
        if proven.note is not None:
            self.ctx.warn(f"{wanted.name}: {proven.note}")
        return proven

    def _check_cards(self, change: Change, changed: bool) -> None:
        """Of one that is to be behind a gateway: before anybody can work in it."""
        spec = change.spec
        via = None if spec is None else (marker.read(spec.environment) or marker.Marker()).via
        made = self.driver.get(spec.name) if spec is not None and via is not None and changed else None
        if spec is not None and via is not None and made is not None:
            check_cards(made, via, None if spec.nic is None else spec.nic.parent)

    def _final(self, wanted: Wanted, current: Container | None, changed: bool, watch: Watch) -> Container | None:
        """The container as it is in the end, reachable if that was asked for."""
        params = self.ctx.params
        if wanted.state == "absent":
            return None
        if wanted.state in ("started", "restarted") and params["wait_for"] != "none":
            reachable = not changed and current is not None and current.address is not None and params["wait_for"] == "address"
            if reachable:
                return current
            return self.lookout.wait_for(wanted.instance, params["wait_for"], params["wait_timeout"], watch)
        return self.driver.get(wanted.instance) if changed else current

    def _predicted(self, name: str) -> dict[str, Any]:
        """What check mode reports: the container as it would be."""
        wanted, change, current = self.wishes[name], self.changes[name], self.current[name]
        entry = self._entry(wanted, current, changed=change.changed, actions=change.verbs)
        entry.update(change.after or {"status": "absent"})
        if entry["status"] != "running" or change.spec is not None:
            entry.update(address=None, host_key=None)
        return entry

    def _entry(self, wanted: Wanted, container: Container | None, *, changed: bool, actions: list[str]) -> dict[str, Any]:
        key = None if container is None else known_hosts.lookup(self._alias(wanted.name))
        entry = {
            "name": wanted.name,
            "instance": wanted.instance,
            "changed": changed,
            "actions": actions,
            **(view(container) or {"status": "absent"}),
            "address": None if container is None else container.address,
            "host_key": None if key is None else known_hosts.fingerprint(key),
            "machine_id": None,
        }
        promoted = self.remover.promoted(wanted.instance)
        if promoted:
            entry["promoted"] = promoted
        return entry

    def _diff(self, name: str) -> dict[str, Any]:
        change = self.changes[name]
        return {"before_header": name, "after_header": name, "before": change.before, "after": change.after}
