# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What `pixels.sandbox.exec` promises, whichever way the command travels: its options in, its result out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from .exec_wrapper import Command, Fate, Outcome, split

ARGUMENTS: dict[str, dict[str, Any]] = {
    "argv": {"type": "list", "elements": "str"},
    "cmd": {"type": "str"},
    "chdir": {"type": "str"},
    "stdin": {"type": "str"},
    "stdin_file": {"type": "str"},
    "stdout_file": {"type": "str"},
    "timeout": {"type": "int"},
    "login": {"type": "bool", "default": True},
    "env": {"type": "dict", "no_log": True},
    "live": {"type": "bool", "default": False},
    "on_refused": {"type": "str", "choices": ["unreachable", "fail"], "default": "unreachable"},
}
RULES: dict[str, Any] = {"mutually_exclusive": [["argv", "cmd"], ["stdin", "stdin_file"]], "required_one_of": [["argv", "cmd"]]}


def command_of(params: Mapping[str, Any], stdin: bytes | None) -> Command:
    """The command of a task; raises CommandError for what cannot be one."""
    argv = split(params["cmd"]) if params.get("cmd") is not None else tuple(params["argv"])
    timeout = params.get("timeout")
    env = {name: _value(value) for name, value in (params.get("env") or {}).items()}
    return Command(argv=argv, chdir=params.get("chdir") or None, stdin=stdin, login=params["login"], timeout=timeout, env=env)


def _value(value: Any) -> str:
    """As YAML writes it: a variable that is given as true is not to arrive as True."""
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


def stdin_of(params: Mapping[str, Any]) -> bytes | None:
    text = params.get("stdin")
    return None if text is None else text.encode("utf-8", "surrogateescape")


def _text(raw: bytes) -> str:
    """For people and templates; bytes that are no UTF-8 show as replacement characters."""
    return raw.decode("utf-8", "replace")


def _message(command: Command, outcome: Outcome) -> str:
    said = _text(outcome.stderr).strip()
    because = f": {said}" if said else ""
    match outcome.fate:
        case Fate.ENDED:
            return "non-zero return code"
        case Fate.TIMED_OUT:
            return f"the command did not end within {command.timeout} s (timeout) and was stopped"
        case Fate.NO_DIRECTORY:
            return f"chdir: {command.chdir!r} is not a directory that the command can enter in the container{because}"
        case Fate.NO_STDIN:
            return f"the command was not run: its standard input did not arrive whole, or could not be stored in the container{because}"
        case Fate.NO_SHELL:
            return f"the command was not run: the user's login profile ended the shell before it (login=false leaves it out){because}"
        case Fate.NO_TIMER:
            return f"the command was not run: a time limit needs the program timeout of coreutils in the container{because}"
        case Fate.NOT_STARTED:
            return f"the command was not run: no shell answered{because}"
        case Fate.LOST:
            return "the shell around the command ended before it could tell the command's status"


def result_of(command: Command, outcome: Outcome, start: datetime, end: datetime, *, keep_stdout: bool = True) -> dict[str, Any]:
    """The result as `ansible.builtin.command` would give it."""
    stdout, stderr = _text(outcome.stdout) if keep_stdout else "", _text(outcome.stderr)
    ran = outcome.fate in (Fate.ENDED, Fate.TIMED_OUT, Fate.LOST)
    result: dict[str, Any] = {
        "changed": ran,
        "cmd": list(command.argv),
        "rc": outcome.status if ran else None,
        "stdout": stdout,
        "stdout_lines": stdout.splitlines(),
        "stderr": stderr,
        "stderr_lines": stderr.splitlines(),
        "start": str(start),
        "end": str(end),
        "delta": str(end - start),
    }
    if outcome.fate is not Fate.ENDED or outcome.status != 0:
        result.update(failed=True, msg=_message(command, outcome))
    if outcome.fate is Fate.TIMED_OUT:
        result["timed_out"] = True
    return result
