#!/usr/bin/python
# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module `ssh_config`: documentation; the promise itself is in module_utils/core/ssh_config_task.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ssh_config
short_description: Make containers hosts of OpenSSH on this machine
version_added: 0.2.0
author:
  - The pixels.sandbox developers (@pixels-sandbox)
description:
  - Keeps a configuration file for OpenSSH, C(~/.config/pixels/ssh_config), in which each container that is opened to SSH is a host,
    C(task1) being C(task1.px). Then C(ssh task1.px), C(scp), C(rsync), C(git) and editors reach it, with its pinned host key and through
    its gateway.
  - The file is kept up to date by whatever makes, starts, restores and destroys containers. This module writes it anew, and has OpenSSH
    read it.
  - Containers of several appliances may have the same name. C(task1.nas.px), with the address of the appliance in it, always means that
    one; C(task1.px) means the one that came last.
extends_documentation_fragment:
  - pixels.sandbox.auth
  - pixels.sandbox.attributes
  - pixels.sandbox.attributes.action_group
  - pixels.sandbox.attributes.controller
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Shows both files, as far as they change.
  idempotent:
    support: full
options:
  name:
    description:
      - Only these containers, written as for M(pixels.sandbox.container). Without it all of the appliance that this collection has made,
        and entries of its others are removed.
    type: list
    elements: str
    aliases: [container]
  state:
    description:
      - V(absent) takes their entries away, and with the last one the file.
    type: str
    choices: [present, absent]
    default: present
  include:
    description:
      - Put an C(Include) of the file at the top of C(~/.ssh/config) where there is none. All else in there stays as it is.
      - With O(state=absent) and without O(name) that line is taken out when no entry is left.
    type: bool
    default: true
seealso:
  - module: pixels.sandbox.ssh_access
"""

EXAMPLES = r"""
- name: Let ssh, scp, rsync and editors know all containers
  pixels.sandbox.ssh_config:

- name: Write the file, and leave ~/.ssh/config alone
  pixels.sandbox.ssh_config:
    include: false

- name: Forget all of it
  pixels.sandbox.ssh_config:
    state: absent
"""

RETURN = r"""
path:
  description: The file.
  returned: success
  type: str
  sample: /home/me/.config/pixels/ssh_config
hosts:
  description: The entries of the appliance.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The container.
      type: str
      sample: task1
    host:
      description: What to call it.
      type: str
      sample: task1.px
    full_host:
      description: What always means this one.
      type: str
      sample: task1.nas.px
removed:
  description: The containers whose entries are gone.
  returned: success
  type: list
  elements: str
  sample: []
left_out:
  description: The containers for which none could be written, with C(name) and C(reason).
  returned: success
  type: list
  elements: dict
  sample: [{"name": "task2", "reason": "it is stopped"}]
"""

from ansible_collections.pixels.sandbox.plugins.module_utils.core.front import run_module
from ansible_collections.pixels.sandbox.plugins.module_utils.core.ssh_config_task import SPEC, run


def main() -> None:
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
