"""Bridges besides the lab's own, as an administrator of an appliance makes them: without a member and without an address.

They are Linux bridges of this machine. Those that the lab has made are written down, for whoever removes the lab.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from .errors import HostError
from .run import run

FILE = "bridges.json"
_LONGEST = 15


def recorded(directory: Path) -> list[str]:
    try:
        return list(json.loads((directory / FILE).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return []


def _record(directory: Path, names: Iterable[str]) -> None:
    (directory / FILE).write_text(json.dumps(sorted(set(names))) + "\n", encoding="utf-8")


def _exists(name: str) -> bool:
    return Path("/sys/class/net", name).exists()


def wanted(directory: Path, names: list[str]) -> None:
    """These, and none but these."""
    ours = recorded(directory)
    for name in names:
        if not name.replace("-", "").isalnum() or len(name) > _LONGEST:
            raise HostError(f"{name!r} cannot be the name of a bridge")
        if _exists(name) and name not in ours:
            raise HostError(f"this machine has an interface {name} that is not the lab's")
    _record(directory, [*ours, *names])
    for name in ours:
        if name not in names:
            _remove(name)
    _record(directory, names)
    restore(directory)


def restore(directory: Path) -> None:
    """Make those that are written down and not there: the machine has been restarted, or the lab stopped."""
    for name in recorded(directory):
        if not _exists(name):
            run(["ip", "link", "add", name, "type", "bridge"])
        # No address of its own, and none that the kernel makes up either.
        Path("/proc/sys/net/ipv6/conf", name, "disable_ipv6").write_text("1", encoding="ascii")
        run(["ip", "link", "set", name, "up"])


def remove(directory: Path) -> None:
    """They stay written down, for the next start."""
    for name in recorded(directory):
        _remove(name)


def _remove(name: str) -> None:
    if _exists(name):
        run(["ip", "link", "delete", name])
