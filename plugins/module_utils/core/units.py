# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sizes, processors and environments: checked and brought into the one form in which they are compared."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from . import marker
from .errors import Invalid

LEAST_MEMORY = 32
# Alone or with iB a letter counts in powers of 1024, with B in powers of 1000.
_UNITS = {
    "": 2.0**20,
    **{unit: 2.0 ** (10 * power) for power, letter in enumerate("kmgt", 1) for unit in (letter, letter + "ib")},
    **{letter + "b": 1000.0**power for power, letter in enumerate("kmgt", 1)},
}
_MEMORY = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*([a-zA-Z]*)")
_MEMORY_ALLOWED = f"a number of MiB, or a number with KiB, MiB, GiB, TiB, KB, MB, GB or TB, as in 2GiB; at least {LEAST_MEMORY} MiB"
_CPU = re.compile(r"[0-9]+(?:-[0-9]+)?(?:,[0-9]+(?:-[0-9]+)?)*")
_CPU_ALLOWED = "a number of processors as in 2, or a set of them as in 0-3 or 0,2"
_VARIABLE = re.compile(r"\w[\w/]*")
LONGEST_TEXT = 1024


def memory_mib(value: Any) -> int:
    """Whole MiB, rounded down as the appliance does."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise Invalid("memory", value, _MEMORY_ALLOWED)
    match = _MEMORY.fullmatch(str(value).strip())
    if match is None:
        raise Invalid("memory", value, _MEMORY_ALLOWED)
    factor = _UNITS.get(match[2].lower())
    if factor is None:
        raise Invalid("memory", value, _MEMORY_ALLOWED)
    size = math.floor(float(match[1]) * factor / 2**20)
    if size < LEAST_MEMORY:
        raise Invalid("memory", value, _MEMORY_ALLOWED)
    return size


def cpu_text(value: Any) -> str:
    """The text that the appliance keeps; counts without leading zeros."""
    text = re.sub(r"\s+", "", str(value)) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
    if not _CPU.fullmatch(text):
        raise Invalid("cpu", value, _CPU_ALLOWED)
    if text.isdigit():
        if int(text) < 1:
            raise Invalid("cpu", value, _CPU_ALLOWED)
        return str(int(text))
    for part in text.split(","):
        first, _dash, last = part.partition("-")
        if last and int(last) < int(first):
            raise Invalid("cpu", value, "a range of processors goes upwards, as in 0-3")
    return text


def environment_texts(value: Mapping[Any, Any]) -> dict[str, str]:
    """Names and values as the appliance takes them. YAML's numbers and booleans become what a shell would write."""
    result: dict[str, str] = {}
    for key, entry in value.items():
        name = str(key)
        if name == marker.KEY:
            raise Invalid("environment", name, f"{marker.KEY} is the mark by which we know our containers, it is not to be set")
        if not _VARIABLE.fullmatch(name) or len(name) > LONGEST_TEXT:
            raise Invalid("environment", name, "the name of a variable has letters, digits, underscores and inner slashes")
        if isinstance(entry, bool):
            text = "true" if entry else "false"
        elif isinstance(entry, (str, int, float)):
            text = str(entry)
        else:
            raise Invalid("environment", name, "the value of a variable is a text")
        if not text.strip():
            raise Invalid("environment", name, "the value of a variable may not be blank; leave the variable out instead")
        if text.startswith("\n") or "\0" in text or len(text) > LONGEST_TEXT:
            raise Invalid("environment", name, f"a value has {LONGEST_TEXT} characters at most, no NUL, and no line break at its start")
        result[name] = text
    return result
