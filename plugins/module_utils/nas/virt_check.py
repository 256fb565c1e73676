# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What 25.04 and 25.10 are known to refuse, found out before anything is changed, and what was left open filled in."""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..rpc.api import Api
from ..rpc.errors import CallError
from .driver import DEFAULT_NETWORK, ContainerSpec, Image, Nic, Refused, Unsupported

# The appliance's name for its own bridge, when no other was set up.
MANAGED_BRIDGE = "incusbr0"
_FINGERPRINT = re.compile(r"[0-9a-f]{12,64}")


class SpecCheck:
    """One look at one specification."""

    def __init__(self, api: Api, version: str, config: Mapping[str, Any], images: Callable[[], Sequence[Image]]) -> None:
        self.api = api
        self.version = version
        self.config = config
        self.images = images

    def complete(self, spec: ContainerSpec) -> ContainerSpec:
        self.check_image(spec.image)
        return replace(spec, pool=self.pool(spec.pool), nic=self.nic(spec.nic), inside=self.inside(spec.inside))

    def pool(self, wanted: str | None) -> str | None:
        pools = self.config.get("storage_pools") or [self.config.get("pool")]
        if wanted is None:
            # Said aloud, so that a prediction can show it. None only where the global pool is not among the enabled ones.
            usual = self.config.get("pool")
            return usual if usual in pools else None
        if wanted not in pools:
            raise Refused("pool", wanted, "containers are not set up on it", [pool for pool in pools if pool])
        return wanted

    def check_image(self, wanted: str) -> None:
        """Refuse what cannot exist. The choices name one alias of each image, so an unknown release proves nothing; an unknown
        distribution does."""
        if _FINGERPRINT.fullmatch(wanted):
            return
        try:
            images = self.images()
        except CallError:
            # The list comes from the image server; one that the appliance has already can be used without it.
            return
        names = [image.name for image in images]
        distribution = wanted.split("/")[0].lower()
        if names and distribution not in {name.split("/")[0].lower() for name in names}:
            raise Refused("image", wanted, "there is no such distribution", near_images(wanted, names))

    def nic(self, wanted: Nic | None) -> Nic:
        if wanted is None:
            return self.default_nic()
        if wanted.network is not None:
            managed = self.config.get("bridge") or MANAGED_BRIDGE
            if wanted.network not in ("default", managed):
                raise Unsupported(
                    self.version,
                    "network",
                    f"a container can join only the appliance's own network by name (default or {managed}),"
                    f" not {wanted.network}; use nic_type and parent for another",
                )
            return DEFAULT_NETWORK
        kind = wanted.nic_type or "macvlan"
        choices = sorted(self.api.read("virt.device.nic_choices", kind.upper()))
        if wanted.parent is None:
            if kind != "macvlan":
                raise Refused("parent", "", f"nic_type={kind} needs the interface to attach to", choices)
            parent = self.default_route_interface()
            if parent is None or parent not in choices:
                raise Refused("parent", "", "the interface of the appliance's default route is not among those that it offers", choices)
            return Nic(kind, parent)
        if wanted.parent not in choices:
            raise Refused("parent", wanted.parent, f"the appliance does not offer it for nic_type={kind}", choices)
        return Nic(kind, wanted.parent)

    def inside(self, wanted: Nic | None) -> Nic | None:
        """The bridge of those behind a gateway. With a member it would be the way past the gateway, with an address the way into the
        appliance itself."""
        if wanted is None:
            return None
        choices = sorted(self.api.read("virt.device.nic_choices", "BRIDGED"))
        if wanted.parent not in choices:
            raise Refused("inside", wanted.parent, "it is no bridge that the appliance offers", choices)
        found = self.api.read("interface.query", [["name", "=", wanted.parent], ["type", "=", "BRIDGE"]])
        if not found:
            raise Refused("inside", wanted.parent, "it is not a bridge that was made for this (TrueNAS: Network, Interfaces, Add, Bridge)")
        (entry,) = found
        members = [str(name) for name in entry.get("bridge_members") or []]
        if members:
            raise Refused(
                "inside", wanted.parent, f"it has members ({', '.join(members)}), and what is behind the gateway would be there too"
            )
        aliases = (entry.get("state") or {}).get("aliases") or []
        own = [str(alias["address"]) for alias in aliases if alias.get("type") in ("INET", "INET6")]
        own = [text for text in own if not ipaddress.ip_address(text).is_link_local]
        if own or entry.get("ipv4_dhcp") or entry.get("ipv6_auto"):
            has = ", ".join(own) or "by DHCP"
            raise Refused(
                "inside", wanted.parent, f"the appliance has an address there ({has}), and what is behind the gateway would reach it"
            )
        return wanted

    def default_nic(self) -> Nic:
        """A card of its own in the network of the appliance, where it can have one."""
        choices = self.api.read("virt.device.nic_choices", "MACVLAN")
        parent = self.default_route_interface() if choices else None
        return Nic("macvlan", parent) if parent is not None and parent in choices else DEFAULT_NETWORK

    def default_route_interface(self) -> str | None:
        """The interface in whose network the default gateway lies."""
        summary = self.api.read("network.general.summary")
        for route in summary.get("default_routes") or []:
            try:
                gateway = ipaddress.ip_address(route)
            except ValueError:
                continue
            for name, families in (summary.get("ips") or {}).items():
                for text in families.get(f"IPV{gateway.version}") or []:
                    try:
                        network = ipaddress.ip_interface(text).network
                    except ValueError:
                        continue
                    if gateway in network and not gateway.is_link_local:
                        return name
        return None


def near_images(wanted: str, names: list[str], count: int = 8) -> list[str]:
    """The choices that come nearest, those of the same distribution first."""
    same = [name for name in names if name.split("/")[0].lower() == wanted.split("/")[0].lower()]
    near = difflib.get_close_matches(wanted, names, n=count, cutoff=0.3)
    ordered = list(dict.fromkeys([*same, *near])) or sorted({name.split("/")[0] for name in names})
    return ordered[:count] + (["..."] if len(ordered) > count else [])
