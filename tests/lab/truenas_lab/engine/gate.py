"""Many may be inside together, or one alone; who wants to be alone does not wait for those that come later."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Gate:
    def __init__(self, rest: float = 0.0) -> None:
        self._rest = rest  # seconds without anybody before it counts as free
        self._left = float("-inf")
        self._door = asyncio.Lock()  # held by the one who is, or waits to be, alone
        self._inside = 0
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def free(self) -> bool:
        """Whether one could be alone at once, and would not be in the way of the next of many."""
        return not self._inside and not self._door.locked() and time.monotonic() - self._left >= self._rest

    @asynccontextmanager
    async def together(self) -> AsyncIterator[None]:
        async with self._door:
            self._inside += 1
            self._empty.clear()
        try:
            yield
        finally:
            self._inside -= 1
            self._left = time.monotonic()
            if not self._inside:
                self._empty.set()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        async with self._door:
            await self._empty.wait()
            yield
