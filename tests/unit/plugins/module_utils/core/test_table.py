# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tables are aligned for the eye, and safe to show."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError
from ansible_collections.pixels.sandbox.plugins.module_utils.core.report import lines_of
from ansible_collections.pixels.sandbox.plugins.module_utils.core.table import printable, table, text, width


def test_columns_are_aligned_numbers_to_the_right_and_nothing_trails() -> None:
    rows = [["task1", "RUNNING", 2048, "192.0.2.7"], ["worker-02", None, 512, None]]
    assert table(["name", "status", "memory", "ip_address"], rows) == [
        "NAME       STATUS   MEMORY  IP ADDRESS",
        "task1      RUNNING    2048  192.0.2.7",
        "worker-02              512",
    ]


@pytest.mark.parametrize(
    ("values", "right"),
    [
        ([1, 20], True),
        (["1", "20"], True),
        ([None, "20"], True),
        ([-1.5, 20], True),
        (["0-3", "20"], False),
        ([True, False], False),
        (["192.0.2.1"], False),
        ([None], False),
    ],
)
def test_a_column_of_numbers_is_one_whose_every_value_is_a_number(values: list[Any], right: bool) -> None:
    lines = table(["a", "b"], [[value, "x"] for value in values])
    widest = max(width(text(value)) for value in values)
    assert (lines[0].index("A") == max(widest, 1) - 1) is right or widest <= 1


def test_wide_and_combining_characters_keep_the_columns() -> None:
    lines = table(["name", "at"], [["箱子", "x"], ["e\u0301", "y"], ["abcd", "z"]])
    assert lines[1:] == ["箱子  x", "e\u0301     y", "abcd  z"]
    assert (width("箱子"), width("e\u0301"), width("")) == (4, 1, 0)


def test_no_character_moves_the_cursor_or_starts_a_line() -> None:
    assert printable("a\x1b[2Jb\r\nc\td\x00\u202e\u200bé") == "a[2Jb  c dé"
    assert table(["n\x1b"], [["x\ny"]]) == ["N", "x y"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        ("", ""),
        (["a", 1], "a, 1"),
        ({"a": 1, "b": True}, "a=1, b=yes"),
    ],
)
def test_values_as_people_write_them(value: Any, shown: str) -> None:
    assert text(value) == shown


def test_a_table_without_rows_is_its_head() -> None:
    assert table(["name", "at"], []) == ["NAME  AT"]


@pytest.mark.parametrize(
    ("params", "lines"),
    [
        ({"title": "T", "columns": ["a"], "rows": [{"a": 1, "z": 2}, {}], "text": ["end", "x\ny"]}, ["T", "A", "1", "", "end", "x", "y"]),
        ({"columns": ["a", "b"], "rows": [["x", "y"]]}, ["A  B", "x  y"]),
        ({"columns": ["a"], "rows": [], "empty": "None."}, ["None."]),
        ({"columns": ["a"], "rows": []}, []),
        ({"text": ["one", ""]}, ["one", ""]),
        ({"title": "T", "rows": None, "empty": "None."}, ["T"]),
    ],
)
def test_lines_of_a_report(params: dict[str, Any], lines: list[str]) -> None:
    assert lines_of(params) == lines


@pytest.mark.parametrize(("row", "what"), [(["x"], "a list of 1"), ("xy", "a str"), (5, "a int")])
def test_a_row_that_does_not_fit_is_an_error_that_names_it(row: Any, what: str) -> None:
    with pytest.raises(CoreError, match=f"row 2 is {what}; allowed are a list of 2 values or a mapping"):
        lines_of({"columns": ["a", "b"], "rows": [["x", "y"], row]})
