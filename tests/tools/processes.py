"""Child processes whose output goes to a log, each in a session of its own, so that a time limit or Ctrl-C ends all of it."""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

_running: set[subprocess.Popen[bytes]] = set()
TIMED_OUT = 124  # what timeout(1) says


def _end(process: subprocess.Popen[bytes], first: signal.Signals = signal.SIGTERM) -> None:
    for number in (first, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        try:
            process.wait(timeout=20)
            return
        except subprocess.TimeoutExpired:
            continue


@atexit.register
def _end_all() -> None:
    for process in list(_running):
        _end(process, signal.SIGINT)


def run_logged(command: Sequence[str], log: Path, *, cwd: Path, env: Mapping[str, str], timeout: float) -> int:
    """Run, and return the exit status; 124 when it took longer than `timeout` seconds, 127 when there is no such command."""
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(
                list(command),
                cwd=cwd,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            output.write(f"{error}\n".encode())
            return 127
        _running.add(process)
        try:
            return process.wait(timeout=timeout)
        except subprocess.TimeoutExpired:
            _end(process)
            output.write(f"\nended: it took longer than {timeout:.0f} s\n".encode())
            return TIMED_OUT
        finally:
            _running.discard(process)
