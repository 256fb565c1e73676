# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What would make root of a user: sudoers entries and groups. Taken away with a policy, and given back when it goes.

It is the second line: where the policy is in force, no session of the user can gain privileges at all.
"""

from __future__ import annotations

import grp
import os
import pwd
import time
from typing import Any

from . import egress_places as places
from .egress_machine import Failed, Machine

_OWN = "/etc/sudoers.d/pixels"
# Seconds for the processes of a user to end.
_PATIENCE = 10.0


def groups_of(user: str) -> list[str]:
    return sorted(entry.gr_name for entry in grp.getgrall() if user in entry.gr_mem)


def _sudoers(machine: Machine) -> list[str]:
    """The files that sudo reads: none with a dot in its name, and none that ends with ~."""
    inner = [name for name in machine.listed("/etc/sudoers.d") if "." not in os.path.basename(name) and not name.endswith("~")]
    return ["/etc/sudoers", *inner]


def _grants(line: str, user: str) -> bool:
    words = line.split("#")[0].split()
    return bool(words) and words[0] in (user, "ALL") and "=" in line


def powers(machine: Machine, user: str) -> list[str]:
    """In words; empty for a user without any."""
    found = [
        f"{name} of sudo" for name in _sudoers(machine) if any(_grants(line, user) for line in (machine.read(name) or "").splitlines())
    ]
    found += [f"group {group}" for group in groups_of(user) if group in places.POWERFUL_GROUPS]
    return found + unrevokable(machine, user)


def unrevokable(machine: Machine, user: str) -> list[str]:
    """What `revoke` cannot take away: that is the operator's to mend."""
    found = []
    if any(_grants(line, user) for line in (machine.read("/etc/sudoers") or "").splitlines()):
        found.append("a line in /etc/sudoers itself")
    if primary_group(user) in places.POWERFUL_GROUPS and user != "root":
        found.append(f"primary group {primary_group(user)}")
    if not found and not _known_ways(machine, user) and _sudo_says(machine, user):
        found.append(f"what `sudo -l -U {user}` lists")
    return found


def _known_ways(machine: Machine, user: str) -> bool:
    lines = [line for name in _sudoers(machine) for line in (machine.read(name) or "").splitlines()]
    return any(_grants(line, user) for line in lines) or bool(set(groups_of(user)) & places.POWERFUL_GROUPS)


def _sudo_says(machine: Machine, user: str) -> bool:
    """Aliases, numbers, other groups: sudo itself knows best what its files say."""
    if not machine.exists("/usr/bin/sudo"):
        return False
    _status, said = machine.run("/usr/bin/sudo", "-n", "-l", "-U", user, check=False, timeout=20.0)
    return "may run the following" in said


def primary_group(user: str) -> str:
    try:
        return grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name
    except KeyError:
        return ""


def takes(machine: Machine, user: str) -> dict[str, Any]:
    """What `revoke` would take."""
    texts = {name: machine.read(name) or "" for name in _sudoers(machine)}
    files = {name: text for name, text in texts.items() if any(_grants(line, user) for line in text.splitlines())}
    if "/etc/sudoers" in files:
        raise Failed(f"/etc/sudoers itself gives {user} rights; move that line into a file of /etc/sudoers.d")
    return {"files": files, "groups": [group for group in groups_of(user) if group in places.POWERFUL_GROUPS], "existed": _exists(user)}


def revoke(machine: Machine, user: str) -> None:
    """Take them away."""
    taken = takes(machine, user)
    for name, text in taken["files"].items():
        rest = [line for line in text.splitlines() if not _grants(line, user)]
        if any(line.strip() and not line.lstrip().startswith("#") for line in rest):
            machine.write(name, "\n".join(rest) + "\n", 0o440)
        else:
            machine.remove(name)
    for group in taken["groups"]:
        machine.run("gpasswd", "-d", user, group)


def restore(machine: Machine, user: str, taken: dict[str, Any]) -> None:
    """Give them back. A user who came after the policy gets what the user of an unrestricted container has."""
    if not _exists(user):
        return
    files = dict(taken.get("files") or {})
    if taken.get("existed") is False:
        files[_OWN] = f"{user} ALL=(ALL:ALL) NOPASSWD: ALL\n"
    for name, text in files.items():
        machine.write(name, text, 0o440)
    for group in taken.get("groups") or []:
        machine.run("gpasswd", "-a", user, group)


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return user != "root"


def end_sessions(machine: Machine, user: str) -> None:
    """Whatever runs as the user now may have gained privileges, or keep a way to."""
    if not _exists(user):
        return
    machine.run("loginctl", "terminate-user", user, check=False)
    uid = pwd.getpwnam(user).pw_uid
    end = time.monotonic() + _PATIENCE
    while True:
        machine.kill_all(uid)
        left = machine.processes(uid)
        if not left:
            return
        if time.monotonic() > end:
            raise Failed(f"processes of {user} do not end: {', '.join(map(str, left[:10]))}")
        time.sleep(0.05)
