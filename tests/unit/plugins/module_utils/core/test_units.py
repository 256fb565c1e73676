# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sizes, processors, environments, and the mark of ownership."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import marker
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import Invalid
from ansible_collections.pixels.sandbox.plugins.module_utils.core.units import cpu_text, environment_texts, memory_mib


@pytest.mark.parametrize(
    ("value", "mib"),
    [
        (2048, 2048), ("2048", 2048), ("2GiB", 2048), ("2 GiB", 2048), ("2g", 2048), ("1.5GiB", 1536), ("512MiB", 512), ("512m", 512),
        ("65536KiB", 64), ("1TiB", 1048576), ("1GB", 953), ("100MB", 95), ("32", 32), ("2048.0", 2048), ("33.9", 33),
    ],
)  # fmt: skip
def test_memory(value: Any, mib: int) -> None:
    assert memory_mib(value) == mib


@pytest.mark.parametrize("value", [31, 0, -1, "31", "1MiB", "lots", "2 bananas", "", True, None, "2b", "1e3", "0x40", "9" * 400, [2048]])
def test_memory_that_cannot_be(value: Any) -> None:
    with pytest.raises(Invalid, match="at least 32 MiB"):
        memory_mib(value)


@pytest.mark.parametrize(("value", "text"), [(2, "2"), ("2", "2"), ("02", "2"), ("0-3", "0-3"), ("0, 2", "0,2"), ("0-1,4", "0-1,4")])
def test_cpu(value: Any, text: str) -> None:
    assert cpu_text(value) == text


@pytest.mark.parametrize("value", [0, "0", -1, "lots", "", "3-1", "1.5", True, None, "0-", "1,,2"])
def test_cpu_that_cannot_be(value: Any) -> None:
    with pytest.raises(Invalid, match="processors"):
        cpu_text(value)


def test_environment() -> None:
    given = {"A": "x y", "B_C": 1, "D/E": True, "F": 'q"$#', 5: "five", "G": "a\nb"}
    assert environment_texts(given) == {"A": "x y", "B_C": "1", "D/E": "true", "F": 'q"$#', "5": "five", "G": "a\nb"}


@pytest.mark.parametrize(
    "given",
    [
        {"A-B": "x"},
        {"A B": "x"},
        {"": "x"},
        {"/A": "x"},
        {"A.B": "x"},
        {"A": ""},
        {"A": "  "},
        {"A": None},
        {"A": ["x"]},
        {"A": "x" * 1025},
        {"A": "\nx"},
        {"A\n": "x"},
        {"PIXELS_SANDBOX": "{}"},
    ],
)
def test_environment_that_cannot_be(given: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match="environment"):
        environment_texts(given)


def test_a_refused_value_is_not_repeated() -> None:
    """It may be a secret."""
    with pytest.raises(Invalid) as caught:
        environment_texts({"TOKEN": "hunter2" * 200})
    assert "hunter2" not in str(caught.value)


def test_the_mark() -> None:
    mark = marker.Marker(image="debian/12", owner="me")
    environment = marker.with_marker({"A": "b"}, mark)
    assert environment == {"A": "b", "PIXELS_SANDBOX": '{"image":"debian/12","owner":"me"}'}
    assert marker.read(environment) == mark
    assert marker.without(environment) == {"A": "b"}


@pytest.mark.parametrize("text", ["x", "[]", "1", '{"image":5}', "{}"])
def test_a_damaged_mark_still_marks(text: str) -> None:
    assert marker.read({marker.KEY: text}) == marker.Marker()


def test_no_mark() -> None:
    assert marker.read({"A": "b"}) is None
