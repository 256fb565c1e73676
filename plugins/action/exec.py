# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run a command in a container over the task's own connection: no Python needed there, bytes and status exact.

A command that nobody knows the end of makes the host unreachable; it is never run twice and never given ssh's own status.

Ansible's connection plugin collects all output before anybody sees it, and waits for ever. Where output is to be seen as it comes, or the
command has a time limit that the container may fail to keep, ssh is run here, with the command line that the plugin would run.
"""

from __future__ import annotations

import os
import stat
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.utils import color
from ansible.utils.display import Display

from ansible_collections.pixels.sandbox.plugins.module_utils.core import exec_live
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError
from ansible_collections.pixels.sandbox.plugins.module_utils.core.exec_command import (
    ARGUMENTS,
    RULES,
    command_of,
    result_of,
    stdin_of,
)
from ansible_collections.pixels.sandbox.plugins.module_utils.core.exec_refused import is_refused
from ansible_collections.pixels.sandbox.plugins.module_utils.core.exec_wrapper import (
    Command,
    CommandError,
    Fate,
    Outcome,
    Parcel,
    pack,
)
from ansible_collections.pixels.sandbox.plugins.plugin_utils.options import validated
from ansible_collections.pixels.sandbox.plugins.plugin_utils.over_ssh import OverSsh

display = Display()


class Refused(AnsibleConnectionFailure):
    """The key is not let in: it is certain that nothing was run."""


class ActionModule(OverSsh):
    """See the docstring of this file."""

    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        # The task's own arguments stay as they are: an empty word of argv is a word.
        params = validated(self._task.action, self._task.args, ARGUMENTS, **RULES)
        if self._task.async_val:
            return self._as_module(params, task_vars)
        try:
            command = command_of(params, self._stdin(params))
        except CommandError as exc:
            raise AnsibleActionFail(str(exc)) from exc
        if self._task.check_mode:
            return {**result, "changed": False, "skipped": True, "cmd": list(command.argv), "msg": "check mode: the command was not run"}
        destination = self._destination(params)
        own_ssh = self.reachable() is None
        live = params["live"] and not self._task.no_log and own_ssh
        start = datetime.now()
        try:
            if live or (command.timeout is not None and own_ssh):
                outcome = self._carry_here(command, task_vars or {}, live=live, output=destination is None)
            else:
                outcome = self._carry(command)
        except Refused as exc:
            if params["on_refused"] != "fail" or not self._again(params):
                raise
            return {**result, "changed": False, "failed": True, "refused": True, "cmd": list(command.argv), "msg": str(exc)}
        end = datetime.now()
        if destination is not None and outcome.fate in (Fate.ENDED, Fate.TIMED_OUT):
            _write(destination, outcome.stdout)
            result["stdout_file"] = str(destination)
        result.update(result_of(command, outcome, start, end, keep_stdout=destination is None))
        if live:
            result["live"] = True
        return result

    def _carry_here(self, command: Command, task_vars: dict[str, Any], *, live: bool, output: bool) -> Outcome:
        parcel = pack(command)
        line = self.reach(task_vars).command(parcel.line, False)
        show = (lambda lines: display.display("\n".join(lines))) if live else None
        try:
            ended = exec_live.run(line, parcel, show, output=output, colour=bool(color.ANSIBLE_COLOR), limit=command.timeout)
        except CoreError as exc:
            raise AnsibleActionFail(str(exc)) from exc
        if ended.overdue and parcel.read(ended.stdout, ended.stderr).fate is Fate.LOST:
            raise AnsibleConnectionFailure(
                f"the container did not stop the command at its time limit of {command.timeout} s: whether it still runs is unknown"
            )
        return self._outcome(parcel, ended.stdout, ended.stderr, ended.status)

    def _carry(self, command: Command) -> Outcome:
        parcel = pack(command)
        self._never_twice()
        try:
            # There is always something on standard input, which is what keeps the ssh plugin from asking for a terminal.
            answer = self._low_level_execute_command(parcel.line, in_data=parcel.data, encoding_errors="surrogateescape")
        except AnsibleConnectionFailure as exc:
            if parcel.begun(str(exc)):
                raise AnsibleConnectionFailure(self._unknown()) from exc
            if self._refused(str(exc)):
                raise Refused(str(exc)) from exc
            raise
        return self._outcome(parcel, _raw(answer["stdout"]), _raw(answer["stderr"]), answer["rc"])

    def _outcome(self, parcel: Parcel, stdout: bytes, stderr: bytes, status: int) -> Outcome:
        outcome = parcel.read(stdout, stderr)
        if outcome.fate is Fate.LOST:
            raise AnsibleConnectionFailure(self._unknown())
        if outcome.fate is Fate.NOT_STARTED:
            self._not_started(parcel, outcome, status)
        return outcome

    def _not_started(self, parcel: Parcel, outcome: Outcome, status: int) -> None:
        said = (outcome.stderr + b"\n" + outcome.stdout).decode("utf-8", "replace").strip().replace(parcel.marker, "")
        if self._connection.become:
            user = self.get_become_option("become_user")
            raise AnsibleActionFail(f"the command was not run: becoming {user} ended with status {status}: {said}")
        message = f"the command was not run: the connection ended with status {status} before a shell answered: {said}"
        raise (Refused if status == 255 and self._refused(said) else AnsibleConnectionFailure)(message)

    def _refused(self, said: str) -> bool:
        return is_refused(said, self._connection.get_option("remote_user"), self._connection.get_option("host"))

    def _again(self, params: dict[str, Any]) -> bool:
        """What was read from a pipe cannot be read once more."""
        return not params.get("stdin_file") or Path(self._loader.path_dwim(params["stdin_file"])).is_file()

    @staticmethod
    def _unknown() -> str:
        return "the connection was lost while the command ran: whether it did its work is unknown, and it was not run again"

    def _never_twice(self) -> None:
        """The ssh plugin can repeat what a broken connection interrupted; half a command run twice is nobody's wish."""
        try:
            self._connection.get_option("reconnection_retries")
        except KeyError:
            return
        self._connection.set_option("reconnection_retries", 0)

    def _stdin(self, params: dict[str, Any]) -> bytes | None:
        name = params.get("stdin_file")
        if not name:
            return stdin_of(params)
        try:
            return Path(self._loader.path_dwim(name)).read_bytes()
        except OSError as exc:
            raise AnsibleActionFail(f"stdin_file: {name} cannot be read on the control node: {exc.strerror}") from exc

    def _destination(self, params: dict[str, Any]) -> Path | None:
        """Where standard output goes; checked before the command runs, for it may not be possible to run it again."""
        name = params.get("stdout_file")
        if not name:
            return None
        path = Path(self._loader.path_dwim(name))
        if path.is_dir():
            raise AnsibleActionFail(f"stdout_file: {path} is a directory on the control node, it has to be a file")
        target = path if path.exists() else path.parent
        if not os.access(target, os.W_OK):
            raise AnsibleActionFail(f"stdout_file: {target} does not exist on the control node or cannot be written to")
        return path

    def _as_module(self, params: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        for name in ("stdin_file", "stdout_file"):
            if params.get(name):
                raise AnsibleActionFail(
                    f"{name} names a file on the control node, which a task with async leaves behind: use one without async"
                )
        if params.get("env"):
            raise AnsibleActionFail("env is not possible with async: the task lies in a file of the container then, the values with it")
        return self._execute_module(task_vars=task_vars, wrap_async=bool(self._task.async_val))


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _write(path: Path, data: bytes) -> None:
    """The file is whole or as it was before; what is no regular file (a pipe, a device) is written to."""
    if path.exists() and not stat.S_ISREG(path.stat().st_mode):
        path.write_bytes(data)
        return
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o666 & ~_umask()
    path = path.resolve()
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        os.chmod(name, mode)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    value = os.umask(0o077)
    os.umask(value)
    return value
