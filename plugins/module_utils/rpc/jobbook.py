# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the appliance has told of its jobs, newest word for each, for those who wait for one.

The event that a job was added comes before the answer that tells its id, and the last event of a short one may too: the words about
jobs that nobody has asked for yet are kept for a while.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict
from typing import Any

_KEPT = 512


class JobBook:
    """One a session. `epoch` counts the lost connections: whoever waits has to look for himself after one."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._records: OrderedDict[int, tuple[int, dict[str, Any]]] = OrderedDict()
        self._watched: Counter[int] = Counter()
        self._claimed: set[int] = set()
        self._version = 0
        self.epoch = 0
        self.highest = 0

    def on_event(self, message: dict[str, Any]) -> None:
        """A message without id from the appliance."""
        params = message.get("params")
        if message.get("method") != "collection_update" or not isinstance(params, dict) or params.get("collection") != "core.get_jobs":
            return
        fields = params.get("fields")
        if isinstance(fields, dict) and isinstance(fields.get("id"), int) and isinstance(fields.get("state"), str):
            self.add(fields)

    def add(self, record: dict[str, Any]) -> None:
        with self._changed:
            self._version += 1
            job_id = record["id"]
            self.highest = max(self.highest, job_id)
            self._records[job_id] = (self._version, record)
            self._records.move_to_end(job_id)
            if len(self._records) > _KEPT:
                for old in [key for key in self._records if key not in self._watched][: len(self._records) - _KEPT]:
                    del self._records[old]
            self._changed.notify_all()

    def saw(self, job_id: int) -> None:
        """An id that was met elsewhere."""
        with self._changed:
            self.highest = max(self.highest, job_id)

    def connection_lost(self) -> None:
        """Events may have been missed, and after a restart of the appliance the same ids mean other jobs."""
        with self._changed:
            self.epoch += 1
            self.highest = 0
            self._records.clear()
            self._changed.notify_all()

    def poke(self) -> None:
        """Let everyone who waits look up."""
        with self._changed:
            self._changed.notify_all()

    def watch(self, job_id: int) -> None:
        with self._changed:
            self._watched[job_id] += 1

    def release(self, job_id: int) -> None:
        with self._changed:
            self._watched[job_id] -= 1
            if self._watched[job_id] <= 0:
                del self._watched[job_id]

    def claim(self, job_id: int) -> bool:
        """Take a job found after a lost connection for one of our calls; no other call may take it too."""
        with self._changed:
            if job_id in self._claimed:
                return False
            self._claimed.add(job_id)
            return True

    def by_message_id(self, request_id: str) -> dict[str, Any] | None:
        """The job that this request has made, as far as events tell."""
        with self._changed:
            for _version, record in reversed(self._records.values()):
                if request_id in (record.get("message_ids") or []):
                    return record
            return None

    def wait(
        self, job_id: int, after: int, epoch: int, timeout: float, stop: threading.Event | None = None
    ) -> tuple[int, dict[str, Any] | None]:
        """The next word about a job after version `after`; none after the time-out, a lost connection, or when `stop` is set."""
        until = time.monotonic() + timeout
        with self._changed:
            while True:
                version, record = self._records.get(job_id, (0, None))
                if record is not None and version > after:
                    return version, record
                left = until - time.monotonic()
                if left <= 0 or self.epoch != epoch or (stop is not None and stop.is_set()):
                    return after, None
                self._changed.wait(left)
