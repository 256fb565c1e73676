#!/usr/bin/python
# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module `container_info`: documentation; the promise itself is in module_utils/core/container_info.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: container_info
short_description: List the containers on TrueNAS that this collection has made
version_added: 0.1.0
author:
  - The pixels.sandbox developers (@pixels-sandbox)
description:
  - Lists containers with their status, address and settings, with one call to the appliance however many there are.
  - An appliance whose container service is not up is an error, not an empty list.
extends_documentation_fragment:
  - pixels.sandbox.auth
  - pixels.sandbox.attributes
  - pixels.sandbox.attributes.info
  - pixels.sandbox.attributes.action_group
  - pixels.sandbox.attributes.controller
options:
  name:
    description:
      - Only these containers, written as for M(pixels.sandbox.container). What of them does not exist is in RV(missing).
      - A container that this collection has not made counts as one that does not exist, unless O(all) is set.
    type: list
    elements: str
    aliases: [container]
  status:
    description:
      - Only containers of these, as in V(running) or V(stopped).
    type: list
    elements: str
  owner:
    description:
      - Only containers with this owner.
    type: str
  labels:
    description:
      - Only containers that have all of these labels, with these values.
    type: dict
    version_added: 0.2.0
  all:
    description:
      - Also those whose name begins with C(px-) on the appliance but that this collection has not made.
    type: bool
    default: false
  connection:
    description:
      - Also tell how SSH gets into each container, as variables of an Ansible host and as a command for a person.
    type: bool
    default: false
seealso:
  - module: pixels.sandbox.container
"""

EXAMPLES = r"""
- name: What is there
  pixels.sandbox.container_info:
  register: fleet

- name: Where the running ones are
  ansible.builtin.debug:
    msg: "{{ item.name }} is at {{ item.address }}"
  loop: "{{ fleet.containers | selectattr('status', 'eq', 'running') }}"
  loop_control:
    label: "{{ item.name }}"

- name: The workers of last night
  pixels.sandbox.container_info:
    name: worker[01:20]
    owner: nightly

- name: Whatever belongs to the web team
  pixels.sandbox.container_info:
    labels:
      team: web
"""

RETURN = r"""
containers:
  description: The containers, by name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
      sample: task1
    instance:
      description: Its name on the appliance.
      type: str
      sample: px-task1
    owned:
      description: Whether this collection has made it. Others are listed with O(all) only.
      type: bool
    half_made:
      description: Whether its making was begun and not ended. It has never run; M(pixels.sandbox.container) makes it anew or destroys it.
      type: bool
    status:
      description: What it is, V(running) or V(stopped), or in the appliance's words in lower case, such as V(frozen).
      type: str
      sample: running
    address:
      description: The address to connect to, V(null) while there is none.
      type: str
      sample: 192.0.2.17
    addresses:
      description: All addresses, with C(family) (C(inet) or C(inet6)) and C(interface).
      type: list
      elements: dict
    image:
      description: The image that it was made of.
      type: str
      sample: debian/12
    from:
      description: What it is a clone of, a checkpoint as in V(base:ready) or a container as in V(base). V(null) for one made of an image.
      type: str
      sample: base:ready
    os:
      description: What the image says of itself, as C(os), C(release), C(variant).
      type: dict
      sample: {"os": "Debian", "release": "bookworm"}
    cpu:
      description: Its processors, V(null) for no limit.
      type: str
      sample: "2"
    memory:
      description: Its memory in MiB, V(null) for no limit.
      type: int
      sample: 2048
    pool:
      description: The pool of its data.
      type: str
      sample: tank
    environment:
      description: Its environment variables.
      type: dict
    autostart:
      description: Whether it starts with the appliance.
      type: bool
    network:
      description: Its first network card, as C(nic_type) and C(parent), or as C(network) for one of the appliance's own networks.
      type: dict
    inside:
      description: The bridge of its second card, V(null) for one that is no gateway.
      type: str
      sample: br-px1
    via:
      description: The gateway that it is behind, and that SSH goes through.
      type: str
      sample: gw1
    owner:
      description: The text that its owner has left.
      type: str
    labels:
      description: The texts by name that it was given.
      type: dict
      sample: {"team": "web"}
    egress:
      description: The egress policy that was last put in force in it, as was noted then. V(null) is that nobody has noted one.
      type: str
      sample: agent
    expires:
      description: Until when it is to be kept. V(null) is for ever.
      type: str
      sample: "2026-11-30T15:33:01Z"
    hostvars:
      description: The variables that make it a host of Ansible, as C(ansible_host) and C(ansible_user). With O(connection) only.
      type: dict
      sample: {"ansible_connection": "ssh", "ansible_host": "192.0.2.17", "ansible_user": "pixel"}
    ssh:
      description: The command that gets a person in, V(null) while there is no address. With O(connection) only.
      type: str
    pinned:
      description: Whether its host key is known, as it is once M(pixels.sandbox.ssh_access) has been there. With O(connection) only.
      type: bool
missing:
  description: Names of O(name) for which there is no container, whatever its status and its owner.
  returned: success
  type: list
  elements: str
version:
  description: The version of TrueNAS.
  returned: success
  type: str
  sample: 25.10.6
"""

from ansible_collections.pixels.sandbox.plugins.module_utils.core.container_info import SPEC, run
from ansible_collections.pixels.sandbox.plugins.module_utils.core.front import run_module


def main() -> None:
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
