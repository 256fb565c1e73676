"""Incus's REST API over its unix socket: requests, operations waited for, events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

import aiohttp

from .base import EngineError, EngineNotFound

OnEvent = Callable[[dict[str, Any]], None]
_BACKGROUND = 100  # Incus's code for an operation that has been created and goes on
_NOT_FOUND = 404


class IncusUnreachable(EngineError):
    """The daemon does not answer."""


class IncusNotFound(EngineNotFound):
    """What was asked for does not exist."""


class IncusClient:
    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> IncusClient:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            # Waiting for an operation holds a connection for as long as that takes: no limit on their number or time.
            connector = aiohttp.UnixConnector(path=str(self.socket), limit=0)
            self._session = aiohttp.ClientSession("http://incus", connector=connector, timeout=aiohttp.ClientTimeout(total=None))
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: dict[str, Any] | None = None,
        params: dict[str, str] | None = None,
        data: BinaryIO | None = None,
        headers: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """One request; the whole answer, or an EngineError with Incus's own text."""
        try:
            async with self._open().request(method, path, json=body, params=params, data=data, headers=headers) as response:
                answer = json.loads(await response.read())
        except (aiohttp.ClientError, OSError) as exc:
            raise IncusUnreachable(f"Incus does not answer on {self.socket}: {exc}") from exc
        except ValueError as exc:
            raise EngineError(f"{method} {path}: Incus's answer is not JSON") from exc
        if answer.get("type") == "error":
            kind = IncusNotFound if answer.get("error_code") == _NOT_FOUND else EngineError
            raise kind(answer.get("error") or f"{method} {path} failed")
        return answer

    async def get(self, path: str, **params: str) -> Any:
        return (await self.request("GET", path, params=params or None))["metadata"]

    async def collection(self, path: str, **params: str) -> list[dict[str, Any]]:
        """A collection; Incus writes null for an empty one."""
        return await self.get(path, **params) or []

    async def operation(self, method: str, path: str, **values: Any) -> dict[str, Any]:
        """A request that starts an operation: the operation as it is at once."""
        answer = await self.request(method, path, **values)
        if answer.get("status_code") != _BACKGROUND or not answer.get("operation"):
            return {}  # done on the spot
        return dict(answer["metadata"] or {})

    async def wait(self, operation: dict[str, Any]) -> dict[str, Any]:
        """Until it has ended; its failure is an EngineError."""
        if not operation:
            return {}
        done = await self.get(f"/1.0/operations/{operation['id']}/wait", timeout="-1")
        if done.get("err"):
            raise EngineError(done["err"])
        return dict(done)

    async def do(self, method: str, path: str, **values: Any) -> dict[str, Any]:
        return await self.wait(await self.operation(method, path, **values))

    async def exists(self, path: str) -> bool:
        try:
            await self.get(path)
        except IncusNotFound:
            return False
        return True

    async def listen(self, on_event: OnEvent, kinds: str = "lifecycle,operation", ready: asyncio.Event | None = None) -> None:
        """Events until cancelled; after a restart of the daemon it listens again."""
        while True:
            with suppress(aiohttp.ClientError, OSError):
                async with self._open().ws_connect("/1.0/events", params={"type": kinds, "all-projects": "true"}, max_msg_size=0) as stream:
                    if ready is not None:
                        ready.set()
                    async for message in stream:
                        if message.type is aiohttp.WSMsgType.TEXT:
                            on_event(json.loads(message.data))
            await asyncio.sleep(0.5)  # the daemon is away: it cannot tell when it is back


def segment(name: str) -> str:
    """A name as one part of a path."""
    return quote(name, safe="")
