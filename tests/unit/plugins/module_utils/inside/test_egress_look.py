# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looking: each way in which a container can differ from the policy that it is said to have is seen, and said in words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.inside import egress_places as places
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.egress_look import entries, look, summary
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.inside.egress_box import USER, Box

Spoil = Callable[[Box], Any]

DOOR = places.DOORS[0]


def drift(box: Box) -> list[str]:
    found: list[str] = look(box, USER)["drift"]
    return found


class TestDrift:
    def test_none(self, restricted: Box) -> None:
        assert drift(restricted) == []

    def test_none_without_a_policy(self, box: Box) -> None:
        assert drift(box) == []

    @pytest.mark.parametrize(
        ("spoil", "said"),
        [
            (lambda box: setattr(box, "table", None), "no rules are loaded"),
            (lambda box: setattr(box, "table", "table inet egress { }"), "the rules in the kernel are not those of the policy"),
            (lambda box: box.write(places.RULES, "table inet egress { }\n"), f"changed or missing files: {places.RULES}"),
            (lambda box: box.remove(places.LOAD), f"changed or missing files: {places.LOAD}"),
            (lambda box: box.write(places.SUDO, box.read(places.SUDO) or "", 0o4755), f"changed or missing files: {places.SUDO}"),
            (
                lambda box: box.remove(f"{places.UNITS}/user@.service.d/egress.conf"),
                f"changed or missing files: {places.UNITS}/user@.service.d/egress.conf",
            ),
            (lambda box: box.active.discard(places.PROXY), f"{places.PROXY} is inactive"),
            (lambda box: box.enabled.discard(places.FIREWALL), f"{places.FIREWALL} does not start at boot"),
            (lambda box: setattr(box, "unit_files", False), "logins through ssh.service may gain privileges"),
            (lambda box: (box.doors.add(DOOR), box.masked.discard(DOOR)), f"logins by {DOOR} are possible"),
            (lambda box: (box.doors.add(DOOR), box.active.add(DOOR)), f"logins by {DOOR} are possible"),
            (
                lambda box: box.write(places.RESOLV, "nameserver 192.0.2.1\n"),
                f"{places.RESOLV} does not lead to the resolver of the policy",
            ),
            (lambda box: box.remove(places.RESOLV), f"{places.RESOLV} does not lead to the resolver of the policy"),
            (lambda box: box.users[USER].add("docker"), f"{USER} can become root: group docker"),
            (
                lambda box: box.write("/etc/sudoers.d/x", f"{USER} ALL=(ALL) ALL\n"),
                f"{USER} can become root: /etc/sudoers.d/x of sudo",
            ),
            (
                lambda box: (box.listed_by_sudo.add(USER), box.write("/etc/sudoers.d/x", "%audio ALL=(ALL) ALL\n")),
                f"{USER} can become root: what `sudo -l -U {USER}` lists",
            ),
            (lambda box: box.write(places.NOLOGIN, places.NOT_YET), "logins are closed, as if the policy were still being put in force"),
            (lambda box: box.write(places.NOLOGIN, places.NOT_AT_ALL), "logins are closed, as if the policy were still being put in force"),
            (lambda box: box._put(places.LOCKED, ""), "the container is locked, for its rules could not be loaded"),
            (lambda box: box.remove(places.STATE), "the policy was never completely put in force"),
            (lambda box: box.write(places.STATE, "{"), "the policy was never completely put in force"),
            (lambda box: box.write(places.POLICY, "{"), f"{places.POLICY} is damaged"),
            (lambda box: box.write(places.POLICY, ""), f"{places.POLICY} is damaged"),
        ],
        ids=[
            "no rules",
            "other rules",
            "rules on the disk",
            "loader gone",
            "mode of a program",
            "drop-in gone",
            "service dead",
            "not at boot",
            "privileges",
            "login past the network at the next boot",
            "login past the network",
            "other resolver",
            "no resolver",
            "group",
            "sudoers",
            "what sudo lists",
            "logins not yet open",
            "logins closed",
            "locked",
            "no state",
            "damaged state",
            "damaged policy",
            "empty policy",
        ],
    )
    def test_each_kind(self, restricted: Box, spoil: Spoil, said: str) -> None:
        spoil(restricted)
        assert drift(restricted) == [said]

    def test_login_that_somebody_else_has_closed_is_theirs(self, restricted: Box) -> None:
        restricted.write(places.NOLOGIN, "Back at noon.\n")
        assert drift(restricted) == []

    def test_no_rules_are_never_as_they_should_be(self, restricted: Box) -> None:
        restricted.write_json(places.STATE, {**(restricted.read_json(places.STATE) or {}), "table": ""})
        restricted.table = None
        assert drift(restricted) == ["no rules are loaded"]

    def test_a_link_in_the_place_of_a_file(self, restricted: Box) -> None:
        name = f"{places.SETTINGS}/exact.lst"
        Path(restricted.path(name)).rename(restricted.path("/elsewhere"))
        Path(restricted.path(name)).symlink_to(restricted.path("/elsewhere"))
        assert drift(restricted) == [f"changed or missing files: {name}"]

    def test_all_of_them_are_told(self, restricted: Box) -> None:
        restricted.table = None
        restricted.active.clear()
        restricted.write(places.RESOLV, "")
        restricted._put(places.LOCKED, "")
        assert len(drift(restricted)) == 1 + len(places.SERVICES) + 2

    def test_d3_locked_after_a_failure(self, box: Box) -> None:
        box.broken.add(places.PROXY)
        box.converge(mode="agent")
        assert drift(box) == ["the policy was never completely put in force"]

    def test_policy_that_was_taken_away_by_hand(self, restricted: Box) -> None:
        restricted.remove(places.POLICY)
        (said,) = drift(restricted)
        assert said.startswith("the policy is gone, but parts of it are still there: ") and places.RULES in said

    def test_systemd_that_does_not_answer_is_no_good_sign(self, restricted: Box) -> None:
        restricted.trouble = lambda _number, operation: 1 if operation[1] == "systemctl" else None
        assert {f"{unit} is unknown" for unit in places.SERVICES} <= set(drift(restricted))
        assert "logins through ssh.service may gain privileges" in drift(restricted)

    def test_nft_that_does_not_answer_is_no_good_sign(self, restricted: Box) -> None:
        restricted.trouble = lambda _number, operation: 127 if operation[1] == "nft" else None
        assert drift(restricted) == ["no rules are loaded"]


def test_looking_changes_nothing(restricted: Box) -> None:
    look(restricted, USER)
    assert restricted.changes() == []


class TestSystem:
    @pytest.mark.parametrize(
        ("text", "supported"),
        [
            ('ID=debian\nVERSION_ID="12"\n', True),
            ('ID=debian\nVERSION_ID="13"\n', True),
            ("ID=debian\n", True),
            ('ID=debian\nVERSION_ID="11"\n', False),
            ('ID=ubuntu\nVERSION_ID="22.04"\n', True),
            ('ID=ubuntu\nVERSION_ID="20.04"\n', False),
            ("ID=alpine\nVERSION_ID=3.20.3\n", False),
            ("", False),
        ],
    )
    def test_releases(self, box: Box, text: str, supported: bool) -> None:
        box.write("/etc/os-release", text)
        assert look(box, USER)["system"]["supported"] is supported

    @pytest.mark.parametrize(("init", "supported"), [("systemd\n", True), ("init\n", False)])
    def test_init(self, box: Box, init: str, supported: bool) -> None:
        box._put("/proc/1/comm", init)
        assert look(box, USER)["system"]["supported"] is supported

    def test_name(self, box: Box) -> None:
        assert look(box, USER)["system"]["name"] == "Debian 12"
        box.remove("/etc/os-release")
        assert look(box, USER)["system"]["name"] == "an unknown system"

    def test_directory_of_libraries(self, box: Box) -> None:
        assert look(box, USER)["system"]["multiarch"] == "x86_64-linux-gnu"

    def test_other_architecture_whose_libraries_are_there_too(self, box: Box) -> None:
        """The one that ulogd is of counts."""
        for name in ("i386-linux-gnu", "a-linux-gnu", "zz-linux-gnu"):
            box._put(f"/usr/lib/{name}/security/x", "")
        box._put("/usr/lib/x86_64-linux-gnu/ulogd/x", "")
        assert look(box, USER)["system"]["multiarch"] == "x86_64-linux-gnu"

    @pytest.mark.parametrize(("said", "version"), [("Dnsmasq version 2.90  Copyright", "2.90"), ("", "")])
    def test_dnsmasq(self, box: Box, monkeypatch: pytest.MonkeyPatch, said: str, version: str) -> None:
        monkeypatch.setattr(box, "_run_dnsmasq", lambda _words: (0, said), raising=False)
        assert look(box, USER)["dnsmasq"] == version
        assert look(box.without_programs(), USER)["dnsmasq"] == ""


class TestUser:
    def test_one(self, box: Box) -> None:
        assert look(box, USER)["user"] == {
            "name": USER,
            "exists": True,
            "uid": 1000,
            "group": "group1000",
            "powers": ["/etc/sudoers.d/pixels of sudo", "group sudo"],
            "unrevokable": [],
        }

    def test_what_cannot_be_taken_away_is_told_apart(self, box: Box) -> None:
        box.primary_group = "docker"
        seen = look(box, USER)["user"]
        assert seen["unrevokable"] == ["primary group docker"] and "group sudo" in seen["powers"]

    def test_none(self, box: Box) -> None:
        nobody = {"name": "nobody-of-that-name", "exists": False, "powers": [], "unrevokable": []}
        assert look(box, "nobody-of-that-name")["user"] == nobody


class TestUserOfThePolicy:
    """It is the one that matters, whoever the configuration names."""

    @pytest.fixture
    def of_worker(self, box: Box) -> Box:
        box.users["worker"] = set()
        box.converge(mode="agent", user="worker")
        return box

    def test_powers_are_looked_at(self, of_worker: Box) -> None:
        of_worker.users["worker"].add("docker")
        assert look(of_worker, USER)["user"]["name"] == "worker"
        assert drift(of_worker) == ["worker can become root: group docker"]

    def test_those_of_another_are_no_drift(self, of_worker: Box) -> None:
        assert "sudo" in of_worker.users[USER]
        assert drift(of_worker) == []

    @pytest.mark.parametrize("text", ["{", "{}", "[]"])
    def test_policy_that_names_nobody(self, restricted: Box, text: str) -> None:
        restricted.write(places.POLICY, text)
        assert look(restricted, USER)["user"]["name"] == USER


class TestOldWorkers:
    def test_all_but_the_newest(self, restricted: Box) -> None:
        restricted.workers = ["100", "101", "102"]
        assert look(restricted, USER)["old_workers"] == ["100", "101"]

    def test_without_a_policy_nobody_is_asked(self, box: Box) -> None:
        box.workers = ["100", "101"]
        assert look(box, USER)["old_workers"] == []
        assert not any("pgrep" in call or "MainPID" in call for call in box.calls())


class TestSummary:
    def of(self, box: Box) -> dict[str, Any]:
        return summary(box, look(box, USER))

    def test_unrestricted(self, box: Box) -> None:
        assert self.of(box) == {
            "mode": "unrestricted",
            "allow": [],
            "deny": [],
            "entries": [],
            "user": USER,
            "dns": [],
            "units": [],
            "inbound": [],
            "in_force": True,
            "drift": [],
        }

    def test_restricted(self, box: Box) -> None:
        ranges = [{"cidr": "192.0.2.0/28", "port": 8443}, {"cidr": "2001:db8::/64", "port": 443}]
        box.converge(
            mode="allowlist", allow=["a.example.org", "*.b.example.org", "c.example.org:22", *ranges], units=["app"], inbound=[8000]
        )
        told = self.of(box)
        assert told["entries"] == ["a.example.org", "*.b.example.org", "c.example.org:22", "192.0.2.0/28:8443", "[2001:db8::/64]:443"]
        assert (told["mode"], told["units"], told["inbound"], told["dns"]) == ("allowlist", ["app.service"], [22, 8000], ["192.0.2.53"])
        assert told["allow"] == ["a.example.org", "c.example.org:22", *reversed(ranges), "*.b.example.org"]
        assert told["in_force"] is True

    def test_d3_mode_is_the_one_that_was_asked_for(self, box: Box) -> None:
        """D3: agent is told as agent."""
        for mode in ("agent", "allowlist", "learn"):
            box.converge(mode=mode)
            assert self.of(box)["mode"] == mode

    def test_entries_are_those_that_the_plan_has_told(self, box: Box) -> None:
        plan = box.plan(mode="agent", allow=["x.example.org:2222", {"cidr": "192.0.2.0/28", "port": 8443}])
        box.converge_planned(plan)
        assert sorted(entries(box)) == sorted(plan.entries)

    def test_d3_flushed_rules_are_not_in_force(self, restricted: Box) -> None:
        restricted.table = None
        assert (self.of(restricted)["in_force"], self.of(restricted)["drift"]) == (False, ["no rules are loaded"])

    def test_damaged_policy(self, restricted: Box) -> None:
        restricted.write(places.POLICY, "[]")
        assert (self.of(restricted)["mode"], self.of(restricted)["in_force"]) == ("unknown", False)
