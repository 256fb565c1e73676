# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sets a job up and stays with it until it is over.

A job is a directory: `repository` is what the command works in, `job` what is kept about it. Whoever stays with it holds the lock
`job/lock` for as long as it lives, so that waiting for the lock is waiting for the job, and a free lock without `job/status.json`
means that somebody pulled the plug.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import tarfile
import time
from typing import Any, BinaryIO

from . import git
from .procs import Family, adopt_orphans
from .variables import REVEAL, disguised
from .wire import Channel, Failure, serve

# The login profile runs before the command, with an empty standard input that it cannot eat, and its chatter goes nowhere. Where the
# command begins the script says so: a profile that ends the shell must not pass for a command that ended.
# The variables of the run count more than those of the profile, which may read what is kept in the container.
_LOGIN = 'exec >>"$1" 2>>"$2" <"$3"; : >"$4"; shift 4' + REVEAL + 'exec -- "$@"'
_LOGIN_SH = _LOGIN.replace("exec -- ", "exec ")  # dash takes -- for the program's name


def job_directory(request: dict[str, Any]) -> str:
    return os.path.join(os.path.abspath(os.path.expanduser(request["directory"])), request["job"])


def main(request: dict[str, Any], stdin: BinaryIO) -> None:
    serve(_work, request, stdin)


def _work(channel: Channel, request: dict[str, Any], stdin: BinaryIO) -> None:
    channel.beats(request["beat"])
    place = job_directory(request)
    kept = os.path.join(place, "job")
    os.makedirs(kept, mode=0o700, exist_ok=True)
    lock = os.open(os.path.join(kept, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        channel.still()
        channel.say(answer={"started": False, "directory": place})
        return
    if os.path.exists(os.path.join(kept, "started")):
        channel.still()
        channel.say(answer={"started": False, "directory": place})
        return
    _set_up(place, kept, request, stdin)
    _leave_to_itself(place, kept, lock, request)
    channel.still()
    channel.say(answer={"started": True, "directory": place})


def _set_up(place: str, kept: str, request: dict[str, Any], stdin: BinaryIO) -> None:
    """From nothing, or from what an attempt has left that did not come to its end."""
    repository = os.path.join(place, "repository")
    shutil.rmtree(repository, ignore_errors=True)
    for name in os.listdir(kept):
        if name != "lock":
            os.unlink(os.path.join(kept, name))
    wanted = request["repository"]
    if wanted is None:
        os.makedirs(repository)
    archive = os.path.join(kept, "files.tar")
    _receive(stdin, archive, request["files"])
    if wanted is not None:
        bundle = os.path.join(kept, "received.bundle")
        _receive(stdin, bundle, wanted["size"])
        git.clone(bundle, repository, wanted)
        os.unlink(bundle)
    with tarfile.open(archive) as files:
        # Not the directories: what the job makes in them is its own work.
        names = [member.name for member in files.getmembers() if not member.isdir()]
        files.extractall(repository)
    os.unlink(archive)
    if wanted is not None:
        git.exclude(repository, names)
    with open(os.path.join(kept, "job.json"), "w") as stream:
        json.dump({"commit": wanted and wanted["commit"], "limit": request["limit"]}, stream)


def _receive(stdin: BinaryIO, path: str, size: int) -> None:
    with open(path, "wb") as target:
        left = size
        while left:
            data = stdin.read(min(left, 1 << 20))
            if not data:
                raise Failure("input", f"what was to be handed over did not arrive whole: {left} of {size} bytes are missing")
            target.write(data)
            left -= len(data)


def _leave_to_itself(place: str, kept: str, lock: int, request: dict[str, Any]) -> None:
    """A process of its own, which keeps the lock and outlives this connection."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            if os.fork() == 0:
                _let_go_of_all_but(lock, writer)
                _supervise(place, kept, request, writer)
        except BaseException as error:  # only the pipe can still tell it
            with contextlib.suppress(OSError):
                os.write(writer, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader, "rb") as stream:
        said = stream.read()
    if said != b"ok":
        raise Failure("internal", said.decode("utf-8", "replace") or "the process that was to stay with the job ended at once")


def _let_go_of_all_but(*kept: int) -> None:
    """A descriptor of the connection that stays open would keep the connection waiting for us."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in kept:
            with contextlib.suppress(OSError):
                os.close(int(name))


def _supervise(place: str, kept: str, request: dict[str, Any], ready: int) -> None:
    adopt_orphans()
    family = Family()
    clock = time.monotonic()
    status: dict[str, Any] = {"began": time.time(), "timed_out": False, "reached": True}
    _write(os.path.join(kept, "started"), {})
    os.write(ready, b"ok")
    os.close(ready)
    try:
        _spawn(family, place, kept, request)
    except OSError as error:
        # As a shell has it: 127 for what is not there, 126 for what cannot be run.
        with open(os.path.join(kept, "stderr.log"), "a") as stream:
            stream.write(f"{error.filename or request['argv'][0]}: {error.strerror}\n")
        status["status"] = 127 if isinstance(error, FileNotFoundError) else 126
    else:
        status["timed_out"] = not family.wait(None if request["limit"] is None else clock + request["limit"])
        status["status"] = 124 if status["timed_out"] else family.status
    status["seconds"] = time.monotonic() - clock
    status["left_running"] = len(family.end(request["grace"]))
    if request["login"]:
        status["reached"] = os.path.exists(os.path.join(kept, "reached"))
    _write(os.path.join(kept, "status.json"), status)


def _spawn(family: Family, place: str, kept: str, request: dict[str, Any]) -> None:
    repository = os.path.join(place, "repository")
    source = os.path.join(repository, request["stdin"]) if request["stdin"] else os.devnull
    out, err = (os.path.join(kept, name) for name in ("stdout.log", "stderr.log"))
    variables = disguised(request["environment"]) if request["login"] else request["environment"]
    options: dict[str, Any] = {"cwd": repository, "env": {**os.environ, **variables}}
    null = subprocess.DEVNULL
    with open(source, "rb") as stdin, open(out, "ab") as stdout, open(err, "ab") as stderr:
        if not request["login"]:
            family.spawn(request["argv"], stdin=stdin, stdout=stdout, stderr=stderr, **options)
            return
        shell = ["bash", "-lc", _LOGIN, "bash"] if shutil.which("bash") else ["sh", "-lc", _LOGIN_SH, "sh"]
        paths = [out, err, source, os.path.join(kept, "reached")]
        family.spawn([*shell, *paths, *request["argv"]], stdin=null, stdout=null, stderr=null, **options)


def _write(path: str, value: Any) -> None:
    """Whole or not at all."""
    with open(path + ".new", "w") as stream:
        json.dump(value, stream)
    os.replace(path + ".new", path)
