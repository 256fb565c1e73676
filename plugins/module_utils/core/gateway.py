# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gateways, and the way to what is behind one: through it, as `ssh -W` goes.

A container behind a gateway has that gateway's name in its mark. Its one network card is on the gateway's inside bridge, where nothing
else is, so whoever wants to reach it logs in to the gateway first. Nothing but that one connection is asked of the gateway.

The card is MACVLAN and no port of the bridge. From a port the appliance itself can be reached by its hardware address, and as a machine
that runs containers it forwards what it gets, wherever to and whatever the sender. A MACVLAN card cannot send to the interface that it
sits on; the gateway's own card is a port, and hears it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..nas.driver import Container, Driver, Nic
from . import marker, naming, ssh
from .errors import CoreError, Foreign, Invalid
from .knock import SSH_PORT, Door

if TYPE_CHECKING:
    from ..rpc.endpoint import Endpoint
    from .config import Config

# Of what is behind a gateway; see above.
NIC_TYPE = "macvlan"
# How old what is known of a gateway may be: it may be starting at this very moment.
_FRESH = 1.0


def gateway_of(container: Container) -> str | None:
    """The name of the gateway that it is behind."""
    mark = marker.read(container.environment)
    return None if mark is None else mark.via


class Unreachable(CoreError):
    """The gateway is not there, or is not up."""


class Ways:
    """One a task; `known` are containers that have just been looked at."""

    def __init__(
        self, driver: Driver, config: Config, endpoint: Endpoint, *, key: str | None = None, known: Mapping[str, Container] | None = None
    ) -> None:
        self.driver = driver
        self.config = config
        self.endpoint = endpoint
        self.key = key
        now = time.monotonic()
        self._seen: dict[str, tuple[float, Container | None]] = {name: (now, found) for name, found in (known or {}).items()}
        self._lock = threading.Lock()

    def to(self, container: Container) -> tuple[str, ...]:
        """The command that connects with it, for ssh's ProxyCommand; empty for one that is reached directly."""
        name = gateway_of(container)
        if name is None:
            return ()
        gateway = self._look(naming.to_instance(name))
        if gateway is None:
            raise Unreachable(f"{naming.from_instance(container.name)} is behind {name}, and there is no such container", gateway=name)
        if not gateway.running or gateway.address is None:
            state = f"is {gateway.status}" if not gateway.running else "has no address"
            raise Unreachable(
                f"{naming.from_instance(container.name)} is behind {name}, which {state}; pixels.sandbox.container starts it", gateway=name
            )
        return tuple(ssh.jump_command(gateway, self.config, self.endpoint, key=self.key))

    def door(self, container: Container, port: int = SSH_PORT) -> Door:
        """Where to knock."""
        if container.address is None:
            raise ValueError(f"{container.name} has no address")
        return Door(container.address, port, self.to(container))

    def _look(self, instance: str) -> Container | None:
        with self._lock:
            seen = self._seen.get(instance)
            if seen is None or time.monotonic() - seen[0] > _FRESH:
                seen = self._seen[instance] = (time.monotonic(), self.driver.get(instance))
            return seen[1]


def inside_card(via: str, gateway: Container | None, starts: bool) -> Nic:
    """The card of those behind it; raises where that is no gateway."""
    instance = naming.to_instance(via)
    if gateway is None:
        raise Invalid("via", via, "there is no such container; the playbook gateway makes one")
    if marker.read(gateway.environment) is None:
        raise Foreign(via, instance)
    if gateway.cards is None:
        raise CoreError("the appliance does not show its containers' network cards to this account; it needs VIRT_INSTANCE_WRITE")
    if gateway.inside is None:
        raise Invalid("via", via, "it is no gateway: it has no card inside; the playbook gateway gives it one")
    if starts and not gateway.running:
        raise CoreError(f"{via}: it is {gateway.status}, and what is behind it has no network until it runs", status=gateway.status)
    return Nic(nic_type=NIC_TYPE, parent=gateway.inside.parent)


def check_cards(container: Container, via: str, bridge: str | None) -> None:
    """One card, of the right kind, on the gateway's bridge: with another one it would have a way past the gateway."""
    nic = container.nic
    if container.cards == 1 and nic is not None and (nic.nic_type, nic.parent) == (NIC_TYPE, bridge):
        return
    raise CoreError(
        f"{naming.from_instance(container.name)}: it was to have one network card, {NIC_TYPE} on {bridge} behind {via}; it has"
        f" {container.cards}, the first of them {_told(nic)}. Do not use it; destroy it",
        cards=container.cards,
    )


def _told(nic: Nic | None) -> str:
    return "unknown" if nic is None else f"{nic.nic_type or 'a port'} on {nic.parent or nic.network}"


def behind(name: str, containers: Sequence[Container]) -> list[str]:
    """The containers that are reached through this one."""
    return sorted(naming.from_instance(container.name) for container in containers if gateway_of(container) == name)
