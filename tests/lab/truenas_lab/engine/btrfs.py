"""Subvolumes: what the kernel tells of them, and the few things that are done to them."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..host.errors import HostError
from ..host.run import run

_ROOT_INODE = 256  # of every subvolume
_INFO = 0x81F8943C  # BTRFS_IOC_GET_SUBVOL_INFO
_INFO_SIZE = 504
_UUID, _PARENT_UUID = slice(296, 312), slice(312, 328)
_LINE = re.compile(r"ID (\d+) gen \d+ top level \d+ path (.+)")
_QGROUP = re.compile(r"0/(\d+)\s+(\d+)\s+(\d+)")


@dataclass(frozen=True)
class Subvolume:
    uuid: str
    parent_uuid: str  # of what it is a snapshot of; empty: of nothing


def look(path: Path) -> Subvolume | None:
    """None: there is no subvolume at this place."""
    try:
        if path.lstat().st_ino != _ROOT_INODE or path.is_symlink():
            return None
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    data = bytearray(_INFO_SIZE)
    try:
        fcntl.ioctl(descriptor, _INFO, data)
    except FileNotFoundError:  # removed since it was opened, by Incus perhaps, which does so when it likes
        return None
    finally:
        os.close(descriptor)
    parent = bytes(data[_PARENT_UUID])
    return Subvolume(str(uuid.UUID(bytes=bytes(data[_UUID]))), str(uuid.UUID(bytes=parent)) if any(parent) else "")


def _nested(path: Path) -> list[Path]:
    """Subvolumes inside one, outermost first; a container may well make some."""
    found: list[Path] = []
    for line in run(["btrfs", "subvolume", "list", "-o", str(path)]).splitlines():
        match = _LINE.fullmatch(line.strip())
        if match is None:
            continue
        # It is told from the top of the file system, wherever that is mounted.
        own = next(name for name in (str(path.relative_to(top)) for top in reversed(path.parents)) if match[2].startswith(f"{name}/"))
        inner = path / match[2].removeprefix(f"{own}/")
        found += [inner, *_nested(inner)]
    return found


def clear_place(path: Path) -> None:
    """Remove a subvolume with all inside it, or the plain directory that Incus left where one was."""
    if look(path) is not None:
        inside = _nested(path)
        for outer in [path, *inside] if inside else []:
            run(["btrfs", "property", "set", "-ts", str(outer), "ro", "false"])  # or nothing can be taken out of it
        for inner in inside[::-1]:
            run(["btrfs", "subvolume", "delete", str(inner)])
        run(["btrfs", "subvolume", "delete", str(path)])
    elif path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        with suppress(FileNotFoundError):
            path.unlink()


def copy(source: Path, target: Path, *, readonly: bool) -> None:
    """A snapshot; with what is nested in its source, which btrfs leaves out."""
    nested = _nested(source)
    run(["btrfs", "subvolume", "snapshot", *(["-r"] if readonly and not nested else []), str(source), str(target)])
    if not nested:
        return
    for inner in nested:
        place = target / inner.relative_to(source)
        clear_place(place)  # a snapshot has an empty directory there
        run(["btrfs", "subvolume", "snapshot", str(inner), str(place)])
    if readonly:
        for place in (*(target / inner.relative_to(source) for inner in nested), target):
            run(["btrfs", "property", "set", "-ts", str(place), "ro", "true"])


def create(path: Path) -> None:
    run(["btrfs", "subvolume", "create", str(path)])


def measure(top: Path) -> dict[str, tuple[int, int]]:
    """Bytes that each subvolume refers to, and bytes that nothing else does, by path.

    The kernel counts both while quotas are on, and that costs everything that writes. So they are on for a moment only: one pass
    over the whole file system, a tenth of a second for a few containers, whatever their number.
    """
    names: dict[str, str] = {}
    with suppress(HostError):  # on already: a measurement was killed
        run(["btrfs", "quota", "enable", str(top)])
    try:
        run(["btrfs", "quota", "rescan", "-w", str(top)])
        counted = run(["btrfs", "qgroup", "show", "--raw", "--sync", str(top)])
        for line in run(["btrfs", "subvolume", "list", str(top)]).splitlines():
            if match := _LINE.fullmatch(line.strip()):
                names[match[1]] = match[2]
    finally:
        run(["btrfs", "quota", "disable", str(top)])
    found = {}
    for line in counted.splitlines():
        match = _QGROUP.match(line.strip())
        if match and match[1] in names:
            found[names[match[1]]] = (int(match[2]), int(match[3]))
    return found
