# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a site shows of its containers: all but the values in their environment, which are secrets as often as not.

The results go to terminals, logs and the database of AWX, and an inventory has no way to say that one of its variables is secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

HIDDEN = "********"
CHANGED = f"{HIDDEN} (changed)"
_ENVIRONMENT = "environment"


def entry(shown: Mapping[str, Any]) -> dict[str, Any]:
    """One of the result's containers."""
    return _with(shown, _hidden(shown.get(_ENVIRONMENT) or {}))


def diff(shown: Mapping[str, Any]) -> dict[str, Any]:
    """One of the result's differences: a value that changes differs in it as well."""
    before, after = shown["before"], shown["after"]
    old, new = before.get(_ENVIRONMENT) or {}, after.get(_ENVIRONMENT) or {}
    marked = {name: CHANGED if old.get(name, value) != value else HIDDEN for name, value in new.items()}
    return {**shown, "before": _with(before, _hidden(old)), "after": _with(after, marked)}


def _hidden(environment: Mapping[str, Any]) -> dict[str, str]:
    return dict.fromkeys(environment, HIDDEN)


def _with(shown: Mapping[str, Any], environment: dict[str, str]) -> dict[str, Any]:
    return {name: environment if name == _ENVIRONMENT else value for name, value in shown.items()}
