"""The authoritative name server of the simulated internet: records that can be changed at any time, and a log of every question."""

from __future__ import annotations

import ipaddress
import struct
from typing import Any

from seen import Seen

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "TXT": 16, "AAAA": 28}
_NUMBERS = {number: name for name, number in TYPES.items()}
NXDOMAIN, REFUSED = 3, 5


def read_name(packet: bytes, offset: int) -> tuple[list[bytes], int]:
    """The labels at an offset, and where the packet goes on."""
    labels: list[bytes] = []
    end = -1
    while True:
        length = packet[offset]
        if length & 0xC0 == 0xC0:
            end = offset + 2 if end < 0 else end
            offset = (length & 0x3F) << 8 | packet[offset + 1]
            if len(labels) > 127:
                raise ValueError("labels that lead in a circle")
            continue
        offset += 1
        if length == 0:
            return labels, offset if end < 0 else end
        labels.append(packet[offset : offset + length])
        offset += length


def _wire(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode("latin-1") for label in name.split(".") if label) + b"\0"


def _data(kind: str, value: str) -> bytes:
    if kind in ("A", "AAAA"):
        return ipaddress.ip_address(value).packed
    if kind == "TXT":
        return bytes([len(value)]) + value.encode("latin-1")
    return _wire(value)


class Names:
    def __init__(self, seen: Seen, records: dict[str, dict[str, Any]]) -> None:
        self.seen = seen
        self.initial = records
        self.records: dict[str, dict[str, Any]] = {}
        self.reset()

    def reset(self) -> None:
        self.records = {name: dict(entry) for name, entry in self.initial.items()}

    def set(self, name: str, ttl: int, **values: list[str]) -> None:
        """`values`: A=[...], AAAA=[...]; nothing at all takes the name away."""
        if any(values.values()):
            self.records[name] = {"ttl": ttl, **values}
        else:
            self.records.pop(name, None)

    def _find(self, name: str) -> dict[str, Any] | None:
        if name in self.records:
            return self.records[name]
        labels = name.split(".")
        for cut in range(1, len(labels)):
            if found := self.records.get(".".join(["*", *labels[cut:]])):
                return found
        return None

    def answer(self, packet: bytes, address: str, transport: str) -> bytes | None:
        """What there is to say to a packet; the log has it in any case."""
        try:
            ident, flags, questions = struct.unpack("!HHH", packet[:6])
            labels, end = read_name(packet, 12)
            (kind,) = struct.unpack("!H", packet[end : end + 2])
        except (struct.error, IndexError, ValueError):
            self.seen.add("dns", address, 53, packet, name="", type=0, transport=transport)
            return None
        text = b".".join(labels).decode("latin-1")
        # The whole packet too: a question that is allowed can carry things that are not.
        self.seen.add("dns", address, 53, text.encode("latin-1") + b" " + packet, name=text, type=kind, transport=transport)
        if questions < 1 or flags & 0x8000:
            return None
        name = text.lower()
        found = self._find(name)
        wanted = _NUMBERS.get(kind, "")
        parts = []
        if found is not None:
            for value in found.get(wanted, []):
                data = _data(wanted, value)
                parts.append(b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, found["ttl"], len(data)) + data)
        code = 0 if found is not None else NXDOMAIN
        header = struct.pack("!HHHHHH", ident, 0x8580 | (flags & 0x0100) | code, 1, len(parts), 0, 0)
        return header + packet[12 : end + 4] + b"".join(parts)
