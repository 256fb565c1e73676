# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Variables as they are asked for, and the SSH server that lets sessions bring them."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.inside.egress_machine import Failed, Machine
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.environment_apply import (
    accepts,
    apply,
    checked,
    diff_of,
    left_out,
    let_in,
    lets_in,
    startup_files,
)
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.environment_home import HomeError
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.environment_startup import SSHD, SSHD_MAIN, SSHD_PENDING, SSHD_PLACE
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.environment_text import mark_of

SECRET = "s3cr3t-value"
INCLUDING = "Include /etc/ssh/sshd_config.d/*.conf\n"


class Server(Machine):
    """A container with an sshd that reads its files as the real one does, as far as it matters here."""

    def __init__(self, root: Path, main: str, broken: str = "") -> None:
        super().__init__(str(root))
        self.broken = broken
        self.reloaded: list[str] = []
        self.reloads: list[int] = []
        for folder in ("usr/sbin", "etc/ssh/sshd_config.d", "run/systemd/system"):
            (root / folder).mkdir(parents=True)
        (root / "usr/sbin/sshd").touch()
        self.write(SSHD_MAIN, main, 0o600)

    def run(self, *command: str, check: bool = True, timeout: float = 60.0, env: dict[str, str] | None = None) -> tuple[int, str]:
        if command[0] == "systemctl":
            if command[1] == "reload":
                status = self.reloads.pop(0) if self.reloads else 0
                if status:
                    raise Failed(f"systemctl reload {command[2]} ended with status {status}")
                self.reloaded.append(command[2])
            return (0, "") if command[-1] == "ssh.service" else (3, "")
        main = self.read(SSHD_MAIN) or ""
        text = main + (self.read(SSHD_PLACE) or "" if INCLUDING in main else "")
        if self.broken and self.broken in text:
            return 255, f"{SSHD_PLACE} line 2: Bad configuration option"
        return 0, "\n".join(line.lower() if line.startswith("AcceptEnv") else "x" for line in text.splitlines())


def test_sessions_are_let_bring_variables_by_a_file_of_our_own(tmp_path: Path) -> None:
    machine = Server(tmp_path, INCLUDING)
    assert not accepts(machine)
    let_in(machine)
    assert accepts(machine) and machine.read(SSHD_PLACE) == SSHD and machine.read(SSHD_MAIN) == INCLUDING
    assert machine.reloaded == ["ssh.service"]


def test_or_in_the_main_file_where_that_reads_no_others(tmp_path: Path) -> None:
    machine = Server(tmp_path, "Port 22\n")
    let_in(machine)
    assert accepts(machine) and machine.read(SSHD_MAIN) == SSHD + "Port 22\n"
    assert (tmp_path / SSHD_MAIN[1:]).stat().st_mode & 0o777 == 0o600


def test_what_sshd_refuses_is_taken_back_and_it_is_not_reloaded(tmp_path: Path) -> None:
    machine = Server(tmp_path, INCLUDING, broken="AcceptEnv PIXELS")
    with pytest.raises(Failed, match="sshd does not take"):
        let_in(machine)
    assert machine.read(SSHD_PLACE) is None and machine.read(SSHD_MAIN) == INCLUDING and machine.reloaded == []


@pytest.mark.parametrize("main", [INCLUDING, "Port 22\n"])
def test_an_sshd_that_cannot_be_told_is_told_by_the_next_run(tmp_path: Path, main: str) -> None:
    machine = Server(tmp_path, main)
    machine.reloads = [1]
    with pytest.raises(Failed, match="systemctl reload"):
        let_in(machine)
    assert machine.read(SSHD_PLACE) is None and machine.read(SSHD_MAIN) == main and not lets_in(machine)
    let_in(machine)
    assert lets_in(machine) and machine.reloaded == ["ssh.service"] and not machine.exists(SSHD_PENDING)


def test_a_run_that_was_cut_off_before_it_told_sshd_is_completed(tmp_path: Path) -> None:
    machine = Server(tmp_path, INCLUDING)

    def killed(*_words: Any, **_options: Any) -> tuple[int, str]:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Server, "systemctl", killed)
        with pytest.raises(KeyboardInterrupt):
            let_in(machine)
    assert accepts(machine) and not lets_in(machine)
    let_in(machine)
    assert lets_in(machine) and machine.reloaded == ["ssh.service"]


def test_an_sshd_that_is_broken_already_is_left_alone(tmp_path: Path) -> None:
    machine = Server(tmp_path, INCLUDING + "Bogus\n", broken="Bogus")
    with pytest.raises(Failed, match="have to be put right first"):
        accepts(machine)


def test_without_an_sshd_there_is_nothing_to_do(tmp_path: Path) -> None:
    assert accepts(Machine(str(tmp_path)))


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"A-B": SECRET}, "vars: 'A-B' is no name of a variable; a name has letters"),
        ({"UID": SECRET}, "vars: 'UID' cannot be given"),
        ({"A": 5}, "vars: A is a int; allowed is a text, in quotes"),
        ({"A": None}, "vars: A is a NoneType"),
        ({"A": SECRET + "\0"}, "vars: A is a text with NUL"),
        ({"A": "x" * 131072}, "put it into a file"),
        ({f"A{number}": "x" * 100000 for number in range(11)}, "more than there can be (1048576)"),
        ({f"A{number}": '"' * 100000 for number in range(9)}, "a backslash before each quote"),
    ],
)
def test_what_cannot_be_is_named_without_its_value(variables: dict[str, Any], message: str) -> None:
    with pytest.raises(Failed) as caught:
        checked(variables)
    assert message in caught.value.message and SECRET not in caught.value.message


def test_the_longest_that_a_program_can_be_given() -> None:
    assert checked({"A": "x" * (131071 - 2)})


def test_diffs_are_names() -> None:
    result = {
        "path": "/home/a/.pixels/environment",
        "names": ["CHANGED", "NEW", "SAME"],
        "changes": [
            {"name": "CHANGED", "change": "changed"},
            {"name": "GONE", "change": "removed"},
            {"name": "NEW", "change": "added"},
        ],
        "files": ["/home/a/.pixels/environment", "/etc/profile.d/pixels-env.sh"],
    }
    first, second = diff_of(result)
    assert first["before"].split("\n") == ["CHANGED", "GONE", "SAME", ""]
    assert first["after"].split("\n") == ["CHANGED (another value)", "NEW", "SAME", ""]
    assert second["after_header"] == "/etc/profile.d/pixels-env.sh"


@pytest.mark.parametrize(
    ("shell", "files", "reached"),
    [
        ("/bin/bash", [".bashrc"], True),
        ("/usr/bin/zsh", [".bashrc", ".zshenv"], True),
        ("/bin/sh", [".bashrc"], False),
        ("/usr/bin/fish", [".bashrc"], False),
    ],
)
def test_what_a_login_shell_reads(shell: str, files: list[str], reached: bool) -> None:
    assert startup_files(shell) == files and (left_out(shell) == []) is reached


class Manager:
    """The user's own systemd, in the place of the two questions that the module has for it; it runs with the variables of `mark`."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.mark = ""
        self.refuses = False
        self.wanted = ""
        where = "ansible_collections.pixels.sandbox.plugins.module_utils.inside.environment_apply"
        patch.setattr(f"{where}.as_user", lambda _account, work: work())
        patch.setattr(f"{where}.manager_lacks", self.lacks)
        patch.setattr(f"{where}.renew_manager", self.renew)
        patch.setattr(f"{where}.account_of", lambda _user: self.account)
        self.account: pwd.struct_passwd

    def lacks(self, _account: pwd.struct_passwd, mark: str) -> dict[str, Any]:
        self.wanted = mark
        return {"lacks": mark != self.mark}

    def renew(self, _account: pwd.struct_passwd) -> dict[str, Any]:
        if self.refuses:
            raise HomeError("the systemd of a does not take the variables: systemctl --user daemon-reexec has not ended within 60 s")
        self.mark = self.wanted
        return {}


def test_a_manager_that_does_not_take_them_is_asked_again_by_the_next_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = Manager(monkeypatch)
    home = tmp_path / "home"
    home.mkdir()
    manager.account = pwd.struct_passwd(("a", "x", os.getuid(), os.getgid(), "", str(home), "/bin/bash"))
    machine = Machine(str(tmp_path / "box"))
    old: dict[str, Any] = {"user": "a", "vars": {"TOKEN": SECRET}}
    assert apply(machine, old, check=False)["renewed"] and manager.mark == mark_of(old["vars"])
    assert not apply(machine, old, check=False)["changed"]
    manager.refuses = True
    with pytest.raises(Failed, match="does not take the variables"):
        apply(machine, {**old, "vars": {}}, check=False)
    with pytest.raises(Failed, match="does not take the variables"):
        apply(machine, {**old, "vars": {}}, check=False)
    manager.refuses = False
    ahead = apply(machine, {**old, "vars": {}}, check=True)
    assert (ahead["changed"], ahead["renewed"], ahead["files"], manager.mark != "") == (True, True, [], True)
    assert apply(machine, {**old, "vars": {}}, check=False)["renewed"] and manager.mark == ""
    assert not apply(machine, {**old, "vars": {}}, check=False)["changed"]
