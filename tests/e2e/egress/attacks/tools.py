"""What attacks are made of. Everything is judged by what came back, never by a connection that could be made.

Whatever must not leave carries a token, one for each row and run; the tests look for it in all that has arrived anywhere.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import ssl
import struct
import subprocess
import sys
import time
from typing import Any

WORLD: dict[str, Any] = {}
MARK = b"INTERNET"  # the beginning of everything that the simulated internet answers
Verdict = tuple[str, str]
ROWS: dict[str, Any] = {}
GROUPS: dict[str, str] = {}


class Unsupported(Exception):
    """This system does not have what the attack needs."""


def row(ident: str, group: str = "") -> Any:
    """Rows of a group run one after the other, the others at the same time."""

    def keep(function: Any) -> Any:
        assert ident not in ROWS, ident
        ROWS[ident] = function
        GROUPS[ident] = group
        return function

    return keep


def token(ident: str) -> str:
    return f"px{ident.lower()}{WORLD['run']}"


def shown(data: bytes | str, most: int = 300) -> str:
    text = data.decode("latin-1") if isinstance(data, bytes) else data
    return repr(text[:most])


# -- verdicts ---------------------------------------------------------------------------------------------------
def judged(data: bytes, what: str = "") -> Verdict:
    """An answer of the simulated internet is a bypass; anything else is not."""
    return ("bypass" if MARK in data else "blocked", f"{what}: {shown(data)}" if what else shown(data))


def worst(verdicts: list[Verdict]) -> Verdict:
    """Of several ways those that worked, or else all."""
    through = [text[:260] for verdict, text in verdicts if verdict == "bypass"]
    if through:
        return "bypass", f"{len(through)} of {len(verdicts)} ways: " + "; ".join(through)
    return "blocked", "; ".join(text for _verdict, text in verdicts)[:600]


def tried(what: str, attempt: Any, *arguments: Any) -> Verdict:
    """An attempt that ends in an error was held."""
    try:
        result = attempt(*arguments)
    except OSError as error:
        return "blocked", f"{what}: {error!r}"
    return judged(result, what) if isinstance(result, bytes) else (result[0], f"{what}: {result[1]}")


def sites(data: bytes) -> list[str]:
    """Who has answered, in order."""
    return re.findall(r'"site": "([^"]*)"', data.decode("latin-1"))


def foreign(data: bytes, what: str = "") -> Verdict:
    """Where one address serves many: a bypass is an answer of somebody who is not on the list."""
    strangers = [site for site in sites(data) if not is_allowed(site)]
    if strangers:
        return "bypass", f"{what} answered by {strangers}: {shown(data)}"
    return "blocked", f"{what}: {shown(data)}"


def is_allowed(site: str) -> bool:
    return site in (WORLD["api"], WORLD["git"], WORLD["mirror"]) or site.endswith(".usercontent.example")


# -- connections ------------------------------------------------------------------------------------------------
def family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def connect(address: str, port: int, timeout: float = 3.0, kind: int = socket.SOCK_STREAM, protocol: int = 0) -> socket.socket:
    made = socket.socket(family(address), kind, protocol)
    try:
        made.settimeout(timeout)
        made.connect((address, port))
    except BaseException:
        made.close()
        raise
    return made


def drain(connection: socket.socket, timeout: float = 2.5, until: bytes = MARK, grace: float = 0.3) -> bytes:
    """What comes, until it is over; once `until` has come only a moment longer."""
    data = b""
    end = time.monotonic() + timeout
    while (left := end - time.monotonic()) > 0:
        connection.settimeout(left)
        try:
            piece = connection.recv(65536)
        except OSError as error:
            return data or (b"" if isinstance(error, TimeoutError) else repr(error).encode())
        if not piece:
            break
        data += piece
        if until and until in data:
            end = min(end, time.monotonic() + grace)
    return data


def tcp(address: str, port: int, payload: bytes = b"", timeout: float = 3.0, source: tuple[str, int] | None = None) -> bytes:
    """Say something and listen."""
    made = socket.socket(family(address), socket.SOCK_STREAM)
    with made:
        made.settimeout(timeout)
        if source:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(source)
        made.connect((address, port))
        if payload:
            made.sendall(payload)
        return drain(made, timeout)


def udp(address: str, port: int, payload: bytes, timeout: float = 1.5, source: tuple[str, int] | None = None) -> bytes:
    with socket.socket(family(address), socket.SOCK_DGRAM) as made:
        made.settimeout(timeout)
        if source:
            made.bind(source)
        made.sendto(payload, (address, port))
        try:
            return made.recv(65536)
        except TimeoutError:
            return b""


def tls(
    address: str, sni: str | None, host: str = "", path: str = "/", port: int = 443, verify: bool = False, timeout: float = 4.0
) -> bytes:
    """A handshake and a request; an error is what it ended with."""
    context = ssl.create_default_context(cadata=WORLD["ca"] if verify else None)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    with connect(address, port, timeout) as plain:
        with context.wrap_socket(plain, server_hostname=sni) as secure:
            secure.sendall(f"GET {path} HTTP/1.1\r\nHost: {host or sni or 'nobody.example'}\r\nConnection: close\r\n\r\n".encode())
            return drain(secure, timeout)


def tls_try(*arguments: Any, **options: Any) -> bytes:
    try:
        return tls(*arguments, **options)
    except OSError as error:
        return repr(error).replace("INTERNET", "").encode()


def hello(sni: str | None) -> bytes:
    """The first message of a TLS client."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname=sni)
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def resolved(name: str, kind: int = socket.AF_INET) -> str:
    return str(socket.getaddrinfo(name, 0, kind, socket.SOCK_STREAM)[0][4][0])


# -- names ------------------------------------------------------------------------------------------------------
def wire_name(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def question(name: str, kind: int = 1, *, extra: bytes = b"", additional: int = 0, questions: int = 1, flags: int = 0x0100) -> bytes:
    ident = int.from_bytes(os.urandom(2), "big")
    return struct.pack("!6H", ident, flags, questions, 0, 0, additional) + wire_name(name) + struct.pack("!HH", kind, 1) + extra


def dns(server: str, packet: bytes, port: int = 53, over_tcp: bool = False, timeout: float = 1.5) -> str:
    """What a name server makes of a packet: the code and the number of answers."""
    if over_tcp:
        with connect(server, port, timeout) as made:
            made.sendall(struct.pack("!H", len(packet)) + packet)
            data = drain(made, timeout, until=b"")[2:]
    else:
        data = udp(server, port, packet, timeout)
    if len(data) < 12:
        return f"no answer {data!r}"
    return f"code {data[3] & 15}, {int.from_bytes(data[6:8], 'big')} answers"


def asked(server: str, packet: bytes, **options: Any) -> str:
    try:
        return dns(server, packet, **options)
    except OSError as error:
        return repr(error)


# -- programs ---------------------------------------------------------------------------------------------------
def run(*command: str, timeout: float = 15.0, stdin: str = "", env: dict[str, str] | None = None) -> tuple[int, str]:
    """A program's exit status and all that it said."""
    try:
        done = subprocess.run(
            command,
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            errors="replace",
            timeout=timeout,
            env={**os.environ, **(env or {})},
        )
    except FileNotFoundError:
        return 127, f"{command[0]}: there is none"
    except PermissionError as error:
        return 126, repr(error)
    except subprocess.TimeoutExpired as error:
        return 124, f"still running after {error.timeout} s"
    return done.returncode, done.stdout.strip()


def child(*arguments: Any, prefix: tuple[str, ...] = (), timeout: float = 8.0) -> tuple[int, str]:
    """One of the functions of children.py, in a process of its own: it may be killed, or in other namespaces."""
    return run(*prefix, sys.executable, sys.argv[0], "child", json.dumps(arguments), timeout=timeout)
