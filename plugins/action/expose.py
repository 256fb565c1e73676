# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module `expose`: ssh in the background of the control node, with the command that Ansible's own connection would use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError, describe
from ansible_collections.pixels.sandbox.plugins.module_utils.core.expose import (
    ARGUMENTS,
    Forward,
    Forwards,
    absent,
    directory,
    port_number,
    present,
)
from ansible_collections.pixels.sandbox.plugins.module_utils.core.front import given_options
from ansible_collections.pixels.sandbox.plugins.module_utils.core.naming import expand
from ansible_collections.pixels.sandbox.plugins.plugin_utils.options import validated
from ansible_collections.pixels.sandbox.plugins.plugin_utils.over_ssh import OverSsh


class ActionModule(OverSsh):
    """See the module."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        task_vars = task_vars or {}
        result: dict[str, Any] = super().run(tmp, task_vars)
        self._task.args = given_options(self._task.args)
        params = validated(self._task.action, self._task.args, ARGUMENTS)
        try:
            return {**result, **self._done(params, task_vars)}
        except CoreError as error:
            return {**result, **describe(error)}

    def _done(self, params: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        name, check = str(task_vars["inventory_hostname"]), bool(self._task.check_mode)
        port, local = port_number("port", params["port"]), port_number("local_port", params["local_port"])
        forwards = Forwards(directory())
        outcome: dict[str, Any] = {"changed": False}
        if params["state"] == "absent":
            # The container may be gone by then.
            outcome = absent(expand(params["containers"] or [name]), port, forwards, check=check)
        elif port is not None:
            self.reach(task_vars)
            connection = self._connection
            wanted = Forward(name, str(connection.host), str(connection.get_option("remote_user") or ""), port, 0)
            outcome = present(wanted, local, forwards, self._ssh, check=check)
        return {**outcome, "forwards": [one.shown() for one in forwards.known()]}

    def _ssh(self, options: Sequence[str]) -> list[bytes]:
        connection = self._connection
        built: list[bytes] = connection._build_command(connection.get_option("ssh_executable"), "ssh", connection.host)
        # The first value that ssh reads for a setting counts, the shared connection's settings among them.
        return [built[0], *(option.encode() for option in options), *built[1:]]
