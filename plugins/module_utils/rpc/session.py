# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One logged-in session with one appliance, for any number of threads.

It keeps to the appliance's limits, waits when it is busy, and logs in again after a lost connection. What may be repeated then is
decided here: a read always, a changing call only while it is certain that it was never sent.
"""

from __future__ import annotations

import contextlib
import itertools
import secrets
import threading
import time
from typing import Any

from .api import OnProgress
from .connection import Connection, Request
from .endpoint import API_PATH, Endpoint
from .errors import (
    ApiError,
    AuthenticationFailed,
    Busy,
    CallError,
    CallTimeout,
    ConnectionFailed,
    NotLoggedIn,
    OutcomeUnknown,
    from_record,
    to_record,
)
from .faults import error_of, is_busy
from .jobbook import JobBook
from .jobs import JobRunner
from .limits import DEFAULT_LIMITS, Limits
from .login import Login
from .transport import open_websocket


class Session:
    """Implements `Api`. Connects at the first call; `close` ends it for good."""

    def __init__(self, endpoint: Endpoint, *, limits: Limits = DEFAULT_LIMITS) -> None:
        self.endpoint = endpoint
        self.limits = limits
        self.book = JobBook()
        # Ids that no one else uses: a job carries the id of the request that made it, so it can be recognised as ours.
        self._prefix = secrets.token_hex(8)
        self._counter = itertools.count(1)
        self._slots = threading.BoundedSemaphore(limits.in_flight)
        self._connecting = threading.Lock()
        self._subscribing = threading.Lock()
        self._connection: Connection | None = None
        self._attempts = 0
        self._failure: ApiError | None = None
        self._was_connected = False
        self._closed = threading.Event()
        self._stop = threading.Event()
        self._working = threading.Condition()
        self._followed = 0
        self._login = Login(endpoint, limits, self.new_id, self.pause)
        self._jobs = JobRunner(self)

    def read(self, method: str, *params: Any, timeout: float = 60.0) -> Any:
        return self.exchange(method, list(params), timeout, repeatable=True)

    def call(self, method: str, *params: Any, timeout: float = 60.0) -> Any:
        return self.exchange(method, list(params), timeout, repeatable=False)

    def job(
        self,
        method: str,
        *params: Any,
        timeout: float = 900.0,
        on_progress: OnProgress | None = None,
        stop: threading.Event | None = None,
    ) -> Any:
        """As `Api.job`; `stop` together with `book.poke()` ends it early, like an interrupt."""
        with self._working:
            self._followed += 1
        try:
            return self._jobs.run(method, list(params), timeout, on_progress, stop or self._stop)
        finally:
            with self._working:
                self._followed -= 1
                self._working.notify_all()

    def close(self) -> None:
        """Jobs that other threads still follow are told to stop first."""
        self._stop.set()
        self.book.poke()
        with self._working:
            self._working.wait_for(lambda: not self._followed, self.limits.abort_timeout)
        self._closed.set()
        connection = self._connection
        if connection is not None:
            connection.close()

    def new_id(self) -> str:
        return f"{self._prefix}-{next(self._counter)}"

    def pause(self, seconds: float) -> None:
        """Wait, but not longer than the session lives."""
        if self._closed.wait(seconds):
            raise self._is_closed()

    def exchange(self, method: str, params: list[Any], timeout: float, *, repeatable: bool, request_id: str | None = None) -> Any:
        """One call with everything that may have to be done twice; the result, or the typed error."""
        waited = 0.0
        pause = self.limits.busy_pause
        losses = 0
        while True:
            request = self._once(method, params, timeout, repeatable, request_id or self.new_id())
            if request.answer is None:
                if request.sent and not repeatable:
                    raise OutcomeUnknown(method, f"the connection was lost after it was sent ({request.lost})")
                losses += 1
                if losses > self.limits.repeats:
                    raise ConnectionFailed(f"{self.endpoint.label}: {method}: the connection was lost {losses} times ({request.lost})")
                continue
            if "error" not in request.answer:
                return request.answer.get("result")
            error = error_of(method, request.answer["error"])
            if isinstance(error, NotLoggedIn) and losses < self.limits.repeats:
                # The session ended on the other side; the call was refused, so it can be sent again.
                losses += 1
                if request.connection is not None:
                    request.connection.close()
            elif is_busy(error):
                if waited + pause > self.limits.busy_timeout:
                    raise Busy(method, waited, error.reason, error.errno)
                self.pause(pause)
                waited += pause
                pause = min(pause * 2, self.limits.busy_pause_max)
            else:
                raise error

    def live(self) -> Connection:
        """A logged-in connection: the present one or a new one. Threads that come together share the attempt and its failure."""
        attempts = self._attempts
        with self._connecting:
            connection = self._connection
            if connection is not None and connection.lost is None:
                return connection
            if self._closed.is_set():
                raise self._is_closed()
            # A refused key stays refused; each attempt more would count against the appliance's limit of logins.
            if self._failure is not None and (self._attempts != attempts or isinstance(self._failure, AuthenticationFailed)):
                raise from_record(to_record(self._failure))
            try:
                self._connection = self._connect_again() if self._was_connected else self._connect()
                self._failure = None
            except ApiError as error:
                self._failure = error
                raise
            finally:
                self._attempts += 1
            self._was_connected = True
            return self._connection

    def subscribe_to_jobs(self) -> Connection:
        """Once for each connection. Who may not subscribe still has polling."""
        connection = self.live()
        if not connection.subscribed:
            with self._subscribing:
                if not connection.subscribed and connection.lost is None:
                    with contextlib.suppress(CallError):
                        self.exchange("core.subscribe", ["core.get_jobs"], self.limits.login_timeout, repeatable=True)
                    connection.subscribed = True
        return connection

    def _connect_again(self) -> Connection:
        """After a loss the appliance may be restarting: try for a while. A refused login is not tried again."""
        until = time.monotonic() + self.limits.reconnect_for
        pause = self.limits.reconnect_pause
        while True:
            try:
                return self._connect()
            except ConnectionFailed:
                if time.monotonic() + pause > until:
                    raise
            self.pause(pause)
            pause = min(pause * 2, self.limits.reconnect_pause_max)

    def _connect(self) -> Connection:
        ws = open_websocket(self.endpoint, API_PATH, timeout=self.limits.connect_timeout)
        connection = Connection(ws, self.limits, self.book.on_event, self.book.connection_lost)
        try:
            self._login.run(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _once(self, method: str, params: list[Any], timeout: float, repeatable: bool, request_id: str) -> Request:
        """Send and wait, in one of the few places for calls in flight."""
        if not self._slots.acquire(timeout=timeout):
            raise Busy(method, timeout, f"all {self.limits.in_flight} places for calls at once are taken")
        try:
            connection = self.live()
            request = connection.submit(request_id, method, params)
            try:
                if not request.finished.wait(timeout):
                    connection.forget(request)
                    # It may have come in just now.
                    if not request.finished.is_set():
                        if request.sent and not repeatable:
                            raise OutcomeUnknown(method, f"no answer within {timeout:g} s", timed_out=True)
                        raise CallTimeout(method, timeout)
            finally:
                connection.forget(request)
            return request
        finally:
            self._slots.release()

    def _is_closed(self) -> ConnectionFailed:
        return ConnectionFailed(f"{self.endpoint.label}: the session was closed")
