# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the module `report` shows: a title, a table, some lines of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .errors import CoreError
from .table import printable, table

ARGUMENTS: dict[str, dict[str, Any]] = {
    "title": {"type": "str"},
    "columns": {"type": "list", "elements": "str"},
    "rows": {"type": "list", "elements": "raw"},
    "text": {"type": "list", "elements": "str"},
    "empty": {"type": "str"},
    "stats": {"type": "dict"},
}
RULES: dict[str, Any] = {"required_by": {"rows": ["columns"]}, "required_one_of": [["rows", "text", "title"]]}


def lines_of(params: Mapping[str, Any]) -> list[str]:
    """The lines to show. Rows are lists in the order of the columns, or mappings with their names."""
    lines = [printable(params["title"])] if params.get("title") else []
    rows = params.get("rows")
    if rows:
        columns = params["columns"]
        lines += table(columns, [_row(columns, row, number) for number, row in enumerate(rows, 1)])
    elif rows is not None and params.get("empty"):
        lines.append(printable(params["empty"]))
    for entry in params.get("text") or []:
        lines += [printable(line) for line in entry.splitlines() or [""]]
    return lines


def result_of(params: Mapping[str, Any], lines: Sequence[str]) -> dict[str, Any]:
    """What the task returns. Ansible takes statistics from the result of any task, not only of set_stats, which would be one task more."""
    result: dict[str, Any] = {"changed": False, "lines": list(lines)}
    if params.get("stats"):
        result["ansible_stats"] = {"data": params["stats"], "per_host": False, "aggregate": True}
    return result


def _row(columns: Sequence[str], row: Any, number: int) -> list[Any]:
    if isinstance(row, Mapping):
        return [row.get(column) for column in columns]
    if isinstance(row, (list, tuple)) and len(row) == len(columns):
        return list(row)
    what = f"a list of {len(row)}" if isinstance(row, (list, tuple)) else f"a {type(row).__name__}"
    raise CoreError(f"rows: row {number} is {what}; allowed are a list of {len(columns)} values or a mapping with the names of the columns")
