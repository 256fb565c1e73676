"""The limit on calls by connections that are not logged in: per method and address, in windows which do not slide."""

from __future__ import annotations

import asyncio
import random
import time
from errno import EBUSY

from ..settings import Settings
from .errors import CallError


class RateLimiter:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._windows: dict[tuple[str, str], tuple[float, int]] = {}

    def clear(self) -> None:
        self._windows.clear()

    def _tidy(self, now: float) -> None:
        length = self._settings.rate_limit_seconds
        for key in [key for key, (began, _count) in self._windows.items() if now - began >= length]:
            del self._windows[key]

    def allows(self, method: str, address: str) -> bool:
        now = time.monotonic()
        self._tidy(now)
        key = (method, address)
        if len(self._windows) >= self._settings.rate_limit_table:  # full: everybody is refused, known or not
            return False
        began, count = self._windows.get(key, (now, 0))
        self._windows[key] = (began, count + 1)
        return count < self._settings.rate_limit_calls

    async def check(self, method: str, address: str) -> None:
        if not self.allows(method, address):
            await asyncio.sleep(random.uniform(*self._settings.rate_limit_delay))
            raise CallError("Rate Limit Exceeded", EBUSY)
