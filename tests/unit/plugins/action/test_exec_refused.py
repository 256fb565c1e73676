# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A login that is refused: what the task says, and that what would be repeated can be repeated."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure

from ansible_collections.pixels.sandbox.plugins.action import exec as action
from ansible_collections.pixels.sandbox.plugins.module_utils.core.exec_wrapper import Command, pack

SAID = "Failed to connect to the host via ssh: pixel@10.0.0.5: Permission denied (publickey)."


class Connection:
    transport = "played"
    become = None

    def get_option(self, name: str) -> Any:
        return {"remote_user": "pixel", "host": "10.0.0.5"}[name]


def task(monkeypatch: pytest.MonkeyPatch, said: str, **options: Any) -> Any:
    """The action, with a connection that fails so."""
    monkeypatch.setattr(action.OverSsh, "run", lambda *_words: {})
    made = action.ActionModule.__new__(action.ActionModule)
    made._task = SimpleNamespace(action="exec", args={"cmd": "true", **options}, async_val=0, check_mode=False, no_log=False)
    made._connection = Connection()
    made._loader = SimpleNamespace(path_dwim=str)

    def fail(*_words: Any, **_options: Any) -> None:
        raise AnsibleConnectionFailure(said)

    monkeypatch.setattr(made, "_low_level_execute_command", fail)
    return made


def test_it_is_a_failure_where_that_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "in").touch()
    for options in ({}, {"stdin": "x"}, {"stdin_file": str(tmp_path / "in")}):
        found = task(monkeypatch, SAID, on_refused="fail", **options).run(None, {})
        assert (found["failed"], found["refused"], found["changed"], found["msg"]) == (True, True, False, SAID)


def test_else_the_host_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AnsibleConnectionFailure, match="Permission denied"):
        task(monkeypatch, SAID).run(None, {})


def test_other_failures_are_none_of_a_login(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AnsibleConnectionFailure, match="timed out"):
        task(monkeypatch, "ssh: connect to host 10.0.0.5 port 22: Connection timed out", on_refused="fail").run(None, {})


def test_what_has_begun_is_not_repeated_whatever_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    parcel = pack(Command(argv=("true",)))
    monkeypatch.setattr(action, "pack", lambda _command: parcel)
    made = task(monkeypatch, f"{parcel.marker} begin\n{SAID}", on_refused="fail")
    with pytest.raises(AnsibleConnectionFailure, match="whether it did its work is unknown"):
        made.run(None, {})


def test_nor_what_has_read_from_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    there, back = os.pipe()
    os.close(back)
    try:
        with pytest.raises(AnsibleConnectionFailure, match="Permission denied"):
            task(monkeypatch, SAID, on_refused="fail", stdin_file=f"/dev/fd/{there}").run(None, {})
    finally:
        os.close(there)
