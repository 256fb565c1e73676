# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A command (ssh) that is fed from memory and files and read piece by piece, never all of it at once, and not for ever.

Ansible's own connection collects all output in memory before anybody sees it. A container that has turned hostile would fill the
control node's memory with that, so what comes from there is read here, as much as was agreed upon and no more.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

from .errors import CoreError
from .job_link import Lost

_CHUNK = 1 << 18
_ERROR = 4000


class Stream:
    """The command at work. `feed` holds bytes, and paths of files whose bytes follow."""

    def __init__(self, command: Sequence[str | bytes], feed: Iterable[bytes | Path], silence: float, deadline: float | None = None) -> None:
        # A shared connection that stays behind keeps standard error open: a file does not mind.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the stream
        self._silence = silence
        self._deadline = deadline
        self._buffer = bytearray()
        self._over = False
        try:
            self._process = subprocess.Popen(
                list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, start_new_session=True, bufsize=0
            )
        except OSError as error:
            self._errors.close()
            raise CoreError(f"ssh cannot be run on the control node: {error.strerror}") from None
        if self._process.stdin is None or self._process.stdout is None:
            raise AssertionError("a process with pipes has no pipes")
        self._stdout = self._process.stdout
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._stdout, selectors.EVENT_READ)
        self._feeder = threading.Thread(target=_feed, args=(self._process.stdin, list(feed)), daemon=True)
        self._feeder.start()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """A command that is through by itself is given the time to end; any other is ended."""
        if kind is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(5)
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(2)
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()
        self._feeder.join(2)
        self._selector.close()
        self._stdout.close()
        self._errors.close()

    def read_line(self, limit: int) -> bytes:
        """A line with its end; what there is when the stream is over, or has no end of a line within the limit."""
        while True:
            found = self._buffer.find(b"\n", 0, limit)
            if found >= 0:
                return self._take(found + 1)
            if len(self._buffer) >= limit or not self._more():
                return self._take(min(limit, len(self._buffer)))

    def read(self, size: int) -> bytes:
        """Up to so many bytes; none when the stream is over."""
        if not self._buffer:
            self._more()
        return self._take(min(size, len(self._buffer)))

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def _more(self) -> bool:
        if self._over:
            return False
        now = time.monotonic()
        until = now + self._silence if self._deadline is None else min(now + self._silence, self._deadline)
        if until <= now or not self._selector.select(until - now):
            if self._deadline is not None and time.monotonic() >= self._deadline:
                raise TooLate("the time for it is over")
            raise Lost(f"nothing has come for {self._silence:.0f} s")
        data = os.read(self._stdout.fileno(), _CHUNK)
        self._buffer += data
        self._over = not data
        return bool(data)

    def why(self) -> str:
        """What the command says of its end."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(2)
        status = self._process.poll()
        self._errors.seek(max(0, self._errors.seek(0, os.SEEK_END) - _ERROR))
        said = self._errors.read(_ERROR).decode("utf-8", "replace").strip()
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        ended = "it goes on without a word" if status is None else f"exit status {status}"
        return "; ".join(lines[-3:]) or ended


class TooLate(Lost):
    """All the time that there was for it is over; trying again is of no use."""


def _feed(target: IO[bytes], parts: list[bytes | Path]) -> None:
    # A command that has ended does not want the rest, and that it has ended is seen where its output is read.
    with contextlib.suppress(OSError, ValueError):
        for part in parts:
            if isinstance(part, bytes):
                _write(target, part)
                continue
            with part.open("rb") as source:
                while data := source.read(_CHUNK):
                    _write(target, data)
    with contextlib.suppress(OSError):
        target.close()


def _write(target: IO[bytes], data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[target.write(view) :]
