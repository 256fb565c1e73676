# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A policy from nothing: the order of its steps is the promise."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.inside import egress_places as places
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.egress_apply import restrict
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.inside.egress_box import LOCKED_TABLE, USER, Box

DROP_INS = [f"write {name}" for name in places.drop_ins()]


def _at(box: Box, *beginnings: str) -> list[int]:
    """Where these are among the operations, each once."""
    texts = [" ".join(operation) for operation in box.operations]
    return [next(index for index, text in enumerate(texts) if text.startswith(beginning)) for beginning in beginnings]


def test_all_of_it_is_in_force_and_told(box: Box) -> None:
    done = box.without_programs().converge(mode="agent", allow=["api.example.org"])
    assert sorted(done["steps"]) == ["files", "logins", "packages", "rules", "services"]
    assert done.get("failed") is None
    assert box.in_force() == []
    assert "api.example.org\n" in (box.read(f"{places.SETTINGS}/exact.lst") or "")
    assert json.loads(box.read(places.POLICY) or "")["allow"] == ["api.example.org"]


@pytest.mark.parametrize("mode", ["agent", "allowlist", "learn"])
def test_the_same_again_has_nothing_to_do(box: Box, mode: str) -> None:
    box.converge(mode=mode, allow=["api.example.org", "git.example.org:22", {"cidr": "192.0.2.0/28", "port": 8443}])
    assert box.converge(mode=mode) == {"steps": [], "unchanged": True}


class TestOrder:
    @pytest.fixture
    def made(self, box: Box) -> Box:
        box.without_programs().converge(mode="agent")
        return box

    def test_the_next_boot_is_locked_before_anything_else(self, made: Box) -> None:
        places_in_order = _at(
            made,
            f"write {places.POLICY}",
            f"write {places.LOCKDOWN}",
            f"write {places.LOAD}",
            f"write {places.UNITS}/{places.FIREWALL}",
            *DROP_INS,
            "run systemctl daemon-reload",
            f"run systemctl -q enable {places.FIREWALL}",
            f"write {places.PREVIOUS}",
            f"write {places.NOLOGIN}",
            f"run systemctl -q mask {places.DOORS[0]}",
            f"run loginctl terminate-user {USER}",
            "kill 1000",
            "remove /etc/sudoers.d/pixels",
            f"run gpasswd -d {USER} sudo",
            "run systemctl -q mask haproxy.service",
            "run apt-get",
            "run systemd-sysusers",
            "run nft -c -f",
            f"write {places.RULES}",
            f"run {places.LOAD}",
            f"run systemctl start {places.FIREWALL}",
            "run systemctl -q mask haproxy.service dnsmasq.service nftables.service ulogd2.service ulogd.service systemd-resolved.service",
            f"write {places.RESOLV}",
            "run systemctl restart egress-dns@back.service",
            "run sshd -t",
            "run systemctl restart ssh.service",
            f"write {places.STATE}",
        )
        assert places_in_order == sorted(places_in_order), list(map(made.operations.__getitem__, places_in_order))
        assert made.operations[0] == ("write", places.POLICY)

    def test_state_and_login_come_last(self, made: Box) -> None:
        state, login = _at(made, f"write {places.STATE}", f"remove {places.NOLOGIN}")
        after = [operation for operation in made.operations[min(state, login) :] if operation[0] != "run"]
        opened = [("remove", places.NOLOGIN), ("remove", places.STAYS_CLOSED)]
        assert sorted({*after} - {("write", places.POLICY)}) == sorted([*opened, ("write", places.STATE)])
        assert min(state, login) > _at(made, "run systemctl restart cron.service")[0]

    def test_units_are_known_before_they_are_started(self, made: Box) -> None:
        texts = [" ".join(operation) for operation in made.operations]
        reloads = [index for index, text in enumerate(texts) if text == "run systemctl daemon-reload"]
        units = [index for index, text in enumerate(texts) if text.startswith(f"write {places.UNITS}/egress-")]
        started = _at(made, f"run systemctl start {places.FIREWALL}", "run systemctl restart egress-dns@back.service")
        assert max(units) < reloads[-1] < min(started)

    def test_what_the_distribution_would_start_is_masked_before_it_is_installed(self, made: Box) -> None:
        masked, installed = _at(made, "run systemctl -q mask haproxy.service", "run apt-get")
        assert masked < installed
        assert {"haproxy.service", "dnsmasq.service", "nftables.service", "ulogd2.service"} <= set(made.operations[masked])


class TestWhatIsThereAfterwards:
    @pytest.fixture(autouse=True)
    def made(self, restricted: Box) -> None:
        self.box = restricted

    def test_nobody_else_can_write_any_of_it(self) -> None:
        for name in json.loads(self.box.read(places.STATE) or "")["files"]:
            mode = stat.S_IMODE(Path(self.box.path(name)).lstat().st_mode)
            assert mode in (0o644, 0o755), f"{name} {mode:o}"
        assert stat.S_IMODE(Path(self.box.path(places.PREVIOUS)).stat().st_mode) == 0o600

    def test_what_there_was_before_is_kept(self) -> None:
        previous = json.loads(self.box.read(places.PREVIOUS) or "")
        assert previous["resolv"] == {"link": "../run/systemd/resolve/stub-resolv.conf"}
        assert previous["enabled"] == previous["active"] == ["systemd-resolved.service"]
        assert (previous["masked"], previous["sudo"]) == ([], None)
        assert previous["rights"] == {
            "files": {"/etc/sudoers.d/pixels": f"{USER} ALL=(ALL:ALL) NOPASSWD: ALL\n"},
            "groups": ["sudo"],
            "existed": True,
        }

    def test_the_user_has_no_way_to_root_left(self) -> None:
        assert self.box.users[USER] == {"audio"}
        assert not self.box.exists("/etc/sudoers.d/pixels")
        assert self.box.sessions is False

    def test_the_resolver_is_a_plain_file(self) -> None:
        assert not os.path.islink(self.box.path(places.RESOLV))
        assert "systemd-resolved.service" not in self.box.active

    def test_state_has_every_file_and_the_rules(self) -> None:
        state = json.loads(self.box.read(places.STATE) or "")
        assert state["table"]
        assert state["files"] == {name: self.box.fingerprint(name) for name in state["files"]}
        assert {places.RULES, places.LOAD, places.SUDO, f"{places.UNITS}/ssh.service.d/egress.conf"} <= set(state["files"])

    def test_logs_are_there_and_the_agent_may_read_them(self) -> None:
        for name in ("proxy.log", "dns.log", "denied.log"):
            assert stat.S_IMODE(Path(self.box.path(f"{places.LOGS}/{name}")).stat().st_mode) == 0o644


def test_what_is_validated_is_what_is_put_in_place(box: Box) -> None:
    """The checked haproxy.cfg reads the staged lists, not those of the policy before."""
    seen: dict[str, str] = {}

    def look(_number: int, operation: tuple[str, ...]) -> None:
        if operation[1] in ("nft", "/usr/sbin/haproxy", "/usr/sbin/dnsmasq") and operation[2] in ("-c", "--test"):
            path = operation[-1]
            seen[os.path.basename(path)] = Path(path).read_text().replace(os.path.dirname(path), places.SETTINGS)
            assert places.SETTINGS not in Path(path).read_text() or not path.endswith(".cfg")

    box.trouble = look
    box.converge(mode="agent")
    assert {"egress.nft", "lockdown.nft", "haproxy.cfg", "dns-front.conf", "dns-back.conf", "dns-front.servers", "dns-back.servers"} <= set(
        seen
    )
    for name, text in seen.items():
        assert text == box.read(f"{places.SETTINGS}/{name}"), name


@pytest.mark.parametrize("what", ["nft -c", "haproxy -c"])
def test_rules_that_are_not_valid_are_never_put_in_place(box: Box, what: str) -> None:
    box.broken.add(what)
    done = box.converge(mode="agent")
    assert (done["failed"], done["locked"], box.table) == (True, True, LOCKED_TABLE)
    assert not box.exists(places.RULES) and not box.exists(places.STATE)


def test_service_that_does_not_run_is_named_with_what_it_said(box: Box) -> None:
    box.broken.add(places.PROXY)
    done = box.converge(mode="agent")
    assert done["failed"] and done["locked"] and done["msg"].startswith(f"{places.PROXY} does not run (inactive)")
    assert "the container is locked" in done["msg"]
    assert (box.table, box.exists(places.STATE), box.read(places.NOLOGIN)) == (
        LOCKED_TABLE,
        False,
        "This container's egress policy could not be put in force.\n",
    )
    box.broken.clear()
    assert box.converge(mode="agent").get("failed") is None
    assert box.in_force() == []


def test_lock_that_was_loaded_in_place_of_the_rules_is_a_failure(box: Box) -> None:
    """The loader's status is that of a lock that holds."""
    box.broken.add("nft -f")
    done = box.converge(mode="agent")
    assert done["failed"] and done["locked"] and done["msg"].startswith("the rules of the policy cannot be loaded; ")
    assert done["log"] == ["the rules of the policy cannot be loaded; locking the container"]
    assert not box.exists(places.STATE) and "systemd-resolved.service" in box.active, "nothing came after it"
    box.broken.clear()
    assert box.converge(mode="agent").get("failed") is None
    assert box.in_force() == []


def test_account_that_was_not_made_locks(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(box, "_run_systemd_sysusers", lambda _words: (0, ""))
    done = box.converge(mode="agent")
    assert done["failed"] and done["locked"] and "no such user: egress-proxy" in done["msg"]


def test_full_disk_is_told_in_words(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(name: str, content: str, mode: int = 0o644) -> None:
        if name == places.RULES:
            raise OSError(28, "No space left on device")  # as a write to an open file raises it
        Box.write(box, name, content, mode)

    monkeypatch.setattr(box, "write", full)
    done = box.converge(mode="agent")
    assert done["locked"] and "No space left on device" in done["msg"] and "None" not in done["msg"]


def test_ssh_that_cannot_be_asked_about_is_no_ssh_that_is_confined(box: Box) -> None:
    box.trouble = lambda _number, operation: 124 if operation[-2:] == ("is-active", "ssh.service") else None
    done = box.converge(mode="agent")
    assert done["failed"] and "ssh.service" in done["msg"]


def test_strict_umask_of_root_changes_nothing(box: Box) -> None:
    os.umask(0o077)
    box.converge(mode="agent")
    folders = (places.SETTINGS, places.PROGRAMS, places.LOGS, f"{places.UNITS}/ssh.service.d", "/usr/local/lib/pixels")
    modes = {name: oct(stat.S_IMODE(Path(box.path(name)).stat().st_mode)) for name in folders}
    assert set(modes.values()) == {"0o755"}, modes
    assert os.umask(0o077) == 0o077, "and root's own habits stay"


@pytest.mark.parametrize("text", ["", "{", "{}"])
def test_damaged_memory_of_what_there_was_is_no_obstacle(box: Box, text: str) -> None:
    box.write(places.PREVIOUS, text)
    assert box.converge(mode="agent").get("failed") is None
    assert box.in_force() == []


def test_stale_plan_changes_nothing(box: Box) -> None:
    request = {**box.plan(mode="agent").request, "expect": "0" * 64}
    box.operations.clear()
    assert restrict(box, request) == {"stale": True, "steps": []}
    assert box.operations == []


def test_plan_made_before_another_one_came_is_stale(box: Box) -> None:
    mine = box.plan(mode="agent", allow=["mine.example.org"]).request
    box.converge(mode="allowlist", allow=["theirs.example.org"])
    box.operations.clear()
    assert restrict(box, mine) == {"stale": True, "steps": []}
    assert box.changes() == []
    assert "theirs.example.org" in (box.read(f"{places.SETTINGS}/exact.lst") or "")


class TestLoginsPastTheNetwork:
    """What systemd has made for them is closed, and stays closed at the next boot."""

    @pytest.fixture
    def doors(self, box: Box) -> Box:
        box.doors = {places.DOORS[0]}
        box.active |= box.doors
        return box

    def test_they_are_closed_before_anybody_is_logged_out(self, doors: Box) -> None:
        assert doors.converge(mode="agent").get("failed") is None
        stopped, masked, ended = _at(doors, f"run systemctl stop {places.DOORS[0]}", f"run systemctl -q mask {places.DOORS[0]}", "kill ")
        assert stopped < masked < ended
        assert not doors.doors & doors.active and doors.doors <= doors.masked and doors.in_force() == []
        assert doors.converge(mode="agent") == {"steps": [], "unchanged": True}

    def test_one_that_cannot_be_closed_locks(self, doors: Box, monkeypatch: pytest.MonkeyPatch) -> None:
        ordinary = doors._run_systemctl
        monkeypatch.setattr(doors, "_run_systemctl", lambda words: (0, "") if words[0] == "stop" else ordinary(words))
        done = doors.converge(mode="agent")
        assert done["failed"] and done["locked"] and f"logins by {places.DOORS[0]} cannot be closed" in done["msg"]

    def test_one_that_was_opened_again_is_closed_and_who_came_in_is_logged_out(self, doors: Box) -> None:
        doors.converge(mode="agent")
        doors.masked -= doors.doors
        doors.active |= doors.doors
        doors.sessions = True
        done = doors.converge(mode="agent")
        assert "rights" in done["steps"] and doors.sessions is False and doors.in_force() == []

    def test_they_come_back_when_the_policy_goes(self, doors: Box) -> None:
        doors.converge(mode="agent")
        doors.converge(mode="unrestricted")
        assert doors.doors <= doors.active and not doors.doors & doors.masked

    def test_those_that_there_are_not_are_masked_all_the_same(self, restricted: Box) -> None:
        """A newer systemd would make them at its first boot."""
        assert set(places.DOORS) <= restricted.masked
        assert restricted.converge(mode="agent") == {"steps": [], "unchanged": True}


@pytest.mark.parametrize("runs", [True, False])
def test_what_installs_the_agents_tools_goes_on_without_privileges(box: Box, runs: bool) -> None:
    """It tries them as the agent, who may get hold of such a process."""
    if runs:
        box.active.add("pixels-devtools.service")
    assert box.converge(mode="agent").get("failed") is None
    assert ("systemctl restart pixels-devtools.service" in box.calls()) is runs


def test_user_who_does_not_exist_yet_is_no_obstacle(box: Box) -> None:
    del box.users[USER]
    assert box.converge(mode="agent").get("failed") is None
    assert box.in_force() == []
    assert not any("loginctl" in call for call in box.calls()) and not any(operation[0] == "kill" for operation in box.operations)


def test_remains_of_a_damaged_state_start_from_nothing(restricted: Box) -> None:
    restricted.write(places.STATE, "{")
    done = restricted.converge(mode="agent")
    assert done.get("failed") is None and restricted.in_force() == []
    assert ("write", places.NOLOGIN) in restricted.operations
