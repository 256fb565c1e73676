#!/usr/bin/python
# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module `idle_info`: documentation; the work is in module_utils/inside/idle_look.py and idle.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: idle_info
short_description: Whether anybody has used a container lately
version_added: 0.2.0
author:
  - The pixels.sandbox developers (@pixels-sandbox)
description:
  - Looks, in the container and over SSH, for signs of use. One that is attached to a session, an SSH session with a terminal or a command
    at work, a job of M(pixels.sandbox.job) that runs, and an installation of tools that is not through, are use. So is, within the time
    asked about, that it was started, that something was written to a terminal or typed in one, that an SSH session ended, and
    processor time of the processes of users beyond 1 % of one processor.
  - What was used of the processors is known from one look to the next. A first look, after a start, finds a container idle only when its
    processes have used next to nothing in all their lives. So let it look now and then, as a timer does.
  - An SSH connection that is open without anything at work in it, such as a forward that nobody uses, is no use.
  - In doubt it is in use.
extends_documentation_fragment:
  - pixels.sandbox.attributes
attributes:
  action:
    support: none
  async:
    support: full
  check_mode:
    support: full
    details: The look is not remembered.
  diff_mode:
    support: none
  idempotent:
    support: full
    details: It changes nothing but its own record, in C(/run/pixels).
  platform:
    support: full
    platforms: Linux
options:
  idle:
    description:
      - For how long nobody may have used it, as a number with V(s), V(m), V(h), V(d) or V(w).
    type: str
    default: 1h
requirements:
  - "Python 3.9 or newer in the container"
  - "Root: log in as root, who sees the processes of all."
"""

EXAMPLES = r"""
- name: Look
  pixels.sandbox.idle_info:
    idle: 30m
  vars:
    ansible_user: root
  register: found

- name: Tell
  ansible.builtin.debug:
    msg: "{{ 'idle' if found.idle else found.in_use | join('; ') }}"
"""

RETURN = r"""
idle:
  description: Whether nobody has used it for that long.
  returned: success
  type: bool
  sample: false
in_use:
  description: Why it is not idle, in words.
  returned: success
  type: list
  elements: str
  sample: ["1 attached to sessions", "somebody typed 12 seconds ago"]
last_sign:
  description: When the last sign of use with a time was, in seconds since 1970.
  returned: success
  type: int
  sample: 1764200000
idle_for:
  description: How many seconds ago that was.
  returned: success
  type: int
  sample: 12
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pixels.sandbox.plugins.module_utils.inside.idle import judge, seconds, updated
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.idle_look import look, read_record, write_record


def main() -> None:
    module = AnsibleModule(argument_spec={"idle": {"type": "str", "default": "1h"}}, supports_check_mode=True)
    try:
        limit = seconds(module.params["idle"])
    except ValueError as error:
        module.fail_json(msg=f"idle: {error}")
    if os.geteuid() != 0:
        module.fail_json(msg="only root sees the processes of all; log in as root (ansible_user: root)")
    facts = look(limit)
    record = updated(read_record(), facts)
    if not module.check_mode:
        write_record(record)
    module.exit_json(changed=False, **judge(facts, record, limit))


if __name__ == "__main__":
    main()
