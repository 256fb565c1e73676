# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which appliance tasks are about, in the words in which the inventory says it of each host."""

from __future__ import annotations

DOCUMENTATION = r"""
name: appliance
short_description: The address of the appliance that tasks are about
version_added: 0.2.0
author:
  - The pixels.sandbox developers (@pixels-sandbox)
description:
  - Gives the address of the appliance that the variables, the environment and the configuration file name, in one way of writing it, as in
    V(wss://nas.example:443). Nothing is asked of it.
  - Hosts of P(pixels.sandbox.pixels#inventory) have theirs as C(pixels_appliance), so that one can tell whether they are containers of it.
options:
  _terms:
    description: There are none.
seealso:
  - plugin: pixels.sandbox.config
    plugin_type: lookup
  - plugin: pixels.sandbox.pixels
    plugin_type: inventory
"""

EXAMPLES = r"""
- name: Leave out the containers of other appliances
  ansible.builtin.debug:
    msg: "{{ inventory_hostname }} is a container of this one"
  when: pixels_appliance == lookup('pixels.sandbox.appliance')
"""

RETURN = r"""
_raw:
  description: The address, or an empty text where none is configured.
  type: list
  elements: str
"""

import os
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.pixels.sandbox.plugins.module_utils.core.config import ConfigError, load
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.endpoint import Endpoint
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.errors import InsecureTransport, InvalidEndpoint
from ansible_collections.pixels.sandbox.plugins.plugin_utils.variables import ours


class LookupModule(LookupBase):
    """See DOCUMENTATION."""

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        if terms or kwargs:
            raise AnsibleLookupError("this lookup takes neither terms nor options")
        try:
            config = load(ours(variables or {}, self._templar, self._loader), os.environ)
            host = config.get("truenas.host")
            return [Endpoint.parse(str(host), port=config.get("truenas.port"), api_key="").url if host else ""]
        except (ConfigError, InsecureTransport, InvalidEndpoint) as error:
            raise AnsibleLookupError(str(error)) from None
