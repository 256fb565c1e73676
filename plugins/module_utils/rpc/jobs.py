# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Start a job, make sure that it is ours, follow it to its end.

Three traps. A full queue throws a call away and answers with the id of somebody else's job. A connection may be lost before the id
came; then the job is looked for, never started again. And after a restart of the appliance an id means another job or none.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .api import OnProgress, Progress
from .errors import ApiError, Busy, CallTimeout, ConnectionFailed, OutcomeUnknown
from .faults import error_of_job
from .jobmatch import Verdict, identity, judge
from .lanes import Lanes

if TYPE_CHECKING:
    from .session import Session

_FINAL = ("SUCCESS", "FAILED", "ABORTED")


class Stopped(BaseException):
    """Whoever wanted the job has gone; not an Exception, so that nothing takes it for a failure."""


@dataclass
class _Started:
    """The answer to the starting call: the first word about its job, or a plain result where the method is no job."""

    request_id: str
    last_known: int  # the highest job id that was known before
    epoch: int  # of the book, when the call was sent
    record: dict[str, Any] | None = None
    result: Any = None


class JobRunner:
    """The job side of a session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._book = session.book
        self._lanes = Lanes()

    def run(self, method: str, params: list[Any], timeout: float, on_progress: OnProgress | None, stop: threading.Event | None) -> Any:
        started_at = time.monotonic()
        with self._lanes.turn(identity(params), timeout) as free:
            if not free:
                raise Busy(method, timeout, f"too many jobs for {identity(params)} are waiting already")
            return self._run(method, params, timeout, started_at, on_progress, stop)

    def _run(
        self,
        method: str,
        params: list[Any],
        timeout: float,
        started_at: float,
        on_progress: OnProgress | None,
        stop: threading.Event | None,
    ) -> Any:
        deadline = started_at + timeout
        while True:
            if stop is not None and stop.is_set():
                raise Stopped
            started = self._start(method, params, timeout)
            if started.record is None:
                return started.result
            verdict = judge(started.record, started.request_id, method, params, started.last_known)
            job_id: int = started.record["id"]
            if verdict is not Verdict.FOREIGN:
                return self._follow(started.record, method, timeout, deadline, on_progress, stop)
            if self._book.epoch != started.epoch:
                # Ours may have had this id before the appliance was restarted.
                raise OutcomeUnknown(method, f"the connection was lost, and job {job_id} is another one now")
            # Our call was thrown away, which is certain, so it may be made again when that job is through.
            try:
                self._wait_for_end(started.record, deadline, stop)
                if time.monotonic() >= deadline:
                    raise CallTimeout(method, timeout)
            except CallTimeout:
                waited = time.monotonic() - started_at
                raise Busy(method, waited, f"its queue of jobs is full; the last one in it is job {job_id}") from None
            self._session.pause(self._session.limits.busy_pause)

    def _start(self, method: str, params: list[Any], timeout: float) -> _Started:
        session = self._session
        connection = session.subscribe_to_jobs()
        started = _Started(session.new_id(), self._book.highest, self._book.epoch)
        if not connection.tells_message_ids:
            started.last_known = max(started.last_known, self._newest_id())
        try:
            answer = session.exchange(method, params, min(timeout, 120.0), repeatable=False, request_id=started.request_id)
        except OutcomeUnknown as lost:
            started.record = self._find(method, params, started)
            started.epoch = self._book.epoch
            if started.record is None:
                raise lost
            return started
        except ApiError:
            raise
        except BaseException as interrupt:
            orphan = self._book.by_message_id(started.request_id)
            if orphan is not None:
                self._tell_to_stop(orphan["id"], interrupt)
            raise
        if not isinstance(answer, int) or isinstance(answer, bool):
            started.result = answer
            return started
        started.record = self._first_word(answer, method)
        self._book.saw(answer)
        return started

    def _first_word(self, job_id: int, method: str) -> dict[str, Any]:
        _version, record = self._book.wait(job_id, 0, self._book.epoch, 0.0)
        if record is None:
            try:
                record = self._ask(job_id)
            except ApiError as error:
                raise OutcomeUnknown(method, f"job {job_id} was started and cannot be followed ({error})") from error
        if record is None:
            raise OutcomeUnknown(method, f"the appliance does not know its job {job_id} any more, so it has been restarted")
        return record

    def _find(self, method: str, params: list[Any], started: _Started) -> dict[str, Any] | None:
        """The job of a call whose answer was lost; None if it cannot be told apart from others or is not there."""
        try:
            self._session.subscribe_to_jobs()
            newest: list[dict[str, Any]] = self._session.read(
                "core.get_jobs", [["method", "=", method]], {"order_by": ["-id"], "limit": 50, "extra": {"raw_result": True}}
            )
        except ApiError:
            return None
        candidates = [job for job in newest if isinstance(job, dict) and isinstance(job.get("id"), int)]
        for job in candidates:
            if started.request_id in (job.get("message_ids") or []):
                return job
        for job in reversed(candidates):
            if job.get("message_ids") or job["id"] <= started.last_known:
                continue
            if judge(job, started.request_id, method, params, started.last_known) is Verdict.OURS and self._book.claim(job["id"]):
                return job
        return None

    def _follow(
        self,
        record: dict[str, Any],
        method: str,
        timeout: float,
        deadline: float,
        on_progress: OnProgress | None,
        stop: threading.Event | None,
    ) -> Any:
        job_id: int = record["id"]
        said: Progress | None = None
        try:
            for word in self._words(record, method, deadline, stop):
                progress = _progress_of(word)
                if on_progress is not None and progress is not None and progress != said:
                    said = progress
                    on_progress(progress)
                if word["state"] == "SUCCESS":
                    return word.get("result")
                if word["state"] in _FINAL:
                    raise error_of_job(method, word)
        except CallTimeout:
            raise CallTimeout(method, timeout, job_id=job_id, aborted=self._abort(job_id)) from None
        except ApiError:
            raise
        except BaseException as interrupt:
            self._tell_to_stop(job_id, interrupt)
            raise
        raise AssertionError("a job ends by its last word")

    def _wait_for_end(self, record: dict[str, Any], deadline: float, stop: threading.Event | None) -> None:
        try:
            for word in self._words(record, str(record.get("method")), deadline, stop):
                if word["state"] in _FINAL:
                    return
        except OutcomeUnknown:
            return  # it is gone, and so is the queue that it was in

    def _words(self, record: dict[str, Any], method: str, deadline: float, stop: threading.Event | None) -> Any:
        """All that is said of a job, from `record` on: by events, by asking when they stay out, by asking after a lost connection."""
        job_id: int = record["id"]
        limits = self._session.limits
        self._book.watch(job_id)
        try:
            version, epoch, patience = 0, self._book.epoch, limits.poll_first
            word: dict[str, Any] | None = record
            while True:
                if word is not None:
                    if not _same_job(record, word):
                        raise OutcomeUnknown(method, f"job {job_id} is another one now, so the appliance has been restarted")
                    yield word
                if stop is not None and stop.is_set():
                    raise Stopped
                left = deadline - time.monotonic()
                if left <= 0:
                    raise CallTimeout(method, 0)
                version, word = self._book.wait(job_id, version, epoch, min(patience, left), stop)
                if word is not None:
                    patience = limits.poll_first
                    continue
                if stop is not None and stop.is_set():
                    continue
                epoch = self._book.epoch
                word = self._ask_again(job_id, method)
                patience = min(patience * 1.5, limits.poll_max)
        finally:
            self._book.release(job_id)

    def _ask_again(self, job_id: int, method: str) -> dict[str, Any] | None:
        try:
            self._session.subscribe_to_jobs()
            word = self._ask(job_id)
        except (Busy, CallTimeout):
            return None
        except ConnectionFailed as error:
            raise OutcomeUnknown(method, f"the connection was lost while job {job_id} ran ({error})") from error
        if word is None:
            raise OutcomeUnknown(method, f"the appliance does not know job {job_id} any more, so it has been restarted")
        return word

    def _ask(self, job_id: int) -> dict[str, Any] | None:
        jobs = self._session.read("core.get_jobs", [["id", "=", job_id]], {"extra": {"raw_result": True}})
        return jobs[0] if isinstance(jobs, list) and jobs and isinstance(jobs[0], dict) else None

    def _newest_id(self) -> int:
        jobs = self._session.read("core.get_jobs", [], {"order_by": ["-id"], "limit": 1})
        return int(jobs[0].get("id") or 0) if isinstance(jobs, list) and jobs else 0

    def _abort(self, job_id: int) -> bool:
        try:
            self._session.call("core.job_abort", job_id, timeout=self._session.limits.abort_timeout)
        except ApiError:
            return False
        return True

    def _tell_to_stop(self, job_id: int, interrupt: BaseException) -> None:
        told = self._abort(job_id)
        interrupt.add_note(
            f"job {job_id} was told to stop; what it has begun may remain" if told else f"job {job_id} could not be told to stop"
        )


def _same_job(first: dict[str, Any], word: dict[str, Any]) -> bool:
    """The id alone does not say so: ids count from 1 again after a restart."""
    return word.get("method") == first.get("method") and word.get("time_started") == first.get("time_started")


def _progress_of(word: dict[str, Any]) -> Progress | None:
    progress = word.get("progress")
    if not isinstance(progress, dict):
        return None
    percent = progress.get("percent")
    percent = int(percent) if isinstance(percent, (int, float)) else None
    description = str(progress.get("description") or "")
    return Progress(percent, description) if percent or description else None
