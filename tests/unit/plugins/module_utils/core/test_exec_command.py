# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options in, results out."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core.exec_command import command_of, result_of, stdin_of
from ansible_collections.pixels.sandbox.plugins.module_utils.core.exec_wrapper import Command, CommandError, Fate, Outcome

START = datetime(2026, 1, 31, 9, 0, 0)
COMMAND = Command(("ls", "-la"), chdir="/srv", timeout=5)


def result(fate: Fate, status: int | None, stdout: bytes = b"", stderr: bytes = b"", **options: Any) -> dict[str, Any]:
    return result_of(COMMAND, Outcome(fate, status, stdout, stderr), START, START + timedelta(seconds=1.5), **options)


def test_success_looks_like_that_of_the_command_module() -> None:
    assert result(Fate.ENDED, 0, b"a\nb\n") == {
        "changed": True,
        "cmd": ["ls", "-la"],
        "rc": 0,
        "stdout": "a\nb\n",
        "stdout_lines": ["a", "b"],
        "stderr": "",
        "stderr_lines": [],
        "start": "2026-01-31 09:00:00",
        "end": "2026-01-31 09:00:01.500000",
        "delta": "0:00:01.500000",
    }


def test_any_other_status_fails_in_the_words_of_the_command_module() -> None:
    found = result(Fate.ENDED, 255, b"", b"oops")
    assert (found["failed"], found["msg"], found["rc"], found["changed"]) == (True, "non-zero return code", 255, True)


def test_what_is_no_text_is_replaced() -> None:
    assert result(Fate.ENDED, 0, b"a\xffb")["stdout"] == "a\ufffdb"


def test_output_that_went_to_a_file_is_not_repeated() -> None:
    found = result(Fate.ENDED, 0, b"bytes", keep_stdout=False)
    assert (found["stdout"], found["stdout_lines"]) == ("", [])


@pytest.mark.parametrize("fate", [fate for fate in Fate if fate not in (Fate.ENDED, Fate.TIMED_OUT, Fate.LOST)])
def test_what_never_ran_has_no_status_and_changed_nothing(fate: Fate) -> None:
    found = result(fate, 1, b"", b"the reason")
    assert (found["failed"], found["rc"], found["changed"]) == (True, None, False)
    assert "the reason" in found["msg"]


def test_time_limit() -> None:
    found = result(Fate.TIMED_OUT, 124, b"so far")
    assert (found["failed"], found["timed_out"], found["rc"], found["stdout"]) == (True, True, 124, "so far")
    assert "5 s" in found["msg"]


def test_options_become_a_command() -> None:
    assert command_of({"cmd": "git commit -m 'a b'", "login": False}, b"x") == Command(("git", "commit", "-m", "a b"), None, b"x", False)
    assert command_of({"argv": ["a", ""], "chdir": "", "login": True, "timeout": 3}, None) == Command(("a", ""), timeout=3)


@pytest.mark.parametrize("params", [{"cmd": ""}, {"cmd": "  "}, {"argv": []}, {"argv": [""]}, {"argv": ["a"], "timeout": 0}])
def test_no_command_is_an_error(params: dict[str, Any]) -> None:
    with pytest.raises(CommandError):
        command_of({"login": True, **params}, None)


def test_stdin_is_bytes() -> None:
    assert stdin_of({"stdin": None}) is None
    assert stdin_of({"stdin": ""}) == b""
    assert stdin_of({"stdin": "é\udcff"}) == b"\xc3\xa9\xff"
