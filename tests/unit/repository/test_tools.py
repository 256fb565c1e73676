"""The tools that run and count the checks can fail, and count what they are given."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from check import Report, run_lane
from checks import Check, all_checks
from processes import TIMED_OUT, run_logged
from results import Result, read_junit

JUNIT = """<testsuites><testsuite tests="5" failures="1" errors="1" skipped="1">
<testcase name="a"/><testcase name="b"><skipped message="no sshd"/></testcase></testsuite></testsuites>"""


def _result(status: int) -> Result:
    return Result(title="t", log=Path("log"), status=status)


def test_junit_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "junit.xml"
    path.write_text(JUNIT)
    result = _result(1)
    read_junit(result, path)
    assert (result.passed, result.failed, result.skipped, result.ok) == (2, 2, 1, False)
    assert result.skip_reasons == ["no sshd"]


@pytest.mark.parametrize(("status", "counts"), [(0, (1, 0)), (1, (0, 1))])
def test_check_without_tests_counts_as_one(status: int, counts: tuple[int, int]) -> None:
    result = _result(status)
    read_junit(result, None)
    assert (result.passed, result.failed) == counts


def test_crash_behind_passed_tests_is_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "junit.xml"
    path.write_text('<testsuite tests="3" failures="0" errors="0" skipped="0"/>')
    result = _result(3)
    read_junit(result, path)
    assert (result.passed, result.failed, result.ok) == (3, 1, False)


def test_status_output_and_time_limit(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert run_logged(["sh", "-c", "echo heard; exit 7"], log, cwd=tmp_path, env=os.environ, timeout=30) == 7
    assert log.read_text() == "heard\n"
    assert run_logged(["sleep", "600"], log, cwd=tmp_path, env=os.environ, timeout=0.2) == TIMED_OUT
    assert run_logged(["no-such-command-anywhere"], log, cwd=tmp_path, env=os.environ, timeout=30) == 127


def test_failure_does_not_stop_the_rest_but_what_depends_on_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("check.WORK", tmp_path)
    checks = [
        Check("unit", "breaks", ["false"], provides="lab"),
        Check("unit", "depends", ["true"], needs="lab"),
        Check("unit", "goes on", ["true"]),
    ]
    report = Report()
    run_lane(checks, report)
    assert [(result.title, result.ok) for result in report.results] == [("breaks", False), ("depends", False), ("goes on", True)]
    assert report.summary([]) is False


def test_last_line_counts(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("check.WORK", tmp_path)
    report = Report()
    report.results = [Result(title="a", log=Path("a"), status=0, passed=3, skipped=1)]
    assert report.summary(["the real part: needs root"]) is True
    output = capsys.readouterr().out
    assert output.splitlines()[-1] == "3 passed, 0 failed"
    assert (tmp_path / "summary").read_text() == "3 passed, 0 failed\n"
    assert "LEFT OUT: the real part: needs root" in output


def test_titles_are_unique() -> None:
    """Each check has a log of its own."""
    slugs = [check.slug for check in all_checks()]
    assert len(slugs) == len(set(slugs))
