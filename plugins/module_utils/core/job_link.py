# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the control node speaks with the program in a container: the command line for SSH, its standard input, and what comes back.

Nothing of the job is in the command line, which process lists show; program, request and data travel on standard input. What comes
back is not to be trusted: the other end may be anybody's program by then.
"""

from __future__ import annotations

import json
import pkgutil
import secrets
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from .errors import CoreError

MARK = "pixels-job:"
BEAT = 10.0
# Longer than this the other end is silent only when it is gone.
SILENCE = 45.0
LONGEST_LINE = 1 << 20
_CHATTER = 1 << 18

# In the order in which they need one another.
_MODULES = ("wire", "procs", "git", "variables", "start", "gather")

_BOOT = """\
import json, sys, types
stream = sys.stdin.buffer
header = json.loads(stream.readline())
package = sys.modules["pixels_inside"] = types.ModuleType("pixels_inside")
package.__path__ = []
for name, size in header["modules"]:
    module = sys.modules["pixels_inside." + name] = types.ModuleType("pixels_inside." + name)
    module.__package__ = "pixels_inside"
    setattr(package, name, module)
    exec(compile(stream.read(size), name + ".py", "exec"), module.__dict__)
module = sys.modules["pixels_inside." + header["run"]]
module.main(header["request"], stream)
"""


class NotReached(CoreError):
    """No program of ours has answered, so nothing was done: the container is away, or has no Python."""


class Lost(CoreError):
    """It has answered, and then no more."""


class Refused(CoreError):
    """What came is not what our program would send."""


class Inside(CoreError):
    """The program in the container could not do it, and says why; `reason` is the short form for programs."""

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message, reason=reason)


def remote_line(python: str) -> str:
    return f"exec {shlex.quote(python)} -I -c {shlex.quote(_BOOT)}"


@cache
def _sources(modules: tuple[str, ...]) -> tuple[tuple[str, bytes], ...]:
    package = __package__.rpartition(".")[0] + ".inside"
    return tuple((name, pkgutil.get_data(package, f"{name}.py") or b"") for name in modules)


@dataclass(frozen=True)
class Message:
    """What is sent, and the marker behind which the answer begins."""

    marker: str
    data: bytes


def message(run: str, request: Mapping[str, Any], modules: tuple[str, ...] = _MODULES) -> Message:
    marker = secrets.token_hex(16)
    sources = _sources(modules)
    header = {
        "modules": [[name, len(text)] for name, text in sources],
        "run": run,
        "request": {**request, "marker": marker, "beat": BEAT},
    }
    return Message(marker, b"".join([json.dumps(header).encode("ascii"), b"\n", *(text for _name, text in sources)]))


class Answers:
    """What comes back, line by line. `read_line(limit)` gives a line with its end, or what there was of it when the stream is over."""

    def __init__(self, read_line: Callable[[int], bytes], marker: str, why: Callable[[], str]) -> None:
        self._read_line = read_line
        self._marker = f"{MARK}{marker}".encode()
        self._why = why

    def begin(self) -> None:
        """Past what the login has said."""
        chatter = 0
        while chatter < _CHATTER:
            line = self._read_line(_CHATTER)
            if not line:
                raise NotReached(self._why())
            if line.rstrip(b"\r\n") == self._marker:
                return
            chatter += len(line)
        raise NotReached(f"the login says {_CHATTER} bytes and more before the program in the container does")

    def next(self) -> dict[str, Any]:
        """What it says that is more than a sign of life; raises Inside when it is why it could not do it."""
        while True:
            line = self._read_line(LONGEST_LINE)
            if not line.endswith(b"\n"):
                if len(line) >= LONGEST_LINE:
                    raise Refused(f"the container sent a line of more than {LONGEST_LINE} bytes")
                raise Lost(f"the connection was lost: {self._why()}")
            try:
                said = json.loads(line)
            except (ValueError, RecursionError):
                said = None
            if not isinstance(said, dict):
                raise Refused("the container sent something that is no message")
            if "beat" in said:
                continue
            error = said.get("error")
            if isinstance(error, dict):
                raise Inside(text(error.get("code"), 40), text(error.get("message"), 2000))
            return said


def text(value: Any, longest: int = 300) -> str:
    """Anything, as a short text without control characters."""
    shown = str("" if value is None else value)[:longest].encode("utf-8", "replace").decode()
    return "".join(character if character.isprintable() or character == "\n" else "\N{REPLACEMENT CHARACTER}" for character in shown)


def number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 53 else None


def seconds(value: Any) -> float | None:
    return round(float(value), 1) if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e9 else None


def texts(value: Any, most: int = 100) -> list[str]:
    return [text(entry) for entry in value[:most]] if isinstance(value, Sequence) and not isinstance(value, str) else []
