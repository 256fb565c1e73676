#!/usr/bin/python
# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module `egress`: documentation, and the part of the work that is done in the container (module_utils/inside/egress_apply.py)."""

from __future__ import annotations

DOCUMENTATION = r"""
module: egress
short_description: Decide what a container may reach, and keep its agent from becoming root
version_added: 0.2.0
author:
  - The pixels.sandbox developers (@pixels-sandbox)
description:
  - In a restricted container two system accounts alone talk to the outside, a proxy and a resolver, and both go by name. nftables sends
    the agent's connections to the proxy, which reads the name that they ask for (SNI, or the C(Host) header), looks it up itself, and
    lets through what is listed. Names that are not listed do not resolve. Everything else is rejected at once and recorded.
  - The rules are loaded before the network at every boot, so they hold after a restart, a restore and in every clone from the first
    packet on. What cannot be loaded leaves the container locked.
  - The agent's account has no root in a restricted container. Packages are installed by name through a helper, C(sudo) is a stand-in
    that passes on what is possible and explains what is not.
  - A change is validated as a whole before anything is touched, and connections to what stays allowed go on.
  - When something fails on the way from unrestricted to restricted the container is locked, nothing goes out, and only root logs in;
    running the task again mends that.
  - Whoever is root in the container can undo all of this. SECURITY.md of the collection says what that means and what to do about it.
options:
  mode:
    description:
      - V(unrestricted) is no policy at all, and the user may become root.
      - V(agent) is a preset for coding agents (AI services, package registries, forges, the distribution's mirrors) and O(allow).
      - V(allowlist) is O(allow) and the package mirrors that the container uses.
      - V(learn) is V(agent), but what is not listed is let through and recorded; RV(pixels.sandbox.egress_info#module:egress.learned) has
        it. Of O(deny), names hold in this mode too; ports and ranges do not.
      - When it is not given the mode stays as it is; a container that has never had one is unrestricted.
    type: str
    choices: [unrestricted, agent, allowlist, learn]
  allow:
    description:
      - What may be reached besides the preset. A name (V(api.example.org)), all names below one (V(*.example.org)), a name at a port
        that is neither 443 nor 80 (V(git.example.org:22)), or an address range at a TCP port, which is not checked by name. A range is
        a dictionary with C(cidr) and C(port), or a text such as V(192.168.20.5/32:8443).
      - With O(append=false) this is the whole list. When it is not given the list stays as it is.
    type: list
    elements: raw
  allow_also:
    description:
      - What may be reached besides O(allow). It is added to the list, whatever that is, also where O(append=false) has just replaced it
        or O(initial=true) leaves it as it is. An unrestricted container has no list, so that is an error.
    type: list
    elements: raw
  deny:
    description:
      - What may not be reached although the preset or a wildcard has it. It wins over O(allow). A name stands for all names below it too.
      - With O(append=false) this is the whole list. When it is not given the list stays as it is.
    type: list
    elements: raw
  append:
    description:
      - Add O(allow) to what is allowed, and take O(deny) away from it, rather than replacing the lists.
    type: bool
    default: false
  initial:
    description:
      - Use O(mode), O(allow) and O(deny) only for a container that has no policy yet. One that is restricted keeps what it has, and gets
        O(allow_also).
    type: bool
    default: false
  cut:
    description:
      - End the connections through the proxy that were made before the present policy, those to what stays allowed too. Without it they
        go on; new ones to what is no longer allowed fail at once.
      - When O(mode) changes from one restricted mode to another they end in any case.
    type: bool
    default: false
  user:
    description:
      - The agent's account. It need not exist yet. Default is the one that the policy has, then C(ssh.user) of the configuration
        (E(PIXELS_SSH_USER)).
    type: str
  dns:
    description:
      - Addresses of the name servers that the container's resolver asks. When it is not given they stay as they were given before;
        without that, and with an empty list, they are those that the container's network offers.
    type: list
    elements: str
  inbound:
    description:
      - TCP ports that may be connected to from outside; 22 is always one of them. When it is not given they stay as they are, which for
        a new policy is 22 alone.
    type: list
    elements: int
  units:
    description:
      - Units of systemd that the agent may start, stop, restart and read the journal of. When it is not given they stay as they are.
      - C(pixels-devtools), which M(pixels.sandbox.devtools) makes, is always one of them.
    type: list
    elements: str
  packages:
    description:
      - Whether the agent may install packages of the distribution by name. When it is not given that stays as it is, which for a new
        policy is V(true).
    type: bool
  gateway:
    description:
      - Makes the container the gateway of others, whose root is held as well; see the role P(pixels.sandbox.egress_gateway#role).
      - What is not given of it stays as it is.
    type: dict
    suboptions:
      interface:
        description: The interface of the network inside. For a new gateway the default is V(eth1).
        type: str
      address:
        description: The gateway's own address there, with the length of the network. For a new gateway the default is V(10.99.0.1/24).
        type: str
      dhcp:
        description:
          - The first and the last address to give away. An empty list is all of the network, and so is the default for a new gateway and
            for one that gets another network.
        type: list
        elements: str
  request:
    description:
      - What the action plugin has made of the other options. Not for playbooks.
    type: dict
extends_documentation_fragment:
  - pixels.sandbox.attributes
attributes:
  action:
    support: full
  async:
    support: none
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
  platform:
    support: full
    platforms: posix
    details: Debian 12 and newer, Ubuntu 22.04 and newer, run by systemd.
requirements:
  - "Python 3.9 or newer in the container"
  - "Root: log in as root. The agent's account has no rights to change the policy."
seealso:
  - module: pixels.sandbox.egress_info
  - module: pixels.sandbox.egress_proof
"""

EXAMPLES = r"""
- name: What coding agents need, and one service of our own
  pixels.sandbox.egress:
    mode: agent
    allow:
      - api.example.org
      - git.example.org:22
      - {cidr: 192.168.20.5/32, port: 8443}
  vars:
    ansible_user: root

- name: One name more
  pixels.sandbox.egress:
    allow: [files.example.org]
    append: true
  vars:
    ansible_user: root

- name: One name less, and end what is running
  pixels.sandbox.egress:
    deny: [files.example.org]
    append: true
    cut: true
  vars:
    ansible_user: root

- name: Nothing but this
  pixels.sandbox.egress:
    mode: allowlist
    allow: [api.example.org]
    deny: []
    packages: false
  vars:
    ansible_user: root
"""

RETURN = r"""
egress:
  description: The policy, as it is now or, in check mode, would be.
  returned: success
  type: dict
  contains:
    mode:
      description: The mode.
      type: str
      sample: agent
    user:
      description: The agent's account.
      type: str
      sample: pixel
    allow:
      description: What is allowed besides the preset.
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
steps:
  description: What was done.
  returned: success
  type: list
  elements: str
  sample: [packages, files, rules, services, logins]
why:
  description: What was found to differ from the policy that the container was said to have.
  returned: success
  type: list
  elements: str
  sample: [no rules are loaded]
locked:
  description: Whether the container is locked, after a failure.
  returned: failure
  type: bool
  sample: true
log:
  description: The end of what the program said that failed.
  returned: failure
  type: list
  elements: str
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pixels.sandbox.plugins.module_utils.inside.egress_apply import restrict
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.egress_machine import Machine
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.egress_options import ARGUMENTS
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.egress_release import release


def main() -> None:
    module = AnsibleModule(argument_spec={**ARGUMENTS, "request": {"type": "dict"}}, supports_check_mode=True)
    request = module.params["request"]
    if request is None:
        module.fail_json(msg="this module does its work through its action plugin; it cannot be run with async")
    if os.geteuid() != 0:
        module.fail_json(msg="only root can change the policy; log in as root (ansible_user: root)")
    if module.check_mode:
        module.exit_json(changed=True, steps=[])
    result = (release if request["policy"] is None else restrict)(Machine(), request)
    if result.pop("failed", False):
        module.fail_json(changed=bool(result["steps"]), **result)
    module.exit_json(changed=bool(result["steps"]), **result)


if __name__ == "__main__":
    main()
