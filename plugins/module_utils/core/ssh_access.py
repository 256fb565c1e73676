# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The promise of the module `ssh_access`: we can log in to the containers with our key, and nobody else can pass for them.

First the cheap question: does a login work, against the pinned host key, and does the container still have the stamp of all that is
wanted? One SSH connection is all that a second run costs. Whenever the answer is not a plain yes, for whatever reason, a script runs
in the container through the appliance, which puts everything right and brings the host key back.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field
from typing import Any

from ..nas.driver import Container, Driver
from . import fleet, known_hosts, naming, ssh, ssh_config, ssh_login
from .access_options import ARGUMENTS, options_of
from .access_script import Facts, Recipe, Report, read_probe, read_report
from .apply import Watch, settled
from .context import Context
from .errors import CoreError, Foreign
from .front import Spec
from .gateway import Ways
from .plan import is_ours
from .wait import Lookout

SPEC = Spec(arguments=ARGUMENTS)

ADDRESS_TIMEOUT = 60.0
LOGIN_TIMEOUT = 30.0
# Where SSH was set up before, a server that does not listen is probably about to: the container has just been started.
BOOT_PATIENCE = 10.0


def run(ctx: Context) -> dict[str, Any]:
    options = options_of(ctx)
    return _Run(ctx, ctx.driver(), options.names, options.recipe, options.key, options.timeout, options.concurrency).result()


@dataclass
class _Outcome:
    """What was done for a container, and what is known of it then."""

    container: Container | None
    steps: list[str] = field(default_factory=list)
    host_key: str | None = None
    facts: Facts = field(default_factory=Facts)
    unfinished: bool = False


class _Run:
    """One task."""

    def __init__(self, ctx: Context, driver: Driver, names: list[str], recipe: Recipe, key: str, timeout: float, concurrency: int) -> None:
        self.ctx = ctx
        self.driver = driver
        self.names = names
        self.recipe = recipe
        self.key = key
        self.timeout = timeout
        self.concurrency = concurrency
        self.ways = Ways(driver, ctx.config, ctx.endpoint, key=key)
        self.lookout = Lookout(driver, self.ways.door)
        self.cancelled = threading.Event()
        self.diffs: dict[str, dict[str, Any]] = {}

    def result(self) -> dict[str, Any]:
        with fleet.Herald(self.ctx.show) as self.herald:
            self.listed = self._look()
            outcomes = fleet.in_parallel(self.names, self._one, self.concurrency, self.cancelled)
        entries = [
            fleet.failure(name, naming.to_instance(name), outcome) if isinstance(outcome, Exception) else outcome
            for name, outcome in outcomes.items()
        ]
        extra: dict[str, Any] = {}
        if self.ctx.diff:
            extra["diff"] = [self.diffs[name] for name in self.names if name in self.diffs]
        return fleet.collect(entries, **extra)

    def _look(self) -> dict[str, Container]:
        """One call for all."""
        if len(self.names) == 1:
            found = self.driver.get(naming.to_instance(self.names[0]))
            return {} if found is None else {found.name: found}
        return {container.name: container for container in self.driver.list(naming.PREFIX)}

    def _alias(self, name: str) -> str:
        return known_hosts.alias(self.ctx.endpoint.label, name)

    def _one(self, name: str) -> dict[str, Any]:
        watch = self.herald.watch(name, self.cancelled)
        steps: list[str] = []
        before = known_hosts.lookup(self._alias(name))
        try:
            outcome = self._predict(name, before, watch) if self.ctx.check_mode else self._grant(name, before, watch, steps)
        except Exception as error:
            error.actions = steps  # type: ignore[attr-defined]
            raise
        finally:
            self.herald.done(name)
        self._note(name, before, outcome)
        if not self.ctx.check_mode:
            ssh_config.keep(self.ctx, self.ways, outcome.container, user=self.recipe.user, key=self.key)
        return self._entry(name, outcome)

    # Looking

    def _container(self, name: str, watch: Watch) -> Container | None:
        """The container, if it is ours."""
        instance = naming.to_instance(name)
        container = self.listed.get(instance)
        if container is not None:
            if not is_ours(container):
                raise Foreign(name, instance)
            container = settled(self.driver, instance, watch, container)
        return container

    def _granted(self, container: Container, pinned: str | None, watch: Watch) -> Facts | None:
        """The cheap question."""
        if pinned is None or container.address is None:
            return None
        watch.doing("logging in")
        login = ssh_login.persist(self._command(container), self.recipe.probe(), self.ways.door(container), BOOT_PATIENCE, watch)
        return read_probe(self.recipe, login.output) if login.ok else None

    def _command(self, container: Container) -> list[str]:
        config, endpoint, through = self.ctx.config, self.ctx.endpoint, self.ways.to(container)
        return ssh.ssh_command(container, config, endpoint, user=self.recipe.user, key=self.key, batch=True, through=through)

    def _predict(self, name: str, pinned: str | None, watch: Watch) -> _Outcome:
        """Check mode: a container that is to be made or started earlier in the play is not there yet, and that is fine."""
        container = self._container(name, watch)
        facts = None
        if container is not None and container.running:
            facts = self._granted(container, pinned, watch)
        if facts is None:
            return _Outcome(container, ["access"], host_key=pinned, unfinished=True)
        return _Outcome(container, [], pinned, facts)

    # Doing

    def _grant(self, name: str, pinned: str | None, watch: Watch, steps: list[str]) -> _Outcome:
        container = self._container(name, watch)
        if container is None:
            raise CoreError(
                f"{name}: there is no such container ({naming.to_instance(name)}); pixels.sandbox.container makes it", missing=True
            )
        if not container.running:
            raise CoreError(
                f"{name}: it is {container.status}, and only a running container can be reached; pixels.sandbox.container starts it",
                status=container.status,
            )
        if container.address is None:
            container = self.lookout.wait_for(container.name, "address", ADDRESS_TIMEOUT, watch)
        facts = self._granted(container, pinned, watch)
        if facts is not None:
            return _Outcome(container, [], pinned, facts)
        watch.doing("setting up SSH")
        report = self._script(name, container, steps)
        host_key = self._pin(name, container, report, steps)
        self._prove(name, container, watch)
        return _Outcome(container, steps, host_key, Facts(report.os, report.python))

    def _script(self, name: str, container: Container, steps: list[str], *, new_host_key: bool = False) -> Report:
        mark = f"pixels:{secrets.token_hex(8)}"
        script = self.recipe.script(mark, patience=max(10, int(self.timeout / 2)), new_host_key=new_host_key)
        done = self.driver.run_script(container.name, script, timeout=self.timeout)
        report = read_report(done.output, mark)
        steps += [step for step in report.steps if step not in steps]
        if done.status != 0 or report.error is not None or report.host_key is None:
            reason = report.error or f"the script ended with status {done.status} before it had done its work"
            log = f"\nend of the log:\n{report.log}" if report.log else ""
            raise CoreError(f"{name}: {reason}{log}", reason=reason, log=report.log.splitlines())
        return report

    def _pin(self, name: str, container: Container, report: Report, steps: list[str]) -> str:
        """The host key, as it came through the API, into our known_hosts. Where another container has the same one, both got it from their
        image: then this one makes a key of its own.
        """
        alias = self._alias(name)
        key = known_hosts.parse_key(report.host_key or "")
        changed = known_hosts.pin(alias, key)
        if any(other != alias and other.partition(".")[2] == alias.partition(".")[2] for other in known_hosts.holders(key)):
            renewed = self._script(name, container, steps, new_host_key=True)
            key = known_hosts.parse_key(renewed.host_key or "")
            changed = known_hosts.pin(alias, key) or changed
        if changed:
            steps.append("known_hosts")
        return key

    def _prove(self, name: str, container: Container, watch: Watch) -> None:
        """Nothing counts until a login works."""
        if container.address is None:
            raise AssertionError("a container without an address came this far")
        watch.doing("logging in")
        login = ssh_login.persist(self._command(container), self.recipe.probe(), self.ways.door(container), LOGIN_TIMEOUT, watch)
        if login.ok and read_probe(self.recipe, login.output) is not None:
            return
        whom = f"{self.recipe.user}@{container.address}"
        if login.status == 255:
            reason = f"SSH is set up in the container, but logging in as {whom} fails: {login.error or 'ssh gave no reason'}"
        else:
            said = login.error or login.output.strip()[-500:] or "it said nothing"
            reason = f"logging in as {whom} works, but what was set up does not show there (status {login.status}): {said}"
        raise CoreError(f"{name}: {reason}", reason=reason, address=container.address)

    # Telling

    def _note(self, name: str, before: str | None, outcome: _Outcome) -> None:
        if not outcome.steps:
            return
        after: dict[str, Any] = dict.fromkeys(outcome.steps, "done")
        if outcome.unfinished:
            after = {"access": "to be set up where something is missing"}
        self.diffs[name] = {
            "before_header": name,
            "after_header": name,
            "before": {"host_key": before, **dict.fromkeys(after, "missing or different")},
            "after": {"host_key": "as it will be read through the API" if outcome.unfinished else outcome.host_key, **after},
        }

    def _entry(self, name: str, outcome: _Outcome) -> dict[str, Any]:
        container, ctx = outcome.container, self.ctx
        entry: dict[str, Any] = {
            "name": name,
            "instance": naming.to_instance(name),
            "changed": bool(outcome.steps),
            "actions": outcome.steps,
            "address": None if container is None else container.address,
            "user": self.recipe.user,
            "host_key": outcome.host_key,
            "fingerprint": None if outcome.host_key is None else known_hosts.fingerprint(outcome.host_key),
            "os": outcome.facts.os,
            "python": outcome.facts.python,
            "ssh": None,
            "hostvars": {},
        }
        if container is not None and container.address is not None:
            how: dict[str, Any] = {"user": self.recipe.user, "key": self.key, "through": self.ways.to(container)}
            entry["ssh"] = ssh.ssh_line(container, ctx.config, ctx.endpoint, **how)
            entry["hostvars"] = ssh.connection_vars(container, ctx.config, ctx.endpoint, **how)
            if outcome.facts.python:
                entry["hostvars"]["ansible_python_interpreter"] = outcome.facts.python
        return entry
