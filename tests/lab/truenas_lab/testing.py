"""For tests: a lab on the memory engine in this process, and a small client that knows nothing but the wire."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from .engine.memory import MemoryEngine
from .server import Running, serve
from .settings import Settings

TIMEOUT = 20.0


class Closed(Exception):
    """The connection ended instead of an answer."""


@dataclass
class Client:
    """One WebSocket. Messages are read in the background and kept in the order in which they came."""

    socket: aiohttp.ClientWebSocketResponse
    received: list[dict[str, Any]] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    closed: bool = False
    number: int = 0
    reader: asyncio.Task[None] | None = None

    async def read(self) -> None:
        async for message in self.socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                async with self.changed:
                    self.received.append(json.loads(message.data))
                    self.changed.notify_all()
        async with self.changed:
            self.closed = True
            self.changed.notify_all()

    async def send(self, message: Any) -> None:
        await self.socket.send_str(message if isinstance(message, str) else json.dumps(message))

    async def post(self, method: str, *params: Any) -> int:
        """Send a call and answer its id."""
        self.number += 1
        await self.send({"jsonrpc": "2.0", "id": self.number, "method": method, "params": list(params)})
        return self.number

    async def wait_for(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        async def look() -> dict[str, Any]:
            async with self.changed:
                while True:
                    for message in self.received:
                        if wanted(message):
                            return message
                    if self.closed:
                        raise Closed(self.socket.close_code)
                    await self.changed.wait()

        return await asyncio.wait_for(look(), TIMEOUT)

    async def answer(self, ident: Any) -> dict[str, Any]:
        return await self.wait_for(lambda message: "method" not in message and message.get("id") == ident)

    async def call(self, method: str, *params: Any) -> Any:
        message = await self.answer(await self.post(method, *params))
        assert "error" not in message, message
        return message["result"]

    async def error(self, method: str, *params: Any) -> dict[str, Any]:
        message = await self.answer(await self.post(method, *params))
        assert "error" in message, message
        return dict(message["error"])

    async def job(self, method: str, *params: Any) -> dict[str, Any]:
        """Run a job by polling and answer its object."""
        ident = await self.call(method, *params)
        return await self.finished(ident)

    async def finished(self, ident: int) -> dict[str, Any]:
        await self.call("core.job_wait", ident)
        while True:
            found = await self.call("core.get_jobs", [["id", "=", ident]], {"get": True})
            if found["state"] in ("SUCCESS", "FAILED", "ABORTED"):
                return dict(found)
            await asyncio.sleep(0.01)

    def events(self, collection: str) -> list[dict[str, Any]]:
        return [m["params"] for m in self.received if m.get("method") == "collection_update" and m["params"]["collection"] == collection]

    async def until_closed(self) -> int | None:
        async def look() -> None:
            async with self.changed:
                while not self.closed:
                    await self.changed.wait()

        await asyncio.wait_for(look(), TIMEOUT)
        return self.socket.close_code


@dataclass
class RunningLab:
    running: Running
    engine: MemoryEngine
    settings: Settings
    http: aiohttp.ClientSession
    clients: list[Client] = field(default_factory=list)

    @property
    def key(self) -> str:
        return (self.settings.directory / "api-key").read_text().strip()

    @property
    def https(self) -> str:
        return f"https://127.0.0.1:{self.running.port}"

    def journal(self, kind: str | None = None) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in (self.settings.directory / "journal.jsonl").read_text().splitlines()]
        return [line for line in lines if kind in (None, line["kind"])]

    async def connect(self, path: str = "/api/current", *, plain: bool = False) -> Client:
        base = f"http://127.0.0.1:{self.running.plain_port}" if plain else self.https
        client = Client(await self.http.ws_connect(base + path, max_msg_size=0))
        client.reader = asyncio.create_task(client.read())
        self.clients.append(client)
        return client

    async def login(self, path: str = "/api/current") -> Client:
        client = await self.connect(path)
        assert await client.call("auth.login_with_api_key", self.key) is True
        return client

    async def control(self, verb: str, path: str, data: Any = None) -> Any:
        async with self.http.request(
            verb, f"{self.https}/_lab/{path}", json=data, headers={"X-Lab-Token": self.running.lab.control_token}
        ) as answer:
            return await answer.json()

    async def fault(self, method: str, fault: str, **values: Any) -> None:
        answer = await self.control("POST", "faults", {"method": method, "fault": fault, **values})
        assert "error" not in answer, answer

    async def state(self, **values: Any) -> Any:
        answer = await self.control("POST", "state", values)
        assert "error" not in answer, answer
        return answer


@asynccontextmanager
async def running_lab(directory: Path, **settings: Any) -> AsyncIterator[RunningLab]:
    quick: dict[str, Any] = {"failed_login_delay": (0.0, 0.0), "rate_limit_delay": (0.0, 0.01), "shell_close_delay": 0.0}
    chosen = Settings(directory, engine="memory", **{**quick, **settings})
    engine = MemoryEngine(address_delay=0.0)
    up: asyncio.Future[Running] = asyncio.get_running_loop().create_future()
    server = asyncio.create_task(serve(chosen, engine, up.set_result))
    await asyncio.wait([asyncio.ensure_future(item) for item in (up, server)], return_when=asyncio.FIRST_COMPLETED)
    if server.done():
        server.result()
    context = ssl.create_default_context(cafile=str(directory / "tls" / "ca.pem"))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as http:
        lab = RunningLab(up.result(), engine, chosen, http)
        try:
            yield lab
        finally:
            for client in lab.clients:
                await client.socket.close()
    server.cancel()
    await asyncio.gather(server, return_exceptions=True)
