# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module `egress`: look into the container, plan here, and only where there is something to do go there again.

The look and the change are two connections, and somebody else may come between them. The container refuses a change that was planned on
what it was before that; then it is looked at again.
"""

from __future__ import annotations

import os
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.pixels.sandbox.plugins.module_utils.core.config import load
from ansible_collections.pixels.sandbox.plugins.module_utils.core.egress_plan import ARGUMENTS, Plan, plan
from ansible_collections.pixels.sandbox.plugins.module_utils.core.egress_preset import agent_preset
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError, describe
from ansible_collections.pixels.sandbox.plugins.module_utils.core.front import given_options
from ansible_collections.pixels.sandbox.plugins.plugin_utils.options import validated
from ansible_collections.pixels.sandbox.plugins.plugin_utils.variables import ours

display = Display()

_TRIES = 20


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
        except AnsibleActionFail:
            raise
        except CoreError as error:
            return {**result, **describe(error)}

    def _converged(self, params: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        for _attempt in range(_TRIES):
            found = self._execute_module("pixels.sandbox.egress_info", self._question(params, task_vars), task_vars=task_vars)
            if "facts" not in found:
                return found
            facts = found["facts"]
            user = str(params["user"] or (facts["policy"] or {}).get("user") or self._configured_user(task_vars))
            wanted = plan(params, facts, agent_preset(), user)
            outcome = self._told(wanted)
            if not wanted.changed or self._task.check_mode:
                return outcome
            for text in wanted.warnings:
                display.warning(f"{task_vars.get('inventory_hostname')}: {text}")
            done = self._execute_module("pixels.sandbox.egress", {"request": wanted.request}, task_vars=task_vars)
            done.pop("invocation", None)
            if done.get("failed") or done.get("unreachable") or "steps" not in done:
                return done
            if not done.get("stale"):
                return {**outcome, "steps": done["steps"]}
        return {"failed": True, "msg": f"the policy was changed by others {_TRIES} times while this task was planning its own change"}

    def _question(self, params: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        return {"user": str(params["user"] or self._configured_user(task_vars)), "denied": False}

    def _configured_user(self, task_vars: dict[str, Any]) -> str:
        variables = ours(task_vars, self._templar, self._loader)
        return str(load(variables, os.environ).get("ssh.user"))

    def _told(self, wanted: Plan) -> dict[str, Any]:
        outcome: dict[str, Any] = {
            "changed": wanted.changed,
            "egress": {
                "mode": wanted.mode,
                "user": wanted.request["user"],
                "allow": wanted.after.get("allow") or [],
                "deny": wanted.after.get("deny") or [],
                "entries": wanted.entries,
            },
            "steps": [],
            "why": wanted.why,
        }
        if self._task.diff and wanted.changed:
            outcome["diff"] = {"before": wanted.before, "after": wanted.after}
        return outcome
