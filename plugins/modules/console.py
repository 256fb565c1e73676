#!/usr/bin/python
# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the module `console`; the work is in action/console.py and plugin_utils/terminal.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: console
short_description: Put whoever runs the playbook into an interactive terminal in a container
version_added: 0.2.0
author:
  - The pixels.sandbox developers (@pixels-sandbox)
description:
  - Runs SSH, as the host's variables say, in the terminal that C(ansible-playbook) was started from, and goes on when it is left. All keys
    reach the container; colours, mouse, changes of size and full-screen programs work.
  - The terminal is attached to a session that outlives the connection. Ctrl-\ or the command C(detach) leaves it, and it goes on; whoever
    attaches to a session of that name finds it as it is, also at the same time as others.
  - Without a terminal, as in AWX, in CI or with standard input from a file, nothing is waited for. The task succeeds, and RV(command) is
    what a person types in a terminal instead.
extends_documentation_fragment:
  - pixels.sandbox.attributes
attributes:
  action:
    support: full
    details: All of it runs on the controller.
  async:
    support: none
    details: There is a person to wait for.
  check_mode:
    support: full
    details: Nobody is logged in.
  diff_mode:
    support: none
  idempotent:
    support: full
    details: A session that exists is attached to. What is done in it is the person's business.
  platform:
    support: full
    platforms: Linux
options:
  session:
    description:
      - The name of the session, of up to 64 letters, digits, hyphens and underscores. One that does not exist is made.
    type: str
    default: console
  persist:
    description:
      - Whether there is to be a session at all. V(false) gives a plain login, which ends with the connection, and whose exit status is
        returned.
    type: bool
    default: true
  multiplexer:
    description:
      - What keeps the session. V(auto) takes zmx where it is installed in the container, else tmux, else nothing.
    type: str
    choices: [auto, tmux, zmx, none]
    default: auto
  command:
    description:
      - A line for the user's login shell to run instead of being interactive. In a session that exists already it has no effect.
    type: str
  environment:
    description:
      - Variables for the session. They are in the environment of SSH, never on a command line or on a disk.
      - A shell that runs already in the session keeps what it has.
    type: dict
    default: {}
notes:
  - The role P(pixels.sandbox.console#role) prepares a container for it.
  - With ansible-core 2.21 or newer, set C(ansible_worker_session_isolation=false) for the play, so that the terminal is handed over as a
    shell does it. With older versions, and without that variable, it works as well.
  - One host at a time.
  - The host has to be connected with P(ansible.builtin.ssh#connection) and a key. C(become) is not possible.
seealso:
  - module: pixels.sandbox.sessions_info
  - module: pixels.sandbox.exec
"""

EXAMPLES = r"""
- name: Have a look
  hosts: task1
  gather_facts: false
  vars:
    ansible_worker_session_isolation: false
  roles:
    - role: pixels.sandbox.console
      vars:
        console_enter: false
  post_tasks:
    - name: Work in the session build
      pixels.sandbox.console:
        session: build
"""

RETURN = r"""
command:
  description: What a person types in a terminal for the same.
  returned: always
  type: str
  sample: ssh -t -i ~/.ssh/id_ed25519 pixel@192.0.2.17 /usr/local/lib/pixels/session console
session:
  description: The session's name.
  returned: always
  type: str
  sample: console
state:
  description:
    - V(detached) when the session goes on, V(ended) when it or the plain shell has ended, V(lost) when the connection was lost,
      V(no_terminal) when there is no terminal here.
  returned: always
  type: str
  sample: detached
rc:
  description: The exit status of a plain shell or of its command; 0 for a session that was left.
  returned: when a terminal was there
  type: int
  sample: 0
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pixels.sandbox.plugins.module_utils.core.console import ARGUMENTS


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    module.fail_json(msg="this is done on the control node, by the action plugin of the same name; async is not possible")


if __name__ == "__main__":
    main()
