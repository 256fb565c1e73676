# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Puts the program, its unit and the wish into a container, and starts the service. What takes its time is the service's."""

from __future__ import annotations

from typing import Any

from . import devtools_places as places
from .devtools_look import own_files
from .devtools_state import fresh, is_of, locked
from .egress_machine import Failed, Machine, end_of


def place(machine: Machine, request: dict[str, Any]) -> dict[str, Any]:
    """`request` is the plan's: files, wish, and whether to start."""
    try:
        done = _program(machine, request["files"])
        if request["start"]:
            _want(machine, request["wish"])
            done.append("wish")
        machine.systemctl("-q", "enable", places.UNIT)
        if request["start"]:
            machine.systemctl("reset-failed", places.UNIT, check=False)
            machine.systemctl("restart", "--no-block", places.UNIT)
            done.append("start")
    except Failed as error:
        return {"failed": True, "msg": error.message, "log": end_of(error.log), "steps": []}
    return {"steps": done}


def _program(machine: Machine, files: dict[str, dict[str, Any]]) -> list[str]:
    changed = False
    for name, file in files.items():
        content, mode = file["content"], int(file["mode"], 8)
        if machine.read(name) != content or not machine.fingerprint(name).startswith(f"{mode:o}:"):
            machine.write(name, content, mode)
            changed = True
    for name in own_files(machine):
        if name not in files:
            machine.remove(name)
            changed = True
    if changed:
        machine.systemctl("daemon-reload")
    return ["program"] if changed else []


def _want(machine: Machine, wish: dict[str, Any]) -> None:
    """Together with a state in which nothing of it is done: whoever looks in a moment must not see that of a former wish."""
    with locked(machine):
        found = machine.read_json(places.STATE)
        attempts = found["attempt"] if is_of(found, wish["digest"]) and found else 0
        machine.write_json(places.WISH, wish)
        machine.write_json(places.STATE, {**fresh(wish), "attempt": attempts})
