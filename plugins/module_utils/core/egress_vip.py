# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Virtual addresses: a name whose connections to other ports than 443 and 80 go through the proxy gets an address of its own, which the
proxy maps back to the name. It comes from a hash of the name, so that it stays the same when other names come and go.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable

from .errors import CoreError

# Set aside for measurements of network devices: nothing on the internet has such an address.
NETWORK = ipaddress.IPv4Network("198.18.0.0/15")
# Of each block of 256 addresses the first and the last look like those of a network to some programs. The first block is left free.
_EACH = 254
_SLOTS = (NETWORK.num_addresses // 256 - 1) * _EACH


def virtual_addresses(names: Iterable[str]) -> dict[str, str]:
    """An address for each name. Where two names want the same, the first in the alphabet has it and the other the next free one."""
    ordered = sorted(set(names))
    if len(ordered) > _SLOTS:
        raise CoreError(f"{len(ordered)} names with ports are too many; {_SLOTS} are the most")
    taken: dict[int, str] = {}
    for name in ordered:
        slot = _wanted(name)
        while slot in taken:
            slot = (slot + 1) % _SLOTS
        taken[slot] = name
    return {name: _address(slot) for slot, name in sorted(taken.items(), key=lambda item: item[1])}


def _wanted(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % _SLOTS


def _address(slot: int) -> str:
    block, place = divmod(slot, _EACH)
    return str(NETWORK.network_address + (block + 1) * 256 + place + 1)
