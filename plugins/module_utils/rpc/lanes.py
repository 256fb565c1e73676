# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Not too many jobs at once for one and the same object.

The appliance queues five behind the lock of an instance and throws the sixth call away. Rather than to find that out and call again, those
of one session line up here, and leave room for others.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterator

_AT_ONCE = 4


class Lanes:
    """A lane for each object that has jobs."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._taken: Counter[str] = Counter()

    @contextlib.contextmanager
    def turn(self, name: str | None, seconds: float) -> Iterator[bool]:
        """Wait for a turn; False if there was none in time. A job about nothing in particular need not wait."""
        if name is None:
            yield True
            return
        until = time.monotonic() + seconds
        with self._changed:
            while self._taken[name] >= _AT_ONCE:
                if not self._changed.wait(until - time.monotonic()) and time.monotonic() >= until:
                    break
            free = self._taken[name] < _AT_ONCE
            if free:
                self._taken[name] += 1
        try:
            yield free
        finally:
            if free:
                with self._changed:
                    self._taken[name] -= 1
                    if not self._taken[name]:
                        del self._taken[name]
                    self._changed.notify_all()
