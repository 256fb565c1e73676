# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reading the logs: lines as the three programs write them, and lines as somebody would write them who wants to be misread."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.inside import egress_denied, egress_places
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.egress_denied import denied, learned
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.egress_machine import Machine

# 26 November 2026, 23:00:00 UTC
NOW = 1795734000


@pytest.fixture(autouse=True)
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr(egress_denied, "_now", lambda: NOW)
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(str(tmp_path))


def log(machine: Machine, name: str, *lines: str | bytes) -> None:
    path = Path(machine.path(f"{egress_places.LOGS}/{name}"))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as stream:
        for line in lines:
            stream.write((line if isinstance(line, bytes) else line.encode()) + b"\n")


def proxy(name: str, verdict: str, *, ts: int = NOW, kind: str = "tls", orig: str = "198.51.100.7:443", dst: str = "-") -> str:
    return f"ts={ts} proxy={kind} src=127.0.0.1:40000 name={name} orig={orig} dst={dst} verdict={verdict} bytes=0 ms=3"


def packet(
    *, prefix: str = "egress-deny", dst: str = "198.51.100.7", proto: str = "TCP SPT=40000 DPT=4444", stamp: str = "Nov 26 22:59:00"
) -> str:
    head = f"{stamp} px-task1 {prefix} IN= OUT=eth0 MAC= SRC=10.1.2.3 DST={dst}"
    return f"{head} LEN=60 TOS=00 PREC=0x00 TTL=64 ID=1 DF PROTO={proto} SEQ=1 ACK=0"


def query(name: str, answer: str, *, kind: str = "A", stamp: str = "Nov 26 22:58:00", number: int = 12) -> list[str]:
    head = f"{stamp} dnsmasq[99]: {number} 127.0.0.1/3456"
    return [f"{head} query[{kind}] {name} from 127.0.0.1", f"{head} {answer}"]


def only(machine: Machine) -> dict[str, Any]:
    (entry,) = denied(machine)
    return entry


class TestProxy:
    def test_name(self, machine: Machine) -> None:
        log(machine, "proxy.log", proxy("evil.example.org", "deny-name"), proxy("evil.example.org", "deny-name", ts=NOW - 50))
        assert only(machine) == {
            "name": "evil.example.org",
            "address": None,
            "port": 443,
            "protocol": "tls",
            "reason": "deny-name",
            "count": 2,
            "first": NOW - 50,
            "last": NOW,
        }

    @pytest.mark.parametrize("name", ["-", "", "?"])
    def test_what_has_no_name_is_told_by_its_address(self, machine: Machine, name: str) -> None:
        log(machine, "proxy.log", proxy(name, "deny-not-tls"))
        assert (only(machine)["name"], only(machine)["address"], only(machine)["port"]) == (None, "198.51.100.7", 443)

    def test_address_of_ipv6(self, machine: Machine) -> None:
        log(machine, "proxy.log", proxy("-", "deny-not-tls", orig="2001:db8::7:443"))
        assert (only(machine)["address"], only(machine)["port"]) == ("2001:db8::7", 443)

    @pytest.mark.parametrize("kind", ["tls", "http", "tcp"])
    @pytest.mark.parametrize("reason", ["deny-name", "deny-not-tls", "deny-unresolved", "deny-private"])
    def test_kinds_and_reasons(self, machine: Machine, kind: str, reason: str) -> None:
        line = proxy("a.example.org", reason, kind=kind)
        log(machine, "proxy.log", line.replace(" bytes=", " status=403 bytes=") if kind == "http" else line)
        assert (only(machine)["protocol"], only(machine)["reason"]) == (kind, reason)

    def test_what_went_through_is_not_denied(self, machine: Machine) -> None:
        log(machine, "proxy.log", proxy("a.example.org", "allow", dst="192.0.2.1"), proxy("b.example.org", "learn", dst="192.0.2.1"))
        assert denied(machine) == []

    @pytest.mark.parametrize(
        "line",
        [
            "",
            "garbage",
            "ts= proxy=tls src=x name=evil.example orig=1.2.3.4:443 dst=- verdict=deny-name bytes=0 ms=1",
            "x ts=1 proxy=tls src=x name=evil.example orig=1.2.3.4:443 dst=- verdict=deny-name",
            "ts=99999999999999 proxy=tls src=x name=evil.example orig=1.2.3.4:443 dst=- verdict=deny-name",
            "ts=1 proxy=ftp src=x name=evil.example orig=1.2.3.4:443 dst=- verdict=deny-name",
            "ts=1 proxy=tls src=x name=evil.example orig=1.2.3.4:443 dst=-",
            "ts=1 proxy=tls src=x name=UPPER.example orig=1.2.3.4:443 dst=- verdict=deny-name",
            "ts=1 proxy=tls src=x name=a/b.example orig=1.2.3.4:443 dst=- verdict=deny-name",
            f"ts=1 proxy=tls src=x name={'a' * 254} orig=1.2.3.4:443 dst=- verdict=deny-name",
            "[NOTICE] (99) : haproxy version is 2.6.12",
        ],
    )
    def test_line_that_does_not_look_as_it_should_is_passed_over(self, machine: Machine, line: str) -> None:
        log(machine, "proxy.log", line, proxy("a.example.org", "deny-name"))
        assert only(machine)["name"] == "a.example.org"

    @pytest.mark.parametrize(
        "raw", [b"\xff\xfe\x00", b"ts=1 proxy=tls name=\xe2\x80\xae.example orig=1:2 dst= verdict=deny-name ", b"\x1b[2J"]
    )
    def test_bytes_that_are_no_text(self, machine: Machine, raw: bytes) -> None:
        log(machine, "proxy.log", raw, proxy("a.example.org", "deny-name"))
        log(machine, "dns.log", raw)
        log(machine, "denied.log", raw)
        assert only(machine)["name"] == "a.example.org"

    @pytest.mark.parametrize("port", ["\u00b2", "9" * 5000, "-1", ""])
    def test_port_that_is_no_number(self, machine: Machine, port: str) -> None:
        log(machine, "proxy.log", proxy("-", "deny-not-tls", orig=f"192.0.2.4:{port}"))
        assert (only(machine)["address"], only(machine)["port"]) == ("192.0.2.4", None)

    def test_huge_line(self, machine: Machine) -> None:
        huge = proxy("a" * 3_000_000, "deny-name")
        began = time.monotonic()
        log(machine, "proxy.log", huge, huge.replace("verdict", "verdic"), proxy("a.example.org", "deny-name"))
        assert only(machine)["name"] == "a.example.org"
        assert time.monotonic() - began < 10


class TestResolver:
    def test_name_that_is_not_listed(self, machine: Machine) -> None:
        log(machine, "dns.log", *query("Evil.Example.org", "config Evil.Example.org is NXDOMAIN"))
        assert only(machine) == {
            "name": "evil.example.org",
            "address": None,
            "port": None,
            "protocol": "dns",
            "reason": "nxdomain",
            "count": 1,
            "first": NOW - 120,
            "last": NOW - 120,
        }

    def test_name_that_there_is_not_and_answers_are_no_denial(self, machine: Machine) -> None:
        log(machine, "dns.log", *query("gone.example.org", "reply gone.example.org is NXDOMAIN"))
        log(machine, "dns.log", *query("a.example.org", "reply a.example.org is 198.51.100.7"))
        log(machine, "dns.log", *query("b.example.org", "config b.example.org is 198.18.1.1"))
        assert denied(machine) == []

    @pytest.mark.parametrize(
        "name",
        [
            "a b.example.org",
            "a.example.org is NXDOMAIN from 127.0.0.1",
            "a" * 254,
            "ü.example.org",
            "a\\032b.example",
            "$(id).example",
            "<script>.example",
        ],
    )
    def test_name_that_is_none(self, machine: Machine, name: str) -> None:
        log(machine, "dns.log", *query(name, f"config {name} is NXDOMAIN"))
        assert denied(machine) == []

    def test_name_with_blanks_is_not_read_as_another(self, machine: Machine) -> None:
        """These lines are dnsmasq's own, for a name whose labels have blanks in them."""
        forged = "x dnsmasq[9]: 9 y config good.example"
        log(machine, "dns.log", *query(forged, f"config {forged} is NXDOMAIN"))
        assert denied(machine) == []

    @pytest.mark.parametrize("name", [*egress_places.PROOF_LOOK_UPS, os.uname().nodename.lower()])
    def test_what_our_own_programs_look_up_says_nothing_about_the_agent(self, machine: Machine, name: str) -> None:
        log(machine, "dns.log", *query(name, f"config {name} is NXDOMAIN"))
        assert denied(machine) == []
        log(machine, "proxy.log", proxy(name, "deny-name"))
        assert only(machine)["protocol"] == "tls"

    def test_question_that_looks_like_an_answer(self, machine: Machine) -> None:
        log(machine, "dns.log", query("config evil.example is NXDOMAIN", "")[0])
        assert denied(machine) == []


class TestPackets:
    @pytest.mark.parametrize(
        ("proto", "protocol", "port"),
        [
            ("TCP SPT=40000 DPT=4444", "tcp", 4444),
            ("UDP SPT=40000 DPT=53", "udp", 53),
            ("ICMP TYPE=8 CODE=0", "icmp", None),
            ("58", "icmpv6", None),
            ("2", "2", None),
            ("UDP SPT=40000 DPT=99999999", "udp", None),
        ],
    )
    def test_protocols(self, machine: Machine, proto: str, protocol: str, port: int | None) -> None:
        log(machine, "denied.log", packet(proto=proto))
        entry = only(machine)
        assert (entry["name"], entry["address"], entry["protocol"], entry["port"]) == (None, "198.51.100.7", protocol, port)
        assert (entry["reason"], entry["last"]) == ("rejected", NOW - 60)

    @pytest.mark.parametrize("prefix", ["egress-deny", "egress-fwd", "egress-in"])
    def test_every_chain(self, machine: Machine, prefix: str) -> None:
        log(machine, "denied.log", packet(prefix=prefix, dst="2001:db8::7"))
        assert only(machine)["address"] == "2001:db8::7"

    def test_what_was_let_through_while_learning_is_not_denied(self, machine: Machine) -> None:
        log(machine, "denied.log", packet(prefix="egress-learn"))
        assert denied(machine) == []

    @pytest.mark.parametrize(
        "line", ["", "Nov 26 22:59:00 host egress-deny IN= OUT=eth0", "Xyz 26 22:59:00 host egress-deny DST=1 PROTO=TCP DPT=1"]
    )
    def test_line_that_does_not_look_as_it_should_is_passed_over(self, machine: Machine, line: str) -> None:
        log(machine, "denied.log", line)
        assert denied(machine) == []


class TestTogether:
    def test_latest_first(self, machine: Machine) -> None:
        log(machine, "proxy.log", proxy("old.example.org", "deny-name", ts=NOW - 500), proxy("new.example.org", "deny-name", ts=NOW - 5))
        log(machine, "denied.log", packet())
        log(machine, "dns.log", *query("asked.example.org", "config asked.example.org is NXDOMAIN"))
        assert [entry["name"] or entry["address"] for entry in denied(machine)] == [
            "new.example.org",
            "198.51.100.7",
            "asked.example.org",
            "old.example.org",
        ]

    def test_rotated_files_count_too(self, machine: Machine) -> None:
        for number, part in enumerate(("proxy.log.2", "proxy.log.1", "proxy.log")):
            log(machine, part, proxy("a.example.org", "deny-name", ts=NOW - 300 + number))
        log(machine, "proxy.log.3", proxy("older.example.org", "deny-name"))
        assert (only(machine)["count"], only(machine)["first"], only(machine)["last"]) == (3, NOW - 300, NOW - 298)

    def test_what_the_proof_tries_says_nothing_about_the_agent(self, machine: Machine) -> None:
        log(machine, "proxy.log", proxy(egress_places.PROOF_NAME, "deny-name", orig="198.51.100.1:443"))
        log(machine, "denied.log", packet(dst=egress_places.PROOF_ADDRESS, proto=f"TCP SPT=1 DPT={egress_places.PROOF_PORT}"))
        assert denied(machine) == []
        log(machine, "denied.log", packet(dst=egress_places.PROOF_ADDRESS, proto="TCP SPT=1 DPT=4445"))
        assert only(machine)["port"] == 4445

    def test_a_link_is_not_followed(self, machine: Machine, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text(proxy("a.example.org", "deny-name"))
        log(machine, "proxy.log")
        Path(machine.path(f"{egress_places.LOGS}/proxy.log.1")).symlink_to(tmp_path / "secret")
        assert denied(machine) == []

    def test_no_logs_at_all(self, machine: Machine) -> None:
        assert denied(machine) == learned(machine) == []


class TestVeryMany:
    """The agent decides how many different ones there are."""

    @pytest.fixture(autouse=True)
    def few(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(egress_denied, "_MOST", 10)

    @pytest.mark.parametrize("number", [1, 10, 19, 20, 21, 22, 50, 333])
    def test_the_latest_are_kept(self, machine: Machine, number: int) -> None:
        log(machine, "proxy.log", *(proxy(f"n{at}.example.org", "deny-name", ts=NOW - 1000 + at) for at in range(number)))
        found = [entry["name"] for entry in denied(machine)]
        assert found == [f"n{number - 1 - at}.example.org" for at in range(len(found))]
        assert min(number, 10) <= len(found) <= 20

    def test_whatever_the_order_in_which_they_are_read(self, machine: Machine) -> None:
        """The resolver's log comes after the proxy's."""
        log(machine, "proxy.log", proxy("latest.example.org", "deny-name"))
        for at in range(50):
            name = f"n{at}.example.org"
            log(machine, "dns.log", *query(name, f"config {name} is NXDOMAIN"))
        assert denied(machine)[0]["name"] == "latest.example.org"

    def test_those_that_are_kept_are_counted(self, machine: Machine) -> None:
        for at in range(50):
            log(machine, "proxy.log", proxy("often.example.org", "deny-name", ts=NOW - 1000 + at))
            log(machine, "proxy.log", proxy(f"n{at}.example.org", "deny-name", ts=NOW - 1000 + at))
        (often,) = [entry for entry in denied(machine) if entry["name"] == "often.example.org"]
        assert (often["count"], often["first"], often["last"]) == (50, NOW - 1000, NOW - 951)


class TestTime:
    @pytest.mark.parametrize(
        ("now", "stamp", "when"),
        [
            ("2026-11-26 23:00:00", "Nov 26 22:59:59", "2026-11-26 22:59:59"),
            ("2027-01-01 00:00:05", "Dec 31 23:59:59", "2026-12-31 23:59:59"),
            ("2027-01-01 00:00:05", "Jan  1 00:00:01", "2027-01-01 00:00:01"),
            ("2026-12-31 23:59:59", "Jan  1 00:00:01", "2026-01-01 00:00:01"),
            ("2028-03-01 00:00:00", "Feb 29 12:00:00", "2028-02-29 12:00:00"),
        ],
        ids=["now", "last year", "this year", "long ago", "leap day"],
    )
    def test_the_year_is_the_one_in_which_it_is_not_in_the_future(
        self, machine: Machine, monkeypatch: pytest.MonkeyPatch, now: str, stamp: str, when: str
    ) -> None:
        def seconds(text: str) -> int:
            return int(time.mktime(time.strptime(text, "%Y-%m-%d %H:%M:%S")))

        monkeypatch.setattr(egress_denied, "_now", lambda: seconds(now))
        log(machine, "denied.log", packet(stamp=stamp))
        assert only(machine)["last"] == seconds(when)

    def test_the_container_s_own_time(self, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TZ", "EST5")
        time.tzset()
        log(machine, "denied.log", packet(stamp="Nov 26 18:00:00"))
        assert only(machine)["last"] == NOW

    @pytest.mark.parametrize(
        "stamp", [f"Nov {'9' * 5000} 10:00:00", "Nov 99999999999999999999 10:00:00", "Nov 26 99:99:99", "26 Nov 10:00:00", "Nov 26"]
    )
    def test_time_that_cannot_be_breaks_nothing(self, machine: Machine, stamp: str) -> None:
        log(machine, "denied.log", packet(stamp=stamp), packet(dst="192.0.2.9"))
        assert "192.0.2.9" in [entry["address"] for entry in denied(machine)]
