# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Unpacks an archive of a tool and takes nothing from it that could reach outside of its directory.

What is not a plain file, a directory or a link that stays inside refuses the whole archive: half of a tool is none.
"""

from __future__ import annotations

import os
import posixpath
import stat
import tarfile
from collections.abc import Callable

from .egress_machine import Failed

_CHUNK = 1 << 20
MOST_MEMBERS = 200_000
MOST_BYTES = 8 << 30


class Refused(Failed):
    """The archive has something in it that a tool's has no need of."""


def unpack(archive: str, folder: str, pause: Callable[[], None] = lambda: None) -> None:
    """`folder` is empty. `pause` is called between pieces, and may raise."""
    links: list[tuple[str, str]] = []
    members = total = 0
    try:
        # As a stream: an index of it would need memory for each member.
        with tarfile.open(archive, "r|*") as source:
            for member in source:
                members, total = members + 1, total + max(0, member.size)
                if members > MOST_MEMBERS or total > MOST_BYTES:
                    raise Refused(f"the archive has more than {MOST_MEMBERS} members or {MOST_BYTES >> 30} GiB")
                pause()
                _member(source, member, folder, links, pause)
                # tarfile keeps every member that it has seen.
                source.members = []  # type: ignore[attr-defined]
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise Refused(f"the archive cannot be read: {error}") from error
    for name, target in links:
        path = os.path.join(folder, name)
        _parents(folder, name)
        if os.path.lexists(path):
            raise Refused(f"the archive has {name!r} twice")
        os.symlink(target, path)


def _member(source: tarfile.TarFile, member: tarfile.TarInfo, folder: str, links: list[tuple[str, str]], pause: Callable[[], None]) -> None:
    name = inside_name(member.name)
    if member.isdir():
        _parents(folder, posixpath.join(name, "x") if name else "x")
        return
    if not name:
        raise Refused(f"the archive has a member without a name: {member.name!r}")
    if member.issym():
        links.append((name, _inside_target(name, member.linkname)))
        return
    _parents(folder, name)
    path = os.path.join(folder, name)
    if member.islnk():
        other = os.path.join(folder, inside_name(member.linkname))
        if not _is_plain(other):
            raise Refused(f"the archive has a link to what is not in it: {member.name!r} to {member.linkname!r}")
        os.link(other, path)
        return
    content = source.extractfile(member) if member.isfile() else None
    if content is None:
        raise Refused(f"the archive has a member that is neither file, directory nor link: {member.name!r}")
    mode = 0o755 if member.mode & 0o111 else 0o644
    try:
        target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    except FileExistsError:
        raise Refused(f"the archive has {member.name!r} twice") from None
    with os.fdopen(target, "wb") as stream:
        os.fchmod(stream.fileno(), mode)
        left = member.size
        while left:
            data = content.read(min(_CHUNK, left))
            if not data:
                raise Refused(f"the archive ends within {member.name!r}")
            stream.write(data)
            left -= len(data)
            pause()


def inside_name(name: str) -> str:
    """A member's name as a path below the directory, "" for the directory itself."""
    if not name or "\0" in name or name.startswith("/") or ".." in name.split("/"):
        raise Refused(f"the archive has a member with a path that leads out of it: {name!r}")
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def _inside_target(name: str, target: str) -> str:
    parts = target.split("/")
    # Up first and then down: going up after a name that is a link itself ends elsewhere than it looks.
    ups = [position for position, part in enumerate(parts) if part == ".."]
    if not target or target.startswith("/") or "\0" in target or ups != list(range(len(ups))):
        raise Refused(f"the archive has a link that leads out of it: {name!r} to {target!r}")
    # One level is kept free: everything may lie in one directory, which is taken away.
    top = name.split("/")[0] if "/" in name else ""
    found = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
    if found == ".." or found.startswith("../") or (top and found != top and not found.startswith(top + "/")):
        raise Refused(f"the archive has a link that leads out of it: {name!r} to {target!r}")
    return target


def _parents(folder: str, name: str) -> None:
    """The directories above a member, none of them by way of a link or a file."""
    path = folder
    for part in name.split("/")[:-1]:
        path = os.path.join(path, part)
        try:
            os.mkdir(path, 0o755)
            os.chmod(path, 0o755)
        except FileExistsError:
            if not stat.S_ISDIR(os.lstat(path).st_mode):
                raise Refused(f"the archive has {name!r} below what is no directory") from None


def _is_plain(path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def top_of(folder: str) -> str:
    """Where the tool itself begins: in the one directory that everything lies in, if that is so."""
    entries = os.listdir(folder)
    only = os.path.join(folder, entries[0]) if len(entries) == 1 else ""
    return only if only and stat.S_ISDIR(os.lstat(only).st_mode) else folder
