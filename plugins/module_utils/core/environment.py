# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which of the configured variables go where: into the containers to stay there, or along with each session and onto no disk."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ..inside.environment_text import value_problem
from .config import Config
from .config_variable import NoVariable, check_name
from .errors import CoreError


def stored(config: Config) -> dict[str, str]:
    """What the containers keep."""
    found = config.variables()
    return {name: entry.value for name, entry in found.items() if entry.value is not None and not entry.session_only}


def session(config: Config, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a session brings. A forwarded one that this machine does not have is left out; `missing` names these."""
    environ = os.environ if environ is None else environ
    brought: dict[str, str] = {}
    for name, entry in config.variables().items():
        if not entry.session_only:
            continue
        value = environ.get(name) if entry.forward else entry.value
        if value is None:
            continue
        problem = value_problem(value)
        if problem:
            raise CoreError(
                f"the variable {name} of this machine is a text {problem}; it cannot be forwarded ({config.source(f'env.{name}')})"
            )
        brought[name] = value
    return brought


def missing(config: Config, environ: Mapping[str, str] | None = None) -> list[str]:
    """Those to be forwarded that this machine does not have."""
    environ = os.environ if environ is None else environ
    return [name for name, entry in config.variables().items() if entry.forward and name not in environ]


def overridden(variables: Mapping[str, str], override: Any) -> dict[str, str]:
    """With the values of one task on top. None takes a variable away."""
    if override is None or override == "":
        return dict(variables)
    if not isinstance(override, Mapping):
        raise CoreError('override: allowed are names with texts as values, as in {"NAME": "text"}')
    result = dict(variables)
    for name, value in override.items():
        try:
            check_name(name)
        except NoVariable as error:
            raise CoreError(f"override: {error}") from None
        if value is None:
            result.pop(str(name), None)
        elif not isinstance(value, str) or value_problem(value):
            raise CoreError(f"override: {name} is not a text without NUL; put it in quotes")
        else:
            result[str(name)] = str(value)
    return result
