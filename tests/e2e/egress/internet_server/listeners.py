"""The sockets of the simulated internet: every address that is routed here, on many ports, TCP and UDP, version 4 and 6."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
import struct
from typing import Any

from names import Names
from seen import Seen
from streams import Closed, Plain, Tls, hello_names
from web import METHODS, Web

TCP = (21, 22, 25, 53, 80, 123, 443, 853, 2222, 4444, 5353, 8080, 8443)
UDP = (53, 67, 123, 443, 500, 547, 853, 4444, 5353)
SPEAK_FIRST = (22, 2222)
MARK = "INTERNET-RAW"
IP_PKTINFO = 8  # Python has no name for it yet


class Listeners:
    def __init__(self, seen: Seen, names: Names, web: Web, tls: ssl.SSLContext, resolvers: set[str]) -> None:
        self.seen, self.names, self.web, self.tls, self.resolvers = seen, names, web, tls, resolvers

    async def start(self) -> None:
        for family, everything in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            for port in TCP:
                await asyncio.start_server(self._tcp, everything, port, family=family, backlog=512)
            for port in UDP:
                self._udp(family, everything, port)

    # -- TCP ----------------------------------------------------------------------------------------------------
    async def _tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stream = Plain(reader, writer)
        try:
            await self._converse(stream)
        except (OSError, Closed, ssl.SSLError, asyncio.IncompleteReadError):
            pass
        finally:
            with contextlib.suppress(Exception):
                writer.close()

    async def _converse(self, stream: Plain) -> None:
        where = f"{stream.address}:{stream.port}"
        self.seen.add("connect", stream.address, stream.port, "")
        if stream.port == 53 and stream.address in self.resolvers:
            await self._dns(stream)
            return
        if stream.port in SPEAK_FIRST:
            await stream.write(f"SSH-2.0-{MARK}_{where}\r\n".encode())
        try:
            await asyncio.wait_for(stream.more(), 1.5)
        except TimeoutError:
            await stream.write(f"{MARK} {where}\r\n".encode())
            await stream.more()
        if stream.buffer[0] == 0x16:
            await self._secure(stream)
            return
        if METHODS.match(stream.buffer) and not stream.buffer.startswith(b"PRI *"):
            await self.web.serve(stream)
            return
        while True:
            self.seen.add("tcp", stream.address, stream.port, stream.buffer)
            data, stream.buffer = stream.buffer, b""
            await stream.write(f"{MARK} {where} ".encode() + data)
            await stream.more()

    async def _secure(self, stream: Plain) -> None:
        # All of the first message, also where it comes in pieces, for the names that it has.
        with contextlib.suppress(asyncio.TimeoutError, Closed):
            while len(stream.buffer) < 5 or len(stream.buffer) < 5 + int.from_bytes(stream.buffer[3:5], "big"):
                await asyncio.wait_for(stream.more(), 2.0)
        names = hello_names(stream.buffer)
        shown = b"|".join(names) + b" " + stream.buffer
        self.seen.add("hello", stream.address, stream.port, shown, names=[name.decode("latin-1") for name in names])
        secure = Tls(stream, self.tls)
        await secure.handshake()
        await self.web.serve(secure)

    async def _dns(self, stream: Plain) -> None:
        while True:
            while len(stream.buffer) < 2 or len(stream.buffer) < 2 + int.from_bytes(stream.buffer[:2], "big"):
                await stream.more()
            size = int.from_bytes(stream.buffer[:2], "big")
            packet, stream.buffer = stream.buffer[2 : 2 + size], stream.buffer[2 + size :]
            if answer := self.names.answer(packet, stream.address, "tcp"):
                await stream.write(struct.pack("!H", len(answer)) + answer)

    # -- UDP ----------------------------------------------------------------------------------------------------
    def _udp(self, family: int, everything: str, port: int) -> None:
        """The address that was asked has to be the one that answers, so the kernel is asked for it."""
        sock = socket.socket(family, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        sock.bind((everything, port))
        sock.setblocking(False)
        asyncio.get_running_loop().add_reader(sock, self._datagram, sock, family, port)

    def _datagram(self, sock: socket.socket, family: int, port: int) -> None:
        try:
            data, extra, _flags, peer = sock.recvmsg(65535, 256)
        except OSError:
            return
        address, back = _asked(family, extra)
        if port == 53 and address in self.resolvers:
            answer = self.names.answer(data, address, "udp")
        else:
            self.seen.add("udp", address, port, data)
            answer = f"{MARK} {address}:{port} ".encode() + data[:1000]
        if answer is not None:
            with contextlib.suppress(OSError):
                sock.sendmsg([answer], [back] if back else [], 0, peer)


def _asked(family: int, extra: list[Any]) -> tuple[str, tuple[int, int, bytes] | None]:
    """The address that a datagram was for, and what makes the answer come from there."""
    for level, kind, content in extra:
        if family == socket.AF_INET6 and (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):
            packed = content[:16]
            return str(ipaddress.ip_address(packed)), (level, kind, packed + struct.pack("=I", 0))
        if family == socket.AF_INET and (level, kind) == (socket.IPPROTO_IP, IP_PKTINFO):
            packed = content[8:12]
            if ipaddress.ip_address(packed).is_multicast or packed == b"\xff" * 4:
                return str(ipaddress.ip_address(packed)), None
            return str(ipaddress.ip_address(packed)), (level, kind, struct.pack("=I4s4s", 0, packed, packed))
    return "", None
