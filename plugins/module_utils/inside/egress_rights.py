# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What would make root of a user: sudoers entries and groups. Taken away with a policy, and given back when it goes.

It is the second line: where the policy is in force, no session of the user can gain privileges at all.
"""

from __future__ import annotations

import grp
import os
import pwd
from typing import Any

from . import egress_places as places
from .egress_machine import Failed, Machine

_OWN = "/etc/sudoers.d/pixels"


def groups_of(user: str) -> list[str]:
    return sorted(entry.gr_name for entry in grp.getgrall() if user in entry.gr_mem)


def _sudoers(machine: Machine) -> list[str]:
    """The files that sudo reads: none with a dot in its name, and none that ends with ~."""
    inner = [name for name in machine.listed("/etc/sudoers.d") if "." not in os.path.basename(name) and not name.endswith("~")]
    return ["/etc/sudoers", *inner]


def _grants(line: str, user: str) -> bool:
    words = line.split("#")[0].split()
    return bool(words) and words[0] in (user, "ALL") and "=" in line


def powers(machine: Machine, user: str, groups: list[str]) -> list[str]:
    """In words; empty for a user without any."""
    found = [
        f"{name} of sudo" for name in _sudoers(machine) if any(_grants(line, user) for line in (machine.read(name) or "").splitlines())
    ]
    return found + [f"group {group}" for group in groups if group in places.POWERFUL_GROUPS]


def revoke(machine: Machine, user: str) -> dict[str, Any]:
    """Take them away; what was taken comes back, for `restore`."""
    taken: dict[str, Any] = {"files": {}, "groups": [], "existed": _exists(user)}
    for name in _sudoers(machine):
        text = machine.read(name)
        if text is None or not any(_grants(line, user) for line in text.splitlines()):
            continue
        if name == "/etc/sudoers":
            raise Failed(f"/etc/sudoers itself gives {user} rights; move that line into a file of /etc/sudoers.d")
        rest = [line for line in text.splitlines() if not _grants(line, user)]
        taken["files"][name] = text
        if any(line.strip() and not line.lstrip().startswith("#") for line in rest):
            machine.write(name, "\n".join(rest) + "\n", 0o440)
        else:
            machine.remove(name)
    for group in groups_of(user):
        if group in places.POWERFUL_GROUPS:
            machine.run("gpasswd", "-d", user, group)
            taken["groups"].append(group)
    return taken


def restore(machine: Machine, user: str, taken: dict[str, Any]) -> None:
    """Give them back. A user who came after the policy gets what the user of an unrestricted container has."""
    if not _exists(user):
        return
    files = dict(taken.get("files") or {})
    if not taken.get("existed"):
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
    machine.run("pkill", "-KILL", "-u", user, check=False)
