# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a container had in the places that a policy takes, to be given back when it goes."""

from __future__ import annotations

import os
from typing import Any

from . import egress_places as places
from .egress_machine import Machine


def before(machine: Machine) -> dict[str, Any]:
    return {"resolv": _resolv(machine), "sudo": own_sudo(machine), **_services(machine)}


def _resolv(machine: Machine) -> dict[str, str]:
    path = machine.path(places.RESOLV)
    if os.path.islink(path):
        return {"link": os.readlink(path)}
    return {"content": machine.read(places.RESOLV) or ""}


def _services(machine: Machine) -> dict[str, list[str]]:
    """Which of the units that make room for ours are enabled, which of them run, and which somebody has masked."""
    states = {unit: machine.systemctl("is-enabled", unit, check=False)[1].strip() for unit in places.MASKED}
    # What systemd has generated is started at a boot like what is enabled.
    started = [unit for unit, state in states.items() if state in ("enabled", "generated")]
    return {
        "enabled": [unit for unit, state in states.items() if state == "enabled"],
        "active": [unit for unit in started if machine.systemctl("-q", "is-active", unit, check=False)[0] == 0],
        "masked": [unit for unit, state in states.items() if state == "masked"],
    }


def own_sudo(machine: Machine) -> str | None:
    """Somebody's own program in the place of our stand-in."""
    text = machine.read(places.SUDO)
    return None if text is None or "egress-request.socket" in text else text
