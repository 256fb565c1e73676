# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The promise of the module `egress`: from what was seen in a container and what is wanted, what there is to do. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..inside import egress_places as places
from ..inside.egress_machine import fingerprint
from ..inside.egress_options import ARGUMENTS
from .egress_entry import Entry, parse_list
from .egress_policy import AGENT, ALLOWLIST, LEARN, UNRESTRICTED, Effective, Policy, changed, effective, from_data
from .egress_render import File, Gateway, Wanted, render, resolv
from .errors import CoreError, Invalid

__all__ = ["ARGUMENTS", "Plan", "plan"]

_KEPT = (places.POLICY, places.STATE, places.PREVIOUS)
# Of a gateway that is made.
_GATEWAY_INTERFACE, _GATEWAY_ADDRESS = "eth1", "10.99.0.1/24"
_USED = (
    "{user} could become root before: what was planted then no policy finds. Better is a clone of a checkpoint that was taken before"
    " anybody worked in the container. The sessions of {user} are ended."
)


@dataclass
class Plan:
    """What there is to do, and how to tell of it."""

    mode: str
    changed: bool
    before: dict[str, Any]
    after: dict[str, Any]
    request: dict[str, Any]
    entries: list[str] = field(default_factory=list)
    why: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def plan(params: Mapping[str, Any], facts: Mapping[str, Any], preset: tuple[Entry, ...], user: str) -> Plan:
    """`user` is the agent's account. Raises before anything is touched."""
    # What is to go need not be understood.
    current = Policy() if params["mode"] == UNRESTRICTED and not params["initial"] else _current(facts)
    if params["initial"] and current.mode != UNRESTRICTED:
        params = {**params, **dict.fromkeys(("mode", "allow", "deny"), None)}
    hosts = _known(facts["package_hosts"], (facts["policy"] or {}).get("package_hosts") or [])
    mirrors, apt = package_sources(hosts)
    policy = changed(current, preset, params["mode"], params["allow"], params["deny"], params["append"], mirrors)
    policy = _with_more(policy, params["allow_also"], preset, mirrors)
    if policy.mode == UNRESTRICTED:
        if (facts["policy"] or {}).get("gateway"):
            raise Invalid("mode", policy.mode, "this is a gateway: what is behind it is held by its policy; destroy it after that")
        return _release(facts, current, user)
    _check(facts, user)
    wanted = _wanted(params, facts, policy, effective(policy, preset, mirrors), apt, user)
    files = render(wanted)
    different = sorted(name for name, file in files.items() if facts["files"].get(name, "") != _fingerprint(file))
    gone = sorted(name for name in facts["files"] if _is_own(name) and name not in files and name not in _KEPT)
    data = {**wanted.data(), "package_hosts": hosts}
    why = [*facts["drift"]]
    if facts["policy"] is not None and (different or gone):
        why.append(f"files that are not as they should be: {', '.join(different + gone)}")
    plan = Plan(
        mode=policy.mode,
        changed=bool(different or gone or facts["drift"] or (params["cut"] and facts["old_workers"])) or facts["policy"] != data,
        before=_told(facts["policy"], facts["drift"]),
        after=_told(data, []),
        request={
            "expect": facts["digest"],
            "policy": data,
            "files": {name: {"content": file.content, "mode": file.mode} for name, file in files.items()},
            "gone": gone,
            "user": user,
            # What one mode has let through has no place in another.
            "cut": bool(params["cut"]) or current.mode not in (UNRESTRICTED, policy.mode),
            "resolv": resolv(),
        },
        entries=entries_of(wanted.effective),
        why=why,
    )
    if current.mode == UNRESTRICTED and facts["user"].get("exists") and facts["user"]["powers"]:
        plan.warnings.append(_USED.format(user=user))
    return plan


def _with_more(policy: Policy, more: Sequence[Any] | None, preset: Sequence[Entry], mirrors: Sequence[Entry]) -> Policy:
    """Added to the list whatever it is: that of a policy that stays as it is, too."""
    # The empty answer of a survey arrives as a list of one empty text.
    entries = parse_list("allow", more if isinstance(more, str) else [value for value in more or () if value != ""])
    if not entries:
        return policy
    if policy.mode == UNRESTRICTED:
        why = f"the container is unrestricted and may reach everything; for a list give mode {AGENT}, {ALLOWLIST} or {LEARN} as well"
        raise Invalid("allow", [entry.value for entry in entries], why)
    return changed(policy, preset, None, entries, None, True, mirrors)


def _release(facts: Mapping[str, Any], current: Policy, user: str) -> Plan:
    left = [name for name in facts["files"] if _is_own(name)]
    return Plan(
        mode="unrestricted",
        changed=facts["policy"] is not None or bool(left),
        before=_told(facts["policy"], []),
        after=_told(None, []),
        request={"expect": facts["digest"], "policy": None, "user": str((facts["policy"] or {}).get("user") or user)},
    )


def _current(facts: Mapping[str, Any]) -> Policy:
    data = facts["policy"]
    if data is None:
        return Policy()
    try:
        return from_data(data)
    except CoreError as error:
        raise CoreError(
            f"{places.POLICY} is damaged ({error.message}), so what this container may reach is not known; give mode, allow and deny anew"
            " after taking the policy away (mode unrestricted)"
        ) from None


def _check(facts: Mapping[str, Any], user: str) -> None:
    system = facts["system"]
    if not system["supported"]:
        raise CoreError(
            f"{system['name']} cannot be restricted from within: that takes Debian 12 or newer, or Ubuntu 22.04 or newer, run by systemd"
        )
    if user == "root":
        raise Invalid("user", user, "root cannot be restricted from within its own container; give the account of the agent")
    if facts["user"].get("unrevokable") and facts["policy"] is None:
        raise CoreError(
            f"{user} can become root in a way that cannot be taken away here: {', '.join(facts['user']['unrevokable'])}; mend that first"
        )


def _wanted(
    params: Mapping[str, Any], facts: Mapping[str, Any], policy: Policy, listed: Effective, apt: tuple[tuple[str, int], ...], user: str
) -> Wanted:
    before = facts["policy"] or {}
    given = _resolvers(params["dns"])
    if params["dns"] is None and before.get("dns_given"):
        given = tuple(before.get("dns") or ())
    dns = given or tuple(facts["dns_offered"]) or tuple(before.get("dns") or ())
    if not dns:
        raise Invalid("dns", params["dns"], "the container's network offers no name server, so at least one address has to be given")
    return Wanted(
        policy=policy,
        effective=listed,
        user=user,
        dns=dns,
        dns_given=bool(given),
        inbound=_ports(params["inbound"]) or tuple(before.get("inbound") or (22,)),
        units=_units(params["units"]) if params["units"] is not None else tuple(before.get("units") or ()),
        packages=bool(before.get("packages", True)) if params["packages"] is None else params["packages"],
        apt=apt,
        multiarch=facts["system"]["multiarch"],
        dnsmasq=facts["dnsmasq"],
        gateway=_possible(_gateway(params["gateway"], before.get("gateway")), facts.get("interfaces") or {}),
    )


def _known(hosts: Sequence[Mapping[str, Any]], before: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A host that could not be looked up just now has the addresses that it had before."""
    then = {(entry.get("role"), entry.get("host"), entry.get("port")): entry.get("addresses") for entry in before}
    known = []
    for host in hosts:
        addresses = then.get((host["role"], host["host"], host["port"])) if host["addresses"] is None else host["addresses"]
        known.append({**host, "addresses": addresses or []})
    return known


def package_sources(hosts: Sequence[Mapping[str, Any]]) -> tuple[tuple[Entry, ...], tuple[tuple[str, int], ...]]:
    """Mirrors as entries; those in private networks, and proxies, as addresses that are for the package manager alone."""
    entries, direct = set(), set()
    for host in hosts:
        name, port = str(host["host"]), int(host["port"])
        if _is_address(name):
            direct.add((name, port))
        elif host["addresses"]:
            direct |= {(address, port) for address in host["addresses"]}
            if host["role"] == "mirror" or "." in name:
                entries.add(Entry("name", name=name))
        elif host["role"] == "mirror" and "." in name:
            entries.add(Entry("name", name=name) if port in (80, 443) else Entry("port", name=name, port=port))
    return tuple(sorted(entries)), tuple(sorted(direct))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _resolvers(given: Sequence[str] | None) -> tuple[str, ...]:
    found = []
    for text in given or ():
        if not text.strip():
            continue
        if not _is_address(text.strip()):
            raise Invalid("dns", text, "a name server is given by its address")
        found.append(str(ipaddress.ip_address(text.strip())))
    return tuple(dict.fromkeys(found))


def _ports(given: Sequence[int] | None) -> tuple[int, ...]:
    for port in given or ():
        if not 1 <= port <= 65535:
            raise Invalid("inbound", port, "a port is a number from 1 to 65535")
    return tuple(sorted({22, *given})) if given else ()


def _units(given: Sequence[str]) -> tuple[str, ...]:
    names = [name.strip() for name in given if name.strip()]
    for name in names:
        if not all(letter.isalnum() or letter in "@_.:-" for letter in name) or name.startswith(("-", ".")):
            raise Invalid("units", name, "a unit is given by its name, such as pixels-devtools.service")
    return tuple(sorted({name if "." in name else f"{name}.service" for name in names}))


def _gateway(given: Mapping[str, Any] | None, before: Mapping[str, Any] | None) -> Gateway | None:
    """What is not given stays as it is, but for the addresses to give away where the network becomes another one."""
    kept = before or {}
    if given is None and not kept:
        return None
    given = given or {}
    address = given.get("address") or kept.get("address") or _GATEWAY_ADDRESS
    try:
        inside = ipaddress.ip_interface(address)
    except ValueError:
        raise Invalid("gateway", address, "address is the gateway's own with the length of the network, such as 10.99.0.1/24") from None
    if inside.version != 4 or not 8 <= inside.network.prefixlen <= 29 or inside.ip in (inside.network[0], inside.network[-1]):
        raise Invalid("gateway", address, "address is one of a host in an IPv4 network of 8 addresses or more")
    hosts = [str(host) for host in (inside.network[1], inside.network[-2])]
    asked = given.get("dhcp")
    if asked in (None, [""]):
        asked = [kept["dhcp_start"], kept["dhcp_end"]] if kept.get("network") == str(inside.network) else None
    dhcp = [str(address) for address in asked or hosts]
    if len(dhcp) != 2 or any(not _is_address(one) or ipaddress.ip_address(one) not in inside.network for one in dhcp):
        raise Invalid("gateway", dhcp, f"dhcp is the first and the last address to give away, both in {inside.network}")
    if ipaddress.ip_address(dhcp[0]).packed > ipaddress.ip_address(dhcp[1]).packed or dhcp == [str(inside.ip)] * 2:
        raise Invalid(
            "gateway", dhcp, "dhcp is the first and the last address to give away, in this order, and more than the gateway's own"
        )
    if inside.network.overlaps(ipaddress.ip_network("198.18.0.0/15")):
        raise Invalid("gateway", str(inside), "addresses from 198.18.0.0/15 stand for names with ports; choose another network")
    return Gateway(given.get("interface") or kept.get("interface") or _GATEWAY_INTERFACE, str(inside), (dhcp[0], dhcp[1]))


def _possible(gateway: Gateway | None, interfaces: Mapping[str, Sequence[str]]) -> Gateway | None:
    """What the container has to have for it."""
    if gateway is None:
        return None
    if gateway.interface not in interfaces:
        raise Invalid(
            "gateway",
            gateway.interface,
            "the container has no such interface; it takes a second network card (pixels.sandbox.container, option inside)",
        )
    inside = ipaddress.ip_interface(gateway.address).network
    for name, addresses in interfaces.items():
        taken = [text for text in addresses if name != gateway.interface and ipaddress.ip_interface(text).network.overlaps(inside)]
        if taken:
            raise Invalid("gateway", gateway.address, f"{name} is in that network already ({', '.join(taken)}); choose another one")
    return gateway


def _fingerprint(file: File) -> str:
    return fingerprint(file.content.encode("utf-8", "surrogateescape"), int(file.mode, 8))


def _is_own(name: str) -> bool:
    """Our directories hold nothing but ours; elsewhere a file of that name may be somebody else's, such as a sudo of their own."""
    ours = (places.SETTINGS + "/", places.PROGRAMS + "/", places.UNITS + "/")
    return name.startswith(ours) or name.endswith(("egress.conf", "egress.network"))


def entries_of(effective: Effective) -> list[str]:
    """What may be reached, a line each."""
    ranges = [Entry("range", cidr=net, port=port).text for net, port in effective.ranges]
    ports = [f"{name}:{port}" for name, port in effective.ports]
    return [*effective.exact, *(f"*{suffix}" for suffix in effective.suffixes), *ports, *ranges]


def _told(data: Mapping[str, Any] | None, drift: Sequence[str]) -> dict[str, Any]:
    if not data:
        return {"mode": "unrestricted"}
    shown = {"mode": data.get("mode"), "allow": data.get("allow"), "deny": data.get("deny"), "dns": data.get("dns")}
    return {**shown, "units": data.get("units"), "in_force": list(drift) or True}
