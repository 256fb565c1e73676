# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What OpenSSH makes of the options that we give it: the real ssh is asked, with `-G`."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import known_hosts, ssh
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.endpoint import Endpoint
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.fake_driver import FakeConfig, ours

ENDPOINT = Endpoint("wss://nas:444", "root", "1-secret")
needs_ssh = pytest.mark.skipif(shutil.which("ssh") is None, reason="needs the OpenSSH client")


@pytest.fixture(params=["plain", "with blank", '100% "q" it\'s'])
def home(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / request.param
    home.mkdir()
    monkeypatch.setenv("XDG_STATE_HOME", str(home))
    return home


def config(home: Path) -> FakeConfig:
    return FakeConfig(**{"ssh.user": "pixel", "ssh.key": str(home / "id_ed25519")})


def seen_by_openssh(arguments: list[str]) -> dict[str, str]:
    done = subprocess.run(["ssh", "-G", "-F", "/dev/null", *arguments], capture_output=True, text=True, check=True)
    return dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)


class TestVariables:
    def test_those_of_a_container(self, home: Path) -> None:
        variables = ssh.connection_vars(ours("task1"), config(home), ENDPOINT)
        assert variables["ansible_host"] == "10.0.0.5"
        assert variables["ansible_user"] == "pixel"
        assert variables["ansible_ssh_private_key_file"] == str(home / "id_ed25519")
        assert variables["ansible_pipelining"] is True
        assert variables["ansible_python_interpreter"] == "/usr/bin/python3"

    def test_without_an_address(self, home: Path) -> None:
        assert "ansible_host" not in ssh.connection_vars(ours("task1", "stopped"), config(home), ENDPOINT)

    @needs_ssh
    def test_openssh_understands_them(self, home: Path) -> None:
        if '"' in home.name:
            pytest.skip("quotes in a quoted value depend on the version of OpenSSH")
        text = ssh.connection_vars(ours("task1"), config(home), ENDPOINT)["ansible_ssh_common_args"]
        seen = seen_by_openssh([*shlex.split(text), "10.0.0.5"])
        assert seen["hostkeyalias"] == "task1.nas_444"
        assert seen["stricthostkeychecking"] == "true"
        assert seen["hostkeyalgorithms"] == "ssh-ed25519"
        assert seen["globalknownhostsfile"] == "/dev/null"
        assert seen["identitiesonly"] == "yes"
        assert seen["updatehostkeys"] == "false"
        assert (seen["serveraliveinterval"], seen["serveralivecountmax"]) == ("15", "3")
        assert seen["userknownhostsfile"].strip('"') == str(known_hosts.path())

    def test_user_and_key_of_the_task_come_first(self, home: Path) -> None:
        variables = ssh.connection_vars(ours("task1"), config(home), ENDPOINT, user="agent", key="~/other")
        assert variables["ansible_user"] == "agent"
        assert variables["ansible_ssh_private_key_file"] == str(Path("~/other").expanduser())


class TestCommand:
    @needs_ssh
    def test_what_a_person_types(self, home: Path) -> None:
        line = ssh.ssh_line(ours("task1"), config(home), ENDPOINT)
        words = shlex.split(line)
        assert words == ssh.ssh_command(ours("task1"), config(home), ENDPOINT)
        assert words[-1] == "pixel@10.0.0.5"
        if '"' not in home.name:
            seen = seen_by_openssh(words[1:])
            assert seen["user"] == "pixel" and seen["hostname"] == "10.0.0.5"
            assert seen["batchmode"] == "no", "a person may be asked for a passphrase"

    @needs_ssh
    def test_one_that_nobody_sits_in_front_of(self, home: Path) -> None:
        if '"' in home.name:
            pytest.skip("quotes in a quoted value depend on the version of OpenSSH")
        seen = seen_by_openssh(ssh.ssh_command(ours("task1"), config(home), ENDPOINT, batch=True)[1:])
        assert seen["batchmode"] == "yes"
        assert seen.get("controlpath", "none") == "none"
        assert seen["requesttty"] == "false"

    @needs_ssh
    def test_each_part_of_a_way_through_a_gateway_ends_when_the_other_end_is_silent(self, home: Path) -> None:
        if '"' in home.name:
            pytest.skip("quotes in a quoted value depend on the version of OpenSSH")
        through = ssh.jump_command(ours("gate"), config(home), ENDPOINT)
        for words in (through, ssh.ssh_command(ours("task1"), config(home), ENDPOINT, through=through)):
            seen = seen_by_openssh(
                [word.replace("%%", "%") if words is through else word for word in words[1:] if word not in ("-W", "%h:%p")]
            )
            assert (seen["serveraliveinterval"], seen["serveralivecountmax"]) == ("15", "3")

    def test_no_address_no_command(self, home: Path) -> None:
        with pytest.raises(ValueError, match="px-task1 has no address"):
            ssh.ssh_command(ours("task1", "stopped"), config(home), ENDPOINT)

    def test_no_name_has_to_be_resolved(self, home: Path) -> None:
        """D25: works with no DNS; the name is an alias for the key, the connection goes to the address."""
        words = ssh.ssh_command(ours("task1"), config(home), ENDPOINT)
        assert [word for word in words if "task1" in word] == ["HostKeyAlias=task1.nas_444"]
