# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Takes an egress policy away: nothing of it is left but the packages that it needed, whose services do not run.

The policy's own file goes last. Until then the container counts as restricted, and the same run once more does the rest.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from typing import Any

from . import egress_places as places
from .egress_apply import alone, is_stale
from .egress_before import own_sudo
from .egress_machine import Failed, Machine, end_of
from .egress_rights import restore


def release(machine: Machine, request: dict[str, Any]) -> dict[str, Any]:
    with alone(machine):
        if is_stale(machine, request):
            return {"stale": True, "steps": []}
        try:
            _release(machine, request["user"])
        except Failed as error:
            return {"steps": [], "failed": True, "msg": error.message, "log": end_of(error.log)}
        except OSError as error:
            return {"steps": [], "failed": True, "msg": f"{error.filename}: {error.strerror}"}
    return {"steps": ["released"]}


def _release(machine: Machine, user: str) -> None:
    policy = machine.read_json(places.POLICY) or {}
    kept = machine.read_json(places.PREVIOUS)
    # It goes just before the policy does: a run that was cut off then has given everything back.
    is_given_back = kept is None and machine.exists(places.POLICY)
    previous = kept or {}
    machine.remove(places.STATE)
    for name in places.drop_ins():
        machine.remove(name)
        _remove_empty(machine, os.path.dirname(name))
    machine.systemctl("daemon-reload")
    # One that is missing would keep the others from it.
    for unit in reversed(places.SERVICES):
        there = machine.exists(f"{places.UNITS}/{re.sub('@[^.]*', '@', unit)}")
        machine.systemctl("-q", "stop", unit, check=there)
        machine.systemctl("-q", "disable", unit, check=there)
    if machine.exists(places.LOCKED):
        machine.run(places.LOAD, "unlock")
    if not is_given_back:
        _resolver(machine, previous)
    if machine.exists("/usr/sbin/nft"):
        # Whether there is one is not asked: no answer would be taken for no table.
        machine.run("nft", "add", "table", *places.TABLE)
        machine.run("nft", "delete", "table", *places.TABLE)
    for name in places.outside_files():
        if name != places.SUDO or own_sudo(machine) is None:
            machine.remove(name)
    machine.systemctl("daemon-reload")
    machine.systemctl("reset-failed", "egress-*", check=False)
    for unit in ("ssh.service", "cron.service", "atd.service"):
        if machine.systemctl("-q", "is-active", unit, check=False)[0] == 0:
            machine.systemctl("restart", unit)
    for account in places.ACCOUNTS:
        machine.run("pkill", "-KILL", "-u", account, check=False)
        status, log = machine.run("userdel", account, check=False)
        if status not in (0, 6):  # 6: there is none
            raise Failed(f"the account {account} cannot be removed", log)
    if previous.get("sudo") is not None:
        machine.write(places.SUDO, previous["sudo"], 0o755)
    restore(machine, str(previous.get("user") or policy.get("user") or user), previous.get("rights") or {})
    for former, rights in (previous.get("former") or {}).items():
        restore(machine, former, rights)
    if machine.read(places.NOLOGIN) in places.CLOSED:
        machine.remove(places.NOLOGIN)
    for folder in (places.PROGRAMS, places.LOGS, places.LEASES, "/run/egress", "/run/egress-proxy"):
        shutil.rmtree(machine.path(folder), ignore_errors=True)
    for name in machine.listed(places.SETTINGS):
        if name != places.POLICY:
            machine.remove(name)
    machine.remove(places.POLICY)
    with contextlib.suppress(FileNotFoundError):
        os.rmdir(machine.path(places.SETTINGS))


def _resolver(machine: Machine, previous: dict[str, Any]) -> None:
    ours = [unit for unit in places.MASKED if unit not in previous.get("masked", ())]
    if ours:
        machine.systemctl("-q", "unmask", *ours)
    # Their packages stay, and at the next boot they would start, with settings that nobody has made.
    for unit in ours:
        if unit in previous.get("enabled", ()):
            machine.systemctl("-q", "enable", unit, check=False)
        elif _is_there(machine, unit):
            machine.systemctl("-q", "disable", unit, check=False)
    for unit in previous.get("active", ()):
        machine.systemctl("start", unit)
    resolv = previous.get("resolv") or {}
    if "link" in resolv:
        machine.remove(places.RESOLV)
        os.symlink(resolv["link"], machine.path(places.RESOLV))
    elif "content" in resolv:
        machine.write(places.RESOLV, resolv["content"])


def _is_there(machine: Machine, unit: str) -> bool:
    return any(machine.exists(f"{folder}/{unit}") for folder in ("/lib/systemd/system", "/usr/lib/systemd/system", places.UNITS))


def _remove_empty(machine: Machine, folder: str) -> None:
    with contextlib.suppress(OSError):  # somebody has something else there
        os.rmdir(machine.path(folder))
