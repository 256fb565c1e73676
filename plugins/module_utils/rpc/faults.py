# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From what the appliance answers to the types of `errors.py`: by code, errno and `extra`, in one place."""

from __future__ import annotations

import errno as errnos
from typing import Any

from .errors import (
    ApiError,
    CallError,
    Field,
    JobFailed,
    NotFound,
    NotLoggedIn,
    PermissionDenied,
    UnknownMethod,
    ValidationFailed,
)

TOO_MANY_CALLS = -32000
CALL_ERROR = -32001
UNKNOWN_METHOD = -32601
INVALID_PARAMS = -32602

# TrueNAS's own numbers, above those of the system.
ENOMETHOD = 201
ENOTAUTHENTICATED = 207


def error_of(method: str, answer: Any) -> CallError:
    """The error member of a JSON-RPC answer."""
    if not isinstance(answer, dict):
        return CallError(method, code=0, reason=f"an error of an unknown shape: {type(answer).__name__}")
    data = answer.get("data")
    data = data if isinstance(data, dict) else {}
    trace = data.get("trace")
    code = answer.get("code")
    code = code if isinstance(code, int) else 0
    number = data.get("error") if isinstance(data.get("error"), int) else None
    rest: dict[str, Any] = {
        "code": code,
        "errno": number,
        "errname": data.get("errname"),
        "reason": str(data.get("reason") or answer.get("message") or ""),
        "extra": data.get("extra"),
        "trace_class": trace.get("class") if isinstance(trace, dict) else None,
    }
    if code == UNKNOWN_METHOD or (code == CALL_ERROR and number == ENOMETHOD):
        return UnknownMethod(method, **rest)
    if code == INVALID_PARAMS:
        fields = fields_of(rest["extra"])
        if means_missing(fields):
            return NotFound(method, **{**rest, "errno": errnos.ENOENT, "errname": "ENOENT"})
        return ValidationFailed(method, fields=fields, **rest)
    if code == CALL_ERROR:
        # A query with `get` that matches nothing; it has no errno of its own.
        if rest["trace_class"] == "MatchNotFound":
            return NotFound(method, **rest)
        if number == errnos.EACCES:
            return PermissionDenied(method, **rest)
        if number == ENOTAUTHENTICATED:
            return NotLoggedIn(method, **rest)
    return CallError(method, **rest)


def is_busy(error: ApiError) -> bool:
    """Refused for now and not begun: too many calls, a rate limit, someone else at work."""
    if not isinstance(error, CallError):
        return False
    return error.code == TOO_MANY_CALLS or (error.code == CALL_ERROR and error.errno == errnos.EBUSY)


def error_of_job(method: str, job: dict[str, Any]) -> ApiError:
    """A job that FAILED or was ABORTED. Validation happens inside jobs, so it is found here too."""
    info = job.get("exc_info")
    info = info if isinstance(info, dict) else {}
    number = info.get("errno") if isinstance(info.get("errno"), int) else None
    text = str(job.get("error") or "")
    if job.get("state") == "FAILED" and info.get("type") == "VALIDATION":
        fields = fields_of(info.get("extra"))
        rest: dict[str, Any] = {"code": INVALID_PARAMS, "reason": text, "extra": info.get("extra")}
        if means_missing(fields):
            return NotFound(method, errno=errnos.ENOENT, errname="ENOENT", **rest)
        return ValidationFailed(method, fields=fields, errno=number or errnos.EINVAL, errname="EINVAL", **rest)
    return JobFailed(
        method,
        job_id=int(job.get("id") or 0),
        state=str(job.get("state") or "FAILED"),
        error=text,
        errno=number,
        exc_type=info.get("type"),
        extra=info.get("extra"),
        logs_excerpt=job.get("logs_excerpt"),
    )


def fields_of(extra: Any) -> list[Field]:
    """The entries of a validation error that have the shape of one."""
    fields: list[Field] = []
    for entry in extra if isinstance(extra, list) else []:
        if isinstance(entry, (list, tuple)) and len(entry) >= 2:
            attribute = None if entry[0] is None else str(entry[0])
            number = entry[2] if len(entry) > 2 and isinstance(entry[2], int) else None
            fields.append((attribute, str(entry[1]), number))
    return fields


def means_missing(fields: list[Field]) -> bool:
    """`get_instance`, `update`, `delete` of what is not there: one entry without attribute, ENOENT. With one it is about an argument."""
    return len(fields) == 1 and fields[0][0] is None and fields[0][2] == errnos.ENOENT
