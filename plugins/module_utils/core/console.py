# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the console asks of a container: the command that puts a terminal into a session, and the variables that go with it.

The values of the variables are in the environment of ssh and nowhere else; on command lines there are names.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from .errors import CoreError, Invalid

PROGRAM = "/usr/local/lib/pixels/session"
SESSION = "console"
MULTIPLEXERS = ("auto", "tmux", "zmx", "none")
PREFIX = "PIXELS_ENV_"
# The status with which the program in the container says that the session was left and goes on.
LEFT = 75
# ssh's own: the connection could not be made, or broke.
BROKEN = 255
_MISSING = 127

_SESSION = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

ARGUMENTS: dict[str, dict[str, Any]] = {
    "session": {"type": "str", "default": SESSION},
    "persist": {"type": "bool", "default": True},
    "multiplexer": {"type": "str", "choices": list(MULTIPLEXERS), "default": "auto"},
    "command": {"type": "str"},
    "environment": {"type": "dict", "default": {}, "no_log": True},
}


def session_name(value: str) -> str:
    if not _SESSION.fullmatch(value):
        raise Invalid("session", value, "a session's name has 1 to 64 letters, digits, hyphens and underscores")
    return value


def forwarded(values: Mapping[str, Any]) -> dict[str, str]:
    """The variables as they travel: sshd takes no others of a client."""
    found = {}
    for name, value in values.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise Invalid("environment", name, "a variable's name has letters, digits and underscores")
        shown = str(value).lower() if isinstance(value, bool) else str(value)
        if "\0" in shown:
            raise CoreError(f"environment: the value of {name} has NUL characters in it")
        found[PREFIX + name] = shown
    return found


def remote_words(params: Mapping[str, Any], *, tell: bool) -> list[str]:
    """The words of the command for the container; `tell` asks for the status LEFT, which would puzzle a person."""
    multiplexer = params["multiplexer"] if params["persist"] else "none"
    names = ",".join(sorted(params["environment"]))
    words = [PROGRAM, *(["-m", multiplexer] if multiplexer != "auto" else []), *(["-f", names] if names else []), *(["-s"] if tell else [])]
    return [*words, session_name(params["session"]), *([params["command"]] if params["command"] else [])]


def typed(ssh: Sequence[str], params: Mapping[str, Any]) -> str:
    """The same for a person to type, in a terminal."""
    send = ["-o", f"SendEnv={PREFIX}*"] if params["environment"] else []
    # The shell there splits the line once more.
    return shlex.join([ssh[0], "-t", *send, *ssh[1:], shlex.join(remote_words(params, tell=False))])


def outcome(status: int, params: Mapping[str, Any], host: str) -> dict[str, Any]:
    """The result of a terminal that has been somewhere, from the status of its ssh; less than 0 is that of a killed one."""
    kept = params["persist"] and params["multiplexer"] != "none"
    session = params["session"]
    if status == LEFT and kept:
        return {"rc": 0, "state": "detached", "msg": f"left the session {session} of {host}, which goes on"}
    if status == BROKEN or status < 0:
        rest = f"; if the session {session} had begun, it goes on" if kept else ""
        return {"failed": True, "rc": status, "state": "lost", "msg": f"the connection with {host} failed or was lost{rest}"}
    if status == _MISSING and not params["command"]:
        return {
            "failed": True,
            "rc": status,
            "state": "lost",
            "msg": f"{host} is not prepared for sessions (no {PROGRAM}); the role pixels.sandbox.console does that, or the last command "
            "of a shell was one that is not there",
        }
    ended = f"the session {session} of {host} has ended" if kept else f"the shell in {host} has ended"
    return {"rc": status, "state": "ended", "msg": ended if status == 0 else f"{ended} with status {status}"}
