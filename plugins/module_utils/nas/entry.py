# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An entry of `virt.instance.query` as a Container."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .address import card_interfaces, choose, from_aliases, from_network
from .driver import DEFAULT_NETWORK, INSIDE, Container, Nic

MIB = 1024 * 1024


def container_of(entry: Mapping[str, Any]) -> Container:
    raw = entry.get("raw")
    # Accounts without the write role get stars instead, and old servers may leave it out.
    shown: Mapping[str, Any] | None = raw if isinstance(raw, Mapping) else None
    network = ((shown or {}).get("state") or {}).get("network") if shown is not None else None
    if network is not None and shown is not None:
        addresses = from_network(network)
        address = choose(addresses, card_interfaces(shown))
    else:
        addresses = from_aliases(entry.get("aliases") or [])
        address = choose(addresses, None)
    status = str(entry["status"]).lower()
    memory = entry.get("memory")
    return Container(
        id=entry["id"],
        name=entry.get("name") or entry["id"],
        status=status,
        cpu=entry.get("cpu"),
        memory=None if memory is None else int(memory) // MIB,
        pool=entry.get("storage_pool"),
        environment=dict(entry.get("environment") or {}),
        autostart=bool(entry.get("autostart")),
        image=dict(entry.get("image") or {}),
        nic=None if shown is None else nic_of(shown),
        inside=None if shown is None else inside_of(shown),
        cards=None if shown is None else _number_of_cards(shown),
        addresses=addresses,
        # A container that is going down still shows what it had.
        address=address if status == "running" else None,
        started_at=None if shown is None else _started_at(shown),
        created_at=None if shown is None else shown.get("created_at"),
        never_started=None if shown is None else _never_started(shown),
        base_image=None if shown is None else (shown.get("config") or {}).get("volatile.base_image"),
    )


def nic_of(raw: Mapping[str, Any]) -> Nic:
    """The first network card. One that comes from the profile is the appliance's default network."""
    cards = {name: device for name, device in _cards(raw.get("devices")).items() if name != INSIDE}
    if not cards:
        return DEFAULT_NETWORK
    name = "eth0" if "eth0" in cards else min(cards)
    return _nic(name, cards[name])


def inside_of(raw: Mapping[str, Any]) -> Nic | None:
    """The second card of a gateway."""
    device = _cards(raw.get("devices")).get(INSIDE)
    return None if device is None else _nic(INSIDE, device)


def _number_of_cards(raw: Mapping[str, Any]) -> int:
    return len(_cards(raw.get("expanded_devices") or raw.get("devices")))


def _cards(devices: Mapping[str, Any] | None) -> dict[str, Mapping[str, Any]]:
    return {name: device for name, device in (devices or {}).items() if device.get("type") == "nic"}


def _nic(name: str, device: Mapping[str, Any]) -> Nic:
    return Nic(nic_type=device.get("nictype"), parent=device.get("parent"), network=device.get("network"), name=name)


def _started_at(raw: Mapping[str, Any]) -> str | None:
    return _moment((raw.get("state") or {}).get("started_at")) or _moment(raw.get("last_used_at"))


def _never_started(raw: Mapping[str, Any]) -> bool | None:
    return None if raw.get("last_used_at") is None else _started_at(raw) is None


def _moment(text: str | None) -> str | None:
    """Incus dates what has never happened to the beginning of time, of which it knows two."""
    return None if not text or text.startswith(("0001-", "1970-")) else text
