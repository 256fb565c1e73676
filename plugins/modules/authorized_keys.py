#!/usr/bin/python
# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module `authorized_keys`: documentation; the work is in module_utils/core/authorized_keys.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: authorized_keys
short_description: Manage which SSH keys are let in, for several accounts at once
version_added: 0.1.0
author:
  - The pixels.sandbox developers (@pixels-sandbox)
description:
  - Lets public keys in, or no longer, for one or several accounts of the host that it runs on, in one task and one connection.
  - What belongs to an account is written with that account's rights. Links are not followed, and one in the place of C(.ssh) or
    C(authorized_keys) is replaced by the real thing.
  - The modes of C(.ssh) and C(authorized_keys) become those that sshd asks for. Lines that are no keys stay as they are.
options:
  users:
    description:
      - The accounts. They have to exist.
    type: list
    elements: str
    required: true
  keys:
    description:
      - Public keys. The last entry for a key counts.
    type: list
    elements: dict
    default: []
    suboptions:
      key:
        description:
          - One line as in a C(.pub) file, with the options of an authorized_keys file in front if need be. Keys are told apart by type
            and content. The comment serves people only, and a comment that differs is no change.
        type: str
        required: true
      state:
        description:
          - Whether it is let in.
        type: str
        choices: [present, absent]
        default: present
      users:
        description:
          - Of O(users), those whom this key is for. All of them when this is not set.
        type: list
        elements: str
  exclusive:
    description:
      - Take all other keys away. An account that would be left without any is an error, before anything is changed.
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
  diff_mode:
    support: full
  idempotent:
    support: full
  platform:
    support: full
    platforms: posix
requirements:
  - "Python 3.8 or newer on the host"
seealso:
  - module: pixels.sandbox.ssh_access
"""

EXAMPLES = r"""
- name: Let a colleague in as root and as pixel
  pixels.sandbox.authorized_keys:
    users: [root, pixel]
    keys:
      - key: "{{ lookup('ansible.builtin.file', 'colleague.pub') }}"
  become: true

- name: This key and no other, for pixel
  pixels.sandbox.authorized_keys:
    users: [pixel]
    keys:
      - key: "{{ lookup('ansible.builtin.file', '~/.ssh/id_ed25519.pub') }}"
    exclusive: true

- name: One key goes, another one may only forward connections
  pixels.sandbox.authorized_keys:
    users: [root, pixel]
    keys:
      - key: "{{ old_key }}"
        state: absent
      - key: "restrict,port-forwarding {{ tunnel_key }}"
        users: [pixel]
  become: true
"""

RETURN = r"""
accounts:
  description: One entry for each of O(users).
  returned: success
  type: list
  elements: dict
  contains:
    user:
      description: The account.
      type: str
      sample: pixel
    path:
      description: Its file.
      type: str
      sample: /home/pixel/.ssh/authorized_keys
    changed:
      description: Whether it was changed, or in check mode, would be.
      type: bool
    keys:
      description: How many keys are let in.
      type: int
      sample: 1
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pixels.sandbox.plugins.module_utils.core.authorized_keys import ARGUMENTS, KeysError, run


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        result = run(module.params, module.check_mode)
    except KeysError as error:
        module.fail_json(msg=str(error))
    if not module._diff:
        result.pop("diff")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
