"""Everything that containers send, as the lab's bridge sees it: the last word on whether something has left a box."""

from __future__ import annotations

import ipaddress
import socket
import struct
import threading
import time
from collections import deque
from types import TracebackType

_ETH_P_ALL = 3
_MEMBERSHIP, _PROMISCUOUS = 1, 1
_MOST = 400_000
PROTOCOLS = {0: "hop-by-hop", 1: "ICMP", 2: "IGMP", 6: "TCP", 17: "UDP", 43: "routing", 58: "ICMPv6", 132: "SCTP", 136: "UDP-Lite"}


class Wire:
    """Use it as a context; `sent` may be asked inside and after."""

    def __init__(self, bridge: str) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUFFORCE if hasattr(socket, "SO_RCVBUFFORCE") else 33, 64 << 20)
        self._socket.bind((bridge, _ETH_P_ALL))
        # A bridge shows what passes between two of its ports only while it is promiscuous.
        index = socket.if_nametoindex(bridge)
        self._socket.setsockopt(263, _MEMBERSHIP, struct.pack("iHH8s", index, _PROMISCUOUS, 0, b""))
        self._socket.settimeout(0.2)
        self._frames: deque[tuple[float, bytes]] = deque(maxlen=_MOST)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Wire:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        time.sleep(0.3)  # for what is under way
        self._over.set()
        self._thread.join()
        self._socket.close()

    def _listen(self) -> None:
        while not self._over.is_set():
            try:
                frame = self._socket.recv(65535)
            except TimeoutError:
                continue
            self._frames.append((time.time(), frame))

    def sent(self, mac: str, since: float = 0.0) -> list[bytes]:
        """The frames that come from this network card."""
        source = bytes.fromhex(mac.replace(":", ""))
        return [frame for when, frame in list(self._frames) if when >= since and frame[6:12] == source]

    def find(self, mac: str, text: bytes, since: float = 0.0) -> list[str]:
        return [describe(frame) for frame in self.sent(mac, since) if text in frame]

    def find_any(self, text: bytes) -> list[str]:
        """In whoever's frames."""
        return [describe(frame) for _when, frame in list(self._frames) if text in frame]


def describe(frame: bytes) -> str:
    """A frame in a few words."""
    kind = int.from_bytes(frame[12:14], "big")
    if kind == 0x0806:
        return f"ARP for {ipaddress.ip_address(frame[38:42])}"
    if kind == 0x0800 and len(frame) >= 34:
        start = 14 + (frame[14] & 15) * 4
        return _transport("IPv4", frame[23], frame[26:30], frame[30:34], frame[start:])
    if kind == 0x86DD and len(frame) >= 54:
        return _transport("IPv6", frame[20], frame[22:38], frame[38:54], frame[54:])
    return f"ethertype {kind:#06x}"


def _transport(family: str, protocol: int, source: bytes, target: bytes, rest: bytes) -> str:
    name = PROTOCOLS.get(protocol, f"protocol {protocol}")
    ports = ""
    if protocol in (6, 17) and len(rest) >= 4:
        ports = f" {int.from_bytes(rest[:2], 'big')}->{int.from_bytes(rest[2:4], 'big')}"
    return f"{family} {name} {ipaddress.ip_address(source)}->{ipaddress.ip_address(target)}{ports}"
