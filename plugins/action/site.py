# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module `site`: on the controller, once for all hosts of the group. Each host's own variables say what it is to be and where."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible.utils.vars import load_extra_vars

from ansible_collections.pixels.sandbox.plugins.module_utils.core.auth import driver_opener, endpoint_maker
from ansible_collections.pixels.sandbox.plugins.module_utils.core.config import Config, load
from ansible_collections.pixels.sandbox.plugins.module_utils.core.context import Context
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError, describe
from ansible_collections.pixels.sandbox.plugins.module_utils.core.front import given_options
from ansible_collections.pixels.sandbox.plugins.module_utils.core.site import ARGUMENTS, Host, run
from ansible_collections.pixels.sandbox.plugins.module_utils.core.site_declaration import PREFIX, RESULTS
from ansible_collections.pixels.sandbox.plugins.plugin_utils.options import censor, validated
from ansible_collections.pixels.sandbox.plugins.plugin_utils.variables import ours

display = Display()


class ActionModule(ActionBase):
    """See the module."""

    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        task_vars = task_vars or {}
        result: dict[str, Any] = super().run(tmp, task_vars)
        self._task.args = given_options(self._task.args)
        params = validated(self._task.action, self._task.args, ARGUMENTS)
        secrets: frozenset[str] = frozenset()
        try:
            hosts, limited = self._hosts(str(params["group"]), task_vars)
            warnings = list(dict.fromkeys(text for host in hosts for text in host.config.warnings))
            secrets = frozenset(secret for host in hosts for secret in host.config.secrets if len(secret) >= 8)
            if warnings:
                result["warnings"] = warnings
            result.update(run(hosts, params, self._opener(secrets), limited=limited))
        except AnsibleActionFail:
            raise
        except Exception as error:  # every failure becomes the result of the task, never a traceback with secrets in it
            display.vvv(f"{type(error).__name__}: {censor(str(error), secrets)}")
            result.update(describe(error))
        return censor(result, secrets)

    def _hosts(self, group: str, task_vars: Mapping[str, Any]) -> tuple[list[Host], bool]:
        """Those of the group that this run is about, and whether there are more."""
        every = list(task_vars["groups"].get(group, []))
        if not every:
            raise CoreError(f"the inventory has no hosts in a group {group}: give it with -i, and the group's name with site_group")
        now = set(task_vars.get("ansible_play_hosts_all", every))
        results = RESULTS & load_extra_vars(self._loader).keys()
        return [self._host(name, task_vars["hostvars"][name], results) for name in every if name in now], not set(every) <= now

    def _host(self, name: str, variables: Mapping[str, Any], results: Collection[str]) -> Host:
        found = {}
        for key in variables:
            if key.startswith(PREFIX) and key not in results:
                try:
                    found[key] = variables[key]
                except AnsibleError as error:
                    raise CoreError(f"{name}: {key}: {error}") from None
        try:
            return Host(name, found, load(ours(variables, self._templar, self._loader), os.environ))
        except CoreError as error:
            raise CoreError(f"{name}: {error}") from None

    def _opener(self, secrets: frozenset[str]) -> Callable[[Config, dict[str, Any]], Context]:
        def opener(config: Config, params: dict[str, Any]) -> Context:
            return Context(
                params=params,
                config=config,
                check_mode=bool(self._task.check_mode),
                diff=bool(self._task.diff),
                warn=lambda text: display.warning(censor(text, secrets)),
                show=lambda text: display.display(censor(text, secrets)),
                make_endpoint=endpoint_maker({}, config),
                open_driver=driver_opener(config.get("truenas.session_reuse") or "auto"),
            )

        return opener
