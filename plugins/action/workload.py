# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module `workload`: on the control node, without a connection to anywhere but the repository."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.plugins.action import ActionBase

from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import describe
from ansible_collections.pixels.sandbox.plugins.module_utils.core.front import given_options
from ansible_collections.pixels.sandbox.plugins.module_utils.core.workload import ARGUMENTS, RULES, run
from ansible_collections.pixels.sandbox.plugins.plugin_utils.options import validated


class ActionModule(ActionBase):
    """See the module."""

    _requires_connection = False
    _supports_check_mode = True
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        self._task.args = given_options(self._task.args)
        params = validated(self._task.action, self._task.args, ARGUMENTS, **RULES)
        # Ansible removes this directory when the run ends, however it ends.
        folder = Path(tempfile.mkdtemp(prefix="workload-", dir=constants.DEFAULT_LOCAL_TMP))
        try:
            return {**result, **run(params, folder, os.getppid(), Path.cwd())}
        except Exception as error:  # every failure becomes the result of the task, never a traceback with options in it
            return {**result, **describe(error)}
