# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Output that is seen as it comes: in order, harmless to a terminal, and the same in the end. A shell plays ssh."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import exec_live
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError
from ansible_collections.pixels.sandbox.plugins.module_utils.core.exec_live import Lines, shown
from ansible_collections.pixels.sandbox.plugins.module_utils.core.exec_wrapper import Command, Fate, Outcome, pack

NOT = "\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize(
    ("line", "colour", "plain"),
    [
        ("text\twith tab", "text\twith tab", "text\twith tab"),
        ("\x1b[1;31mred\x1b[0m", "\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b[38:5:1mx\x1b[m", "\x1b[38:5:1mx\x1b[m", "x"),
        ("\x1b[2J\x1b[Hx", f"{NOT}[2J{NOT}[Hx", f"{NOT}[2J{NOT}[Hx"),
        ("\x1b]0;title\x07x", f"{NOT}]0;title{NOT}x", f"{NOT}]0;title{NOT}x"),
        ("a\bb\0c\x7f\x9b31m", f"a{NOT}b{NOT}c{NOT}{NOT}31m", f"a{NOT}b{NOT}c{NOT}{NOT}31m"),
        ("user\u202egnp.exe", f"user{NOT}gnp.exe", f"user{NOT}gnp.exe"),
        ("10%\r50%\r100%\r", "100%", "100%"),
        ("dos\r", "dos", "dos"),
        ("日本 é 👩\u200d🚀", "日本 é 👩\u200d🚀", "日本 é 👩\u200d🚀"),
    ],
)
def test_what_a_terminal_gets(line: str, colour: str, plain: str) -> None:
    assert (shown(line), shown(line, colour=False)) == (colour, plain)


class TestLines:
    def lines(self, *parts: bytes) -> list[str]:
        stream = Lines(b"mark")
        found = [line for part in parts for line in stream.feed(part)]
        return found + stream.end()

    def test_of_the_command_only(self) -> None:
        assert self.lines(b"welcome\nmark begin\none\n\ntwomark end 0\n") == ["one", "", "two"]
        assert self.lines(b"welcomemark begin\none\nmark end 0\nmark limit 0\n") == ["one"]
        assert self.lines(b"welcome\nmark chdir\nmore\n") == []

    def test_however_they_are_cut(self) -> None:
        whole = "x\nmark begin\né日\nend".encode()
        assert self.lines(*(bytes([byte]) for byte in whole)) == ["é日", "end"]

    def test_a_line_without_an_end_is_shown_in_parts_and_no_marker_is(self) -> None:
        for size in range(1 << 15, (1 << 15) + 70):
            found = self.lines(b"mark begin\n" + b"x" * size, b"mark end 0\n")
            assert "".join(found) == "x" * size

    def test_a_colour_goes_on_in_its_own_next_line_and_nowhere_else(self) -> None:
        found = self.lines(b"mark begin\n\x1b[31mred\nstill\x1b[0m not\nplain\n")
        assert found == ["\x1b[31mred\x1b[0m", "\x1b[31mstill\x1b[0m not", "plain"]
        assert len(self.lines(b"mark begin\n" + b"\x1b[31m" * 1000 + b"\nx\n")[1]) < 300


class Ssh:
    """Runs parcels as ssh would, with a shell of this machine at the other end."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.shown: list[str] = []
        self.times: list[float] = []
        self.before = self.behind = ""
        self.path = os.environ["PATH"]

    def __call__(self, *argv: str, stdin: bytes | None = None, limit: int | None = None, output: bool = True) -> Outcome:
        parcel = pack(Command(argv, stdin=stdin, timeout=limit, login=False))
        line = ["env", "-i", f"PATH={self.path}", f"HOME={self.home}", "sh", "-c", f"{self.before}\n{parcel.line}{self.behind}"]
        ended = exec_live.run(line, parcel, self.show, output=output, limit=limit)
        self.status, self.overdue = ended.status, ended.overdue
        return parcel.read(ended.stdout, ended.stderr)

    def show(self, lines: list[str]) -> None:
        self.shown += lines
        self.times.append(time.monotonic())


@pytest.fixture
def ssh(tmp_path: Path) -> Ssh:
    return Ssh(tmp_path)


def test_lines_come_while_it_runs_and_streams_stay_apart(ssh: Ssh, tmp_path: Path) -> None:
    # It goes on only when its first line has been seen.
    seen = tmp_path / "seen"
    show = ssh.show

    def touch(lines: list[str]) -> None:
        seen.touch()
        show(lines)

    ssh.show = touch  # type: ignore[method-assign]
    script = f"echo one; while [ ! -e {seen} ]; do sleep 0.05; done; echo two >&2; sleep 0.3; printf three; exit 7"
    outcome = ssh("sh", "-c", script, limit=30)
    assert (outcome.fate, outcome.status, outcome.stdout, outcome.stderr) == (Fate.ENDED, 7, b"one\nthree", b"two\n")
    assert ssh.shown == ["one", "two", "three"]


@pytest.mark.parametrize("status", [0, 1, 126, 127, 137, 255])
def test_every_status_is_exact(status: int, ssh: Ssh) -> None:
    assert ssh("sh", "-c", f"exit {status}").status == status


def test_ten_mebibytes_there_and_back(ssh: Ssh) -> None:
    data = os.urandom(10 * 1024 * 1024)
    assert ssh("cat", stdin=data, output=False).stdout == data
    assert ssh.shown == []


def test_output_that_goes_to_a_file_is_not_shown_and_errors_are(ssh: Ssh) -> None:
    outcome = ssh("sh", "-c", "echo out; echo err >&2", output=False)
    assert (ssh.shown, outcome.stdout) == (["err"], b"out\n")


def test_a_time_limit(ssh: Ssh) -> None:
    outcome = ssh("sh", "-c", "echo begun; exec sleep 600", limit=1)
    assert (outcome.fate, outcome.status, ssh.shown) == (Fate.TIMED_OUT, 124, ["begun"])


@pytest.mark.parametrize("grace", [60.0, 1.0], ids=["in time", "late"])
def test_a_time_limit_that_the_container_does_not_keep_is_kept_here(
    grace: float, ssh: Ssh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its `timeout` does nothing, and the command ends only when ssh does: at the signal."""
    (tmp_path / "timeout").write_text('#!/bin/sh\nshift 3\nexec "$@"\n')
    (tmp_path / "timeout").chmod(0o755)
    ssh.path = f"{tmp_path}:{ssh.path}"
    monkeypatch.setattr(exec_live, "_GRACE", grace)
    late = grace < 60
    outcome = ssh("sh", "-c", f"echo begun; exec sleep {600 if late else 1.5}", limit=1)
    assert (outcome.fate, ssh.overdue) == ((Fate.LOST, True) if late else (Fate.ENDED, False))
    assert outcome.stdout == b"begun\n"


@pytest.mark.parametrize(("end", "fate"), [("sleep 600", Fate.TIMED_OUT), ("exit 3", Fate.ENDED)])
def test_what_holds_the_output_open_beyond_the_limit_is_not_waited_for(
    end: str, fate: Fate, ssh: Ssh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As sshd does, the pipe goes on for as long as anybody may write to it."""
    ssh.behind = " | cat"
    monkeypatch.setattr(exec_live, "_GRACE", 3.0)
    outcome = ssh("sh", "-c", f"echo one; setsid sh -c 'echo $$ >{tmp_path}/pid; exec sleep 60' 2>/dev/null & {end}", limit=1)
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    assert (outcome.fate, outcome.status, ssh.overdue) == (fate, 124 if fate is Fate.TIMED_OUT else 3, True)
    assert outcome.stdout == b"one\n"


def test_what_the_login_says_is_not_shown(ssh: Ssh) -> None:
    ssh.before = "echo welcome; echo hm >&2"
    assert ssh("echo", "x").stdout == b"x\n"
    assert ssh.shown == ["x"]


def test_a_connection_that_breaks_is_lost_and_one_that_never_was_is_not_started(ssh: Ssh) -> None:
    assert ssh("sh", "-c", "echo half; kill -9 $PPID; kill -9 $(ps -o ppid= $PPID)").fate is Fate.LOST
    ssh.before = "echo 'ssh: no route' >&2; exit 255"
    assert ssh("true", stdin=b"x" * 1_000_000).fate is Fate.NOT_STARTED
    assert ssh.status == 255


def test_a_shared_connection_that_keeps_standard_error_open_is_not_waited_for(ssh: Ssh) -> None:
    ssh.before = f"sleep 60 >/dev/null </dev/null & echo $! >{ssh.home}/pid"
    began = time.monotonic()
    outcome = ssh("sh", "-c", "echo out; echo err >&2")
    assert (outcome.stdout, outcome.stderr, outcome.status) == (b"out\n", b"err\n", 0)
    assert time.monotonic() - began < 30
    os.kill(int((ssh.home / "pid").read_text()), signal.SIGKILL)


def test_no_ssh_is_an_error_that_says_so(ssh: Ssh) -> None:
    with pytest.raises(CoreError, match="cannot be run on the control node"):
        exec_live.run(["/no/such/ssh"], pack(Command(("true",))), ssh.show)


def test_an_interrupt_leaves_no_process_behind(ssh: Ssh, tmp_path: Path) -> None:
    def interrupt(_lines: list[str]) -> None:
        raise KeyboardInterrupt

    ssh.show = interrupt  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        ssh("sh", "-c", f"echo $$ >{tmp_path}/pid; echo 1; exec sleep 60")
    pid = int((tmp_path / "pid").read_text())
    until = time.monotonic() + 10
    while time.monotonic() < until and Path(f"/proc/{pid}").exists():
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()
