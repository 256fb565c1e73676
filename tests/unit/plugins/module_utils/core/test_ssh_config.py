# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The containers as hosts of OpenSSH: what OpenSSH itself makes of the file, and many writers at the same time."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import config, known_hosts, ssh_config
from ansible_collections.pixels.sandbox.plugins.module_utils.core.context import Context
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError
from ansible_collections.pixels.sandbox.plugins.module_utils.core.ssh_config import Entry, changed, parse, render
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.driver import Container
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.endpoint import Endpoint

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("PIXELS_SSH_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "my config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "my state"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / "my config" / "pixels" / "ssh_config"


def endpoint(host: str = "nas") -> Endpoint:
    return Endpoint.parse(host, port=None, username="root", api_key="k", insecure=False, ca_file=None)


def container(name: str = "task1", address: str | None = "10.1.2.3") -> Container:
    return Container(id=f"px-{name}", name=f"px-{name}", status="running", address=address)


def made(name: str = "task1", host: str = "nas", **options: Any) -> Entry:
    address = options.pop("address", "10.1.2.3")
    return ssh_config.entry(container(name, address), config.load({}, {"HOME": "/home/me"}), endpoint(host), **options)


def options_of_ssh(host: str, file: Path) -> dict[str, str]:
    """What OpenSSH makes of it."""
    done = subprocess.run(["ssh", "-G", "-F", str(file), host], capture_output=True, text=True, check=True)
    return dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)


needs_ssh = pytest.mark.skipif(shutil.which("ssh") is None, reason="no OpenSSH client")


class TestForOpenSsh:
    @needs_ssh
    def test_says_where_and_as_whom_and_with_which_keys(self, file: Path, tmp_path: Path) -> None:
        key = tmp_path / "a key"
        key.write_text("")
        ssh_config.update(lambda before: changed(before, [made(key=str(key), user="agent")]))
        for host in ("task1.px", "task1.nas.px"):
            found = options_of_ssh(host, file)
            assert (found["hostname"], found["user"]) == ("10.1.2.3", "agent")
            assert found["identityfile"] == str(key) and found["identitiesonly"] == "yes"
            assert found["hostkeyalias"] == "task1.nas" and found["stricthostkeychecking"] in ("true", "yes")
            assert found["userknownhostsfile"] == str(known_hosts.path()) and found["globalknownhostsfile"] == "/dev/null"
            assert found["hostkeyalgorithms"] == "ssh-ed25519"
            assert found["sendenv"] == "PIXELS_ENV_*"
            assert (found["serveraliveinterval"], found["serveralivecountmax"]) == ("15", "3")
        assert options_of_ssh("task1", file)["hostname"] == "task1"
        assert options_of_ssh("task2.px", file)["hostname"] == "task2.px"

    @needs_ssh
    def test_goes_through_the_gateway(self, file: Path) -> None:
        through = ["ssh", "-i", "/home/me/a key", "-W", "%h:%p", "root@10.0.0.1"]
        ssh_config.update(lambda before: changed(before, [made(through=through), made("task2")]))
        assert options_of_ssh("task1.px", file)["proxycommand"] == "ssh -i '/home/me/a key' -W %h:%p root@10.0.0.1"
        assert "proxycommand" not in options_of_ssh("task2.px", file)

    def test_a_percent_sign_is_none_that_openssh_expands(self) -> None:
        assert made(key="/k/50%d").option("IdentityFile") == "/k/50%%d"


class TestFile:
    def test_is_private_and_comes_and_goes_with_its_entries(self, file: Path) -> None:
        assert ssh_config.update(lambda before: changed(before, [made()])).changed
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert not ssh_config.update(lambda before: changed(before, [made()])).changed
        assert ssh_config.update(lambda before: changed(before, gone=[("nas", "task1")])).changed
        assert not file.exists()

    def test_is_read_as_it_was_written(self) -> None:
        entries = changed([], [made(through=["ssh", "-W", "%h:%p", "a b"]), made("task2", address="fd00::1"), made(host="[fd00::2]:444")])
        assert parse(render(entries)) == entries

    @pytest.mark.parametrize(
        "text", ["", "garbage\n", "\n# pixels: nas\n", "\n# pixels: nas\nHost\n", "\n# pixels: nas\nHost a.other.px\n"]
    )
    def test_garbage_is_no_entry(self, text: str) -> None:
        assert parse(text) == []

    def test_check_mode_writes_nothing(self, file: Path) -> None:
        assert ssh_config.update(lambda before: changed(before, [made()]), dry=True).changed
        assert not file.parent.exists()

    def test_a_place_that_cannot_be_written_to_is_an_error_with_its_name(self, tmp_path: Path) -> None:
        (tmp_path / "my config").write_text("a file")
        with pytest.raises(CoreError, match="my config"):
            ssh_config.update(lambda before: changed(before, [made()]))


class TestNames:
    def test_the_short_one_is_that_of_the_last_one_that_came(self) -> None:
        first, second = made(host="one"), made(host="two")
        both = changed(changed([], [first]), [second])
        assert [(item.appliance, item.short) for item in both] == [("one", False), ("two", True)]
        again = changed(both, [made(host="one", address="10.9.9.9")])
        assert [(item.appliance, item.short) for item in again] == [("one", False), ("two", True)], "a start takes nothing away"
        assert [item.short for item in changed(both, gone=[("two", "task1")])] == [True]

    def test_of_one_name_there_is_one_short_name_whatever_the_file_says(self, file: Path) -> None:
        both = changed(changed([], [made(host="one")]), [made(host="two")])
        text = render(both)
        assert text.count("task1.px ") == 1 and "Host task1.one.px\n" in text and "Host task1.px task1.two.px\n" in text


def test_twenty_writers_leave_twenty_entries(file: Path) -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from ansible_collections.pixels.sandbox.plugins.module_utils.core import ssh_config\n"
        "entry = ssh_config.Entry('nas', f'task{sys.argv[2]}', (('HostName', f'10.0.0.{sys.argv[2]}'),))\n"
        "ssh_config.update(lambda before: ssh_config.changed(before, [entry]))\n"
    )
    root = next(path for path in sys.path if (Path(path) / "ansible_collections/pixels/sandbox").is_dir())
    writers = [subprocess.Popen([sys.executable, "-c", program, root, str(number)]) for number in range(20)]
    assert [writer.wait(60) for writer in writers] == [0] * 20
    entries = parse(file.read_text())
    assert {(item.name, item.option("HostName"), item.short) for item in entries} == {
        (f"task{number}", f"10.0.0.{number}", True) for number in range(20)
    }


class Straight:
    """No gateway."""

    def to(self, _container: Container) -> tuple[str, ...]:
        return ()


class TestUpkeep:
    @pytest.fixture
    def ctx(self) -> Context:
        self.warnings: list[str] = []
        settings = config.load({}, {"HOME": "/home/me"})
        return Context(params={}, config=settings, warn=self.warnings.append, make_endpoint=endpoint)

    def keep(self, ctx: Context, address: str | None = "10.1.2.3", **options: Any) -> None:
        ssh_config.keep(ctx, Straight(), container(address=address), **options)  # type: ignore[arg-type]

    def test_what_nobody_can_log_in_to_has_no_entry(self, ctx: Context, file: Path) -> None:
        self.keep(ctx)
        assert not file.exists()
        known_hosts.pin("task1.nas", KEY)
        self.keep(ctx)
        assert [item.name for item in parse(file.read_text())] == ["task1"]
        known_hosts.remove(["task1.nas"])
        self.keep(ctx)
        assert not file.exists() and self.warnings == []

    def test_another_address_leaves_user_and_key_as_they_were(self, ctx: Context, file: Path) -> None:
        known_hosts.pin("task1.nas", KEY)
        self.keep(ctx, user="agent", key="/k")
        self.keep(ctx, "10.7.7.7")
        self.keep(ctx, None)
        (found,) = parse(file.read_text())
        assert [found.option(name) for name in ("HostName", "User", "IdentityFile")] == ["10.7.7.7", "agent", "/k"]
        self.keep(ctx, user="other", key="/other")
        (found,) = parse(file.read_text())
        assert [found.option(name) for name in ("User", "IdentityFile")] == ["other", "/other"]

    def test_forgets_those_of_its_own_appliance(self, ctx: Context, file: Path) -> None:
        ssh_config.update(lambda before: changed(before, [made(), made("task2"), made(host="other")]))
        ssh_config.forget(ctx, ["task1"])
        assert [item.key for item in parse(file.read_text())] == [("nas", "task2"), ("other", "task1")]

    def test_a_file_that_cannot_be_written_is_a_warning(self, ctx: Context, tmp_path: Path) -> None:
        known_hosts.pin("task1.nas", KEY)
        (tmp_path / "my config").write_text("a file")
        self.keep(ctx)
        assert len(self.warnings) == 1 and "my config" in self.warnings[0]

    @pytest.mark.parametrize("value", ["false", "0", "No", "off"])
    def test_can_be_switched_off(self, value: str, ctx: Context, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        known_hosts.pin("task1.nas", KEY)
        monkeypatch.setenv("PIXELS_SSH_CONFIG", value)
        self.keep(ctx)
        assert not file.exists()
