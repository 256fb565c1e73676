# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The time zone: the link /etc/localtime, and /etc/timezone where the distribution has it."""

from __future__ import annotations

import difflib
import os
import re
import secrets

from .egress_machine import Failed, Machine
from .system_packages import install, manager

DATABASE = "/usr/share/zoneinfo"
LOCALTIME = "/etc/localtime"
TIMEZONE = "/etc/timezone"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+-]*(/[A-Za-z0-9][A-Za-z0-9_+-]*){0,2}")


def current_zone(machine: Machine) -> str:
    """By the link; empty where it is none."""
    try:
        target = os.readlink(machine.path(LOCALTIME))
    except OSError:
        return ""
    return target.partition("zoneinfo/")[2]


def check_zone(machine: Machine, zone: str) -> None:
    if not _NAME.fullmatch(zone):
        raise Failed(f"timezone: {zone!r} is no name of a time zone; they are like Europe/Berlin, Etc/UTC or UTC")
    if has_database(machine):
        _check_there(machine, zone)


def has_database(machine: Machine) -> bool:
    return _is_zone(machine, "UTC") or _is_zone(machine, "Etc/UTC")


def _is_zone(machine: Machine, zone: str) -> bool:
    try:
        with open(machine.path(f"{DATABASE}/{zone}"), "rb") as stream:
            return stream.read(4) == b"TZif"
    except OSError:
        return False


def _check_there(machine: Machine, zone: str) -> None:
    if _is_zone(machine, zone):
        return
    known = _known(machine)
    near = difflib.get_close_matches(zone, known, n=1) or [name for name in known if name.lower() == zone.lower()]
    hint = f"did you mean {near[0]}? They" if near else "they"
    # Debian has moved old names such as US/Eastern to a package of their own.
    old = "" if near or manager(machine) != "apt" else "; old names may need the package tzdata-legacy"
    raise Failed(f"timezone: the container knows no time zone {zone}; {hint} are the files below {DATABASE}{old}")


def _known(machine: Machine) -> list[str]:
    root = machine.path(DATABASE)
    names = []
    for folder, inner, files in os.walk(root):
        inner[:] = [name for name in inner if name not in ("posix", "right")]
        names += [os.path.relpath(os.path.join(folder, name), root) for name in files]
    return [name for name in names if _NAME.fullmatch(name)]


def set_zone(machine: Machine, zone: str, check: bool) -> list[str]:
    steps = []
    if not has_database(machine):
        steps.append("tzdata")
        if not check:
            install(machine, "tzdata", f"the time zone {zone}")
            _check_there(machine, zone)
    target = f"{DATABASE}/{zone}"
    link = _link(machine) != target
    text = machine.read(TIMEZONE)
    named = (text is not None or manager(machine) == "apt") and text != f"{zone}\n"
    if not link and not named:
        return steps
    if not check:
        if link:
            _point(machine, target)
        if named:
            machine.write(TIMEZONE, f"{zone}\n")
    return [*steps, "timezone"]


def _link(machine: Machine) -> str:
    """What it leads to, by one of several ways to say the same."""
    zone = current_zone(machine)
    return f"{DATABASE}/{zone}" if zone else ""


def _point(machine: Machine, target: str) -> None:
    place = machine.path(LOCALTIME)
    temporary = f"{place}.{secrets.token_hex(8)}"
    os.symlink(target, temporary)
    try:
        os.replace(temporary, place)
    except OSError as error:
        os.unlink(temporary)
        raise Failed(f"{LOCALTIME} cannot be written: {error.strerror}") from None
