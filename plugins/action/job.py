# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module `job`: one SSH command, over the task's own connection."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleConnectionFailure

from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import describe
from ansible_collections.pixels.sandbox.plugins.module_utils.core.job import START_ARGUMENTS, START_RULES, start
from ansible_collections.pixels.sandbox.plugins.module_utils.core.job_link import Lost, NotReached
from ansible_collections.pixels.sandbox.plugins.plugin_utils.options import validated
from ansible_collections.pixels.sandbox.plugins.plugin_utils.over_ssh import OverSsh


class ActionModule(OverSsh):
    """See the module."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        task_vars = task_vars or {}
        result: dict[str, Any] = super().run(tmp, task_vars)
        params = validated(self._task.action, self._task.args, START_ARGUMENTS, **START_RULES)
        reach = self.reach(task_vars)
        if self._task.check_mode:
            return {**result, "changed": True, "skipped": True, "msg": "check mode: the job was not started"}
        try:
            return {**result, **start(params, reach, str(task_vars["inventory_hostname"]))}
        except (NotReached, Lost) as error:
            raise AnsibleConnectionFailure(str(error)) from None
        except Exception as error:  # every failure becomes the result of the task, never a traceback with options in it
            return {**result, **describe(error)}
