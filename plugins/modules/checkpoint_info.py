#!/usr/bin/python
# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module `checkpoint_info`: documentation; the promise itself is in module_utils/core/checkpoint_info.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: checkpoint_info
short_description: List the checkpoints of containers on TrueNAS
version_added: 0.1.0
author:
  - The pixels.sandbox developers (@pixels-sandbox)
description:
  - Lists the checkpoints of containers, newest first, with their sizes and those that need them.
  - However many containers there are, it takes one call for them and one for their snapshots.
  - Snapshots that others have made of the containers are listed apart, in RV(containers[].foreign).
extends_documentation_fragment:
  - pixels.sandbox.auth
  - pixels.sandbox.attributes
  - pixels.sandbox.attributes.info
  - pixels.sandbox.attributes.action_group
  - pixels.sandbox.attributes.controller
options:
  container:
    description:
      - Only these containers, written as for M(pixels.sandbox.container). What of them does not exist is in RV(missing).
      - A container that this collection has not made counts as one that does not exist.
      - Without it all containers that this collection has made.
    type: list
    elements: str
    aliases: [name]
  label:
    description:
      - Only checkpoints with this label.
    type: str
seealso:
  - module: pixels.sandbox.checkpoint
"""

EXAMPLES = r"""
- name: The checkpoints of one container
  pixels.sandbox.checkpoint_info:
    container: base
  register: found

- name: What deleting them would set free
  ansible.builtin.debug:
    msg: "{{ item.label }}: {{ item.used | human_readable }}"
  loop: "{{ found.container.checkpoints }}"
  loop_control:
    label: "{{ item.label }}"

- name: Which containers have a checkpoint that is ready
  pixels.sandbox.checkpoint_info:
    label: ready
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
      sample: base
    instance:
      description: Its name on the appliance.
      type: str
      sample: px-base
    checkpoints:
      description: Its checkpoints, newest first.
      type: list
      elements: dict
      contains:
        label:
          description: Its label.
          type: str
          sample: ready
        snapshot:
          description: The full name of the snapshot.
          type: str
          sample: tank/.ix-virt/containers/px-base@pixels-ready
        dataset:
          description: The dataset that it is a snapshot of. Another one than the container's own when a restore has kept newer checkpoints.
          type: str
          sample: tank/.ix-virt/containers/px-base
        created:
          description: When it was taken, in UTC.
          type: str
          sample: "2026-11-23T15:33:01Z"
        created_epoch:
          description: The same in seconds since 1970.
          type: int
          sample: 1795447981
        used:
          description: The bytes that only it holds, which deleting it would set free.
          type: int
          sample: 1048576
        referenced:
          description: The bytes of all the data in it.
          type: int
          sample: 734003200
        dependents:
          description: The other containers that are clones of it.
          type: list
          elements: str
          sample: [worker01, worker02]
    foreign:
      description: The snapshots of it that others have made, newest first. They can stand in the way of a restore.
      type: list
      elements: dict
      contains:
        snapshot:
          description: The full name of the snapshot.
          type: str
          sample: tank/.ix-virt/containers/px-base@auto-2026-11-23_00-00
        created:
          description: When it was taken, in UTC.
          type: str
          sample: "2026-11-23T00:00:02Z"
        created_epoch:
          description: The same in seconds since 1970.
          type: int
          sample: 1795392002
        used:
          description: The bytes that only it holds.
          type: int
          sample: 4096
        dependents:
          description: The other containers that are clones of it.
          type: list
          elements: str
container:
  description: The entry of RV(containers), when one container was named.
  returned: when one container was named and it exists
  type: dict
missing:
  description: The names of O(container) that do not exist.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.pixels.sandbox.plugins.module_utils.core.checkpoint_info import SPEC, run
from ansible_collections.pixels.sandbox.plugins.module_utils.core.front import run_module


def main() -> None:
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
