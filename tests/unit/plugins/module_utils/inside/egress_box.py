# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A container in a directory: its files are real, its programs are played. Any call or write can be made to fail, or to end everything.

What a service works with is what its files held when it last read them, so a change that nobody tells it of shows.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from ansible_collections.pixels.sandbox.plugins.module_utils.core.egress_plan import ARGUMENTS, Plan, plan
from ansible_collections.pixels.sandbox.plugins.module_utils.core.egress_preset import agent_preset
from ansible_collections.pixels.sandbox.plugins.module_utils.inside import egress_places as places
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.egress_apply import restrict
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.egress_look import look
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.egress_machine import Failed, Machine
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.egress_release import release

USER = "pixel"
PROXY_FILES = ("haproxy.cfg", "exact.lst", "suffix.lst", "denied.lst", "denied-suffix.lst", "tcp.map")
DNS_FILES = ("dns-front.conf", "dns-back.conf", "dns-front.servers", "dns-back.servers", "dns.hosts")
LOCKED_TABLE = "lockdown"

Operation = tuple[str, ...]


class Killed(BaseException):
    """The process is gone: nothing in it can clean up."""


class Box(Machine):
    """See the docstring of this file. `operations` has every call, write and removal, in order."""

    def __init__(self, root: Path) -> None:
        super().__init__(str(root))
        self.operations: list[Operation] = []
        self.answers: set[int] = set()  # those of the calls whose status is an answer, no failure
        self.users: dict[str, set[str]] = {USER: {"sudo", "audio"}}
        self.primary_group = "group1000"
        self.listed_by_sudo: set[str] = set()  # by lines that are not read here
        self.table: str | None = None
        self.known: dict[str, dict[str, str]] = {}
        self.enabled = {"systemd-resolved.service", "ssh.service"}
        self.active = {"systemd-resolved.service", "ssh.service", "cron.service"}
        self.masked: set[str] = set()
        self.unit_files = False
        self.confined = False
        self.workers = ["100"]
        self.sessions = True
        self.doors: set[str] = set()  # sockets that systemd has generated
        self.lingering = 0  # how often the user's processes are still there after they were killed
        self.killed = False
        self.broken: set[str] = set()
        self.trouble: Callable[[int, Operation], int | None] = lambda _number, _operation: None
        for name in ("/etc", "/run", "/usr/sbin", "/usr/bin", "/var/log", "/usr/local/bin"):
            Path(self.path(name)).mkdir(parents=True)
        self._put("/etc/os-release", 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian 12"\n')
        self._put("/run/systemd/resolve/resolv.conf", "nameserver 192.0.2.53\n")
        Path(self.path(places.RESOLV)).symlink_to("../run/systemd/resolve/stub-resolv.conf")
        self._put("/etc/sudoers", "root ALL=(ALL:ALL) ALL\n%sudo ALL=(ALL:ALL) ALL\n")
        self._put("/etc/sudoers.d/pixels", f"{USER} ALL=(ALL:ALL) NOPASSWD: ALL\n")
        self._put("/usr/bin/sudo", "")
        self._put("/usr/lib/systemd/system/systemd-resolved.service", "")
        self._put("/usr/lib/x86_64-linux-gnu/security/x", "")

    def _put(self, name: str, text: str) -> None:
        path = Path(self.path(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def forget(self) -> None:
        self.operations.clear()
        self.answers.clear()

    def calls(self) -> list[str]:
        """The programs that were run, as one would type them."""
        return [" ".join(operation[1:]) for operation in self.operations if operation[0] == "run"]

    def changes(self) -> list[str]:
        """All but the questions."""
        asks: tuple[str, ...] = ("systemctl -q is-*", "systemctl is-*", "systemctl show *", "nft -s list *", "nft list *", "ip -*show")
        asks += ("pgrep *", "*--version", "apt-config *", "/usr/bin/sudo -n -l *")
        kept = [" ".join(operation) for operation in self.operations]
        return [text for text in kept if not any(fnmatch.fnmatchcase(text, f"run {ask}") for ask in asks)]

    def kill_at(self, *operation: str) -> None:
        """The process ends when it begins with this one."""

        self.trouble = lambda _number, this: self.killing() if this[: len(operation)] == operation else None

    def killing(self) -> NoReturn:
        self.killed = True
        raise Killed

    def calm(self) -> Box:
        self.trouble = lambda _number, _operation: None
        return self

    # What the code under test does

    def _noted(self, *operation: str) -> int | None:
        self.operations.append(operation)
        return self.trouble(len(self.operations) - 1, operation)

    def write(self, name: str, content: str, mode: int = 0o644) -> None:
        if self._noted("write", name):
            raise OSError(28, "No space left on device", name)
        super().write(name, content, mode)

    def remove(self, name: str) -> None:
        if self._noted("remove", name):
            raise OSError(30, "Read-only file system", name)
        super().remove(name)

    def run(self, *command: str, check: bool = True, timeout: float = 60.0, env: dict[str, str] | None = None) -> tuple[int, str]:
        if not check:
            self.answers.add(len(self.operations))
        status = self._noted("run", *command)
        said = "it was to fail" if status else ""
        if status is None:
            status, said = self._answer(command)
        if check and status != 0:
            raise Failed(f"{' '.join(command)} ended with status {int(status)}", said)
        return status, said

    def processes(self, _uid: int) -> list[int]:
        if self.lingering:
            self.lingering -= 1
            return [4711]
        return []

    def kill_all(self, uid: int) -> None:
        if self._noted("kill", str(uid)):
            raise OSError(11, "Resource temporarily unavailable")
        self.sessions = False

    # The programs

    def _answer(self, command: tuple[str, ...]) -> tuple[int, str]:
        program, arguments = command[0].rsplit("/", 1)[-1], command[1:]
        answer = getattr(self, f"_run_{program.replace('-', '_')}", None)
        return (0, "") if answer is None else answer(list(arguments))

    def _run_systemctl(self, words: list[str]) -> tuple[int, str]:
        words = [word for word in words if word not in ("-q", "--no-pager", "-l")]
        verb, units = words[0], words[1:]
        if verb == "kill":
            units = units[2:]
        if verb in ("restart", "start", "stop", "enable", "disable", "mask", "unmask", "is-enabled", "is-active", "kill") and not units:
            return 1, "Too few arguments."
        if verb == "is-active":
            return (0, "active") if any(unit in self.active for unit in units) else (3, "inactive")
        if verb == "is-enabled" and set(units) <= self.masked:
            return 1, "masked\n"
        if verb == "is-enabled" and set(units) <= self.doors:
            return 0, "generated\n"
        if verb == "is-enabled":
            return (0, "enabled") if any(unit in self.enabled for unit in units) else (1, "disabled")
        if verb == "show":
            return 0, self._shown(words[2], units)
        if verb == "daemon-reload":
            self.unit_files = self.exists(f"{places.UNITS}/ssh.service.d/egress.conf")
        if verb == "disable" and not all(self._is_unit(unit) for unit in units):
            return 1, "Unit file does not exist."
        if verb in ("enable", "start", "restart") and self.masked & set(units):
            return 1, "Unit is masked."
        if verb in ("enable", "disable"):
            (self.enabled.update if verb == "enable" else self.enabled.difference_update)(units)
        if verb in ("mask", "unmask"):
            (self.masked.update if verb == "mask" else self.masked.difference_update)(units)
        if verb == "stop":
            self.active.difference_update(units)
        if verb in ("start", "restart", "reload-or-restart", "kill"):
            for unit in units:
                self._started(verb, unit)
            return (1, "failed") if self.broken & set(units) else (0, "")
        return 0, ""

    def _is_unit(self, unit: str) -> bool:
        name, _at, _instance = unit.partition("@")
        file = unit if not _at else f"{name}@.{unit.rpartition('.')[2]}"
        return any(self.exists(f"{folder}/{file}") for folder in (places.UNITS, "/usr/lib/systemd/system"))

    def _started(self, verb: str, unit: str) -> None:
        if unit in self.broken:
            self.active.discard(unit)
            return
        if verb != "kill":
            self.active.add(unit)
        if unit == "ssh.service" and verb == "restart":
            self.confined = self.unit_files
        if unit == places.PROXY:
            self.known[unit] = self.held(PROXY_FILES)
            self.workers = [str(int(self.workers[-1]) + 1)] if verb == "restart" else [*self.workers, str(int(self.workers[-1]) + 1)]
        if unit in (places.FRONT, places.BACK):
            self.known[unit] = {**self.known.get(unit, {}), **self.held(DNS_FILES if verb != "kill" else DNS_FILES[2:])}

    def _shown(self, properties: str, units: list[str]) -> str:
        if properties == "MainPID":
            return "99\n"
        if properties == "NoNewPrivileges":
            return "yes\n" if self.unit_files else "no\n"
        blocks = []
        for unit in units:
            active, enabled = "active" if unit in self.active else "inactive", "enabled" if unit in self.enabled else "disabled"
            load = "masked" if unit in self.masked else "not-found" if unit in set(places.DOORS) - self.doors else "loaded"
            blocks.append(f"Id={unit}\nLoadState={load}\nActiveState={active}\nUnitFileState={enabled}\n")
        return "\n".join(blocks)

    def _run_pgrep(self, _words: list[str]) -> tuple[int, str]:
        return 0, "\n".join(self.workers) + "\n"

    def _run_kill(self, words: list[str]) -> tuple[int, str]:
        self.workers = [pid for pid in self.workers if pid != words[-1]]
        return 0, ""

    def _run_nft(self, words: list[str]) -> tuple[int, str]:
        if not self.exists("/usr/sbin/nft"):
            return 127, "nft is not installed"
        if words[:2] == ["delete", "table"]:
            self.table = None
        if "chain" in words:
            return (0, "") if f"chain {words[-1]} " in (self.table or "") else (1, "No such file or directory")
        if "list" in words:
            return (0, self.table) if self.table is not None else (1, "No such file or directory")
        return (1, "syntax error") if "nft -c" in self.broken and words[0] == "-c" else (0, "")

    def _run_sudo(self, words: list[str]) -> tuple[int, str]:
        user = words[-1]
        if words != ["-n", "-l", "-U", user]:
            return 1, "sudo: a password is required"
        if user not in self.listed_by_sudo:
            return 0, f"User {user} is not allowed to run sudo on box.\n"
        defaults = f"Matching Defaults entries for {user} on box:\n    env_reset\n\n"
        return 0, f"{defaults}User {user} may run the following commands on box:\n    (ALL) ALL\n"

    def _run_haproxy(self, _words: list[str]) -> tuple[int, str]:
        return (1, "[ALERT] config") if "haproxy -c" in self.broken else (0, "")

    def _run_load(self, words: list[str]) -> tuple[int, str]:
        """As the script does it: a lock that took the place of the rules is no failure, only said."""
        said = ""
        if not self.exists(places.LOAD):
            return 127, "load is not installed"
        if words == ["repair"]:
            self._put(places.LOCKED, "")
            self.table = None
        elif words == ["unlock"]:
            Path(self.path(places.LOCKED)).unlink(missing_ok=True)
        elif not self.exists("/usr/sbin/nft"):
            self._put(places.LOCKED, "")
        else:
            rules = None if words == ["lock"] else self.read(places.RULES)
            if rules is not None and "nft -f" in self.broken:
                rules, said = None, "the rules of the policy cannot be loaded; locking the container\n"
            self.table = LOCKED_TABLE if rules is None else rules
            Path(self.path(places.LOCKED)).unlink(missing_ok=True)
        return 0, said

    def _run_systemd_sysusers(self, _words: list[str]) -> tuple[int, str]:
        for account in places.ACCOUNTS:
            self.users.setdefault(account, set())
        return 0, ""

    def _run_userdel(self, words: list[str]) -> tuple[int, str]:
        return (0, "") if self.users.pop(words[-1], None) is not None else (6, "no such user")

    def _run_gpasswd(self, words: list[str]) -> tuple[int, str]:
        (self.users[words[1]].add if words[0] == "-a" else self.users[words[1]].discard)(words[2])
        return 0, ""

    def _run_apt_get(self, words: list[str]) -> tuple[int, str]:
        if "install" in words:
            for program, package in places.PACKAGES.items():
                if package in words:
                    self._put(program, "")
        return 0, ""

    # What is to be seen afterwards

    def held(self, names: tuple[str, ...]) -> dict[str, str]:
        return {name: self.read(f"{places.SETTINGS}/{name}") or "" for name in names}

    def locked_at_boot(self) -> bool:
        """With nothing but what is on the disk: the network waits for a unit that runs a script that there is."""
        network = [f"{places.UNITS}/{unit}.d/{places.DROP_IN}" for unit in places.NETWORK]
        there = (places.LOAD, places.LOCKDOWN, f"{places.UNITS}/{places.FIREWALL}", *network)
        return all(self.exists(name) for name in there) and places.FIREWALL in self.enabled

    def in_force(self) -> list[str]:
        """What of the policy on the disk is not what works; empty when all of it does."""
        wrong = [] if self.table == self.read(places.RULES) else ["rules"]
        readers = ((places.PROXY, PROXY_FILES), (places.FRONT, DNS_FILES), (places.BACK, DNS_FILES))
        wrong += [f"what {unit} has read" for unit, files in readers if self.held(files) != self.known.get(unit)]
        wrong += [unit for unit in places.SERVICES if unit not in self.active or unit not in self.enabled]
        wrong += [] if self.confined else ["logins"]
        wrong += [unit for unit in self.doors if unit in self.active or unit not in self.masked]
        wrong += [] if self.read(places.RESOLV) == "nameserver 127.0.0.1\noptions timeout:1 attempts:4\n" else ["resolv.conf"]
        wrong += ["nologin"] if self.exists(places.NOLOGIN) else []
        return wrong + ([] if self.exists(places.STATE) else ["state.json"])

    # The whole way, as the action plugin goes it

    def plan(self, **options: Any) -> Plan:
        user = options.pop("user", USER)
        params = {key: options.pop(key, spec.get("default")) for key, spec in ARGUMENTS.items()}
        if options:
            raise TypeError(f"no such options: {', '.join(options)}")
        return plan(params, look(self, user), agent_preset(), user)

    def converge(self, **options: Any) -> dict[str, Any]:
        """Look, plan, do; the operations of the last part alone are kept."""
        wanted = self.plan(**options)
        self.forget()
        return self.converge_planned(wanted) if wanted.changed else {"steps": [], "unchanged": True}

    def converge_planned(self, wanted: Plan) -> dict[str, Any]:
        return (release if wanted.request["policy"] is None else restrict)(self, wanted.request)

    def without_programs(self) -> Box:
        for program in places.PACKAGES:
            Path(self.path(program)).unlink(missing_ok=True)
        return self

    def with_programs(self) -> Box:
        for program in places.PACKAGES:
            self._put(program, "")
        return self
