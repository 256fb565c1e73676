# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whose work something half-made is: a token that says which process is at it, and whether that process still is.

Whoever dies in the middle (a killed controller, a power cut) leaves the token behind, and the next run can tell at once that nobody is
going to complete the work. A process of another machine cannot be looked at: its token counts for a while.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
import time
from functools import cache
from pathlib import Path

# Longer than the making of anything takes, an image's download aside.
PATIENCE = 15 * 60.0

_TOKEN = re.compile(r"([0-9a-f]{8})-([0-9]+)-([0-9]+)-([0-9]+)")


@cache
def _host() -> str:
    """This machine, or this container of it: process numbers mean something only within one."""
    parts = [socket.gethostname()]
    for name in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        try:
            parts.append(os.readlink(name) if name.endswith("/pid") else Path(name).read_text(encoding="ascii").strip())
        except OSError:
            continue
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:8]


def _started(pid: int) -> int | None:
    """When a process was started, in the kernel's ticks; None when there is none. Where nothing tells, 0 for one that is alive."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        # A killed one stays listed until its parent, which may be dead as well, takes notice.
        return None if fields[0] in ("Z", "X") else int(fields[19])
    except (OSError, ValueError, IndexError):
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except OSError:
        return 0
    return 0


def token(pid: int | None = None) -> str:
    """The token of this process, or of another one of this machine: a new one each second, though they all say the same."""
    pid = os.getpid() if pid is None else pid
    return f"{_host()}-{pid}-{_started(pid) or 0}-{int(time.time())}"


def since(text: str) -> int | None:
    """When it was made, in seconds since 1970; None for a text that is no token."""
    match = _TOKEN.fullmatch(text)
    return None if match is None else int(match[4])


def is_mine(text: str) -> bool:
    """Whether this process has made it."""
    match = _TOKEN.fullmatch(text)
    return match is not None and (match[1], int(match[2]), int(match[3])) == (_host(), os.getpid(), _started(os.getpid()) or 0)


def is_elsewhere(text: str) -> bool:
    """Whether another machine has made it, whose processes cannot be looked at."""
    match = _TOKEN.fullmatch(text)
    return match is not None and match[1] != _host()


def is_over(text: str, now: float | None = None) -> bool:
    """Whether nobody is at that work any more. A token that cannot be read is nobody's."""
    match = _TOKEN.fullmatch(text)
    if match is None:
        return True
    if match[1] == _host():
        return _started(int(match[2])) != int(match[3])
    return (time.time() if now is None else now) - int(match[4]) > PATIENCE
