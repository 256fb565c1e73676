#!/usr/bin/python
# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the module `job`; the promise itself is in module_utils/core/job.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: job
short_description: Start a job in a container, with a repository and a task
version_added: 0.1.0
author:
  - The pixels.sandbox developers (@pixels-sandbox)
description:
  - Hands a repository at a pinned commit, a task and files over to a container, and starts a command there that goes on by itself, with
    its output in files. M(pixels.sandbox.gather) waits for its end and brings home what it has left.
  - All of it is one SSH command. The container needs Python 3.8 or later, and git when there is a repository; no network, and no
    credentials.
  - The job works in C(DIRECTORY/NAME/repository). It is on a branch of its own there. What was handed over beside the repository is
    ignored by git.
  - At its time limit everything that the command has started is ended, with SIGTERM and ten seconds later with SIGKILL, also what has made
    a session of its own. What it leaves running when it ends by itself is ended too.
  - A job of the same name is not started a second time, whether it runs or has ended.
attributes:
  check_mode:
    description: Can run in C(check_mode) and return the changed status prediction without modifying the target.
    support: full
    details: The job is not started.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: none
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
  action:
    description: Indicates this has a corresponding action plugin so some parts of the options can be executed on the controller.
    support: full
  async:
    description: Supports being used with the C(async) keyword.
    support: none
    details: The job goes on by itself as it is.
  platform:
    description: Target OS/families that can be operated against.
    support: full
    platforms: Linux
options:
  name:
    description:
      - The job's name, which M(pixels.sandbox.gather) needs again. Up to 63 letters, digits, dots, underscores and inner hyphens.
    type: str
    required: true
  directory:
    description:
      - The directory of the container that jobs have their directories in.
    type: str
    default: ~/work
  argv:
    description:
      - The program and its arguments, one word each. No shell looks at them; for a pipe ask for a shell, V([bash, -c, 'ls | wc -l']).
      - Its standard input is O(task), or empty.
    type: list
    elements: str
  cmd:
    description:
      - The same as one line. It is split into words as a shell would do it; quotes and backslashes group, and nothing else is special.
    type: str
  environment:
    description:
      - Variables for the command. They count more than what the login profile sets, which is not given them.
      - They go there out of sight of process lists and stay in no file.
    type: dict
    default: {}
  login:
    description:
      - Whether to read the user's login profile first, for what it puts on E(PATH). What it prints is left out.
    type: bool
    default: true
  time_limit:
    description:
      - For how many seconds the command may go on.
    type: int
    default: 3600
  repository:
    description:
      - The repository as RV(pixels.sandbox.workload#module:repository) describes it.
      - Without it the command works in an empty directory.
    type: dict
  branch:
    description:
      - The branch to be on. The name of the host when this is not set.
    type: str
  author:
    description:
      - The name for the commits of the job, where the user has none in the container's git configuration. The name of the host when this
        is not set.
    type: str
  task:
    description:
      - A text that tells what is to be done. It is the standard input of the command, and a file.
    type: str
  task_name:
    description:
      - The name of that file.
    type: str
    default: task.md
  files:
    description:
      - More files and directories for the job.
    type: list
    elements: dict
    default: []
    suboptions:
      src:
        description: A file or directory of the control node.
        type: path
        required: true
      dest:
        description: Its path in the directory that the command works in.
        type: str
        required: true
notes:
  - The host has to be connected with P(ansible.builtin.ssh#connection) and a key. C(become) is not possible; the job runs as the user that
    logs in.
seealso:
  - module: pixels.sandbox.gather
  - module: pixels.sandbox.workload
"""

EXAMPLES = r"""
- name: Start the agent in each of the hosts
  pixels.sandbox.job:
    name: review
    repository: "{{ prepared.repository }}"
    branch: review/{{ inventory_hostname }}
    author: Reviewer
    task: "{{ lookup('ansible.builtin.template', 'task.md') }}"
    task_name: TASK.md
    files:
      - src: settings.json
        dest: .agent/settings.json
    argv: [agent, --headless]
    environment:
      AGENT_MODEL: small
    time_limit: 600

- name: A command without a repository and without the login profile, somewhere else
  pixels.sandbox.job:
    name: benchmark-1
    directory: /srv/jobs
    cmd: sysbench cpu run
    login: false
"""

RETURN = r"""
job:
  description: The name of the job.
  returned: success
  type: str
  sample: review
directory:
  description: The directory of the job in the container.
  returned: success
  type: str
  sample: /home/pixel/work/review
reason:
  description: Why the container could not start it, in one word. C(no_git) when there is no git, C(repository) when git has failed.
  returned: when the container has said why
  type: str
  sample: no_git
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pixels.sandbox.plugins.module_utils.core.job import START_ARGUMENTS, START_RULES


def main() -> None:
    module = AnsibleModule(argument_spec=START_ARGUMENTS, supports_check_mode=True, **START_RULES)
    module.fail_json(msg="this is done on the control node, by the action plugin of the same name; async is not possible")


if __name__ == "__main__":
    main()
