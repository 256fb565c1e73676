# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The inside of a container that is the gateway of others: its second interface, and that it forwards nothing."""

from __future__ import annotations

import re
import time
from typing import Any

from . import egress_places as places
from .egress_machine import Failed, Machine

_FORWARDING = "/proc/sys/net/ipv4/ip_forward"
_SYSCTL = ("/usr/lib/systemd/systemd-sysctl", "/lib/systemd/systemd-sysctl")
# Seconds for the interface to get its address.
_PATIENCE = 15.0


def interfaces(machine: Machine) -> dict[str, list[str]]:
    """Each with its IPv4 addresses, as far as there is a program to ask."""
    found: dict[str, list[str]] = {name.rpartition("/")[2]: [] for name in machine.listed("/sys/class/net")}
    _status, said = machine.run("ip", "-o", "-4", "addr", "show", check=False)
    for name, address in re.findall(r"^\d+: (\S+?)(?:@\S+)? +inet ([0-9.]+/\d+)", said, re.MULTILINE):
        found.setdefault(name, []).append(address)
    return found


def problems(machine: Machine, policy: dict[str, Any]) -> list[str]:
    """What keeps it from being the gateway that it is said to be."""
    gateway = policy.get("gateway")
    if not gateway:
        return []
    found = []
    if (machine.read(_FORWARDING) or "0").strip() != "0":
        found.append("the gateway forwards packets past its proxy")
    if gateway["address"] not in interfaces(machine).get(gateway["interface"], []):
        found.append(f"the interface {gateway['interface']} does not have the address {gateway['address']}")
    if machine.systemctl("-q", "is-active", places.DHCP, check=False)[0] != 0:
        found.append(f"{places.DHCP} does not run")
    return found


def is_touched(changed: set[str]) -> bool:
    own = (places.INSIDE_NETWORK, places.SYSCTL, places.DHCP_SETTINGS, places.DHCP_PROGRAM, f"{places.UNITS}/{places.DHCP}")
    return bool(changed & set(own))


def bring_up(machine: Machine, policy: dict[str, Any]) -> None:
    gateway = policy.get("gateway")
    if not gateway:
        return
    machine.run(*[program for program in _SYSCTL if machine.exists(program)][:1], places.SYSCTL)
    machine.run("networkctl", "reload")
    end = time.monotonic() + _PATIENCE
    while gateway["address"] not in interfaces(machine).get(gateway["interface"], []):
        if time.monotonic() > end:
            _status, log = machine.run("networkctl", "--no-pager", "-n", "20", "status", gateway["interface"], check=False)
            raise Failed(f"systemd-networkd does not give {gateway['interface']} the address {gateway['address']}", log)
        time.sleep(0.1)
    machine.systemctl("-q", "enable", places.DHCP)
    machine.systemctl("restart", places.DHCP)
