# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The shared session, seen from one of the processes that share it.

Each thread has a connection of its own to the broker. Where there is no broker and none can be started, a session of our own does the work:
slower, and otherwise the same.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

from .api import OnProgress, Progress
from .broker_spawn import Meeting, Unavailable
from .endpoint import Endpoint
from .errors import ApiError, CallTimeout, ConnectionFailed, OutcomeUnknown, from_record
from .limits import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    from .session import Session


class BrokerClient:
    """Implements `Api`."""

    def __init__(self, endpoint: Endpoint, controller_pid: int, *, limits: Limits = DEFAULT_LIMITS, **orders: Any) -> None:
        self.endpoint = endpoint
        self._limits = limits
        self._meeting = Meeting(endpoint, controller_pid, limits, **orders)
        self._lock = threading.Lock()
        self._closed = False
        self._direct: Session | None = None
        self._reset()

    def read(self, method: str, *params: Any, timeout: float = 60.0) -> Any:
        return self._request("read", method, list(params), timeout, None)

    def call(self, method: str, *params: Any, timeout: float = 60.0) -> Any:
        return self._request("call", method, list(params), timeout, None)

    def job(self, method: str, *params: Any, timeout: float = 900.0, on_progress: OnProgress | None = None) -> Any:
        return self._request("job", method, list(params), timeout, on_progress)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            lines, direct = list(self._lines), self._direct
        for line in lines:
            line.close()
        if direct is not None:
            direct.close()

    @property
    def shared(self) -> bool:
        """Whether the session is shared, as far as it has been needed."""
        return self._direct is None

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._local = threading.local()
        self._lines: weakref.WeakSet[_Line] = weakref.WeakSet()

    def _request(self, op: str, method: str, params: list[Any], timeout: float, on_progress: OnProgress | None) -> Any:
        if self._pid != os.getpid():
            # After a fork the lines belong to the parent, and so does a session.
            self._direct = None
            self._reset()
        losses = 0
        while True:
            line = self._line()
            if line is None:
                if self._direct is None:
                    raise AssertionError("neither a shared session nor one of our own")
                if op == "job":
                    return self._direct.job(method, *params, timeout=timeout, on_progress=on_progress)
                return (self._direct.read if op == "read" else self._direct.call)(method, *params, timeout=timeout)
            try:
                line.send({"op": op, "method": method, "params": params, "timeout": timeout})
            except OSError:
                # A line that is cut off is not obeyed.
                lost = "it was gone"
            else:
                try:
                    return self._answer(line, op, method, timeout, on_progress)
                except _Gone as gone:
                    lost = str(gone)
                    if op != "read":
                        raise OutcomeUnknown(method, f"the shared session was lost after it was asked ({lost})") from None
            self._forget(line)
            losses += 1
            if losses > self._limits.repeats:
                raise ConnectionFailed(f"{self.endpoint.label}: {method}: the shared session was lost {losses} times ({lost})")

    def _answer(self, line: _Line, op: str, method: str, timeout: float, on_progress: OnProgress | None) -> Any:
        # The broker keeps the time; this is for one that hangs.
        limits = self._limits
        until = time.monotonic() + timeout * (limits.repeats + 1) + 2 * (limits.busy_timeout + limits.reconnect_for + limits.login_timeout)
        try:
            while True:
                message = line.receive(until)
                if "progress" in message:
                    if on_progress is not None:
                        on_progress(Progress(*message["progress"]))
                elif "error" in message:
                    raise from_record(message["error"])
                elif "stopped" in message:
                    raise OutcomeUnknown(method, "the shared session ended")
                else:
                    return message.get("result")
        except TimeoutError:
            self._forget(line)
            if op == "read":
                raise CallTimeout(method, timeout) from None
            raise OutcomeUnknown(method, "the shared session does not answer", timed_out=True) from None
        except (ApiError, _Gone):
            raise
        except BaseException as interrupt:
            self._stop(line, op, interrupt)
            raise

    def _stop(self, line: _Line, op: str, interrupt: BaseException) -> None:
        """Interrupted: have the job told to stop, and hear what came of it."""
        try:
            if op == "job":
                line.send({"op": "stop"})
                until = time.monotonic() + self._limits.abort_timeout + 1
                while "progress" in (message := line.receive(until)):
                    pass
                note = message.get("stopped") or "the job had ended already"
                interrupt.add_note(note)
        except (OSError, _Gone):
            interrupt.add_note("whether the job was told to stop is not known")
        finally:
            self._forget(line)

    def _line(self) -> _Line | None:
        """This thread's line to the broker; None when there is a session of our own instead."""
        if self._closed:
            raise ConnectionFailed(f"{self.endpoint.label}: the session was closed")
        if self._direct is not None:
            return None
        line: _Line | None = getattr(self._local, "line", None)
        if line is not None:
            return line
        try:
            line = _Line(self._meeting.connect())
        except Unavailable:
            from .session import Session

            with self._lock:
                if self._direct is None:
                    self._direct = Session(self.endpoint, limits=self._limits)
            return None
        self._local.line = line
        with self._lock:
            self._lines.add(line)
        return line

    def _forget(self, line: _Line) -> None:
        line.close()
        self._local.line = None


class _Gone(Exception):
    """The other end of a line is not there any more."""


class _Line:
    """JSON objects, one a line, over a unix socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._rest = b""

    def send(self, message: dict[str, Any]) -> None:
        self._sock.settimeout(30)
        self._sock.sendall(json.dumps(message, separators=(",", ":")).encode() + b"\n")

    def receive(self, until: float) -> dict[str, Any]:
        parts = [self._rest]
        while b"\n" not in parts[-1]:
            self._sock.settimeout(max(0.01, until - time.monotonic()))
            try:
                data = self._sock.recv(1 << 18)
            except TimeoutError:
                raise
            except OSError as error:
                raise _Gone(str(error)) from None
            if not data:
                raise _Gone("it has ended")
            parts.append(data)
        head, _newline, self._rest = parts[-1].partition(b"\n")
        message = json.loads(b"".join([*parts[:-1], head]))
        return message if isinstance(message, dict) else {}

    def close(self) -> None:
        # To close it would not wake a thread that waits for an answer, nor tell the other end while one does.
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            self._sock.close()
