# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Puts an egress policy in force: validate everything, put the files in place, then touch only what has changed.

From nothing the order is the promise: first what locks the container at its next boot, then the programs, then the rules, and nobody but
root logs in before all of it holds. Whatever fails on the way leaves the container locked. A change of a policy that is in force is
validated before anything of the old one is touched, and never loads less than the whole.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from . import egress_places as places
from .egress_before import before
from .egress_doors import close_doors, open_doors
from .egress_inside import bring_up, is_touched, problems
from .egress_look import table
from .egress_machine import Failed, Machine, digest, end_of, fingerprint
from .egress_packages import install
from .egress_proxy import old_workers, workers
from .egress_rights import end_sessions, powers, revoke, takes

_RULES = (places.RULES, places.LOCKDOWN)
_RESOLVER_SETTINGS = ("dns-front.conf", "dns-back.conf")
_RESOLVER_LISTS = ("dns-front.servers", "dns-back.servers", "dns.hosts")
_PROXY = ("haproxy.cfg", "exact.lst", "suffix.lst", "denied.lst", "denied-suffix.lst", "tcp.map")
# How long a new worker of the proxy may take until it serves.
_WORKER = 8.0


@contextlib.contextmanager
def alone(machine: Machine) -> Iterator[None]:
    """One change at a time."""
    os.makedirs(os.path.dirname(machine.path(places.LOCK)), exist_ok=True)
    # The services read what is made here, whatever root's own habits are.
    before = os.umask(0o022)
    try:
        with open(machine.path(places.LOCK), "a", encoding="ascii") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield
    finally:
        os.umask(before)


def is_stale(machine: Machine, request: dict[str, Any]) -> bool:
    """Somebody has changed the policy since it was looked at."""
    text = machine.read(places.POLICY)
    return ("" if text is None else digest(text)) != request["expect"]


def restrict(machine: Machine, request: dict[str, Any]) -> dict[str, Any]:
    with alone(machine):
        if is_stale(machine, request):
            return {"stale": True, "steps": []}
        work = _Restriction(machine, request)
        if not machine.read_json(places.STATE):
            return work.from_nothing()
        return work.change()


class _Restriction:
    def __init__(self, machine: Machine, request: dict[str, Any]) -> None:
        self.machine = machine
        self.request = request
        self.files: dict[str, dict[str, Any]] = request["files"]
        self.user: str = request["user"]
        self.steps: list[str] = []

    # From nothing

    def from_nothing(self) -> dict[str, Any]:
        try:
            self._lock_next_boot()
            self._close_logins()
            self.steps += install(self.machine, self.request["policy"]["dns"])
            self._accounts()
            self._validate(self._staged())
            self._place(self.files)
            self.machine.systemctl("daemon-reload")
            self._load()
            bring_up(self.machine, self.request["policy"])
            self._resolver()
            self._start(places.SERVICES)
            self._reload_ssh()
            self._finish()
        except Failed as error:
            return self._failed(error)
        except (OSError, LookupError, ValueError) as error:
            return self._failed(Failed(str(error)))
        return {"steps": self.steps}

    def _lock_next_boot(self) -> None:
        """Cut off from here on, the container comes up locked."""
        machine = self.machine
        machine.write_json(places.POLICY, self.request["policy"])
        first = [places.LOCKDOWN, places.LOAD, places.NETWORKD, places.UNITS + "/" + places.FIREWALL]
        first += [name for name in self.files if name in places.drop_ins()]
        self._place({name: self.files[name] for name in first})
        machine.systemctl("daemon-reload")
        machine.systemctl("-q", "enable", places.FIREWALL)

    def _close_logins(self) -> None:
        """Nobody but root gets in, and what runs as the user ends: it could still gain privileges, and reach everything."""
        machine = self.machine
        previous = machine.read_json(places.PREVIOUS)
        if not previous or "rights" not in previous:
            first = previous is None
            previous = {"user": self.user, "rights": {}, **before(machine)}
            if not first:
                # It is damaged, so there was a policy: what is masked now may be our own doing.
                previous["masked"] = []
            machine.write_json(places.PREVIOUS, previous, 0o600)
        owner = previous.setdefault("user", (machine.read_json(places.POLICY) or {}).get("user") or self.user)
        if owner != self.user:
            former = {**previous.get("former", {}), owner: previous["rights"]}
            previous.update(user=self.user, rights=former.pop(self.user, {}), former=former)
        machine.write(places.STAYS_CLOSED, places.NOT_YET)
        machine.write(places.NOLOGIN, places.NOT_YET)
        close_doors(machine)
        end_sessions(machine, self.user)
        # What is to be taken is known before it is taken, and adds to what was taken before.
        taken, had = takes(machine, self.user), previous["rights"]
        if not had or taken["files"] or taken["groups"]:
            previous["rights"] = {
                "files": {**taken["files"], **had.get("files", {})},
                "groups": sorted({*had.get("groups", []), *taken["groups"]}),
                "existed": had.get("existed", taken["existed"]),
            }
            machine.write_json(places.PREVIOUS, previous, 0o600)
        revoke(machine, self.user)
        left = powers(machine, self.user)
        if left:
            raise Failed(f"{self.user} can still become root: {', '.join(left)}")

    def _accounts(self) -> None:
        self._place({places.SYSUSERS: self.files[places.SYSUSERS]})
        self.machine.run("systemd-sysusers", places.SYSUSERS)
        logs = self.machine.path(places.LOGS)
        os.makedirs(logs, mode=0o755, exist_ok=True)
        for account, name in zip(places.ACCOUNTS, ("proxy.log", "dns.log", "denied.log")):
            path = os.path.join(logs, name)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o644))
            os.chmod(path, 0o644)
            shutil.chown(path, account, account)

    def _load(self) -> None:
        # Not by starting the unit alone: one that was started at the last boot would not load anything.
        _status, said = self.machine.run(places.LOAD)
        # It locks, and says so by its words alone, for at a boot a locked container has to have its network.
        if self.machine.run("nft", "list", "chain", *places.TABLE, "steer", check=False)[0] != 0:
            raise Failed("the rules of the policy cannot be loaded", said)
        self.machine.systemctl("start", places.FIREWALL)
        self.steps.append("rules")

    def _resolver(self) -> None:
        machine = self.machine
        for unit in places.MASKED:
            if unit.startswith("systemd-resolved"):
                machine.systemctl("stop", unit, check=False)
        machine.systemctl("-q", "mask", *places.MASKED)
        machine.write(places.RESOLV, self.request["resolv"])

    def _start(self, units: tuple[str, ...]) -> None:
        machine = self.machine
        machine.systemctl("-q", "enable", *units)
        restarted = [unit for unit in units if unit != places.FIREWALL]
        # What a former attempt has started may run with former files.
        failed = machine.systemctl("restart", *restarted, check=False)[0] != 0
        for unit in restarted:
            status, state = machine.systemctl("is-active", unit, check=False)
            if status != 0:
                _status, log = machine.systemctl("--no-pager", "-l", "status", unit, check=False)
                raise Failed(f"{unit} does not run ({state.strip()})", log)
        if failed:
            raise Failed(f"not all of these could be started: {', '.join(restarted)}")
        self.steps.append("services")

    def _reload_ssh(self) -> None:
        """Connections that there are go on; whoever logs in from now on can gain no privileges."""
        machine = self.machine
        machine.run("sshd", "-t")
        for unit in ("ssh.service", "cron.service", "atd.service", *places.AGENTS_UNITS):
            status = machine.systemctl("-q", "is-active", unit, check=False)[0]
            if status not in (0, 3, 4):  # 3: it does not run, 4: there is none
                raise Failed(f"whether {unit} runs is not known")
            if status == 0:
                machine.systemctl("restart", unit)
        self.steps.append("logins")

    # A change

    def change(self) -> dict[str, Any]:
        machine = self.machine
        marks = {name: machine.fingerprint(name) for name in self.files}
        try:
            self._validate(self._staged())
            told = self._not_told()
        except Failed as error:
            return _untouched("is not valid", error)
        except OSError as error:
            return _untouched("cannot be written", Failed(str(error)))
        try:
            self._place(self.files)
            changed = {name for name in self.files if name not in told or machine.fingerprint(name) != marks[name]}
            self._activate(changed)
            self._finish()
        except Failed as error:
            return self._failed(error)
        except (OSError, LookupError, ValueError) as error:
            return self._failed(Failed(str(error)))
        return {"steps": self.steps}

    def _not_told(self) -> dict[str, str]:
        """Which files everybody knows. Cut off from here on, the next run has to tell of all others again."""
        machine = self.machine
        state = machine.read_json(places.STATE) or {}
        wanted = {
            name: fingerprint(file["content"].encode("utf-8", "surrogateescape"), int(file["mode"], 8)) for name, file in self.files.items()
        }
        told = {name: mark for name, mark in state.get("files", {}).items() if wanted.get(name) == mark}
        machine.write_json(places.STATE, {**state, "files": {**dict.fromkeys(wanted, ""), **told}})
        return told

    def _activate(self, changed: set[str]) -> None:
        machine = self.machine
        state = machine.read_json(places.STATE) or {}
        if any(name.startswith(places.UNITS) for name in changed):
            machine.systemctl("daemon-reload")
        if machine.read(places.NOLOGIN) in places.CLOSED or powers(machine, self.user) or open_doors(machine):
            self._close_logins()
            self.steps.append("rights")
        if places.RULES in changed or places.LOAD in changed or table(machine) != state.get("table"):
            self._load()
        if is_touched(changed) or problems(machine, self.request["policy"]):
            bring_up(machine, self.request["policy"])
            self.steps.append("inside")
        if machine.read(places.RESOLV) != self.request["resolv"]:
            self._resolver()
            self.steps.append("resolver")
        self._activate_resolver(_names(changed))
        self._activate_proxy(_names(changed))
        self._cut()
        dead = [unit for unit in places.SERVICES if machine.systemctl("-q", "is-active", unit, check=False)[0] != 0]
        restart = [unit for unit, names in _UNITS_OF if names & _names(changed)]
        # With several it answers for any of them.
        if any(machine.systemctl("-q", "is-enabled", unit, check=False)[0] != 0 for unit in places.SERVICES):
            machine.systemctl("-q", "enable", *places.SERVICES)
        if places.FIREWALL in dead:
            machine.systemctl("start", places.FIREWALL)
        if set(dead + restart) - {places.FIREWALL}:
            self._start(tuple(dict.fromkeys([*dead, *restart])))
        _status, confined = machine.systemctl("show", "-p", "NoNewPrivileges", "--value", "ssh.service", check=False)
        ssh = {"10-egress.conf"} & _names(changed) or any("/ssh.service.d/" in name for name in changed)
        if ssh or confined.strip() != "yes":
            self._reload_ssh()

    def _activate_resolver(self, names: set[str]) -> None:
        if names & set(_RESOLVER_SETTINGS) or "egress-dns@.service" in names:
            self.machine.systemctl("restart", places.BACK, places.FRONT)
        elif names & set(_RESOLVER_LISTS):
            self.machine.systemctl("kill", "-s", "HUP", places.BACK, places.FRONT)
        else:
            return
        self.steps.append("resolver")

    def _activate_proxy(self, names: set[str]) -> None:
        """Connections that are running go on with the worker that has them, unless they are to be cut."""
        if "egress-proxy.service" in names:
            self.machine.systemctl("restart", places.PROXY)
        elif names & set(_PROXY):
            self._reload_proxy()
        else:
            return
        self.steps.append("proxy")

    def _cut(self) -> None:
        """The connections that an older worker has were made under an older policy."""
        old = old_workers(self.machine) if self.request["cut"] else []
        for pid in old:
            self.machine.run("kill", "-TERM", pid, check=False)
        if old:
            self.steps.append("cut")

    def _reload_proxy(self) -> None:
        machine = self.machine
        old = set(workers(machine))
        machine.systemctl("reload-or-restart", places.PROXY)
        end = time.monotonic() + _WORKER
        while not set(workers(machine)) - old:
            if time.monotonic() > end:
                raise Failed(f"the proxy has not taken its new lists within {int(_WORKER)} s")
            time.sleep(0.02)

    # Both

    def _staged(self) -> str:
        """A directory with the settings as they are to be, which are checked there: where the agent can take no room from them."""
        os.makedirs(self.machine.path("/run"), exist_ok=True)
        folder = tempfile.mkdtemp(prefix="egress-", dir=self.machine.path("/run"))
        try:
            for name, wanted in self.files.items():
                if os.path.dirname(name) == places.SETTINGS:
                    text = wanted["content"].replace(places.SETTINGS + "/", folder + "/") if name.endswith(".cfg") else wanted["content"]
                    with open(os.path.join(folder, os.path.basename(name)), "w", encoding="utf-8") as stream:
                        stream.write(text)
            os.chmod(folder, 0o755)
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return folder

    def _validate(self, folder: str) -> None:
        machine = self.machine
        try:
            machine.run("nft", "-c", "-f", folder + "/egress.nft")
            machine.run("nft", "-c", "-f", folder + "/lockdown.nft")
            for name in (*_RESOLVER_SETTINGS, "dns-front.servers", "dns-back.servers"):
                machine.run("/usr/sbin/dnsmasq", "--test", "-C", f"{folder}/{name}")
            machine.run("/usr/sbin/haproxy", "-c", "-f", folder + "/haproxy.cfg")
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _place(self, files: dict[str, dict[str, Any]]) -> None:
        for name, wanted in files.items():
            content, mode = wanted["content"], int(wanted["mode"], 8)
            if self.machine.read(name) != content or not self.machine.fingerprint(name).startswith(f"{mode:o}:"):
                self.machine.write(name, content, mode)
                if "files" not in self.steps:
                    self.steps.append("files")

    def _finish(self) -> None:
        machine = self.machine
        for name in self.request["gone"]:
            machine.remove(name)
        if machine.read(places.NOLOGIN) in places.CLOSED:
            machine.remove(places.NOLOGIN)
        machine.remove(places.STAYS_CLOSED)
        machine.write_json(places.POLICY, self.request["policy"])
        names = [name for name in self.files if name != places.POLICY]
        machine.write_json(places.STATE, {"files": {name: machine.fingerprint(name) for name in names}, "table": table(machine)})

    def _failed(self, error: Failed) -> dict[str, Any]:
        """Locked is what the container has to be now. How that went is part of the answer."""
        machine = self.machine
        status, said = machine.run(places.LOAD, "lock", check=False)
        with contextlib.suppress(OSError):
            machine.remove(places.STATE)
        locked = "the container is locked: nothing goes out, and only root logs in" if status == 0 else "AND THE CONTAINER CANNOT BE LOCKED"
        with contextlib.suppress(OSError):
            machine.write(places.STAYS_CLOSED, places.NOT_AT_ALL)
            machine.write(places.NOLOGIN, places.NOT_AT_ALL)
        return {
            "steps": self.steps,
            "failed": True,
            "locked": status == 0,
            "msg": f"{error.message}; {locked}",
            "log": end_of(error.log + ("\n" + said if status else "")),
        }


# What each service has read when it was started.
_UNITS_OF: tuple[tuple[str, frozenset[str]], ...] = (
    (places.LOG, frozenset(("ulogd.conf", "egress-log.service"))),
    (places.ROTATE, frozenset(("egress-rotate.timer",))),
    (places.SOCKETS[0], frozenset(("egress-request.socket",))),
    (places.SOCKETS[1], frozenset(("egress-rules.socket",))),
)


def _names(changed: set[str]) -> set[str]:
    return {os.path.basename(name) for name in changed}


def _untouched(why: str, error: Failed) -> dict[str, Any]:
    msg = f"the new policy {why}, the old one is still in force: {error.message}"
    return {"steps": [], "failed": True, "msg": msg, "log": end_of(error.log)}
