# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Containers as hosts of an inventory: what is asked of the appliance, and what is made of the answer.

The two are apart because the first may come from a cache. So it is of plain values, knows nothing of this machine, and holds no
environment of a container, in which a secret may be.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..nas.driver import RUNNING, STOPPED, Container, Driver
from . import gateway, known_hosts, lineage, marker, name_patterns, naming, ssh
from .checkpoint_view import checkpoint_view
from .context import Context
from .plan import is_ours
from .view import view

if TYPE_CHECKING:
    from ..rpc.endpoint import Endpoint
    from .config import Config

# Of a container's view; its network and environment are for tasks.
_FACTS = ("status", "image", "from", "cpu", "memory", "pool", "autostart", "via", "owner", "labels", "egress", "expires")
# Of a host: the address of the appliance that it is on.
APPLIANCE = "pixels_appliance"
# A host of that name is this machine, whatever is said about it.
_NO_HOSTS = ("localhost",)


@dataclass(frozen=True)
class Wish:
    """Which containers, and how much of them."""

    name: Sequence[Any] = ()
    status: Sequence[str] = ()
    owner: str | None = None
    checkpoints: bool = False

    def key(self) -> str:
        """What tells two wishes apart."""
        return repr((list(map(str, self.name)), sorted(map(str, self.status)), self.owner, self.checkpoints))


@dataclass
class Host:
    """One of the inventory: its variables, and the groups that it is in, without their prefix."""

    name: str
    variables: dict[str, Any]
    groups: list[tuple[str, ...]] = field(default_factory=list)


def look(ctx: Context, wish: Wish) -> dict[str, Any]:
    """What the appliance says: one call for all containers, and one each for gateways that are not among them and for checkpoints."""
    taken = time.time()
    pattern = name_patterns.expression(wish.name) if wish.name else ""
    statuses = sorted({status.lower() for status in wish.status})
    driver = ctx.driver()
    narrow: dict[str, Any] = {"pattern": pattern} if pattern else {}
    if statuses:
        narrow["statuses"] = statuses
    found = sorted(driver.list(naming.PREFIX, **narrow), key=lambda container: container.name)
    chosen = [container for container in found if is_ours(container) and wish.owner in (None, _mark(container).owner)]
    return {
        "appliance": ctx.endpoint.url,
        "taken": taken,
        "version": driver.version,
        "containers": [_entry(container) for container in chosen],
        "gateways": _gateways(driver, chosen, found),
        "checkpoints": _checkpoints(driver, chosen) if wish.checkpoints else None,
    }


def _mark(container: Container) -> marker.Marker:
    return marker.read(container.environment) or marker.Marker()


def _entry(container: Container) -> dict[str, Any]:
    shown = view(container)
    return {
        "name": naming.from_instance(container.name),
        "instance": container.name,
        **{name: shown.get(name) for name in _FACTS},
        "address": container.address,
        "os": {key: value for key, value in container.image.items() if key in ("os", "release", "variant") and value},
        "half_made": _mark(container).making is not None,
    }


def _gateways(driver: Driver, chosen: Sequence[Container], found: Sequence[Container]) -> dict[str, dict[str, Any]]:
    """Where the gateways of the chosen are."""
    wanted = {naming.to_instance(name) for name in map(gateway.gateway_of, chosen) if name is not None}
    seen = {container.name: container for container in found}
    apart = wanted - seen.keys()
    if apart:
        seen.update({container.name: container for container in driver.several(apart)})
    return {
        naming.from_instance(name): {"status": seen[name].status, "address": seen[name].address} for name in sorted(wanted & seen.keys())
    }


def _checkpoints(driver: Driver, chosen: Sequence[Container]) -> dict[str, list[dict[str, Any]]]:
    made = [container for container in chosen if _mark(container).making is None]
    kept = ("label", "created", "dependents")
    return {
        naming.from_instance(instance): [
            {name: value for name, value in checkpoint_view(entry, point).items() if name in kept} for point in entry.checkpoints
        ]
        for instance, entry in lineage.of(driver, made).items()
    }


def hosts(seen: Mapping[str, Any], config: Config, endpoint: Endpoint) -> Iterator[Host]:
    """The hosts that these containers are, for this machine and its configuration. One that cannot be reached has no `ansible_host`."""
    jumps: dict[str, tuple[str, ...] | None] = {
        name: _jump(name, entry, config, endpoint) for name, entry in (seen.get("gateways") or {}).items()
    }
    checkpoints = seen.get("checkpoints")
    pinned = known_hosts.pinned(endpoint.label)
    for entry in seen["containers"]:
        if entry["name"] in _NO_HOSTS:
            continue
        through = () if entry["via"] is None else jumps.get(entry["via"])
        container = Container(
            id=entry["instance"],
            name=entry["instance"],
            status=entry["status"],
            address=None if through is None else entry["address"],
        )
        variables = ssh.connection_vars(container, config, endpoint, through=through or ())
        variables.update({f"pixels_{name}": value for name, value in entry.items()}, pixels_pinned=entry["name"] in pinned)
        variables[APPLIANCE] = endpoint.url
        if checkpoints is not None:
            variables["pixels_checkpoints"] = checkpoints.get(entry["name"], [])
        yield Host(entry["name"], variables, list(_groups(entry)))


def left_out(seen: Mapping[str, Any]) -> list[str]:
    """The containers that are not made hosts."""
    return [entry["name"] for entry in seen["containers"] if entry["name"] in _NO_HOSTS]


def _jump(name: str, entry: Mapping[str, Any], config: Config, endpoint: Endpoint) -> tuple[str, ...] | None:
    """The command that leads through a gateway; None while that is not up."""
    if entry["status"] != RUNNING or entry["address"] is None:
        return None
    instance = naming.to_instance(name)
    return tuple(ssh.jump_command(Container(id=instance, name=instance, status=RUNNING, address=entry["address"]), config, endpoint))


# Those that a play may name although nothing is in them now.
ALWAYS: tuple[tuple[str, ...], ...] = ((RUNNING,), (STOPPED,))


def _groups(entry: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    yield (str(entry["status"]),)
    for kind in ("image", "from", "owner", "via", "egress"):
        # What is remembered may be of a time that did not know all of them.
        if entry.get(kind):
            yield kind, str(entry[kind])
    for label, value in sorted((entry["labels"] or {}).items()):
        yield "label", str(label), *([str(value)] if value else [])
    if entry["half_made"]:
        yield ("half_made",)
