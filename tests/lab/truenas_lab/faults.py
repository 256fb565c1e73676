"""Faults on demand: what the next calls of a method are to suffer."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass, field, fields
from errno import EFAULT
from fnmatch import fnmatchcase
from typing import Any

from .api.errors import CALL_ERROR, CallError, InstanceNotFound, RpcError, ValidationErrors

KINDS = {
    "drop_before": "the connection is lost when the call arrives; it is not carried out",
    "drop_after": "the call is carried out (a job: queued), then the connection is lost instead of an answer",
    "delay": "the call is carried out after `seconds`",
    "refuse": "the call is refused with `code`, `errno`, `reason`; it is not carried out",
    "fail_job": "the job fails before it has had an effect",
    "fail_job_after": "the job fails after it has had its effect",
    "fail_start": "the instance cannot be started",
    "stall": "nothing more happens: no answer, or a job that runs for ever (until aborted)",
    "lose_events": "no event of the job is sent",
    "restart": "the middleware restarts: after the call (`when: after`) or before it; gone for `seconds`",
}
_ON_JOBS = ("fail_job", "fail_job_after", "fail_start", "lose_events")


@dataclass
class Fault:
    method: str  # a name or a pattern: virt.instance.*
    fault: str
    times: int | None = 1  # None: until cleared
    instance: str | None = None  # only calls about this instance, or about a dataset or snapshot of it
    seconds: float = 0.5
    code: int = CALL_ERROR
    errno: int = EFAULT
    reason: str = "Fault asked for by a test"
    extra: list[Any] | None = None
    when: str = "after"
    used: int = field(default=0)

    def __post_init__(self) -> None:
        if self.fault not in KINDS:
            raise ValueError(f"unknown fault {self.fault!r}; known: {', '.join(KINDS)}")
        if self.when not in ("before", "after"):
            raise ValueError("`when` is before or after")

    @classmethod
    def parse(cls, data: Any) -> Fault:
        if not isinstance(data, dict):
            raise ValueError("a fault is an object")
        known = {item.name for item in fields(cls)} - {"used"}
        if unknown := set(data) - known:
            raise ValueError(f"unknown keys {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}")
        if missing := {"method", "fault"} - set(data):
            raise ValueError(f"missing {', '.join(sorted(missing))}")
        return cls(**data)

    def error(self) -> Exception:
        """What `refuse` and the job faults answer with."""
        if self.code == CALL_ERROR:
            return CallError(self.reason, self.errno)
        if self.code == -32602:
            if self.errno == 2 and not self.extra:
                return InstanceNotFound(self.reason)
            return ValidationErrors([tuple(item) for item in self.extra] if self.extra else [("", self.reason, self.errno)])
        return RpcError(self.code, self.reason)

    async def before_job(self) -> None:
        if self.fault == "fail_job":
            raise self.error()
        if self.fault == "stall":
            await asyncio.Event().wait()

    def after_job(self) -> None:
        if self.fault == "fail_job_after":
            raise self.error()


def _names(text: Any) -> set[str]:
    """The instances that an argument names: by its name, or by a dataset or snapshot of it (`pixels.old.px-a` is one too)."""
    if not isinstance(text, str):
        return set()
    last = text.partition("@")[0].rpartition("/")[2]
    return {last, *last.split(".")} if "/" in text else {text}


def _instances(method: str, params: Any) -> set[str]:
    """Whom a call is about."""
    found: set[str] = set()
    for item in params if isinstance(params, list) else []:
        if isinstance(item, dict):
            for key in ("name", "dataset", "snapshot", "dataset_dst", "new_name"):
                found |= _names(item.get(key))
        elif isinstance(item, list) and method.startswith(("zfs.", "pool.")):
            for condition in item:  # the filters of a query
                found |= _names(condition[2]) if isinstance(condition, list) and len(condition) == 3 else set()
        else:
            found |= _names(item)
    return found


class Faults:
    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        self._faults.append(fault)

    def clear(self) -> None:
        self._faults.clear()

    def listed(self) -> list[dict[str, Any]]:
        return [asdict(fault) for fault in self._faults]

    def take(self, method: str, params: Any, *, is_job: bool) -> Fault | None:
        """The fault that this call is to suffer, counted as used."""
        for fault in self._faults:
            if fault.times is not None and fault.used >= fault.times:
                continue
            if not fnmatchcase(method, fault.method):
                continue
            if fault.instance is not None and fault.instance not in _instances(method, params):
                continue
            if fault.fault in _ON_JOBS and not is_job:
                continue
            fault.used += 1
            return fault
        return None
