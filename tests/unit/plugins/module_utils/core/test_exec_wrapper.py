# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Commands travel exactly. The real /bin/sh of this machine plays the container."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core.exec_wrapper import (
    Command,
    CommandError,
    Fate,
    Outcome,
    pack,
    split,
)

SHELLS = [shell for shell in ("/bin/sh", "/bin/bash") if Path(shell).exists()]
ECHO = (sys.executable, "-c", "import os, sys; sys.stdout.buffer.write(b'\\0'.join(map(os.fsencode, sys.argv[1:])))")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def run(command: Command, home: Path, shell: str = "/bin/sh", **env: str) -> Outcome:
    parcel = pack(command)
    done = subprocess.run(
        [shell, "-c", parcel.line],
        input=parcel.data,
        capture_output=True,
        check=False,
        timeout=60,
        cwd=home,
        env={"PATH": os.environ["PATH"], "HOME": str(home), **env},
    )
    assert done.returncode in (0, 137), "the wrapper itself never fails, unless it is killed"
    return parcel.read(done.stdout, done.stderr)


HARD_WORDS = [
    ("two words",),
    ("'", '"', "`", "\\", "$HOME", "$(id)", ";", "&&", "|", ">", "*", "?", "[a-z]", "~", "#", "!", "{a,b}", "=x", "-n"),
    ("", "", "x", ""),
    ("line\none\n\n", "\n", "tab\tand\rreturn", "back\\nslash"),
    ("é", "日本", "\udcff\udc80 not utf-8", "".join(map(chr, range(1, 128)))),
    tuple(os.fsdecode(bytes([byte])) for byte in range(1, 256)),
    ("x" * 120_000, "y" * 120_000),
]


@pytest.mark.parametrize("login", [True, False])
@pytest.mark.parametrize("words", HARD_WORDS, ids=range(len(HARD_WORDS)))
def test_d23_every_word_arrives_exact(words: tuple[str, ...], login: bool, home: Path) -> None:
    """D23: spaces, quotes, ``;``, ``$``, the empty word and newlines arrive as they were given."""
    outcome = run(Command((*ECHO, *words), login=login), home)
    assert outcome == Outcome(Fate.ENDED, 0, b"\0".join(map(os.fsencode, words)), b"")


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("status", [0, 1, 2, 126, 127, 137, 255])
def test_d24_status_is_the_commands(status: int, shell: str, home: Path) -> None:
    """D24: every status comes back as it was, 255 included."""
    outcome = run(Command(("sh", "-c", f"echo out; echo err >&2; exit {status}")), home, shell)
    assert outcome == Outcome(Fate.ENDED, status, b"out\n", b"err\n")


def test_d24_killed_command_is_128_plus_signal_and_nothing_is_added_to_its_output(home: Path) -> None:
    assert run(Command(("sh", "-c", "kill -9 $$")), home) == Outcome(Fate.ENDED, 137, b"", b"")


def test_missing_program_is_127_and_a_file_that_cannot_run_is_126(home: Path) -> None:
    (home / "data").write_text("no program")
    missing = run(Command(("no-such-program", "x")), home)
    assert (missing.fate, missing.status) == (Fate.ENDED, 127)
    assert b"no-such-program" in missing.stderr
    assert run(Command((str(home / "data"),)), home).status == 126


def test_only_programs_run_never_shell_words(home: Path) -> None:
    assert run(Command(("cd", "/")), home).status == 127
    assert run(Command(("a=b",)), home).status == 127
    assert run(Command(("-c", "x")), home).status == 127


@pytest.mark.parametrize("size", [0, 1, 70_000, 10 * 1024 * 1024])
def test_d24_binary_input_and_output_are_identical(size: int, home: Path) -> None:
    data = os.urandom(size)
    outcome = run(Command(("cat",), stdin=data), home)
    assert (outcome.fate, outcome.status, outcome.stderr) == (Fate.ENDED, 0, b"")
    assert outcome.stdout == data


def test_without_stdin_the_command_reads_end_of_file(home: Path) -> None:
    assert run(Command(("cat",)), home) == Outcome(Fate.ENDED, 0, b"", b"")


def test_truncated_stdin_never_reaches_the_command(home: Path) -> None:
    """A connection that breaks half-way ends the stream early; a command must not take the half for the whole."""
    parcel = pack(Command(("touch", "ran"), stdin=b"x" * 1000))
    done = subprocess.run(["/bin/sh", "-c", parcel.line], input=parcel.data[:-1], capture_output=True, check=True, cwd=home)
    assert parcel.read(done.stdout, done.stderr).fate is Fate.NO_STDIN
    assert not (home / "ran").exists()


def test_stored_input_is_gone_when_the_command_runs(home: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    outcome = run(Command(("ls", str(store)), stdin=b"x" * 2_000_000), home, TMPDIR=str(store))
    assert outcome == Outcome(Fate.ENDED, 0, b"", b"")
    assert list(store.iterdir()) == []


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_d23_login_profile_is_active_and_its_chatter_is_not_the_commands_output(home: Path) -> None:
    """D23: what a login profile puts on PATH is found."""
    (home / "tools").mkdir()
    (home / "tools" / "claude").write_text("#!/bin/sh\necho hello from claude; cat\n")
    (home / "tools" / "claude").chmod(0o755)
    (home / ".bash_profile").write_text('PATH="$HOME/tools:$PATH"; echo welcome; echo psst >&2; cat\n')
    assert run(Command(("claude",), stdin=b"the input"), home) == Outcome(Fate.ENDED, 0, b"hello from claude\nthe input", b"")
    assert run(Command(("claude",), login=False), home).status == 127


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_profile_that_ends_the_shell_is_not_mistaken_for_the_command(home: Path) -> None:
    (home / ".bash_profile").write_text("echo no entry >&2; exit 0\n")
    outcome = run(Command(("true",)), home)
    assert (outcome.fate, outcome.status) == (Fate.NO_SHELL, 0)
    assert b"no entry" in outcome.stderr


def test_environment_of_the_command_is_untouched(home: Path) -> None:
    outcome = run(Command(("env",), login=False), home, rc="1", mark="2", login="3")
    names = {line.partition(b"=")[0] for line in outcome.stdout.splitlines()}
    assert names - {b"PWD", b"OLDPWD", b"SHLVL", b"_", b"LC_CTYPE"} == {b"PATH", b"HOME", b"rc", b"mark", b"login"}
    assert b"\nrc=1\n" in b"\n" + outcome.stdout


def test_command_inherits_no_stray_descriptors(home: Path) -> None:
    outcome = run(Command(("sh", "-c", "ls /proc/$$/fd")), home)
    assert set(outcome.stdout.split()) <= {b"0", b"1", b"2", b"10", b"255"}


@pytest.mark.parametrize("chdir", ["{home}/a dir", "a dir", "~/a dir"])
def test_chdir(chdir: str, home: Path) -> None:
    (home / "a dir").mkdir()
    assert run(Command(("pwd",), chdir=chdir.format(home=home)), home).stdout.decode().strip() == str(home / "a dir")


def test_chdir_to_nowhere_is_no_status_of_the_command(home: Path) -> None:
    outcome = run(Command(("touch", str(home / "ran")), chdir="/no/such/place"), home)
    assert outcome.fate is Fate.NO_DIRECTORY
    assert b"/no/such/place" in outcome.stderr
    assert not (home / "ran").exists()


def test_timeout_stops_the_command_and_its_children(home: Path) -> None:
    outcome = run(Command(("sh", "-c", "echo before; sleep 600 & wait"), timeout=3), home)
    assert (outcome.fate, outcome.stdout, outcome.stderr) == (Fate.TIMED_OUT, b"before\n", b"")


def test_timeout_lets_a_command_end_in_its_own_time(home: Path) -> None:
    outcome = run(Command(("sh", "-c", "trap 'echo tidy; exit 7' TERM; echo up; while :; do sleep 0.1; done"), timeout=3), home)
    assert (outcome.fate, outcome.stdout) == (Fate.TIMED_OUT, b"up\ntidy\n")


@pytest.mark.parametrize("status", [0, 3, 124, 137])
def test_status_within_the_time_limit_is_the_commands(status: int, home: Path) -> None:
    assert run(Command(("sh", "-c", f"exit {status}"), timeout=30), home) == Outcome(Fate.ENDED, status, b"", b"")


def test_d24_no_trailer_is_no_status(home: Path) -> None:
    """D24: a connection that breaks is not a status, whatever number SSH gives it."""
    parcel = pack(Command(("true",)))
    begin = f"{parcel.marker} begin\n".encode()
    assert parcel.read(b"", b"ssh: connect to host: No route to host\n").fate is Fate.NOT_STARTED
    assert parcel.read(begin + b"some", b"ssh noise" + begin + b"err") == Outcome(Fate.LOST, None, b"some", b"err")
    assert run(Command(("sh", "-c", "kill -9 $PPID")), home).fate is Fate.LOST


def test_messages_of_ssh_before_the_command_are_not_its_stderr() -> None:
    parcel = pack(Command(("true",)))
    begin, end = f"{parcel.marker} begin\n".encode(), f"{parcel.marker} end 4\n".encode()
    assert parcel.read(b"motd\n" + begin + b"out", b"banner\n" + begin + b"err" + end) == Outcome(Fate.ENDED, 4, b"out", b"err")


def test_d26_the_command_line_says_nothing_of_the_command() -> None:
    """D26: process lists on either end and debug output show a constant."""
    parcel = pack(Command(("curl", "-H", "Authorization: s3cret"), stdin=b"s3cret"))
    assert "s3cret" not in parcel.line
    assert parcel.marker not in parcel.line
    assert "s3cret" not in repr(parcel)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ls -la /tmp", ("ls", "-la", "/tmp")),
        ("echo 'two words' \"and $HOME\" a\\ b", ("echo", "two words", "and $HOME", "a b")),
        ("printf '' \"\"", ("printf", "", "")),
        ("echo a | wc; true # no comment", ("echo", "a", "|", "wc;", "true", "#", "no", "comment")),
    ],
)
def test_split(line: str, words: tuple[str, ...]) -> None:
    assert split(line) == words


@pytest.mark.parametrize("line", ["echo 'open", 'echo "open', "echo \\"])
def test_split_says_what_is_wrong(line: str) -> None:
    with pytest.raises(CommandError, match="argv"):
        split(line)


@pytest.mark.parametrize("broken", [{"argv": ()}, {"argv": ("",)}, {"argv": ("a\0b",)}, {"argv": ("a",), "timeout": 0}])
def test_impossible_commands_are_refused(broken: dict) -> None:
    with pytest.raises(CommandError):
        Command(**broken)


def test_the_script_is_what_a_posix_shell_reads() -> None:
    for shell in SHELLS:
        assert subprocess.run([shell, "-n", "-c", shlex.split(pack(Command(("true",))).line)[2]], check=False).returncode == 0
