# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where packages come from: mirrors are let through, and what lies in private networks is for the package manager alone."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core.egress_plan import package_sources
from ansible_collections.pixels.sandbox.plugins.module_utils.inside import egress_places as places
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.egress_facts import after, asked, facts


def host(name: str, role: str = "mirror", port: int = 443, addresses: list[str] | None = None) -> dict[str, Any]:
    return {"role": role, "host": name, "port": port, "addresses": [] if addresses is None else addresses}


def told(*hosts: dict[str, Any]) -> tuple[list[str], list[tuple[str, int]]]:
    entries, direct = package_sources(hosts)
    return [entry.text for entry in entries], list(direct)


@pytest.mark.parametrize(
    ("seen", "entries", "direct"),
    [
        (host("deb.example.org"), ["deb.example.org"], []),
        (host("deb.example.org", port=80), ["deb.example.org"], []),
        (host("deb.example.org", port=8080), ["deb.example.org:8080"], []),
        (host("mirror.lan.example", port=80, addresses=["192.168.7.8"]), ["mirror.lan.example"], [("192.168.7.8", 80)]),
        (host("mirror", addresses=["192.168.7.8"]), ["mirror"], [("192.168.7.8", 443)]),
        (host("mirror"), [], []),
        (host("192.168.7.8", port=3142, addresses=["192.168.7.8"]), [], [("192.168.7.8", 3142)]),
        (host("203.0.113.9", addresses=[]), [], [("203.0.113.9", 443)]),
        (host("fd00::8", addresses=["fd00::8"]), [], [("fd00::8", 443)]),
        (host("proxy.lan.example", "proxy", 3128, ["10.0.0.7"]), ["proxy.lan.example"], [("10.0.0.7", 3128)]),
        (host("proxy", "proxy", 3128, ["10.0.0.7", "fd00::7"]), [], [("10.0.0.7", 3128), ("fd00::7", 3128)]),
        (host("proxy.lan.example", "proxy", 3128), [], []),
    ],
    ids=[
        "public",
        "public http",
        "public port",
        "private",
        "private without dot",
        "nowhere",
        "private address",
        "public address",
        "address of IPv6",
        "proxy",
        "proxy without dot",
        "proxy that is not found",
    ],
)
def test_kinds(seen: dict[str, Any], entries: list[str], direct: list[tuple[str, int]]) -> None:
    assert told(seen) == (entries, direct)


def test_private_mirror_is_open_to_the_package_manager_alone() -> None:
    seen = facts(package_hosts=[host("mirror.lan.example", port=80, addresses=["192.168.7.8"])])
    rules = asked(seen, mode="allowlist").request["files"][places.RULES]["content"]
    assert "set apt4 { type ipv4_addr . inet_service; flags interval; elements = { 192.168.7.8 . 80 } }" in rules
    for line in rules.splitlines():
        assert "@apt" not in line or "meta skuid { root, _apt }" in line
    assert "192.168.7.8" not in rules.split("set cidr4", 1)[1].split("}", 2)[0]


def test_mirrors_are_in_force_and_not_in_what_was_asked_for() -> None:
    made = asked(facts(package_hosts=[host("deb.example.org")]), mode="allowlist")
    assert made.entries == ["deb.example.org"]
    assert made.request["policy"]["allow"] == [] and made.request["policy"]["package_hosts"] == [host("deb.example.org")]


def test_denied_mirror_stays_denied() -> None:
    seen = facts(package_hosts=[host("deb.example.org"), host("security.example.org")])
    made = asked(seen, mode="allowlist", deny=["deb.example.org"])
    assert made.entries == ["security.example.org"]


class TestHostThatCannotBeLookedUpNow:
    def test_it_has_the_addresses_that_it_had(self) -> None:
        known = host("proxy.lan.example", "proxy", 3128, ["10.0.0.7"])
        first = asked(facts(package_hosts=[known]), mode="agent")
        again = asked(after(first, package_hosts=[{**known, "addresses": None}]), mode="agent")
        assert again.changed is False and again.request["policy"]["package_hosts"] == [known]

    def test_without_a_past_it_has_none(self) -> None:
        made = asked(facts(package_hosts=[{**host("deb.example.org"), "addresses": None}]), mode="agent")
        assert made.request["policy"]["package_hosts"] == [host("deb.example.org")]
        assert "deb.example.org" in made.entries

    def test_other_ports_and_roles_are_other_hosts(self) -> None:
        first = asked(facts(package_hosts=[host("x.lan.example", "proxy", 3128, ["10.0.0.7"])]), mode="agent")
        seen = after(first, package_hosts=[{**host("x.lan.example", "proxy", 3129), "addresses": None}])
        assert asked(seen, mode="agent").request["policy"]["package_hosts"][0]["addresses"] == []


def test_new_mirror_is_a_change() -> None:
    seen = after(asked(mode="agent"), package_hosts=[host("deb.example.org")])
    assert asked(seen, mode="agent").changed
