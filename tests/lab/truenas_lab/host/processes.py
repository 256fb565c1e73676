"""Processes by identity: a pid together with its start time, so that a number used again is never mistaken for ours."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .errors import HostError


@dataclass(frozen=True)
class Process:
    pid: int
    started: int  # clock ticks since boot, field 22 of /proc/PID/stat

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The process that has this number now; None: none, or a zombie."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return None
        fields = stat.rpartition(")")[2].split()  # the name before it may hold anything, blanks and brackets included
        return None if fields[0] in ("Z", "X") else cls(pid, int(fields[19]))

    @property
    def alive(self) -> bool:
        return Process.of(self.pid) == self

    def signal(self, number: int) -> None:
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


def wait_for_end(processes: Iterable[Process], seconds: float) -> list[Process]:
    """Wait until all have ended; answer those that have not."""
    waiting: dict[int, Process] = {}
    deadline = time.monotonic() + seconds
    poll = select.poll()
    try:
        for process in processes:
            try:
                descriptor = os.pidfd_open(process.pid)
            except ProcessLookupError:
                continue
            if not process.alive:
                os.close(descriptor)
                continue
            waiting[descriptor] = process
            poll.register(descriptor, select.POLLIN)
        while waiting and (left := deadline - time.monotonic()) > 0:
            for descriptor, _event in poll.poll(left * 1000):
                poll.unregister(descriptor)
                os.close(descriptor)
                del waiting[descriptor]
        return list(waiting.values())
    finally:
        for descriptor in waiting:
            os.close(descriptor)


def end(processes: Iterable[Process], *, seconds: float = 10.0, first: int = signal.SIGTERM) -> None:
    """Ask them to end; those that will not are killed."""
    targets = [process for process in processes if process.alive]
    for process in targets:
        process.signal(first)
    stubborn = wait_for_end(targets, seconds)
    for process in stubborn:
        process.signal(signal.SIGKILL)
    if left := wait_for_end(stubborn, 10):
        raise HostError(f"processes that cannot be ended: {', '.join(str(process.pid) for process in left)}")


def _words(path: str) -> list[str]:
    try:
        return Path(path).read_bytes().decode("utf-8", "replace").split("\0")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return []


def belonging_to(incus_dir: Path, programs: Iterable[str]) -> list[Process]:
    """Processes of these programs that serve this Incus directory: the daemon, its DHCP server, monitors, port forwarders.

    Only these programs: a person's shell has INCUS_DIR in its environment too, having read the lab's `env` file.
    """
    found = []
    names = set(programs)
    marks = (f"INCUS_DIR={incus_dir}",)
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            program = os.path.basename(os.readlink(entry / "exe")).removesuffix(" (deleted)")
        except OSError:
            continue  # a kernel thread, or gone
        if program not in names:
            continue
        command = " ".join(_words(f"{entry}/cmdline"))
        ours = f"{incus_dir}/" in command or any(mark in _words(f"{entry}/environ") for mark in marks)
        if ours and (process := Process.of(int(entry.name))):
            found.append(process)
    return found
