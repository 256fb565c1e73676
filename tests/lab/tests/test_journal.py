"""The journal: whole lines, whatever their length."""

from __future__ import annotations

import json
from pathlib import Path

from truenas_lab.journal import Journal


def test_a_long_line_is_there_whole_as_soon_as_it_is_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.write("call", method="virt.instance.create", params=[["x" * 100] * 1000])
    journal.write("fault", method="täst \ud800")
    lines = journal.path.read_bytes().splitlines(keepends=True)
    journal.close()
    assert [line[-1:] for line in lines] == [b"\n", b"\n"]
    assert [json.loads(line)["kind"] for line in lines] == ["call", "fault"]
