"""Jobs: their objects, events, locks and the queue behind a lock."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from errno import EINVAL
from typing import TYPE_CHECKING, Any

from .errors import CallError, InstanceNotFound, as_failure, job_error
from .registry import Call, Method
from .virt_entry import covered

if TYPE_CHECKING:
    from ..faults import Fault
    from ..lab import Lab

FINISHED = ("SUCCESS", "FAILED", "ABORTED")


def date(seconds: float | None) -> dict[str, int] | None:
    return None if seconds is None else {"$date": int(seconds) * 1000}


@dataclass
class Job:
    ident: int
    call: Call
    arguments: list[Any]  # as given
    checked: list[Any] | None  # validated beforehand (older API versions), or None: the job does it
    lock_name: str | None
    message_ids: list[Any]
    credentials: dict[str, Any] | None
    state: str = "WAITING"
    percent: int = 0
    description: str = ""
    result: Any = None
    failure: Exception | None = None
    logs_path: str | None = None
    logs_excerpt: str | None = None
    logs: str = ""
    started: float = field(default_factory=time.time)
    finished: float | None = None
    aborting: bool = False
    fault: Fault | None = None
    task: asyncio.Task[None] | None = None
    done: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def method(self) -> Method:
        return self.call.method

    def encode(self, *, raw: bool) -> dict[str, Any]:
        shown = self.method.job.shown(self.arguments) if self.method.job else self.arguments
        failure = job_error(self.failure) if self.failure else {"error": None, "exception": None, "exc_info": None}
        return {
            "id": self.ident,
            "message_ids": list(self.message_ids),
            "method": self.method.name,
            "arguments": shown,
            "transient": False,
            "description": None,
            "abortable": False,
            "logs_path": self.logs_path,
            "logs_excerpt": self.logs_excerpt,
            "progress": {"percent": self.percent, "description": self.description, "extra": None},
            "result": self.result if raw else covered(self.result),
            "result_encoding_error": None,
            **failure,
            "state": self.state,
            "time_started": date(self.started),
            "time_finished": date(self.finished),
            "credentials": self.credentials,
        }

    def progress(self, percent: int | None = None, description: str | None = None) -> None:
        """Tell how far it is."""
        if percent is not None:
            self.percent = percent
        if description is not None:
            self.description = description
        self.call.lab.jobs.publish(self, "changed")

    async def wait(self) -> Any:
        """The result, or what it failed with."""
        await self.done.wait()
        if self.failure is not None:
            raise self.failure
        return self.result


class Jobs:
    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._jobs: dict[int, Job] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._last = 0

    # -- looking ------------------------------------------------------------------------------------------------
    def all(self) -> list[Job]:
        return list(self._jobs.values())

    def get(self, ident: int) -> Job:
        job = self._jobs.get(ident)
        if job is None:
            raise InstanceNotFound(f"Job with id {ident} does not exist")
        return job

    def publish(self, job: Job, kind: str) -> None:
        if job.fault is not None and job.fault.fault == "lose_events":
            return
        if self._jobs.get(job.ident) is not job:  # of before a restart
            return
        self._lab.events.publish("core.get_jobs", kind, job.ident, fields=job.encode(raw=True))

    # -- doing --------------------------------------------------------------------------------------------------
    def submit(self, call: Call, arguments: list[Any], checked: list[Any] | None, fault: Fault | None = None) -> Job:
        """Queue a job. With a full queue behind its lock the answer is the last one queued there, whoever's it is."""
        kind = call.method.job
        assert kind is not None
        lock_name = None
        if kind.lock is not None:
            try:
                lock_name = kind.lock(arguments)
            except (IndexError, KeyError, AttributeError, TypeError) as exc:
                raise CallError("Error handling job lock. This is most likely caused by invalid call arguments.", EINVAL) from exc
        ids = [] if call.message_id is None else [call.message_id]
        if lock_name is not None:
            queued = [job for job in self._jobs.values() if job.lock_name == lock_name and job.state == "WAITING"]
            if len(queued) >= (kind.queue_size or self._lab.settings.lock_queue_size):
                queued[-1].message_ids += ids
                return queued[-1]
        self._last += 1
        credentials = call.session.credentials() if call.session else None
        job = Job(self._last, call, arguments, checked, lock_name, ids, credentials, fault=fault)
        call.job = job
        self._jobs[job.ident] = job
        self._trim()
        self.publish(job, "added")
        self._lab.journal.write("job", job=job.ident, method=call.method.name, state="WAITING")
        job.task = asyncio.create_task(self._run(job))
        return job

    def abort(self, ident: int) -> None:
        job = self.get(ident)
        if job.state in FINISHED:
            return
        job.aborting = True
        if job.state == "RUNNING" and job.task:
            job.task.cancel()

    def forget(self) -> None:
        """The middleware restarts: no job survives, ids count from 1 again."""
        tasks = [job.task for job in self._jobs.values() if job.task and not job.done.is_set()]
        self._jobs.clear()
        self._locks.clear()
        self._last = 0
        for task in tasks:
            task.cancel()

    def _trim(self) -> None:
        for ident in [job.ident for job in self._jobs.values() if job.state in FINISHED][
            : max(0, len(self._jobs) - self._lab.settings.jobs_kept)
        ]:
            del self._jobs[ident]

    async def _run(self, job: Job) -> None:
        try:
            if job.lock_name is None:
                await self._execute(job)
            else:
                async with self._locks.setdefault(job.lock_name, asyncio.Lock()):
                    await self._execute(job)
        except asyncio.CancelledError:
            self._finish(job, "ABORTED")

    async def _execute(self, job: Job) -> None:
        if job.aborting:
            self._finish(job, "ABORTED")
            return
        call = job.call
        job.state = "RUNNING"
        if call.method.job and call.method.job.logs:
            job.logs_path = f"/var/log/jobs/{job.ident}.log"
        self.publish(job, "changed")
        # A model is validated off the loop in the middleware: others get their turn between RUNNING and the outcome.
        await asyncio.sleep(0)
        try:
            arguments = job.checked if job.checked is not None else self._lab.check(call.method, job.arguments, call.api)
            if job.fault is not None:
                await job.fault.before_job()
            job.result = await call.method.handler(call, *arguments)
            if job.fault is not None:
                job.fault.after_job()
        except asyncio.CancelledError:
            raise
        except Exception as exc:  # whatever a method raises is the outcome of its job
            job.result = None
            job.failure = as_failure(exc)
            self._finish(job, "FAILED")
        else:
            job.percent = 100
            self._finish(job, "SUCCESS")

    def _finish(self, job: Job, state: str) -> None:
        job.state = state
        job.finished = time.time()
        if state == "FAILED" and job.logs_path:
            job.logs_excerpt = job.logs
        self.publish(job, "changed")
        if state == "SUCCESS":  # the final event of a success comes twice
            if job.logs_path:
                job.logs_excerpt = job.logs
            self.publish(job, "changed")
        error = job_error(job.failure)["error"] if job.failure else None
        self._lab.journal.write(
            "job", job=job.ident, method=job.method.name, state=state, duration=round(job.finished - job.started, 6), error=error
        )
        job.done.set()
