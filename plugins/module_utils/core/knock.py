# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asking at many doors at once whether an SSH server answers, from one thread and without waiting at any of them.

A door behind a gateway is one at the end of a program: what says `SSH-` there is the server, whoever carries it here.

While a container boots nobody listens yet: its kernel says so at once, and we ask again a moment later. A server that is slow to say its
name is given time, because asking anew would only make it slower.
"""

from __future__ import annotations

import errno
import os
import re
import selectors
import socket
import subprocess
import time
from collections.abc import Collection
from dataclasses import dataclass
from types import TracebackType

SSH_PORT = 22
# Where nobody listens: how soon to ask again.
_AGAIN_AFTER = 0.1
# The same through a gateway, where each time is a login to that.
_AGAIN_THROUGH = 0.5
# Where somebody does, or the answer stays out: how long to wait for it.
_PATIENCE = 5.0
_PATIENCE_THROUGH = 15.0


@dataclass(frozen=True)
class Door:
    """Where to knock."""

    address: str
    port: int = SSH_PORT
    through: tuple[str, ...] = ()  # a command that connects with it, as ssh's ProxyCommand has it


@dataclass
class _Attempt:
    """A connection on its way."""

    door: Door
    socket: socket.socket
    until: float
    program: subprocess.Popen[bytes] | None = None
    connected: bool = False
    heard: bytes = b""


class Knocker:
    """One for as long as somebody is waited for. `refusals` has why a door has not been opened yet, `turned_away` those where that
    has ever happened.
    """

    def __init__(self) -> None:
        self.refusals: dict[Door, str] = {}
        self.turned_away: set[Door] = set()
        self._selector = selectors.DefaultSelector()
        self._attempts: dict[Door, _Attempt] = {}
        self._not_before: dict[Door, float] = {}

    def __enter__(self) -> Knocker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        for door in list(self._attempts):
            self._end(door)
        self._selector.close()

    def knock(self, doors: Collection[Door], seconds: float) -> set[Door]:
        """Those where an SSH server answers, as soon as there is one; none when the time is over. What has begun goes on next time."""
        end = time.monotonic() + seconds
        for door in self._attempts.keys() - set(doors):
            self._end(door)
        answered: set[Door] = set()
        while True:
            now = time.monotonic()
            for door in doors:
                if door not in self._attempts and door not in answered and now >= self._not_before.get(door, now):
                    self._begin(door, now)
            for key, _events in self._selector.select(max(0.0, self._next(doors, end) - time.monotonic())):
                if self._hear(key.data):
                    answered.add(key.data.door)
            now = time.monotonic()
            for attempt in [attempt for attempt in self._attempts.values() if now >= attempt.until]:
                patience = _PATIENCE_THROUGH if attempt.door.through else _PATIENCE
                self._refused(attempt.door, f"no answer within {patience:g} s", now)
            if answered or now >= end:
                return answered

    def _next(self, doors: Collection[Door], end: float) -> float:
        """When there is something to do, should nothing be heard."""
        times = [attempt.until for attempt in self._attempts.values()]
        times += [self._not_before[door] for door in doors if door not in self._attempts and door in self._not_before]
        return min([end, *times])

    def _begin(self, door: Door, now: float) -> None:
        if door.through:
            self._begin_through(door, now)
            return
        sock = socket.socket(socket.AF_INET6 if ":" in door.address else socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            status = sock.connect_ex((door.address, door.port))
        except OSError as error:
            status = error.errno or errno.EIO
        if status not in (0, errno.EINPROGRESS):
            sock.close()
            self._refused(door, os.strerror(status), now)
            return
        attempt = self._attempts[door] = _Attempt(door, sock, now + _PATIENCE)
        self._selector.register(sock, selectors.EVENT_WRITE, attempt)

    def _begin_through(self, door: Door, now: float) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        values = {"h": door.address, "p": str(door.port), "%": "%"}
        words = [re.sub("%([hp%])", lambda found: values[found[1]], word) for word in door.through]
        try:
            program = subprocess.Popen(
                words, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=subprocess.DEVNULL, start_new_session=True
            )
        except OSError as error:
            ours.close()
            self._refused(door, f"{words[0]}: {error.strerror}", now)
            return
        finally:
            theirs.close()
        attempt = self._attempts[door] = _Attempt(door, ours, now + _PATIENCE_THROUGH, program, connected=True)
        self._selector.register(ours, selectors.EVENT_READ, attempt)

    def _hear(self, attempt: _Attempt) -> bool:
        """One step of an attempt; whether it was the last, and a good one."""
        now = time.monotonic()
        try:
            if not attempt.connected:
                status = attempt.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if status:
                    raise OSError(status, os.strerror(status))
                attempt.connected = True
                self._selector.modify(attempt.socket, selectors.EVENT_READ, attempt)
                return False
            said = attempt.socket.recv(64)
        except BlockingIOError:
            return False
        except OSError as error:
            self._refused(attempt.door, error.strerror or type(error).__name__, now)
            return False
        attempt.heard += said
        if attempt.heard.startswith(b"SSH-"):
            self._end(attempt.door)
            self.refusals.pop(attempt.door, None)
            return True
        if not said or not b"SSH-".startswith(attempt.heard):
            self._refused(attempt.door, "what answers there is not SSH" if attempt.heard else "it hangs up without a word", now)
        return False

    def _refused(self, door: Door, reason: str, now: float) -> None:
        self._end(door)
        self.refusals[door] = reason
        self.turned_away.add(door)
        self._not_before[door] = now + (_AGAIN_THROUGH if door.through else _AGAIN_AFTER)

    def _end(self, door: Door) -> None:
        attempt = self._attempts.pop(door, None)
        if attempt is not None:
            self._selector.unregister(attempt.socket)
            attempt.socket.close()
            if attempt.program is not None:
                attempt.program.kill()
                attempt.program.wait()
