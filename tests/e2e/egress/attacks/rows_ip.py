"""Rows about everything below names: ports, protocols, sockets of every kind."""

from __future__ import annotations

import pwd
import socket
import struct
import time

from tools import WORLD as W
from tools import Unsupported, Verdict, child, connect, drain, family, judged, row, run, tcp, token, tried, udp, worst


@row("W07")
def refused_at_once() -> Verdict:
    start = time.monotonic()
    try:
        data = tcp(W["attacker"][0], 4444, timeout=10)
    except OSError as error:
        took = time.monotonic() - start
        return ("works" if took < 1 else "blocked"), f"{error!r} after {took:.2f} s"
    return "blocked", f"not refused: {data!r}"


def payload(ident: str) -> bytes:
    return token(ident).encode()


@row("N03")
def other_port() -> Verdict:
    return worst([tried(str(port), tcp, W["attacker"][0], port, payload("N03")) for port in (4444, 22, 8443, 8080, 21, 5353)])


@row("N04")
def tcp_53() -> Verdict:
    return tried("tcp", tcp, W["attacker"][0], 53, payload("N04"))


@row("N05")
def udp_53() -> Verdict:
    return tried("udp", udp, W["attacker"][0], 53, payload("N05"))


@row("N09")
def dns_over_tls() -> Verdict:
    return worst([tried(address, tcp, address, 853, payload("N09")) for address in (*W["foreign_dns"], W["dns"][0])])


@row("N10")
def ntp() -> Verdict:
    return tried("udp", udp, W["attacker"][0], 123, payload("N10"))


@row("N11")
def quic() -> Verdict:
    return worst([tried(address, udp, address, 443, payload("N11")) for address in W["cdn"]])


def ping(ident: str, version: int) -> Verdict:
    address = W["attacker"][version]
    protocol, kind = ((socket.IPPROTO_ICMP, 8), (socket.IPPROTO_ICMPV6, 128))[version]
    try:
        made = socket.socket(family(address), socket.SOCK_DGRAM, protocol)
    except OSError as error:
        return "blocked", f"no socket: {error!r}"
    with made:
        made.settimeout(1.5)
        made.connect((address, 0))
        made.send(struct.pack("!BBHHH", kind, 0, 0, 1, 1) + payload(ident))
        data = made.recv(2000)
    return ("bypass" if payload(ident) in data else "blocked"), repr(data)


@row("N12")
def icmp() -> Verdict:
    return tried("echo", ping, "N12", 0)


@row("N13")
def icmp_6() -> Verdict:
    return tried("echo", ping, "N13", 1)


@row("N15")
def other_port_6() -> Verdict:
    return worst([tried(str(port), tcp, W["attacker"][1], port, payload("N15")) for port in (4444, 22, 853, 8443)])


@row("N17")
def other_port_of_an_allowed_host() -> Verdict:
    found = [tried(f"{address}:{port}", tcp, address, port, payload("N17")) for address in W["cdn"] for port in (22, 2222, 4444, 8443)]
    return worst([*found, tried("forge 2222", tcp, W["forge"][0], 2222, payload("N17"))])


@row("N19")
def other_port_of_a_neighbour() -> Verdict:
    return worst([tried(str(port), tcp, W["neighbour"][0], port, payload("N19")) for port in (4444, 22, 8443)])


@row("N31")
def gateway() -> Verdict:
    """The machine that the containers run on."""
    return worst([tried(str(port), tcp, W["gateway"], port, payload("N31")) for port in (22, W["gateway_port"])])


@row("N32")
def source_port_22() -> Verdict:
    return tried("from port 22", tcp, W["attacker"][0], 4444, payload("N32"), 3.0, ("0.0.0.0", 22))


@row("N33")
def source_port_68() -> Verdict:
    return tried("from port 68", udp, W["attacker"][0], 67, payload("N33"), 1.5, ("0.0.0.0", 68))


@row("N34")
def udp_67() -> Verdict:
    return worst([tried(str(port), udp, W["attacker"][0], port, payload("N34")) for port in (67, 547)])


def made(what: str, domain: int, kind: int, protocol: int) -> Verdict:
    with socket.socket(domain, kind, protocol):
        return "bypass", f"{what} socket"


@row("N35")
def raw() -> Verdict:
    return worst([tried("raw", made, "raw", domain, socket.SOCK_RAW, 255) for domain in (socket.AF_INET, socket.AF_INET6)])


@row("N36")
def packet() -> Verdict:
    return worst([tried("packet", made, "packet", socket.AF_PACKET, kind, 0x0300) for kind in (socket.SOCK_RAW, socket.SOCK_DGRAM)])


@row("N38")
def rules_from_a_namespace() -> Verdict:
    found = []
    for prefix in (("unshare", "-Ur"), ("unshare", "-Urm"), ()):
        code, text = run(*prefix, "/usr/sbin/nft", "flush", "ruleset")
        if code == 127 and "none" in text:
            raise Unsupported(text)
        found.append(("blocked" if code else "bypass", f"{' '.join(prefix)} nft: {code} {text}"))
    found.append(tried("afterwards", tcp, W["attacker"][0], 4444, payload("N38")))
    return worst(found)


@row("N39")
def own_network() -> Verdict:
    code, text = child("send", W["attacker"][0], 4444, token("N39"), prefix=("unshare", "-Urn"))
    return judged(text.encode(), str(code))


@row("N40")
def multicast() -> Verdict:
    found = []
    for address, port in (("224.0.0.251", 5353), ("224.0.0.252", 5355), ("239.1.2.3", 4444), ("ff02::fb", 5353), ("ff02::1", 4444)):
        found.append(tried(address, udp, address, port, payload("N40"), 0.5))
    return worst(found)


@row("N41")
def other_transports() -> Verdict:
    found = []
    for name, kind, protocol in (
        ("MPTCP", socket.SOCK_STREAM, 262),
        ("SCTP", socket.SOCK_STREAM, 132),
        ("UDP-Lite", socket.SOCK_DGRAM, 136),
        ("DCCP", 6, 33),
    ):
        for address in W["attacker"]:

            def attempt(address: str = address, kind: int = kind, protocol: int = protocol) -> bytes:
                with connect(address, 4444, 1.5, kind, protocol) as there:
                    there.sendall(payload("N41"))
                    return drain(there, 1.0)

            found.append(tried(name, attempt))
    return worst(found)


@row("N42")
def as_the_proxy() -> Verdict:
    """In a namespace of one's own one can have the number of the proxy's account; the kernel still knows who it is."""
    found = []
    for name in ("egress-proxy", "egress-dns", "root"):
        try:
            number = pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
        prefix = ("unshare", "-U", f"--map-user={number}")
        for port in (4444, 443, 53):
            code, text = child("send", W["attacker"][0], port, token("N42"), prefix=prefix)
            found.append(judged(text.encode(), f"{name} {port} {code}"))
    return worst(found)
