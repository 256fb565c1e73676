# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Mode learn: what was let through, as the entries that would list it."""

from __future__ import annotations

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core.egress_entry import parse
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.egress_denied import learned
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.egress_machine import Machine
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.inside.test_egress_denied import (
    NOW,
    in_utc,
    log,
    machine,
    packet,
    proxy,
    query,
)

__all__ = ["in_utc", "machine"]


def entries(machine: Machine) -> list[object]:
    found = [entry["entry"] for entry in learned(machine)]
    for entry in found:
        parse("allow", entry)
    return found


def test_name(machine: Machine) -> None:
    log(
        machine, "proxy.log", proxy("a.example.org", "learn", dst="192.0.2.1", ts=NOW - 9), proxy("a.example.org", "learn", dst="192.0.2.2")
    )
    assert learned(machine) == [{"entry": "a.example.org", "count": 2, "first": NOW - 9, "last": NOW}]
    assert entries(machine) == ["a.example.org"]


def test_both_kinds_of_a_name_are_one_entry(machine: Machine) -> None:
    log(machine, "proxy.log", proxy("a.example.org", "learn"), proxy("a.example.org", "learn", kind="http", orig="192.0.2.1:80"))
    assert entries(machine) == ["a.example.org"]


@pytest.mark.parametrize(
    ("orig", "entry"),
    [
        ("198.51.100.7:443", {"cidr": "198.51.100.7/32", "port": 443}),
        ("2001:db8::7:443", {"cidr": "2001:db8::7/128", "port": 443}),
    ],
)
def test_what_has_no_name_is_a_range(machine: Machine, orig: str, entry: dict[str, object]) -> None:
    log(machine, "proxy.log", proxy("-", "learn", orig=orig))
    assert entries(machine) == [entry]


@pytest.mark.parametrize("address", ["198.18.3.4", "198.19.255.254", "::ffff:192.0.2.1"])
def test_address_that_no_entry_can_be_for(machine: Machine, address: str) -> None:
    """Whoever connects with one must not keep the rest from being learned."""
    log(machine, "proxy.log", proxy("-", "learn", orig=f"{address}:443"), proxy("a.example.org", "learn"))
    log(machine, "denied.log", packet(prefix="egress-learn", dst=address), packet(prefix="egress-learn", dst="198.17.255.255"))
    assert sorted(map(str, entries(machine))) == ["a.example.org", str({"cidr": "198.17.255.255/32", "port": 4444})]


def test_what_is_listed_or_denied_is_not_learned(machine: Machine) -> None:
    log(machine, "proxy.log", proxy("a.example.org", "allow"), proxy("b.example.org", "deny-name"))
    log(machine, "denied.log", packet())
    assert entries(machine) == []


@pytest.mark.parametrize("name", ["192.168.1.5", "localhost", "db", "foo_bar.example.org", "a..b.example", "-a.example.org", "1.2.3"])
def test_name_that_can_be_no_entry_is_told_by_its_address(machine: Machine, name: str) -> None:
    log(machine, "proxy.log", proxy(name, "learn", kind="http", orig="203.0.113.5:80"))
    assert entries(machine) == [{"cidr": "203.0.113.5/32", "port": 80}]


class TestPackets:
    def test_address_that_was_given_for_a_name(self, machine: Machine) -> None:
        log(machine, "dns.log", *query("Git.example.org", "reply git.example.org is 198.51.100.7"))
        log(machine, "denied.log", packet(prefix="egress-learn", proto="TCP SPT=40000 DPT=22"))
        assert entries(machine) == ["git.example.org:22"]

    def test_alias_is_told_by_the_name_that_was_asked_for(self, machine: Machine) -> None:
        asked, _none = query("git.example.org", "")
        head = asked.partition(" query")[0]
        log(machine, "dns.log", asked, f"{head} reply git.example.org is <CNAME>", f"{head} reply lb7.cdn.example.net is 198.51.100.7")
        log(machine, "denied.log", packet(prefix="egress-learn", proto="TCP SPT=40000 DPT=22"))
        assert entries(machine) == ["git.example.org:22"]

    def test_the_latest_answer_counts(self, machine: Machine) -> None:
        log(machine, "dns.log", *query("old.example.org", "reply old.example.org is 198.51.100.7"))
        log(machine, "dns.log", *query("new.example.org", "cached new.example.org is 198.51.100.7"))
        log(machine, "denied.log", packet(prefix="egress-learn", proto="TCP SPT=40000 DPT=22"))
        assert entries(machine) == ["new.example.org:22"]

    def test_address_without_a_name_is_a_range(self, machine: Machine) -> None:
        log(machine, "denied.log", packet(prefix="egress-learn", dst="2001:db8::7"))
        assert entries(machine) == [{"cidr": "2001:db8::7/128", "port": 4444}]

    @pytest.mark.parametrize("name", ["foo_bar.example.org", "com,ma.example.org", "x"])
    def test_name_that_can_be_no_entry(self, machine: Machine, name: str) -> None:
        log(machine, "dns.log", *query(name, f"reply {name.replace(',', '-')} is 198.51.100.7"))
        log(machine, "denied.log", packet(prefix="egress-learn", proto="TCP SPT=40000 DPT=22"))
        assert entries(machine) == [{"cidr": "198.51.100.7/32", "port": 22}]

    def test_answers_are_told_apart_by_their_numbers(self, machine: Machine) -> None:
        """Two programs ask at the same time, or one asks for two names."""
        first = query("a.example.org", "reply a.example.org is 198.51.100.7", number=12)
        second = query("b.example.org", "reply b.example.org is 198.51.100.8", number=13)
        log(machine, "dns.log", first[0], second[0], first[1], second[1])
        log(machine, "denied.log", packet(prefix="egress-learn", proto="TCP SPT=40000 DPT=22"))
        assert entries(machine) == ["a.example.org:22"]

    def test_name_with_blanks_is_not_read_as_a_question_for_another(self, machine: Machine) -> None:
        plain = query("q.attacker.example", "reply q.attacker.example is 198.51.100.7", number=9)
        forged = query("x dnsmasq[9]: 9 y query[A] good.example from z.attacker.example", "", number=10)
        log(machine, "dns.log", plain[0], forged[0], plain[1])
        log(machine, "denied.log", packet(prefix="egress-learn", proto="TCP SPT=40000 DPT=22"))
        assert entries(machine) == ["q.attacker.example:22"]

    @pytest.mark.parametrize(
        ("address", "listed"), [("2001:db8::7", "[2001:db8::7/128]:4444"), ("198.51.100.7", "198.51.100.7/32:4444")], ids=["6", "4"]
    )
    def test_range_that_is_listed_by_now(self, machine: Machine, address: str, listed: str) -> None:
        log(machine, "denied.log", packet(prefix="egress-learn", dst=address))
        assert len(learned(machine)) == 1
        assert learned(machine, [listed]) == []

    @pytest.mark.parametrize("proto", ["UDP SPT=1 DPT=123", "ICMP TYPE=8", "TCP SPT=1"])
    def test_what_no_entry_stands_for(self, machine: Machine, proto: str) -> None:
        log(machine, "denied.log", packet(prefix="egress-learn", proto=proto))
        assert entries(machine) == []
