# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module's promise as a whole: containers that answer the script and a login as told, and what the task makes of it."""

from __future__ import annotations

import base64
import re
import shlex
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import known_hosts, ssh_access, ssh_login
from ansible_collections.pixels.sandbox.plugins.module_utils.core.access_script import STAMP_MARK
from ansible_collections.pixels.sandbox.plugins.module_utils.core.context import Context
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError, Invalid
from ansible_collections.pixels.sandbox.plugins.module_utils.core.ssh_login import Login
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.errors import ShellFailed
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.shell import ShellResult
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.fake_driver import FakeConfig, FakeDriver, foreign, ours

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK0wmN/Cr3JXqmLW7u+g9pTh+wyqDHpSQEIQczXkVx9q"


def host_key(number: int) -> str:
    blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + number.to_bytes(32, "big")
    return f"ssh-ed25519 {base64.b64encode(blob).decode()}"


@dataclass
class Inside:
    """What is inside a container, as far as the script and a login see it."""

    host_key: str
    stamps: dict[str, str] = field(default_factory=dict)  # by user
    root_key: bool = False
    restricted: bool = False  # whether an egress policy leaves the user no root
    answers: bool = True  # whether a login works once access was granted
    failure: str | None = None  # what the script gives up with
    scripts: list[dict[str, str]] = field(default_factory=list)


class World(FakeDriver):
    """Containers with an inside."""

    def __init__(self, *names: str) -> None:
        super().__init__(*(replace(ours(name), address=f"10.0.0.{number}") for number, name in enumerate(names, 1)))
        self.inside = {f"px-{name}": Inside(host_key(number)) for number, name in enumerate(names, 1)}
        self.logins: list[list[str]] = []
        self.raises: Exception | None = None
        self.barrier: threading.Barrier | None = None

    def run_script(self, name: str, script: str, timeout: float = 300.0) -> Any:
        if self.raises is not None:
            raise self.raises
        if self.barrier is not None:
            self.barrier.wait(timeout=10)
        values = dict(re.findall(r"^(PX_[A-Z_]+)='?(.*?)'?$", script, re.MULTILINE))
        inside = self.inside[name]
        inside.scripts.append(values)
        mark = values["PX_MARK"]
        if inside.restricted and values["PX_SUDO"] == "1":
            return ShellResult(f'{mark} {{"error": "the egress policy leaves no root"}}\n', 1)
        if inside.failure is not None:
            return ShellResult(f'installing\nE: it broke\n{mark} {{"error": "{inside.failure}"}}\n', 1)
        steps = []
        if values["PX_NEW_HOST_KEY"] == "1":
            inside.host_key = host_key(100 + len(inside.scripts))
            steps.append("host_key")
        if inside.stamps.get(values["PX_USER"]) != values["PX_STAMP"]:
            inside.stamps[values["PX_USER"]] = values["PX_STAMP"]
            steps.append("stamp")
        if not inside.root_key:
            inside.root_key = True
            steps.append("root_key")
        said = [f'{mark} {{"did": "{step}"}}' for step in steps]
        said += [f'{mark} {{"os": "Debian 12"}}', f'{mark} {{"python": "/usr/bin/python3"}}']
        return ShellResult("\n".join(["noise", *said, f'{mark} {{"host_key": "{inside.host_key} root@x"}}', ""]), 0)

    def login(self, command: Sequence[str], remote: str, timeout: float = 1.0) -> Login:
        self.logins.append(list(command))
        user, address = command[-1].split("@")
        name = next(name for name, container in self.containers.items() if container.address == address)
        alias = next(word.split("=")[1] for word in command if word.startswith("HostKeyAlias="))
        inside = self.inside[name]
        if known_hosts.lookup(alias) != inside.host_key:
            return Login(255, "", "Host key verification failed.")
        if not inside.stamps or not inside.answers:
            return Login(255, "", "Permission denied (publickey).")
        if user not in inside.stamps:
            return Login(2, "", "sed: there is no such file")
        lines = [inside.stamps[user], '{"os": "Debian 12", "python": "/usr/bin/python3"}', *(["restricted"] if inside.restricted else [])]
        looks = user == "root" or not inside.restricted
        if looks and inside.root_key:
            lines.append("keys")
        return Login(1 if looks and not inside.root_key else 0, "".join(f"{STAMP_MARK}{line}\n" for line in lines), "")


@pytest.fixture(autouse=True)
def own_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "id.pub").write_text(KEY)
    (tmp_path / "id").write_text("a secret that is never sent")
    monkeypatch.setattr(ssh_login, "awaited", lambda *_arguments: True)


@pytest.fixture
def go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    def run(world: World, *names: str, check_mode: bool = False, diff: bool = False, **options: Any) -> dict[str, Any]:
        monkeypatch.setattr(ssh_login, "attempt", world.login)
        world.calls.clear()
        world.logins.clear()
        params = {name: rule.get("default") for name, rule in ssh_access.SPEC.all_arguments().items()}
        params.update({"name": list(names), **options})
        ctx = Context(
            params=params,
            config=FakeConfig(**{"ssh.user": "pixel", "ssh.key": str(tmp_path / "id")}),  # type: ignore[arg-type]
            check_mode=check_mode,
            diff=diff,
            make_endpoint=lambda: world.endpoint,
            open_driver=lambda _endpoint: world,  # type: ignore[return-value,arg-type]
        )
        return ssh_access.run(ctx)

    return run


class TestOne:
    def test_first_access(self, go: Any, tmp_path: Path) -> None:
        world = World("task1")
        result = go(world, "task1")
        entry = result["container"]
        assert result["changed"] is True and entry == result["containers"][0]
        assert entry["actions"] == ["stamp", "root_key", "known_hosts"]
        assert (entry["address"], entry["user"], entry["host_key"]) == ("10.0.0.1", "pixel", host_key(1))
        assert (entry["os"], entry["python"]) == ("Debian 12", "/usr/bin/python3")
        assert shlex.split(entry["ssh"])[-1] == "pixel@10.0.0.1"
        assert entry["hostvars"]["ansible_host"] == "10.0.0.1"
        assert (tmp_path / "state/pixels/known_hosts").read_text() == f"task1.nas {host_key(1)}\n"
        (values,) = world.inside["px-task1"].scripts
        assert (values["PX_USER"], values["PX_UID"], values["PX_GID"], values["PX_KEY"]) == ("pixel", "1000", "1000", KEY)

    def test_d31_again_costs_one_login_and_no_script(self, go: Any) -> None:
        """D31: the second run changes nothing."""
        world = World("task1")
        go(world, "task1")
        result = go(world, "task1", diff=True)
        assert result["changed"] is False and result["container"]["actions"] == [] and result["diff"] == []
        assert len(world.logins) == 1 and len(world.inside["px-task1"].scripts) == 1
        assert world.calls == [("get", "px-task1")]
        assert result["container"]["os"] == "Debian 12", "facts come from the stamp"

    @pytest.mark.parametrize("damage", ["root_key", "stamp", "pin", "login"])
    def test_whatever_is_missing_is_put_right(self, go: Any, damage: str) -> None:
        world = World("task1")
        go(world, "task1")
        if damage == "root_key":
            world.inside["px-task1"].root_key = False
        elif damage == "stamp":
            world.inside["px-task1"].stamps["pixel"] = "0 of an older recipe"
        elif damage == "pin":
            known_hosts.remove(["task1.nas"])
        else:
            world.inside["px-task1"].stamps.clear()
        assert go(world, "task1")["changed"] is True
        assert go(world, "task1")["changed"] is False

    def test_d25_a_changed_host_key(self, go: Any) -> None:
        """D25: SSH refuses it; only what the API says is pinned, and shown."""
        world = World("task1")
        go(world, "task1")
        world.inside["px-task1"].host_key = host_key(9)
        result = go(world, "task1", diff=True)
        assert result["container"]["actions"] == ["known_hosts"]
        assert (result["diff"][0]["before"]["host_key"], result["diff"][0]["after"]["host_key"]) == (host_key(1), host_key(9))
        assert known_hosts.lookup("task1.nas") == host_key(9)

    def test_another_user_is_another_wish(self, go: Any) -> None:
        world = World("task1")
        go(world, "task1")
        assert go(world, "task1", user="agent", uid=1500)["changed"] is True
        values = world.inside["px-task1"].scripts[-1]
        assert (values["PX_USER"], values["PX_UID"], values["PX_GID"]) == ("agent", "1500", "1500")

    def test_two_users_take_turns(self, go: Any) -> None:
        """As for a container whose egress is restricted before its user is made."""
        world = World("task1")
        assert go(world, "task1", user="root")["changed"] is True
        world.inside["px-task1"].restricted = True
        assert go(world, "task1")["container"]["actions"] == ["stamp"]
        for user in ("root", "pixel", "root"):
            assert go(world, "task1", user=user)["changed"] is False
        assert len(world.inside["px-task1"].scripts) == 2

    def test_sudo_is_asked_for_as_it_was_given(self, go: Any) -> None:
        world = World("task1")
        for sudo, value in ((None, ""), (False, "0"), (True, "1")):
            go(world, "task1", sudo=sudo)
            assert world.inside["px-task1"].scripts[-1]["PX_SUDO"] == value

    def test_secrets_stay_here(self, go: Any) -> None:
        """D26: neither the private key nor the API key is in what is sent, run or returned."""
        world = World("task1")
        result = go(world, "task1", diff=True)
        everything = f"{result} {world.inside} {world.logins}"
        assert "a secret that is never sent" not in everything and "1-secret" not in everything


class TestCheckMode:
    def test_d31_nothing_is_touched(self, go: Any, tmp_path: Path) -> None:
        """D31: check mode runs no script, which would need a token, and pins nothing."""
        world = World("task1")
        result = go(world, "task1", check_mode=True, diff=True)
        assert result["changed"] is True and result["container"]["actions"] == ["access"] and len(result["diff"]) == 1
        assert world.inside["px-task1"].scripts == [] and not (tmp_path / "state").exists()

    def test_what_is_right_is_no_change(self, go: Any) -> None:
        world = World("task1")
        go(world, "task1")
        assert go(world, "task1", check_mode=True)["changed"] is False

    def test_a_container_that_is_yet_to_be_made_or_started(self, go: Any) -> None:
        world = World("task1")
        world.containers["px-task1"] = ours("task1", "stopped")
        result = go(world, "task1", "task2", check_mode=True)
        assert [entry["changed"] for entry in result["containers"]] == [True, True]
        assert world.logins == []


class TestFailures:
    def test_d21_the_script_gives_up(self, go: Any) -> None:
        """D21: the reason and the end of the log; nothing is pinned, and a rerun heals."""
        world = World("task1")
        world.inside["px-task1"].failure = "apt could not install x"
        result = go(world, "task1")
        assert result["failed"] is True and result["changed"] is False
        assert "apt could not install x" in result["msg"] and "E: it broke" in result["msg"]
        assert result["container"]["log"] == ["installing", "E: it broke"]
        assert known_hosts.lookup("task1.nas") is None
        world.inside["px-task1"].failure = None
        assert go(world, "task1")["changed"] is True

    def test_a_right_that_the_egress_policy_does_not_leave(self, go: Any) -> None:
        """It fails also where all was set up before the policy came, and changes nothing."""
        world = World("task1")
        go(world, "task1", sudo=True)
        assert go(world, "task1", sudo=True)["changed"] is False
        world.inside["px-task1"].restricted = True
        result = go(world, "task1", sudo=True)
        assert result["failed"] is True and result["changed"] is False and "no root" in result["msg"]
        assert go(world, "task1")["changed"] is False

    def test_d21_success_only_with_a_login(self, go: Any) -> None:
        """D21: what was set up but does not let us in is a failure."""
        world = World("task1")
        world.inside["px-task1"].answers = False
        result = go(world, "task1")
        assert result["failed"] is True and "Permission denied (publickey)" in result["msg"] and "pixel@10.0.0.1" in result["msg"]
        assert result["changed"] is True, "it was changed before it failed"

    def test_d21_no_address(self, go: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """D21: a container that gets no address is an error."""
        monkeypatch.setattr(ssh_access, "ADDRESS_TIMEOUT", 0.0)
        world = World("task1")
        world.containers["px-task1"] = replace(world.containers["px-task1"], address=None)
        result = go(world, "task1")
        assert result["failed"] is True and "no address" in result["msg"]

    def test_d21_no_public_key(self, go: Any, tmp_path: Path) -> None:
        """D21: found out before the appliance is asked anything."""
        (tmp_path / "id.pub").unlink()
        (tmp_path / "id").unlink()
        world = World("task1")
        with pytest.raises(CoreError, match=r"id\.pub"):
            go(world, "task1")
        assert world.calls == []

    def test_d28_a_shell_that_breaks_is_a_failure(self, go: Any) -> None:
        """D28: no answer is no success."""
        world = World("task1")
        world.raises = ShellFailed("the connection was lost")
        result = go(world, "task1")
        assert result["failed"] is True and result["error"]["type"] == "ShellFailed"

    def test_absent_stopped_foreign(self, go: Any) -> None:
        world = World("task1", "task2")
        world.containers["px-task1"] = foreign("task1")
        world.containers["px-task2"] = ours("task2", "stopped")
        result = go(world, "task1", "task2", "task3")
        assert result["failed"] is True and result["changed"] is False
        messages = [entry["msg"] for entry in result["containers"]]
        assert "not ours" in messages[0] and "stopped" in messages[1] and "no such container" in messages[2]
        assert world.logins == [] and world.inside["px-task1"].scripts == []

    @pytest.mark.parametrize(
        ("option", "value"),
        [
            ("user", "Pixel"),
            ("user", "a b"),
            ("uid", 0),
            ("uid", 65534),
            ("gid", 70000),
            ("timeout", 1),
            ("concurrency", 0),
            ("dns", ["resolver.example"]),
            ("dns", ["192.0.2.1; rm -rf /"]),
            ("public_key", "ssh-ed25519 AAAA"),
        ],
    )
    def test_bad_input(self, go: Any, option: str, value: Any) -> None:
        world = World("task1")
        with pytest.raises(Invalid, match=option):
            go(world, "task1", **{option: value})
        assert world.calls == []


class TestSeveral:
    def test_one_failure_is_nobody_elses(self, go: Any) -> None:
        world = World("w1", "w2", "w3")
        world.inside["px-w2"].failure = "no space left"
        result = go(world, "w[1:3]")
        assert result["failed"] is True and "1 of 3" in result["msg"] and "no space left" in result["msg"]
        assert [entry.get("failed", False) for entry in result["containers"]] == [False, True, False]
        assert world.calls == [("list", "px-")], "one call looks at all of them"

    def test_at_the_same_time(self, go: Any) -> None:
        world = World("w1", "w2", "w3")
        world.barrier = threading.Barrier(3)  # breaks unless all three scripts run at once
        assert "failed" not in go(world, "w[1:3]", concurrency=3)

    def test_d16_two_with_the_same_host_key(self, go: Any) -> None:
        """D16: keys that came with the image are replaced, each container has its own."""
        world = World("w1", "w2")
        for inside in world.inside.values():
            inside.host_key = host_key(1)
        result = go(world, "w[1:2]", concurrency=1)
        keys = [entry["host_key"] for entry in result["containers"]]
        assert len(set(keys)) == 2
        assert [known_hosts.lookup("w1.nas"), known_hosts.lookup("w2.nas")] == keys
        assert go(world, "w[1:2]")["changed"] is False
