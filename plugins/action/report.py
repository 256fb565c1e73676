# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module `report`, shown to whoever runs the playbook: lines on the terminal, not the dump of a result."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError
from ansible_collections.pixels.sandbox.plugins.module_utils.core.report import ARGUMENTS, RULES, lines_of, result_of
from ansible_collections.pixels.sandbox.plugins.plugin_utils.options import validated

display = Display()


class ActionModule(ActionBase):
    """See the module."""

    _requires_connection = False
    _supports_check_mode = True
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        params = validated(self._task.action, self._task.args, ARGUMENTS, **RULES)
        try:
            lines = lines_of(params)
        except CoreError as error:
            raise AnsibleActionFail(str(error)) from None
        if not self._task.no_log:
            # One call, so that lines of other hosts do not get in between.
            display.display("\n".join(lines))
        return {**result, **result_of(params, lines)}
