# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Profiles: settings of the configuration file that count only for whoever names them, as for one of several appliances.

    [profiles.home.truenas]
    host = "nas.home.example"

One ranks above the rest of the file and below the environment. All of them are read at any time, so that a mistake in one is found
before the day it is needed.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from .config_file import TomlFile
from .config_keys import PROFILE_ENV, PROFILE_VAR
from .config_values import ConfigError, Place, is_unset

SECTION = "profiles"


def profiles_of(file: TomlFile | None) -> dict[str, dict[str, Any]]:
    """The sections of each profile, by its name."""
    table = None if file is None else file.data.get(SECTION)
    if file is None or is_unset(table):
        return {}
    if not isinstance(table, dict):
        raise ConfigError(file.place(SECTION), f"{SECTION} has to hold profiles: write [{SECTION}.NAME.truenas]", SECTION)
    for name, sections in table.items():
        if not isinstance(sections, dict):
            path = f"{SECTION}.{name}"
            raise ConfigError(file.place(SECTION, name), f"{path} has to hold sections: write [{path}.truenas] and its keys below it", path)
    return dict(table)


def wished(variables: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[str, str] | None:
    """The name of the profile that is asked for, and where that was said."""
    for value, origin in (
        (variables.get(PROFILE_VAR), f"variable {PROFILE_VAR}"),
        (environ.get(PROFILE_ENV), f"environment {PROFILE_ENV}"),
    ):
        if is_unset(value):
            continue
        if not isinstance(value, str):
            raise ConfigError(Place(origin), "allowed is the name of a profile, as a text")
        return str(value).strip(), origin
    return None


def chosen(file: TomlFile | None, variables: Mapping[str, Any], environ: Mapping[str, str]) -> str | None:
    """The name of the profile that counts; raises for one that there is not, which would otherwise mean another appliance."""
    wish = wished(variables, environ)
    if wish is None:
        return None
    name, origin = wish
    there = sorted(profiles_of(file))
    if name in there:
        return name
    if file is None:
        raise ConfigError(Place(origin), f"there is no profile {name!r}: there is no configuration file")
    near = difflib.get_close_matches(name, there, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    known = f"there are: {', '.join(there)}" if there else f"it has none; one begins with [{SECTION}.{name}.truenas]"
    raise ConfigError(Place(origin), f"there is no profile {name!r} in {file.shown}; {hint}{known}")
