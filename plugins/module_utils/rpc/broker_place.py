# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a shared session is found, and the proof that both ends are the same user's."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import stat
import struct
from pathlib import Path

from .endpoint import Endpoint

# sun_path holds 108 bytes with its final zero.
_LONGEST = 107


class NoPlace(Exception):
    """There is no directory that only we can use."""


def directory() -> Path:
    """A directory of ours alone: below the run-time directory of the login session, else below /tmp."""
    uid = os.geteuid()
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    places = [Path(runtime) / "pixels"] if runtime and os.path.isabs(runtime) else []
    places.append(Path(f"/tmp/pixels-{uid}"))
    reason = ""
    for place in places:
        # 16 characters of key and `.sock` follow.
        if len(os.fsencode(place)) + 22 > _LONGEST:
            reason = f"{place} is too long for a socket"
            continue
        try:
            _make(place, uid)
            return place
        except (OSError, NoPlace) as error:
            reason = str(error)
    raise NoPlace(reason)


def _make(place: Path, uid: int) -> None:
    with contextlib.suppress(FileExistsError):
        place.mkdir(mode=0o700)
    found = place.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise NoPlace(f"{place} is not a directory")
    if found.st_uid != uid:
        raise NoPlace(f"{place} belongs to another user")
    if found.st_mode & 0o077:
        raise NoPlace(f"{place} is open to others (mode {stat.S_IMODE(found.st_mode):o}, it has to be 700)")


def key_of(endpoint: Endpoint, controller_pid: int) -> str:
    """Sessions are the same when appliance, account, TLS settings and controller are; a pid alone may come back."""
    parts = [*endpoint.fingerprint(), str(controller_pid), str(start_time(controller_pid))]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def start_time(pid: int) -> int:
    """When a process began, in the kernel's ticks; 0 where the kernel does not tell."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        # The name in parentheses may hold anything, spaces and parentheses too.
        return int(text.rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0


def same_user(sock: socket.socket) -> bool:
    """Whether the process at the other end is ours; where the kernel does not tell, the directory's mode has to do."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return True
    _pid, uid, _gid = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("3i")))
    return uid == os.geteuid()
