"""`core.*`: options, subscriptions, and everything about jobs."""

from __future__ import annotations

import secrets
from errno import EINVAL, ENOENT
from typing import Any

from . import query
from .errors import CallError, PlainError, ValidationErrors
from .jobs import Job
from .registry import Call, JobKind, method, takes
from .rpc import invoke
from .schema import Anything, Bool, Dict, Field, Int, ListOf, Maybe, Model, Param, Str

_OPTIONS = Model({name: Field(Bool(), optional=True) for name in ("legacy_jobs", "private_methods", "py_exceptions")}, ignore_unknown=True)


async def _ping(_call: Call) -> str:
    return "pong"


method("core.ping", releases=("25.04",))(_ping)
method("core.ping", releases=("25.10",), no_auth=True)(_ping)


@method("core.set_options", takes(Param("options", _OPTIONS)), no_auth=True, unlimited=True)
async def set_options(call: Call, options: dict[str, Any]) -> dict[str, bool] | None:
    assert call.connection is not None
    if call.lab.settings.version < "25.10":
        call.connection.options["py_exceptions"] = options.get("py_exceptions", False)
        return None
    call.connection.options.update(options)
    return dict(call.connection.options)


@method("core.subscribe", takes(Param("event", Str())))
async def subscribe(call: Call, event: str) -> str:
    assert call.connection is not None
    return call.lab.events.subscribe(call.connection, event)


@method("core.unsubscribe", takes(Param("ident", Str())))
async def unsubscribe(call: Call, ident: str) -> None:
    assert call.connection is not None
    call.lab.events.unsubscribe(call.connection, ident)


@method("core.get_jobs", query.query_params)
async def get_jobs(call: Call, filters: list[Any], options: dict[str, Any]) -> Any:
    raw = options["extra"].get("raw_result") is True
    return query.apply([job.encode(raw=raw) for job in call.lab.jobs.all()], filters, options)


@method("core.job_wait", takes(Param("id", Int())), job=JobKind())
async def job_wait(call: Call, ident: int) -> Any:
    job = call.lab.jobs.get(ident)
    try:
        return await job.wait()
    except (ValidationErrors, PlainError) as exc:
        raise CallError(exc.text) from exc  # 25.x passes on the text only


@method("core.job_abort", takes(Param("id", Int())), changes=True)
async def job_abort(call: Call, ident: int) -> None:
    call.lab.jobs.abort(ident)


def _bulk_params(api: str) -> tuple[Param, ...]:
    lists = ListOf(ListOf(Anything()))
    optional = Param("params", lists, []) if api < "v25.10" else Param("params", lists)
    return Param("method", Str()), optional, Param("description", Maybe(Str()), None)


@method("core.bulk", _bulk_params, changes=True, job=JobKind(lock=lambda args: f"bulk:{args[0]}"))
async def bulk(call: Call, name: str, calls: list[list[Any]], description: str | None) -> list[dict[str, Any]]:
    target = call.lab.method(name)
    if target is None:
        raise CallError(f"Method {name!r} not found in {name.rpartition('.')[0]!r}", ENOENT)
    assert call.job is not None
    outcomes: list[dict[str, Any]] = []
    done = 0
    for index, params in enumerate(calls):
        text = f"{done} / {len(calls)}"
        if description is not None:
            text += ": " + description.format(*params)
        call.job.progress(100 * index // len(calls), text)
        outcome: dict[str, Any] = {"job_id": None, "result": None, "error": None}
        try:
            fault = call.lab.faults.take(name, params, is_job=target.job is not None)
            if fault is not None and fault.fault == "refuse":
                raise fault.error()
            result = await invoke(Call(call.lab, target, call.lab.settings.current_api, call.session, None), params, fault)
            if isinstance(result, Job):
                outcome["job_id"] = result.ident
                result = await result.wait()
            outcome["result"] = target.answer(result, call.api) if target.answer else result
            done += 1
        except Exception as exc:  # one failure does not stop the rest
            outcome["error"] = getattr(exc, "text", None) or str(exc)
        outcomes.append(outcome)
    return outcomes


@method("core.resize_shell", takes(Param("id", Str()), Param("cols", Int()), Param("rows", Int())))
async def resize_shell(call: Call, ident: str, columns: int, rows: int) -> None:
    shell = call.lab.shells.get(ident)
    if shell is None:
        raise CallError("Shell does not exist", ENOENT)
    await shell.resize(columns, rows)


_DOWNLOAD = takes(Param("method", Str()), Param("args", ListOf(Anything())), Param("filename", Str()), Param("buffered", Bool(), False))


@method("core.download", _DOWNLOAD)
async def download(call: Call, name: str, args: list[Any], _filename: str, _buffered: bool) -> list[Any]:
    """Only the log of a job can be fetched from the lab: no method of it has an output pipe."""
    target = call.lab.method(name)
    if target is None or target.job is None:
        raise CallError(f"{name} is not a job", EINVAL)
    raise CallError("Job has no output pipe", EINVAL)


@method("core.job_download_logs", takes(Param("id", Int()), Param("filename", Str()), Param("buffered", Bool(), False)))
async def job_download_logs(call: Call, ident: int, _filename: str, _buffered: bool) -> str:
    job = call.lab.jobs.get(ident)
    if job.logs_path is None:
        raise CallError("This job has no logs", ENOENT)
    call.lab.downloads[token := secrets.token_urlsafe(32)] = job.logs
    return f"/_download/{ident}?auth_token={token}"


@method("core.arp", takes(Param("options", Dict(), {})))
async def arp(_call: Call, _options: dict[str, Any]) -> dict[str, str]:
    return {}
