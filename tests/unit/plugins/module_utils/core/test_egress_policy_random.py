# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Random egress policies: what their lists let through is what the definition says, and no denial is ever lost."""

from __future__ import annotations

import ipaddress
import json
import random

from ansible_collections.pixels.sandbox.plugins.module_utils.core.egress_entry import Entry
from ansible_collections.pixels.sandbox.plugins.module_utils.core.egress_policy import (
    MODES,
    Effective,
    Policy,
    changed,
    covered_by,
    effective,
    from_data,
    to_data,
)
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import Invalid

# Single connections, judged as the definition says and as the proxy and the firewall do with the lists.

_LABELS = ("a", "b")
_HOSTS = [".".join((*labels, "t", "example")) for labels in [(), *((x,) for x in _LABELS), *((x, y) for x in _LABELS for y in _LABELS)]]
_HOSTS += [f"a.{host}" for host in _HOSTS if host.count(".") == 3]
_NETWORKS = ("10.0.0.0/8", "10.0.0.0/9", "10.128.0.0/9", "10.0.0.0/32", "2001:db8::/32", "2001:db8::/64")
_POOL = sorted(
    {
        *(Entry("name", host) for host in _HOSTS),
        *(Entry("wildcard", host) for host in _HOSTS),
        *(Entry("port", host, port) for host in _HOSTS[:4] for port in (22, 23)),
        *(Entry("range", "", port, cidr) for cidr in _NETWORKS for port in (22, 443)),
    }
)
_TARGETS: list[tuple[str, int]] = [(host, port) for host in _HOSTS for port in (443, 22, 23)]
_TARGETS += [(address, port) for address in ("10.0.0.0", "10.1.1.1", "10.200.0.0", "2001:db8::1", "2001:db8:1::") for port in (22, 443)]


def _matches(entry: Entry, host: str, port: int, deny: bool) -> bool:
    if host[0].isdigit():
        return entry.kind == "range" and entry.port == port and ipaddress.ip_address(host) in ipaddress.ip_network(entry.cidr)
    if entry.kind == "port":
        return (entry.name, entry.port) == (host, port)
    if entry.kind == "name" and (deny or port == 443):
        return entry.name == host or (deny and host.endswith("." + entry.name))
    return entry.kind == "wildcard" and (deny or port == 443) and host.endswith("." + entry.name)


def _by_definition(asked: Policy, base: tuple[Entry, ...], host: str, port: int) -> bool:
    if any(_matches(entry, host, port, True) for entry in asked.deny):
        return False
    return any(_matches(entry, host, port, False) for entry in (*asked.allow, *base))


def _by_the_lists(reach: Effective, host: str, port: int) -> bool:
    if host[0].isdigit():
        return any(port == number and ipaddress.ip_address(host) in ipaddress.ip_network(cidr) for cidr, number in reach.ranges)
    if port != 443:
        return (host, port) in reach.ports
    refused = host in reach.denied_names or host.endswith(reach.denied_suffixes)
    return (host in reach.exact or host.endswith(reach.suffixes)) and not refused


def _draw(chance: random.Random, most: int) -> tuple[Entry, ...]:
    return tuple(sorted(chance.sample(_POOL, chance.randint(0, most))))


def test_the_lists_let_through_what_the_definition_says() -> None:
    chance = random.Random(20)
    tried = 0
    while tried < 400:
        deny = _draw(chance, 4)
        asked = Policy(chance.choice(MODES[1:]), tuple(entry for entry in _draw(chance, 8) if entry not in deny), deny)
        preset, mirrors = _draw(chance, 3), _draw(chance, 2)
        base = (*mirrors, *(preset if asked.mode in ("agent", "learn") else ()))
        try:
            reach = effective(asked, preset, mirrors)
        except Invalid:
            assert any(entry.kind == "range" for entry in deny)
            continue
        tried += 1
        for host, port in _TARGETS:
            assert _by_the_lists(reach, host, port) == _by_definition(asked, base, host, port), (asked, base, host, port)
        for values in (reach.exact, reach.suffixes, reach.denied, reach.ports, reach.ranges):
            assert list(values) == sorted(set(values))  # type: ignore[type-var]
        for entry in _POOL:
            through = [_by_the_lists(reach, *target) for target in _TARGETS if _matches(entry, *target, False)]
            assert all(through) or not covered_by(entry, reach)


def test_what_is_added_is_let_through_and_what_is_denied_is_not() -> None:
    """Whatever was before; the same a second time changes nothing; and the policy survives being written down."""
    chance = random.Random(21)
    tried = 0
    current = Policy("allowlist")
    while tried < 1500:
        mode, append = chance.choice([None, None, *MODES[1:]]), chance.random() < 0.7
        allow, deny = (chance.choice([None, _draw(chance, 2)]) for _which in range(2))
        preset, mirrors = _draw(chance, 3), _draw(chance, 1)
        try:
            result = changed(current, preset, mode, allow, deny, append, mirrors)
            reach = effective(result, preset, mirrors)
        except Invalid:
            current = Policy(chance.choice(MODES[1:]))
            continue
        tried += 1
        assert changed(result, preset, mode, allow, deny, append, mirrors) == result
        assert from_data(json.loads(json.dumps(to_data(result)))) == result
        assert not set(result.allow) & set(result.deny)
        for host, port in _TARGETS:
            if any(_matches(entry, host, port, True) for entry in deny or ()):
                assert not _by_the_lists(reach, host, port)
        if append:
            assert all(covered_by(entry, reach) for entry in allow or () if entry.kind != "wildcard")
        if allow is None and deny is None and not append:
            assert (result.allow, result.deny) == (current.allow, current.deny)
        current = result
