# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names to look for, which need not exist: those that tasks take, and wildcards as a shell has them, `worker*` and `task?`."""

from __future__ import annotations

import re
from typing import Any

from . import naming
from .errors import Invalid

_WILD = re.compile(r"[a-z0-9*?-]+")


def expression(names: Any) -> str:
    """A regular expression for the names on the appliance; nothing in it is special but what we put there."""
    entries = [names] if isinstance(names, (str, int)) else list(names)
    parts = [part.strip() for entry in entries for part in str(entry).split(",") if part.strip()]
    wild = [part for part in parts if "*" in part or "?" in part]
    plain = [part for part in parts if part not in wild]
    for part in wild:
        if not _WILD.fullmatch(part):
            raise Invalid("name", part, "with * or ? there are only lower-case letters, digits and hyphens in it, and no range")
    choices = [*map(_translated, wild), *(naming.expand(plain) if plain or not wild else [])]
    return f"{naming.PREFIX}(?:{'|'.join(choices)})$"


def _translated(part: str) -> str:
    return part.replace("*", ".*").replace("?", ".")
