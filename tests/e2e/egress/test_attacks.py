"""Every row of the table: in a restricted box, and, so that it is known to work, where nothing holds it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rows import ROWS, Row
from suite import HERE, Outcome


def _named(row: Row) -> str:
    return row.id


def test_the_table_and_the_code_have_the_same_rows() -> None:
    text = "".join(path.read_text() for path in sorted(Path(HERE, "attacks").glob("rows_*.py")))
    coded = set(re.findall(r'@row\("(\w+)"', text)) | {f"H{number:02}" for number in range(1, 26)}
    assert coded == {row.id for row in ROWS}


@pytest.mark.parametrize("row", [row for row in ROWS if row.control], ids=_named)
def test_in_an_unrestricted_box(row: Row, control: dict[str, Outcome]) -> None:
    """Without this a row could be blocked only because it is wrong."""
    assert control[row.id].verdict == row.control, control[row.id]


@pytest.mark.parametrize("row", ROWS, ids=_named)
def test_in_a_restricted_box(row: Row, outcomes: dict[str, Outcome]) -> None:
    assert row.id in outcomes, "the run ended before it"
    verdicts = {row.expect} | ({"unsupported"} if row.optional else set())
    assert outcomes[row.id].verdict in verdicts, outcomes[row.id]


def test_what_gets_through_is_what_the_documentation_says(outcomes: dict[str, Outcome]) -> None:
    """Known, said openly, and nothing else: domain fronting above all."""
    through = sorted(ident for ident, outcome in outcomes.items() if outcome.verdict == "bypass")
    assert through == sorted(row.id for row in ROWS if row.expect == "bypass"), [str(outcomes[ident]) for ident in through]
    assert all(row.why for row in ROWS if row.expect == "bypass")
