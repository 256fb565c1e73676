"""SECURITY.md claims what is tested, names what is known to get through, and leaves nothing out of either."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
_ROW = re.compile(r"\b([NPWH])(\d\d)(?:-\1(\d\d))?\b")


def _table() -> ModuleType:
    """The table of attacks; the tests with containers import it by its bare name, which is not on the path here."""
    spec = importlib.util.spec_from_file_location("table_of_attacks", ROOT / "tests" / "e2e" / "egress" / "rows.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # The decorator of data classes looks their module up.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


ROWS = {row.id: row for row in _table().ROWS}


def _section(title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"SECURITY.md has no section {title}"
    return found.group(1)


def _named(text: str) -> Iterator[str]:
    """The rows that a text names, ranges too; the ends of a range have to exist, what is between them need not."""
    for letter, first, last in _ROW.findall(text):
        ends = {f"{letter}{first}", f"{letter}{last or first}"}
        assert ends <= ROWS.keys(), f"there is no row {', '.join(sorted(ends - ROWS.keys()))}"
        yield from (f"{letter}{number:02}" for number in range(int(first), int(last or first) + 1) if f"{letter}{number:02}" in ROWS)


def test_ranges_of_rows_are_read() -> None:
    assert list(_named("W01-W03, N23")) == ["W01", "W02", "W03", "N23"]
    with pytest.raises(AssertionError, match="there is no row N99"):
        list(_named("N99"))


def test_every_row_belongs_to_a_claim() -> None:
    named = set(_named(_section("What is claimed, and how it is tested")))
    assert sorted(ROWS.keys() - named) == []


def test_what_is_known_to_get_through_is_said() -> None:
    known = {ident for ident, row in ROWS.items() if row.expect == "bypass"}
    assert known and set(_named(_section("What gets through"))) == known


def test_the_tests_that_it_names_exist() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    names = re.findall(r"`(test_\w+)`", PAGE)
    assert names
    assert [name for name in names if f"def {name}(" not in code] == []
