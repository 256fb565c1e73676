# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The promise of the module `fleet_summary`: every worker has a result on disk, and somebody can read how it all went on one screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import job_result, naming

ARGUMENTS: dict[str, dict[str, Any]] = {
    "names": {"type": "list", "elements": "str", "required": True},
    "results": {"type": "path", "required": True},
    "made": {"type": "list", "elements": "dict", "default": []},
    "opened": {"type": "list", "elements": "dict", "default": []},
    "started": {"type": "dict", "default": {}},
    "gathered": {"type": "dict", "default": {}},
    "present": {"type": "list", "elements": "dict", "default": []},
    "keep": {"type": "str", "choices": ["never", "failed", "always"], "default": "never"},
    "overwrite": {"type": "bool", "default": False},
}


def run(params: Mapping[str, Any], here: Path, *, check_mode: bool = False) -> dict[str, Any]:
    names = naming.expand(params["names"])
    results = here / params["results"]
    there = {entry["name"]: str(entry.get("status")) for entry in params["present"] if entry.get("name") in names}
    records = {name: _explained(_record(name, params), there.get(name)) for name in names}
    if not check_mode:
        for name, values in records.items():
            written = _gathered(params["gathered"].get(name)) is not None
            if written or (not params["overwrite"] and (results / name).is_dir()):
                # Of this run, for before it there was nothing. By now there may be more to tell than when it was written.
                job_result.save(results / name, values)
            else:
                with job_result.folder(results, name, overwrite=params["overwrite"]) as place:
                    job_result.save(place, values)
    failed = [name for name in names if records[name]["status"] != job_result.DONE]
    present = [name for name in names if name in there]
    kept = [name for name in present if params["keep"] == "always" or (params["keep"] == "failed" and name in failed)]
    return {
        "changed": False,
        "workers": [records[name] for name in names],
        "statuses": {name: records[name]["status"] for name in names},
        "failed_workers": failed,
        "kept": kept,
        "to_destroy": [name for name in present if name not in kept],
        "rows": [_row(records[name], name in kept) for name in names],
        "message": _message(records, failed),
    }


def _record(name: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """The last word that there is about a worker."""
    gathered = _gathered(params["gathered"].get(name))
    if gathered is not None:
        values = {key: value for key, value in gathered.items() if key not in ("worker", "status", "error")}
        return job_result.record(name, gathered["status"], gathered.get("error"), **values)
    for stage in ("made", "opened"):
        entry: Mapping[str, Any] = next((found for found in params[stage] if found.get("name") == name), {})
        if entry.get("failed"):
            return job_result.record(name, job_result.NOT_MADE, str(entry.get("msg") or "it could not be made"))
    for stage, status in (("gathered", job_result.FAILED), ("started", job_result.NOT_STARTED)):
        outcome = params[stage].get(name) or {}
        if outcome.get("unreachable"):
            return job_result.record(name, job_result.LOST, str(outcome.get("msg") or "it is not to be reached"))
        if outcome.get("failed"):
            return job_result.record(name, status, str(outcome.get("msg") or "it failed without a word"))
    if name in params["started"]:
        return job_result.record(name, job_result.LOST, "its results were not gathered")
    return job_result.record(name, job_result.NOT_MADE, "it was not made, because the run ended before its turn")


def _explained(values: dict[str, Any], status: str | None) -> dict[str, Any]:
    """With what the appliance says of a container that is not to be reached."""
    if values["status"] != job_result.LOST or status == "running":
        return values
    return {**values, "error": f"{values['error']}; its container {'is gone' if status is None else 'is ' + status}"}


def _gathered(outcome: Any) -> Mapping[str, Any] | None:
    """The result of the module gather, when it has come so far as to write one."""
    if isinstance(outcome, Mapping) and outcome.get("status") in job_result.STATUSES and outcome.get("dest"):
        return outcome
    return None


def _row(values: Mapping[str, Any], kept: bool) -> dict[str, Any]:
    return {
        "worker": values["worker"],
        "status": values["status"] + (", kept" if kept else ""),
        "exit": values["exit_status"],
        "seconds": values["seconds"],
        "commits": values["commits"],
        "uncommitted": None if values["commits"] is None else ("yes" if values["uncommitted"] else "no"),
        "files": len(values["files"]) if values["logs"] or values["files"] else None,
        "error": (values["error"] or "").splitlines()[0][:100] if values["error"] else "",
    }


def _message(records: Mapping[str, Mapping[str, Any]], failed: Sequence[str]) -> str:
    if not failed:
        return f"all {len(records)} workers are done"
    what = "; ".join(f"{name} ({records[name]['status']}): {records[name]['error']}" for name in failed)
    return f"{len(failed)} of {len(records)} workers failed: {what}"
