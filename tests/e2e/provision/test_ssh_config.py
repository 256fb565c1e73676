# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Containers as hosts of OpenSSH: ssh, scp, rsync and git by their names, from the first start to the end."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from playbook import Playbooks
from running_lab import RunningLab


class OpenSsh:
    """The programs of this machine, with the file that the collection keeps."""

    def __init__(self, home: Path) -> None:
        self.file = home / ".config" / "pixels" / "ssh_config"
        # Nobody answers questions here.
        self.ssh = ["ssh", "-F", str(self.file), "-o", "BatchMode=yes"]

    def run(self, *words: str) -> str:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def __call__(self, host: str, line: str) -> str:
        return self.run(*self.ssh, host, line)


@pytest.fixture(scope="module", autouse=True)
def _container(playbook: Playbooks, real_lab: RunningLab) -> None:
    real_lab.reset()
    playbook("create", container="editor").succeeded()


@pytest.fixture
def openssh(home: Path) -> OpenSsh:
    return OpenSsh(home)


def test_every_user_by_name(openssh: OpenSsh) -> None:
    assert openssh("editor.px", "id -un; hostname") == "pixel\npx-editor\n"
    assert openssh("root@editor.px", "id -un") == "root\n"
    full = next(line for line in openssh.file.read_text().splitlines() if line.startswith("Host editor.px ")).split()[-1]
    assert openssh(full, "hostname") == "px-editor\n"


def test_files_go_both_ways(openssh: OpenSsh, tmp_path: Path) -> None:
    (tmp_path / "up").write_bytes(bytes(range(256)))
    openssh.run("scp", "-q", "-F", str(openssh.file), str(tmp_path / "up"), "editor.px:scp file")
    openssh.run("scp", "-q", "-F", str(openssh.file), "editor.px:scp file", str(tmp_path / "down"))
    assert (tmp_path / "down").read_bytes() == bytes(range(256))


@pytest.mark.skipif(shutil.which("rsync") is None, reason="no rsync on this machine")
def test_rsync(openssh: OpenSsh, playbook: Playbooks, tmp_path: Path) -> None:
    playbook("exec", container="editor", user="root", cmd="sh -c 'command -v rsync || apt-get install -y rsync'").succeeded()
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    (tmp_path / "tree" / "deep" / "file").write_text("content")
    shell = f"ssh -F {openssh.file} -o BatchMode=yes"
    openssh.run("rsync", "-a", "-e", shell, f"{tmp_path}/tree", "editor.px:")
    openssh.run("rsync", "-a", "-e", shell, "editor.px:tree/", f"{tmp_path}/back")
    assert (tmp_path / "back" / "deep" / "file").read_text() == "content"


def test_it_is_read_by_openssh_once_the_playbook_has_said_so(openssh: OpenSsh, playbook: Playbooks, home: Path) -> None:
    own = home / ".ssh" / "config"
    own.write_text("# mine\nHost *\n  ConnectTimeout 20\n")
    assert playbook("ssh_config").succeeded().changed == 1
    assert playbook("ssh_config").succeeded().changed == 0
    assert openssh.run("ssh", "-F", str(own), "-o", "BatchMode=yes", "editor.px", "hostname") == "px-editor\n"
    assert own.read_text().endswith("# mine\nHost *\n  ConnectTimeout 20\n")


def test_after_a_stop_a_start_and_a_restore_it_is_right(openssh: OpenSsh, playbook: Playbooks) -> None:
    playbook("checkpoint_create", container="editor", label="ready").succeeded()
    openssh("editor.px", "touch new")
    playbook("stop", container="editor").succeeded()
    # Whatever was written in the meantime, the start writes what is.
    openssh.file.write_text(openssh.file.read_text().replace("HostName ", "HostName 127.0.0.1.invalid."))
    playbook("start", container="editor").succeeded()
    assert "new" in openssh("editor.px", "ls").splitlines()
    openssh.file.write_text(openssh.file.read_text().replace("HostName ", "HostName 127.0.0.1.invalid."))
    playbook("checkpoint_restore", container="editor", label="ready").succeeded()
    assert "new" not in openssh("editor.px", "ls").splitlines()


def test_a_destroyed_container_is_no_host_any_more(openssh: OpenSsh, playbook: Playbooks) -> None:
    playbook("destroy", container="editor").succeeded()
    assert not openssh.file.exists()
    assert playbook("ssh_config", state="absent").succeeded().changed == 1
