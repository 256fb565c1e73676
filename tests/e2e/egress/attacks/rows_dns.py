"""Rows about name servers. What counts is the log of the one that would have been asked, and the wire."""

from __future__ import annotations

import socket
import struct
from concurrent.futures import ThreadPoolExecutor

from tools import WORLD as W
from tools import Verdict, asked, question, resolved, row, run, token, udp, wire_name

TYPES = {
    "A": 1, "NS": 2, "CNAME": 5, "NULL": 10, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33, "DS": 43, "DNSKEY": 48, "SVCB": 64,
    "HTTPS": 65, "IXFR": 251, "AXFR": 252, "ANY": 255,
}  # fmt: skip


def servers() -> list[str]:
    return ["127.0.0.1", W["dns"][0], W["foreign_dns"][0], W["foreign_dns"][1]]


def everywhere(packets: dict[str, bytes], to: list[str] | None = None, ports: tuple[int, ...] = (53,)) -> list[str]:
    """Ask all of it of all servers at once, over UDP and TCP; what they said."""
    jobs = [
        (f"{what} {server}:{port}/{'tcp' if over else 'udp'}", server, packet, port, over)
        for what, packet in packets.items()
        for server in (to or servers())
        for port in ports
        for over in (False, True)
    ]

    def one(job: tuple[str, str, bytes, int, bool]) -> str:
        what, server, packet, port, over = job
        return f"{what}: {asked(server, packet, port=port, over_tcp=over, timeout=1.0)}"

    with ThreadPoolExecutor(24) as pool:
        return list(pool.map(one, jobs))


def nothing_found(said: list[str]) -> Verdict:
    """An answer with data came from outside; whether a question went there is seen there."""
    for text in said:
        if "code 0" in text and ", 0 answers" not in text:
            return "bypass", text
    return "blocked", f"{len(said)} questions; for example {said[0]}"


@row("W13")
def any_server_for_an_allowed_name() -> Verdict:
    said = [asked(server, question(W["api"]), over_tcp=over) for server in servers() for over in (False, True)]
    return ("works" if all(text == "code 0, 1 answers" for text in said) else "blocked"), str(said)


@row("N06")
def foreign_resolver() -> Verdict:
    name = f"{token('N06')}.{W['evil']}"
    return nothing_found([asked(server, question(name)) for server in W["foreign_dns"]])


@row("N07")
def own_resolver() -> Verdict:
    name = f"{token('N07')}.{W['evil']}"
    try:
        return "bypass", f"{name} is {resolved(name)}"
    except socket.gaierror as error:
        return nothing_found([asked("127.0.0.1", question(name)), repr(error)])


@row("N08")
def below_an_exact_name() -> Verdict:
    names = [f"{token('N08')}.{name}" for name in (W["api"], W["git"], W["mirror"])]
    return nothing_found(everywhere({name: question(name) for name in names}, ["127.0.0.1", W["dns"][0]]))


@row("N60")
def other_types() -> Verdict:
    name = f"{token('N60')}.{W['evil']}"
    return nothing_found(everywhere({kind: question(name, number) for kind, number in TYPES.items()}))


@row("N61")
def other_types_below_an_exact_name() -> Verdict:
    """For a DS record the zone above is asked, and that one is on the list."""
    name = f"{token('N61')}.{W['api']}"
    found = everywhere({kind: question(name, number) for kind, number in TYPES.items()}, ["127.0.0.1"])
    deeper = f"{token('N61')}.a.{W['api']}"
    return nothing_found(found + everywhere({"deep": question(deeper, 43)}, ["127.0.0.1"]))


@row("N62")
def back_resolver() -> Verdict:
    packets = {}
    for kind in ("A", "TXT", "DS", "ANY"):
        for zone in (W["evil"], W["api"]):
            packets[f"{kind} {zone}"] = question(f"{token('N62')}.{zone}", TYPES[kind])
    return nothing_found(everywhere(packets, ["127.0.0.1"], ports=(5354,)))


@row("N63")
def other_zones() -> Verdict:
    mark = token("N63")
    names = [
        f"{mark}.113.0.203.in-addr.arpa",
        f"{mark}.168.192.in-addr.arpa",
        f"{mark}.ip6.arpa",
        mark,
        f"{mark}.local",
        f"{mark}.lan",
        f"{mark}.localhost",
        f"{mark}.onion",
        f"{mark}.example",
        f"{mark}.ai.example",
        f"{mark}xusercontent.example",
        f"{mark}.bind",
    ]
    packets = {name: question(name, kind) for name in names for kind in (1, 12, 16)}
    return nothing_found(everywhere(packets, ["127.0.0.1"]))


@row("N64")
def riding_along() -> Verdict:
    """A question that may be asked, with more in the packet than the question."""
    mark = token("N64").encode()
    option = struct.pack("!HH", 65001, len(mark)) + mark
    edns = b"\0" + struct.pack("!HHIH", 41, 1232, 0, len(option)) + option
    record = wire_name("x.example") + struct.pack("!HHIH", 16, 1, 0, len(mark) + 1) + bytes([len(mark)]) + mark
    padding = struct.pack("!HH", 12, len(mark)) + mark
    subnet = struct.pack("!HH", 8, 8) + struct.pack("!HBB", 1, 32, 0) + b"\xc6\x33\x64\x42"
    both = padding + subnet
    packets = {
        "option": question(W["api"], extra=edns, additional=1),
        "padding": question(W["api"], extra=b"\0" + struct.pack("!HHIH", 41, 1232, 0, len(both)) + both, additional=1),
        "record": question(W["api"], extra=record, additional=1),
        "tail": question(W["api"], extra=mark),
        # Not in the cache, so that it is asked outside for certain.
        "fresh": question(W["api"], 15, extra=edns, additional=1),
        "fresh record": question(W["api"], 33, extra=record, additional=1),
        "fresh tail": question(W["api"], 12, extra=mark),
    }
    said = everywhere(packets, ["127.0.0.1"])
    return "blocked", f"{len(said)} questions; for example {said[0]}"


@row("N65")
def not_a_question() -> Verdict:
    name = f"{token('N65')}.{W['evil']}"
    second = wire_name(name) + struct.pack("!HH", 1, 1)
    packets = {
        "two questions": question(W["api"], extra=second, questions=2),
        "two, other order": question(name, extra=wire_name(W["api"]) + struct.pack("!HH", 1, 1), questions=2),
        "update": question(W["api"], extra=second, flags=0x2800, additional=1),
        "notify": question(name, flags=0x2000),
        "status": question(name, flags=0x1000),
        "answer": question(name, flags=0x8180),
        "class": question(name)[:-1] + b"\x03",
        "checking disabled": question(name, flags=0x0110),
    }
    said = everywhere(packets)
    foreign = [text for text in said if text.startswith(("two, other", "class", "checking"))]
    return nothing_found(foreign)


@row("N66")
def system_resolver() -> Verdict:
    """Daemons that look names up for others: over the bus, its own protocol, and by multicast."""
    mark = token("N66")
    bus = ["busctl", "--system", "--timeout=4", "call", "org.freedesktop.resolve1", "/org/freedesktop/resolve1"]
    manager = "org.freedesktop.resolve1.Manager"
    found = []
    for name in (f"{mark}.{W['evil']}", mark, f"{mark}.local"):
        for flags in ("0", "8", "16", "1"):
            found.append(run(*bus, manager, "ResolveHostname", "isit", "0", name, "0", flags, timeout=6))
    found.append(run("resolvectl", "query", f"{mark}.{W['evil']}", timeout=6))
    found.append(run("getent", "ahosts", f"{mark}.{W['evil']}", timeout=6))
    for code, text in found:
        if code == 0 and text:
            return "bypass", text
    return "blocked", "; ".join(dict.fromkeys(text for _code, text in found))[:500]


@row("N67")
def below_a_wildcard() -> Verdict:
    """Known: what is below a wildcard is looked up, and so its labels are told."""
    name = f"{token('N67')}.usercontent.example"
    try:
        return "bypass", f"{name} is {resolved(name)}"
    except socket.gaierror as error:
        return "blocked", repr(error)


@row("N16")
def udp_53_of_version_6() -> Verdict:
    data = udp(W["attacker"][1], 53, token("N16").encode())
    return ("bypass" if b"INTERNET" in data else "blocked"), repr(data)
