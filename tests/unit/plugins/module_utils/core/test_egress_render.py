# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A policy as files: what has to stand in them whatever is asked for."""

from __future__ import annotations

import configparser
import ipaddress
import json
import re
from typing import Any

import jinja2
import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import egress_render
from ansible_collections.pixels.sandbox.plugins.module_utils.inside import egress_places as places
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.egress_facts import GATEWAY, RANGES, asked, facts

Files = dict[str, str]

MODES = ("agent", "allowlist", "learn")
RESTRICTING = ("agent", "allowlist")
MANY: dict[str, Any] = {
    "allow": ["a.example.org", "*.b.example.org", "c.example.org:22", "d.example.org:2222", *RANGES],
    "deny": ["x.b.example.org", "*.y.b.example.org"],
    "dns": ["192.0.2.1", "2001:db8::1"],
    "inbound": [8000],
    "units": ["app"],
}
VARIANTS: dict[str, dict[str, Any]] = {
    f"{mode} {kind}": {"mode": mode, **options}
    for mode in MODES
    for kind, options in (("plain", {}), ("many", MANY), ("gateway", {**MANY, "gateway": GATEWAY}))
}


def rendered(**options: Any) -> Files:
    mirrors = [{"role": "mirror", "host": "mirror.lan.example", "port": 80, "addresses": ["192.168.7.8", "fd00::8"]}]
    made = asked(facts(package_hosts=mirrors), **options)
    return {name: file["content"] for name, file in made.request["files"].items()}


def settings(files: Files, name: str) -> str:
    return files[f"{places.SETTINGS}/{name}"]


def chain(text: str, name: str) -> list[str]:
    """The rules of a chain, in order, without remarks."""
    body = re.search(rf"^    chain {name} \{{\n(.*?)^    \}}", text, re.MULTILINE | re.DOTALL)
    assert body, f"no chain {name}"
    return [line.strip() for line in body.group(1).splitlines() if line.strip() and not line.strip().startswith("#")]


@pytest.fixture(params=list(VARIANTS), scope="module")
def files(request: pytest.FixtureRequest) -> Files:
    return rendered(**VARIANTS[request.param])


class TestEveryVariant:
    def test_nothing_is_left_to_fill_in(self, files: Files) -> None:
        for name, text in files.items():
            if name.endswith(("/request", "/sudo", "/load", "/dhcp")):
                continue
            assert not re.search(r"\{\{|\}\}|\{%|%\}|\bNone\b|\bUndefined\b", text), name

    def test_each_text_ends_with_a_line(self, files: Files) -> None:
        for name, text in files.items():
            assert text == "" or text.endswith("\n"), name
            assert "\t\n" not in text and "\r" not in text, name

    def test_everything_is_there_that_a_boot_and_a_login_need(self, files: Files) -> None:
        needed = [f"{places.UNITS}/{unit}" for unit in places.UNIT_FILES] + places.drop_ins()
        needed += [places.RULES, places.LOCKDOWN, places.LOAD, places.SUDO, places.SYSUSERS]
        assert [name for name in needed if not files.get(name)] == []

    def test_everything_outside_our_own_directories_is_taken_away_again(self, files: Files) -> None:
        own = (f"{places.SETTINGS}/", f"{places.PROGRAMS}/")
        assert {name for name in files if not name.startswith(own)} <= set(places.outside_files())

    def test_units_can_be_read(self, files: Files) -> None:
        for name, text in files.items():
            if name.startswith(places.UNITS):
                parser = configparser.RawConfigParser(strict=False)
                parser.optionxform = str  # type: ignore[assignment,method-assign]
                parser.read_string(text)
                assert parser.sections(), name

    def test_json_can_be_read(self, files: Files) -> None:
        request = json.loads(settings(files, "request.json"))
        assert request["user"] == "pixel" and "podman" in request["denied_packages"]

    def test_the_agent_may_always_look_after_its_tools(self) -> None:
        for units in ([], ["app.service"]):
            request = json.loads(settings(rendered(mode="agent", units=units), "request.json"))
            assert request["units"] == sorted([*units, "pixels-devtools.service"])


class TestRules:
    def test_one_transaction_of_one_table(self, files: Files) -> None:
        """D8: tables of others are left alone."""
        for name in (places.RULES, places.LOCKDOWN):
            lines = [line for line in files[name].splitlines() if line and not line.startswith(("#", " ", "}"))]
            assert lines == ["table inet egress", "delete table inet egress", "table inet egress {"]
            assert "flush" not in files[name]

    def test_what_no_rule_accepts_is_dropped(self, files: Files) -> None:
        for name in (places.RULES, places.LOCKDOWN):
            for hook in ("out", "in", "through"):
                first = chain(files[name], hook)[0]
                assert first.startswith("type filter hook ") and first.endswith("priority 0; policy drop;"), (name, hook)

    def test_denied_is_refused_at_once_and_logged(self, files: Files) -> None:
        last = chain(files[places.RULES], "out")[-3:]
        assert 'log group 65 prefix "egress-deny "' in last[0]
        assert last[1:] == ["meta l4proto tcp reject with tcp reset", "reject with icmpx admin-prohibited"]

    def test_d6_every_look_up_goes_to_our_own_resolver(self, files: Files) -> None:
        rules = chain(files[places.RULES], "steer")
        assert {"udp dport 53 redirect to :53", "tcp dport 53 redirect to :53"} <= set(rules)
        before = rules[: rules.index("udp dport 53 redirect to :53")]
        assert before[1:] == ["meta skuid { egress-proxy, egress-dns } return", "fib daddr type local return"]

    def test_nothing_accepts_by_the_destination_s_port_alone(self, files: Files) -> None:
        for rule in chain(files[places.RULES], "out"):
            if re.match(r"(udp|tcp) (dport|sport) .* accept$", rule):
                pytest.fail(rule)

    def test_only_the_resolver_asks_and_only_those_servers(self, files: Files) -> None:
        asking = [rule for rule in chain(files[places.RULES], "out") if "dport 53" in rule]
        assert asking and all(re.match(r"meta skuid egress-dns ip6? daddr @dns[46] ", rule) for rule in asking)

    def test_established_is_no_reason_by_itself(self, files: Files) -> None:
        """What was opened before the policy ends with it."""
        for rule in chain(files[places.RULES], "out"):
            if "established" in rule:
                assert "ct direction reply" in rule or "ct mark 0x65" in rule

    def test_in_comes_ssh_and_what_was_asked_for(self, files: Files) -> None:
        ports = [rule for rule in chain(files[places.RULES], "in") if re.match(r"tcp dport", rule)]
        assert ports in (["tcp dport { 22 } accept"], ["tcp dport { 22, 8000 } accept"])

    def test_nothing_is_forwarded_but_answers(self, files: Files) -> None:
        accepting = [rule for rule in chain(files[places.RULES], "through") if rule.endswith("accept")]
        assert accepting in ([], ["ct state established,related ct direction reply accept"])

    def test_locked_nothing_goes_out(self, files: Files) -> None:
        accepted = [rule for rule in chain(files[places.LOCKDOWN], "out") if rule.endswith("accept")]
        for rule in accepted:
            harmless = ("oif lo", "fib daddr type local", "ct direction reply", "meta skuid 0 tcp sport 22 tcp flags", "icmpv6 type { nd-")
            assert rule.startswith(harmless) or "udp sport 68 udp dport 67" in rule, rule


@pytest.mark.parametrize("mode", RESTRICTING)
class TestProxyMayReach:
    def test_public_addresses_at_listed_ports(self, mode: str) -> None:
        rules = chain(rendered(mode=mode, **MANY)[places.RULES], "out")
        (four, six) = [rule for rule in rules if rule.startswith("meta skuid egress-proxy")]
        ports = re.search(r"dport \{ ([0-9, ]+) \}", four)
        assert ports and {"22", "80", "443", "2222"} <= set(ports.group(1).split(", "))
        assert "ip daddr != @private4" in four and "ip6 daddr != @private6" in six

    def test_no_other_port_without_an_entry(self, mode: str) -> None:
        rules = chain(rendered(mode="allowlist", allow=["a.example.org"])[places.RULES], "out")
        assert all("dport { 80, 443 }" in rule for rule in rules if rule.startswith("meta skuid egress-proxy"))

    def test_nobody_else_by_default(self, mode: str) -> None:
        """What is accepted without a look at who sends it: answers, the local host, listed ranges, neighbours."""
        for rule in chain(rendered(mode=mode, **MANY)[places.RULES], "out")[1:]:
            if rule.endswith("accept") and "meta skuid" not in rule:
                known = ("oif lo ", "fib daddr type local ", "ct direction reply ", "meta l4proto tcp ct state established ct mark 0x65 ")
                neighbours = "icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } accept"
                assert rule.startswith(known) or "@cidr" in rule or rule == neighbours, rule

    def test_reports_of_multicast_groups_carry_nothing_out(self, mode: str) -> None:
        """Anybody may choose the number of the group."""
        rules = chain(rendered(mode=mode, **MANY)[places.RULES], "out")
        assert {"ip protocol igmp drop", "icmpv6 type mld2-listener-report drop"} <= set(rules)


@pytest.mark.parametrize("rules", [places.RULES, places.LOCKDOWN])
def test_what_is_meant_for_the_container_itself_leaves_by_no_card(rules: str) -> None:
    """`fib daddr type local accept` lets it pass; a socket may be bound to a card."""
    leave = chain(rendered(mode="agent")[rules], "leave")
    assert leave[0].startswith("type filter hook postrouting") and leave[1] == "oif lo accept"
    assert {"fib daddr type local drop", "ip daddr 127.0.0.0/8 drop", "ip6 daddr ::1 drop"} == set(leave[2:])


def test_learn_lets_through_logged() -> None:
    rules = chain(rendered(mode="learn")[places.RULES], "out")
    assert 'ct state new limit rate 50/second burst 200 packets log group 65 prefix "egress-learn "' in rules and "accept" in rules
    assert all("accept" not in chain(rendered(mode=mode)[places.RULES], "out") for mode in RESTRICTING)


@pytest.mark.parametrize(
    "network", ["10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15"]
)
@pytest.mark.parametrize("mode", RESTRICTING)
def test_no_listed_name_leads_into_private_networks(mode: str, network: str) -> None:
    files = rendered(mode=mode)
    (elements,) = re.findall(r"set private4 \{[^\n]*elements = \{ ([^}]*) \}", files[places.RULES])
    assert network in elements.split(", ")
    checks = re.findall(r"-m ip ([^}]*) \}", settings(files, "haproxy.cfg"))
    assert len(checks) == 3 and all(network in check.split() for check in checks)


def test_addresses_of_ipv6_that_are_really_of_ipv4_are_private() -> None:
    (elements,) = re.findall(r"set private6 \{[^\n]*elements = \{ ([^}]*) \}", rendered(mode="agent")[places.RULES])
    networks = [ipaddress.ip_network(text) for text in elements.split(", ")]
    for address in ("::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "fd00::1", "fe80::1", "ff02::1"):
        assert any(ipaddress.ip_address(address) in network for network in networks), address


class TestSettings:
    @pytest.mark.parametrize("undefined", ["{{ no_such_thing }}", "{% if no_such_thing %}x{% endif %}", "{{ gateway.nothing }}"])
    def test_a_template_that_asks_for_more_is_an_error(self, monkeypatch: pytest.MonkeyPatch, undefined: str) -> None:
        environment = jinja2.Environment(loader=jinja2.DictLoader({"x.j2": undefined}), undefined=egress_render._environment().undefined)
        monkeypatch.setattr(egress_render, "_environment", lambda: environment)
        with pytest.raises(jinja2.UndefinedError):
            egress_render._fill("x", {"gateway": {}})

    @pytest.mark.parametrize("version", ["2.85", "2.86", "2.89"])
    def test_former_resolver_gets_no_option_that_it_does_not_know(self, version: str) -> None:
        made = asked(facts(dnsmasq=version), mode="agent").request["files"]
        assert "filter-rr" not in made[f"{places.SETTINGS}/dns-front.conf"]["content"]

    @pytest.mark.parametrize("version", ["", "2.90", "2.91", "2.100", "3.0"])
    def test_keys_for_encrypted_hellos_are_kept_back(self, version: str) -> None:
        made = asked(facts(dnsmasq=version), mode="agent").request["files"]
        for name in ("dns-front.conf", "dns-back.conf"):
            assert "filter-rr=HTTPS,SVCB,ANY\n" in made[f"{places.SETTINGS}/{name}"]["content"]

    @pytest.mark.parametrize("mode", MODES)
    def test_what_is_not_listed_has_no_address(self, mode: str) -> None:
        files = rendered(mode=mode)
        for name in ("dns-front.conf", "dns-back.conf"):
            assert ("address=/#/\n" in settings(files, name)) is (mode != "learn")
        plain = [line for line in settings(files, "dns-back.servers").splitlines() if "/" not in line]
        assert plain == (["server=192.0.2.53"] if mode == "learn" else [])

    def test_servers_by_name(self) -> None:
        lines = settings(rendered(mode="allowlist", **MANY), "dns-back.servers").splitlines()
        assert {"server=/a.example.org/192.0.2.1", "server=/a.example.org/2001:db8::1", "server=/*.a.example.org/"} <= set(lines)
        assert {
            "server=/b.example.org/192.0.2.1",
            "server=/x.b.example.org/",
            "server=/*.x.b.example.org/",
            "server=/*.y.b.example.org/",
        } <= set(lines)
        assert "server=/y.b.example.org/" not in lines and len(lines) == len(set(lines))
        front = settings(rendered(mode="allowlist", **MANY), "dns-front.servers")
        assert "192.0.2.1" not in front and "server=/a.example.org/127.0.0.1#5354\n" in front

    def test_while_learning_what_is_below_a_name_is_not_refused(self) -> None:
        lines = settings(rendered(mode="learn", allow=["a.example.org"]), "dns-back.servers").splitlines()
        assert "server=/a.example.org/192.0.2.53" in lines and "server=/*.a.example.org/" not in lines

    def test_name_below_a_wildcard_keeps_what_is_below_it(self) -> None:
        lines = settings(rendered(mode="allowlist", allow=["*.example.org", "a.example.org"]), "dns-back.servers").splitlines()
        assert "server=/*.a.example.org/" not in lines

    def test_lists_of_the_proxy(self) -> None:
        files = rendered(mode="allowlist", **MANY)
        assert settings(files, "exact.lst") == "a.example.org\nmirror.lan.example\n"
        assert settings(files, "suffix.lst") == ".b.example.org\n"
        assert settings(files, "denied.lst") == "x.b.example.org\n"
        assert settings(files, "denied-suffix.lst") == ".x.b.example.org\n.y.b.example.org\n"
        hosts = dict(reversed(line.split()) for line in settings(files, "dns.hosts").splitlines())
        assert settings(files, "tcp.map") == f"{hosts['c.example.org']}:22 c.example.org\n{hosts['d.example.org']}:2222 d.example.org\n"
        assert all(ipaddress.ip_address(address) in ipaddress.ip_network("198.18.0.0/15") for address in hosts.values())

    @pytest.mark.parametrize("mode", RESTRICTING)
    def test_proxy_refuses_before_it_looks_anything_up(self, mode: str) -> None:
        text = settings(rendered(mode=mode), "haproxy.cfg")
        for frontend in ("tls", "web", "vip"):
            body = text.split(f"frontend {frontend}\n")[1].split("\nfrontend ")[0].split("\nbackend ")[0]
            denies = [
                body.index(line)
                for line in re.findall(r"^.*(?:!known|name\) -m found).*$", body, re.MULTILINE)
                if "reject" in line or "403" in line
            ]
            assert denies and max(denies) < body.index("do-resolve")

    def test_user_gets_no_tunnel(self) -> None:
        text = rendered(mode="agent")["/etc/ssh/sshd_config.d/10-egress.conf"]
        assert text.index("Match User pixel") < text.index("PermitTunnel no")
        assert {"AllowTcpForwarding local", "AllowAgentForwarding no", "GatewayPorts no"} <= {line.strip() for line in text.splitlines()}

    @pytest.mark.parametrize("unit", places.CONFINED)
    def test_no_login_gains_privileges(self, unit: str) -> None:
        assert "\nNoNewPrivileges=yes\n" in rendered(mode="agent")[f"{places.UNITS}/{unit}.d/{places.DROP_IN}"]

    @pytest.mark.parametrize("unit", places.NETWORK)
    def test_no_rules_no_network(self, unit: str) -> None:
        text = rendered(mode="agent")[f"{places.UNITS}/{unit}.d/{places.DROP_IN}"]
        assert f"Requires={places.FIREWALL}\nAfter={places.FIREWALL}\n" in text

    def test_gateway_listens_inside_and_steers(self) -> None:
        files = rendered(mode="agent", gateway=GATEWAY)
        assert "bind 10.99.0.1:8443\n" in settings(files, "haproxy.cfg")
        assert "listen-address=10.99.0.1\n" in settings(files, "dns-front.conf") and "10.99.0.1" not in settings(files, "dns-back.conf")
        assert {"tcp dport 443 redirect to :8443", "udp dport 53 redirect to :53"} <= set(chain(files[places.RULES], "steer_in"))
