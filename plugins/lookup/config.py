# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The merged configuration, for playbooks; what it means is in module_utils/core/config.py."""

from __future__ import annotations

DOCUMENTATION = r"""
name: config
short_description: The configuration of this collection, merged from all its sources
version_added: 0.1.0
author:
  - The pixels.sandbox developers (@pixels-sandbox)
description:
  - Gives the settings that the modules of this collection work with. Each comes, by itself, from the highest of these that has it.
    The Ansible variable (P(pixels.sandbox.config#lookup) sees those of the current host, and extra variables), the environment variable
    of the same name in capitals, the file C(~/.config/pixels/config.toml), the default.
  - An empty string counts as not set, everywhere.
  - C(docs/configuration.md) lists all settings with their variables.
options:
  _terms:
    description:
      - Settings by section and name, as in V(truenas.host), V(env) for the whole environment of the containers, or V(env.NAME) for one
        variable of it.
      - Without any, all settings.
    type: list
    elements: str
  rows:
    description:
      - All settings as a list for people, each with C(key), C(value) and C(source), secrets as stars. No terms are allowed then.
    type: bool
    default: false
notes:
  - A setting asked for by its name is given as it is, also when it is a secret. All other forms show stars instead.
  - Unknown settings, wrong values and a file that cannot be read are errors that name the place.
seealso:
  - name: Configuration
    description: All settings, their variables and defaults.
    link: https://github.com/pixels-sandbox/pixels.sandbox/blob/main/docs/configuration.md
"""

EXAMPLES = r"""
- name: Which image new containers are made of
  ansible.builtin.debug:
    msg: "{{ lookup('pixels.sandbox.config', 'defaults.image') }}"

- name: Do something only where provisioning is wanted
  ansible.builtin.debug:
    msg: It is.
  when: lookup('pixels.sandbox.config', 'provision.enabled')

- name: Everything, secrets as stars
  ansible.builtin.debug:
    msg: "{{ lookup('pixels.sandbox.config').truenas }}"

- name: Where it all comes from
  pixels.sandbox.report:
    columns: [key, value, source]
    rows: "{{ query('pixels.sandbox.config', rows=true) }}"
"""

RETURN = r"""
_raw:
  description:
    - The value of each term, in its own type.
    - Without terms a dictionary of sections, each a dictionary of its settings.
    - With O(rows=true) the rows.
  type: list
  elements: raw
"""

import os
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display

from ansible_collections.pixels.sandbox.plugins.module_utils.core.config import Config, ConfigError, load
from ansible_collections.pixels.sandbox.plugins.plugin_utils.variables import ours

display = Display()


class LookupModule(LookupBase):
    """See DOCUMENTATION."""

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[Any]:
        unknown = sorted(set(kwargs) - {"rows"})
        if unknown:
            raise AnsibleLookupError(f"there is no option {', '.join(unknown)}; allowed is rows")
        self.set_options(var_options=variables, direct=kwargs)
        rows = self.get_option("rows")
        if rows and terms:
            raise AnsibleLookupError("rows=true gives all settings; it takes no terms")
        for term in terms:
            if not isinstance(term, str):
                raise AnsibleLookupError(f"a setting is asked for by its name, as in truenas.host, not by {type(term).__name__}")
        try:
            config = self._load(variables or {})
            if rows:
                return list(config.rows())
            return [config.get(term) for term in terms] if terms else [config.as_dict(mask=True)]
        except ConfigError as error:
            # Only the message: what lies behind it may hold a value.
            raise AnsibleLookupError(str(error)) from None

    def _load(self, variables: dict[str, Any]) -> Config:
        config = load(ours(variables, self._templar, self._loader), os.environ)
        for text in config.warnings:
            display.warning(text)
        return config
