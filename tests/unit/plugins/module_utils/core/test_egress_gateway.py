# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A policy for what is behind a gateway: what it needs, what its files say, and that it does not go."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError, Invalid
from ansible_collections.pixels.sandbox.plugins.module_utils.inside import egress_places as places
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.egress_facts import GATEWAY, after, asked, facts

ALLOW = ["api.example.org", "git.example.org:22", {"cidr": "192.168.20.5/32", "port": 8443}]


def files(**options: Any) -> dict[str, str]:
    made = asked(**{"mode": "allowlist", "allow": ALLOW, "gateway": GATEWAY, **options})
    return {name: str(file["content"]) for name, file in made.request["files"].items()}


def chain(rules: str, name: str) -> list[str]:
    body = rules.split(f"chain {name} {{", 1)[1].split("\n    }", 1)[0]
    return [line.strip() for line in body.splitlines() if line.strip() and not line.strip().startswith("#")]


def before(rules: list[str], first: str, second: str) -> bool:
    return next(i for i, line in enumerate(rules) if first in line) < next(i for i, line in enumerate(rules) if second in line)


class TestWhatIsNotGiven:
    """A second run renumbers nobody, and opens nothing."""

    OTHER = {"interface": "eth1", "address": "10.7.0.1/16", "dhcp": ["10.7.1.1", "10.7.1.9"]}

    @staticmethod
    def of(made: Any) -> tuple[str, ...]:
        data = made.request["policy"]["gateway"]
        return data["interface"], data["address"], data["dhcp_start"], data["dhcp_end"]

    def test_new_gateway_has_the_default(self) -> None:
        assert self.of(asked(mode="agent", gateway={})) == ("eth1", "10.99.0.1/24", "10.99.0.1", "10.99.0.254")

    @pytest.mark.parametrize("given", [None, {}, {"interface": None, "address": None, "dhcp": None}, {"address": "", "dhcp": [""]}])
    def test_gateway_that_there_is_stays_as_it_is(self, given: dict[str, Any] | None) -> None:
        seen = after(asked(mode="allowlist", gateway=self.OTHER))
        made = asked(seen, mode="agent", gateway=given, initial=True)
        assert (made.changed, made.mode, self.of(made)) == (False, "allowlist", ("eth1", "10.7.0.1/16", "10.7.1.1", "10.7.1.9"))

    def test_all_of_the_network_is_asked_for_by_an_empty_list(self) -> None:
        seen = after(asked(mode="agent", gateway=self.OTHER))
        assert self.of(asked(seen, gateway={"dhcp": []}))[2:] == ("10.7.0.1", "10.7.255.254")

    @pytest.mark.parametrize(("address", "first"), [("10.7.0.2/16", "10.7.1.1"), ("10.7.0.1/24", "10.7.0.1"), ("10.8.0.1/16", "10.8.0.1")])
    def test_another_address_keeps_what_is_given_away_in_the_same_network(self, address: str, first: str) -> None:
        seen = after(asked(mode="agent", gateway=self.OTHER))
        assert self.of(asked(seen, gateway={"address": address}))[1:3] == (address, first)

    def test_an_allowed_name_does_not_widen_it(self) -> None:
        seen = after(asked(mode="allowlist", allow=["a.example.org"], gateway=self.OTHER))
        made = asked(seen, mode="agent", gateway={}, allow_also=["b.example.org"], append=True, initial=True)
        assert (made.mode, made.request["policy"]["allow"]) == ("allowlist", ["a.example.org", "b.example.org"])


class TestRules:
    def test_spoofed_senders_are_dropped_before_anything_can_answer(self) -> None:
        rules = chain(files()[places.RULES], "inside")
        assert rules[0] == "type filter hook prerouting priority -300; policy accept;"
        assert rules[1] == 'iifname != "eth1" accept'
        assert "ip saddr != 10.99.0.0/24 drop" in rules and "ip saddr 10.99.0.1 drop" in rules and "meta nfproto ipv6 drop" in rules
        assert not any("reject" in rule for rule in rules)

    def test_everything_is_steered_or_refused(self) -> None:
        rules = chain(files()[places.RULES], "steer_in")
        assert rules[-2:] == ["meta l4proto tcp redirect to :9", "meta l4proto udp redirect to :9"]
        assert before(rules, "@cidr4 redirect to :8445", "tcp dport 443")

    def test_inside_reaches_the_proxy_and_the_resolver_alone(self) -> None:
        rules = [rule for rule in chain(files()[places.RULES], "in") if rule.startswith('iifname "eth1"')]
        accepted = [rule for rule in rules if rule.endswith("accept")]
        assert accepted == [
            'iifname "eth1" ip saddr 10.99.0.0/24 tcp dport { 53, 8443, 8080, 8444 } accept',
            'iifname "eth1" ip saddr 10.99.0.0/24 udp dport 53 accept',
            'iifname "eth1" udp sport 68 udp dport 67 accept',
            'iifname "eth1" tcp dport 8445 ct status dnat accept',
        ]
        every = chain(files()[places.RULES], "in")
        assert before(every, 'iifname "eth1" reject', "tcp dport { 22 } accept")

    def test_out_to_the_inside_only_replies_and_ssh_of_root(self) -> None:
        rules = [rule for rule in chain(files()[places.RULES], "out") if "eth1" in rule]
        assert rules == [
            'oifname "eth1" meta skuid egress-dns udp sport 67 udp dport 68 accept',
            'oifname "eth1" meta skuid root ip daddr 10.99.0.0/24 tcp dport 22 ct mark set 0x65 accept',
            'oifname "eth1" ct direction reply ct state established,related accept',
        ]

    def test_nothing_is_forwarded(self) -> None:
        found = files()
        assert "net.ipv4.ip_forward = 0\n" in found[places.SYSCTL]
        assert "accept" not in chain(found[places.RULES], "through")[-1]
        assert 'iifname "eth1" drop' in chain(found[places.LOCKDOWN], "in")

    def test_learning_lets_tcp_through_by_the_proxy(self) -> None:
        rules = chain(files(mode="learn")[places.RULES], "steer_in")
        assert before(rules, "egress-learn", "meta l4proto tcp redirect to :8445")
        assert not any(":8445" in rule and "@cidr4" not in rule for rule in chain(files()[places.RULES], "steer_in"))


class TestFiles:
    def test_the_inside_has_no_way_out_and_no_ipv6(self) -> None:
        text = files()[places.INSIDE_NETWORK]
        assert {"Name=eth1", "Address=10.99.0.1/24", "ConfigureWithoutCarrier=yes", "LinkLocalAddressing=no", "IPv6AcceptRA=no"} <= set(
            text.splitlines()
        )
        assert "Gateway=" not in text

    def test_who_gives_addresses_has_no_rights(self) -> None:
        found = files()
        unit = found[f"{places.UNITS}/{places.DHCP}"].splitlines()
        assert {"User=egress-dns", "CapabilityBoundingSet=CAP_NET_BIND_SERVICE", "NoNewPrivileges=yes"} <= set(unit)
        assert json.loads(found[places.DHCP_SETTINGS]) == {
            "interface": "eth1",
            "address": "10.99.0.1",
            "network": "10.99.0.0/24",
            "mask": "255.255.255.0",
            "first": "10.99.0.10",
            "last": "10.99.0.99",
        }
        assert not any("NET_ADMIN" in found[f"{places.UNITS}/{name}"] for name in (places.DHCP, "egress-dns@.service", places.PROXY))

    def test_its_account_cannot_forward(self) -> None:
        text = files()["/etc/ssh/sshd_config.d/10-egress.conf"]
        assert "AllowTcpForwarding no" in text
        # What comes after Match is for that user alone.
        assert text.index("MaxStartups") < text.index("Match User")

    def test_a_container_that_is_none_has_nothing_of_it(self) -> None:
        plain = asked(mode="allowlist", allow=ALLOW).request["files"]
        own = {places.INSIDE_NETWORK, places.SYSCTL, places.DHCP_SETTINGS, places.DHCP_PROGRAM, f"{places.UNITS}/{places.DHCP}"}
        assert not own & set(plain) and own <= set(files())
        assert own - {places.DHCP_SETTINGS, places.DHCP_PROGRAM} <= set(places.outside_files())
        assert "8445" not in "".join(str(file["content"]) for file in plain.values())


class TestPlan:
    def test_it_stays_one(self) -> None:
        made = asked(mode="agent", gateway=GATEWAY)
        again = asked(after(made), mode="agent")
        assert not again.changed and again.request["policy"]["gateway"]["interface"] == "eth1"

    def test_a_new_address_is_a_change(self) -> None:
        made = asked(mode="agent", gateway=GATEWAY)
        assert asked(after(made), gateway={"interface": "eth1", "address": "10.98.0.1/24"}).changed

    def test_it_is_not_opened(self) -> None:
        made = asked(mode="agent", gateway=GATEWAY)
        with pytest.raises(CoreError, match="this is a gateway"):
            asked(after(made), mode="unrestricted")

    @pytest.mark.parametrize(
        ("interfaces", "reason"),
        [
            ({"eth0": ["192.0.2.10/24"]}, "no such interface.*option inside"),
            ({"eth0": ["10.99.0.200/16"], "eth1": []}, "eth0 is in that network already"),
        ],
    )
    def test_what_the_container_has_to_have(self, interfaces: dict[str, list[str]], reason: str) -> None:
        with pytest.raises(Invalid, match=reason):
            asked(facts(interfaces=interfaces), mode="agent", gateway=GATEWAY)

    def test_its_own_address_is_no_obstacle(self) -> None:
        assert asked(facts(interfaces={"eth0": [], "eth1": ["10.99.0.1/24"]}), mode="agent", gateway=GATEWAY).changed

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"dhcp": ["10.99.0.9", "10.99.0.3"]}, "in this order"),
            ({"dhcp": ["10.99.0.1", "10.99.0.1"]}, "more than the gateway's own"),
            ({"address": "198.18.7.1/24", "dhcp": None}, "stand for names"),
        ],
    )
    def test_what_cannot_be(self, changes: dict[str, Any], reason: str) -> None:
        with pytest.raises(Invalid, match=reason):
            asked(mode="agent", gateway={**GATEWAY, **changes})
