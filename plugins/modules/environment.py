#!/usr/bin/python
# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module `environment`: documentation; the work is in module_utils/inside/environment_apply.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: environment
short_description: Give a user of a container environment variables, and let single sessions bring more
version_added: 0.2.0
author:
  - The pixels.sandbox developers (@pixels-sandbox)
description:
  - Keeps variables in a file of the user's, which nobody else can read, and has it read by login shells, by interactive ones, by what
    C(ssh host command) runs, and by the units of the user's own systemd. Values arrive to the byte, whatever is in them.
  - What it does in the user's home it does as that user, and it follows no link there.
  - Lets SSH sessions bring variables of their own, as C(PIXELS_ENV_NAME) with C(SendEnv). They are called C(NAME) in the session, and no
    disk of the container ever holds them.
  - C(/etc/environment) is not touched. In a session any variable can be given another value, which what is started there inherits.
options:
  user:
    description:
      - The user. It has to exist.
    type: str
    required: true
  vars:
    description:
      - The variables, as texts. They replace all that this module has given the user before; without any, those are taken away.
    type: dict
    default: {}
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
    details: Shows names, never values.
  idempotent:
    support: full
  platform:
    support: full
    platforms: posix
requirements:
  - "Python 3.8 or newer in the container"
  - "Root: log in as root."
notes:
  - Sessions that run already keep what they have. The next shell in them has the new values.
  - A connection that sshd has accepted before the first run, as the shared ones of Ansible, brings no variables. New ones do.
  - With a login shell other than bash and zsh what C(ssh host command) runs has no variables; RV(left_out) says so.
  - Jobs of cron have none.
seealso:
  - plugin: pixels.sandbox.environment
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Give the agent its variables
  pixels.sandbox.environment:
    user: pixel
    vars:
      ANTHROPIC_API_KEY: "{{ vault_anthropic_key }}"
      EDITOR: vim
  vars:
    ansible_user: root

- name: Take them away
  pixels.sandbox.environment:
    user: pixel
    vars: {}
  vars:
    ansible_user: root
"""

RETURN = r"""
user:
  description: The user.
  returned: success
  type: str
  sample: pixel
path:
  description: The file with the variables. There is none when there are no variables.
  returned: success
  type: str
  sample: /home/pixel/.pixels/environment
names:
  description: The names of all variables that the user has from here.
  returned: success
  type: list
  elements: str
  sample: [ANTHROPIC_API_KEY, EDITOR]
changes:
  description: What became of single variables, or would in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The name.
      type: str
      sample: EDITOR
    change:
      description: V(added), V(changed) or V(removed).
      type: str
      sample: changed
files:
  description: The files that were written, or would be.
  returned: success
  type: list
  elements: str
  sample: [/home/pixel/.pixels/environment]
renewed:
  description: Whether the user's own systemd, which ran with other variables, was given these, or would be.
  returned: success
  type: bool
  sample: true
left_out:
  description: Kinds of sessions that the variables do not reach, in words. Empty for a user whose login shell is bash or zsh.
  returned: success
  type: list
  elements: str
  sample: []
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pixels.sandbox.plugins.module_utils.inside.egress_machine import Failed, Machine
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.environment_apply import ARGUMENTS, apply, diff_of


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    if os.geteuid() != 0:
        module.fail_json(msg="only root can set up what sessions read when they begin; log in as root (ansible_user: root)")
    try:
        result = apply(Machine(), module.params, module.check_mode)
    except Failed as error:
        module.fail_json(msg=error.message, log=error.log.splitlines()[-20:])
    if module._diff:
        result["diff"] = diff_of(result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
