# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Logins past the network. systemd 256 and newer make sockets for them at every boot, where there is an SSH server; one of them, in the
container's own files, is open to everybody in it. The policy leaves the network's SSH as the only way in.
"""

from __future__ import annotations

from . import egress_places as places
from .egress_machine import Failed, Machine


def open_doors(machine: Machine) -> list[str]:
    """Those of the sockets that somebody could come in by, now or after the next boot."""
    _status, said = machine.systemctl("show", "-p", "Id,LoadState,ActiveState", *places.DOORS, check=False)
    states = {}
    for block in said.split("\n\n"):
        values = dict(line.partition("=")[::2] for line in block.splitlines())
        states[values.get("Id", "")] = (values.get("LoadState"), values.get("ActiveState"))
    closed = [(load, active) for load in ("masked", "not-found") for active in ("inactive", "failed")]
    return [unit for unit in places.DOORS if states.get(unit) not in closed]


def close_doors(machine: Machine) -> None:
    for unit in places.DOORS:
        machine.systemctl("stop", unit, check=False)
    machine.systemctl("-q", "mask", *places.DOORS)
    left = open_doors(machine)
    if left:
        raise Failed(f"logins by {', '.join(left)} cannot be closed")
