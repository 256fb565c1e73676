# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The base of our action plugins: a core entry point, run on the controller without a process or a connection of its own.

    class ActionModule(PixelsAction):
        spec = SPEC
        core = staticmethod(run)

Options come from the task and module_defaults, then from Ansible variables `pixels_*`, the environment `PIXELS_*` and the
configuration file. A task's `environment:` is not seen here. A task with `async` is handed to the module of the same name.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.pixels.sandbox.plugins.module_utils.core import changes
from ansible_collections.pixels.sandbox.plugins.module_utils.core.auth import (
    CONFIG_KEYS,
    driver_opener,
    endpoint_maker,
    option,
    settings_of,
)
from ansible_collections.pixels.sandbox.plugins.module_utils.core.config import KEYS, Config, load
from ansible_collections.pixels.sandbox.plugins.module_utils.core.config_keys import FILE_VAR, PROFILE_VAR
from ansible_collections.pixels.sandbox.plugins.module_utils.core.context import Context
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import describe
from ansible_collections.pixels.sandbox.plugins.module_utils.core.front import Spec, given_options

# Each task runs in a process of its own, forked from the one that loads this file: what all of them need is loaded here, once.
from ansible_collections.pixels.sandbox.plugins.module_utils.nas import select as _driver
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc import broker_client as _session
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc import connect as _connect
from ansible_collections.pixels.sandbox.plugins.plugin_utils.options import censor, validated
from ansible_collections.pixels.sandbox.plugins.plugin_utils.variables import ours

_LOADED = (_driver, _session, _connect)

display = Display()


class PixelsAction(ActionBase):
    """See the docstring of this file."""

    spec: Spec
    core: Callable[[Context], dict[str, Any]]

    # No connection to the task's host is made, so it may be down, or not exist yet.
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = True
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        task_vars = task_vars or {}
        result: dict[str, Any] = super().run(tmp, task_vars)
        secrets: frozenset[str] = frozenset()
        ctx: Context | None = None
        try:
            # Unset options go before validation: "" is no integer, and "no answer" is not a wrong one.
            self._task.args = given_options(self._task.args)
            given = frozenset(self._task.args)
            params = validated(self._task.action, self._task.args, self.spec.all_arguments(), **self.spec.rules())
            variables = self._variables(task_vars)
            config = load({**variables, **settings_of(params)}, os.environ)
            secrets = self._secrets(params, config)
            if self._task.async_val:
                return censor(self._as_module(params, config, variables, task_vars), secrets)
            ctx = Context(
                params=params,
                config=config,
                check_mode=bool(self._task.check_mode),
                diff=bool(self._task.diff),
                given=given,
                warn=lambda text: display.warning(censor(text, secrets)),
                show=lambda text: display.display(censor(text, secrets)),
                make_endpoint=endpoint_maker(params, config),
                open_driver=driver_opener(option(params, config, "session_reuse") or "auto"),
            )
            if config.warnings:
                result["warnings"] = list(config.warnings)
            outcome = type(self).core(ctx)
            warnings = [*result.get("warnings", []), *outcome.pop("warnings", [])]
            result.update(outcome)
            if warnings:
                result["warnings"] = warnings
        except AnsibleActionFail:
            raise
        except Exception as error:  # every failure becomes the result of the task, never a traceback with options in it
            display.vvv(f"{type(error).__name__}: {censor(str(error), secrets)}")
            result.update(describe(error))
        finally:
            if ctx is not None:
                changes.note(ctx, result)
                ctx.close()
        return censor(result, secrets)

    def _variables(self, task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Our variables with their templates resolved; no others are looked at."""
        return ours(task_vars, self._templar, self._loader)

    def _secrets(self, params: Mapping[str, Any], config: Config) -> frozenset[str]:
        """What no output may show. A short value in the containers' environment, such as 1, is found everywhere and hides nothing."""
        found = {params.get(name) for name, rule in self.spec.all_arguments().items() if rule.get("no_log")}
        found.add(config.get("truenas.api_key"))
        found.update(secret for secret in config.secrets if len(str(secret)) >= 8)
        return frozenset(secret for secret in found if isinstance(secret, str) and secret)

    def _as_module(
        self, params: Mapping[str, Any], config: Config, variables: Mapping[str, Any], task_vars: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Hand the task to the module: it sees neither variables nor module_defaults, so it is given what they amount to."""
        arguments = dict(self._task.args)
        if self.spec.auth:
            for name in CONFIG_KEYS:
                value = option(params, config, name)
                if value is not None and name != "session_reuse":
                    arguments[name] = value
        public = {FILE_VAR, PROFILE_VAR, *(key.var for key in KEYS if not key.secret and key.section != "truenas")}
        arguments["settings"] = {**{name: value for name, value in variables.items() if name in public}, **(params.get("settings") or {})}
        # The connection is the local one whatever the task's host is, and so must be the interpreter.
        local_vars = {**task_vars, "ansible_python_interpreter": sys.executable}
        return self._execute_module(
            module_name=self._task.action, module_args=arguments, task_vars=local_vars, wrap_async=bool(self._task.async_val)
        )
