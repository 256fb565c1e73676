"""The emulated terminal of the memory engine. It runs nothing: it recognises how a script is handed over, and gives a canned answer.

Handing over is: one line that replaces the shell, ` stty -echo; exec sh -c CODE sh LEFT RIGHT ...`, which answers `LEFTRIGHT:ready`;
then the script as base64, followed by a comment of RIGHT and LEFT, up to a line of one dot; then `LEFTRIGHT:begin`, what the script says,
`LEFTRIGHT:end:STATUS`, or `LEFTRIGHT:damaged` for a script that did not arrive whole.
Besides that only `stty`, `echo`, `printf`, `id`, `(exit N)` and `exit` are known.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import shlex
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .memory import MemoryEngine

_STATEMENT = re.compile(r"""(?:[^;'"]|'[^']*'|"(?:\\.|[^"\\])*")+""")
_INTERRUPT = "\x03"


@dataclass
class Canned:
    """An answer for scripts in which `match` is found; the first that fits is taken. `\\1` in it is what the first group has found."""

    match: str = ""
    output: str = ""
    status: int = 0
    instance: str | None = None
    times: int | None = None
    close: bool = False  # the terminal goes away instead of answering
    stall: bool = False  # the script never ends


class Terminal:
    def __init__(self, engine: MemoryEngine, instance: str) -> None:
        self._engine = engine
        self._instance = instance
        self._out: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._pending = ""
        self._echo = True
        self._cooked = True  # line ends are rewritten
        self._marker: tuple[str, str] | None = None  # a script is being handed over
        self._lines: list[str] = []
        self._status = 0
        self._ended = False
        self.size = (80, 24)

    # -- what the engine's protocol asks ------------------------------------------------------------------------
    async def read(self) -> AsyncIterator[bytes]:
        while (data := await self._out.get()) is not None:
            yield data

    async def write(self, data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        if _INTERRUPT in text:
            self._end()
        if self._echo:
            self._say(text)
        *lines, self._pending = (self._pending + text).replace("\r", "\n").split("\n")
        for line in lines:
            if not self._ended:
                self._line(line)

    async def resize(self, columns: int, rows: int) -> None:
        self.size = (columns, rows)

    async def close(self) -> None:
        self._end()

    # -- the emulation ------------------------------------------------------------------------------------------
    def _say(self, text: str) -> None:
        if self._cooked:
            text = text.replace("\n", "\r\n")
        self._out.put_nowait(text.encode())

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            self._out.put_nowait(None)

    def _line(self, line: str) -> None:
        if self._marker is None:
            for statement in _STATEMENT.findall(line):
                if not self._ended:
                    self._run(statement.strip())
        elif line == ".":
            self._handed_over("".join(self._lines))
        else:
            self._lines.append(line)

    def _run(self, statement: str) -> None:
        if found := re.fullmatch(r"\(exit (\d+)\)", statement):
            self._status = int(found.group(1))
            return
        try:
            words = shlex.split(statement.replace("$?", str(self._status)))
        except ValueError:
            words = ["sh"]
        if not words:
            return
        name, arguments = words[0], words[1:]
        status = 0
        if name == "stty":
            self._echo = self._echo and "-echo" not in arguments
            self._cooked = self._cooked and "-opost" not in arguments
        elif name == "echo":
            self._say(" ".join(arguments) + "\n")
        elif name == "printf" and arguments:
            form = re.sub(r"%[sd]", "{}", arguments[0].replace("\\n", "\n"))
            self._say(form.format(*arguments[1:]))
        elif name == "id":
            self._say("root\n")
        elif name == "exit":
            self._end()
        elif name == "exec" and arguments[:2] == ["sh", "-c"] and len(arguments) > 5:
            self._marker = (arguments[4], arguments[5])
            self._mark("ready")
        else:
            self._say(f"sh: 1: {name}: not found\n")
            status = 127
        self._status = status

    def _mark(self, text: str) -> None:
        left, right = self._marker or ("", "")
        self._say(f"{left}{right}:{text}\n")

    def _handed_over(self, data: str) -> None:
        left, right = self._marker or ("", "")
        try:
            script = base64.b64decode(data, validate=True).decode("utf-8", "replace")
        except binascii.Error:
            script = ""
        if not script.endswith(f"#{right}{left}"):
            self._mark("damaged")
            self._end()
            return
        script = script.removesuffix(f"\n#{right}{left}")
        self._engine.scripts.append({"instance": self._instance, "script": script})
        answer = self._answer(script)
        if answer.stall:
            return
        if not answer.close:
            self._mark("begin")
            self._say(answer.output)
            self._mark(f"end:{answer.status}")
        self._end()

    def _answer(self, script: str) -> Canned:
        for canned in self._engine.canned:
            found = re.search(canned.match, script)
            if canned.times == 0 or canned.instance not in (None, self._instance) or not found:
                continue
            if canned.times is not None:
                canned.times -= 1
            return replace(canned, output=found.expand(canned.output))
        return Canned()
