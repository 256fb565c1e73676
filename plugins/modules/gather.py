#!/usr/bin/python
# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the module `gather`; the promise itself is in module_utils/core/job.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gather
short_description: Wait for a job in a container and bring its results home
version_added: 0.1.0
author:
  - The pixels.sandbox developers (@pixels-sandbox)
description:
  - Waits for the end of a job that M(pixels.sandbox.job) has started, and writes what it has left into a directory of the control node.
    The logs C(stdout.log) and C(stderr.log), the files asked for in C(files/), the work in the repository as C(repository.bundle), and
    C(result.json), which tells what became of it. That one is written whatever happened.
  - Waiting costs nothing, one SSH connection stays open and is told. When it breaks it is made again; the job does not notice.
  - The bundle has everything that the references of the job's repository have and the pinned commit has not, C(HEAD) included. What
    was not committed, new files too, is in it as a commit on top of C(HEAD), under C(refs/worker/uncommitted). Who has the pinned commit
    can fetch from it, C(git fetch results/worker01/repository.bundle '+refs/*:refs/worker01/*').
  - A container is not trusted. Plain files with paths that stay below the directory are taken from it and nothing else, no link, no
    device, no more than the limits allow. Modes and owners are this machine's. The bundle is checked with C(git bundle verify) and not
    unpacked. What RV(status) and the like say is the container's own account.
  - The task fails when the job has; the results are there all the same. A container that is not to be reached any more is unreachable.
attributes:
  check_mode:
    description: Can run in C(check_mode) and return the changed status prediction without modifying the target.
    support: full
    details: Waits for nothing and writes nothing.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: none
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: none
    details: A directory that is there already is an error, or with O(overwrite) replaced.
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
  name:
    description:
      - The name of the job.
    type: str
    required: true
  directory:
    description:
      - The directory of the container that jobs have their directories in.
    type: str
    default: ~/work
  dest:
    description:
      - The directory to make on the control node. What is above it is made too. A relative one begins where ansible-playbook was started.
    type: path
    required: true
  worker:
    description:
      - The name for C(result.json). The name of the host when this is not set.
    type: str
  collect:
    description:
      - The files to bring home, as paths and patterns below the directory that the command works in. C(**) stands for any directories, and
        a directory for all files in it. What begins with a dot is not matched by a pattern, only by its name.
    type: list
    elements: str
    default: []
  repository:
    description:
      - The repository that the job was given, as in O(pixels.sandbox.job#module:repository). The bundle is verified against it.
    type: dict
  timeout:
    description:
      - For how many seconds all of this may go on, whatever the container says. Without it there is no end but that of the job.
    type: int
  max_bytes:
    description:
      - How many bytes to bring home at most, with the logs and the bundle. What is more than that is left out, and listed in RV(left_out).
    type: int
    default: 268435456
  max_files:
    description:
      - How many files to bring home at most.
    type: int
    default: 5000
  max_log:
    description:
      - How many bytes of each log to bring home at most. Of a longer one it is the end.
    type: int
    default: 8388608
  overwrite:
    description:
      - Replace O(dest) when it is there already.
    type: bool
    default: false
notes:
  - The host has to be connected with P(ansible.builtin.ssh#connection) and a key.
seealso:
  - module: pixels.sandbox.job
"""

EXAMPLES = r"""
- name: Wait for the agent, for 15 minutes at most
  pixels.sandbox.gather:
    name: review
    dest: results/{{ inventory_hostname }}
    repository: "{{ prepared.repository }}"
    collect:
      - report.json
      - out/**/*.png
    timeout: 900
  register: review

- name: The results of another job, of which there may be little, in the place of those of yesterday
  pixels.sandbox.gather:
    name: benchmark-1
    directory: /srv/jobs
    dest: /srv/results/{{ inventory_hostname }}
    worker: machine-{{ inventory_hostname }}
    max_bytes: 1048576
    max_files: 10
    max_log: 65536
    overwrite: true
"""

RETURN = r"""
worker:
  description: The name of the worker.
  returned: always
  type: str
  sample: worker01
status:
  description: >-
    C(done), the command has ended with exit status 0; C(failed), with another one, or something was wrong with what it sent home;
    C(timed_out); C(lost), nobody knows how it ended; C(not_started).
  returned: always
  type: str
  sample: done
error:
  description: What is wrong, for people. V(null) when nothing is.
  returned: always
  type: str
  sample: the command ended with exit status 1
exit_status:
  description: >-
    The exit status of the command, 128 and the number of the signal that ended it, 124 at the time limit. V(null) when it is not known.
  returned: always
  type: int
  sample: 0
timed_out:
  description: Whether the command was stopped at its time limit.
  returned: always
  type: bool
seconds:
  description: How long the command took.
  returned: always
  type: float
  sample: 312.4
started:
  description: When the command was started, by the container's clock.
  returned: always
  type: str
  sample: '2026-01-31T09:00:00Z'
job:
  description: The name of the job.
  returned: always
  type: str
  sample: review
commit_before:
  description: The commit that was handed over.
  returned: always
  type: str
  sample: 0123456789abcdef0123456789abcdef01234567
commit_after:
  description: Where C(HEAD) was in the end.
  returned: always
  type: str
  sample: 89abcdef0123456789abcdef0123456789abcdef
branch:
  description: The branch that the job was on in the end.
  returned: always
  type: str
  sample: worker01
commits:
  description: How many commits C(HEAD) has that were not handed over.
  returned: always
  type: int
  sample: 2
uncommitted:
  description: The commit of what was not committed, V(null) when there was nothing.
  returned: always
  type: str
  sample: cdef0123456789abcdef0123456789abcdef0123
refs:
  description: The references in the bundle and their commits, as git verified them.
  returned: always
  type: dict
  sample: {"refs/heads/worker01": "89abcdef0123456789abcdef0123456789abcdef"}
bundle:
  description: The name of the bundle, V(null) when there is none, or none that is valid.
  returned: always
  type: str
  sample: repository.bundle
logs:
  description: The logs.
  returned: always
  type: list
  elements: str
  sample: [stdout.log, stderr.log]
files:
  description: The files that were collected, with C(path) and C(size).
  returned: always
  type: list
  elements: dict
  sample: [{"path": "report.json", "size": 512}]
left_out:
  description: What is not there, and why.
  returned: always
  type: list
  elements: str
  sample: ["out/*.mp4: there is no such file"]
dest:
  description: The directory on the control node.
  returned: always
  type: str
  sample: /home/me/results/worker01
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pixels.sandbox.plugins.module_utils.core.job import GATHER_ARGUMENTS


def main() -> None:
    module = AnsibleModule(argument_spec=GATHER_ARGUMENTS, supports_check_mode=True)
    module.fail_json(msg="this is done on the control node, by the action plugin of the same name; async is not possible")


if __name__ == "__main__":
    main()
