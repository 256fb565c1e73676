#!/usr/bin/python
# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module `report`: documentation; the lines are made in module_utils/core/report.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: report
short_description: Show a table or lines of text to whoever runs the playbook
version_added: 0.1.0
author:
  - The pixels.sandbox developers (@pixels-sandbox)
description:
  - Writes to the terminal as it is meant to be read. Columns are aligned, numbers to the right, and wide characters count as wide.
  - Control characters are left out, so that a name cannot move the cursor.
extends_documentation_fragment:
  - pixels.sandbox.attributes
  - pixels.sandbox.attributes.info
attributes:
  action:
    support: full
    details: All of it runs on the controller.
  async:
    support: none
    details: There is nothing to wait for.
  platform:
    support: full
    platforms: all
options:
  title:
    description:
      - A line before everything else.
    type: str
  columns:
    description:
      - The names of the columns. They are shown in capitals, with spaces for underscores.
    type: list
    elements: str
  rows:
    description:
      - The rows of the table. Each is a list with a value for each column, or a mapping from which the columns are taken by their names;
        what is missing there is left empty.
      - Requires O(columns).
    type: list
    elements: raw
  text:
    description:
      - Lines after the table.
    type: list
    elements: str
  empty:
    description:
      - What to say in place of a table without rows.
    type: str
  stats:
    description:
      - Leaves these values to workflows and callers, as M(ansible.builtin.set_stats) does with its defaults, and saves the task for it.
    type: dict
"""

EXAMPLES = r"""
- name: Show what there is
  pixels.sandbox.report:
    columns: [name, status, memory]
    rows:
      - {name: task1, status: RUNNING, memory: 2048}
      - {name: task2, status: STOPPED, memory: 512}
    empty: No containers.
    text:
      - One of them is not running.
    stats:
      pixels_names: [task1, task2]
"""

RETURN = r"""
lines:
  description: What was shown.
  returned: success
  type: list
  elements: str
  sample: ["NAME   STATUS   MEMORY", "task1  RUNNING    2048", "task2  STOPPED     512", "One of them is not running."]
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.core.errors import CoreError
from ..module_utils.core.report import ARGUMENTS, RULES, lines_of, result_of


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True, **RULES)
    try:
        lines = lines_of(module.params)
    except CoreError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result_of(module.params, lines))


if __name__ == "__main__":
    main()
