# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an archive has to be."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.inside import devtools_integrity as integrity
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.inside.devtools_box import sri

DATA = b"an archive"
WEAK = "sha1-" + base64.b64encode(hashlib.sha1(DATA).digest()).decode()
MIDDLE = "sha256-" + base64.b64encode(hashlib.sha256(DATA).digest()).decode()


@pytest.fixture
def path(tmp_path: Path) -> str:
    (tmp_path / "archive").write_bytes(DATA)
    return str(tmp_path / "archive")


@pytest.mark.parametrize("text", [sri(DATA), MIDDLE, f"{WEAK} {sri(DATA)}", f"{sri(DATA)}?an-option"])
def test_the_right_one(path: str, text: str) -> None:
    integrity.check(path, text, "it")


def test_another_one(path: str) -> None:
    with pytest.raises(integrity.Mismatch, match="was not unpacked"):
        integrity.check(path, sri(b"another"), "it")


def test_the_strongest_counts(path: str) -> None:
    with pytest.raises(integrity.Mismatch):
        integrity.check(path, f"{MIDDLE} {sri(b'another')}", "it")


@pytest.mark.parametrize("text", ["", WEAK, "sha512-", "sha512-abc", "sha512-????", "md5-xyz", "sha256-" + sri(DATA)[7:]])
def test_what_proves_nothing_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="sha"):
        integrity.parse(text)


def test_from_sha256sum() -> None:
    assert integrity.from_hex(hashlib.sha256(DATA).hexdigest()) == MIDDLE
    for text in ("", "abc", "g" * 64, hashlib.sha512(DATA).hexdigest()):
        with pytest.raises(ValueError, match="64 hexadecimal"):
            integrity.from_hex(text)
