# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The promise of the modules `job` and `gather`: a job runs in a container by itself, once, and what it leaves comes home.

Two SSH commands do it. The first hands everything over and starts the job, which from then on needs no connection. The second waits for
its end without asking for it again and again, and takes the results along; when it breaks it can be made as often as it takes.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import tarfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import job_result, repository
from .errors import CoreError, Invalid
from .exec_wrapper import CommandError, split, variable_problem
from .job_link import SILENCE, Answers, Lost, NotReached, message, remote_line, text
from .job_stream import Stream, TooLate
from .tree import Entry, Limits, extract

# The command that runs a line in the container. `fresh` asks for a connection of its own: one that is shared may be the one that broke.
Command = Callable[[str, bool], Sequence[str | bytes]]

DIRECTORY = "~/work"
GRACE = 10
# How long it may take to hand everything over, however often the other end says that it is still at it.
_HANDOVER = 3600.0
_PAUSES = (1.0, 3.0, 6.0)
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
# What git allows in the name of a branch, and a little less.
_BRANCH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/+-]{0,199}")

START_ARGUMENTS: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "directory": {"type": "str", "default": DIRECTORY},
    "argv": {"type": "list", "elements": "str"},
    "cmd": {"type": "str"},
    "environment": {"type": "dict", "default": {}, "no_log": True},
    "login": {"type": "bool", "default": True},
    "time_limit": {"type": "int", "default": 3600},
    "repository": {"type": "dict"},
    "branch": {"type": "str"},
    "author": {"type": "str"},
    "task": {"type": "str"},
    "task_name": {"type": "str", "default": "task.md"},
    "files": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"src": {"type": "path", "required": True}, "dest": {"type": "str", "required": True}},
    },
}
START_RULES: dict[str, Any] = {"mutually_exclusive": [["argv", "cmd"]], "required_one_of": [["argv", "cmd"]]}

GATHER_ARGUMENTS: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "directory": {"type": "str", "default": DIRECTORY},
    "dest": {"type": "path", "required": True},
    "worker": {"type": "str"},
    "collect": {"type": "list", "elements": "str", "default": []},
    "repository": {"type": "dict"},
    "timeout": {"type": "int"},
    "max_bytes": {"type": "int", "default": Limits.bytes},
    "max_files": {"type": "int", "default": Limits.files},
    "max_log": {"type": "int", "default": Limits.log},
    "overwrite": {"type": "bool", "default": False},
}


@dataclass(frozen=True)
class Reach:
    """How the container is reached, and with which Python."""

    command: Command
    python: str
    silence: float = SILENCE
    pauses: Sequence[float] = _PAUSES


def identifier(value: str) -> str:
    if not _IDENTIFIER.fullmatch(value):
        raise Invalid("name", value, "a job's name has 1 to 63 letters, digits, dots, underscores and inner hyphens")
    return value


def start(params: Mapping[str, Any], reach: Reach, worker: str) -> dict[str, Any]:
    """Hand the job over and start it; one of that name that is there already is left alone."""
    files = _archive(params)
    packed = params["repository"]
    request: dict[str, Any] = {
        "job": identifier(params["name"]),
        "directory": params["directory"],
        "argv": _argv(params),
        "environment": environment_of(params["environment"]),
        "login": params["login"],
        "limit": time_limit(params["time_limit"]),
        "grace": GRACE,
        "stdin": params["task_name"] if params["task"] else None,
        "files": len(files),
        "repository": None,
    }
    feed: list[bytes | Path] = [files]
    if packed:
        bundle = Path(str(packed["bundle"]))
        author = params["author"] or worker
        request["repository"] = {
            "size": bundle.stat().st_size,
            "ref": packed["ref"],
            "commit": packed["commit"],
            "origin": packed.get("origin"),
            "branch": branch_name(params["branch"] or worker),
            "author": {"name": author, "email": f"{worker}@localhost"},
        }
        feed.append(bundle)
    sent = message("start", request)
    until = time.monotonic() + _HANDOVER
    with Stream(reach.command(remote_line(reach.python), False), [sent.data, *feed], reach.silence, until) as stream:
        answers = Answers(stream.read_line, sent.marker, stream.why)
        answers.begin()
        answer = answers.next().get("answer")
    if not isinstance(answer, Mapping):
        raise CoreError("the container sent an answer that is none")
    return {"changed": answer.get("started") is True, "job": params["name"], "directory": text(answer.get("directory"), 4096)}


def _argv(params: Mapping[str, Any]) -> list[str]:
    try:
        argv = list(split(params["cmd"])) if params["cmd"] is not None else list(params["argv"])
    except CommandError as error:
        raise CoreError(str(error)) from None
    if not argv or not argv[0] or any("\0" in word for word in argv):
        raise CoreError("the command is empty, or has NUL characters in it")
    return argv


def environment_of(values: Mapping[str, Any]) -> dict[str, str]:
    found = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in values.items()}
    for name, value in found.items():
        problem = variable_problem(name, value)
        if problem:
            raise CoreError(f"environment: {problem}")
    return found


def time_limit(value: int) -> int:
    if value < 1:
        raise Invalid("time_limit", value, "at least 1 second")
    return value


def branch_name(value: str) -> str:
    if not _BRANCH.fullmatch(value) or ".." in value or "//" in value or value.endswith(("/", ".", ".lock")):
        raise Invalid("branch", value, "it is the name of a git branch, of letters, digits and - . _ + /")
    return value


def _below(name: str, option: str) -> str:
    if not name or name.startswith(("/", "~")) or ".." in name.split("/"):
        raise Invalid(option, name, "it is a path below the directory that the command works in")
    return name


def _archive(params: Mapping[str, Any]) -> bytes:
    """The task and the files, as the container unpacks them. They are the user's own, and go the other way: from here to there."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for entry in params["files"]:
            if not entry.get("src") or not entry.get("dest"):
                raise Invalid("files", entry, "each has src and dest")
            try:
                # Where a link leads to on this machine means nothing in the container.
                archive.add(os.path.realpath(entry["src"]), _below(entry["dest"], "files"), filter=_nobodys)
            except OSError as error:
                raise CoreError(f"files: {entry['src']} cannot be read on the control node: {error.strerror}") from None
        if params["task"]:
            data = params["task"].encode("utf-8", "surrogateescape")
            info = _nobodys(tarfile.TarInfo(_below(params["task_name"], "task_name")))
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return target.getvalue()


def _nobodys(info: tarfile.TarInfo) -> tarfile.TarInfo:
    """Nobody's on this machine is anybody's in the container."""
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    return info


def limits_of(params: Mapping[str, Any]) -> Limits:
    for option in ("max_bytes", "max_files", "max_log"):
        if params[option] < 1:
            raise Invalid(option, params[option], "at least 1")
    return Limits(params["max_bytes"], params["max_files"], params["max_log"])


def gather(params: Mapping[str, Any], reach: Reach, worker: str) -> dict[str, Any]:
    """Wait for the end of the job and bring home what it has left. The record of what became of it lies with that, whatever it is."""
    job, limits = identifier(params["name"]), limits_of(params)
    packed = params["repository"] or {}
    dest = Path(params["dest"])
    deadline = None if params["timeout"] is None else time.monotonic() + params["timeout"]
    request = {
        "job": job,
        "directory": params["directory"],
        "collect": [_below(pattern, "collect") for pattern in params["collect"]],
        "limits": {"bytes": limits.bytes, "files": limits.files, "log": limits.log},
    }
    with job_result.folder(dest.parent, dest.name, overwrite=params["overwrite"]) as place:
        verified = None
        try:
            said, entries = _persist(request, reach, place, limits, deadline)
            if packed and (place / job_result.BUNDLE).is_file():
                verified = repository.verify(place / job_result.BUNDLE, Path(str(packed["repository"])))
            result = job_result.of_job(worker, job, said, entries, packed.get("commit"), verified)
        except CoreError as error:
            status = job_result.LOST if isinstance(error, (NotReached, Lost)) else job_result.FAILED
            result = job_result.record(worker, status, str(error), job=job, commit_before=packed.get("commit"))
        job_result.save(place, result)
    return {**result, "changed": True, "dest": str(dest)}


def _persist(
    request: Mapping[str, Any], reach: Reach, place: Path, limits: Limits, deadline: float | None
) -> tuple[Mapping[str, Any], list[Entry]]:
    """A connection that breaks is made again. A container that is gone, or no more to be reached, is so a few times in a row."""
    missed = 0
    while True:
        began = time.monotonic()
        try:
            return _fetch(request, reach, place, limits, deadline, fresh=missed > 0)
        except TooLate:
            raise
        except (NotReached, Lost):
            # One that had lasted was one that worked: the count begins anew.
            missed = 1 if time.monotonic() - began > 2 * reach.silence else missed + 1
            if missed > len(reach.pauses) or (deadline is not None and time.monotonic() >= deadline):
                raise
        time.sleep(reach.pauses[missed - 1])


def _fetch(
    request: Mapping[str, Any], reach: Reach, place: Path, limits: Limits, deadline: float | None, *, fresh: bool
) -> tuple[Mapping[str, Any], list[Entry]]:
    _empty(place)
    sent = message("gather", request)
    with Stream(reach.command(remote_line(reach.python), fresh), [sent.data], reach.silence, deadline) as stream:
        answers = Answers(stream.read_line, sent.marker, stream.why)
        answers.begin()
        said = answers.next().get("result")
        if not isinstance(said, Mapping):
            raise CoreError("the container sent a result that is none")
        entries = extract(stream.read, place, limits, job_result.expected)
        if answers.next().get("end") is not True:
            raise CoreError("the container sent more than was agreed upon")
    return said, entries


def _empty(place: Path) -> None:
    """What an attempt has left that did not come to its end."""
    for entry in place.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
