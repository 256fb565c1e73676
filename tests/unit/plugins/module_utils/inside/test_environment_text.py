# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The file of variables, and what shells and systemd make of it: every value to the byte."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.inside.environment_startup import BLOCK, GENERATOR, PROFILE, with_block
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.environment_text import (
    OF_THE_SHELL,
    differences,
    name_problem,
    parse,
    render,
    value_problem,
)
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.inside.nasty_values import NASTY

SHELLS = [shell for shell in ("bash", "dash", "sh", "zsh", "bash --posix", "busybox ash") if shutil.which(shell.split()[0])]
DUMP = "import json, os, sys; json.dump(dict(os.environ), sys.stdout)"


def systemd_reads(text: str) -> dict[str, str]:
    """By the rules of systemd.exec(5), EnvironmentFile=, for what is in double quotes."""
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        if text[at] == "#":
            at = text.index("\n", at) + 1
            continue
        name, _equals, _rest = text[at:].partition("=")
        at += len(name) + 1
        assert text[at] == '"'
        at += 1
        value = ""
        while text[at] != '"':
            if text[at] == "\\":
                at += 1
                value += text[at] if text[at] in '"\\`$' else "" if text[at] == "\n" else "\\" + text[at]
            else:
                value += text[at]
            at += 1
        assert text[at + 1] == "\n"
        at += 2
        found[name] = value
    return found


class Home:
    """A home with the start-up files, and shells that read them."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.file = place / ".pixels" / "environment"
        self.file.parent.mkdir()
        self.profile = place / "profile.sh"
        self.profile.write_text(PROFILE)

    def give(self, variables: dict[str, str]) -> None:
        self.file.write_bytes(render(variables).encode())

    def session(self, shell: str, script: str = "", before: str = "", **brought: str) -> dict[str, str]:
        line = f'set -eu\n{before}\n. "{self.profile}"\n{script}\nexec "{sys.executable}" -c "$DUMP"'
        environment = {"HOME": str(self.place), "PATH": os.environ["PATH"], "DUMP": DUMP, **brought}
        done = subprocess.run([*shell.split(), "-c", line], env=environment, capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
        return dict(json.loads(done.stdout))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_it_can_be_read_back() -> None:
    assert parse(render(NASTY)) == NASTY
    assert render({}) == ""


@pytest.mark.parametrize("damage", ["", "x", "# a remark\n", 'PIXELS_ENVIRONMENT="abc"\nA="b"\n'])
def test_what_somebody_has_changed_is_not_believed(damage: str) -> None:
    assert parse(damage) is None
    good = render({"A": "one", "B": "two"})
    assert parse(good.replace("two", "three")) is None and parse(good + 'C="d"\n') is None and parse(good[:-3]) is None


def test_systemd_reads_the_same() -> None:
    found = systemd_reads(render(NASTY))
    assert found.pop("PIXELS_ENVIRONMENT").split()[1:] == sorted(NASTY)
    assert found == NASTY


def test_the_generator_says_what_is_in_the_file_and_nothing_of_others(home: Home) -> None:
    program = home.place / "generator"
    program.write_text(GENERATOR)
    environment = {"HOME": str(home.place), "PATH": os.environ["PATH"]}
    home.give(NASTY)
    assert subprocess.run(["sh", str(program)], env=environment, capture_output=True, check=True).stdout == render(NASTY).encode()
    home.file.unlink()
    os.mkfifo(home.file)
    assert subprocess.run(["sh", str(program)], env=environment, capture_output=True, check=True, timeout=20).stdout == b""


@pytest.mark.parametrize("shell", SHELLS)
def test_shells_read_the_same_however_often(home: Home, shell: str) -> None:
    home.give(NASTY)
    for script in ("", f'. "{home.profile}"'):
        found = home.session(shell, script)
        assert {name: found.get(name) for name in NASTY} == NASTY
        assert not [name for name in found if name.startswith(("_px", "PIXELS_ENV_"))]


@pytest.mark.parametrize("shell", SHELLS)
def test_what_a_session_brings_has_its_own_name_and_goes_before_what_is_kept(home: Home, shell: str) -> None:
    home.give({"KEPT": "kept", "BOTH": "kept"})
    found = home.session(shell, PIXELS_ENV_BOTH="brought", PIXELS_ENV_HERE=NASTY["QUOTES"], PIXELS_ENV_LINES="a\nb\n", PIXELS_ENV_EMPTY="")
    assert (found["KEPT"], found["BOTH"], found["HERE"], found["LINES"], found["EMPTY"]) == (
        "kept",
        "brought",
        NASTY["QUOTES"],
        "a\nb\n",
        "",
    )
    assert not [name for name in found if name.startswith("PIXELS_ENV_")]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_session_may_bring_what_cannot_be_set_and_goes_on(home: Home, shell: str) -> None:
    found = home.session(shell, PIXELS_ENV_UID="0", PIXELS_ENV_IFS="x", PIXELS_ENV_1X="y", PIXELS_ENV_="z", PIXELS_ENV_OK="ok")
    assert found["OK"] == "ok" and "IFS" not in found and "1X" not in found


@pytest.mark.parametrize("shell", SHELLS)
def test_in_a_session_a_variable_can_be_given_another_value_that_shells_below_keep(home: Home, shell: str) -> None:
    home.give({"A": "kept", "B": "kept"})
    found = home.session(shell, f'export A=mine; unset B; . "{home.profile}"')
    assert found["A"] == "mine" and "B" not in found


@pytest.mark.parametrize("shell", SHELLS)
def test_new_values_reach_the_next_shell_and_what_is_gone_goes(home: Home, shell: str) -> None:
    home.give({"A": "old", "GONE": "old"})
    mark = home.session(shell)["PIXELS_ENVIRONMENT"]
    home.give({"A": "new"})
    found = home.session(shell, PIXELS_ENVIRONMENT=mark, A="old", GONE="old")
    assert found["A"] == "new" and "GONE" not in found
    home.file.unlink()
    found = home.session(shell, PIXELS_ENVIRONMENT=found["PIXELS_ENVIRONMENT"], A="new")
    assert "A" not in found and "PIXELS_ENVIRONMENT" not in found


@pytest.mark.parametrize("shell", SHELLS)
def test_a_mark_from_outside_cannot_run_anything(home: Home, shell: str) -> None:
    home.give({"A": "a"})
    found = home.session(shell, PIXELS_ENVIRONMENT='x $(touch pwned) A;touch${IFS}pwned "', PIXELS_ENV_X="$(touch pwned)")
    assert found["A"] == "a" and found["X"] == "$(touch pwned)" and not Path("pwned").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a file away takes root")
@pytest.mark.parametrize("shell", SHELLS)
def test_a_file_of_somebody_else_is_not_read(home: Home, shell: str) -> None:
    """Root with another user's HOME."""
    home.give({"A": "a"})
    os.chown(home.file, 12345, 12345)
    assert "A" not in home.session(shell)


def test_export_of_everything_stays_as_it_was(home: Home) -> None:
    home.give({"A": "a"})
    assert "LATER" not in home.session("bash", "LATER=1") and home.session("bash", "LATER=1", before="set -a")["LATER"] == "1"


@pytest.mark.parametrize("name", ["1A", "A-B", "", "A B", "Ä", "A\n", None, 5, *sorted(OF_THE_SHELL), "PIXELS_ENVIRONMENT", "PIXELS_ENV_A"])
def test_names_that_cannot_be(name: object) -> None:
    assert name_problem(name)


def test_values_that_cannot_be() -> None:
    assert value_problem("a\0b") and value_problem("\udce9") and not any(value_problem(value) for value in NASTY.values())


def test_differences_are_names() -> None:
    assert differences({"A": "1", "B": "1", "C": "1"}, {"A": "1", "B": "2", "D": "1"}) == [
        {"name": "B", "change": "changed"},
        {"name": "C", "change": "removed"},
        {"name": "D", "change": "added"},
    ]


@pytest.mark.parametrize("content", [b"", b"one\ntwo", b"\n\n", b"no newline \xff\xfe\r\n#!", BLOCK.encode() + b"rest\n"])
def test_our_lines_come_first_once_and_others_stay_to_the_byte(content: bytes) -> None:
    with_ours = with_block(content)
    assert with_ours == BLOCK.encode() + content.removeprefix(BLOCK.encode())
    assert with_block(with_ours) == with_ours
    assert with_block(b"moved down\n" + with_ours) == BLOCK.encode() + b"moved down\n" + content.removeprefix(BLOCK.encode())


def test_a_torn_block_takes_nothing_of_others_with_it() -> None:
    begin, middle, _end = BLOCK.encode().splitlines(keepends=True)
    assert with_block(begin + b"mine\n" + middle + b"too\n") == BLOCK.encode() + b"mine\ntoo\n"
