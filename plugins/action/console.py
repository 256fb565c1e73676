# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module `console`: ssh in the terminal of whoever runs the playbook, or the command for one where there is none."""

from __future__ import annotations

import os
import shlex
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.utils.display import Display

from ansible_collections.pixels.sandbox.plugins.module_utils.core import ssh
from ansible_collections.pixels.sandbox.plugins.module_utils.core.console import (
    ARGUMENTS,
    PREFIX,
    forwarded,
    outcome,
    remote_words,
    typed,
)
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError
from ansible_collections.pixels.sandbox.plugins.module_utils.core.front import given_options
from ansible_collections.pixels.sandbox.plugins.plugin_utils import terminal
from ansible_collections.pixels.sandbox.plugins.plugin_utils.options import validated
from ansible_collections.pixels.sandbox.plugins.plugin_utils.over_ssh import OverSsh

display = Display()

# A connection of its own: an interactive one does not wait behind files that others copy, and a shared one may end with its master.
_OPTIONS = {
    "BatchMode": "yes",
    "ControlMaster": "no",
    "ControlPath": "none",
    **ssh.ALIVE,
    "SendEnv": f"{PREFIX}*",
    "LogLevel": "ERROR",
}


class ActionModule(OverSsh):
    """See the module."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        task_vars = task_vars or {}
        result: dict[str, Any] = super().run(tmp, task_vars)
        self._task.args = given_options(self._task.args)
        params = validated(self._task.action, self._task.args, ARGUMENTS)
        host = str(task_vars.get("inventory_hostname"))
        self._alone(task_vars)
        self.reach(task_vars)
        try:
            environment = forwarded(params["environment"])
            words = remote_words(params, tell=params["persist"])
        except CoreError as error:
            raise AnsibleActionFail(str(error)) from None
        said = {"changed": False, "session": params["session"], "command": typed(self._by_hand(), params)}
        if self._task.check_mode:
            return {**result, **said, "skipped": True, "msg": "check mode: nobody was logged in"}
        try:
            with terminal.of_parent() as lent:
                terminal.say(lent, self._hint(params, host))
                status = terminal.run(lent, self._argv(words), {**os.environ, **environment})
        except terminal.NoTerminal as error:
            display.display(f"{host}: no interactive terminal here ({error}). In one, this gets you in:\n  {said['command']}")
            return {**result, **said, "state": "no_terminal", "msg": f"no interactive terminal here: {error}"}
        except terminal.Interrupted as error:
            return {**result, **said, "failed": True, "state": "lost", "msg": f"the console was {error}"}
        told = outcome(status, params, host)
        display.display(told["msg"])
        return {**result, **said, **told}

    @staticmethod
    def _alone(task_vars: dict[str, Any]) -> None:
        hosts = task_vars.get("ansible_play_batch") or []
        if len(hosts) > 1:
            raise AnsibleActionFail(f"a terminal can be in one container at a time, not in {len(hosts)}: {', '.join(map(str, hosts))}")

    @staticmethod
    def _hint(params: dict[str, Any], host: str) -> str:
        if not params["persist"] or params["multiplexer"] == "none":
            return f"{host}. It ends with the connection; exit leaves it."
        return f"{host}, session {params['session']}. Ctrl-\\ or the command detach leaves it, and it goes on; exit ends it."

    def _argv(self, words: list[str]) -> list[bytes]:
        connection = self._connection
        built: list[bytes] = connection._build_command(
            connection.get_option("ssh_executable"), "ssh", "-tt", connection.host, shlex.join(words)
        )
        # The first value that ssh reads for a setting counts.
        options = [word.encode() for word in ssh.words(_OPTIONS)]
        return [built[0], *options, *built[1:]]

    def _by_hand(self) -> list[str]:
        connection = self._connection
        key, port, user = (connection.get_option(name) for name in ("private_key_file", "port", "remote_user"))
        common = [word for name in ("ssh_common_args", "ssh_extra_args") for word in shlex.split(connection.get_option(name) or "")]
        return [
            "ssh",
            *(["-i", os.path.expanduser(key)] if key else []),
            *(["-p", str(port)] if port else []),
            *common,
            f"{user}@{connection.host}" if user else connection.host,
        ]
