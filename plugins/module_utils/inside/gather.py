# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waits for a job to end and sends home what it has left: how it ended, as a line, and one tar stream of plain files."""

from __future__ import annotations

import fcntl
import glob
import json
import os
import stat
import subprocess
import tarfile
from typing import Any, BinaryIO

from . import git
from .start import job_directory
from .wire import Channel, Failure, serve

_BLOCK = 512
_NOTES = 50


def main(request: dict[str, Any], stdin: BinaryIO) -> None:
    serve(_work, request, stdin)


def _work(channel: Channel, request: dict[str, Any], _stdin: BinaryIO) -> None:
    channel.beats(request["beat"])
    place = job_directory(request)
    kept = os.path.join(place, "job")
    try:
        lock = os.open(os.path.join(kept, "lock"), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        raise Failure("no_job", f"there is no job {request['job']} in {request['directory']} of the container") from None
    # Whoever stays with the job has it until the job is over, or until he is no more.
    fcntl.flock(lock, fcntl.LOCK_SH)
    job = _json(os.path.join(kept, "job.json"))
    status = _json(os.path.join(kept, "status.json"))
    if job is None:
        raise Failure("no_job", f"the job {request['job']} was never set up in the container")
    if status is None:
        started = os.path.exists(os.path.join(kept, "started"))
        status = {"interrupted": True} if started else {"never_started": True}
    pack = _Pack(request["limits"])
    repository = os.path.join(place, "repository")
    for name in ("stdout.log", "stderr.log"):
        pack.log(os.path.join(kept, name), name)
    worked = None
    if job["commit"] and os.path.isdir(os.path.join(repository, ".git")):
        worked = _repository(repository, kept, job["commit"], pack, request["limits"])
    for pattern in request["collect"]:
        pack.pattern(repository, pattern)
    channel.still()
    channel.say(result={"status": status, "git": worked, "left_out": pack.left_out(), "cut": pack.cut})
    pack.send(channel.stream)
    channel.say(end=True)


def _json(path: str) -> Any:
    try:
        with open(path) as stream:
            return json.load(stream)
    except (OSError, ValueError):
        return None


def _repository(repository: str, kept: str, commit: str, pack: _Pack, limits: dict[str, int]) -> dict[str, Any] | None:
    target = os.path.join(kept, "repository.bundle")
    try:
        uncommitted = git.keep_uncommitted(repository, os.path.join(kept, "index"), limits["bytes"], pack.notes)
        worked = {**git.look(repository, commit), "uncommitted": uncommitted}
        if git.bundle(repository, commit, target, pack.notes):
            pack.add(target, "repository.bundle")
    except (OSError, subprocess.SubprocessError) as error:
        pack.notes.append(f"the repository: {error}")
        return None
    return worked


class _Pack:
    """What is to be sent, within the limits that the control node will hold us to."""

    def __init__(self, limits: dict[str, int]) -> None:
        self.limits = limits
        self.members: list[tuple[str, str, int, int]] = []  # path, name, where it begins, how long it is
        self.notes: list[str] = []
        self.cut: list[str] = []
        self.bytes = 0
        self._names: set[str] = set()

    def left_out(self) -> list[str]:
        """What is missing, as a list that somebody can read."""
        more = len(self.notes) - _NOTES
        return self.notes if more <= 0 else [*self.notes[:_NOTES], f"and {more} more"]

    def log(self, path: str, name: str) -> None:
        """A log, or its end: what an agent says last says most."""
        try:
            size = os.lstat(path).st_size
        except OSError:
            return
        length = min(size, self.limits["log"])
        if length < size:
            self.cut.append(name)
        self.add(path, name, size - length, length)

    def add(self, path: str, name: str, start: int = 0, length: int | None = None) -> None:
        if name in self._names:
            return
        found = os.lstat(path)
        if not stat.S_ISREG(found.st_mode):
            self.notes.append(f"{name}: it is no regular file")
            return
        size = found.st_size if length is None else length
        taken = _BLOCK + -(-size // _BLOCK) * _BLOCK
        if len(self.members) >= self.limits["files"]:
            self.notes.append(f"{name}: {self.limits['files']} files are the most")
        elif self.bytes + taken > self.limits["bytes"]:
            self.notes.append(f"{name}: {size} bytes are more than what is left of the limit of {self.limits['bytes']}")
        elif not _fits(name):
            self.notes.append(f"{name}: its path is too long")
        else:
            self._names.add(name)
            self.members.append((path, name, start, size))
            self.bytes += taken

    def pattern(self, repository: str, pattern: str) -> None:
        found = sorted(glob.glob(os.path.join(glob.escape(repository), pattern), recursive=True))
        if not found:
            self.notes.append(f"{pattern}: there is no such file")
        for path in found:
            if os.path.isdir(path) and not os.path.islink(path):
                for folder, folders, files in os.walk(path):
                    folders[:] = sorted(name for name in folders if name != ".git")
                    for name in sorted(files):
                        self._collected(repository, os.path.join(folder, name))
            else:
                self._collected(repository, path)

    def _collected(self, repository: str, path: str) -> None:
        name = os.path.normpath(os.path.relpath(path, repository))
        # A link to a folder on the way would lead to files that have another place, or are none of the job's.
        if os.path.realpath(os.path.dirname(path)) != os.path.normpath(os.path.join(os.path.realpath(repository), os.path.dirname(name))):
            self.notes.append(f"{name}: a symbolic link leads there")
        elif name.split(os.sep)[0] != ".git":
            self.add(path, "files/" + name)

    def send(self, stream: BinaryIO) -> None:
        for path, name, start, size in self.members:
            info = _info(name)
            info.size = size
            stream.write(info.tobuf(tarfile.USTAR_FORMAT, "utf-8", "surrogateescape"))
            _copy(path, start, size, stream)
        stream.write(bytes(2 * _BLOCK))
        stream.flush()


def _info(name: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.mode = 0o644
    return info


def _fits(name: str) -> bool:
    try:
        _info(name).tobuf(tarfile.USTAR_FORMAT, "utf-8", "surrogateescape")
    except ValueError:
        return False
    return True


def _copy(path: str, start: int, size: int, stream: BinaryIO) -> None:
    """As many bytes as were promised, whatever has become of the file."""
    left = size
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        descriptor = -1
    if descriptor >= 0:
        with os.fdopen(descriptor, "rb") as source:
            source.seek(start)
            while left:
                data = source.read(min(left, 1 << 20))
                if not data:
                    break
                stream.write(data)
                left -= len(data)
    for _block in range(left >> 20):
        stream.write(bytes(1 << 20))
    stream.write(bytes(left % (1 << 20)))
    stream.write(bytes(-size % _BLOCK))
