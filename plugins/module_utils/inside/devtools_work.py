# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every step of the installation works with: the log, a bound on the time, programs whose output is seen while they run, and an end
that comes when it is asked for, but not in the middle of a package."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from . import devtools_places as places
from .egress_machine import Failed, Machine

# Of what a program says, so much is kept for a decision; the log has all of it.
_KEPT = 64 * 1024
_WAITING = "Waiting for cache lock"
_LOG_LIMIT = 1 << 20
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Stopped(BaseException):
    """Somebody wants this process to end: the system goes down, or the service is started anew."""


class OutOfTime(Failed):
    """The time for all of it is over; trying again now is of no use."""


class Work:
    """See the docstring of this file."""

    def __init__(self, machine: Machine, seconds: float) -> None:
        self.machine = machine
        self.deadline = time.monotonic() + seconds
        self.seconds = seconds
        self._stop = False
        self._shielded = 0
        self._polite: subprocess.Popen[bytes] | None = None
        self._log: Any = None
        self._said = ""
        # Who wants to know what a step is waiting for.
        self.noted: Callable[[str], None] = lambda _text: None

    # Time, and the end

    def left(self, most: float = 1e9) -> float:
        """Seconds that there are, for something that takes no more than `most` of them."""
        return max(0.0, min(most, self.deadline - time.monotonic()))

    def pause(self) -> None:
        """Called often: the time may be over."""
        if time.monotonic() >= self.deadline:
            raise OutOfTime(f"the time for it, {int(self.seconds)} s, is over")

    def sleep(self, seconds: float) -> None:
        time.sleep(self.left(seconds))
        self.pause()

    def listen(self) -> None:
        signal.signal(signal.SIGTERM, self._asked)
        signal.signal(signal.SIGINT, self._asked)

    def _asked(self, *_signal: object) -> None:
        self._stop = True
        if not self._shielded:
            raise Stopped
        if self._polite is not None:
            self._polite.send_signal(signal.SIGINT)

    @contextlib.contextmanager
    def shielded(self) -> Iterator[None]:
        """What is in here is not broken off: a package manager would leave its database half done."""
        self._shielded += 1
        try:
            yield
        finally:
            self._shielded -= 1
        if self._stop and not self._shielded:
            raise Stopped

    # The log

    def open_log(self) -> None:
        path = self.machine.path(places.LOG)
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        with contextlib.suppress(OSError):
            if os.stat(path).st_size > _LOG_LIMIT:
                os.replace(path, path + ".1")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        os.fchmod(descriptor, 0o644)
        self._log = os.fdopen(descriptor, "w", encoding="utf-8", errors="replace")

    def say(self, text: str) -> None:
        """A line for the log, and for the journal, which has what comes to standard output."""
        line = "".join(sign if sign.isprintable() else "?" for sign in text.rstrip().expandtabs())
        if line == self._said:
            # apt says once a second whom it waits for.
            return
        self._said = line
        if self._log is not None:
            with contextlib.suppress(OSError):
                self._log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}\n")
                self._log.flush()
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

    def note(self, text: str) -> None:
        """A line that says what is being waited for."""
        self.say(text)
        self.noted(text)

    # Programs

    def run(
        self,
        command: Sequence[str],
        most: float = 1e9,
        environment: Mapping[str, str] | None = None,
        account: tuple[int, int] | None = None,
        polite: bool = False,
    ) -> tuple[int, str]:
        """The status, and the end of what was said. One that is missing, or takes too long, has failed.

        One that is `polite` is told when all of this is to end: it knows what it must not leave half done.
        """

        def become() -> None:
            if account is not None:
                os.setgroups([])
                os.setgid(account[1])
                os.setuid(account[0])

        try:
            process = subprocess.Popen(
                list(command),
                env={"PATH": _PATH, "LC_ALL": "C.UTF-8", "HOME": "/root", **(environment or {})},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=None if account is None else become,  # there are no threads here
            )
        except OSError as error:
            return (127 if isinstance(error, FileNotFoundError) else 126), f"{command[0]}: {error.strerror}"
        try:
            self._polite = process if polite else None
            return self._follow(process, self.left(most))
        finally:
            self._polite = None
            if process.poll() is None:
                _end(process)
            if process.stdout is not None:
                process.stdout.close()

    def _follow(self, process: subprocess.Popen[bytes], seconds: float) -> tuple[int, str]:
        if process.stdout is None:
            raise AssertionError("a process with a pipe has none")
        end = time.monotonic() + seconds
        said, line = b"", b""
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while True:
                ready = selector.select(min(1.0, max(0.0, end - time.monotonic())))
                data = os.read(process.stdout.fileno(), 1 << 16) if ready else b""
                said = (said + data)[-_KEPT:]
                line = self._lines(line + data)
                if ready and not data:
                    break
                # A service that it has started may hold its output for ever.
                if not ready and process.poll() is not None:
                    break
                if time.monotonic() >= end:
                    _end(process)
                    return 124, said.decode("utf-8", "replace") + f"\nit has not ended within {int(seconds)} s"
        if line:
            self.say(line.decode("utf-8", "replace"))
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(1.0, end - time.monotonic()))
        status = process.poll()
        return 124 if status is None else status, said.decode("utf-8", "replace")

    def _lines(self, data: bytes) -> bytes:
        """Says the lines that are complete; what is left of the last one comes back."""
        *lines, rest = data.split(b"\n")
        for line in lines:
            text = line[-4000:].decode("utf-8", "replace")
            (self.note if text.startswith(_WAITING) else self.say)(text)
        return rest[-4000:]


def _end(process: subprocess.Popen[bytes]) -> None:
    """With all that it has started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(OSError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
            return
