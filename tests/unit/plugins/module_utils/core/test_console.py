"""The console's command lines and what its statuses mean; the program in the container, with stand-ins for what keeps sessions."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core.console import (
    PROGRAM,
    forwarded,
    outcome,
    remote_words,
    typed,
)
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError

ROOT = Path(__file__).resolve().parents[5]
SCRIPT = ROOT / "roles" / "console" / "files" / "session"
DETACH = ROOT / "roles" / "console" / "files" / "detach"


def params(**given: Any) -> dict[str, Any]:
    return {"session": "console", "persist": True, "multiplexer": "auto", "command": None, "environment": {}, **given}


def test_the_shortest_command() -> None:
    assert remote_words(params(), tell=False) == [PROGRAM, "console"]
    assert remote_words(params(), tell=True) == [PROGRAM, "-s", "console"]


def test_all_of_it_and_no_value_in_it() -> None:
    wanted = params(session="build", multiplexer="tmux", command="make all", environment={"TOKEN": "secret", "A": "b"})
    assert remote_words(wanted, tell=True) == [PROGRAM, "-m", "tmux", "-f", "A,TOKEN", "-s", "build", "make all"]
    line = typed(["ssh", "-i", "key", "me@box"], wanted)
    assert "secret" not in line
    words = shlex.split(line)
    assert words[:6] == ["ssh", "-t", "-o", "SendEnv=PIXELS_ENV_*", "-i", "key"]
    assert shlex.split(words[-1]) == remote_words(wanted, tell=False)


def test_a_plain_login_is_no_session() -> None:
    assert remote_words(params(persist=False, multiplexer="tmux"), tell=False) == [PROGRAM, "-m", "none", "console"]


@pytest.mark.parametrize("name", ["", "a b", "a;b", "a.b", "a:b", "$(id)", "x" * 65, "é", "a\n"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(CoreError, match="session"):
        remote_words(params(session=name), tell=False)


def test_variables_travel_under_names_that_the_server_takes() -> None:
    assert forwarded({"A": "x y", "N": 3, "B": True}) == {"PIXELS_ENV_A": "x y", "PIXELS_ENV_N": "3", "PIXELS_ENV_B": "true"}
    for bad in ({"A-B": "x"}, {"1A": "x"}, {"A": "x\0y"}):
        with pytest.raises(CoreError, match="environment"):
            forwarded(bad)


@pytest.mark.parametrize(
    ("status", "given", "state", "rc", "failed"),
    [
        (75, {}, "detached", 0, False),
        (75, {"persist": False}, "ended", 75, False),
        (0, {}, "ended", 0, False),
        (7, {"persist": False}, "ended", 7, False),
        (255, {}, "lost", 255, True),
        (-9, {}, "lost", -9, True),
        (127, {}, "lost", 127, True),
        (127, {"command": "nothing"}, "ended", 127, False),
    ],
)
def test_what_a_status_means(status: int, given: dict[str, Any], state: str, rc: int, failed: bool) -> None:
    told = outcome(status, params(**given), "box")
    assert (told["state"], told["rc"], told.get("failed", False)) == (state, rc, failed)


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """A home, and a PATH with stand-ins: each writes down how it was called, and with which environment."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "home").mkdir()
    for name in ("id", "printf", "tr", "stty", "env", "grep", "cat"):
        found = subprocess.run(["sh", "-c", f"command -v {name}"], capture_output=True, text=True, check=False).stdout.strip()
        if found.startswith("/"):
            (tmp_path / "bin" / name).symlink_to(found)
    return tmp_path


def stand_in(box: Path, name: str, answers: str = "") -> None:
    path = box / "bin" / name
    path.write_text(f'#!/bin/sh\nprintf "%s|" {name} "$@" >>{box}/calls\necho >>{box}/calls\nenv >{box}/env-{name}\n{answers}\nexit 0\n')
    path.chmod(0o755)


def run(box: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    base = {"PATH": str(box / "bin"), "HOME": str(box / "home"), "SHELL": "/bin/sh", "TERM": "xterm"}
    return subprocess.run(
        ["/bin/sh", str(SCRIPT), *words], env={**base, **environment}, input="", capture_output=True, text=True, check=False, timeout=30
    )


def calls(box: Path) -> list[list[str]]:
    return [line.split("|")[:-1] for line in (box / "calls").read_text().splitlines()]


def test_zmx_is_taken_where_it_is_and_runs_a_login_shell(box: Path) -> None:
    stand_in(box, "zmx", 'if [ "$1" = list ]; then echo build; fi')
    stand_in(box, "tmux")
    done = run(box, "-s", "build", XDG_RUNTIME_DIR="/run/user/1000")
    assert done.returncode == 75, done.stderr
    assert calls(box) == [["zmx", "attach", "build", "/bin/sh", "-l"], ["zmx", "list", "--short"]]
    # Below the run-time directory the sockets would go with the last login.
    assert f"ZMX_DIR=/tmp/zmx-{os.getuid()}" in (box / "env-zmx").read_text()


def test_a_zmx_session_that_has_ended_is_not_left(box: Path) -> None:
    stand_in(box, "zmx")
    assert run(box, "-s", "build", "make").returncode == 0
    assert calls(box)[0] == ["zmx", "attach", "build", "/bin/sh", "-lc", "make"]


def test_tmux_where_there_is_no_zmx_or_it_is_asked_for(box: Path) -> None:
    stand_in(
        box,
        "tmux",
        'case "$*" in *show-options*) echo TOKEN;; *has-session*) [ -e $HOME/began ];; *new-session*) : >$HOME/began;; esac || exit 1',
    )
    stand_in(box, "zmx")
    done = run(box, "-m", "tmux", "-s", "-f", "TOKEN,OTHER", "work", PIXELS_ENV_TOKEN="secret")
    assert done.returncode == 75, done.stderr
    made = [words[6:] for words in calls(box) if words[0] == "tmux"]
    assert [words[0] for words in made if words[0] != "show-options"] == [
        *("set-option", "has-session", "list-sessions", "new-session", "attach-session", "has-session")
    ]
    assert ["set-option", "-ga", "update-environment", "OTHER"] in made and "secret" not in (box / "calls").read_text()
    assert "\nTOKEN=secret\n" in (box / "env-tmux").read_text() and "PIXELS_ENV_" not in (box / "env-tmux").read_text()


def test_without_either_it_is_a_plain_login_that_says_so(box: Path) -> None:
    done = run(box, "console", "echo plain; exit 5")
    assert (done.returncode, done.stdout) == (5, "plain\n")
    assert "neither zmx nor tmux" in done.stderr
    assert run(box, "-m", "zmx", "console", "true").stderr.startswith("session: no zmx")


def test_an_unknown_terminal_becomes_a_known_one(box: Path) -> None:
    for term, seen in (("nobodys-terminal", "xterm-256color"), ("../../etc/passwd", "xterm-256color"), ("mine", "mine")):
        (box / "home" / ".terminfo" / "m").mkdir(parents=True, exist_ok=True)
        (box / "home" / ".terminfo" / "m" / "mine").touch()
        assert run(box, "-m", "none", "console", "echo $TERM", TERM=term).stdout == f"{seen}\n"


def test_utf_8_where_the_login_says_nothing(box: Path) -> None:
    assert run(box, "-m", "none", "c", "echo $LANG").stdout == "C.UTF-8\n"
    assert run(box, "-m", "none", "c", "echo $LANG$LC_ALL", LC_ALL="C").stdout == "C\n"


@pytest.mark.parametrize("words", [["a b"], ["a;b"], ["-x"], ["-m", "auto", "../a"]])
def test_the_program_takes_no_other_words(box: Path, words: list[str]) -> None:
    assert run(box, *words).returncode == 64


@pytest.mark.parametrize(
    ("environment", "called"),
    [({"TMUX": "/tmp/x,1,0"}, [["tmux", "detach-client"]]), ({"ZMX_SESSION": "a"}, [["zmx", "detach"]]), ({}, None)],
)
def test_detach(box: Path, environment: dict[str, str], called: list[list[str]] | None) -> None:
    stand_in(box, "zmx")
    stand_in(box, "tmux")
    done = subprocess.run(
        ["/bin/sh", str(DETACH)], env={"PATH": str(box / "bin"), **environment}, capture_output=True, text=True, check=False, timeout=30
    )
    if called is None:
        assert done.returncode == 1 and "in no session" in done.stderr
    else:
        assert done.returncode == 0 and calls(box) == called
