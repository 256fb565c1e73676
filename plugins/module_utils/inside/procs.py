# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The processes that a command has started, all of them: also those that made a session of their own, or whose parents are gone."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time

_PR_SET_CHILD_SUBREAPER = 36
# How often what is left is looked for and killed; each round ends what the last one has given birth to.
_ROUNDS = 20
_ROUND = 0.2


def adopt_orphans() -> bool:
    """Whoever loses its parent below us becomes our child, so that nobody gets out of sight."""
    try:
        import ctypes

        return ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    except (ImportError, OSError, AttributeError):
        return False


def _parents() -> dict[int, int]:
    """The parent of each process; of those that are dead and only waiting to be noticed there are none."""
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as stream:
                fields = stream.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if fields[0] not in (b"Z", b"X"):
            found[int(name)] = int(fields[1])
    return found


def descendants(root: int) -> list[int]:
    """All that live below a process, parents before their children."""
    children: dict[int, list[int]] = {}
    for pid, parent in _parents().items():
        children.setdefault(parent, []).append(pid)
    found = {root: None}  # in the order in which they are found
    generation = [root]
    while generation:
        generation = [child for parent in generation for child in children.get(parent, []) if child not in found]
        found.update(dict.fromkeys(generation))
    return list(found)[1:]


class Family:
    """A command and everything that comes of it. Only for a process that does nothing else: it reaps whatever child it has."""

    def __init__(self, root: int | None = None) -> None:
        self.root = os.getpid() if root is None else root
        self.main: int | None = None
        self.status: int | None = None
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})

    def spawn(self, argv: list[str], **options: object) -> None:
        """Start the command; raises OSError when there is no such program."""
        # It must not inherit that SIGCHLD is held back.
        process = subprocess.Popen(argv, preexec_fn=_unblock, start_new_session=True, **options)  # type: ignore[call-overload]
        self.main = process.pid
        process.returncode = 0  # reaped by us, so Popen need not

    def reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.main:
                self.status = 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)

    def wait(self, end: float | None) -> bool:
        """Until the command has ended; False when the clock (monotonic) has come to `end` before."""
        while True:
            self.reap()
            if self.status is not None:
                return True
            if not self._sleep(end):
                return False

    def _sleep(self, end: float | None) -> bool:
        """Until a child has died. SIGCHLD is held back until somebody asks for it here, so none is missed."""
        if end is None:
            signal.sigwait({signal.SIGCHLD})
            return True
        left = end - time.monotonic()
        if left <= 0:
            return False
        signal.sigtimedwait({signal.SIGCHLD}, left)
        return True

    def end(self, grace: float) -> list[int]:
        """Ask all of them to end, wait, and kill those that do not. Returns who is alive all the same."""
        self.reap()
        left = descendants(self.root)
        if left:
            # Parents first: one that hears of it after its child has gone would take that for the child's own end, and go on.
            self._signal(left, signal.SIGTERM)
            until = time.monotonic() + grace
            while left and self._sleep(until):
                self.reap()
                left = descendants(self.root)
        for _round in range(_ROUNDS):
            self.reap()
            left = descendants(self.root)
            if not left:
                break
            # Stopped first: nobody makes a new one while the others are being killed.
            self._signal(left, signal.SIGSTOP)
            self._signal(descendants(self.root), signal.SIGKILL)
            self._sleep(time.monotonic() + _ROUND)
        self.reap()
        return sorted(descendants(self.root))

    @staticmethod
    def _signal(pids: list[int], number: int) -> None:
        others = []
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
            except PermissionError:
                others.append(pid)
        if others:
            # What it has started with sudo is not ours to end, but sudo may.
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                line = ["sudo", "-n", "kill", f"-{int(number)}", *map(str, others)]
                null = subprocess.DEVNULL
                subprocess.run(line, stdin=null, stdout=null, stderr=null, timeout=10, check=False, preexec_fn=_unblock)


def _unblock() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
