# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The first exchange on a connection: the API key in, and what this version can do out.

The appliance lets an address log in 20 times a minute. Beyond that even a good key is refused, as busy; then we wait for the rest
of the minute, in all no longer than the busy time-out.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

from .connection import Connection, Request
from .endpoint import Endpoint
from .errors import ApiError, AuthenticationFailed, Busy, CallError, ConnectionFailed, UnknownMethod
from .faults import error_of, is_busy
from .limits import Limits


class Login:
    """Logs connections of one session in. `new_id` gives each request its id, `pause` waits."""

    def __init__(self, endpoint: Endpoint, limits: Limits, new_id: Callable[[], str], pause: Callable[[float], None]) -> None:
        self._endpoint = endpoint
        self._limits = limits
        self._new_id = new_id
        self._pause = pause

    def run(self, connection: Connection) -> None:
        """Log in, raise the limit of a message, set the options."""
        self._authenticate(connection)
        connection.message_limit = self._limits.message
        # Private methods are for the clone sequence; 25.04 does not know the option and answers null.
        try:
            options = self._ask(connection, "core.set_options", {"private_methods": True})
        except CallError:
            options = None
        connection.tells_message_ids = isinstance(options, dict)

    def _authenticate(self, connection: Connection) -> None:
        started = time.monotonic()
        while True:
            try:
                response = self._attempt(connection)
                break
            except CallError as error:
                if not is_busy(error):
                    raise
                waited = time.monotonic() - started
                if waited + self._limits.login_pause > self._limits.busy_timeout:
                    raise Busy(error.method, waited, f"20 logins a minute is its limit; {error.reason}", error.errno) from None
                # Those who wait for the same minute should not come back at the same moment.
                self._pause(self._limits.login_pause * random.uniform(1.0, 1.5))
        if response != "SUCCESS":
            raise AuthenticationFailed(self._endpoint.label, self._endpoint.username, response)

    def _attempt(self, connection: Connection) -> str:
        key = {
            "mechanism": "API_KEY_PLAIN",
            "username": self._endpoint.username,
            "api_key": self._endpoint.api_key,
            "login_options": {"user_info": False},
        }
        try:
            answer = self._ask(connection, "auth.login_ex", key)
        except UnknownMethod:
            return "SUCCESS" if self._ask(connection, "auth.login_with_api_key", self._endpoint.api_key) is True else "AUTH_ERR"
        return str(answer.get("response_type")) if isinstance(answer, dict) else "AUTH_ERR"

    def _ask(self, connection: Connection, method: str, *params: Any) -> Any:
        request: Request = connection.submit(self._new_id(), method, list(params))
        if not request.finished.wait(self._limits.login_timeout):
            raise ConnectionFailed(f"{self._endpoint.label}: no answer to {method} within {self._limits.login_timeout:g} s")
        if request.answer is None:
            raise ConnectionFailed(f"{self._endpoint.label}: the connection was lost during the login ({request.lost})")
        if "error" in request.answer:
            raise self._without_key(error_of(method, request.answer["error"]))
        return request.answer.get("result")

    def _without_key(self, error: CallError) -> ApiError:
        """A refusal may quote what it refuses."""
        for name, value in vars(error).items():
            if isinstance(value, (str, list)) and self._endpoint.api_key and self._endpoint.api_key in str(value):
                setattr(error, name, "(removed: it quotes the API key)" if isinstance(value, str) else [])
                error.args = ("the login was refused, and the reason quotes the API key",)
                error.message = str(error)
        return error
