"""How the tests speak with the simulated internet: what it has seen, and what its name server says."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

from names import Names
from seen import Seen

PORT = 9999


class Control:
    def __init__(self, seen: Seen, names: Names) -> None:
        self.seen, self.names = seen, names

    async def start(self, address: str) -> None:
        await asyncio.start_server(self._serve, address, PORT)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, target, _version = head.split("\r\n")[0].split(" ")
            size = 0
            for line in head.split("\r\n")[1:]:
                name, _colon, value = line.partition(":")
                if name.lower() == "content-length":
                    size = int(value)
            body = json.loads(await reader.readexactly(size)) if size else {}
            try:
                status, answer = "200 OK", self._do(method, target, body)
            except Exception as error:
                status, answer = "400 Bad Request", {"error": repr(error)}
            content = json.dumps(answer).encode()
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n".encode() + content)
            await writer.drain()
        finally:
            writer.close()

    def _do(self, method: str, target: str, body: dict[str, Any]) -> dict[str, Any]:
        parts = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if (method, parts.path) == ("GET", "/seen"):
            found = self.seen.since(int(query.get("since", "0")), query.get("text", ""))
            return {"next": self.seen.next, "seen": found}
        if (method, parts.path) == ("GET", "/next"):
            return {"next": self.seen.next}
        if (method, parts.path) == ("POST", "/record"):
            self.names.set(**body)
            return {}
        if (method, parts.path) == ("POST", "/reset"):
            self.names.reset()
            return {}
        raise ValueError(f"{method} {parts.path}")
