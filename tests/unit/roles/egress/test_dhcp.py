# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The program that gives away the addresses behind a gateway. Whoever asks may be hostile."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import random
import socket
import struct
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PROGRAM = Path(__file__).resolve().parents[4] / "roles" / "egress" / "files" / "dhcp"
SETTINGS = {
    "interface": "eth1",
    "address": "10.99.0.1",
    "mask": "255.255.255.0",
    "network": "10.99.0.0/24",
    "first": "10.99.0.1",
    "last": "10.99.0.5",
}
DISCOVER, OFFER, REQUEST, ACK, NAK, RELEASE, INFORM = 1, 2, 3, 5, 6, 7, 8


@pytest.fixture(scope="module")
def dhcp() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("egress_dhcp", str(PROGRAM))
    spec = importlib.util.spec_from_loader("egress_dhcp", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.fixture
def leases(dhcp: ModuleType, tmp_path: Path) -> Any:
    return dhcp.Leases(str(tmp_path / "leases.json"), SETTINGS["first"], SETTINGS["last"], SETTINGS["address"])


def packet(dhcp: ModuleType, kind: int, card: int = 1, **fields: Any) -> bytes:
    options = [(53, bytes((kind,))), *fields.get("options", ())]
    head = dhcp.HEAD.pack(
        fields.get("op", 1), 1, 6, 0, b"abcd", 0, 0x8000, socket.inet_aton(fields.get("ciaddr", "0.0.0.0")), bytes(4), bytes(4),
        socket.inet_aton(fields.get("giaddr", "0.0.0.0")), bytes((2, 0, 0, 0, 0, card)) + bytes(10), b"", b"", dhcp.MAGIC,
    )  # fmt: skip
    return bytes(head + b"".join(bytes((number, len(value))) + value for number, value in options) + b"\xff")


def read(dhcp: ModuleType, answer: tuple[bytes, str]) -> tuple[int, str, dict[int, bytes], str]:
    data, where = answer
    return data[dhcp.HEAD.size + 2], socket.inet_ntoa(data[16:20]), dhcp.options_of(data[dhcp.HEAD.size :]), where


def asked(address: str) -> tuple[tuple[int, bytes], ...]:
    return ((50, socket.inet_aton(address)), (54, socket.inet_aton("10.99.0.1")))


def test_from_nothing_to_an_address(dhcp: ModuleType, leases: Any) -> None:
    kind, address, options, where = read(dhcp, dhcp.answer(packet(dhcp, DISCOVER), SETTINGS, leases))
    assert (kind, address, where) == (OFFER, "10.99.0.2", "255.255.255.255")
    assert options[3] == options[6] == socket.inet_aton("10.99.0.1") and options[1] == socket.inet_aton("255.255.255.0")
    kind, address, _options, _where = read(dhcp, dhcp.answer(packet(dhcp, REQUEST, options=asked(address)), SETTINGS, leases))
    assert (kind, address) == (ACK, "10.99.0.2")


def test_each_card_has_its_own_and_keeps_it(dhcp: ModuleType, leases: Any) -> None:
    found = [read(dhcp, dhcp.answer(packet(dhcp, DISCOVER, card), SETTINGS, leases))[1] for card in (1, 2, 3, 1)]
    assert found == ["10.99.0.2", "10.99.0.3", "10.99.0.4", "10.99.0.2"]
    leases.save()
    again = dhcp.Leases(leases.path, SETTINGS["first"], SETTINGS["last"], SETTINGS["address"])
    assert read(dhcp, dhcp.answer(packet(dhcp, DISCOVER, 3), SETTINGS, again))[1] == "10.99.0.4"


def test_the_oldest_gives_way(dhcp: ModuleType, leases: Any) -> None:
    for card in range(1, 6):
        dhcp.answer(packet(dhcp, DISCOVER, card), SETTINGS, leases)
    assert len(leases.known) == len(leases.pool) == 4
    assert read(dhcp, dhcp.answer(packet(dhcp, DISCOVER, 5), SETTINGS, leases))[1] == "10.99.0.2"


def test_another_ones_address_is_refused(dhcp: ModuleType, leases: Any) -> None:
    dhcp.answer(packet(dhcp, DISCOVER, 1), SETTINGS, leases)
    for address in ("10.99.0.1", "192.0.2.1", "10.99.0.200"):
        kind, given, options, _where = read(dhcp, dhcp.answer(packet(dhcp, REQUEST, options=asked(address)), SETTINGS, leases))
        assert (kind, given) == (NAK, "0.0.0.0") and 3 not in options


def test_a_renewal_is_answered_where_it_comes_from(dhcp: ModuleType, leases: Any) -> None:
    dhcp.answer(packet(dhcp, DISCOVER), SETTINGS, leases)
    assert read(dhcp, dhcp.answer(packet(dhcp, REQUEST, ciaddr="10.99.0.2"), SETTINGS, leases))[3] == "10.99.0.2"
    # Nowhere else, whatever it says of itself.
    elsewhere = dhcp.answer(packet(dhcp, INFORM, ciaddr="198.51.100.66"), SETTINGS, leases)
    assert read(dhcp, elsewhere)[3] == "255.255.255.255"


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": RELEASE},
        {"kind": 0},
        {"op": 2},
        {"giaddr": "198.51.100.66"},
        {"options": ((54, socket.inet_aton("10.99.0.9")),)},
    ],
    ids=str,
)
def test_not_for_us(dhcp: ModuleType, leases: Any, changes: dict[str, Any]) -> None:
    assert dhcp.answer(packet(dhcp, changes.pop("kind", DISCOVER), **changes), SETTINGS, leases) is None


def test_nonsense_is_survived(dhcp: ModuleType, leases: Any) -> None:
    chance = random.Random(7)
    good = bytearray(packet(dhcp, REQUEST, options=(*asked("10.99.0.2"), (61, b"x" * 40))))
    for _round in range(5000):
        data = bytearray(good)
        for _change in range(chance.randrange(1, 8)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        found = dhcp.answer(bytes(data[: chance.randrange(len(data) + 1)]), SETTINGS, leases)
        assert found is None or found[1] == "255.255.255.255" or found[1].startswith("10.99.0.")
    assert len(leases.known) <= len(leases.pool)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"020000000001": "192.0.2.9"}', '{"a": 7}', "null"])
def test_damaged_leases_are_forgotten(dhcp: ModuleType, tmp_path: Path, text: str) -> None:
    path = tmp_path / "leases.json"
    path.write_text(text)
    leases = dhcp.Leases(str(path), SETTINGS["first"], SETTINGS["last"], SETTINGS["address"])
    assert leases.of("020000000001") == "10.99.0.2"


def test_options_that_are_cut_off(dhcp: ModuleType) -> None:
    assert dhcp.options_of(b"\x35\x01\x01\x00\x00\x32\x04\x01") == {53: b"\x01"}
    assert dhcp.options_of(struct.pack("BB", 53, 200)) == {}
