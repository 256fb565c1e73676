# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The terminal in front of whoever runs ansible-playbook, lent to a program, and put back as it was whatever happens.

Tasks run in processes without a terminal. There are two ways to the one of the parent process. Where the workers share its session
(ansible-core 2.21 with `ansible_worker_session_isolation: false`) the program becomes the terminal's foreground as a shell's job does, and
gets Ctrl-C and changes of size from the kernel. Else the terminal is opened through the parent's standard input. It is nobody's controlling
terminal then: the program can use it, but has to be told when its size changes.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

_LOOK = 0.2
_GRACE = 3.0
_FLAGS = os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC


class NoTerminal(Exception):
    """There is none that a person could sit in front of; says why."""


class Interrupted(Exception):
    """A signal came, or the parent is gone."""


@dataclass(frozen=True)
class Terminal:
    """`controlling`: the kernel treats it as ours, with foreground groups and signals."""

    fd: int
    controlling: bool


def _reason_against(parent: int, environ: Mapping[str, str]) -> str | None:
    # ansible-runner, and so AWX, gives its jobs a terminal that nobody looks at.
    if environ.get("AWX_ISOLATED_DATA_DIR"):
        return "ansible-runner runs the playbook"
    stdin = Path(f"/proc/{parent}/fd/0")
    try:
        name = os.readlink(stdin)
    except OSError:
        return None  # no /proc: what can be opened decides
    if not name.startswith("/dev/pts/") and not name.startswith("/dev/tty") and name != "/dev/console":
        return "standard input is no terminal"
    try:
        fields = Path(f"/proc/{parent}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "the parent process is gone"
    group, foreground = int(fields[2]), int(fields[5])
    return "ansible-playbook runs in the background" if foreground not in (-1, group) else None


@contextlib.contextmanager
def of_parent(environ: Mapping[str, str] | None = None) -> Iterator[Terminal]:
    """The terminal of the process that started this one; raises NoTerminal."""
    parent = os.getppid()
    reason = _reason_against(parent, os.environ if environ is None else environ)
    if reason:
        raise NoTerminal(reason)
    for path, controlling in (("/dev/tty", True), (f"/proc/{parent}/fd/0", False)):
        try:
            fd = os.open(path, _FLAGS)
        except OSError:
            continue
        try:
            if os.isatty(fd):
                yield Terminal(fd, controlling)
                return
        finally:
            os.close(fd)
    raise NoTerminal("there is no terminal")


def say(terminal: Terminal, text: str) -> None:
    """A line, at once: what goes through Ansible's own display may come when the program has the screen already."""
    with contextlib.suppress(OSError):
        os.write(terminal.fd, f"{text}\r\n".encode())


def run(terminal: Terminal, argv: Sequence[str | bytes], env: Mapping[str, str]) -> int:
    """Run a program in it until it ends; its exit status, or less than 0 when a signal ended it."""
    parent = os.getppid()
    with _as_it_was(terminal), _signals_raise():
        process = subprocess.Popen(
            argv, stdin=terminal.fd, stdout=terminal.fd, stderr=terminal.fd, env=dict(env), close_fds=True, preexec_fn=_default_signals
        )
        try:
            _stay_with(process, terminal, parent)
        finally:
            _end(process)
    return process.returncode


def _default_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTTOU):
        signal.signal(number, signal.SIG_DFL)


@contextlib.contextmanager
def _as_it_was(terminal: Terminal) -> Iterator[None]:
    saved = termios.tcgetattr(terminal.fd)
    group = None
    # To take the foreground back from there, and to set the terminal, one must not be stopped for it.
    handler = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    try:
        if terminal.controlling:
            group = os.tcgetpgrp(terminal.fd)
            os.tcsetpgrp(terminal.fd, os.getpgrp())
        yield
    finally:
        # A terminal that was closed meanwhile has nothing to be put back.
        with contextlib.suppress(termios.error, OSError):
            termios.tcsetattr(terminal.fd, termios.TCSADRAIN, saved)
        if group is not None:
            with contextlib.suppress(OSError):
                os.tcsetpgrp(terminal.fd, group)
        signal.signal(signal.SIGTTOU, handler)


@contextlib.contextmanager
def _signals_raise() -> Iterator[None]:
    def interrupt(number: int, frame: FrameType | None) -> None:
        raise Interrupted(f"ended by {signal.Signals(number).name}")

    numbers = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stay_with(process: subprocess.Popen[bytes], terminal: Terminal, parent: int) -> None:
    size = _size(terminal)
    with _handle(process.pid) as handle:
        while process.poll() is None:
            if os.getppid() != parent:
                raise Interrupted("ansible-playbook is gone")
            if handle is None:
                time.sleep(_LOOK / 4)
            else:
                select.select([handle], [], [], _LOOK)
            if not terminal.controlling:
                now = _size(terminal)
                if now != size:
                    size = now
                    _send(process, signal.SIGWINCH)
            _go_on(process)


def _size(terminal: Terminal) -> os.terminal_size | None:
    try:
        return os.get_terminal_size(terminal.fd)
    except OSError:
        return None


@contextlib.contextmanager
def _handle(pid: int) -> Iterator[int | None]:
    try:
        fd = os.pidfd_open(pid)
    except (AttributeError, OSError):
        yield None
        return
    try:
        yield fd
    finally:
        os.close(fd)


def _go_on(process: subprocess.Popen[bytes]) -> None:
    """A program that has stopped itself (ssh does at ~^Z) has no shell behind it that could wake it."""
    if not hasattr(os, "waitid"):
        return
    with contextlib.suppress(ChildProcessError):
        if os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOHANG) is not None:
            _send(process, signal.SIGCONT)


def _send(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    _send(process, signal.SIGTERM)
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
