#!/usr/bin/python
# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module `system`: documentation; the work is in module_utils/inside/system_apply.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: system
short_description: Set the time zone, the locale and the name servers of a container
version_added: 0.2.0
author:
  - The pixels.sandbox developers (@pixels-sandbox)
description:
  - Sets what is given, and leaves the rest as it is. What is missing for it is installed from the distribution. Wrong values are found
    before anything is changed.
  - The host name is not among it. It is the container's name on the appliance, and comes from there.
options:
  timezone:
    description:
      - The time zone, such as V(Europe/Berlin). When it is empty it stays as it is.
      - Services that run already, such as cron, go by the former one until they are restarted.
    type: str
    default: ""
  locale:
    description:
      - The locale of new sessions, such as V(C.UTF-8) or V(de_DE.UTF-8). When it is empty it stays as it is.
      - An SSH client that sends its own C(LANG) gets that one.
    type: str
    default: ""
  dns:
    description:
      - The addresses of name servers, which are asked for all names. Without any they stay as they are.
      - Where the egress of the container is restricted they stay as they are too, and RV(left_out) says so.
        The policy has a resolver of its own; see O(pixels.sandbox.egress#module:dns).
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - pixels.sandbox.attributes
attributes:
  action:
    support: none
  async:
    support: full
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
  platform:
    support: full
    platforms: posix
requirements:
  - "Python 3.8 or newer in the container"
  - "Root: log in as root."
seealso:
  - module: pixels.sandbox.ssh_access
"""

EXAMPLES = r"""
- name: Be at home
  pixels.sandbox.system:
    timezone: Europe/Berlin
    locale: de_DE.UTF-8
  vars:
    ansible_user: root
"""

RETURN = r"""
steps:
  description: What was done, or would be, in order, of V(dns), V(tzdata), V(timezone), V(locales) and V(locale).
  returned: success
  type: list
  elements: str
  sample: [timezone, locales, locale]
timezone:
  description: The time zone as it is now, or would be.
  returned: success
  type: str
  sample: Europe/Berlin
locale:
  description: The locale of new sessions as it is now, or would be.
  returned: success
  type: str
  sample: de_DE.UTF-8
dns:
  description: The name servers that were asked for and are in force.
  returned: success
  type: list
  elements: str
  sample: []
left_out:
  description: What was asked for and left out, because the egress policy of the container decides about it.
  returned: success
  type: list
  elements: str
  sample: []
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pixels.sandbox.plugins.module_utils.core.access_dns import script
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.egress_machine import Failed, Machine
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.system_apply import ARGUMENTS, apply, diff_of


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    if os.geteuid() != 0:
        module.fail_json(msg="only root can change these; log in as root (ansible_user: root)")
    try:
        result = apply(Machine(), module.params, module.check_mode, script)
    except Failed as error:
        module.fail_json(msg=error.message, log=error.log.splitlines()[-20:])
    diff = diff_of(result)
    result.pop("before")
    if module._diff:
        result["diff"] = diff
    module.exit_json(**result)


if __name__ == "__main__":
    main()
