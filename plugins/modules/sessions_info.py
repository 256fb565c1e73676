#!/usr/bin/python
# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module `sessions_info`: documentation; the work is in module_utils/inside/sessions.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sessions_info
short_description: The terminal sessions of a container
version_added: 0.2.0
author:
  - The pixels.sandbox developers (@pixels-sandbox)
description:
  - Lists the sessions that M(pixels.sandbox.console) attaches to, kept by tmux or zmx, of the user that logs in.
extends_documentation_fragment:
  - pixels.sandbox.attributes
  - pixels.sandbox.attributes.info
attributes:
  action:
    support: none
  async:
    support: full
  platform:
    support: full
    platforms: posix
requirements:
  - "Python 3.9 or newer in the container"
seealso:
  - module: pixels.sandbox.console
"""

EXAMPLES = r"""
- name: List them
  pixels.sandbox.sessions_info:
  register: found

- name: Somebody is at work
  ansible.builtin.debug:
    msg: "{{ found.sessions | selectattr('status', 'eq', 'attached') | map(attribute='session') | join(', ') }}"
"""

RETURN = r"""
sessions:
  description: The sessions, by name.
  returned: success
  type: list
  elements: dict
  contains:
    session:
      description: Its name.
      type: str
      sample: console
    status:
      description: V(attached) or V(detached).
      type: str
      sample: detached
    clients:
      description: How many terminals are attached.
      type: int
      sample: 0
    created:
      description: When it was made, in seconds since 1970. V(null) where its keeper does not say.
      type: int
      sample: 1764200000
    activity:
      description: When something last happened in it, in seconds since 1970. V(null) where its keeper does not say.
      type: int
      sample: 1764200100
    multiplexer:
      description: Its keeper, V(tmux) or V(zmx).
      type: str
      sample: tmux
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pixels.sandbox.plugins.module_utils.inside.sessions import Failed, sessions


def main() -> None:
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    try:
        found = sessions()
    except Failed as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, sessions=found)


if __name__ == "__main__":
    main()
