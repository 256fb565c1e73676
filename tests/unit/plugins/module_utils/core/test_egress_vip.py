# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Virtual addresses: one for each name, always the same."""

from __future__ import annotations

import ipaddress
import random

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import egress_vip
from ansible_collections.pixels.sandbox.plugins.module_utils.core.egress_vip import virtual_addresses
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError

NAMES = [f"host{number}.example" for number in range(2000)]


def test_an_address_of_the_network_for_each_name() -> None:
    found = virtual_addresses(NAMES)
    assert list(found) == sorted(NAMES)
    assert len(set(found.values())) == len(NAMES)
    for address in found.values():
        assert ipaddress.ip_address(address) in ipaddress.ip_network("198.18.0.0/15")
        assert address.rpartition(".")[2] not in ("0", "255")
        assert not address.startswith("198.18.0.")


def test_the_order_and_repetitions_do_not_matter() -> None:
    shuffled = NAMES + NAMES[:50]
    random.Random(1).shuffle(shuffled)
    assert virtual_addresses(shuffled) == virtual_addresses(NAMES)
    assert virtual_addresses([]) == {}


def test_addresses_stay_from_one_version_to_the_next() -> None:
    """Running containers know them."""
    assert virtual_addresses(["git.example.org"]) == {"git.example.org": "198.18.70.201"}


def test_a_name_keeps_its_address_when_others_come() -> None:
    before = virtual_addresses(NAMES[:20])
    after = virtual_addresses([*NAMES[:20], "other.example"])
    assert {name: after[name] for name in before} == before


def test_two_names_that_want_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(egress_vip, "_wanted", lambda name: egress_vip._SLOTS - 1)
    # The last place of all, then on from the beginning.
    assert virtual_addresses(["c.example", "a.example", "b.example"]) == {
        "a.example": "198.19.255.254",
        "b.example": "198.18.1.1",
        "c.example": "198.18.1.2",
    }


def test_a_block_ends_before_its_last_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(egress_vip, "_wanted", lambda name: 253)
    assert virtual_addresses(["a.example", "b.example"]) == {"a.example": "198.18.1.254", "b.example": "198.18.2.1"}


def test_more_names_than_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(egress_vip, "_SLOTS", 3)
    assert len(virtual_addresses(NAMES[:3])) == 3
    with pytest.raises(CoreError, match="3 are the most"):
        virtual_addresses(NAMES[:4])
