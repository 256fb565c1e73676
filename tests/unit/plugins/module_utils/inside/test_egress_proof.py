# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which checks a proof has, what it says of root, and that a check which proves nothing never passes."""

from __future__ import annotations

import io
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.inside import egress_places as places
from ansible_collections.pixels.sandbox.plugins.module_utils.inside import egress_proof
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.egress_machine import Machine

REFUSALS = ["_tls_refused", "_tcp_refused", "_name_refused", "_resolver_refused"]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(str(tmp_path))


def policy(machine: Machine, mode: str = "agent", exact: str = "", suffixes: str = "", ports: str = "", **more: Any) -> None:
    machine.write_json(places.POLICY, {"mode": mode, **more})
    for name, text in (("exact.lst", exact), ("suffix.lst", suffixes), ("tcp.map", ports)):
        machine.write(f"{places.SETTINGS}/{name}", text)


class TestWhichChecks:
    @pytest.fixture(autouse=True)
    def played(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each check says its name."""
        for name in ("_no_root", "_no_sudo", *REFUSALS, "_some_name_refused"):
            monkeypatch.setattr(egress_proof, name, lambda *_arguments, name=name: (name, True, ""))
        monkeypatch.setattr(egress_proof, "_listed", lambda names: (f"listed {' '.join(names)}", True, ""))

    def checks(self, machine: Machine, names: list[str] | None = None) -> list[str]:
        return [check["check"] for check in egress_proof.prove(machine, names)]

    @pytest.mark.parametrize("mode", ["agent", "allowlist"])
    def test_all(self, machine: Machine, mode: str) -> None:
        policy(machine, mode, "a.example.org\n")
        assert self.checks(machine) == ["_no_root", "_no_sudo", *REFUSALS, "listed a.example.org"]

    def test_learn_refuses_nothing_but_root(self, machine: Machine) -> None:
        policy(machine, "learn", "a.example.org\n")
        assert self.checks(machine) == ["_no_root", "_no_sudo", "listed a.example.org"]

    def test_nothing_is_listed(self, machine: Machine) -> None:
        policy(machine, "allowlist")
        assert self.checks(machine) == ["_no_root", "_no_sudo", *REFUSALS]

    def test_names_that_are_given(self, machine: Machine) -> None:
        policy(machine, "agent", "a.example.org\n")
        assert self.checks(machine, ["b.example.org"])[-1] == "listed b.example.org"
        assert self.checks(machine, [])[-1] == REFUSALS[-1]

    @pytest.mark.parametrize("text", [None, "{", "{}"])
    def test_without_a_policy_nothing_is_proven(self, machine: Machine, text: str | None) -> None:
        if text is not None:
            machine.write(places.POLICY, text)
        assert [check["ok"] for check in egress_proof.prove(machine)] == [False]

    def test_behind_a_gateway_root_is_no_matter(self, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
        hosts = [{"role": "mirror", "host": "deb.example.org"}, {"role": "proxy", "host": "proxy.example.org"}]
        monkeypatch.setattr(egress_proof, "package_hosts", lambda _machine: hosts)
        found = [check["check"] for check in egress_proof.prove_behind(machine)]
        assert found == ["_tls_refused", "_tcp_refused", "_some_name_refused", "_resolver_refused", "listed deb.example.org"]


class TestCandidates:
    def test_public_mirrors_that_are_listed_come_first(self, machine: Machine) -> None:
        hosts = [
            {"role": "mirror", "host": "deb.example.org", "addresses": []},
            {"role": "mirror", "host": "lan.example.org", "addresses": ["192.168.7.8"]},
            {"role": "mirror", "host": "denied.example.org", "addresses": []},
            {"role": "proxy", "host": "proxy.example.org", "addresses": []},
        ]
        known = {"mode": "agent", "package_hosts": hosts}
        policy(machine, exact="a.example.org\nlan.example.org\ndeb.example.org\n")
        assert egress_proof.candidates(machine, known) == ["deb.example.org", "a.example.org", "lan.example.org"]

    def test_there_is_an_end_to_them(self, machine: Machine) -> None:
        policy(machine, exact="".join(f"n{number}.example.org\n" for number in range(99)))
        assert len(egress_proof.candidates(machine, {})) == egress_proof._MOST_NAMES


class TestNameThatThereIs:
    """An open container would look it up, so it must not be one that the policy lists."""

    @pytest.mark.parametrize(
        ("lists", "name"),
        [
            ({}, "example.com"),
            ({"exact": "example.com\n"}, "example.org"),
            ({"suffixes": ".com\n"}, "example.org"),
            ({"ports": "198.18.0.1:22 example.com\n"}, "example.org"),
            ({"exact": "example.com\nexample.org\n"}, "example.net"),
            ({"exact": "example.com\nexample.org\nexample.net\n"}, places.PROOF_NAME),
        ],
    )
    def test_one_that_is_not_listed(self, machine: Machine, lists: dict[str, str], name: str) -> None:
        policy(machine, **lists)
        assert egress_proof._existing(machine) == name


class TestSideBySide:
    def test_in_their_order(self) -> None:
        def slow() -> egress_proof.Check:
            time.sleep(0.1)
            return ("slow", True, "")

        assert [check[0] for check in egress_proof._side_by_side([slow, lambda: ("fast", True, "")])] == ["slow", "fast"]

    def test_one_that_breaks_off_has_proven_nothing(self) -> None:
        def _broken() -> egress_proof.Check:
            raise RuntimeError("no such thing")

        assert egress_proof._side_by_side([_broken]) == [("broken", False, "RuntimeError: no such thing")]

    def test_one_that_does_not_end_has_proven_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(egress_proof, "_PATIENCE", 0.1)

        def late() -> egress_proof.Check:
            time.sleep(1)
            return ("late", True, "")

        (check, fast) = egress_proof._side_by_side([late, lambda: ("fast", True, "")])
        assert check[1] is False and "has not ended" in check[2] and fast[1]


class TestRoot:
    STATUS = "Name:\tpython3\nCapEff:\t0000000000000000\nNoNewPrivs:\t1\n"

    @pytest.fixture(autouse=True)
    def agent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_(monkeypatch)
        monkeypatch.setattr(egress_proof, "pwd", SimpleNamespace(getpwuid=lambda _uid: SimpleNamespace(pw_name="pixel")))

    def is_(self, monkeypatch: pytest.MonkeyPatch, status: str = STATUS, uid: int = 1000, *groups: str) -> None:
        def getgrgid(gid: int) -> SimpleNamespace:
            if gid >= len(groups):
                raise KeyError(gid)
            return SimpleNamespace(gr_name=groups[gid])

        monkeypatch.setattr(egress_proof, "open", lambda *_name, **_more: io.StringIO(status), raising=False)
        monkeypatch.setattr(egress_proof.os, "geteuid", lambda: uid)
        monkeypatch.setattr(egress_proof.os, "getgroups", lambda: list(range(len(groups) + 1)))
        monkeypatch.setattr(egress_proof, "grp", SimpleNamespace(getgrgid=getgrgid))

    def test_agent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_(monkeypatch, self.STATUS, 1000, "pixel", "audio")
        assert egress_proof._no_root()[1:] == (True, "pixel, no new privileges, no capabilities")

    @pytest.mark.parametrize(
        ("status", "uid", "groups", "words"),
        [
            (STATUS, 0, (), "this is root"),
            (STATUS.replace("NoNewPrivs:\t1", "NoNewPrivs:\t0"), 1000, (), "NoNewPrivs is not set"),
            (STATUS.replace("NoNewPrivs:\t1\n", ""), 1000, (), "NoNewPrivs is not set"),
            (STATUS, 1000, ("audio", "docker"), "it is in the group docker"),
            (STATUS.replace("0\nNoNew", "1\nNoNew"), 1000, (), "it has capabilities"),
            (STATUS.replace("CapEff", "CapOther"), 1000, (), "it has capabilities"),
        ],
        ids=["root", "privileges", "no word of privileges", "group", "capabilities", "no word of capabilities"],
    )
    def test_others(self, monkeypatch: pytest.MonkeyPatch, status: str, uid: int, groups: tuple[str, ...], words: str) -> None:
        self.is_(monkeypatch, status, uid, *groups)
        _title, ok, seen = egress_proof._no_root()
        assert not ok and words in seen

    @pytest.mark.parametrize(
        ("status", "said", "ok"), [(1, b"sudo: a password is required\n", True), (1, b"", True), (0, b"0\n", False), (0, b"", False)]
    )
    def test_sudo(self, monkeypatch: pytest.MonkeyPatch, status: int, said: bytes, ok: bool) -> None:
        monkeypatch.setattr(egress_proof.os.path, "exists", lambda name: name == "/usr/bin/sudo")
        monkeypatch.setattr(egress_proof.subprocess, "run", lambda command, **_more: subprocess.CompletedProcess(command, status, said))
        assert egress_proof._no_sudo()[1] is ok

    def test_no_sudo_at_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(egress_proof.os.path, "exists", lambda _name: False)
        assert egress_proof._no_sudo()[1:] == (True, "there is no sudo")
