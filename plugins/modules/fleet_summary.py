#!/usr/bin/python
# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the module `fleet_summary`; the promise itself is in module_utils/core/fleet_summary.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet_summary
short_description: What became of each worker of a fleet, and who stays
version_added: 0.1.0
author:
  - The pixels.sandbox developers (@pixels-sandbox)
description:
  - Puts together what the tasks of a fleet have returned, to one status and one reason for each worker, and decides by O(keep) which
    containers stay.
  - A worker that came to no result of its own (it could not be made, was not to be reached, had no job) gets a C(result.json) that says so,
    as the others have from M(pixels.sandbox.gather).
attributes:
  check_mode:
    description: Can run in C(check_mode) and return the changed status prediction without modifying the target.
    support: full
    details: Writes nothing.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: none
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
  names:
    description:
      - The workers.
    type: list
    elements: str
    required: true
  results:
    description:
      - The directory for the results.
    type: path
    required: true
  made:
    description:
      - C(containers) of the result of M(pixels.sandbox.container).
    type: list
    elements: dict
    default: []
  opened:
    description:
      - C(containers) of the result of M(pixels.sandbox.ssh_access).
    type: list
    elements: dict
    default: []
  started:
    description:
      - The results of M(pixels.sandbox.job), by worker.
    type: dict
    default: {}
  gathered:
    description:
      - The results of M(pixels.sandbox.gather), by worker.
    type: dict
    default: {}
  present:
    description:
      - The containers that exist, as M(pixels.sandbox.container_info) returns them.
    type: list
    elements: dict
    default: []
  keep:
    description:
      - Which of them stay. V(failed) is all that are not C(done).
    type: str
    choices: [never, failed, always]
    default: never
  overwrite:
    description:
      - Whether results that are there already may be replaced.
    type: bool
    default: false
seealso:
  - module: pixels.sandbox.gather
"""

EXAMPLES = r"""
- name: See how it went
  pixels.sandbox.fleet_summary:
    names: worker[01:20]
    results: nightly
    made: "{{ made.containers }}"
    opened: "{{ access.containers }}"
    started: "{{ dict(groups.fleet | zip(groups.fleet | map('extract', hostvars) | map(attribute='worker_started'))) }}"
    gathered: "{{ dict(groups.fleet | zip(groups.fleet | map('extract', hostvars) | map(attribute='worker_result'))) }}"
    present: "{{ found.containers }}"
    keep: failed
    overwrite: true
  register: summary
"""

RETURN = r"""
workers:
  description: What became of each, as in its C(result.json).
  returned: success
  type: list
  elements: dict
  sample: [{"worker": "worker01", "status": "done", "exit_status": 0}]
statuses:
  description: >-
    The status of each, C(done), C(failed), C(timed_out), C(lost), C(not_started), C(not_made).
  returned: success
  type: dict
  sample: {"worker01": "done"}
failed_workers:
  description: Those that are not C(done).
  returned: success
  type: list
  elements: str
  sample: []
kept:
  description: The containers that stay.
  returned: success
  type: list
  elements: str
  sample: []
to_destroy:
  description: The containers that do not.
  returned: success
  type: list
  elements: str
  sample: [worker01]
rows:
  description: One row for each, for M(pixels.sandbox.report).
  returned: success
  type: list
  elements: dict
  sample: [{"worker": "worker01", "status": "done", "exit": 0, "seconds": 312.4}]
message:
  description: All of it in a sentence.
  returned: success
  type: str
  sample: all 20 workers are done
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pixels.sandbox.plugins.module_utils.core.fleet_summary import ARGUMENTS


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    module.fail_json(msg="this is done on the control node, by the action plugin of the same name; async is not possible")


if __name__ == "__main__":
    main()
