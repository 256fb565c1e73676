# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What would make root of a user: found, taken away, and given back."""

from __future__ import annotations

import json
import os
import select
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.inside import egress_rights
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.egress_machine import Failed, Machine
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.egress_rights import (
    end_sessions,
    groups_of,
    powers,
    restore,
    revoke,
    takes,
    unrevokable,
)
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.inside.egress_box import USER, Box

OWN = "/etc/sudoers.d/pixels"
ASK_SUDO = f"/usr/bin/sudo -n -l -U {USER}"


@pytest.fixture
def plain(box: Box) -> Box:
    """The user has no rights at all."""
    box.users[USER] = {"audio", "video"}
    box.remove(OWN)
    return box


class TestPowers:
    @pytest.mark.parametrize(
        "line",
        [
            f"{USER} ALL=(ALL:ALL) NOPASSWD: ALL",
            f"{USER}\tALL=(root) /usr/bin/apt-get",
            f"  {USER} ALL = (ALL) ALL # for a while",
            "ALL ALL=(ALL) NOPASSWD: ALL",
        ],
    )
    def test_line_of_sudo(self, plain: Box, line: str) -> None:
        plain.write("/etc/sudoers.d/x", f"{line}\n")
        assert powers(plain, USER) == ["/etc/sudoers.d/x of sudo"]
        assert unrevokable(plain, USER) == []

    @pytest.mark.parametrize(
        "line",
        [
            f"# {USER} ALL=(ALL) ALL",
            f"{USER}2 ALL=(ALL) ALL",
            "root ALL=(ALL) ALL",
            f"Defaults:{USER} !requiretty",
            "%wheel ALL=(ALL) ALL",
            "",
        ],
    )
    def test_line_that_is_none(self, plain: Box, line: str) -> None:
        plain.write("/etc/sudoers.d/x", f"{line}\n")
        assert powers(plain, USER) == []

    @pytest.mark.parametrize("name", ["x.conf", ".x", "x~", "README.txt"])
    def test_file_that_sudo_does_not_read(self, plain: Box, name: str) -> None:
        plain.write(f"/etc/sudoers.d/{name}", f"{USER} ALL=(ALL) ALL\n")
        assert powers(plain, USER) == []

    def test_sudoers_itself(self, plain: Box) -> None:
        plain.write("/etc/sudoers", f"{USER} ALL=(ALL) ALL\n")
        assert powers(plain, USER) == ["/etc/sudoers of sudo", "a line in /etc/sudoers itself"]
        assert unrevokable(plain, USER) == ["a line in /etc/sudoers itself"]

    def test_directory_in_the_place_of_a_file(self, plain: Box) -> None:
        Path(plain.path("/etc/sudoers.d/folder")).mkdir()
        assert powers(plain, USER) == []

    @pytest.mark.parametrize(
        "group", ["sudo", "wheel", "docker", "lxd", "incus-admin", "disk", "shadow", "systemd-journal", "egress-proxy"]
    )
    def test_group(self, plain: Box, group: str) -> None:
        plain.users[USER].add(group)
        assert (powers(plain, USER), unrevokable(plain, USER)) == ([f"group {group}"], [])

    def test_ordinary_groups(self, plain: Box) -> None:
        assert groups_of(USER) == ["audio", "video"]
        assert powers(plain, USER) == []

    @pytest.mark.parametrize("group", ["sudo", "docker", "root"])
    def test_primary_group_cannot_be_taken_away(self, plain: Box, group: str) -> None:
        plain.primary_group = group
        assert powers(plain, USER) == unrevokable(plain, USER) == [f"primary group {group}"]

    def test_ordinary_primary_group(self, plain: Box) -> None:
        plain.primary_group = "audio"
        assert powers(plain, USER) == []

    @pytest.mark.parametrize("ask", [powers, unrevokable])
    def test_user_who_does_not_exist(self, plain: Box, ask: Callable[[Box, str], list[str]]) -> None:
        plain.primary_group = "root"
        assert ask(plain, "nobody-of-that-name") == []


class TestSudoItselfIsAsked:
    """Its files say the same in many ways, and other sources than files may say it too."""

    SAID = [f"what `sudo -l -U {USER}` lists"]

    @pytest.mark.parametrize(
        "text",
        [
            "#1000 ALL=(ALL) ALL",
            f"other,{USER} ALL=(ALL) ALL",
            f"User_Alias X = {USER}\nX ALL=(ALL) ALL",
            f"{USER} \\\n ALL=(ALL) ALL",
            "%audio ALL=(ALL) ALL",
            "",
        ],
        ids=["number", "list", "alias", "continued line", "group", "no file at all"],
    )
    def test_other_spellings(self, plain: Box, text: str) -> None:
        plain.write("/etc/sudoers.d/x", f"{text}\n")
        assert powers(plain, USER) == unrevokable(plain, USER) == []
        plain.listed_by_sudo.add(USER)
        assert powers(plain, USER) == unrevokable(plain, USER) == self.SAID

    def test_it_is_asked_without_a_password_and_for_that_user(self, plain: Box) -> None:
        plain.listed_by_sudo.add("somebody-else")
        assert powers(plain, USER) == []
        assert plain.calls() == [ASK_SUDO]

    def test_it_is_not_asked_where_a_known_way_was_found(self, box: Box) -> None:
        """It would list what can be taken away, as if it could not."""
        box.listed_by_sudo.add(USER)
        assert unrevokable(box, USER) == []
        assert ASK_SUDO not in box.calls()

    def test_with_the_known_ways_gone_the_others_show(self, box: Box) -> None:
        box.listed_by_sudo.add(USER)
        revoke(box, USER)
        assert powers(box, USER) == self.SAID

    def test_container_without_sudo(self, plain: Box) -> None:
        plain.listed_by_sudo.add(USER)
        plain.remove("/usr/bin/sudo")
        assert powers(plain, USER) == []
        assert plain.calls() == []

    def test_our_stand_in_is_not_asked(self, plain: Box) -> None:
        plain.write("/usr/local/bin/sudo", "", 0o755)
        powers(plain, USER)
        assert [call.split()[0] for call in plain.calls()] == ["/usr/bin/sudo"]


class TestTakenAndGivenBack:
    def test_all_of_it(self, box: Box) -> None:
        box.users[USER] |= {"docker"}
        box.write("/etc/sudoers.d/more", f"# of the administrator\nother ALL=(ALL) ALL\n{USER} ALL=(ALL) ALL\n", 0o440)
        taken = takes(box, USER)
        assert powers(box, USER) != [], "saying it takes nothing"
        revoke(box, USER)
        assert powers(box, USER) == []
        assert not box.exists(OWN), "a file without a line left goes"
        assert box.read("/etc/sudoers.d/more") == "# of the administrator\nother ALL=(ALL) ALL\n"
        assert stat.S_IMODE(Path(box.path("/etc/sudoers.d/more")).stat().st_mode) == 0o440
        assert box.users[USER] == {"audio"}

        restore(box, USER, json.loads(json.dumps(taken)))
        assert box.read(OWN) == f"{USER} ALL=(ALL:ALL) NOPASSWD: ALL\n"
        assert f"{USER} ALL=(ALL) ALL\n" in (box.read("/etc/sudoers.d/more") or "")
        assert stat.S_IMODE(Path(box.path(OWN)).stat().st_mode) == 0o440
        assert box.users[USER] == {"audio", "sudo", "docker"}

    def test_twice_takes_nothing_more(self, box: Box) -> None:
        revoke(box, USER)
        box.forget()
        assert takes(box, USER) == {"files": {}, "groups": [], "existed": True}
        revoke(box, USER)
        assert box.changes() == []

    def test_given_back_twice_is_given_back_once(self, box: Box) -> None:
        taken = takes(box, USER)
        revoke(box, USER)
        restore(box, USER, taken)
        restore(box, USER, taken)
        assert box.users[USER] == {"audio", "sudo"}

    def test_comments_alone_are_no_reason_to_keep_a_file(self, box: Box) -> None:
        box.write(OWN, f"# written by somebody\n\n{USER} ALL=(ALL) ALL\n")
        revoke(box, USER)
        assert not box.exists(OWN)

    def test_dotted_files_are_left_alone(self, box: Box) -> None:
        box.write("/etc/sudoers.d/pixels.bak", f"{USER} ALL=(ALL) ALL\n")
        assert list(takes(box, USER)["files"]) == [OWN]
        revoke(box, USER)
        assert box.exists("/etc/sudoers.d/pixels.bak")

    def test_sudoers_itself_is_not_edited_and_nothing_is_taken(self, box: Box) -> None:
        text = f"root ALL=(ALL) ALL\n{USER} ALL=(ALL) ALL\n"
        box.write("/etc/sudoers", text)
        with pytest.raises(Failed, match=f"/etc/sudoers itself gives {USER} rights; move that line into a file of /etc/sudoers.d"):
            takes(box, USER)
        with pytest.raises(Failed):
            revoke(box, USER)
        assert (box.read("/etc/sudoers"), box.users[USER]) == (text, {"audio", "sudo"})
        assert box.exists(OWN)

    def test_user_who_does_not_exist(self, plain: Box) -> None:
        del plain.users[USER]
        taken = takes(plain, USER)
        revoke(plain, USER)
        assert taken == {"files": {}, "groups": [], "existed": False}
        restore(plain, USER, taken)
        assert not plain.exists(OWN), "nobody is there whom it could be given to"
        plain.users[USER] = set()
        restore(plain, USER, taken)
        assert plain.read(OWN) == f"{USER} ALL=(ALL:ALL) NOPASSWD: ALL\n"

    def test_root_is_not_given_anything(self, plain: Box) -> None:
        plain.users["root"] = set()
        restore(plain, "root", {"files": {}, "groups": ["sudo"], "existed": False})
        assert plain.users["root"] == set() and not plain.exists(OWN)


class TestSessions:
    def test_they_end(self, box: Box) -> None:
        end_sessions(box, USER)
        assert box.operations == [("run", "loginctl", "terminate-user", USER), ("kill", "1000")]

    def test_until_nothing_is_left(self, box: Box) -> None:
        box.lingering = 3
        end_sessions(box, USER)
        assert [operation for operation in box.operations if operation[0] == "kill"] == 4 * [("kill", "1000")]

    def test_what_does_not_end_is_told(self, box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(egress_rights, "_PATIENCE", 0.1)
        box.lingering = 10000
        with pytest.raises(Failed, match=f"processes of {USER} do not end: 4711"):
            end_sessions(box, USER)

    def test_and_locks(self, box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(egress_rights, "_PATIENCE", 0.1)
        box.lingering = 10000
        done = box.converge(mode="agent")
        assert done["failed"] and done["locked"] and "do not end" in done["msg"]

    @pytest.mark.parametrize("user", ["nobody-of-that-name", "root"])
    def test_those_of_nobody_and_of_root_do_not(self, box: Box, user: str) -> None:
        box.users["root"] = set()
        end_sessions(box, user)
        assert box.operations == []


class TestProcesses:
    """Real ones."""

    def test_whose_they_are(self, tmp_path: Path) -> None:
        states = {"1": ("S (sleeping)", "0"), "20": ("R (running)", "1000"), "30": ("Z (zombie)", "1000"), "40": ("S (sleeping)", "11000")}
        for number, (state, uid) in states.items():
            (tmp_path / "proc" / number).mkdir(parents=True)
            (tmp_path / "proc" / number / "status").write_text(f"Name:\tx:y\nState:\t{state}\nUid:\t0\t{uid}\t0\t0\n")
        (tmp_path / "proc" / "50").mkdir()
        (tmp_path / "proc" / "self").mkdir()
        assert Machine(str(tmp_path)).processes(1000) == [20]

    @pytest.mark.skipif(os.geteuid() != 0, reason="ends processes of another user")
    def test_they_cannot_multiply_away(self) -> None:
        """Each is gone before it could be found by its number. All of them hold the end of a pipe."""
        machine, uid = Machine(), 61234
        read, write = os.pipe()
        program = f"import os; os.setresuid({uid}, {uid}, {uid})\nwhile True:\n    if os.fork(): os._exit(0)"
        try:
            with subprocess.Popen([sys.executable, "-c", program], pass_fds=[write]) as begun:
                os.close(write)
                begun.wait(timeout=20)
            assert select.select([read], [], [], 0)[0] == []
            machine.kill_all(uid)
            assert select.select([read], [], [], 20)[0] == [read] and os.read(read, 1) == b""
            machine.kill_all(uid)
        finally:
            machine.kill_all(uid)
            os.close(read)
