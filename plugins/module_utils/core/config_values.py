# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One value of the configuration: from what a file, the environment or a variable says to what the table promises."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from . import units
from .config_keys import Key
from .config_variable import NoVariable, Variable, check_name, variable
from .errors import CoreError, Invalid

TRUE = frozenset(("true", "yes", "on", "1", "y", "t"))
FALSE = frozenset(("false", "no", "off", "0", "n", "f"))


@dataclass(frozen=True)
class Place:
    """Where something was said: `text` for people; file and line where it was a file."""

    text: str
    file: str | None = None
    line: int | None = None


class ConfigError(CoreError):
    """A mistake in the configuration: where it is and what is allowed there."""

    def __init__(self, place: Place, message: str, key: str | None = None) -> None:
        self.file = place.file
        self.line = place.line
        self.key = key
        details = {name: value for name, value in (("file", place.file), ("line", place.line), ("key", key)) if value is not None}
        super().__init__(f"{place.text}: {message}", **details)


class _Wrong(Exception):
    """The value is not what the key allows; `part` is the offending piece of a list or the like."""

    def __init__(self, part: Any = None, why: str = "") -> None:
        self.part = part
        self.why = why
        super().__init__()


def is_unset(value: Any) -> bool:
    """An empty text means that nothing was said: the empty answer of a survey, an exported but empty variable."""
    return value is None or (isinstance(value, str) and not value.strip())


def parse(key: Key, raw: Any, where: Callable[[], Place], *, strict: bool = False) -> Any:
    """The value in the key's type. `strict` is the file's way: there a number is a number, and texts are not read as anything else."""
    try:
        value = _PARSERS[key.type](raw, strict)
        if key.choices:
            value = _choice(key, value)
        if key.least is not None and key.most is not None and not key.least <= value <= key.most:
            raise _Wrong
    except _Wrong as wrong:
        part = raw if wrong.part is None else wrong.part
        why = f" ({wrong.why})" if wrong.why else ""
        raise ConfigError(where(), f"{key.path} is {_given(key, part)}{why}; allowed is {key.allowed}", key.path) from None
    return value


def entry(key: Key, name: Any, raw: Any, where: Callable[[], Place]) -> Variable:
    """One variable of a section with free names."""
    try:
        check_name(name)
    except NoVariable as wrong:
        raise ConfigError(where(), f"{key.path}: {wrong}", key.path) from None
    try:
        return variable(raw, _kind(raw))
    except NoVariable as wrong:
        raise ConfigError(where(), f"{key.path}.{name} {wrong}", f"{key.path}.{name}") from None


def _given(key: Key, value: Any) -> str:
    """What was given, by its value or, where that may be a secret, by its kind."""
    kind = _kind(value)
    return kind if key.secret else f"{kind}, {_plain(value)!r}"


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "a truth value"
    if isinstance(value, int):
        return "a whole number"
    if isinstance(value, float):
        return "a number with a fraction"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, (list, tuple)):
        return "a list"
    return f"a value of type {type(value).__name__}"


def _plain(value: Any) -> Any:
    """Ansible's own kinds of text and list, as the ordinary ones, so that they are shown as people wrote them."""
    if isinstance(value, str):
        return str(value) if len(value) <= 100 else value[:100] + "..."
    if isinstance(value, Mapping):
        return {_plain(name): _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, (list, tuple)) else value


def _text(raw: Any, strict: bool) -> str:
    if not isinstance(raw, str):
        raise _Wrong
    text = str(raw).strip()
    if not text.isprintable():
        raise _Wrong(why="it has line breaks or control characters")
    return text


def _integer(raw: Any, strict: bool) -> int:
    if isinstance(raw, int) and not isinstance(raw, bool):
        return int(raw)
    if isinstance(raw, str) and not strict and re.fullmatch(r"[+-]?[0-9]{1,18}", raw.strip(), re.ASCII):
        return int(raw)
    raise _Wrong


def _truth(raw: Any, strict: bool) -> bool:
    if isinstance(raw, bool):
        return raw
    if not strict:
        word = str(raw).strip().lower() if isinstance(raw, (str, int)) else ""
        if word in TRUE:
            return True
        if word in FALSE:
            return False
        raise _Wrong(why="as a text: true, false, yes, no, on, off, 1 or 0")
    raise _Wrong


def _list(raw: Any, strict: bool) -> tuple[str, ...]:
    parts: Any = raw
    if isinstance(raw, str):
        if strict:
            raise _Wrong
        text = raw.strip()
        if text.startswith("["):
            try:
                parts = json.loads(text)
            except ValueError:
                raise _Wrong(why="it begins like JSON but is none") from None
        else:
            parts = [part for part in (piece.strip() for piece in text.split(",")) if part]
    if not isinstance(parts, (list, tuple)):
        raise _Wrong
    for part in parts:
        if not isinstance(part, str) or not part.strip():
            raise _Wrong(part if part is not None else "null")
    return tuple(_text(part, strict) for part in parts)


def _addresses(raw: Any, strict: bool) -> tuple[str, ...]:
    parts = _list(raw, strict)
    for part in parts:
        try:
            ipaddress.ip_address(part)
        except ValueError:
            raise _Wrong(part) from None
    return parts


def _mapping(raw: Any, strict: bool) -> dict[Any, Any]:
    if isinstance(raw, Mapping):
        return dict(raw)
    if isinstance(raw, str) and not strict:
        try:
            value = json.loads(raw)
        except ValueError:
            # The decoder's own words hold the text, which may be a secret.
            raise _Wrong(why="as a text it has to be a JSON object") from None
        if isinstance(value, dict):
            return value
    raise _Wrong


def _cpu(raw: Any, strict: bool) -> str:
    try:
        return units.cpu_text(raw)
    except Invalid:
        raise _Wrong from None


def _memory(raw: Any, strict: bool) -> int:
    try:
        return units.memory_mib(raw)
    except Invalid:
        raise _Wrong(why=f"at least {units.LEAST_MEMORY} MiB") from None


def _choice(key: Key, value: Any) -> str:
    word = str(value).lower()
    if word not in key.choices:
        raise _Wrong
    return word


_PARSERS: dict[str, Callable[[Any, bool], Any]] = {
    "str": _text,
    "path": _text,
    "int": _integer,
    "bool": _truth,
    "list": _list,
    "addresses": _addresses,
    "dict": _mapping,
    "cpu": _cpu,
    "memory": _memory,
}
