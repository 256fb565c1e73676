#!/usr/bin/python
# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module `host_keys`: documentation; the promise itself is in module_utils/core/host_keys.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_keys
short_description: Pin the host keys of containers that another machine has opened to SSH
version_added: 0.2.0
author:
  - The pixels.sandbox developers (@pixels-sandbox)
description:
  - Reads the host keys of containers through the appliance and pins them in this machine's known_hosts file, as
    M(pixels.sandbox.ssh_access) does, and changes nothing in the containers. A job of AWX runs on a machine that is new each time and knows
    none.
  - One that is pinned already is left as it is, and one without an SSH server is no error.
extends_documentation_fragment:
  - pixels.sandbox.auth
  - pixels.sandbox.attributes
  - pixels.sandbox.attributes.action_group
  - pixels.sandbox.attributes.controller
attributes:
  check_mode:
    support: full
    details: Does the same. Nothing could be looked at over SSH without it.
  diff_mode:
    support: N/A
    details: In the containers it changes nothing.
  idempotent:
    support: full
options:
  name:
    description:
      - The containers. One name, a list, names with commas between them, or ranges, C(worker[01:20]).
    type: list
    elements: str
    required: true
    aliases: [container]
  timeout:
    description:
      - For how many seconds a container may take to answer.
    type: int
    default: 60
  concurrency:
    description:
      - How many containers are asked at the same time, 1 to 64.
    type: int
    default: 4
seealso:
  - module: pixels.sandbox.ssh_access
"""

EXAMPLES = r"""
- name: Know whom we are going to talk to
  pixels.sandbox.host_keys:
    name: worker[01:20]
    timeout: 30
    concurrency: 8
"""

RETURN = r"""
containers:
  description: One entry for each name, in the order of the names.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Its name as it was given.
      type: str
      sample: task1
    instance:
      description: Its name on the appliance.
      type: str
      sample: px-task1
    changed:
      description: Always V(false).
      type: bool
    pinned:
      description: Whether its key was pinned by this task.
      type: bool
    host_key:
      description: Its host key, V(null) where it has no SSH server or does not run.
      type: str
    fingerprint:
      description: The fingerprint of that.
      type: str
      sample: SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8
    failed:
      description: Whether it failed. The others were seen to all the same.
      type: bool
      returned: for a container that failed
    msg:
      description: Why it failed.
      type: str
      returned: for a container that failed
container:
  description: The entry of RV(containers), when one container was named.
  returned: when one container was named
  type: dict
"""

from ansible_collections.pixels.sandbox.plugins.module_utils.core.front import run_module
from ansible_collections.pixels.sandbox.plugins.module_utils.core.host_keys import SPEC, run


def main() -> None:
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
