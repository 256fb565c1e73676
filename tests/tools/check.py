"""Runs the checks, all of them even when one fails, and sums them up: `check.py [GROUP...]`, without a group everything.

Two lanes run side by side: what computes, and what waits for packages, images and containers. Each check writes a
log; the end of the log of a failed one is printed. The last line is `N passed, N failed`.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from checks import WORK, Check, all_checks
from processes import run_logged
from results import Result, read_junit

GROUPS = ("lint", "unit", "ansible-test", "lab-tests", "integration", "e2e")
TAIL_LINES = 60


def log_of(check: Check) -> Path:
    return WORK / "logs" / f"{check.slug}.log"


def real_containers() -> str | None:
    """None when this machine can run the lab's real containers, else what is missing."""
    if platform.system() != "Linux":
        return f"real containers need Linux, this is {platform.system()}"
    if os.geteuid() != 0:
        return "real containers need root"
    if not shutil.which("incusd") and not shutil.which("apt-get") and not Path("/opt/incus/bin/incusd").exists():
        return "real containers need Incus, or Debian or Ubuntu to install it from"
    return None


class Report:
    """Prints progress as it happens, and the summary."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.results: list[Result] = []
        self._lock = threading.Lock()

    def say(self, text: str) -> None:
        with self._lock:
            print(f"[{time.monotonic() - self.started:5.0f} s] {text}", flush=True)

    def add(self, result: Result) -> None:
        with self._lock:
            self.results.append(result)
        self.say(f"{'ok    ' if result.ok else 'FAILED'}  {result.title}  ({result.counts()}{result.seconds:.0f} s)")

    def not_tried(self, check: Check) -> None:
        log = log_of(check)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("not tried: what it needs is not there\n", encoding="utf-8")
        self.add(Result(title=check.title, log=log, status=1, failed=1))

    def failures(self) -> None:
        for result in self.results:
            if result.ok:
                continue
            lines = result.log.read_text(encoding="utf-8", errors="replace").splitlines() if result.log.exists() else []
            print(f"\n--- {result.title}: exit status {result.status}, end of {result.log} ---")
            print("\n".join(lines[-TAIL_LINES:]))

    def summary(self, left_out: Sequence[str]) -> bool:
        print(f"\n{'check':<34} {'result':<8} {'passed':>7} {'failed':>7} {'skipped':>8} {'seconds':>8}")
        for result in self.results:
            print(
                f"{result.title:<34} {'ok' if result.ok else 'FAILED':<8} {result.passed:>7} {result.failed:>7} "
                f"{result.skipped:>8} {result.seconds:>8.1f}"
            )
        for reason in sorted({reason for result in self.results for reason in result.skip_reasons}):
            print(f"skipped: {reason}")
        if left_out:
            rule = "!" * 100
            print(f"\n{rule}")
            for text in left_out:
                print(f"!! LEFT OUT: {text}")
            print(rule)
        passed = sum(result.passed for result in self.results)
        failed = sum(result.failed for result in self.results)
        print(f"\nAll of it took {time.monotonic() - self.started:.0f} s.")
        last = f"{passed} passed, {failed} failed"
        print(last, flush=True)
        WORK.mkdir(parents=True, exist_ok=True)
        (WORK / "summary").write_text(last + "\n", encoding="utf-8")
        return failed == 0


def perform(check: Check, report: Report) -> bool:
    log = log_of(check)
    log.parent.mkdir(parents=True, exist_ok=True)
    if check.junit is not None:
        shutil.rmtree(check.junit, ignore_errors=True) if check.junit.is_dir() else check.junit.unlink(missing_ok=True)
    report.say(f"...     {check.title}")
    began = time.monotonic()
    status = run_logged(check.command, log, cwd=check.cwd, env={**os.environ, **check.env}, timeout=check.timeout)
    result = Result(title=check.title, log=log, status=status, seconds=time.monotonic() - began)
    read_junit(result, check.junit)
    report.add(result)
    return result.ok


def run_lane(lane: Sequence[Check], report: Report) -> None:
    broken: set[str] = set()
    for check in lane:
        if check.needs in broken:
            report.not_tried(check)
        elif not perform(check, report) and check.provides:
            broken.add(check.provides)


def main(arguments: Sequence[str]) -> int:
    groups = set(arguments or GROUPS)
    if groups - set(GROUPS):
        print(f"unknown: {', '.join(sorted(groups - set(GROUPS)))}; known: {', '.join(GROUPS)}", file=sys.stderr)
        return 2
    missing = real_containers()
    checks = [check for check in all_checks() if check.group in groups and not (check.real and missing)]
    left_out = [f"{check.title}: {missing}" for check in all_checks() if missing and check.real and check.group in groups]
    report = Report()
    lanes = [[check for check in checks if check.lane == name] for name in ("work", "wait")]
    threads = [threading.Thread(target=run_lane, args=(lane, report), daemon=True) for lane in lanes if lane]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # A lane that broke off must not pass for one that went well.
    done = {result.title for result in report.results}
    for check in checks:
        if check.title not in done:
            report.not_tried(check)
    report.failures()
    return 0 if report.summary(left_out) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
