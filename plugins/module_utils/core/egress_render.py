# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A policy as the files that a container gets: the templates of the role `egress`, filled in. Pure."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ..inside import egress_places as places
from .egress_policy import Effective, Policy, to_data
from .egress_vip import virtual_addresses

ROLE = Path(__file__).resolve().parents[3] / "roles" / "egress"

# What no listed name may lead to: the container's own network, the appliance, the cloud's metadata.
_PRIVATE4 = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/3",
)
_PRIVATE6 = ("::/127", "::ffff:0:0/96", "64:ff9b::/96", "fc00::/7", "fe80::/10", "ff00::/8")
# haproxy takes ::ffff:0:0/96 for every IPv4 address, and :: for a network only with its length.
_PROXY_PRIVATE6 = ("::/128", "::1/128", "64:ff9b::/96", "fc00::/7", "fe80::/10", "ff00::/8")

# networkd removes routing rules that are not its own, and those that lock the container are not.
_NETWORKD = "# Written by pixels.sandbox.egress.\n[Network]\nManageForeignRoutingPolicyRules=no\n"


@dataclass(frozen=True)
class Gateway:
    """The inside of a container that is the gateway of others."""

    interface: str
    address: str  # of the gateway itself, with the length of the network
    dhcp: tuple[str, str]  # first and last address for those behind it

    @property
    def data(self) -> dict[str, str]:
        inside = ipaddress.ip_interface(self.address)
        return {
            "interface": self.interface,
            "address": str(inside.ip),
            "network": str(inside.network),
            "dhcp_start": self.dhcp[0],
            "dhcp_end": self.dhcp[1],
        }


@dataclass(frozen=True)
class Wanted:
    """Everything that the files depend on."""

    policy: Policy
    effective: Effective
    user: str
    dns: tuple[str, ...]
    dns_given: bool = False  # rather than those that the network offers
    inbound: tuple[int, ...] = (22,)
    units: tuple[str, ...] = ()
    packages: bool = True
    apt: tuple[tuple[str, int], ...] = ()  # private addresses and ports for the package manager alone
    multiarch: str = "x86_64-linux-gnu"
    dnsmasq: str = ""  # its version, where it is installed
    gateway: Gateway | None = None

    def data(self) -> dict[str, Any]:
        """As /etc/egress/policy.json keeps it."""
        return {
            **to_data(self.policy),
            "user": self.user,
            "dns": list(self.dns),
            "dns_given": self.dns_given,
            "inbound": list(self.inbound),
            "units": list(self.units),
            "packages": self.packages,
            "gateway": None if self.gateway is None else {**self.gateway.data, "address": self.gateway.address},
        }


@dataclass(frozen=True)
class File:
    content: str
    mode: str = "0644"


def render(wanted: Wanted) -> dict[str, File]:
    """By path. Nothing else of ours is in a restricted container, but what it writes itself."""
    context = _context(wanted)
    files = {
        places.RULES: _fill("egress.nft", context),
        places.LOCKDOWN: _fill("lockdown.nft", context),
        f"{places.SETTINGS}/haproxy.cfg": _fill("haproxy.cfg", context),
        f"{places.SETTINGS}/dns-front.conf": _fill("dns.conf", {**context, "front": True}),
        f"{places.SETTINGS}/dns-back.conf": _fill("dns.conf", {**context, "front": False}),
        f"{places.SETTINGS}/ulogd.conf": _fill("ulogd.conf", context),
        f"{places.SETTINGS}/logrotate.conf": _fill("logrotate.conf", context),
        **{f"{places.SETTINGS}/{name}": File(text) for name, text in _lists(wanted).items()},
        f"{places.SETTINGS}/request.json": File(_json(_request(wanted))),
        places.LOAD: File(_file("load"), "0755"),
        f"{places.PROGRAMS}/request": File(_file("request"), "0755"),
        places.SUDO: File(_file("sudo"), "0755"),
        places.SYSUSERS: _fill("sysusers.conf", context),
        "/etc/ssh/sshd_config.d/10-egress.conf": _fill("sshd.conf", context),
        places.NETWORKD: File(_NETWORKD),
        "/etc/dhcp/dhclient-enter-hooks.d/egress": File("# Written by pixels.sandbox.egress.\nmake_resolv_conf() { :; }\n"),
        "/etc/NetworkManager/conf.d/egress.conf": File("# Written by pixels.sandbox.egress.\n[main]\ndns=none\nrc-manager=unmanaged\n"),
    }
    if wanted.gateway is not None:
        files |= _inside(wanted.gateway, context)
    files |= {f"{places.UNITS}/{unit}": _fill(unit, context) for unit in places.UNIT_FILES}
    network, confined = _fill("network.conf", context), _fill("confined.conf", context)
    files |= {f"{places.UNITS}/{unit}.d/{places.DROP_IN}": network for unit in places.NETWORK}
    files |= {f"{places.UNITS}/{unit}.d/{places.DROP_IN}": confined for unit in places.CONFINED}
    files[f"{places.UNITS}/{places.SESSIONS}.d/{places.DROP_IN}"] = _fill("sessions.conf", context)
    return files


def _inside(gateway: Gateway, context: dict[str, Any]) -> dict[str, File]:
    """What only a gateway has."""
    data = gateway.data
    mask = str(ipaddress.ip_interface(gateway.address).netmask)
    known = {key: data[key] for key in ("interface", "address", "network")}
    settings = {**known, "mask": mask, "first": data["dhcp_start"], "last": data["dhcp_end"]}
    return {
        places.INSIDE_NETWORK: _fill("gateway.network", context),
        places.SYSCTL: _fill("gateway.sysctl", context),
        places.DHCP_SETTINGS: File(_json(settings)),
        places.DHCP_PROGRAM: File(_file("dhcp"), "0755"),
        f"{places.UNITS}/{places.DHCP}": _fill(places.DHCP, context),
    }


def resolv() -> str:
    """A second try soon: the resolver may lose a question while it reads its lists again."""
    return "nameserver 127.0.0.1\noptions timeout:1 attempts:4\n"


def _request(wanted: Wanted) -> dict[str, Any]:
    units = sorted({*wanted.units, *places.AGENTS_UNITS})
    return {"user": wanted.user, "packages": wanted.packages, "denied_packages": _words("packages.deny"), "units": units}


def _context(wanted: Wanted) -> dict[str, Any]:
    effective = wanted.effective
    gateway = None if wanted.gateway is None else wanted.gateway.data
    return {
        "mode": wanted.policy.mode,
        "learn": wanted.policy.mode == "learn",
        "agent_user": wanted.user,
        "inbound": sorted({22, *wanted.inbound}),
        "ports": sorted({80, 443, *(port for _name, port in effective.ports)}),
        "dns4": [address for address in wanted.dns if ":" not in address],
        "dns6": [address for address in wanted.dns if ":" in address],
        "ranges4": [f"{net} . {port}" for net, port in effective.ranges if ":" not in net],
        "ranges6": [f"{net} . {port}" for net, port in effective.ranges if ":" in net],
        "apt4": [f"{address} . {port}" for address, port in wanted.apt if ":" not in address],
        "apt6": [f"{address} . {port}" for address, port in wanted.apt if ":" in address],
        "private4": list(_PRIVATE4),
        "private6": list(_PRIVATE6),
        "proxy_private6": list(_PROXY_PRIVATE6),
        "listen": ["127.0.0.1", "::1", *([gateway["address"]] if gateway else [])],
        "filter_rr": _version(wanted.dnsmasq) >= (2, 90),
        "multiarch": wanted.multiarch,
        "gateway": gateway,
        "elements": _elements,
    }


def _version(text: str) -> tuple[int, ...]:
    """Without one, it is yet to be installed: the updates of all the releases that are supported have one that is recent enough."""
    return tuple(int(part) for part in text.split(".")) if text else (2, 90)


def _elements(values: Sequence[str]) -> str:
    return f"elements = {{ {', '.join(values)} }}" if values else ""


def _lists(wanted: Wanted) -> dict[str, str]:
    effective = wanted.effective
    named = sorted({name for name, _port in effective.ports})
    addresses = virtual_addresses(named)
    return {
        "exact.lst": _lines(effective.exact),
        "suffix.lst": _lines(effective.suffixes),
        "denied.lst": _lines(effective.denied_names),
        "denied-suffix.lst": _lines(effective.denied_suffixes),
        "tcp.map": _lines(f"{addresses[name]}:{port} {name}" for name, port in effective.ports),
        "dns.hosts": _lines(f"{addresses[name]} {name}" for name in named),
        "dns-front.servers": _servers(wanted, ["127.0.0.1#5354"]),
        "dns-back.servers": _servers(wanted, wanted.dns),
    }


def _servers(wanted: Wanted, upstreams: Iterable[str]) -> str:
    """Listed names go upstream, what is below an exact one does not; `address=/#/` answers for all others that there is no such name."""
    effective, upstreams = wanted.effective, list(upstreams)
    below = tuple(effective.suffixes)
    lines = [f"server={upstream}" for upstream in upstreams] if wanted.policy.mode == "learn" else []
    for name in sorted({*effective.exact, *(name for name, _port in effective.ports)}):
        lines += [f"server=/{name}/{upstream}" for upstream in upstreams]
        if not f".{name}".endswith(below) and wanted.policy.mode != "learn":
            lines.append(f"server=/*.{name}/")
    for suffix in effective.suffixes:
        lines += [f"server=/{suffix[1:]}/{upstream}" for upstream in upstreams]
    lines += [f"server=/{name}/" for name in effective.denied_names]
    lines += [f"server=/*{suffix}/" for suffix in effective.denied_suffixes]
    return _lines(dict.fromkeys(lines))


def _lines(values: Iterable[str]) -> str:
    return "".join(f"{value}\n" for value in values)


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True) + "\n"


# The templates and files of the role


@cache
def _environment() -> Any:
    # Ansible brings it to the control node, where alone this is called; wherever else modules are unpacked it need not be.
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(ROLE / "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _fill(name: str, context: dict[str, Any]) -> File:
    return File(_environment().get_template(f"{name}.j2").render(context))


def _file(name: str) -> str:
    return (ROLE / "files" / name).read_text(encoding="utf-8")


def _words(name: str) -> list[str]:
    """The lines of a data file without remarks."""
    return [line.split("#")[0].strip() for line in _file(name).splitlines() if line.split("#")[0].strip()]
