# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module `provision_info`: one SSH command that tells, over the task's own connection."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.utils.display import Display

from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import describe
from ansible_collections.pixels.sandbox.plugins.module_utils.core.front import given_options
from ansible_collections.pixels.sandbox.plugins.module_utils.core.job_link import Lost, NotReached
from ansible_collections.pixels.sandbox.plugins.module_utils.core.provision import ARGUMENTS, run
from ansible_collections.pixels.sandbox.plugins.plugin_utils.options import validated
from ansible_collections.pixels.sandbox.plugins.plugin_utils.over_ssh import OverSsh

display = Display()


class ActionModule(OverSsh):
    """See the module."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        task_vars = task_vars or {}
        result: dict[str, Any] = super().run(tmp, task_vars)
        self._task.args = given_options(self._task.args)
        params = validated(self._task.action, self._task.args, ARGUMENTS)
        reach = self.reach(task_vars)
        if self._task.check_mode:
            # What an earlier task would have started has not been.
            params.update(wait=False, follow=False)
        try:
            return {**result, **run(params, reach, str(task_vars["inventory_hostname"]), display.display)}
        except (NotReached, Lost) as error:
            raise AnsibleConnectionFailure(str(error)) from None
        except Exception as error:  # every failure becomes the result of the task, never a traceback with options in it
            return {**result, **describe(error)}
