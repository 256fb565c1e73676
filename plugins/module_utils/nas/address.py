# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which of a container's addresses to connect to.

The appliance lists the addresses of every interface inside, in no useful order: a Docker bridge in the container shows up beside the
network card, sometimes before it. Only what Incus says of the devices (`extra.raw`) tells them apart.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from .driver import INSIDE, Address

# What Docker gives its first bridge; used only where the appliance does not show interface names to us.
_DOCKER = ipaddress.ip_network("172.17.0.0/16")


def _usable(text: Any) -> bool:
    try:
        address = ipaddress.ip_address(str(text))
    except ValueError:
        return False
    return not (address.is_link_local or address.is_loopback or address.is_unspecified or address.is_multicast)


def _family(text: str) -> Literal["inet", "inet6"]:
    return "inet" if ipaddress.ip_address(text).version == 4 else "inet6"


def from_network(network: Mapping[str, Any]) -> tuple[Address, ...]:
    """All usable addresses of Incus's `state.network`, with their interfaces."""
    found = []
    for interface, state in network.items():
        for entry in (state or {}).get("addresses") or []:
            text = entry.get("address")
            if entry.get("scope", "global") == "global" and _usable(text):
                found.append(Address(_family(text), text, interface))
    return tuple(found)


def from_aliases(aliases: Iterable[Mapping[str, Any]]) -> tuple[Address, ...]:
    """The same from the appliance's own list, which names no interfaces."""
    return tuple(Address(_family(entry["address"]), entry["address"]) for entry in aliases if _usable(entry.get("address")))


def card_interfaces(raw: Mapping[str, Any]) -> list[str]:
    """The interfaces inside that are, or stand on, the container's own network cards; the first card first.

    The inside card of a gateway is none of these: from outside nobody reaches anything there.
    A card keeps its hardware address where the guest renames it, and lends it to a bridge that the guest puts over it.
    """
    devices = raw.get("expanded_devices") or {}
    config = raw.get("expanded_config") or raw.get("config") or {}
    network = ((raw.get("state") or {}).get("network")) or {}
    names = [name for name, device in devices.items() if device.get("type") == "nic" and name != INSIDE]
    cards = sorted(names, key=lambda name: (name != "eth0", name))
    found: list[str] = []
    for card in cards:
        device = devices[card]
        hardware = device.get("hwaddr") or config.get(f"volatile.{card}.hwaddr")
        aliases = [device.get("name"), config.get(f"volatile.{card}.name"), card]
        if hardware:
            aliases += [name for name, state in network.items() if (state or {}).get("hwaddr", "").lower() == hardware.lower()]
        found += [name for name in aliases if name and name not in found]
    return found


def choose(addresses: Iterable[Address], interfaces: Iterable[str] | None) -> str | None:
    """The address to connect to: of the first card that has one, IPv4 before IPv6. `interfaces` None means that nobody knows."""
    known = list(addresses)
    groups: list[list[Address]]
    if interfaces is None:
        docker = [entry for entry in known if entry.family == "inet" and ipaddress.ip_address(entry.address) in _DOCKER]
        groups = [[entry for entry in known if entry not in docker], docker]
    else:
        groups = [[entry for entry in known if entry.interface == interface] for interface in interfaces]
    for family in ("inet", "inet6"):
        for group in groups:
            for entry in group:
                if entry.family == family:
                    return entry.address
    return None
