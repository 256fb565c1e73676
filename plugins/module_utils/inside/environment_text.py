# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The user's file of variables as text. Pure.

    # Written by pixels.sandbox.environment ...
    PIXELS_ENVIRONMENT="<digest> NAME OTHER"
    NAME="value"
    OTHER="..."

POSIX shells and systemd both read it, each by its own rules: where a value is in double quotes, with a backslash before `"`, `\\`, `$` and
`` ` `` and before nothing else, and newlines as they are, the two rules agree. PIXELS_ENVIRONMENT says in a session which variables it
has: they are not set a second time, and so what somebody changes in a session stays changed in the shells that are started there.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

MARK = "PIXELS_ENVIRONMENT"
#: What a session brings is called so on its way; the start-up files give it its own name.
PREFIX = "PIXELS_ENV_"
#: Of the whole file, in bytes.
MOST = 1 << 20
HEAD = "# Written by pixels.sandbox.environment, which will overwrite changes. Shells and systemd read it.\n"
NAMES = "a name has letters, digits and underscores, and does not begin with a digit"

# Shells refuse to set these, or set them by themselves.
OF_THE_SHELL = frozenset(
    (
        "_",
        "BASHOPTS",
        "BASH_VERSINFO",
        "EUID",
        "FUNCNAME",
        "GID",
        "EGID",
        "GROUPS",
        "IFS",
        "OLDPWD",
        "PPID",
        "PWD",
        "SHELLOPTS",
        "SHLVL",
        "UID",
    )
)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SPECIAL = re.compile(r'["\\$`]')
_MARK = r"([0-9a-f]{16}(?: [A-Za-z_][A-Za-z0-9_]*)*)"
_FIRST = re.compile(MARK + r'="' + _MARK + '"')
# With which quotes depends on the version.
_SHOWN = re.compile("^" + MARK + r"=[$'\"]*" + _MARK + r"['\"]?$", re.MULTILINE)


def name_problem(name: Any) -> str:
    """Why it cannot be the name of a variable; empty for one that can."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return NAMES
    if name in OF_THE_SHELL:
        return "cannot be given: shells set it themselves"
    if name == MARK or name.startswith(PREFIX):
        return f"cannot be given: {MARK} and {PREFIX}... are how variables travel"
    return ""


def value_problem(value: str) -> str:
    """Why it cannot be a value; empty for one that can."""
    if "\0" in value:
        return "with NUL, which no variable can hold"
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return "that is not UTF-8"
    return ""


def quote(value: str) -> str:
    return '"' + _SPECIAL.sub(r"\\\g<0>", value) + '"'


def render(variables: dict[str, str]) -> str:
    """The whole file; empty for no variables: then there is none."""
    if not variables:
        return ""
    return f'{HEAD}{MARK}="{mark_of(variables)}"\n{_body(variables)}'


def mark_of(variables: dict[str, str]) -> str:
    """Tells these variables from any others, and names them; empty for none."""
    if not variables:
        return ""
    return " ".join([hashlib.sha256(_body(variables).encode("utf-8")).hexdigest()[:16], *sorted(variables)])


def mark_shown(environment: str) -> str:
    """The mark in what `systemctl show-environment` says; empty for none."""
    found = _SHOWN.search(environment)
    return found.group(1) if found else ""


def _body(variables: dict[str, str]) -> str:
    return "".join(f"{name}={quote(variables[name])}\n" for name in sorted(variables))


def parse(text: str) -> dict[str, str] | None:
    """The variables of a file that `render` has written; None for one that somebody has changed."""
    lines = text.split("\n")
    found = _FIRST.fullmatch(lines[1]) if len(lines) > 1 else None
    if found is None:
        return None
    variables: dict[str, str] = {}
    rest = "\n".join(lines[2:])
    for name in found.group(1).split()[1:]:
        entry = re.match(re.escape(name) + r'="((?:[^"\\$`]|\\["\\$`])*)"\n', rest)
        if entry is None:
            return None
        variables[name] = re.sub(r'\\(["\\$`])', r"\1", entry.group(1))
        rest = rest[entry.end() :]
    return variables if render(variables) == text else None


def differences(before: dict[str, str] | None, after: dict[str, str]) -> list[dict[str, str]]:
    """Which variables come, change and go, by their names."""
    known = before or {}
    changes = []
    for name in sorted({*known, *after}):
        if name not in known:
            changes.append({"name": name, "change": "added"})
        elif name not in after:
            changes.append({"name": name, "change": "removed"})
        elif known[name] != after[name]:
            changes.append({"name": name, "change": "changed"})
    return changes
