"""What came out of one check, from its exit status and, for pytest, its JUnit files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree


@dataclass
class Result:
    """One check. One that counts no tests of its own counts as one test."""

    title: str
    log: Path
    status: int
    seconds: float = 0.0
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    skip_reasons: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return self.status == 0 and self.failed == 0

    def counts(self) -> str:
        if self.passed + self.failed + self.skipped <= 1:
            return ""
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped, "


def read_junit(result: Result, junit: Path | None) -> None:
    """Fill in the counts. A failure that no test stands for (a crash, no test found) counts as one."""
    files = sorted(junit.glob("*.xml")) if junit is not None and junit.is_dir() else [junit] if junit is not None else []
    for path in files:
        try:
            root = ElementTree.parse(path).getroot()
        except (OSError, ElementTree.ParseError):
            continue
        for suite in root.iter("testsuite"):
            total, failures, errors, skipped = (int(suite.get(key) or 0) for key in ("tests", "failures", "errors", "skipped"))
            result.failed += failures + errors
            result.skipped += skipped
            result.passed += max(0, total - failures - errors - skipped)
        for case in root.iter("testcase"):
            for skip in case.iter("skipped"):
                result.skip_reasons.append(skip.get("message") or "no reason given")
    counted = result.passed + result.failed + result.skipped
    if result.status == 0 and not counted:
        result.passed = 1
    elif result.status != 0 and not result.failed:
        result.failed = 1
