# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names: what the user says (`task1`), what the appliance knows (`px-task1`), and lists and ranges of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from .errors import Invalid

PREFIX = "px-"
# A DNS label has 63 characters, and the prefix takes its share.
LONGEST = 63 - len(PREFIX)
MOST = 1000

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_RANGE = re.compile(r"\[([0-9]+|[a-z]):([0-9]+|[a-z])(?::([0-9]+))?\]")
_ALLOWED = (
    f"a name has 1 to {LONGEST} lower-case letters, digits and inner hyphens; one, a list, comma-separated, or a range as in worker[01:20]"
)


def to_instance(name: str) -> str:
    """task1 -> px-task1"""
    return PREFIX + name


def from_instance(instance: str) -> str:
    """px-task1 -> task1"""
    return instance.removeprefix(PREFIX)


def check(name: str) -> str:
    """The name itself; raises for one that the appliance, or DNS, would not take."""
    if len(name) > LONGEST or not _NAME.fullmatch(name):
        raise Invalid("name", name, _ALLOWED)
    if name.startswith(PREFIX):
        raise Invalid("name", name, f"names are given without the prefix {PREFIX}, which is added on the appliance")
    return name


def expand(names: Any) -> list[str]:
    """One name, a comma list, a list of either, each with ranges: as distinct names in the order given."""
    found: dict[str, None] = {}
    for entry in [names] if isinstance(names, (str, int)) else names or []:
        if isinstance(entry, bool) or not isinstance(entry, (str, int)):
            raise Invalid("name", entry, _ALLOWED)
        for part in str(entry).split(","):
            if part.strip():
                for name in _expand_ranges(part.strip()):
                    found[check(name)] = None
                    if len(found) > MOST:
                        raise Invalid("name", names, f"{MOST} names in one task are the most")
    if not found:
        raise Invalid("name", names, _ALLOWED)
    return list(found)


def _expand_ranges(pattern: str) -> Iterable[str]:
    match = _RANGE.search(pattern)
    if match is None:
        yield pattern
        return
    for value in _range(pattern, *match.groups()):
        yield from _expand_ranges(pattern[: match.start()] + value + pattern[match.end() :])


def _range(pattern: str, first: str, last: str, step: str | None) -> Iterable[str]:
    """Inventory ranges: both ends belong to it, leading zeros are kept."""
    by = int(step) if step else 1
    if first.isdigit() != last.isdigit() or by < 1:
        raise Invalid("name", pattern, _ALLOWED)
    low, high = (int(first), int(last)) if first.isdigit() else (ord(first), ord(last))
    if low > high or (high - low) // by >= MOST:
        raise Invalid("name", pattern, f"a range goes upwards and has {MOST} names at most")
    if first.isdigit() and first.startswith("0") and len(first) > 1 and len(first) != len(last):
        raise Invalid("name", pattern, "with leading zeros both ends of a range have the same length")
    width = len(first) if first.startswith("0") else 0
    for value in range(low, high + 1, by):
        yield str(value).zfill(width) if first.isdigit() else chr(value)
