# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What became of a worker, as a record: from what its container says, or from why there is nothing that it says.

What a container says is its own account. It is taken apart here into numbers and short texts, and believed to no other end.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .errors import Invalid
from .job_link import number, seconds, text, texts
from .repository import Verified
from .tree import Entry

DONE, FAILED, TIMED_OUT, LOST, NOT_STARTED, NOT_MADE = "done", "failed", "timed_out", "lost", "not_started", "not_made"
STATUSES = (DONE, FAILED, TIMED_OUT, LOST, NOT_STARTED, NOT_MADE)
FILE = "result.json"
LOGS = ("stdout.log", "stderr.log")
BUNDLE = "repository.bundle"
FILES = "files/"


def expected(name: str) -> bool:
    """Whether a worker may send a file of that name."""
    return name in (*LOGS, BUNDLE) or name.startswith(FILES)


def record(worker: str, status: str, error: str | None = None, **known: Any) -> dict[str, Any]:
    """The same keys for every worker, whatever became of it."""
    if status not in STATUSES:
        raise Invalid("status", status, f"one of {', '.join(STATUSES)}")
    empty: dict[str, Any] = {
        "exit_status": None,
        "timed_out": status == TIMED_OUT,
        "seconds": None,
        "started": None,
        "job": None,
        "commit_before": None,
        "commit_after": None,
        "branch": None,
        "commits": None,
        "uncommitted": None,
        "refs": {},
        "bundle": None,
        "logs": [],
        "files": [],
        "left_out": [],
    }
    return {"worker": worker, "status": status, "error": error, **{key: known.get(key, value) for key, value in empty.items()}}


def of_job(
    worker: str, job: str, said: Mapping[str, Any], entries: Sequence[Entry], commit: str | None, verified: Verified | None
) -> dict[str, Any]:
    """From what the container has said and sent."""
    ended = _mapping(said.get("status"))
    worked = _mapping(said.get("git"))
    exit_status = number(ended.get("status"))
    status, error = _fate(ended, exit_status)
    bundle = next((entry.name for entry in entries if entry.name == BUNDLE), None)
    left_out = [*texts(said.get("left_out")), *(f"{name}: only its end" for name in texts(said.get("cut")) if name in LOGS)]
    if verified is not None and verified.problem is not None:
        left_out.append(f"{BUNDLE}: {verified.problem}")
        if error is None:
            status, error = FAILED, f"its work cannot be read: {verified.problem}"
    return record(
        worker,
        status,
        error,
        exit_status=exit_status,
        seconds=seconds(ended.get("seconds")),
        started=_moment(ended.get("began")),
        job=job,
        commit_before=commit,
        commit_after=_commit(worked.get("commit")),
        branch=text(worked.get("branch"), 200) or None,
        commits=number(worked.get("commits")),
        uncommitted=_commit(worked.get("uncommitted")),
        refs={} if verified is None else verified.refs,
        bundle=None if verified is None or verified.problem is not None else bundle,
        logs=[entry.name for entry in entries if entry.name in LOGS],
        files=[
            {"path": text(entry.name.removeprefix(FILES), 4096), "size": entry.size} for entry in entries if entry.name.startswith(FILES)
        ],
        left_out=left_out,
    )


def _fate(ended: Mapping[str, Any], exit_status: int | None) -> tuple[str, str | None]:
    if ended.get("never_started"):
        return NOT_STARTED, "the job was set up, but never started"
    if ended.get("interrupted") or exit_status is None:
        return LOST, "the job was cut off: the container was restarted, or what stayed with the job was killed"
    if ended.get("timed_out"):
        what = "the command" if ended.get("reached", True) else "the user's login profile, before the command,"
        return TIMED_OUT, f"{what} did not end within the time limit and was stopped"
    if not ended.get("reached", True):
        return NOT_STARTED, "the user's login profile ended the shell before the command (login=false leaves it out)"
    if exit_status != 0:
        return FAILED, f"the command ended with exit status {exit_status}"
    return DONE, None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _commit(value: Any) -> str | None:
    return value if isinstance(value, str) and len(value) == 40 and all(letter in "0123456789abcdef" for letter in value) else None


def _moment(value: Any) -> str | None:
    if not isinstance(value, (int, float)) or not 0 <= value < 1e11:
        return None
    return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@contextlib.contextmanager
def folder(results: Path, worker: str, *, overwrite: bool) -> Iterator[Path]:
    """A new directory that becomes RESULTS/worker in the end, in one step. What is there already gives way then, if it may."""
    results.mkdir(parents=True, exist_ok=True)
    final = results / worker
    # No host's name has such a mark in it, so what another one is just bringing home is not meant.
    begin = f".{worker}~"
    for left in results.glob(f"{glob.escape(begin)}*"):
        shutil.rmtree(left, ignore_errors=True)  # of a run that was killed
    if final.exists() and not overwrite:
        raise Invalid("dest", str(final), "it exists already; overwrite=true replaces it")
    made = Path(tempfile.mkdtemp(prefix=begin, dir=results))
    try:
        made.chmod(0o755)
        yield made
        if final.exists():
            old = Path(tempfile.mkdtemp(prefix=f"{begin}old~", dir=results))
            os.replace(final, old / worker)
            os.replace(made, final)
            shutil.rmtree(old, ignore_errors=True)
        else:
            os.replace(made, final)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def save(place: Path, values: Mapping[str, Any]) -> None:
    (place / FILE).write_text(json.dumps(values, indent=2, sort_keys=False) + "\n", encoding="utf-8")
