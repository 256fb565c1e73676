#!/usr/bin/python
# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the module `provision_info`; the promise itself is in module_utils/core/provision.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: provision_info
short_description: How far the installation of the tools in a container is
version_added: 0.2.0
author:
  - The pixels.sandbox developers (@pixels-sandbox)
description:
  - The tools of a container are installed by a service in it, after whoever asked for them has gone. This tells over SSH how far that is,
    and waits for its end when O(wait) is set.
  - Any user may ask. What the service has written down is held against the service itself. One that was killed, has crashed, or was cut
    off by a restart and not started again has failed, whatever it wrote last.
  - Waiting costs nothing, one SSH connection stays open and is told. When it breaks it is made again, for the container may restart
    in the middle.
  - A state that cannot be read, or is none, is an error. A container that is not to be reached is unreachable.
attributes:
  check_mode:
    description: Can run in C(check_mode) and return the changed status prediction without modifying the target.
    support: full
    details: It changes nothing. It does not wait then.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: N/A
    details: It changes nothing.
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
    details: It changes nothing.
  action:
    description: Indicates this has a corresponding action plugin so some parts of the options can be executed on the controller.
    support: full
  async:
    description: Supports being used with the C(async) keyword.
    support: none
  platform:
    description: Target OS/families that can be operated against.
    support: full
    platforms: Linux
options:
  wait:
    description:
      - Wait until it has ended. What takes long is shown meanwhile. The task fails then, with the step and the end of the log, when the
        installation has failed or the time is over.
    type: bool
    default: false
  follow:
    description:
      - Wait as with O(wait), and show each step as it ends.
    type: bool
    default: false
  timeout:
    description:
      - For how many seconds to wait at most.
    type: int
    default: 1800
requirements:
  - "Python 3.8 or newer in the container"
notes:
  - The host has to be connected with P(ansible.builtin.ssh#connection) and a key.
"""

EXAMPLES = r"""
- name: Look
  pixels.sandbox.provision_info:
  register: tools

- name: Wait for the tools, for ten minutes at most
  pixels.sandbox.provision_info:
    wait: true
    timeout: 600
"""

RETURN = r"""
provision:
  description: How far it is.
  returned: when the container could be asked
  type: dict
  contains:
    status:
      description: V(none), nobody has ever asked for tools; V(pending), V(running), V(done) or V(failed).
      type: str
      sample: running
    steps:
      description: The steps, in their order.
      type: list
      elements: dict
      contains:
        name:
          description: V(packages), the name of a tool, or V(settings).
          type: str
          sample: codex
        status:
          description: V(pending), V(running), V(done) or V(failed).
          type: str
          sample: running
        exit:
          description: The exit status, V(null) when there is none yet.
          type: int
          sample: 0
        seconds:
          description: How long it took, or takes already. V(null) when it has not begun.
          type: float
          sample: 12.3
        message:
          description: What there is to say of it.
          type: str
          sample: ''
    message:
      description: What there is to say of all of it, such as why it has failed.
      type: str
      sample: ''
    log:
      description: The end of the log when it has failed, as far as the user may read it.
      type: str
      sample: ''
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pixels.sandbox.plugins.module_utils.core.provision import ARGUMENTS


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    module.fail_json(msg="this is done on the control node, by the action plugin of the same name; async is not possible")


if __name__ == "__main__":
    main()
