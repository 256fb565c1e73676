# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Variables of a command: they arrive as they are, count more than the login profile, and are in nobody's argument list."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core.exec_command import ARGUMENTS, command_of
from ansible_collections.pixels.sandbox.plugins.module_utils.core.exec_wrapper import (
    REMOTE_LINE,
    Command,
    CommandError,
    Fate,
    Outcome,
    pack,
)

ENVIRON = (sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))")
VALUES = {
    "PLAIN": "value",
    "EMPTY": "",
    "HARD": "two words '\"`$HOME $(id) \\ ; && | * \n\nline\n",
    "UNICODE": "é日",
    "RAW": "\udcff",
    "LONG": "x" * 100_000,
    "_a1": "-n",
    "IFS": "abc",
    "BASH_ENV": "/no/such",
    "LC_ALL": "C.UTF-8",
}


def run(command: Command, home: Path, **env: str) -> Outcome:
    parcel = pack(command)
    done = subprocess.run(
        ["/bin/sh", "-c", parcel.line],
        input=parcel.data,
        capture_output=True,
        check=False,
        timeout=60,
        cwd=home,
        env={"PATH": os.environ["PATH"], "HOME": str(home), **env},
    )
    return parcel.read(done.stdout, done.stderr)


@pytest.mark.parametrize("limit", [None, 30], ids=["no limit", "limit"])
@pytest.mark.parametrize("login", [True, False], ids=["login", "no login"])
def test_values_arrive_as_they_are_and_nothing_else_does(login: bool, limit: int | None, tmp_path: Path) -> None:
    without = json.loads(run(Command(ENVIRON, login=login, timeout=limit), tmp_path).stdout)
    outcome = run(Command(ENVIRON, login=login, timeout=limit, env=VALUES, stdin=b"input"), tmp_path)
    found = json.loads(outcome.stdout)
    assert {name: found.pop(name) for name in VALUES} == VALUES
    without.pop("LC_CTYPE", None)  # Python sets it where it finds no other
    assert found == without and outcome.stderr == b""
    assert not [name for name in found if name.startswith("_px_")]


def test_they_count_more_than_the_login_profile_which_sees_nothing_of_them(tmp_path: Path) -> None:
    (tmp_path / ".profile").write_text('SEEN="[$TOKEN]"; TOKEN=stored; export TOKEN SEEN\nIFS=xyz\n')
    outcome = run(Command(("sh", "-c", 'echo "$SEEN $TOKEN"'), env={"TOKEN": "session"}), tmp_path)
    assert outcome.stdout == b"[] session\n"


def test_they_are_in_no_list_of_processes(tmp_path: Path) -> None:
    """D26: looked at from within, where all the wrapper's shells are still there."""
    look = (
        "import glob, os\n"
        "seen = 0\n"
        "for path in glob.glob('/proc/[0-9]*/cmdline'):\n"
        "    try: words = open(path, 'rb').read()\n"
        "    except OSError: continue\n"
        "    seen += b'_px_mark' in words\n"
        "    assert os.environb[b'TOKEN'] not in words, words\n"
        "print(seen)"
    )
    outcome = run(Command((sys.executable, "-c", look), env={"TOKEN": "s3cret-value-of-this-test"}, timeout=30), tmp_path)
    assert outcome.status == 0, outcome.stderr
    assert int(outcome.stdout) >= 2, "the shells were looked at"
    parcel = pack(Command(("true",), env={"TOKEN": "other-value"}))
    assert parcel.line == REMOTE_LINE and "other-value" not in repr(parcel) + repr(Command(("true",), env={"TOKEN": "other-value"}))


def test_a_path_of_its_own_is_where_the_program_is_looked_for(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "mytool").write_text("#!/bin/sh\necho mine\n")
    (tmp_path / "tools" / "mytool").chmod(0o755)
    outcome = run(Command(("mytool",), env={"PATH": f"{tmp_path}/tools:{os.environ['PATH']}"}), tmp_path)
    assert (outcome.fate, outcome.stdout) == (Fate.ENDED, b"mine\n")


@pytest.mark.parametrize("name", ["", "1A", "A-B", "A B", "A\n", "é", "A=", "UID", "SHELLOPTS", "_px_mark", 5])
def test_names_that_cannot_be_are_refused(name: str) -> None:
    with pytest.raises(CommandError, match="env: "):
        Command(("true",), env={name: "s3cret"})


def test_errors_show_no_value() -> None:
    for env in ({"TOKEN=s3cret": "s3cret"}, {"A": "s3cret\0"}, {"A": "s3cret" * 100_000}):
        with pytest.raises(CommandError) as caught:
            Command(("true",), env=env)
        assert "s3cret" not in str(caught.value)


def test_values_of_a_task_are_texts() -> None:
    params = {name: rule.get("default") for name, rule in ARGUMENTS.items()}
    command = command_of({**params, "argv": ["true"], "env": {"A": True, "B": 5, "C": None, "D": "x"}}, None)
    assert command.env == {"A": "true", "B": "5", "C": "", "D": "x"}
    assert ARGUMENTS["env"]["no_log"] is True
