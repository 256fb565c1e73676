#!/usr/bin/python
# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module `egress_info`: documentation; the work is in module_utils/inside/egress_look.py and egress_denied.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: egress_info
short_description: What a container may reach, whether that is really in force, and what was denied
version_added: 0.2.0
author:
  - The pixels.sandbox developers (@pixels-sandbox)
description:
  - Looks, in the container and over SSH, at the policy that M(pixels.sandbox.egress) has put in force, and compares it with what is
    there. The rules in the kernel, the files, the services, the resolver and the rights of the agent's account are looked at each time;
    nothing is taken from a record alone.
  - Reads what was denied, and in mode V(learn) what was let through, from the logs that the policy keeps in the container. These are
    rotated by size, so very old attempts are forgotten.
options:
  user:
    description:
      - The agent's account, for a container without a policy. One with a policy remembers it.
    type: str
    default: pixel
  denied:
    description:
      - Read the logs too.
    type: bool
    default: true
  limit:
    description:
      - How many of the latest entries of RV(egress.denied) and RV(egress.learned) to return.
    type: int
    default: 200
extends_documentation_fragment:
  - pixels.sandbox.attributes
attributes:
  action:
    support: none
  async:
    support: full
  check_mode:
    support: full
    details: Changes nothing.
  diff_mode:
    support: none
  idempotent:
    support: full
  platform:
    support: full
    platforms: posix
requirements:
  - "Python 3.9 or newer in the container"
  - "Root: log in as root. The agent's account has no rights to look at the rules."
seealso:
  - module: pixels.sandbox.egress
"""

EXAMPLES = r"""
- name: Look at the policy
  pixels.sandbox.egress_info:
  vars:
    ansible_user: root
  register: found

- name: Nothing must have changed behind our back
  ansible.builtin.assert:
    that: found.egress.in_force
    fail_msg: "{{ found.egress.drift | join('; ') }}"
"""

RETURN = r"""
egress:
  description: The policy.
  returned: success
  type: dict
  contains:
    mode:
      description: V(unrestricted), V(agent), V(allowlist) or V(learn); V(unknown) when the policy's file is damaged.
      type: str
      sample: agent
    allow:
      description: What is allowed besides the preset, as it was asked for.
      type: list
      elements: raw
      sample: [api.example.org]
    deny:
      description: What is denied although the preset or a wildcard has it.
      type: list
      elements: raw
      sample: []
    entries:
      description: All that can be reached, the preset and package mirrors included.
      type: list
      elements: str
      sample: [api.anthropic.com, "github.com:22"]
    user:
      description: The agent's account.
      type: str
      sample: pixel
    dns:
      description: The name servers that the container's own resolver asks.
      type: list
      elements: str
      sample: [192.168.1.1]
    units:
      description: Units that the agent may start and stop.
      type: list
      elements: str
      sample: [pixels-devtools.service]
    inbound:
      description: Ports that may be connected to from outside.
      type: list
      elements: int
      sample: [22]
    in_force:
      description: Whether what is in the container is what the policy says. V(true) for an unrestricted container without remains.
      type: bool
      sample: true
    drift:
      description: In what it differs, in words.
      type: list
      elements: str
      sample: []
    denied:
      description: What was denied, by name or address, the latest first. Empty without O(denied).
      type: list
      elements: dict
      contains:
        name:
          description: The name that was asked for, or V(null) where there was none.
          type: str
          sample: evil.example.org
        address:
          description: The address, for what was not asked for by name.
          type: str
          sample: 198.51.100.7
        port:
          description: The port; V(null) for a look-up.
          type: int
          sample: 443
        protocol:
          description: V(tls), V(http), V(dns), V(tcp), V(udp) or V(icmp).
          type: str
          sample: tls
        reason:
          description: Such as V(deny-name), V(deny-private), V(deny-unresolved), V(deny-not-tls), V(nxdomain) or V(rejected).
          type: str
          sample: deny-name
        count:
          description: How often, as far as the logs go back.
          type: int
          sample: 3
        first:
          description: When first, in seconds since 1970.
          type: int
          sample: 1764200000
        last:
          description: When last.
          type: int
          sample: 1764200100
    learned:
      description: In mode V(learn), what was let through though it is not listed; as RV(egress.denied), with the entry that allows it.
      type: list
      elements: dict
      contains:
        entry:
          description: The entry for O(pixels.sandbox.egress#module:allow).
          type: raw
          sample: api.example.org
        count:
          description: How often.
          type: int
          sample: 3
        first:
          description: When first, in seconds since 1970.
          type: int
          sample: 1764200000
        last:
          description: When last.
          type: int
          sample: 1764200100
facts:
  description: What M(pixels.sandbox.egress) needs for a plan. Its content may change from version to version.
  returned: success
  type: dict
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pixels.sandbox.plugins.module_utils.inside.egress_denied import denied, learned
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.egress_look import look, summary
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.egress_machine import Machine


def main() -> None:
    arguments = {
        "user": {"type": "str", "default": "pixel"},
        "denied": {"type": "bool", "default": True},
        "limit": {"type": "int", "default": 200},
    }
    module = AnsibleModule(argument_spec=arguments, supports_check_mode=True)
    if os.geteuid() != 0:
        module.fail_json(msg="only root can see what is in force; log in as root (ansible_user: root)")
    machine = Machine()
    facts = look(machine, module.params["user"])
    logs = module.params["denied"] and facts["policy"] is not None
    found = summary(machine, facts)
    module.exit_json(
        changed=False,
        egress={
            **found,
            "denied": denied(machine)[: module.params["limit"]] if logs else [],
            "learned": learned(machine, found["entries"])[: module.params["limit"]] if logs else [],
        },
        facts=facts,
    )


if __name__ == "__main__":
    main()
