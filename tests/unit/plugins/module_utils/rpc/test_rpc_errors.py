# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""D28: answers are sorted by code, errno and extra, never by text; only what is proven is NotFound."""

from __future__ import annotations

import inspect
import json
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.rpc import errors
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.faults import error_of, error_of_job, is_busy

TEXT = "px-a does not exist"


def answer(code: int, number: int | None = None, extra: Any = None, trace: str | None = None) -> dict[str, Any]:
    data = {"error": number, "errname": "E", "reason": TEXT, "trace": {"class": trace} if trace else None, "extra": extra}
    return {"code": code, "message": TEXT, "data": data} if number is not None else {"code": code, "message": TEXT}


@pytest.mark.parametrize(
    "given,kind",
    [
        (answer(-32602, 22, [[None, TEXT, 2]]), errors.NotFound),
        (answer(-32001, 22, None, "MatchNotFound"), errors.NotFound),
        (answer(-32602, 22, [["image", TEXT, 2]]), errors.ValidationFailed),
        (answer(-32602, 22, [[None, TEXT, 22]]), errors.ValidationFailed),
        (answer(-32602, 22, [[None, TEXT, 2], ["name", "bad", 22]]), errors.ValidationFailed),
        (answer(-32602, 22, []), errors.ValidationFailed),
        (answer(-32602), errors.ValidationFailed),
        (answer(-32001, 2), errors.CallError),
        (answer(-32001, 14), errors.CallError),
        (answer(-32001, 22), errors.CallError),
        (answer(-32001, 16), errors.CallError),
        (answer(-32000), errors.CallError),
        (answer(-32603), errors.CallError),
        (answer(-32001, 13), errors.PermissionDenied),
        (answer(-32001, 207), errors.NotLoggedIn),
        (answer(-32001, 201), errors.UnknownMethod),
        (answer(-32601), errors.UnknownMethod),
        ("nonsense", errors.CallError),
        ({}, errors.CallError),
    ],
)
def test_type_of_an_answer(given: Any, kind: type) -> None:
    error = error_of("x.y", given)
    assert error.__class__ is kind
    assert str(error).startswith("x.y: ")


def test_busy_is_told_by_numbers() -> None:
    assert is_busy(error_of("x", answer(-32000)))
    assert is_busy(error_of("x", answer(-32001, 16)))
    assert not is_busy(error_of("x", answer(-32602, 16, [["a", "b", 16]])))
    assert not is_busy(error_of("x", answer(-32001, 14)))
    assert not is_busy(errors.ConnectionFailed("x"))


def test_the_parts_are_there() -> None:
    error = error_of("x.y", answer(-32001, 14, {"a": 1}, "CallError"))
    assert (error.method, error.code, error.errno, error.reason, error.extra, error.trace_class) == (
        "x.y",
        -32001,
        14,
        TEXT,
        {"a": 1},
        "CallError",
    )
    validation = error_of("x.y", answer(-32602, 22, [["a.b", "too small", 22], [None, "and odd", None]]))
    assert str(validation) == "x.y: a.b: too small; and odd"


def test_job_failures() -> None:
    job = {"id": 4, "state": "FAILED", "error": TEXT, "exc_info": {"type": "VALIDATION", "errno": 2, "extra": [[None, TEXT, 2]]}}
    assert error_of_job("m", job).__class__ is errors.NotFound
    job["exc_info"] = {"type": "VALIDATION", "errno": None, "extra": [["image", TEXT, 2]]}
    assert error_of_job("m", job).__class__ is errors.ValidationFailed
    job["exc_info"] = None
    assert error_of_job("m", job).__class__ is errors.JobFailed


EVERY = [
    errors.MissingLibrary("websocket-client"),
    errors.InsecureTransport("no"),
    errors.ConnectionFailed("no"),
    errors.AuthenticationFailed("nas", "root", "EXPIRED"),
    errors.MessageTooLong("m", 70000, 65536),
    errors.OutcomeUnknown("m", "lost"),
    errors.CallTimeout("m", 5, job_id=3, aborted=True),
    errors.Busy("m", 1.5, "busy", 16),
    errors.CallError("m", code=-32001, errno=14, extra=[1]),
    errors.NotFound("m", code=-32602),
    errors.ValidationFailed("m", fields=[("a", "b", 22), (None, "c", None)], code=-32602),
    errors.UnknownMethod("m", code=-32601),
    errors.PermissionDenied("m", code=-32001, errno=13),
    errors.NotLoggedIn("m", code=-32001, errno=207),
    errors.JobFailed("m", job_id=3, state="FAILED", error="e", logs_excerpt="l"),
    errors.ShellFailed("why", "tail"),
    errors.InvalidEndpoint("no"),
    errors.ApiError("no"),
]


@pytest.mark.parametrize("error", EVERY, ids=lambda error: type(error).__name__)
def test_every_error_survives_the_way_between_processes(error: errors.ApiError) -> None:
    again = errors.from_record(json.loads(json.dumps(errors.to_record(error))))
    assert again.__class__ is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def test_no_type_is_forgotten() -> None:
    defined = {kind for _name, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.ApiError)}
    assert defined == {type(error) for error in EVERY}


def test_an_unknown_record_is_still_an_error() -> None:
    assert isinstance(errors.from_record({"type": "FromTheFuture", "fields": {"message": "hm"}}), errors.ApiError)
