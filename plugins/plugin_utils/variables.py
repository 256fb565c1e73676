# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which of Ansible's variables are settings of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.utils.vars import load_extra_vars

from ansible_collections.pixels.sandbox.plugins.module_utils.core.config import VARIABLES
from ansible_collections.pixels.sandbox.plugins.module_utils.core.config_keys import PROFILE_VAR
from ansible_collections.pixels.sandbox.plugins.module_utils.core.config_values import is_unset

# As people type it: -e profile=home. Anywhere else a variable of that name may be about something else.
SHORT = "profile"


def ours(variables: Mapping[str, Any], templar: Any, loader: Any) -> dict[str, Any]:
    """Those of `variables` that `config.load` looks at, with their templates resolved; no others are looked at."""
    found = {name: templar.template(variables[name]) for name in sorted(VARIABLES) if name in variables}
    extra = load_extra_vars(loader)
    if SHORT in extra and is_unset(extra.get(PROFILE_VAR)):
        short = templar.template(extra[SHORT])
        if not is_unset(short):
            found[PROFILE_VAR] = short
    return found
