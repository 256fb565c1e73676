# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A command over ssh whose output is seen as it comes, and is there in the end, byte by byte. It can be given up.

What is shown goes to a terminal. It is printable text with its colours, line by line; nothing in it moves a cursor, sets a title or
asks the terminal for anything.
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .errors import CoreError
from .exec_wrapper import Parcel
from .table import is_control

_CHUNK = 1 << 16
# A line without an end is shown in parts of this size, of which the last bytes stay behind: a marker may begin in them.
_LONGEST, _KEPT = 1 << 15, 64
# How long what a command has said may be on its way when ssh has ended. A shared connection writes for itself, and one that stays behind
# for others keeps standard error open.
_LATE = 2.0
# What the limit of a command in the container may take beyond itself: ten seconds until SIGKILL, and the way there and back.
_GRACE = 60.0
_COLOUR = re.compile("(\x1b\\[[0-9;:]*m)")
_RESET = "\x1b[0m"


def shown(line: str, colour: bool = True) -> str:
    """A line as it may go to a terminal. What is written over with a carriage return is not seen there either."""
    last = line.rstrip("\r").rpartition("\r")[2]
    parts = _COLOUR.split(last)
    # Every second one is a colour.
    kept = [part if number % 2 and colour else "" if number % 2 else _plain(part) for number, part in enumerate(parts)]
    return "".join(kept)


def _plain(text: str) -> str:
    return "".join("\N{REPLACEMENT CHARACTER}" if is_control(character) and character != "\t" else character for character in text)


@dataclass
class Lines:
    """One of the two streams: bytes in, lines for a terminal out. Those of the command only, between the markers of its parcel."""

    marker: bytes
    colour: bool = True
    begun: bool = False
    _buffer: bytearray = field(default_factory=bytearray)
    _colours: str = ""

    def feed(self, data: bytes) -> list[str]:
        self._buffer += data
        found = []
        while (end := self._buffer.find(b"\n")) >= 0:
            found += self._line(bytes(self._buffer[:end]))
            del self._buffer[: end + 1]
        if self.begun and len(self._buffer) > _LONGEST:
            found += self._line(bytes(self._buffer[:-_KEPT]))
            del self._buffer[:-_KEPT]
        return found

    def end(self) -> list[str]:
        """What has no end of a line."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return self._line(rest) if rest else []

    def _line(self, line: bytes) -> list[str]:
        own, mark, _remark = line.partition(self.marker + b" ")
        if mark and not self.begun:
            # Before it the login profile speaks, and ssh.
            self.begun = _remark == b"begin"
            return []
        if not self.begun or (mark and not own):
            return []
        return [self._coloured(shown(own.decode("utf-8", "replace"), self.colour))]

    def _coloured(self, line: str) -> str:
        """A colour that is on goes on in the next line, and not into what others write between the two."""
        before = self._colours
        for colour in _COLOUR.findall(line):
            self._colours = "" if colour in ("\x1b[m", _RESET) else (self._colours + colour)[-200:]
        if "\x1b" in self._colours and not self._colours.startswith("\x1b"):
            self._colours = self._colours[self._colours.index("\x1b") :]
        return before + line + (_RESET if self._colours else "")


@dataclass(frozen=True)
class Ended:
    """`overdue` is whether ssh was ended here, because the container has not kept the limit."""

    stdout: bytes
    stderr: bytes
    status: int
    overdue: bool = False


def run(
    command: Sequence[str | bytes],
    parcel: Parcel,
    show: Callable[[list[str]], None] | None,
    *,
    output: bool = True,
    colour: bool = True,
    limit: float | None = None,
) -> Ended:
    """Run ssh with a parcel. `output` False shows standard error alone; `limit` is that of the command, in seconds."""
    try:
        process = subprocess.Popen(
            list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, bufsize=0
        )
    except OSError as error:
        raise CoreError(f"ssh cannot be run on the control node: {error.strerror}") from None
    try:
        return _Pump(process, parcel, show, output=output, colour=colour, limit=limit).run()
    finally:
        _end(process)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


def _end(process: subprocess.Popen[bytes]) -> int:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(2)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


class _Pump:
    """Feeds standard input and reads both streams at the same time: neither end may be kept waiting by the other."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        parcel: Parcel,
        show: Callable[[list[str]], None] | None,
        *,
        output: bool,
        colour: bool,
        limit: float | None,
    ) -> None:
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise AssertionError("a process with pipes has no pipes")
        self.process = process
        self.show = show
        self.limit = limit
        self.since = time.monotonic()
        self.left = memoryview(parcel.data)
        self.stdin = process.stdin.fileno()
        marker = parcel.marker.encode()
        self.last_word = re.compile(re.escape(marker) + rb" (?:end|limit) [0-9]+\n\Z")
        self.stderr = process.stderr.fileno()
        self.whole = {process.stdout.fileno(): bytearray(), self.stderr: bytearray()}
        self.lines = {number: Lines(marker, colour) for number in self.whole}
        self.silent = None if output else process.stdout.fileno()
        self.selector = selectors.DefaultSelector()
        for number in self.whole:
            self.selector.register(number, selectors.EVENT_READ)
        for number in (self.stdin, *self.whole):
            os.set_blocking(number, False)
        self.selector.register(self.stdin, selectors.EVENT_WRITE)

    def run(self) -> Ended:
        overdue = False
        late: float | None = None
        open_streams = set(self.whole)
        while open_streams:
            if late is None and self.process.poll() is not None:
                late = time.monotonic() + _LATE
            if late is not None and (time.monotonic() >= late or (open_streams == {self.stderr} and self._is_told())):
                break
            overdue = late is None and self._is_overdue()
            if overdue:
                break
            for key, _events in self.selector.select(0.2):
                if key.fd == self.stdin:
                    self._write()
                elif not self._read(key.fd):
                    self.selector.unregister(key.fd)
                    open_streams.discard(key.fd)
                elif late is not None:
                    late = time.monotonic() + _LATE
        self.selector.close()
        for number in self.whole:
            self._shown(number, self.lines[number].end())
        stdout, stderr = (bytes(data) for data in self.whole.values())
        return Ended(stdout, stderr, _end(self.process) if overdue else self.process.wait(), overdue)

    def _is_overdue(self) -> bool:
        """Counted from the command's beginning, before which all its standard input has to get there."""
        return self.limit is not None and time.monotonic() >= self.since + self.limit + _GRACE

    def _is_told(self) -> bool:
        """The last word on standard error is the wrapper's own."""
        return self.last_word.search(bytes(self.whole[self.stderr][-4096:])) is not None

    def _read(self, number: int) -> bool:
        try:
            data = os.read(number, _CHUNK)
        except BlockingIOError:
            return True
        self.whole[number] += data
        lines = self.lines[number]
        had_begun = lines.begun
        self._shown(number, lines.feed(data))
        if lines.begun and not had_begun:
            self.since = time.monotonic()
        return bool(data)

    def _shown(self, number: int, lines: list[str]) -> None:
        if lines and self.show is not None and number != self.silent:
            self.show(lines)

    def _write(self) -> None:
        # A command that has ended does not want the rest; that it has ended is seen where its output is read.
        try:
            self.left = self.left[os.write(self.stdin, self.left[:_CHUNK]) :]
            self.since = time.monotonic()
        except BlockingIOError:
            return
        except OSError:
            self.left = self.left[:0]
        if not self.left:
            self.selector.unregister(self.stdin)
            if self.process.stdin is not None:
                with contextlib.suppress(OSError):
                    self.process.stdin.close()
