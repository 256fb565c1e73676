# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's proof of an identity: one look where all is well, what is done where it is not, and what is believed."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import identity, known_hosts
from ansible_collections.pixels.sandbox.plugins.module_utils.core.apply import Watch
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError
from ansible_collections.pixels.sandbox.plugins.module_utils.core.identity import Identity, prove
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.errors import ShellFailed
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.shell import ShellResult
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.clone_root import SHELLS
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.fake_driver import FakeDriver, job_failed, ours

MARKER_ID = "0123456789abcdef"
MACHINE_ID = "ab" * 16


def host_key(number: int) -> str:
    blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + number.to_bytes(32, "big")
    return f"ssh-ed25519 {base64.b64encode(blob).decode()}"


class World(FakeDriver):
    """One clone, `px-w01`, which shows what it is told to."""

    def __init__(self, *states: str) -> None:
        super().__init__(replace(ours("w01"), address="10.0.0.1"))
        self.states = list(states)
        self.scripts: list[str] = []
        self.said: dict[str, str] = {"machine_id": MACHINE_ID, "host_key": host_key(1)}
        self.log = "FAILED: no host key can be made\nnot complete; the next boot tries again\n"

    def run_script(self, name: str, script: str, timeout: float = 300.0) -> Any:
        self.calls.append(("run_script", name))
        self.scripts.append(script)
        mark = re.findall("^PX_MARK=(.*)$", script, re.MULTILINE)[0]
        state = self.states.pop(0)
        values = {"state": state, **(self.said if state == "own" else {})}
        return ShellResult(self.log + f"{mark} {json.dumps(values)}\n", 0)

    @property
    def done(self) -> list[str]:
        return [call[0] for call in self.calls if call[0] in ("run_script", "restart")]


@pytest.fixture(autouse=True)
def own_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def ask(world: World, doing: Callable[[str], None] = lambda text: None, timeout: float = 30) -> Identity:
    return prove(world, world.containers["px-w01"], MARKER_ID, Watch(doing=doing), timeout=timeout)  # type: ignore[arg-type]


class TestOwn:
    def test_a_prepared_clone_costs_one_script(self) -> None:
        world = World("own")
        assert ask(world) == Identity(host_key(1), MACHINE_ID)
        assert world.done == ["run_script"] and world.changing_calls == []

    def test_the_script_asks_for_our_id_and_is_short(self) -> None:
        world = World("own")
        ask(world)
        assert f"PX_ID={MARKER_ID}\n" in world.scripts[0]
        assert len(world.scripts[0]) < 4096, "what twenty clones are asked at once"

    def test_without_ssh_server_there_is_no_key(self) -> None:
        world = World("own")
        world.said["host_key"] = ""
        assert ask(world).host_key is None

    def test_it_need_not_have_an_address(self) -> None:
        world = World("own")
        world.containers["px-w01"] = replace(world.containers["px-w01"], address=None)
        assert ask(world).machine_id == MACHINE_ID

    @pytest.mark.parametrize("text", ["", "short", "AB" * 16, "g" * 32])
    def test_a_machine_id_that_is_none(self, text: str) -> None:
        world = World("own")
        world.said["machine_id"] = text
        with pytest.raises(CoreError, match="no proper machine-id"):
            ask(world)

    @pytest.mark.parametrize("text", ["ssh-rsa AAAA", "garbage", "ssh-ed25519 AAAA"])
    def test_a_host_key_that_is_none(self, text: str) -> None:
        world = World("own")
        world.said["host_key"] = text
        with pytest.raises(CoreError, match="host key"):
            ask(world)

    def test_a_host_key_that_is_pinned_for_another_container_is_not_believed(self) -> None:
        """The service came with the source, whose root may have changed it."""
        world = World("own", "own", "own")
        label = world.endpoint.label
        known_hosts.pin(known_hosts.alias(label, "w01"), host_key(1))
        known_hosts.pin(known_hosts.alias("elsewhere:443", "base"), host_key(1))
        assert ask(world).host_key == host_key(1)
        known_hosts.pin(known_hosts.alias(label, "base"), host_key(1))
        with pytest.raises(CoreError, match=r"host key is that of base: .* tampered with"):
            ask(world)


class TestRenewed:
    def test_a_source_without_the_service_costs_a_restart(self) -> None:
        world = World("missing", "installed", "own")
        told: list[str] = []
        found = ask(world, told.append)
        assert world.done == ["run_script", "run_script", "restart", "run_script"]
        assert found.renewed and found.machine_id == MACHINE_ID and "machine-id of the source" in str(found.note)
        assert found.container is not None and found.container.address == "10.0.0.5", "as it is after the restart"
        assert "giving it an identity of its own" in told

    def test_the_service_goes_along_only_where_it_is_missing(self) -> None:
        world = World("missing", "installed", "own")
        ask(world)
        assert ["PX_UNIT=" in script for script in world.scripts] == [False, True, False]

    def test_what_failed_at_the_boot_is_tried_once_more(self) -> None:
        world = World("failed", "own")
        found = ask(world)
        assert world.done == ["run_script", "restart", "run_script"]
        assert found.renewed

    def test_without_a_service_manager_it_is_done_at_once_and_said(self) -> None:
        world = World("bare", "own")
        found = ask(world)
        assert world.done == ["run_script", "run_script"]
        assert found.renewed and "neither systemd nor OpenRC" in str(found.note)
        assert found.container == world.containers["px-w01"]


class TestFailure:
    @pytest.mark.parametrize("states", [["failed", "failed"], ["waiting", "waiting"], ["missing", "installed", "failed"], ["bare", "bare"]])
    def test_it_tells_the_end_of_the_log(self, states: list[str]) -> None:
        world = World(*states)
        with pytest.raises(CoreError) as caught:
            ask(world)
        assert "it has not got an identity of its own" in caught.value.message
        assert "FAILED: no host key can be made" in caught.value.message
        assert caught.value.result["log"][-1] == "not complete; the next boot tries again"
        assert world.states == []

    def test_a_service_that_cannot_be_installed(self) -> None:
        world = World("missing", "missing")
        with pytest.raises(CoreError, match="cannot be installed"):
            ask(world)
        assert world.names() == [], "a restart would help nobody"

    def test_a_restart_that_fails_is_a_failure(self) -> None:
        world = World("missing", "installed", "own")
        error = job_failed("virt.instance.restart")
        world.fail("restart", error)
        with pytest.raises(type(error)):
            ask(world)

    def test_a_script_that_says_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        world = World("own")
        monkeypatch.setattr(world, "run_script", lambda *_arguments, **_more: ShellResult("sh: out of memory\n", 2))
        with pytest.raises(CoreError, match="status 2 and without a result\nend of the log:\nsh: out of memory"):
            ask(world)

    def test_a_shell_that_fails_is_passed_on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        world = World("own")

        def broken(*_arguments: Any, **_more: Any) -> Any:
            raise ShellFailed("the connection was lost")

        monkeypatch.setattr(world, "run_script", broken)
        with pytest.raises(ShellFailed):
            ask(world)

    def test_lines_without_our_mark_are_not_believed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        world = World("own")
        forged = f'pixels:0000000000000000 {{"state": "own", "machine_id": "{MACHINE_ID}"}}\n'
        monkeypatch.setattr(world, "run_script", lambda *_arguments, **_more: ShellResult(forged, 0))
        with pytest.raises(CoreError, match="without a result"):
            ask(world)


class TestScripts:
    def texts(self) -> list[str]:
        world = World("missing", "installed", "own", "bare", "own")
        ask(world)
        ask(world)
        return world.scripts

    @pytest.mark.parametrize("shell", SHELLS)
    def test_shells_can_read_them(self, shell: str) -> None:
        for text in self.texts():
            command = [shell, *(["sh"] if shell.endswith("busybox") else []), "-n"]
            done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
            assert (done.returncode, done.stderr) == (0, "")

    @pytest.mark.skipif(shutil.which("shellcheck") is None, reason="needs shellcheck")
    def test_shellcheck(self) -> None:
        for text in self.texts():
            # Meant so: texts for another shell. Not every one of the scripts needs every function and variable.
            command = ["shellcheck", "-s", "sh", "-e", "SC2016,SC2034,SC1003,SC2317", "-"]
            done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout

    def test_the_choices_of_the_option_come_from_here(self) -> None:
        assert list(identity.CATEGORIES) == ["history", "logins", "keys", "logs", "temporary"]
