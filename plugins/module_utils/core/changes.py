# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When this machine last changed something on an appliance, so that what was remembered before that is not believed any more.

An empty file for each appliance, whose time is the answer. Caches need not be known, and none is searched for.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .context import Context
from .paths import private_dir, state_dir


def note(ctx: Context, result: Mapping[str, Any]) -> None:
    """After a task: it may have changed something, if only a part of it before it failed."""
    if ctx.check_mode or not ctx.reached or not (result.get("changed") or result.get("failed")):
        return
    with contextlib.suppress(OSError):
        # What cannot be noted is no reason to fail what was done; caches have their own time limit.
        mark(ctx.endpoint.url)


def mark(url: str) -> None:
    """Now."""
    file = _file(url)
    private_dir(file.parent)
    file.touch(mode=0o600)
    # The kernel's time of files is a few milliseconds behind the clock that readers compare it with.
    now = time.time_ns()
    os.utime(file, ns=(now, now))


def last(url: str) -> float:
    """Seconds since 1970; 0 for never."""
    try:
        return _file(url).stat().st_mtime
    except OSError:
        return 0.0


def _file(url: str) -> Path:
    return state_dir() / "changes" / hashlib.sha256(url.encode()).hexdigest()[:16]
