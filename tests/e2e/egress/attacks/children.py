"""What has to run in a process of its own: in another namespace, or where the kernel may answer with a kill."""

from __future__ import annotations

import ctypes
import mmap
import os
import platform
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any

# Whatever is not one of the usual four would send past the rules of an IP firewall.
STRANGE = {
    "AX25": 3, "APPLETALK": 5, "X25": 9, "PACKET": 17, "RDS": 21, "LLC": 26, "CAN": 29, "TIPC": 30, "BLUETOOTH": 31, "RXRPC": 33,
    "PHONET": 35, "IEEE802154": 36, "ALG": 38, "NFC": 39, "VSOCK": 40, "KCM": 41, "QIPCRTR": 42, "SMC": 43, "XDP": 44, "MCTP": 45,
}  # fmt: skip
KINDS = (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET)


def by_syscall(domain: int, kind: int) -> int:
    try:
        return socket.socket(domain, kind).detach()
    except OSError as error:
        return -(error.errno or 1)


def by_ring(domain: int, kind: int) -> int:
    """Through io_uring: a filter of system calls does not see it."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    parameters = ctypes.create_string_buffer(120)
    ring = libc.syscall(425, 4, parameters)
    if ring < 0:
        return -ctypes.get_errno()
    numbers = struct.unpack("30I", parameters.raw)
    entries, completions = numbers[0], numbers[1]
    tail, array, cq_head, cqes = numbers[11], numbers[16], numbers[20], numbers[25]
    size = max(array + entries * 4, cqes + completions * 16)
    queue = mmap.mmap(ring, size, offset=0)
    requests = mmap.mmap(ring, entries * 64, offset=0x10000000)
    requests[:64] = struct.pack("=BBHiQQIIQ", 45, 0, 0, domain, kind, 0, 0, 0, 7) + bytes(24)
    struct.pack_into("=I", queue, array, 0)
    struct.pack_into("=I", queue, tail, 1)
    if libc.syscall(426, ring, 1, 1, 1, None, 0) < 0:
        return -ctypes.get_errno()
    (head,) = struct.unpack_from("=I", queue, cq_head)
    _data, result, _flags = struct.unpack_from("=QiI", queue, cqes + (head % completions) * 16)
    return int(result)


def by_interrupt(domain: int, kind: int, *, multiplexed: bool = False) -> int:
    """As a 32-bit program does it, also by the call that carries all calls of sockets."""
    if platform.machine() != "x86_64":
        return -38
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(bytes.fromhex("53 89f8 89f3 4189c8 89d1 4489c2 cd80 5b c3".replace(" ", "")))
    place = ctypes.addressof(ctypes.c_char.from_buffer(code))
    call = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_uint, ctypes.c_uint, ctypes.c_uint)(place)
    if not multiplexed:
        return call(359, domain, kind, 0)
    libc = ctypes.CDLL(None)
    libc.mmap.restype = ctypes.c_void_p
    low = libc.mmap(None, ctypes.c_size_t(4096), 3, 0x22 | 0x40, -1, ctypes.c_long(0))  # below 4 GiB
    ctypes.memmove(low, struct.pack("=III", domain, kind, 0), 12)
    return call(102, 1, low, 0)


WAYS = {
    "syscall": by_syscall,
    "ring": by_ring,
    "interrupt": by_interrupt,
    "socketcall": lambda domain, kind: by_interrupt(domain, kind, multiplexed=True),
}


def strange(way: str) -> str:
    """The families of which a socket can be made, and for the first of the ordinary ones what it is good for."""
    made = []
    for name, domain in STRANGE.items():
        for kind in KINDS:
            number = WAYS[way](domain, kind)
            if number >= 0:
                os.close(number)
                made.append(name)
                break
    return "made: " + ",".join(made)


def say(way: str, address: str, port: int, payload: str) -> str:
    """An ordinary socket made in a strange way must be held like any other."""
    domain = socket.AF_INET6 if ":" in address else socket.AF_INET
    number = WAYS[way](domain, socket.SOCK_STREAM)
    if number < 0:
        return f"no socket: errno {-number}"
    with socket.socket(fileno=number) as made:
        made.settimeout(3)
        try:
            made.connect((address, port))
            made.sendall(payload.encode())
            return made.recv(1000).decode("latin-1")
        except OSError as error:
            return repr(error)


def send(address: str, port: int, payload: str) -> str:
    return say("syscall", address, port, payload)


def status() -> str:
    """What this process may become."""
    with open("/proc/self/status", encoding="ascii") as stream:
        return " ".join(line.strip() for line in stream if line.startswith(("NoNewPrivs", "Uid", "CapBnd")))


def relay(path: str) -> None:
    """Between a socket and whoever has started this."""
    with socket.socket(socket.AF_UNIX) as there:
        there.connect(path)

        def outwards() -> None:
            while piece := os.read(0, 65536):
                there.sendall(piece)

        threading.Thread(target=outwards, daemon=True).start()
        while piece := there.recv(65536):
            os.write(1, piece)


def main(arguments: list[Any]) -> None:
    function: dict[str, Callable[..., str]] = {"strange": strange, "say": say, "send": send, "status": status}
    if arguments[0] == "relay":
        relay(*arguments[1:])
    else:
        print(function[arguments[0]](*arguments[1:]))
