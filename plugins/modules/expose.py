#!/usr/bin/python
# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the module `expose`; the promise itself is in module_utils/core/expose.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: expose
short_description: Make a port of a container a port of this machine
version_added: 0.2.0
author:
  - The pixels.sandbox developers (@pixels-sandbox)
description:
  - Opens an SSH forward from C(127.0.0.1) of the control node to a port in the container, and leaves it open in the background. What
    listens on the container's loopback only is reached as well, also where an egress policy lets nothing else in, and behind a gateway.
  - A forward ends with O(state=absent), when the container stops, and with the control node.
  - Returns all forwards there are, of all containers.
extends_documentation_fragment:
  - pixels.sandbox.attributes
attributes:
  action:
    support: full
    details: All of it runs on the controller.
  async:
    support: none
    details: The forward goes on by itself as it is.
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
  platform:
    support: full
    platforms: posix
options:
  containers:
    description:
      - With O(state=absent), the containers whose forwards to close. Without it, that of the host. They need not exist.
    type: list
    elements: str
    default: []
  port:
    description:
      - The port in the container.
      - Without it V(present) only lists, and V(absent) closes all forwards to the container.
    type: int
  local_port:
    description:
      - The port of this machine. One that is taken is an error.
      - Without it the same number is taken, or any that is free when that is taken or below 1024.
    type: int
  state:
    description:
      - V(present) opens the forward, V(absent) closes it.
    type: str
    choices: [present, absent]
    default: present
notes:
  - Nothing but the control node itself can connect to the port.
  - The host has to be connected with P(ansible.builtin.ssh#connection) and a key. C(become) is not possible.
"""

EXAMPLES = r"""
- name: Reach the development server
  pixels.sandbox.expose:
    port: 3000
  register: server

- name: See that it answers
  ansible.builtin.uri:
    url: "{{ server.forward.url }}"
  delegate_to: localhost

- name: Close it
  pixels.sandbox.expose:
    port: 3000
    state: absent
"""

RETURN = r"""
forward:
  description: The forward that was asked for.
  returned: with O(port) and O(state=present)
  type: dict
  contains:
    container:
      description: The name of the host.
      type: str
      sample: task1
    port:
      description: The port there.
      type: int
      sample: 3000
    local_port:
      description: The port here.
      type: int
      sample: 3000
    url:
      description: Where a browser finds it.
      type: str
      sample: http://127.0.0.1:3000
    answers:
      description: Whether something listened at the other end just now. V(null) in check mode.
      type: bool
      sample: true
closed:
  description: Those that were closed.
  returned: with O(state=absent)
  type: list
  elements: dict
  sample: []
forwards:
  description: All that are open after that.
  returned: success
  type: list
  elements: dict
  sample: [{"container": "task1", "port": 3000, "local_port": 3000, "url": "http://127.0.0.1:3000"}]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pixels.sandbox.plugins.module_utils.core.expose import ARGUMENTS


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    module.fail_json(msg="this is done on the control node, by the action plugin of the same name; async is not possible")


if __name__ == "__main__":
    main()
