# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An extra variable as it was typed: `-e cmd='ls -la'` reaches Ansible as `cmd=ls -la`, of which it keeps `ls` and drops the rest."""

from __future__ import annotations

DOCUMENTATION = r"""
name: typed
short_description: An extra variable of the command line, to the last character
version_added: 0.1.0
author:
  - The pixels.sandbox developers (@pixels-sandbox)
description:
  - Ansible splits C(-e cmd='ls -la') at blanks, takes V(ls) for the value and silently drops the rest, because the quotes are gone
    when the shell hands it over. This lookup returns V(ls -la), exactly as typed and never templated.
  - A value that is quoted as a whole (C(-e "cmd='ls -la' name=task1")), and one that comes from a file, from JSON or from anywhere
    else, is what Ansible says it is.
  - An empty text when the variable is not set.
options:
  _terms:
    description: The name of one variable.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Run what was given with -e cmd='git log --format=%h'
  pixels.sandbox.exec:
    cmd: "{{ lookup('pixels.sandbox.typed', 'cmd') }}"
"""

RETURN = r"""
_raw:
  description: The value.
  type: list
  elements: raw
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ansible import context
from ansible.errors import AnsibleLookupError
from ansible.parsing.splitter import parse_kv
from ansible.plugins.lookup import LookupBase


def as_typed(name: str, value: Any, typed: Iterable[str]) -> str | None:
    """The text behind `name=` of the last -e that begins so and gave the variable its value; None when Ansible's own reading holds."""
    for option in reversed(list(typed)):
        if not option.startswith(f"{name}="):
            continue
        reading: Mapping[str, Any] = parse_kv(option)
        if reading.get(name) != value:
            return None
        text = option.removeprefix(f"{name}=")
        clean = all(key.isidentifier() for key in reading) and "_raw_params" not in reading
        return None if clean and text[:1] in ("'", '"') else text
    return None


class LookupModule(LookupBase):
    """See DOCUMENTATION."""

    def run(self, terms: list[str], variables: Mapping[str, Any] | None = None, **kwargs: Any) -> list[Any]:
        if len(terms) != 1:
            raise AnsibleLookupError("name one variable")
        (name,) = terms
        value = (variables or {}).get(name)
        typed = as_typed(name, value, context.CLIARGS.get("extra_vars") or ())
        found = self._templar.template(value) if typed is None else typed
        return ["" if found is None else found]
