# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Public suffixes, by the rules of the list; the list itself is the one that this collection brings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import egress_suffix
from ansible_collections.pixels.sandbox.plugins.module_utils.core.egress_suffix import NoList, anybody_below, public_suffix

ENDS = "// ===END ICANN DOMAINS===\n// ===END PRIVATE DOMAINS===\n"


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    egress_suffix._rules.cache_clear()
    yield
    egress_suffix._rules.cache_clear()


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("com", "com"),
        ("example.com", "com"),
        ("a.b.example.com", "com"),
        ("example.co.uk", "co.uk"),
        ("co.uk", "co.uk"),
        ("a.github.io", "github.io"),
        ("raw.githubusercontent.com", "githubusercontent.com"),
        ("a.s3.amazonaws.com", "s3.amazonaws.com"),
        # No rule: the last label.
        ("example", "example"),
        ("usercontent.example", "example"),
        # A rule with an asterisk, and its exceptions.
        ("ck", "ck"),
        ("a.ck", "a.ck"),
        ("b.a.ck", "a.ck"),
        ("www.ck", "ck"),
        ("a.www.ck", "ck"),
        ("kobe.jp", "jp"),
        ("c.kobe.jp", "c.kobe.jp"),
        ("b.c.kobe.jp", "c.kobe.jp"),
        ("city.kobe.jp", "kobe.jp"),
        ("www.city.kobe.jp", "kobe.jp"),
        # Rules in other scripts, as DNS has them.
        ("xn--p1ai", "xn--p1ai"),
        ("a.xn--55qx5d.cn", "xn--55qx5d.cn"),
        # Not a suffix, although its end looks like one.
        ("notgithub.io", "io"),
    ],
)
def test_the_suffix_of_a_name(name: str, suffix: str) -> None:
    assert public_suffix(name) == suffix


@pytest.mark.parametrize(
    "name",
    [
        "com",
        "org",
        "uk",
        "co.uk",
        "example",
        "github.io",
        "githubusercontent.com",
        "s3.amazonaws.com",
        "blob.core.windows.net",
        "pages.dev",
        "ck",
        "a.ck",
        "xn--p1ai",
        # Everything right below these is a suffix.
        "compute.amazonaws.com",
        "kobe.jp",
    ],
)
def test_anybody_gets_a_name_below(name: str) -> None:
    assert anybody_below(name)


@pytest.mark.parametrize("name", ["example.com", "usercontent.example", "a.github.io", "www.ck", "city.kobe.jp", "bucket.s3.amazonaws.com"])
def test_only_the_owner_has_names_below(name: str) -> None:
    assert not anybody_below(name)


def test_both_parts_of_the_shipped_list_are_there_with_its_licence() -> None:
    text = egress_suffix.LIST.read_text(encoding="utf-8")
    assert "Mozilla Public" in text and "SPDX-License-Identifier: MPL-2.0" in text
    icann, private = text.split("// ===END ICANN DOMAINS===")
    assert "\nco.uk\n" in icann and "\ngithub.io\n" in private
    assert len(egress_suffix._rules(egress_suffix.LIST)) > 9000


def test_the_list_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Path] = []
    read = Path.read_text

    def watched(path: Path, encoding: str) -> str:
        seen.append(path)
        return read(path, encoding=encoding)

    monkeypatch.setattr(Path, "read_text", watched)
    for name in ("com", "example.com", "a.example.com"):
        anybody_below(name)
    assert seen == [egress_suffix.LIST]


def test_rules_end_at_a_blank_and_remarks_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "list"
    path.write_text(f"// first.example\nsecond.example  and more\n\n{ENDS}", encoding="utf-8")
    monkeypatch.setattr(egress_suffix, "LIST", path)
    assert anybody_below("second.example")
    assert not anybody_below("first.example")


@pytest.mark.parametrize("content", [None, b"", b"com\n", b"com\n// ===END ICANN DOMAINS===\n", b"\xff\n" + ENDS.encode()])
def test_without_the_whole_list_nothing_is_fine(content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "list"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setattr(egress_suffix, "LIST", path)
    for _turn in range(2):
        with pytest.raises(NoList, match="cannot be told whether a wildcard is safe") as caught:
            anybody_below("usercontent.example")
        assert str(path) in caught.value.message
