# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The variables of the section [env] of the configuration; which go where is in module_utils/core/environment.py."""

from __future__ import annotations

DOCUMENTATION = r"""
name: environment
short_description: Environment variables of the configuration, for containers or for single sessions
version_added: 0.2.0
author:
  - The pixels.sandbox developers (@pixels-sandbox)
description:
  - Gives the variables that C([env]) of the configuration (C(pixels_env), E(PIXELS_ENV)) has for containers, with their values.
options:
  _terms:
    description:
      - Which of them. V(stored) are kept in containers, by M(pixels.sandbox.environment). V(session) are brought along by each session, and
        are those with C(session_only) or C(forward); one that is to be forwarded and that this machine does not have is left out.
      - V(missing) are the names of those that are left out, and V(names) the names of all.
    type: list
    elements: str
    choices: [stored, session, missing, names]
    required: true
  override:
    description:
      - Variables of a single task, which are put on top of V(stored) or V(session). One that is V(null) is taken away.
    type: dict
notes:
  - What it gives are secrets. Hand it to options that are kept out of results, such as O(pixels.sandbox.environment#module:vars), and
    do not register or print it.
seealso:
  - module: pixels.sandbox.environment
  - plugin: pixels.sandbox.config
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Give the agent what is configured, and one variable more
  pixels.sandbox.environment:
    user: pixel
    vars: "{{ lookup('pixels.sandbox.environment', 'stored', override={'EDITOR': 'vim'}) }}"
  vars:
    ansible_user: root

- name: Insist on what is to be forwarded
  ansible.builtin.assert:
    that: lookup('pixels.sandbox.environment', 'missing') | length == 0
    fail_msg: "This machine lacks {{ lookup('pixels.sandbox.environment', 'missing') | join(', ') }}."
"""

RETURN = r"""
_raw:
  description: A dictionary of texts for V(stored) and V(session), a list of names for V(missing) and V(names).
  type: list
  elements: raw
"""

import os
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display

from ansible_collections.pixels.sandbox.plugins.module_utils.core import environment
from ansible_collections.pixels.sandbox.plugins.module_utils.core.config import load
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError
from ansible_collections.pixels.sandbox.plugins.plugin_utils.variables import ours

display = Display()

_TERMS = ("stored", "session", "missing", "names")


class LookupModule(LookupBase):
    """See DOCUMENTATION."""

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[Any]:
        unknown = sorted(set(kwargs) - {"override"})
        if unknown:
            raise AnsibleLookupError(f"there is no option {', '.join(unknown)}; allowed is override")
        wrong = [term for term in terms if term not in _TERMS]
        if wrong or not terms:
            raise AnsibleLookupError(f"{', '.join(map(repr, wrong)) or 'nothing'} is asked for; allowed are {', '.join(_TERMS)}")
        override = kwargs.get("override")
        if override and not set(terms) <= {"stored", "session"}:
            raise AnsibleLookupError("override is for stored and session")
        try:
            config = load(ours(variables or {}, self._templar, self._loader), os.environ)
            for text in config.warnings:
                display.warning(text)
            given: dict[str, Any] = {
                "stored": environment.overridden(environment.stored(config), override),
                "session": environment.overridden(environment.session(config, os.environ), override),
                "missing": environment.missing(config, os.environ),
                "names": list(config.variables()),
            }
            return [given[term] for term in terms]
        except CoreError as error:
            # Only the message: what lies behind it may hold a value.
            raise AnsibleLookupError(str(error)) from None
