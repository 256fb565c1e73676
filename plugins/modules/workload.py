#!/usr/bin/python
# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the module `workload`; the promise itself is in module_utils/core/workload.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: workload
short_description: Check what a fleet is to do, and pack its repository once for all
version_added: 0.1.0
author:
  - The pixels.sandbox developers (@pixels-sandbox)
description:
  - Looks at everything on the control node that a fleet needs, before any container is made. The names, the command, the repository and
    its commit, the task, the files, the limits, the directory for the results.
  - Makes one git bundle of the commit and its history, for all workers. It lies in Ansible's temporary directory and goes with the run.
  - Credentials in the URL of a repository go to git alone, through its environment. Workers know the URL without them, or nothing at
    all where the repository is a directory.
  - Relative paths begin where ansible-playbook was started.
attributes:
  check_mode:
    description: Can run in C(check_mode) and return the changed status prediction without modifying the target.
    support: full
    details: Does the same. It changes nothing outside of Ansible's temporary directory.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: N/A
    details: It changes nothing.
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
  action:
    description: Indicates this has a corresponding action plugin so some parts of the options can be executed on the controller.
    support: full
    details: All of it runs on the controller.
  async:
    description: Supports being used with the C(async) keyword.
    support: none
  platform:
    description: Target OS/families that can be operated against.
    support: full
    platforms: posix
options:
  name:
    description:
      - The workers. One name, a list, names with commas between them, or ranges as inventories write them, C(worker[01:20]).
    type: list
    elements: str
    required: true
    aliases: [container]
  argv:
    description:
      - The command that each is to run, one word each.
    type: list
    elements: str
  cmd:
    description:
      - The same as one line. It is split into words as a shell would do it, and nothing else is special.
    type: str
  repository:
    description:
      - A git repository, as a directory of the control node or as a URL. Submodules, and files kept by Git LFS, are not part of it.
    type: str
  version:
    description:
      - The commit, branch or tag of it. C(HEAD) when this is not set.
    type: str
  task_file:
    description:
      - A file with the task. The repository may not have a file of its name.
    type: str
  files:
    description:
      - More files and directories, each a path, or a mapping of C(src) on the control node to C(dest) below the working directory.
    type: list
    elements: raw
    default: []
  collect:
    description:
      - The paths and patterns of the files to bring home.
    type: list
    elements: str
    default: []
  results:
    description:
      - The directory for the results. C(fleet-) and the time when this is not set.
    type: str
  overwrite:
    description:
      - Whether results of these workers may be there already.
    type: bool
    default: false
  vars_by_name:
    description:
      - Variables of single workers, by name or by range. Its C(branch), C(env) and C(time_limit) are checked as those of all workers are.
    type: dict
    default: {}
  containers:
    description:
      - The containers that exist, as M(pixels.sandbox.container_info) returns them. A worker may not exist, unless a run that was
        killed has left it.
    type: list
    elements: dict
    default: []
  replace:
    description:
      - Whether those may be replaced that an earlier run has kept, or that a run on another machine has made more than 15 minutes ago.
        Whether that one is still at work cannot be seen from here. Without this its workers count until their time is over.
    type: bool
    default: false
  branch:
    description:
      - The branch for the work, to be checked, as O(pixels.sandbox.job#module:branch).
    type: str
  env:
    description:
      - Environment variables for the command, to be checked, as O(pixels.sandbox.job#module:environment). They are not in the result.
    type: raw
  login:
    description:
      - To be checked, as O(pixels.sandbox.job#module:login).
    type: bool
    default: true
  time_limit:
    description:
      - For how many seconds the command may go on, as O(pixels.sandbox.job#module:time_limit). RV(expires) depends on it.
    type: int
    default: 3600
  at_once:
    description:
      - How many workers are to work at the same time, or which part of them. RV(expires) depends on it.
    type: str
    default: 100%
  max_bytes:
    description:
      - To be checked, as O(pixels.sandbox.gather#module:max_bytes).
    type: int
    default: 268435456
  max_files:
    description:
      - To be checked, as O(pixels.sandbox.gather#module:max_files).
    type: int
    default: 5000
  max_log:
    description:
      - To be checked, as O(pixels.sandbox.gather#module:max_log).
    type: int
    default: 8388608
seealso:
  - module: pixels.sandbox.job
  - module: pixels.sandbox.gather
"""

EXAMPLES = r"""
- name: Look whether any worker exists
  pixels.sandbox.container_info:
    name: worker[01:20]
  register: existing

- name: Check it all
  pixels.sandbox.workload:
    name: worker[01:20]
    argv: [agent, --headless]
    repository: https://git.example.com/team/project.git
    version: v1.4.2
    task_file: task.md
    files:
      - settings.json
      - src: certificates
        dest: .agent/certificates
    collect: [report.json, 'out/**/*.png']
    results: nightly
    overwrite: true
    vars_by_name:
      worker[01:10]:
        part: api
      worker11:
        part: web
        memory: 4GiB
    containers: "{{ existing.containers }}"
    replace: true
    branch: review
    env:
      MODEL: small
    login: false
    time_limit: 600
    at_once: 25%
    max_bytes: 1048576
    max_files: 10
    max_log: 65536
  register: prepared

- name: The least that there is to check
  pixels.sandbox.workload:
    name: worker1
    cmd: make test
"""

RETURN = r"""
names:
  description: The workers.
  returned: success
  type: list
  elements: str
  sample: [worker01, worker02]
argv:
  description: The command.
  returned: success
  type: list
  elements: str
  sample: [agent, --headless]
job:
  description: A name for the job of this run.
  returned: success
  type: str
  sample: 20260131-090000
owner:
  description: An owner for the containers, by which a later run can tell whether this one is still at work.
  returned: success
  type: str
  sample: fleet 0a1b2c3d-4711-123456-1769850000
expires:
  description: For how long the containers are to be kept at most, as O(pixels.sandbox.container#module:expires) has it. The time that all
    of the jobs may take, and a day.
  returned: success
  type: str
  sample: 26h
leftovers:
  description: The containers that are to be destroyed first.
  returned: success
  type: list
  elements: str
  sample: []
repository:
  description: >-
    The repository for M(pixels.sandbox.job) and M(pixels.sandbox.gather), with the path of the C(bundle), of a bare C(repository), the
    C(commit), the C(ref) that it has in the bundle, and the C(origin) that workers may know. V(null) without one.
  returned: success
  type: dict
  sample: {"commit": "0123456789abcdef0123456789abcdef01234567", "origin": "https://git.example.com/team/project.git"}
task_file:
  description: The path of the task, V(null) without one.
  returned: success
  type: str
  sample: /home/me/task.md
task_name:
  description: The name that it has for the workers.
  returned: success
  type: str
  sample: task.md
files:
  description: The files, each with C(src) and C(dest).
  returned: success
  type: list
  elements: dict
  sample: [{"src": "/home/me/settings.json", "dest": "settings.json"}]
collect:
  description: The patterns.
  returned: success
  type: list
  elements: str
  sample: [report.json]
results:
  description: The directory for the results.
  returned: success
  type: str
  sample: /home/me/nightly
worker_vars:
  description: The variables of each worker, with C(worker_number), from 1 on, and C(worker_count).
  returned: success
  type: dict
  sample: {"worker01": {"part": "api", "worker_count": 20, "worker_number": 1}}
container_vars:
  description: Those of O(vars_by_name) that are options of M(pixels.sandbox.container).
  returned: success
  type: dict
  sample: {"worker11": {"memory": "4GiB"}}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pixels.sandbox.plugins.module_utils.core.workload import ARGUMENTS, RULES


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True, **RULES)
    module.fail_json(msg="this is done on the control node, by the action plugin of the same name; async is not possible")


if __name__ == "__main__":
    main()
