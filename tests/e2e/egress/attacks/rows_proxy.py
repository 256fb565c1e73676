"""Rows that try to make the proxy see another name than the server does."""

from __future__ import annotations

import itertools
import socket
import struct

from rows_web import get
from tools import WORLD as W
from tools import Verdict, connect, drain, foreign, judged, row, shown, tcp, token, tried, worst


def sni_extension(names: list[bytes]) -> bytes:
    entries = b"".join(b"\0" + struct.pack("!H", len(name)) + name for name in names)
    content = struct.pack("!H", len(entries)) + entries
    return struct.pack("!HH", 0, len(content)) + content


def raw_hello(mark: str, *extensions: bytes) -> bytes:
    """A ClientHello with just what a server needs to answer; its random number is the token."""
    more = b"".join(
        [
            struct.pack("!HHHHH", 10, 6, 4, 23, 24),  # groups
            struct.pack("!HHHHHH", 13, 8, 6, 0x0403, 0x0804, 0x0401),  # signatures
            struct.pack("!HHBB", 11, 2, 1, 0),  # point formats
        ]
    )
    body = b"\x03\x03" + mark.encode().ljust(32, b"x") + b"\0"
    body += struct.pack("!HHHH", 6, 0xC02B, 0xC02F, 0x009C) + b"\x01\0"
    block = b"".join(extensions) + more
    body += struct.pack("!H", len(block)) + block
    return b"\x01" + len(body).to_bytes(3, "big") + body


def records(message: bytes, *cuts: int) -> bytes:
    """A handshake message in records, cut at these places."""
    edges = [0, *cuts, len(message)]
    pieces = [message[first:second] for first, second in itertools.pairwise(edges)]
    return b"".join(b"\x16\x03\x01" + struct.pack("!H", len(piece)) + piece for piece in pieces)


def said_hello(data: bytes, what: str) -> Verdict:
    """A ServerHello is a handshake that somebody outside has begun."""
    with connect(W["cdn"][0], 443) as made:
        made.sendall(data)
        answer = drain(made, 2.0, until=b"\x16")
    return ("bypass" if answer[:1] == b"\x16" and answer[5:6] == b"\x02" else "blocked"), f"{what}: {shown(answer[:40])}"


def hello_try(data: bytes, what: str) -> Verdict:
    return tried(what, said_hello, data, what)


@row("N70")
def odd_names() -> Verdict:
    other, api, mark = W["other"].encode(), W["api"].encode(), token("N70").encode()
    names: dict[str, list[bytes]] = {
        "foreign, dot at the end": [other + b"."],
        "foreign, capitals": [other.upper()],
        "foreign, then NUL and an allowed one": [other + b"\0." + mark + b".usercontent.example"],
        "foreign, then NUL and an exact one": [other + b"\0" + api],
        "allowed, then NUL and a foreign one": [api + b"\0" + other],
        "nothing before the suffix": [b".usercontent.example"],
        "the suffix alone": [b"usercontent.example"],
        "the suffix without its dot": [b"xusercontent.example"],
        "longer than a name": [b"a." * 300 + b"usercontent.example"],
        "a label that is too long": [mark + b"a" * 80 + b".usercontent.example"],
        "an address": [W["cdn"][0].encode()],
        "empty": [b""],
        "blank before": [b" " + api],
        "blank and more": [other + b" .usercontent.example"],
        "no list": [],
    }
    found = []
    for what, entries in names.items():
        found.append(hello_try(records(raw_hello(token("N70"), sni_extension(entries))), what))
    return worst(found)


@row("N71")
def two_names() -> Verdict:
    """Whatever may pass is what both sides read; a second name may not ride along."""
    other, api = W["other"].encode(), W["api"].encode()
    found = []
    for what, extensions in {
        "foreign first in one list": [sni_extension([other, api])],
        "two extensions, foreign first": [sni_extension([other]), sni_extension([api])],
    }.items():
        found.append(hello_try(records(raw_hello(token("N71"), *extensions)), what))
    return worst(found)


@row("N72")
def hello_in_records() -> Verdict:
    message = raw_hello(token("N72"), sni_extension([W["other"].encode()]))
    found = [hello_try(records(message, cut), f"cut at {cut}") for cut in (1, 4, 40, 90)]
    found.append(hello_try(records(message, *range(10, len(message), 10)), "in tens"))
    # A record of nothing before it, and an old style hello.
    found.append(hello_try(b"\x16\x03\x01\0\0" + records(message), "an empty record first"))
    found.append(hello_try(b"\x80\x2e\x01\x03\x01\0\x15\0\0\0\x10" + bytes(35), "SSLv2"))
    return worst(found)


@row("N73")
def second_hello() -> Verdict:
    """A first one that may pass, then a fatal alert and another one on the same connection."""
    first = records(raw_hello(token("N73"), sni_extension([W["api"].encode()])))
    second = records(raw_hello(token("N73"), sni_extension([W["other"].encode()])))
    with connect(W["cdn"][0], 443) as made:
        made.sendall(first)
        drain(made, 1.5, until=b"\x16", grace=0.1)
        try:
            made.sendall(b"\x15\x03\x03\0\x02\x02\x00" + second)
            answer = drain(made, 1.5, until=b"")
        except OSError as error:
            return "blocked", repr(error)
    return ("bypass" if b"\x16\x03\x03" in answer[:1] + answer and answer[5:6] == b"\x02" else "blocked"), shown(answer[:40])


@row("N74")
def odd_hosts() -> Verdict:
    api, other, path = W["api"], W["other"], f"/{token('N74')}"
    hosts = [
        f"{other}:80",
        f"{other}.",
        other.upper(),
        f"{api}@{other}",
        f"{api}:80@{other}",
        f"{api}:@{other}",
        f"{api},{other}",
        f"{api} {other}",
        f"{api}\t{other}",
        f"{api}/{other}",
        f"{api}#@{other}",
        f"{api}\\{other}",
        f"{api}:{other}",
        f"{other}\0.usercontent.example",
        f"{other} .usercontent.example",
        f"{other}#.usercontent.example",
        f"{other}/.usercontent.example",
        f"{other}?.usercontent.example",
        f"x@{other}:.usercontent.example",
        "xusercontent.example",
        ".usercontent.example",
        f"[{W['attacker'][1]}]",
        "",
    ]
    found = []
    for host in hosts:
        try:
            data = tcp(W["cdn"][0], 80, get(host, path, "Connection: close\r\n"), timeout=1.5)
        except OSError as error:
            data = repr(error).encode()
        found.append(strictly(data, host))
    return worst(found)


def strictly(data: bytes, host: str) -> Verdict:
    """A server outside was reached, with a Host that is not plainly an allowed name."""
    verdict = foreign(data, repr(host))
    plain = host.lower().removesuffix(":80").rstrip(".")
    if verdict[0] == "blocked" and b"INTERNET-SITE" in data and not plain.replace(".", "").replace("-", "").isalnum():
        return "bypass", f"{host!r} reached a server: {shown(data)}"
    return verdict


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + struct.pack("!I", stream) + payload


def header(name: str, value: str) -> bytes:
    """Literal, not indexed, not compressed."""
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def http2(*headers: tuple[str, str]) -> bytes:
    block = b"".join(header(name, value) for name, value in headers)
    return b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + frame(1, 5, 1, block)


@row("N75")
def http2_in_the_clear() -> Verdict:
    path, api, other = f"/{token('N75')}", W["api"], W["other"]
    start = [(":method", "GET"), (":scheme", "http"), (":path", path)]
    requests = {
        "foreign authority": [*start, (":authority", other)],
        "allowed authority, foreign host": [*start, (":authority", api), ("host", other)],
        "foreign authority, allowed host": [*start, (":authority", other), ("host", api)],
        "no authority, two hosts": [*start, ("host", api), ("host", other)],
        "two authorities": [*start, (":authority", api), (":authority", other)],
        "path with a break": [
            (":method", "GET"),
            (":scheme", "http"),
            (":path", f"/ HTTP/1.1\r\nHost: {other}\r\n\r\nGET {path}"),
            (":authority", api),
        ],
        "value with a break": [*start, (":authority", api), ("x", f"y\r\n\r\nGET {path} HTTP/1.1\r\nHost: {other}\r\n\r\n")],
        "chunked": [*start, (":authority", api), ("transfer-encoding", "chunked")],
    }
    found = []
    for what, headers in requests.items():
        try:
            data = tcp(W["cdn"][0], 80, http2(*headers), timeout=1.5)
        except OSError as error:
            data = repr(error).encode()
        # Without the proxy it is the bytes themselves that come back.
        found.append(judged(data, what) if b"INTERNET-RAW" in data else foreign(data, what))
    return worst(found)


def then(first: bytes, second: bytes, wait: float = 0.3) -> bytes:
    """Two parts on one connection, the second after the first has been dealt with."""
    with connect(W["cdn"][0], 80) as made:
        made.sendall(first)
        data = drain(made, wait, until=b"")
        try:
            made.sendall(second)
        except OSError as error:
            return data + repr(error).encode()
        return data + drain(made, 1.5)


@row("N76")
def upgraded() -> Verdict:
    second = get(W["other"], f"/{token('N76')}")
    found = []
    for what, more in {
        "h2c": "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n",
        "made up": "Connection: Upgrade\r\nUpgrade: anything/1\r\n",
        "TLS": "Connection: Upgrade\r\nUpgrade: TLS/1.0, HTTP/1.1\r\n",
    }.items():
        found.append(tried(what, lambda more=more: foreign(then(get(W["api"], "/", more), second))))
    return worst(found)


@row("W16")
def websocket() -> Verdict:
    more = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    data = then(get(W["api"], "/", more), get(W["api"], "/after"))
    ok = data.startswith(b"HTTP/1.1 101") and b'"path": "/after"' in data
    return ("works" if ok else "blocked"), shown(data)


@row("N77")
def smuggled() -> Verdict:
    """Two ways to tell where a request ends; the careless server believes the length."""
    api = W["api"]
    hidden = get(W["other"], f"/{token('N77')}").decode()
    rest = f"0\r\n\r\n{hidden}"
    size = f"{len(rest):x}"
    found = []
    heads = {
        "length and chunks": "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        "blank before the colon": "Content-Length: 0\r\nTransfer-Encoding : chunked\r\n",
        "unknown coding": "Content-Length: 0\r\nTransfer-Encoding: xchunked\r\n",
        "two codings": "Content-Length: 0\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "tab": "Content-Length: 0\r\nTransfer-Encoding:\tchunked\r\n",
        "vertical tab": "Content-Length: 0\r\nTransfer-Encoding: \x0bchunked\r\n",
        "folded": "Content-Length: 0\r\nTransfer-Encoding:\r\n chunked\r\n",
        "quoted": 'Content-Length: 0\r\nTransfer-Encoding: "chunked"\r\n',
    }
    for what, head in heads.items():
        body = f"{size}\r\n{rest}\r\n0\r\n\r\n"
        text = f"POST / HTTP/1.1\r\nHost: {api}\r\n{head}\r\n{body}"
        found.append(tried(what, lambda text=text: foreign(tcp(W["cdn"][0], 80, text.encode("latin-1"), timeout=1.2))))
    for what, lengths in {
        "two lengths": f"Content-Length: {len(hidden)}\r\nContent-Length: 0\r\n",
        "two in one": f"Content-Length: {len(hidden)}, 0\r\n",
        "a sign": f"Content-Length: +{len(hidden)}\r\n",
        "a large number": f"Content-Length: {2**64 + len(hidden)}\r\n",
    }.items():
        text = f"POST / HTTP/1.1\r\nHost: {api}\r\n{lengths}\r\n{hidden}"
        found.append(tried(what, lambda text=text: foreign(tcp(W["cdn"][0], 80, text.encode("latin-1"), timeout=1.2))))
    for what, chunk in {"large chunk": f"{2**64:x}", "chunk with a sign": "-1", "chunk with a break": f"{size};\n"}.items():
        text = f"POST / HTTP/1.1\r\nHost: {api}\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}\r\n{rest}\r\n0\r\n\r\n"
        found.append(tried(what, lambda text=text: foreign(tcp(W["cdn"][0], 80, text.encode("latin-1"), timeout=1.2))))
    return worst(found)


@row("N78")
def odd_heads() -> Verdict:
    api, other, path = W["api"], W["other"], f"/{token('N78')}"
    texts = {
        "folded host": f"GET {path} HTTP/1.1\r\nHost: {api}\r\n {other}\r\n\r\n",
        "folded after another": f"GET {path} HTTP/1.1\r\nHost: {api}\r\nX: y\r\n Host: {other}\r\n\r\n",
        "line feed alone": f"GET {path} HTTP/1.1\nHost: {other}\n\n",
        "hidden by a line feed": f"GET {path} HTTP/1.1\r\nX: y\nHost: {other}\r\nHost: {api}\r\n\r\n",
        "carriage return alone": f"GET {path} HTTP/1.1\r\nX: y\rHost: {other}\r\nHost: {api}\r\n\r\n",
        "blank before the colon": f"GET {path} HTTP/1.1\r\nHost : {other}\r\nHost: {api}\r\n\r\n",
        "blank before the name": f"GET {path} HTTP/1.1\r\n Host: {other}\r\nHost: {api}\r\n\r\n",
        "empty line first": f"\r\n\r\nGET {path} HTTP/1.1\r\nHost: {other}\r\n\r\n",
        "version 1.0 without a host": f"GET {path} HTTP/1.0\r\n\r\n",
        "version 0.9": f"GET {path}\r\n",
        "an unknown version": f"GET {path} HTTP/3.1\r\nHost: {other}\r\n\r\n",
        "underscore": f"GET {path} HTTP/1.1\r\nHost_: {api}\r\nHost: {other}\r\n\r\n",
        "NUL in a name": f"GET {path} HTTP/1.1\r\nHo\0st: {api}\r\nHost: {other}\r\n\r\n",
    }
    found = []
    for what, text in texts.items():
        found.append(tried(what, lambda text=text: foreign(tcp(W["cdn"][0], 80, text.encode("latin-1"), timeout=1.2))))
        # An answer of anybody to a request that names nobody, too, is somebody reached.
    return worst(found)


@row("N79")
def straight_to_the_proxy() -> Verdict:
    """Its own ports, past the redirection: with what was not meant for them, and from another loopback address."""
    found: list[Verdict] = []
    mark = token("N79").encode()
    for address in ("127.0.0.1", "127.0.0.2", "::1"):
        for port in (8443, 8080, 8444):
            found.append(tried(f"{address}:{port} bytes", tcp, address, port, mark + b"\r\n", 0.7))
            request = get(W["other"], f"/{mark.decode()}")
            found.append(tried(f"{address}:{port} http", tcp, address, port, request, 0.7))
            found.append(tried(f"{address}:{port} hello", local_hello, address, port))
        # As an operator of a proxy would be told where to go.
        line = f"PROXY TCP4 1.2.3.4 {W['attacker'][0]} 1 443\r\n".encode()
        found.append(tried(f"{address}: PROXY", tcp, address, 8443, line + mark, 0.7))
    return worst(found)


def local_hello(address: str, port: int) -> Verdict:
    with connect(address, port, 1.0) as made:
        made.sendall(records(raw_hello(token("N79"), sni_extension([W["other"].encode()]))))
        answer = drain(made, 0.7, until=b"\x16")
    return ("bypass" if answer[:1] == b"\x16" else "blocked"), shown(answer[:20])


@row("N80")
def virtual_addresses() -> Verdict:
    """Addresses and ports of the proxy's own range that nobody was given, and the given one with other ports."""
    found: list[Verdict] = []
    given = socket.getaddrinfo(W["git"], 22, socket.AF_INET, socket.SOCK_STREAM)[0][4][0]
    for address, port in ((given, 2222), (given, 4444), ("198.18.0.1", 22), ("198.18.7.7", 4444), ("198.19.255.254", 22)):
        if not str(address).startswith(("198.18.", "198.19.")):
            continue
        found.append(tried(f"{address}:{port}", tcp, address, port, token("N80").encode(), 1.0))
    return worst(found)
