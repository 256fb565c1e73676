# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which public key is let in. D21: without one it is an error that says where it was looked for."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import ssh_key
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError, Invalid

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK0wmN/Cr3JXqmLW7u+g9pTh+wyqDHpSQEIQczXkVx9q"
needs_ssh = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs the OpenSSH client")


def make(path: Path, passphrase: str = "") -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", "me@here", "-f", str(path)], check=True)


def test_as_text(tmp_path: Path) -> None:
    assert ssh_key.public_key(f"  {KEY} me@here \n", tmp_path / "none") == f"{KEY} me@here"


def test_as_a_file(tmp_path: Path) -> None:
    (tmp_path / "my key.pub").write_text(f"# mine\n\n{KEY} me\n")
    assert ssh_key.public_key(str(tmp_path / "my key.pub"), tmp_path / "none") == f"{KEY} me"


def test_beside_the_private_key(tmp_path: Path) -> None:
    (tmp_path / "id.pub").write_text(KEY)
    assert ssh_key.public_key(None, tmp_path / "id") == KEY


@needs_ssh
def test_made_from_the_private_key(tmp_path: Path) -> None:
    make(tmp_path / "id")
    expected = (tmp_path / "id.pub").read_text().split()[:2]
    (tmp_path / "id.pub").unlink()
    assert ssh_key.public_key(None, tmp_path / "id").split()[:2] == expected


@needs_ssh
def test_a_passphrase_is_not_asked_for(tmp_path: Path) -> None:
    make(tmp_path / "id", "secret phrase")
    (tmp_path / "id.pub").unlink()
    with pytest.raises(CoreError, match=r"id\.pub does not exist") as caught:
        ssh_key.public_key(None, tmp_path / "id")
    assert "ssh-keygen -y" in str(caught.value)


def test_d21_no_key_at_all(tmp_path: Path) -> None:
    """D21: a missing public key file is an error with its path."""
    with pytest.raises(CoreError) as caught:
        ssh_key.public_key(None, tmp_path / "id")
    assert str(tmp_path / "id.pub") in str(caught.value) and "ssh-keygen" in str(caught.value)


def test_d21_a_named_file_that_is_not_there(tmp_path: Path) -> None:
    """D21: so is one that was asked for."""
    with pytest.raises(CoreError, match="No such file") as caught:
        ssh_key.public_key(str(tmp_path / "gone.pub"), tmp_path / "id")
    assert str(tmp_path / "gone.pub") in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "ssh-ed25519",
        "ssh-ed25519 AAAA",
        "ssh-ed25519 AAAAB3NzaC1yc2EAAAADAQABAAAAgQ==",
        f"{KEY}\n{KEY}",
        f"{KEY} me\nssh-rsa AAAA",
    ],
)
def test_what_is_no_key_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="public_key"):
        ssh_key.public_key(text, tmp_path / "id")


def test_a_private_key_is_never_sent(tmp_path: Path) -> None:
    (tmp_path / "id").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n-----END OPENSSH PRIVATE KEY-----\n")
    with pytest.raises(CoreError) as caught:
        ssh_key.public_key(str(tmp_path / "id"), tmp_path / "none")
    assert "c2VjcmV0" not in str(caught.value)


def test_a_comment_is_one_line_of_text(tmp_path: Path) -> None:
    assert ssh_key.public_key(f"{KEY} a\x1b[31mb\x07", tmp_path / "id") == f"{KEY} a[31mb"
