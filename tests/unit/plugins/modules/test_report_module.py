# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module `report` is a module as well, and its two fronts take the same options."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args

from ansible_collections.pixels.sandbox.plugins.module_utils.core.report import ARGUMENTS
from ansible_collections.pixels.sandbox.plugins.modules import report


def run(capsys: pytest.CaptureFixture[str], **arguments: Any) -> dict[str, Any]:
    with patch_module_args(arguments), pytest.raises(SystemExit):
        report.main()
    return json.loads(capsys.readouterr().out)


def test_it_returns_the_lines(capsys: pytest.CaptureFixture[str]) -> None:
    result = run(capsys, columns=["name"], rows=[{"name": "task1"}], text=["Done."])
    assert result["lines"] == ["NAME", "task1", "Done."] and result["changed"] is False
    example = yaml.safe_load(report.RETURN)["lines"]["sample"]
    arguments = yaml.safe_load(report.EXAMPLES)[0]["pixels.sandbox.report"]
    assert run(capsys, **arguments)["lines"] == example


def test_statistics_are_left_as_set_stats_would(capsys: pytest.CaptureFixture[str]) -> None:
    assert "ansible_stats" not in run(capsys, text=["Done."])
    result = run(capsys, text=["Done."], stats={"pixels_names": ["task1"]})
    assert result["ansible_stats"] == {"data": {"pixels_names": ["task1"]}, "per_host": False, "aggregate": True}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"columns": ["a"], "rows": [5]}, "rows: row 1 is a int"),
        ({"rows": []}, "missing parameter(s) required by 'rows': columns"),
        ({"columns": ["a"]}, "one of the following is required: rows, text, title"),
    ],
)
def test_it_refuses_what_it_cannot_show(capsys: pytest.CaptureFixture[str], arguments: dict[str, Any], message: str) -> None:
    result = run(capsys, **arguments)
    assert result["failed"] and message in result["msg"]


def test_options_and_documentation_agree() -> None:
    assert yaml.safe_load(report.DOCUMENTATION)["options"].keys() == ARGUMENTS.keys()
