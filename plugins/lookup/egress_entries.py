# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Entries of an egress policy, checked on the control node: a wrong one is found before any container is made or touched."""

from __future__ import annotations

DOCUMENTATION = r"""
name: egress_entries
short_description: Entries of an egress policy, checked and as the policy will have them
version_added: 0.2.0
author:
  - The pixels.sandbox developers (@pixels-sandbox)
description:
  - Takes entries as O(pixels.sandbox.egress#module:allow) does, and returns them sorted and without repetitions. One that is not
    possible is an error that says why.
options:
  _terms:
    description:
      - Entries, lists of them, or texts with commas. An empty one is none.
    type: list
    elements: raw
    required: true
  denial:
    description:
      - They are for O(pixels.sandbox.egress#module:deny), which takes wildcards that are too wide to allow.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Check what was asked for, before anything is made
  ansible.builtin.debug:
    msg: "{{ query('pixels.sandbox.egress_entries', 'api.example.org,git.example.org:22') }}"
"""

RETURN = r"""
_raw:
  description: The entries; a range is a dictionary with C(cidr) and C(port).
  type: list
  elements: raw
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.pixels.sandbox.plugins.module_utils.core.egress_entry import Entry, parse_list
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError


class LookupModule(LookupBase):
    """See the docstring of this file."""

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[Any]:
        self.set_options(var_options=variables, direct=kwargs)
        denial = self.get_option("denial")
        found: list[Entry] = []
        try:
            for term in terms:
                found += parse_list("deny" if denial else "allow", [term] if isinstance(term, dict) else term, denial)
        except CoreError as error:
            raise AnsibleLookupError(str(error)) from None
        return [entry.value for entry in sorted(set(found))]
