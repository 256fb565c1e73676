# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One variable of the section [env]: what may be said of it there, and what that means.

NAME = "text"                                   kept in the containers
NAME = {value = "text", session_only = true}    given to each session, and never written to a disk there
NAME = {forward = true}                         the same, with the value that this machine has when the session begins
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..inside.environment_text import NAMES, name_problem, value_problem

FORMS = 'a text, in quotes, without NUL, {value = "text", session_only = true}, or {forward = true}'


@dataclass(frozen=True)
class Variable:
    """`value` is None where it is this machine's own."""

    value: str | None = field(repr=False)
    session_only: bool = False

    @property
    def forward(self) -> bool:
        return self.value is None


class NoVariable(Exception):
    """Why it is none, in words that do not hold the value."""


def check_name(name: Any) -> str:
    problem = name_problem(name)
    if problem:
        raise NoVariable(f"{name!r} is no name of an environment variable; {problem}" if problem == NAMES else f"{name} {problem}")
    return str(name)


def variable(raw: Any, kind: str) -> Variable:
    """`kind` says what was given, for the message."""
    if isinstance(raw, str):
        return Variable(_text(raw, kind))
    if not isinstance(raw, Mapping):
        raise NoVariable(f"is {kind}; allowed is {FORMS}")
    unknown = sorted(str(key) for key in raw if key not in ("value", "session_only", "forward"))
    if unknown:
        raise NoVariable(f"is a table with {', '.join(unknown)}; allowed is {FORMS}")
    for flag in ("session_only", "forward"):
        if not isinstance(raw.get(flag, False), bool):
            raise NoVariable(f"has a {flag} that is neither true nor false; allowed is {FORMS}")
    forward = bool(raw.get("forward", False))
    if forward == ("value" in raw):
        problem = "both forward and a value" if forward else "neither a value nor forward = true"
        raise NoVariable(f"is a table with {problem}; allowed is {FORMS}")
    if forward:
        return Variable(None, session_only=True)
    if not isinstance(raw["value"], str):
        raise NoVariable(f"has a value that is no text; allowed is {FORMS}")
    return Variable(_text(raw["value"], "a text"), session_only=bool(raw.get("session_only", False)))


def _text(raw: str, kind: str) -> str:
    problem = value_problem(raw)
    if problem:
        raise NoVariable(f"is {kind} {problem}; allowed is {FORMS}")
    return str(raw)
