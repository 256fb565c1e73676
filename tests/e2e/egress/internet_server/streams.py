"""A TCP connection as the servers read it, in the clear or inside TLS. The first bytes decide which it is, whatever the port."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any


class Closed(Exception):
    """The other side has gone."""


class Plain:
    """What has been read and not been used yet is in `buffer`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.buffer = b""
        name = writer.get_extra_info("sockname")
        self.address, self.port = str(name[0]), int(name[1])
        self.sni: str | None = None

    async def more(self) -> None:
        data = await self._reader.read(65536)
        if not data:
            raise Closed
        self.buffer += data

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    def end(self) -> None:
        self._writer.close()


class Tls:
    """TLS over a plain connection whose first bytes are in its buffer already."""

    def __init__(self, under: Plain, context: ssl.SSLContext) -> None:
        self._under = under
        self.address, self.port = under.address, under.port
        self.sni: str | None = None
        self.buffer = b""
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        # The context's callback finds us here.
        self._tls.px_stream = self  # type: ignore[attr-defined]

    async def _flush(self) -> None:
        if data := self._outgoing.read():
            await self._under.write(data)

    async def _until_done(self, step: Any) -> Any:
        while True:
            if self._under.buffer:
                self._incoming.write(self._under.buffer)
                self._under.buffer = b""
            try:
                result = step()
            except ssl.SSLWantReadError:
                await self._flush()
                await self._under.more()
                continue
            except ssl.SSLError:
                await self._flush()
                raise
            await self._flush()
            return result

    async def handshake(self) -> None:
        await self._until_done(self._tls.do_handshake)

    async def more(self) -> None:
        data = await self._until_done(lambda: self._tls.read(65536))
        if not data:
            raise Closed
        self.buffer += data

    async def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._tls.write(view[:16384]) :]
            await self._flush()

    def end(self) -> None:
        self._under.end()


Stream = Plain | Tls


def server_context(certificate: str, key: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def told(tls: Any, name: str | None, _context: ssl.SSLContext) -> None:
        tls.px_stream.sni = name

    context.sni_callback = told
    return context


def hello_names(data: bytes) -> list[bytes]:
    """The names in a ClientHello, as they are, and without asking whether they make sense."""
    try:
        body, at = b"", 0
        while at + 5 <= len(data) and data[at] == 0x16:
            size = int.from_bytes(data[at + 3 : at + 5], "big")
            body += data[at + 5 : at + 5 + size]
            at += 5 + size
        at = 4 + 2 + 32
        at += 1 + body[at]
        at += 2 + int.from_bytes(body[at : at + 2], "big")
        at += 1 + body[at]
        end = at + 2 + int.from_bytes(body[at : at + 2], "big")
        at += 2
        names = []
        while at + 4 <= min(end, len(body)):
            kind, size = (int.from_bytes(body[at + step : at + step + 2], "big") for step in (0, 2))
            content = body[at + 4 : at + 4 + size]
            at += 4 + size
            if kind == 0:
                inner = 2
                while inner + 3 <= len(content):
                    length = int.from_bytes(content[inner + 1 : inner + 3], "big")
                    names.append(content[inner + 3 : inner + 3 + length])
                    inner += 3 + length
        return names
    except IndexError:
        return []
