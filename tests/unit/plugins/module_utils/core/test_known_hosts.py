# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The pinned host keys: one line a container, whoever writes at the same time."""

from __future__ import annotations

import base64
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import known_hosts, own_file
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError


def key(number: int) -> str:
    blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + number.to_bytes(32, "big")
    return f"ssh-ed25519 {base64.b64encode(blob).decode()}"


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "pixels" / "known_hosts"


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines()


class TestAlias:
    def test_names_the_container_and_the_appliance(self) -> None:
        assert known_hosts.alias("truenas.local", "task1") == "task1.truenas.local"
        assert known_hosts.alias("NAS:444", "task1") == "task1.nas_444"

    def test_has_nothing_that_is_special_in_the_file(self) -> None:
        labels = ["[fd00::1]:444", "[fd00::1:444]", "unix:/run/a b/sock", "unix:/run/a_b/sock", "nas,*?!|#", "nas"]
        aliases = [known_hosts.alias(label, "task1") for label in labels]
        assert len(set(aliases)) == len(labels), "different appliances have different aliases"
        for alias in aliases:
            assert alias == alias.lower() and not set(alias) - set("abcdefghijklmnopqrstuvwxyz0123456789._-"), alias
            assert known_hosts.pin(alias, key(1))


class TestPin:
    def test_a_new_key_then_the_same_then_another(self, state: Path) -> None:
        assert known_hosts.lookup("task1.nas") is None
        assert known_hosts.pin("task1.nas", key(1)) is True
        assert known_hosts.pin("task1.nas", f"{key(1)} root@task1") is False, "the comment is no part of the key"
        assert known_hosts.lookup("task1.nas") == key(1)
        assert known_hosts.pin("task1.nas", key(2)) is True
        assert lines(state) == [f"task1.nas {key(2)}"]

    def test_others_stay_as_they_are(self, state: Path) -> None:
        known_hosts.pin("a.nas", key(1))
        with state.open("a") as stream:
            stream.write("# a remark\n@revoked * ssh-ed25519 AAAA\n")
        known_hosts.pin("b.nas", key(2))
        known_hosts.pin("a.nas", key(3))
        assert sorted(lines(state)) == sorted(["# a remark", "@revoked * ssh-ed25519 AAAA", f"b.nas {key(2)}", f"a.nas {key(3)}"])

    def test_several_lines_of_one_container_become_one(self, state: Path) -> None:
        known_hosts.pin("a.nas", key(1))
        with state.open("a") as stream:
            stream.write(f"a.nas {key(2)}\n")
        assert known_hosts.pin("a.nas", key(1)) is True
        assert lines(state) == [f"a.nas {key(1)}"]

    @pytest.mark.parametrize(
        "line",
        [
            "",
            "ssh-ed25519",
            "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ==",
            "ssh-ed25519 AAAA",
            "ssh-ed25519 not/base64!",
            key(1) + "AAAA",
            "* " + key(1),
        ],
    )
    def test_what_is_no_key_is_refused(self, line: str, state: Path) -> None:
        with pytest.raises(CoreError, match="host key"):
            known_hosts.pin("a.nas", line)
        assert not state.exists()

    def test_a_container_cannot_smuggle_a_second_line_in(self, state: Path) -> None:
        known_hosts.pin("a.nas", f"{key(1)} comment\nother.nas {key(2)}")
        assert lines(state) == [f"a.nas {key(1)}"]

    def test_nobody_else_can_read_it(self, state: Path) -> None:
        state.parent.mkdir(parents=True, mode=0o755)
        known_hosts.pin("a.nas", key(1))
        assert stat.S_IMODE(state.stat().st_mode) == 0o600
        assert stat.S_IMODE(state.parent.stat().st_mode) == 0o700

    def test_a_place_that_cannot_be_written_is_named(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
        with pytest.raises(CoreError, match="file/pixels/known_hosts"):
            known_hosts.pin("a.nas", key(1))

    def test_holders(self) -> None:
        known_hosts.pin("a.nas", key(1))
        known_hosts.pin("b.nas", key(2))
        known_hosts.pin("c.nas", key(1))
        assert known_hosts.holders(key(1)) == ["a.nas", "c.nas"]


class TestRemove:
    def test_only_what_is_named(self, state: Path) -> None:
        for number in range(3):
            known_hosts.pin(f"c{number}.nas", key(number))
        assert known_hosts.remove(["c0.nas", "c2.nas", "nobody.nas"]) is True
        assert lines(state) == [f"c1.nas {key(1)}"]
        assert known_hosts.remove(["c0.nas"]) is False

    def test_without_a_file_nothing_is_made(self, state: Path) -> None:
        assert known_hosts.remove(["a.nas"]) is False
        assert not state.parent.exists()


_WRITER = """
import sys
sys.path.insert(0, sys.argv[1])
from ansible_collections.pixels.sandbox.plugins.module_utils.core import known_hosts
sys.stdin.readline()
for _ in range(5):
    known_hosts.pin("gone" + sys.argv[2] + ".nas", sys.argv[3])
    known_hosts.pin("worker" + sys.argv[2] + ".nas", sys.argv[3])
    known_hosts.remove(["gone" + sys.argv[2] + ".nas"])
"""


def test_d25_twenty_at_once_give_twenty_lines(state: Path) -> None:
    """D25: twenty processes that write at the same time leave twenty correct lines."""
    root = next(Path(path) for path in sys.path if (Path(path) / "ansible_collections/pixels/sandbox").is_dir())
    workers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, str(root), f"{number:02}", key(number)], stdin=subprocess.PIPE, text=True)
        for number in range(20)
    ]
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    for worker in workers:
        worker.communicate(timeout=60)
        assert worker.returncode == 0
    assert sorted(lines(state)) == [f"worker{number:02}.nas {key(number)}" for number in range(20)]
    assert sorted(os.listdir(state.parent)) == ["known_hosts", "known_hosts.lock"]


def test_a_writer_that_fails_leaves_the_file_as_it_was(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known_hosts.pin("a.nas", key(1))

    def broken(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(own_file.os, "replace", broken)
    with pytest.raises(CoreError, match="No space left"):
        known_hosts.pin("b.nas", key(2))
    assert lines(state) == [f"a.nas {key(1)}"]
    assert sorted(os.listdir(state.parent)) == ["known_hosts", "known_hosts.lock"]


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs the OpenSSH client")
def test_openssh_finds_the_key_by_its_alias(state: Path) -> None:
    alias = known_hosts.alias("nas:444", "task1")
    known_hosts.pin(alias, key(7))
    done = subprocess.run(["ssh-keygen", "-F", alias, "-f", str(state)], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and key(7) in done.stdout
    shown = subprocess.run(["ssh-keygen", "-l", "-f", str(state)], capture_output=True, text=True, check=False)
    assert known_hosts.fingerprint(key(7)) in shown.stdout


def test_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for value in ("", "relative/path"):
        monkeypatch.setenv("XDG_STATE_HOME", value)
        assert known_hosts.path() == tmp_path / ".local/state/pixels/known_hosts"
    monkeypatch.delenv("XDG_STATE_HOME")
    assert known_hosts.path() == tmp_path / ".local/state/pixels/known_hosts"
