#!/usr/bin/python
# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module `egress_proof`: documentation; the work is in module_utils/inside/egress_proof.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: egress_proof
short_description: Prove by trying that a container's egress policy holds
version_added: 0.2.0
author:
  - The pixels.sandbox developers (@pixels-sandbox)
description:
  - Tries, as the user that the task logs in as, what the policy promises. A listed name works. TLS to a name that is not listed, an
    address without a name, a look-up of a name that is not listed, and another resolver are refused at once. The user cannot become root.
  - Log in as the agent, without C(become). The task fails unless every check passes.
  - Behind a gateway, which see O(behind), the container has no policy of its own. There it is best tried as root.
  - What it tries to reach is an address that is set aside for documentation. In a container without a policy a few packets to it leave
    the container; no data does.
options:
  names:
    description:
      - Listed names, one of which has to work. Default is the hosts that the container has its packages from, then other listed names.
        An empty list leaves this check out.
    type: list
    elements: str
  behind:
    description:
      - Prove what the gateway does that the container is behind. Whether the user can become root is not asked, as it does not matter.
    type: bool
    default: false
extends_documentation_fragment:
  - pixels.sandbox.attributes
attributes:
  action:
    support: none
  async:
    support: full
  check_mode:
    support: full
    details: Changes nothing, and is run in check mode too.
  diff_mode:
    support: none
  idempotent:
    support: full
  platform:
    support: full
    platforms: posix
requirements:
  - "Python 3.9 or newer in the container"
seealso:
  - module: pixels.sandbox.egress
"""

EXAMPLES = r"""
- name: Prove it, logged in as the agent
  pixels.sandbox.egress_proof:
  vars:
    ansible_user: pixel

- name: Prove it with a service that has to work
  pixels.sandbox.egress_proof:
    names: [api.example.org]
  vars:
    ansible_user: pixel

- name: Prove that behind a gateway root reaches nothing else either
  pixels.sandbox.egress_proof:
    behind: true
  vars:
    ansible_user: root
"""

RETURN = r"""
checks:
  description: Each check, what was seen, and whether it passed.
  returned: always
  type: list
  elements: dict
  contains:
    check:
      description: What has to be so.
      type: str
      sample: TLS to an unlisted name is refused
    ok:
      description: Whether it is.
      type: bool
      sample: true
    seen:
      description: What was seen.
      type: str
      sample: "[Errno 104] Connection reset by peer after 0.01 s"
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pixels.sandbox.plugins.module_utils.inside.egress_machine import Machine
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.egress_proof import prove, prove_behind


def main() -> None:
    arguments = {"names": {"type": "list", "elements": "str"}, "behind": {"type": "bool", "default": False}}
    module = AnsibleModule(argument_spec=arguments, supports_check_mode=True)
    checks = (prove_behind if module.params["behind"] else prove)(Machine(), module.params["names"])
    failed = [f"{check['check']}: {check['seen']}" for check in checks if not check["ok"]]
    if failed:
        module.fail_json(msg=f"the egress policy does not hold: {'; '.join(failed)}", checks=checks)
    module.exit_json(changed=False, checks=checks)


if __name__ == "__main__":
    main()
