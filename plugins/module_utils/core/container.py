# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The promise of the module `container`: the containers of a task are as it says, or it says which are not and why."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

from ..nas.driver import Container, ContainerSpec, Driver
from . import fleet, naming
from .apply import Watch, apply, settled
from .context import Context
from .errors import Invalid
from .front import Spec
from .plan import Change, Create, Delete, plan, view
from .wait import wait_for
from .wanted import STATES, Wanted, from_context

SPEC = Spec(
    arguments={
        "name": {"type": "list", "elements": "str", "required": True, "aliases": ["container"]},
        "state": {"type": "str", "choices": list(STATES), "default": "started"},
        "image": {"type": "str"},
        "cpu": {"type": "str"},
        "memory": {"type": "str"},
        "pool": {"type": "str"},
        "environment": {"type": "dict"},
        "autostart": {"type": "bool"},
        "network": {"type": "str"},
        "nic_type": {"type": "str", "choices": ["macvlan", "bridged"]},
        "parent": {"type": "str"},
        "owner": {"type": "str"},
        "create": {"type": "bool", "default": True},
        "adopt": {"type": "bool", "default": False},
        "recreate": {"type": "bool", "default": False},
        "wait_for": {"type": "str", "choices": ["none", "address", "ssh"], "default": "address"},
        "wait_timeout": {"type": "int", "default": 120},
        "stop_timeout": {"type": "int", "default": 30},
        "force": {"type": "bool", "default": True},
        "concurrency": {"type": "int", "default": 4},
    },
    mutually_exclusive=(("network", "nic_type"), ("network", "parent")),
)


def run(ctx: Context) -> dict[str, Any]:
    params = ctx.params
    if not 1 <= params["concurrency"] <= 64:
        raise Invalid("concurrency", params["concurrency"], "1 to 64 containers at a time")
    if params["wait_timeout"] < 1:
        raise Invalid("wait_timeout", params["wait_timeout"], "it takes at least one second")
    wishes = {wanted.name: wanted for wanted in from_context(ctx)}
    driver = ctx.driver()
    return _Run(ctx, driver, wishes).result()


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

    def result(self) -> dict[str, Any]:
        with fleet.Herald(self.ctx.show) as herald:
            self.herald = herald
            self._look()
            self._fix_specs()
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
        listed: dict[str, Container]
        if single is not None:
            found = self.driver.get(single)
            listed = {} if found is None else {single: found}
        else:
            listed = {container.name: container for container in self.driver.list(naming.PREFIX)}
        for name, wanted in self.wishes.items():
            try:
                current = listed.get(wanted.instance)
                if current is not None:
                    current = settled(self.driver, wanted.instance, self._watch(name), current)
                self.current[name] = current
                self.changes[name] = plan(current, wanted)
            except Exception as error:  # of this container; the others go on
                self._fail(name, error)
            finally:
                self.herald.done(name)

    def _fix_specs(self) -> None:
        """Have the driver refuse what it can and fill in what was left open, once for all containers that are made alike."""
        known: list[tuple[ContainerSpec, ContainerSpec | Exception]] = []
        for name in self._planned():
            spec = self.changes[name].spec
            if spec is None:
                continue
            alike = replace(spec, name="")
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
            wanted = self.wishes[name] = replace(self.wishes[name], spec=replace(outcome, name=spec.name))
            self.changes[name] = plan(self.current[name], wanted)

    def _carry_out(self) -> None:
        names = self._planned()
        if not names:
            return
        outcomes = fleet.in_parallel(names, self._one, self.ctx.params["concurrency"], self.cancelled)
        for name, outcome in outcomes.items():
            if isinstance(outcome, Exception):
                self._fail(name, outcome)
            else:
                self.entries[name] = outcome

    def _watch(self, name: str) -> Watch:
        return self.herald.watch(name, self.cancelled)

    def _one(self, name: str) -> dict[str, Any]:
        """Everything for one container: the steps, the host key, the waiting, the result."""
        wanted, change, current = self.wishes[name], self.changes[name], self.current[name]
        watch = self._watch(name)
        actions: list[str] = []
        try:
            self._forget_host_key(name, wanted, change)
            actions = apply(self.driver, wanted, current, change, watch)
            final = self._final(wanted, current, bool(actions), watch)
        except Exception as error:
            if not hasattr(error, "actions"):
                error.actions = actions  # type: ignore[attr-defined]
            raise
        finally:
            self.herald.done(name)
        return self._entry(wanted, final, changed=bool(actions), actions=actions)

    def _forget_host_key(self, name: str, wanted: Wanted, change: Change) -> None:
        """A container that goes, or comes anew, does not have the key that was pinned under its name.

        It goes first: a line too few is pinned again, a line too many would speak for somebody else.
        """
        if wanted.state == "absent" or any(isinstance(step, (Create, Delete)) for step in change.steps):
            from . import known_hosts

            known_hosts.remove([known_hosts.alias(self.ctx.endpoint.label, name)])

    def _final(self, wanted: Wanted, current: Container | None, changed: bool, watch: Watch) -> Container | None:
        """The container as it is in the end, reachable if that was asked for."""
        params = self.ctx.params
        if wanted.state == "absent":
            return None
        if wanted.state in ("started", "restarted") and params["wait_for"] != "none":
            reachable = not changed and current is not None and current.address is not None and params["wait_for"] == "address"
            if reachable:
                return current
            return wait_for(self.driver, wanted.instance, params["wait_for"], params["wait_timeout"], watch)
        return self.driver.get(wanted.instance) if changed else current

    def _predicted(self, name: str) -> dict[str, Any]:
        """What check mode reports: the container as it would be."""
        wanted, change, current = self.wishes[name], self.changes[name], self.current[name]
        entry = self._entry(wanted, current, changed=change.changed, actions=[step.verb for step in change.steps])
        entry.update(change.after or {"status": "absent"})
        if entry["status"] != "running" or change.spec is not None:
            entry["address"] = None
        return entry

    def _entry(self, wanted: Wanted, container: Container | None, *, changed: bool, actions: list[str]) -> dict[str, Any]:
        return {
            "name": wanted.name,
            "instance": wanted.instance,
            "changed": changed,
            "actions": actions,
            **(view(container) or {"status": "absent"}),
            "address": None if container is None else container.address,
        }

    def _diff(self, name: str) -> dict[str, Any]:
        change = self.changes[name]
        return {"before_header": name, "after_header": name, "before": change.before, "after": change.after}
