# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The process that holds one session for a whole run: tasks, hosts and forks reach it over a private unix socket.

It relays calls, nothing else, and imports nothing of Ansible. It is told everything through its standard input, writes to nobody, and ends
with its controller, or when nobody has been there for long.

The protocol is one JSON object a line. It greets with `{"ready": 1}`. Then, for each request
`{"op": "read|call|job", "method", "params", "timeout"}`: any number of `{"progress": [percent, description]}`, at last `{"result"}` or
`{"error"}`. `{"op": "stop"}` in between stops a job, and so does going away.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

from .api import Progress
from .broker_place import same_user
from .endpoint import Endpoint
from .errors import ApiError, AuthenticationFailed, to_record
from .jobs import Stopped
from .limits import Limits
from .session import Session


@dataclass(frozen=True)
class Orders:
    """What the starting process says."""

    endpoint: Endpoint
    limits: Limits
    socket_path: str
    controller_pid: int
    ready_fd: int
    idle_timeout: float = 600.0
    # After a refused login every fork of the moment gets the same answer; later ones may try anew.
    refused_for: float = 10.0

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Orders:
        values = dict(record)
        values["endpoint"] = Endpoint(**values["endpoint"])
        values["limits"] = Limits(**values["limits"])
        return cls(**values)


class Broker:
    """Listens, and gives each client a thread."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._session = Session(orders.endpoint, limits=orders.limits)
        self._lock = threading.Lock()
        self._clients = 0
        self._running: set[threading.Event] = set()
        self._idle_since = time.monotonic()
        self._refused_at: float | None = None
        self._wake_out, self._wake_in = socket.socketpair()

    def serve(self) -> None:
        path = self._orders.socket_path
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            listener.bind(path)
        finally:
            os.umask(before)
        inode = os.stat(path).st_ino
        listener.listen(128)
        listener.setblocking(False)
        with contextlib.suppress(OSError):
            os.write(self._orders.ready_fd, b"ready\n")
        os.close(self._orders.ready_fd)
        try:
            self._loop(listener)
        finally:
            with contextlib.suppress(OSError):
                # A successor may have taken the place.
                if os.stat(path).st_ino == inode:
                    os.unlink(path)
            listener.close()
            self._stop_jobs()
            self._session.close()

    def stop(self) -> None:
        """From a signal."""
        self._wake(b"x")

    def _wake(self, what: bytes) -> None:
        with contextlib.suppress(OSError):
            self._wake_in.send(what)

    def _loop(self, listener: socket.socket) -> None:
        controller = _watch(self._orders.controller_pid)
        with selectors.DefaultSelector() as selector:
            selector.register(listener, selectors.EVENT_READ)
            selector.register(self._wake_out, selectors.EVENT_READ)
            if controller is not None:
                selector.register(controller, selectors.EVENT_READ)
            while True:
                left = self._time_left()
                if left <= 0:
                    return
                ready = {key.fileobj for key, _events in selector.select(left if controller is not None else min(left, 1.0))}
                if controller in ready or (self._wake_out in ready and b"x" in self._wake_out.recv(4096)):
                    return
                if controller is None and not _alive(self._orders.controller_pid):
                    return
                if listener in ready:
                    with contextlib.suppress(OSError):
                        self._welcome(listener.accept()[0])

    def _time_left(self) -> float:
        now = time.monotonic()
        with self._lock:
            if self._refused_at is not None and not self._running:
                return self._refused_at + self._orders.refused_for - now
            if self._clients:
                return self._orders.idle_timeout
            return self._idle_since + self._orders.idle_timeout - now

    def _welcome(self, sock: socket.socket) -> None:
        sock.setblocking(True)
        if not same_user(sock):
            sock.close()
            return
        with self._lock:
            self._clients += 1
        threading.Thread(target=self._client, args=(sock,), daemon=True).start()

    def _client(self, sock: socket.socket) -> None:
        """Read requests until the client goes; each runs in a thread of its own, so that its going is noticed meanwhile."""
        stop = threading.Event()
        writing = threading.Lock()
        try:
            with sock, sock.makefile("rb") as lines:
                _write(sock, writing, {"ready": 1})
                for line in lines:
                    if not line.endswith(b"\n"):
                        break  # cut off in the middle: whoever sent it will not count on it
                    request = json.loads(line)
                    if request["op"] == "stop":
                        self._stop(stop)
                        continue
                    stop = threading.Event()
                    threading.Thread(target=self._answer, args=(sock, writing, request, stop), daemon=True).start()
        except (OSError, ValueError, KeyError, TypeError):
            pass
        finally:
            self._stop(stop)
            with self._lock:
                self._clients -= 1
                self._idle_since = time.monotonic()

    def _stop(self, stop: threading.Event) -> None:
        stop.set()
        self._session.book.poke()

    def _answer(self, sock: socket.socket, writing: threading.Lock, request: dict[str, Any], stop: threading.Event) -> None:
        with self._lock:
            self._running.add(stop)
        try:
            answer = self._do(sock, writing, request, stop)
        finally:
            with self._lock:
                self._running.discard(stop)
        with contextlib.suppress(OSError):
            _write(sock, writing, answer)
        if self._refused_at is not None:
            self._wake(b"r")

    def _do(self, sock: socket.socket, writing: threading.Lock, request: dict[str, Any], stop: threading.Event) -> dict[str, Any]:
        def on_progress(progress: Progress) -> None:
            try:
                _write(sock, writing, {"progress": [progress.percent, progress.description]})
            except OSError:
                raise Stopped from None

        try:
            method, params, timeout = request["method"], request["params"], request["timeout"]
            if request["op"] == "job":
                return {"result": self._session.job(method, *params, timeout=timeout, on_progress=on_progress, stop=stop)}
            if request["op"] == "call":
                return {"result": self._session.call(method, *params, timeout=timeout)}
            return {"result": self._session.read(method, *params, timeout=timeout)}
        except ApiError as error:
            if isinstance(error, AuthenticationFailed):
                self._refused()
            return {"error": to_record(error)}
        except Stopped as stopped:
            return {"stopped": "; ".join(getattr(stopped, "__notes__", []))}
        except Exception as error:
            # A fault of ours; the client has to hear something, and the type says enough for a report.
            return {"error": to_record(ApiError(f"{request.get('method')}: the shared session failed ({type(error).__name__})"))}

    def _refused(self) -> None:
        with self._lock:
            if self._refused_at is None:
                self._refused_at = time.monotonic()

    def _stop_jobs(self) -> None:
        """At the end: jobs that are still followed are told to stop, for a short while."""
        with self._lock:
            running = list(self._running)
        for stop in running:
            self._stop(stop)
        until = time.monotonic() + self._orders.limits.abort_timeout
        while time.monotonic() < until:
            with self._lock:
                if not self._running:
                    return
            time.sleep(0.02)


def _write(sock: socket.socket, writing: threading.Lock, message: dict[str, Any]) -> None:
    data = json.dumps(message, separators=(",", ":")).encode() + b"\n"
    with writing:
        sock.sendall(data)


def _watch(pid: int) -> int | None:
    """A descriptor that becomes readable when the process ends; None where the kernel has none."""
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        raise SystemExit(0) from None
    except OSError:
        return None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def main(record: dict[str, Any]) -> None:
    """The whole process; `broker_client.py` starts it."""
    broker = Broker(Orders.from_record(record))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda _number, _frame: broker.stop())
    broker.serve()
    # Threads of clients may hang in a read; nothing of them is worth waiting for.
    sys.stdout = sys.stderr = None
    os._exit(0)
