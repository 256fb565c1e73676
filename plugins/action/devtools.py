# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module `devtools`: look into the container, plan here, and only where there is something to do go there again."""

from __future__ import annotations

import os
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.pixels.sandbox.plugins.module_utils.core.config import load
from ansible_collections.pixels.sandbox.plugins.module_utils.core.devtools_catalogue import catalogue, default_registry
from ansible_collections.pixels.sandbox.plugins.module_utils.core.devtools_plan import ARGUMENTS, Plan, plan
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError, describe
from ansible_collections.pixels.sandbox.plugins.module_utils.core.front import given_options
from ansible_collections.pixels.sandbox.plugins.plugin_utils.options import validated
from ansible_collections.pixels.sandbox.plugins.plugin_utils.variables import ours

display = Display()
_NAME = "pixels.sandbox.devtools"


class ActionModule(ActionBase):
    """See the module."""

    _supports_check_mode = True
    _supports_async = False
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        task_vars = task_vars or {}
        result: dict[str, Any] = super().run(tmp, task_vars)
        self._task.args = given_options(self._task.args)
        params = validated(self._task.action, self._task.args, ARGUMENTS)
        try:
            return {**result, **self._converged(params, task_vars)}
        except CoreError as error:
            return {**result, **describe(error)}

    def _converged(self, params: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        found = self._execute_module(_NAME, {"request": {"do": "look"}}, task_vars=task_vars)
        if "facts" not in found:
            return found
        user = str(params["user"] or self._configured_user(task_vars))
        wanted = plan(params, found["facts"], catalogue(), default_registry(), user)
        for text in wanted.warnings:
            display.warning(f"{task_vars.get('inventory_hostname')}: {text}")
        outcome = self._told(wanted)
        if not wanted.changed or self._task.check_mode:
            return outcome
        done = self._execute_module(_NAME, {"request": wanted.request}, task_vars=task_vars)
        done.pop("invocation", None)
        if done.get("failed") or done.get("unreachable") or "steps" not in done:
            return done
        return {**outcome, "steps": done["steps"]}

    def _configured_user(self, task_vars: dict[str, Any]) -> str:
        return str(load(ours(task_vars, self._templar, self._loader), os.environ).get("ssh.user"))

    def _told(self, wanted: Plan) -> dict[str, Any]:
        outcome: dict[str, Any] = {
            "changed": wanted.changed,
            "devtools": {**wanted.after, "status": wanted.status},
            "steps": [],
            "why": wanted.why,
        }
        if self._task.diff and wanted.changed:
            outcome["diff"] = {"before": wanted.before, "after": wanted.after}
        return outcome
