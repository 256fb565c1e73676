# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Several containers in one task: some at once, one result each, and a failure of one is nobody else's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from .apply import Watch
from .errors import describe

if TYPE_CHECKING:
    from ..rpc.api import Progress

T = TypeVar("T")

# What takes longer than this is worth a line, and another one each time this much more has gone by. Of a fleet each member that is through
# gets a line anyway, so one that is at work has longer.
FIRST_LINE, FIRST_OF_FLEET, NEXT_LINE = 3.0, 10.0, 15.0


class Herald:
    """Says what takes long. The work tells it what it is doing; a thread looks once a second for what has been going on too long.

    `fleet` is how many containers the task is at work on.
    """

    def __init__(self, show: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._show = show
        self._clock = clock
        self.fleet = 1
        self._through = 0
        self._began = clock()
        self._doing: dict[str, tuple[str, float]] = {}
        self._due: dict[str, float] = {}
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, name="herald", daemon=True)

    def __enter__(self) -> Herald:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._end.set()
        self._thread.join(timeout=2)

    def doing(self, name: str, text: str) -> None:
        with self._lock:
            before = self._doing.get(name)
            if before is None or before[0] != text:
                now = self._clock()
                # Progress in a step that was announced already does not start the wait anew.
                kept = before is not None and before[0].split(":")[0] == text.split(":")[0]
                self._doing[name] = (text, before[1] if kept and before is not None else now)
                if not kept:
                    self._due[name] = now + (FIRST_LINE if self.fleet <= 1 else FIRST_OF_FLEET)

    def through(self, name: str, what: str) -> None:
        """One of a fleet is through. A fleet that is ready at once needs no telling."""
        with self._lock:
            self._through += 1
            line = f"{name}: {what} ({self._through} of {self.fleet})"
            worth = self.fleet > 1 and self._clock() - self._began >= FIRST_LINE
        if worth:
            self._show(line)

    def done(self, name: str) -> None:
        with self._lock:
            self._doing.pop(name, None)
            self._due.pop(name, None)

    def look(self) -> None:
        """Show what is due."""
        lines = []
        with self._lock:
            now = self._clock()
            for name, (text, since) in self._doing.items():
                if now >= self._due[name]:
                    self._due[name] = now + NEXT_LINE
                    lines.append(f"{name}: {text} ({now - since:.0f} s)")
        for line in lines:
            self._show(line)

    def _look(self) -> None:
        while not self._end.wait(1.0):
            self.look()

    def watch(self, name: str, cancelled: threading.Event) -> Watch:
        last = [""]

        def doing(text: str) -> None:
            last[0] = text
            self.doing(name, text)

        def on_progress(progress: Progress) -> None:
            parts = [part for part in (f"{progress.percent}%" if progress.percent else "", progress.description) if part]
            if parts:
                self.doing(name, f"{last[0]}: {' '.join(parts)}")

        return Watch(doing=doing, on_progress=on_progress, cancelled=cancelled)


def in_parallel(names: Iterable[str], work: Callable[[str], T], concurrency: int, cancelled: threading.Event) -> dict[str, T | Exception]:
    """The work for each name, so many at a time: its result, or its exception. An interrupt ends them all."""
    order = list(names)
    pool = ThreadPoolExecutor(max_workers=max(1, min(concurrency, len(order) or 1)), thread_name_prefix="container")
    results: dict[str, T | Exception] = {}
    try:
        futures = {name: pool.submit(work, name) for name in order}
        for name, future in futures.items():
            try:
                results[name] = future.result()
            except Exception as error:
                results[name] = error
    except BaseException:
        cancelled.set()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown(wait=True)
    return results


def collect(entries: list[dict[str, Any]], **extra: Any) -> dict[str, Any]:
    """The result of the task from those of its containers."""
    failed = [entry for entry in entries if entry.get("failed")]
    result: dict[str, Any] = {"changed": any(entry.get("changed") for entry in entries), "containers": entries, **extra}
    if len(entries) == 1:
        result["container"] = entries[0]
    if failed:
        result["failed"] = True
        if len(entries) == 1:
            result["msg"] = failed[0]["msg"]
            result["error"] = failed[0].get("error")
        else:
            what = "; ".join(_named(entry) for entry in failed)
            result["msg"] = f"{len(failed)} of {len(entries)} containers failed: {what}"
    return result


def _named(entry: dict[str, Any]) -> str:
    """What went wrong, and with which; many a message begins with the name already."""
    name, message = str(entry["name"]), str(entry["msg"])
    return message if message.startswith((f"{name}:", f"{entry.get('instance')}:")) else f"{name}: {message}"


def failure(name: str, instance: str, error: Exception) -> dict[str, Any]:
    """The entry of a container that failed: what went wrong, and what had been done until then."""
    actions = list(getattr(error, "actions", []))
    return {"name": name, "instance": instance, "changed": bool(actions), "actions": actions, **describe(error)}
