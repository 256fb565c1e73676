"""HTTP as a large shared host serves it: whoever is asked for is who answers, by the Host that was named, whatever the address.

Deliberately easy to fool: it believes an absolute address before a Host, and a length before chunks. What reaches it can reach others.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from seen import Seen
from streams import Closed, Stream

MARK = "INTERNET-SITE"
METHODS = re.compile(rb"[A-Za-z]{3,10} \S")


def site_of(authority: str) -> str:
    """Whom a careless server takes this for."""
    host = authority.rpartition("@")[2].strip().lower()
    if not host.startswith("["):
        host = host.partition(":")[0]
    return host.rstrip(".")


class Web:
    def __init__(self, seen: Seen, files: Path) -> None:
        self.seen = seen
        self.files = files

    async def serve(self, stream: Stream) -> None:
        upgraded = False
        while True:
            while b"\r\n\r\n" not in stream.buffer:
                await stream.more()
            head, stream.buffer = stream.buffer.split(b"\r\n\r\n", 1)
            lines = head.lstrip(b"\r\n").split(b"\r\n")
            words = lines[0].decode("latin-1").split(" ")
            target = words[1] if len(words) > 1 else ""
            fields = [line.decode("latin-1").partition(":") for line in lines[1:]]
            headers: dict[str, str] = {}
            for name, _colon, value in fields:
                headers.setdefault(name.strip().lower(), value.strip())
            host = headers.get("host", "")
            absolute = urlsplit(target).netloc if "://" in target else ""
            site = site_of(absolute or (target if words[0].upper() == "CONNECT" else "") or host)
            body = await self._body(stream, headers)
            self.seen.add(
                "http", stream.address, stream.port, head + b"\r\n\r\n" + body, site=site, host=host, sni=stream.sni, upgraded=upgraded
            )
            path = urlsplit(target).path if absolute else target
            if "upgrade" in headers and not upgraded:
                upgraded = True
                lines = ["HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", f"Upgrade: {headers['upgrade']}"]
                if key := headers.get("sec-websocket-key"):
                    proof = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
                    lines.append(f"Sec-WebSocket-Accept: {base64.b64encode(proof).decode()}")
                await stream.write("\r\n".join([*lines, "", ""]).encode())
                continue
            last = headers.get("connection", "").lower() == "close" or words[-1] == "HTTP/1.0"
            await self._answer(stream, site, host, path, last, words[0])
            if last:
                return

    async def _body(self, stream: Stream, headers: dict[str, str]) -> bytes:
        if headers.get("content-length", "").isdigit():
            size = int(headers["content-length"])
            while len(stream.buffer) < size:
                await stream.more()
            body, stream.buffer = stream.buffer[:size], stream.buffer[size:]
            return body
        if "chunked" not in headers.get("transfer-encoding", "").lower():
            return b""
        body = b""
        while True:
            while b"\r\n" not in stream.buffer:
                await stream.more()
            line, stream.buffer = stream.buffer.split(b"\r\n", 1)
            try:
                size = int(line.partition(b";")[0].strip() or b"0", 16)
            except ValueError:
                return body
            while len(stream.buffer) < size + 2:
                await stream.more()
            body, stream.buffer = body + stream.buffer[:size], stream.buffer[size + 2 :]
            if size == 0:
                return body

    async def _answer(self, stream: Stream, site: str, host: str, path: str, last: bool, method: str) -> None:
        bare, _mark, query = path.partition("?")
        if bare == "/slow":
            options = parse_qs(query)
            await self._slow(stream, float(options.get("seconds", ["10"])[0]), float(options.get("every", ["0.1"])[0]))
            return
        file = self.files / bare.lstrip("/")
        if ".." not in bare and file.is_file():
            kind, content = "application/octet-stream", file.read_bytes()
        else:
            told = {"mark": MARK, "site": site, "host": host, "sni": stream.sni, "address": stream.address, "port": stream.port}
            kind, content = "application/json", json.dumps({**told, "path": path}).encode()
        found = kind != "application/json" or not bare.startswith("/debian")
        lines = [
            f"HTTP/1.1 {'200 OK' if found else '404 Not Found'}",
            f"Content-Type: {kind}",
            f"Content-Length: {len(content)}",
            f"Connection: {'close' if last else 'keep-alive'}",
        ]
        await stream.write("\r\n".join([*lines, "", ""]).encode() + (b"" if method == "HEAD" else content))

    async def _slow(self, stream: Stream, seconds: float, every: float) -> None:
        """A download that takes its time: a numbered line in each chunk, so that a gap would be seen."""
        await stream.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n")
        count = max(1, round(seconds / every))
        try:
            for number in range(count):
                line = f"{MARK} {number}\n".encode()
                await stream.write(b"%x\r\n%s\r\n" % (len(line), line))
                await asyncio.sleep(every)
            await stream.write(b"0\r\n\r\n")
        except (OSError, Closed):
            self.seen.add("slow-broken", stream.address, stream.port, f"{number} of {count}")
            raise Closed from None
