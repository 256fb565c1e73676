# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The promise of the module `workload`: what a fleet is to do has been looked at as a whole, on the control node, before any of it is made.

Relative paths begin where ansible-playbook was started, as the shell that completed them did.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import expiry, job, lease, naming, repository
from .errors import CoreError, Invalid
from .exec_wrapper import CommandError, split

ARGUMENTS: dict[str, dict[str, Any]] = {
    "name": {"type": "list", "elements": "str", "required": True, "aliases": ["container"]},
    "argv": {"type": "list", "elements": "str"},
    "cmd": {"type": "str"},
    "repository": {"type": "str"},
    "version": {"type": "str"},
    "task_file": {"type": "str"},
    "files": {"type": "list", "elements": "raw", "default": []},
    "collect": {"type": "list", "elements": "str", "default": []},
    "results": {"type": "str"},
    "overwrite": {"type": "bool", "default": False},
    "vars_by_name": {"type": "dict", "default": {}},
    "containers": {"type": "list", "elements": "dict", "default": []},
    "replace": {"type": "bool", "default": False},
    "branch": {"type": "str"},
    "env": {"type": "raw", "no_log": True},
    "login": {"type": "bool", "default": True},
    "time_limit": {"type": "int", "default": 3600},
    "at_once": {"type": "str", "default": "100%"},
    **{option: job.GATHER_ARGUMENTS[option] for option in ("max_bytes", "max_files", "max_log")},
}
RULES: dict[str, Any] = {
    "mutually_exclusive": [["argv", "cmd"]],
    "required_one_of": [["argv", "cmd"]],
    "required_by": {"version": ["repository"]},
}

# Of the options of the module container those that make sense for one of many.
CONTAINER_OPTIONS = ("cpu", "environment", "from", "image", "memory", "pool", "scrub")
_OWNER = "fleet "
_KEPT = "fleet-kept"
_AT_ONCE = re.compile(r"([1-9][0-9]{0,5})(%?)")
# Beyond the time limits: for making the containers and for bringing the results home; and how long they stay when nobody destroys them.
_BESIDE, _SPARE_HOURS = 600, 24
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def run(params: Mapping[str, Any], folder: Path, controller: int, here: Path, now: datetime | None = None) -> dict[str, Any]:
    """Check everything, then make the bundle in `folder`, which somebody else removes. `controller` is the process of the playbook."""
    names = naming.expand(params["name"])
    argv = _argv(params)
    by_name = _by_name(params["vars_by_name"], names)
    files = [_file(entry, here) for entry in params["files"]]
    collect = [_pattern(entry) for entry in params["collect"]]
    task = _task(params["task_file"], here)
    expires = _work(params, by_name, len(names))
    now = now or datetime.now(UTC)
    started = now.strftime("%Y%m%d-%H%M%S")
    results = results_directory(params["results"], started, here)
    check_results(results, names, overwrite=params["overwrite"])
    leftovers = _leftovers(params["containers"], names, expiry.shown(int(now.timestamp())) or "", replace=params["replace"])
    packed = None
    if params["repository"]:
        packed = repository.pack(repository.source_of(params["repository"], here), params["version"], folder)
        if task is not None and repository.has(packed, Path(task).name):
            raise Invalid("task_file", task, f"the repository has a {Path(task).name} of its own: give the file another name")
    return {
        "changed": False,
        "names": names,
        "argv": argv,
        "job": started,
        "expires": expires,
        "owner": _OWNER + lease.token(controller),
        "leftovers": leftovers,
        "repository": None if packed is None else packed.as_dict(),
        "task_file": task,
        "task_name": None if task is None else Path(task).name,
        "files": files,
        "collect": collect,
        "results": str(results),
        "worker_vars": {name: _worker_vars(by_name.get(name, {}), number, len(names)) for number, name in enumerate(names, 1)},
        "container_vars": {
            name: found
            for name, values in by_name.items()
            if (found := {key: value for key, value in values.items() if key in CONTAINER_OPTIONS})
        },
    }


def _argv(params: Mapping[str, Any]) -> list[str]:
    try:
        argv = list(split(params["cmd"])) if params["cmd"] is not None else [str(word) for word in params["argv"]]
    except CommandError as error:
        raise CoreError(str(error)) from None
    if not argv or not argv[0]:
        raise CoreError("the command is empty: give at least the program's name")
    return argv


def _by_name(given: Mapping[str, Any], names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """With ranges spread out. What comes later overrides what came before."""
    found: dict[str, dict[str, Any]] = {}
    for pattern, values in given.items():
        if not isinstance(values, Mapping):
            raise Invalid("vars_by_name", pattern, "below each name there are variables, as in {branch: fix-1}")
        for key in values:
            if not isinstance(key, str) or not _IDENTIFIER.fullmatch(key) or key.startswith("ansible_"):
                raise Invalid("vars_by_name", key, "a variable has letters, digits and underscores, and Ansible's own are not set here")
        for name in naming.expand(pattern):
            if name not in names:
                raise Invalid("vars_by_name", name, "the fleet has no such worker")
            found.setdefault(name, {}).update(values)
    return found


def _work(params: Mapping[str, Any], by_name: Mapping[str, Mapping[str, Any]], count: int) -> str:
    """What the jobs are going to be given, checked; and how long the containers are to be kept, as the option expires has it."""
    job.limits_of(params)
    limits = []
    for given in (params, *by_name.values()):
        if given.get("branch"):
            job.branch_name(str(given["branch"]))
        if given.get("env"):
            if not isinstance(given["env"], Mapping):
                raise Invalid("env", type(given["env"]).__name__, 'it has a value for each name, as in {"MODEL": "large"}')
            job.environment_of(given["env"])
        if "time_limit" in given:
            limits.append(_seconds(given["time_limit"]))
    hours = -(-_batches(params["at_once"], count) * (max(limits) + _BESIDE) // 3600) + _SPARE_HOURS
    return f"{hours}h" if hours < 10_000 else f"{min(9999, -(-hours // 24))}d"


def _seconds(value: Any) -> int:
    if isinstance(value, bool) or not re.fullmatch("[0-9]{1,9}", str(value)):
        raise Invalid("time_limit", value, "a number of seconds")
    return job.time_limit(int(value))


def _batches(at_once: str, count: int) -> int:
    """How many groups of workers come one after another; a part of them is counted as the keyword serial does it."""
    match = _AT_ONCE.fullmatch(at_once)
    if match is None or (match[2] and int(match[1]) > 100):
        raise Invalid("at_once", at_once, "a number of workers, or a part of them, as in 25%")
    size = max(1, count * int(match[1]) // 100) if match[2] else int(match[1])
    return -(-count // size)


def _worker_vars(values: Mapping[str, Any], number: int, count: int) -> dict[str, Any]:
    return {**values, "worker_number": number, "worker_count": count}


def _path(value: str, here: Path) -> Path:
    return here / os.path.expanduser(value)


def _task(value: str | None, here: Path) -> str | None:
    if not value:
        return None
    path = _path(value, here)
    if not path.is_file() or not os.access(path, os.R_OK):
        raise Invalid("task_file", value, f"it has to be a file that can be read on the control node ({path})")
    return str(path)


def _file(entry: Any, here: Path) -> dict[str, str]:
    """{src, dest}, or a path alone: then it has the same name in the container."""
    if isinstance(entry, str):
        entry = {"src": entry, "dest": os.path.basename(os.path.normpath(entry))}
    if not isinstance(entry, Mapping) or set(entry) != {"src", "dest"}:
        raise Invalid("files", entry, "each is a path, or src and dest")
    src, dest = _path(str(entry["src"]), here), str(entry["dest"])
    if not src.exists() or not os.access(src, os.R_OK):
        raise Invalid("files", entry["src"], f"it has to be a file or a directory that can be read on the control node ({src})")
    if not _stays_below(dest):
        raise Invalid("files", dest, "dest is a path below the directory that the command works in")
    return {"src": str(src), "dest": os.path.normpath(dest)}


def _pattern(value: str) -> str:
    if not _stays_below(value):
        raise Invalid("collect", value, "it is a path or a pattern below the directory that the command works in")
    return value


def _stays_below(path: str) -> bool:
    return bool(path) and not path.startswith(("/", "~")) and ".." not in path.split("/") and path.isprintable()


def results_directory(value: str | None, started: str, here: Path) -> Path:
    return _path(value, here) if value else here / f"fleet-{started}"


def check_results(results: Path, names: Sequence[str], *, overwrite: bool) -> None:
    """Whether what the workers bring home can be put there, and nothing of an earlier run has to give way for it."""
    existing = results
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise Invalid("results", str(results), f"{existing} is no directory that can be written to")
    there = [name for name in names if (results / name).exists()]
    if there and not overwrite:
        raise Invalid(
            "results",
            str(results),
            f"it has results of {', '.join(there[:10])} already: name another directory, or let overwrite=true replace them",
        )


def _leftovers(containers: Sequence[Mapping[str, Any]], names: Sequence[str], now: str, *, replace: bool) -> list[str]:
    """Those of an earlier run that somebody pulled the plug of. Whatever else has one of our names is not ours to replace."""
    leftovers, taken = [], []
    for entry in containers:
        name, owner = str(entry.get("name")), str(entry.get("owner") or "")
        if name not in names:
            continue
        token = owner.removeprefix(_OWNER) if owner.startswith(_OWNER) else ""
        if lease.is_elsewhere(token):
            # A lease says nothing of how long a job takes: it counts until its container may go.
            if str(entry.get("expires") or "9999") <= now or (replace and lease.is_over(token)):
                leftovers.append(name)
            else:
                taken.append(f"{name} belongs to a fleet of another machine, which may be at work until {entry.get('expires')}")
        elif lease.since(token) is not None:
            if lease.is_over(token):
                leftovers.append(name)
            else:
                taken.append(f"{name} belongs to a fleet that is at work")
        elif owner == _KEPT and replace:
            leftovers.append(name)
        elif owner == _KEPT:
            taken.append(f"{name} was kept by an earlier run")
        else:
            taken.append(f"{name} exists")
    if taken:
        raise CoreError(
            f"{'; '.join(taken)}. The workers of a fleet are made new and destroyed at its end: choose other names, or destroy those"
            " (replace=true does that for kept ones, and for those of another machine)",
            existing=[entry.get("name") for entry in containers],
        )
    return leftovers
