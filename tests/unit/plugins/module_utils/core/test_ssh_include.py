# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Include in the user's own configuration: at the top, once, and not a byte of the rest is touched."""

from __future__ import annotations

import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import ssh_include
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError

FOREIGN = b"# mine\r\nHost *\n\tUser \xff\xfe\n  ControlMaster auto\n\n# no newline at the end"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "conf").mkdir()
    return tmp_path / "conf" / "ssh_config"


@pytest.fixture
def own(tmp_path: Path, file: Path) -> Path:
    return tmp_path / ".ssh" / "config"


def put(file: Path, present: bool = True, dry: bool = False) -> bool:
    before, after = ssh_include.update(file, file, present=present, dry=dry)
    return before != after


def test_there_and_back_again(file: Path, own: Path) -> None:
    own.parent.mkdir()
    own.write_bytes(FOREIGN)
    own.chmod(0o640)
    assert put(file)
    assert own.read_bytes() == f"Include {file}\n\n".encode() + FOREIGN
    assert not put(file)
    assert stat.S_IMODE(own.stat().st_mode) == 0o640
    assert put(file, present=False) and own.read_bytes() == FOREIGN
    assert not put(file, present=False)


def test_without_a_configuration_one_is_made_for_nobody_elses_eyes(file: Path, own: Path) -> None:
    assert put(file, dry=True) and not own.parent.exists()
    assert put(file)
    assert (stat.S_IMODE(own.stat().st_mode), stat.S_IMODE(own.parent.stat().st_mode)) == (0o600, 0o700)
    assert own.read_text() == f"Include {file}\n"


def test_a_link_stays_one(file: Path, own: Path, tmp_path: Path) -> None:
    own.parent.mkdir()
    (tmp_path / "dotfiles").mkdir()
    (tmp_path / "dotfiles" / "config").write_bytes(FOREIGN)
    own.symlink_to("../dotfiles/config")
    assert put(file)
    assert own.is_symlink() and (tmp_path / "dotfiles" / "config").read_bytes().endswith(FOREIGN)


@pytest.mark.parametrize(
    ("line", "there"),
    [
        ("Include {file}", True),
        ("  include={file}", True),
        ("Include = {file}", True),
        ("Include other {file}", True),
        ('Include "{file}"', True),
        ("Include ~/conf/ssh_config", True),
        ("Include ~/conf/*", True),
        ("Include ../conf/ssh_config", True),
        ("# Include {file}", False),
        ("Include {file}x", False),
        ("Host a\n  Include {file}", False),
        ("Match all\nInclude {file}", False),
        ("Compression yes\nInclude {file}", True),
        ('Include "{file}', False),
    ],
)
def test_what_is_there_already(line: str, there: bool, file: Path) -> None:
    text = line.format(file=file).encode() + b"\n"
    assert ssh_include.included(text, file) is there
    assert (ssh_include.with_include(text, file) == text) is there


def test_a_line_that_somebody_wrote_in_another_way_stays(file: Path) -> None:
    text = b"Include ~/conf/ssh_config\n"
    assert ssh_include.without_include(text, file) == text


@pytest.mark.skipif(shutil.which("ssh") is None, reason="no OpenSSH client")
@pytest.mark.parametrize("name", ["plain", "with blank", "br[a]ck"])
def test_openssh_reads_it_for_every_host(name: str, tmp_path: Path) -> None:
    file = tmp_path / name / "ssh_config"
    file.parent.mkdir()
    file.write_text("Host task1.px\n    HostName 10.1.2.3\n")
    text = ssh_include.with_include(b"Host other\n  User x\n", file)
    assert ssh_include.included(text, file)
    (tmp_path / "config").write_bytes(text)
    done = subprocess.run(["ssh", "-G", "-F", str(tmp_path / "config"), "task1.px"], capture_output=True, text=True, check=True)
    assert "hostname 10.1.2.3\n" in done.stdout


def test_a_configuration_that_cannot_be_written_is_an_error_that_names_it(file: Path, own: Path) -> None:
    own.mkdir(parents=True)
    with pytest.raises(CoreError, match=r"\.ssh/config"):
        put(file)
