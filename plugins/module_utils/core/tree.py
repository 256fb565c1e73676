# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A tar stream from a container becomes files below a directory, and nothing else, anywhere.

The sender may be hostile. Of the tar format only what our own program writes is understood: plain files with short names, one header
each. Links, devices, directories, extended headers and sparse files are refused before a byte of them is looked at, so there is
nothing in the target to be led astray by. Modes, owners and times of the sender mean nothing.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .job_link import Lost, Refused, text

BLOCK = tarfile.BLOCKSIZE
_CHUNK = 1 << 18
_DEEPEST = 50
_MODE = 0o644


@dataclass(frozen=True)
class Limits:
    """Together, with the headers; and a log's share of it."""

    bytes: int = 256 << 20
    files: int = 5000
    log: int = 8 << 20


@dataclass(frozen=True)
class Entry:
    """A file that has arrived."""

    name: str
    size: int


def extract(read: Callable[[int], bytes], target: Path, limits: Limits, allowed: Callable[[str], bool] = lambda name: True) -> list[Entry]:
    """Write the files of the stream below `target`, which has to be there, empty, and nobody else's."""
    source = _Source(read, limits.bytes + 2 * BLOCK)
    entries: list[Entry] = []
    seen: set[str] = set()
    while True:
        header = source.exactly(BLOCK)
        if header == bytes(BLOCK):
            if source.exactly(BLOCK) != bytes(BLOCK):
                raise Refused("the container sent a damaged archive")
            return entries
        name, size = _member(header)
        if len(entries) >= limits.files:
            raise Refused(f"the container sent more than {limits.files} files")
        if not allowed(name):
            raise Refused(f"the container sent a file that nobody asked for: {text(name)}")
        if name in seen:
            raise Refused(f"the container sent a file twice: {text(name)}")
        seen.add(name)
        _save(source, target, name, size)
        entries.append(Entry(name, size))


class _Source:
    def __init__(self, read: Callable[[int], bytes], limit: int) -> None:
        self._read = read
        self._left = limit
        self._limit = limit

    def promise(self, size: int) -> None:
        """Refuse what will be too much before it comes."""
        if size > self._left:
            raise Refused(f"the container sent more than {self._limit - 2 * BLOCK} bytes")

    def some(self, size: int) -> bytes:
        self.promise(size)
        data = self._read(size)
        if not data:
            raise Lost("the connection was lost before everything had arrived")
        self._left -= len(data)
        return data

    def exactly(self, size: int) -> bytes:
        parts = []
        while size:
            data = self.some(size)
            parts.append(data)
            size -= len(data)
        return b"".join(parts)


def _member(header: bytes) -> tuple[str, int]:
    try:
        info = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        raise Refused("the container sent a damaged archive") from None
    # frombuf() takes the slash off a directory's name and says that it is one, whatever its type.
    if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or info.linkname:
        raise Refused(f"the container sent something that is no plain file: {text(info.name)}")
    if info.size < 0:
        raise Refused("the container sent a damaged archive")
    return _safe(info.name), info.size


def _safe(name: str) -> str:
    """The name as a relative path that stays below where it begins, and that a terminal can show."""
    parts = name.split("/")
    shown = text(name)
    if not name or name.startswith("/") or any(part in ("", ".", "..") for part in parts):
        raise Refused(f"the container sent a file with a path that leads elsewhere: {shown}")
    if len(parts) > _DEEPEST or any(len(os.fsencode(part)) > 255 for part in parts):
        raise Refused(f"the container sent a file with a path that is too long: {shown}")
    if any(ord(character) < 32 or ord(character) == 127 for character in name):
        raise Refused(f"the container sent a file with control characters in its path: {shown}")
    return name


def _save(source: _Source, target: Path, name: str, size: int) -> None:
    source.promise(size)
    path = target / name
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise Refused(f"the container sent a file and a directory of one name: {text(name)}") from None
    with os.fdopen(descriptor, "wb") as stream:
        left = size
        while left:
            data = source.some(min(left, _CHUNK))
            stream.write(data)
            left -= len(data)
    if size % BLOCK:
        source.exactly(BLOCK - size % BLOCK)
