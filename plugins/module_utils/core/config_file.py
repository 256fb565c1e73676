# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The configuration file: where it is, what it says, and on which line it says so."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from . import paths
from .config_values import ConfigError, Place

FILE_NAME = "config.toml"
_AT_LINE = re.compile(r"\(at line ([0-9]+), column [0-9]+\)")


def default_path(environ: Mapping[str, str] | None = None) -> Path:
    """`$XDG_CONFIG_HOME/pixels/config.toml`, as a rule below `~/.config`."""
    return paths.config_dir(environ) / FILE_NAME


def expand(text: str, environ: Mapping[str, str]) -> str:
    """`~` as the home directory of the given environment."""
    home = environ.get("HOME")
    if home and (text == "~" or text.startswith("~/")):
        return home + text[1:]
    return os.path.expanduser(text)


def readable_by_others(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & 0o044)
    except OSError:
        return False


class TomlFile:
    """A parsed file. Lines are looked for only when somebody asks: parsing is cheap, finding places is not."""

    def __init__(self, path: Path, shown: str) -> None:
        self.path = path
        self.shown = shown
        raw = path.read_bytes()
        try:
            self._source = raw.decode("utf-8-sig").replace("\r\n", "\n")
        except UnicodeDecodeError as error:
            raise ConfigError(self._at(raw.count(b"\n", 0, error.start) + 1), "the file is not UTF-8") from None
        try:
            self.data: dict[str, Any] = tomllib.loads(self._source)
        except tomllib.TOMLDecodeError as error:
            # Python tells the line in its own field from 3.14 on, before that in the text only.
            found = _AT_LINE.search(str(error))
            line = getattr(error, "lineno", None) or (int(found[1]) if found else self._source.rstrip("\n").count("\n") + 1)
            raise ConfigError(self._at(line), f"this is not TOML: {error}") from None
        self._lines: dict[tuple[str, ...], int] | None = None

    def _at(self, line: int) -> Place:
        return Place(f"{self.shown}:{line}", str(self.path), line)

    def place(self, *keys: str) -> Place:
        """The line on which the section, or the key in it, begins; `profiles`, `home`, `truenas`, `host` for those of a profile."""
        if self._lines is None:
            self._lines = _lines(self._source)
        # What has no line of its own, as in an inline table, is where the table is.
        line = next((self._lines[keys[:length]] for length in range(len(keys), 0, -1) if keys[:length] in self._lines), None)
        return Place(self.shown, str(self.path)) if line is None else self._at(line)


def _lines(source: str) -> dict[tuple[str, ...], int]:
    """The line of every section and key, found by letting the parser read ever more of the file.

    A beginning of the file is valid exactly where a statement ends, so the parser itself says which lines belong together;
    strings and arrays over several lines, dotted keys and inline tables need no rules of ours.
    """
    lines = source.split("\n")
    found: dict[tuple[str, ...], int] = {}
    start = 0
    for end in range(1, len(lines) + 1):
        try:
            data = tomllib.loads("\n".join(lines[:end]) + "\n")
        except tomllib.TOMLDecodeError:
            continue
        first = next(
            (number for number in range(start, end) if lines[number].strip() and not lines[number].lstrip().startswith("#")), start
        )
        for keys in _paths(data):
            found.setdefault(keys, first + 1)
        start = end
    return found


def _paths(table: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in table.items():
        yield (*above, name)
        if isinstance(value, dict):
            yield from _paths(value, (*above, name))
