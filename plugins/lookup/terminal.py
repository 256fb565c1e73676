# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether somebody sits in front of the run: what is for a terminal only is not to be waited for where there is none."""

from __future__ import annotations

DOCUMENTATION = r"""
name: terminal
short_description: Whether the run has a terminal that a person could sit in front of
version_added: 0.2.0
author:
  - The pixels.sandbox developers (@pixels-sandbox)
description:
  - V(true) where M(pixels.sandbox.console) would find a terminal to put a person into a container with. There is none in AWX and in CI, nor
    with standard input from a file, nor for a run in the background.
options:
  _terms:
    description: None.
    type: list
    elements: str
    default: []
seealso:
  - module: pixels.sandbox.console
"""

EXAMPLES = r"""
- name: Ask only where somebody can answer
  ansible.builtin.pause:
    prompt: Go on?
  when: lookup('pixels.sandbox.terminal')
"""

RETURN = r"""
_raw:
  description: One element.
  type: list
  elements: bool
"""

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.pixels.sandbox.plugins.plugin_utils.terminal import NoTerminal, of_parent


class LookupModule(LookupBase):
    """See DOCUMENTATION."""

    def run(self, terms: list[str], variables: Mapping[str, Any] | None = None, **kwargs: Any) -> list[bool]:
        if terms:
            raise AnsibleLookupError("there is nothing to be named")
        try:
            with of_parent():
                return [True]
        except NoTerminal:
            return [False]
