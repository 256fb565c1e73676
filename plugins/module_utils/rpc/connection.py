# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One WebSocket and the one thread that touches it.

Callers put requests into a queue and wait; the thread sends, receives, matches answers by id (they come in any order), hands on events
and keeps the line alive. A single thread, because a TLS socket is not made for two. A request knows whether its sending had begun when
the connection was lost: only one that had not can be repeated without thinking.
"""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from .errors import MessageTooLong
from .limits import Limits
from .transport import CLOSE, TEXT

OnEvent = Callable[[dict[str, Any]], None]

_NOTHING_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Request:
    """One call on its way. After `finished` is set there is either an answer or a reason why it will never come."""

    def __init__(self, request_id: str, method: str, text: str) -> None:
        self.id = request_id
        self.method = method
        self.text = text
        self.sent = False
        self.answer: dict[str, Any] | None = None
        self.lost: str | None = None
        self.finished = threading.Event()
        self.connection: Connection | None = None


class Connection:
    """Sends requests, returns answers. Ends for good with the first failure; `lost` then says why."""

    def __init__(self, ws: Any, limits: Limits, on_event: OnEvent, on_end: Callable[[], None]) -> None:
        self._ws = ws
        self._limits = limits
        self._on_event = on_event
        self._on_end = on_end
        self.message_limit = limits.message_before_login
        self.lost: str | None = None
        # Facts about this connection that whoever uses it keeps here.
        self.subscribed = False
        self.tells_message_ids = False
        self._lock = threading.Lock()
        self._outbox: deque[Request] = deque()
        self._waiting: dict[str, Request] = {}
        self._closing = False
        self._wake_out, self._wake_in = socket.socketpair()
        self._wake_out.setblocking(False)
        self._heard = time.monotonic()
        self._pinged: float | None = None
        self._thread = threading.Thread(target=self._run, name="truenas-connection", daemon=True)
        self._thread.start()

    def submit(self, request_id: str, method: str, params: list[Any]) -> Request:
        """Queue a call. On a connection that has ended the request comes back finished and unsent."""
        message = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
        text = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
        if len(text) > self.message_limit:
            raise MessageTooLong(method, len(text), self.message_limit)
        request = Request(request_id, method, text)
        request.connection = self
        with self._lock:
            if self.lost is not None or self._closing:
                request.lost = self.lost or "closed"
                request.finished.set()
                return request
            self._outbox.append(request)
            self._waiting[request_id] = request
        self._wake()
        return request

    def forget(self, request: Request) -> None:
        """Nobody waits for it any more; one that was not sent yet never will be."""
        with self._lock:
            self._waiting.pop(request.id, None)
            with contextlib.suppress(ValueError):
                self._outbox.remove(request)

    def close(self) -> None:
        """End it and wait until its thread has."""
        self._closing = True
        self._wake()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=5)

    def _wake(self) -> None:
        with contextlib.suppress(OSError):
            self._wake_in.send(b"x")

    def _run(self) -> None:
        reason = "closed"
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self._ws.sock, selectors.EVENT_READ)
                selector.register(self._wake_out, selectors.EVENT_READ)
                more = False
                while not self._closing:
                    selector.select(0 if more else self._patience())
                    with contextlib.suppress(BlockingIOError):
                        self._wake_out.recv(4096)
                    self._send_queued()
                    more = self._receive()
                    self._keep_alive()
        except _Ended as end:
            reason = str(end)
        except Exception as error:
            reason = str(error) or type(error).__name__
        finally:
            self._end(reason)

    def _patience(self) -> float:
        """How long the line may stay silent from now on until something has to be done."""
        since = self._heard if self._pinged is None else self._pinged
        allowed = self._limits.keepalive if self._pinged is None else self._limits.dead_after
        return max(0.0, since + allowed - time.monotonic())

    def _send_queued(self) -> None:
        while True:
            with self._lock:
                if not self._outbox:
                    return
                request = self._outbox.popleft()
                # From here on the appliance may have it.
                request.sent = True
            self._ws.settimeout(self._limits.dead_after)
            self._ws.send(request.text)

    def _receive(self) -> bool:
        """Take what has arrived; True if there may be more. The library keeps half a frame until the rest comes."""
        self._ws.settimeout(0)
        for _round in range(64):
            try:
                opcode, frame = self._ws.recv_data_frame(True)
            except _NOTHING_NOW:
                return False
            self._heard = time.monotonic()
            self._pinged = None
            if opcode == TEXT:
                self._take(frame.data)
            elif opcode == CLOSE:
                raise _Ended(_close_reason(frame.data))
        return True

    def _take(self, data: bytes) -> None:
        try:
            message = json.loads(data)
        except ValueError:
            raise _Ended("the appliance sent something that is not JSON") from None
        if not isinstance(message, dict):
            return
        if "method" in message and message.get("id") is None:
            self._on_event(message)
            return
        with self._lock:
            request = self._waiting.pop(str(message.get("id")), None)
        if request is not None:
            request.answer = message
            request.finished.set()

    def _keep_alive(self) -> None:
        now = time.monotonic()
        if self._pinged is not None:
            if now - self._pinged >= self._limits.dead_after:
                raise _Ended(f"no sign of life for {now - self._heard:.0f} s")
        elif now - self._heard >= self._limits.keepalive:
            self._pinged = now
            self._ws.settimeout(self._limits.dead_after)
            self._ws.ping()

    def _end(self, reason: str) -> None:
        with contextlib.suppress(Exception):
            if self._closing:
                self._ws.settimeout(1)
                self._ws.send_close()
        with contextlib.suppress(Exception):
            self._ws.shutdown()
        with self._lock:
            self.lost = reason
            waiting, self._waiting = self._waiting, {}
            self._outbox.clear()
            self._wake_out.close()
            self._wake_in.close()
        for request in waiting.values():
            request.lost = reason
            request.finished.set()
        self._on_end()


class _Ended(Exception):
    """Why the connection is over."""


def _close_reason(data: bytes) -> str:
    code = int.from_bytes(data[:2], "big") if len(data) >= 2 else 0
    text = data[2:].decode("utf-8", "replace")
    known = {
        1008: "the appliance refuses this address (its list of allowed addresses for the user interface)",
        1001: "the appliance goes away",
        1012: "the appliance restarts",
    }.get(code, "closed by the appliance")
    details = " ".join(part for part in (str(code) if code else "", text) if part)
    return f"{known} ({details})" if details else known
