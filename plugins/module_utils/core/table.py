# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tables for terminals: aligned by what the reader sees, numbers to the right, nothing in them that moves the cursor."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

GAP = "  "


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """The lines of a table: the heads of the columns in capitals, then the rows."""
    heads = [printable(column).replace("_", " ").upper() for column in columns]
    numeric = [_is_numeric([row[index] for row in rows]) for index in range(len(heads))]
    grid = [heads, *([text(value) for value in row] for row in rows)]
    widths = [max(width(line[index]) for line in grid) for index in range(len(heads))]
    return [_line(line, widths, numeric) for line in grid]


def _line(cells: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    parts = []
    for cell, wide, right in zip(cells, widths, numeric, strict=True):
        space = " " * (wide - width(cell))
        parts.append(space + cell if right else cell + space)
    return GAP.join(parts).rstrip()


def _is_numeric(values: Sequence[Any]) -> bool:
    """Whether a column holds numbers, with gaps perhaps; texts of digits count, since that is what the API gives for some."""
    shown = [text(value) for value in values]
    some = [value for value in shown if value]
    return bool(some) and all(value.replace(".", "", 1).removeprefix("-").isdecimal() for value in some)


def text(value: Any) -> str:
    """A value as people write it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{text(name)}={text(part)}" for name, part in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(text(part) for part in value)
    return printable(str(value))


def printable(value: str) -> str:
    """On one line, and without the control characters that a hostile name might hold."""
    return "".join(" " if character in "\n\r\t" else character for character in value if character in "\n\r\t" or not is_control(character))


def is_control(character: str) -> bool:
    # Cc: escape sequences; Cf: marks that reorder text; but joiners are part of what is shown.
    return unicodedata.category(character) in ("Cc", "Cf", "Cs") and character not in "\u200c\u200d"


def width(value: str) -> int:
    """The number of terminal cells."""
    return sum(_cells(character) for character in value)


def _cells(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
