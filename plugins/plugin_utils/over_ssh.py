# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The base of the actions that speak with a program in the container, over ssh as the host's variables say.

Ansible's own connection plugin makes the command: address, key, pinned host key, shared connection. It is run here, because the plugin
would hold everything in memory that goes to the container or comes from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.pixels.sandbox.plugins.module_utils.core import ssh
from ansible_collections.pixels.sandbox.plugins.module_utils.core.job import Reach

# Of hosts that are none of ours as well, whose variables say nothing of it.
_ALIVE = [*ssh.words({**ssh.ALIVE, "BatchMode": "yes"}), "-T"]
_FRESH = ssh.words({"ControlMaster": "no", "ControlPath": "none"})
_PYTHON = "/usr/bin/python3"


class OverSsh(ActionBase):
    """See the docstring of this file."""

    _supports_check_mode = True
    _supports_async = False
    TRANSFERS_FILES = False

    def reachable(self) -> str | None:
        """Why ssh cannot be run here for the host of the task; None where it can."""
        connection = self._connection
        if connection.transport != "ssh" or not hasattr(connection, "_build_command"):
            return f"the host is connected with {connection.transport}, which this module does not know; allowed is ansible.builtin.ssh"
        if connection.become:
            return "become is not possible here: the job runs as the user that logs in"
        if connection.get_option("password") or self._play_context.password:
            return "a login with a password is not possible here; allowed is one with a key"
        return None

    def reach(self, task_vars: dict[str, Any]) -> Reach:
        connection = self._connection
        against = self.reachable()
        if against is not None:
            raise AnsibleActionFail(against)

        def command(line: str, fresh: bool) -> Sequence[str | bytes]:
            built: list[bytes] = connection._build_command(connection.get_option("ssh_executable"), "ssh", connection.host, line)
            # The first value that ssh reads for a setting counts.
            return [built[0], *(option.encode() for option in [*_ALIVE, *(_FRESH if fresh else [])]), *built[1:]]

        python = str(task_vars.get("ansible_python_interpreter") or _PYTHON)
        return Reach(command, python if python.startswith("/") and " " not in python else _PYTHON)
