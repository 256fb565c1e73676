#!/usr/bin/python
# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of `pixels.sandbox.exec`, and its answer to tasks with `async`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: exec
short_description: Run a command in a container
version_added: 0.1.0
description:
  - Runs a program in a container over the task's own SSH connection and returns exactly what it said and how it ended.
  - The words of O(argv) arrive as they are, whatever they hold; no shell looks at them. Standard input and output are bytes.
  - The login profile of the user is read first, so what it puts on E(PATH) is found. What the profile prints is left out.
  - Needs a POSIX shell in the container, no Python.
options:
  argv:
    description:
      - The program and its arguments, one word each.
      - For a pipe, a variable of the container or a shell word such as C(cd), ask for a shell, V([bash, -c, 'ls | wc -l']).
    type: list
    elements: str
  cmd:
    description:
      - The same as one line. It is split into words as a shell would do it; quotes and backslashes group, and nothing else is special.
    type: str
  chdir:
    description:
      - The directory to run the program in. A relative one begins at the user's home directory, as does V(~).
    type: str
  stdin:
    description:
      - Text for the program's standard input, without a newline added. Without this, standard input is empty.
    type: str
  stdin_file:
    description:
      - A file on the control node whose bytes become the program's standard input.
    type: str
  stdout_file:
    description:
      - A file on the control node that receives the bytes of standard output. RV(stdout) is then empty.
    type: str
  timeout:
    description:
      - Stop the program after this many seconds, with SIGTERM and ten seconds later with SIGKILL. The task fails then.
      - The container does that. One that does not is waited for a minute longer and is unreachable then, unless the host is connected
        otherwise than with P(ansible.builtin.ssh#connection) and a key, or with C(become).
    type: int
  login:
    description:
      - Whether to read the user's login profile first.
    type: bool
    default: true
  env:
    description:
      - Variables for the program, by name. They count more than what the login profile sets.
      - They travel on standard input. No list of processes shows them, no log and no result; and they are written to no disk.
    type: dict
    version_added: 0.2.0
  live:
    description:
      - Show the lines of the program as they come. What moves a cursor or is not printable is replaced, colours stay. With
        O(stdout_file) only standard error is shown.
      - The result is the same. Where the host is not connected with P(ansible.builtin.ssh#connection) and a key, or with C(become), nothing
        is shown.
    type: bool
    default: false
    version_added: 0.2.0
  on_refused:
    description:
      - What it is when the container does not let the key in, and it is certain that nothing was run.
      - V(unreachable) is what Ansible makes of it, and nothing in the play can be done about it.
      - V(fail) is a failure of the task with RV(refused), after which M(pixels.sandbox.ssh_access) can put the key in place. Where
        O(stdin_file) is a pipe it is V(unreachable) all the same, for what was read from it is gone.
    type: str
    choices: [unreachable, fail]
    default: unreachable
    version_added: 0.2.0
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  async:
    description: Supports being used with the C(async) keyword.
    support: full
    details: O(stdin_file), O(stdout_file) and O(env) cannot be used then, O(live) shows nothing, and Python is needed in the container.
  check_mode:
    support: full
    details: The command is not run.
  diff_mode:
    support: none
  platform:
    platforms: posix
notes:
  - C(become) works as for every other task.
  - When the connection breaks before the status is known, the host is unreachable; the status of SSH itself is never taken for that of
    the program, and the program is never run a second time.
  - As with SSH, a program that leaves a process behind which keeps standard output open keeps the task waiting, with O(timeout) no longer
    than a minute beyond that. Redirect the output of such a process.
seealso:
  - module: ansible.builtin.command
author:
  - The pixels.sandbox developers (@pixels-sandbox)
"""

EXAMPLES = r"""
- name: List the home directory
  pixels.sandbox.exec:
    cmd: ls -la

- name: Commit with a message that no shell gets to see
  pixels.sandbox.exec:
    argv: [git, commit, --message, "It's $5; \"quoted\""]
    chdir: ~/project

- name: Use a pipe
  pixels.sandbox.exec:
    argv: [bash, -c, 'ls | wc -l']

- name: Take the work home as a bundle
  pixels.sandbox.exec:
    cmd: git -C project bundle create - --all
    stdout_file: results/{{ inventory_hostname }}.bundle

- name: Give an agent ten minutes
  pixels.sandbox.exec:
    argv: [claude, --print]
    stdin: "{{ task_description }}"
    timeout: 600
    live: true
    env:
      API_TOKEN: "{{ lookup('ansible.builtin.env', 'API_TOKEN') }}"
"""

RETURN = r"""
cmd:
  description: The words that were run.
  returned: always
  type: list
  elements: str
  sample: [ls, -la]
rc:
  description: The program's exit status, 128 and the number of the signal that ended it, 124 at the time limit.
  returned: when the program ran
  type: int
  sample: 0
stdout:
  description: Its standard output, with replacement characters for what is not UTF-8. Empty with O(stdout_file).
  returned: always
  type: str
  sample: hello
stdout_lines:
  description: The same as lines.
  returned: always
  type: list
  elements: str
  sample: [hello]
stderr:
  description: Its standard error.
  returned: always
  type: str
  sample: ''
stderr_lines:
  description: The same as lines.
  returned: always
  type: list
  elements: str
  sample: []
stdout_file:
  description: The file that received standard output.
  returned: with O(stdout_file), when the program ran
  type: str
  sample: /home/me/results/task1.bundle
live:
  description: Its lines have been shown as they came.
  returned: when they have
  type: bool
  sample: true
refused:
  description: The container does not let the key in, and nothing was run.
  returned: with O(on_refused=fail), when that is so
  type: bool
  sample: true
timed_out:
  description: The program was stopped at its time limit.
  returned: when it was
  type: bool
  sample: true
start:
  description: When the command was sent.
  returned: always
  type: str
  sample: '2026-01-31 09:00:00.000000'
end:
  description: When its result was there.
  returned: always
  type: str
  sample: '2026-01-31 09:00:00.250000'
delta:
  description: The time between.
  returned: always
  type: str
  sample: '0:00:00.250000'
"""

import subprocess
from datetime import datetime

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pixels.sandbox.plugins.module_utils.core.exec_command import (
    ARGUMENTS,
    RULES,
    command_of,
    result_of,
    stdin_of,
)
from ansible_collections.pixels.sandbox.plugins.module_utils.core.exec_wrapper import CommandError, pack


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True, **RULES)
    for name in ("stdin_file", "stdout_file"):
        if module.params[name]:
            module.fail_json(msg=f"{name} names a file on the control node and cannot be used with async")
    if module.params["env"]:
        module.fail_json(msg="env cannot be used with async: the values would lie in a file of the container")
    try:
        command = command_of(module.params, stdin_of(module.params))
    except CommandError as exc:
        module.fail_json(msg=str(exc))
    if module.check_mode:
        module.exit_json(changed=False, skipped=True, cmd=list(command.argv), msg="check mode: the command was not run")
    parcel = pack(command)
    start = datetime.now()
    done = subprocess.run(["/bin/sh", "-c", parcel.line], input=parcel.data, capture_output=True, check=False)
    result = result_of(command, parcel.read(done.stdout, done.stderr), start, datetime.now())
    if result.pop("failed", False):
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
