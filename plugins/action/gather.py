# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module `gather`: one SSH command that waits, over the task's own connection."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import describe
from ansible_collections.pixels.sandbox.plugins.module_utils.core.job import GATHER_ARGUMENTS, gather
from ansible_collections.pixels.sandbox.plugins.module_utils.core.job_result import DONE, LOST
from ansible_collections.pixels.sandbox.plugins.plugin_utils.options import validated
from ansible_collections.pixels.sandbox.plugins.plugin_utils.over_ssh import OverSsh


class ActionModule(OverSsh):
    """See the module."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        task_vars = task_vars or {}
        result: dict[str, Any] = super().run(tmp, task_vars)
        params = validated(self._task.action, self._task.args, GATHER_ARGUMENTS)
        reach = self.reach(task_vars)
        if self._task.check_mode:
            return {**result, "changed": False, "skipped": True, "msg": "check mode: there is nothing to wait for"}
        params["dest"] = str(Path.cwd() / params["dest"])
        worker = params["worker"] or str(task_vars["inventory_hostname"])
        try:
            gathered = gather(params, reach, worker)
        except Exception as error:  # every failure becomes the result of the task, never a traceback with options in it
            return {**result, **describe(error)}
        if gathered["status"] != DONE:
            gathered.update(failed=True, msg=gathered["error"], unreachable=gathered["status"] == LOST)
        return {**result, **gathered}
