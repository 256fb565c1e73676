"""The terminal of the parent process, lent and given back: a worker without a terminal below a parent that has one, in a real one."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.pixels.sandbox.plugins.plugin_utils import terminal

ISOLATED, SHARED = "isolated", "shared"


def worker(way: str, script: str) -> int:
    """As Ansible makes them: a session of its own, or since 2.21 a process group in the parent's."""
    pid = os.fork()
    if pid:
        if way == SHARED:
            with contextlib.suppress(OSError):
                os.setpgid(pid, pid)
        return pid
    status = 99
    try:
        if way == ISOLATED:
            os.setsid()
        else:
            with contextlib.suppress(OSError):
                os.setpgid(0, 0)
        with terminal.of_parent({}) as lent:
            assert lent.controlling == (way == SHARED)
            keep = os.dup(lent.fd)
            try:
                status = terminal.run(lent, ["/bin/sh", "-c", script], os.environ) & 0xFF
            except terminal.Interrupted:
                status = 98
            os.write(keep, b"[back]")
    except BaseException as error:
        os.write(2, repr(error).encode())
    finally:
        os._exit(status)


class Screen:
    """The other end of the terminal."""

    def __init__(self, main: Callable[[], int]) -> None:
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            code = 97
            try:
                code = main()
            finally:
                os._exit(code)
        self.seen = ""

    def until(self, text: str) -> None:
        end = time.monotonic() + 20
        while text not in self.seen:
            ready, _writable, _broken = select.select([self.fd], [], [], 0.2)
            if ready:
                with contextlib.suppress(OSError):
                    self.seen += os.read(self.fd, 4096).decode("utf-8", "replace")
            assert time.monotonic() < end, self.seen

    def type(self, data: bytes) -> None:
        os.write(self.fd, data)

    def resize(self, lines: int, columns: int) -> None:
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def status(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.fixture(params=[ISOLATED, SHARED])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def front() -> Iterator[Callable[[Callable[[], int]], Screen]]:
    opened: list[Screen] = []

    def opener(main: Callable[[], int]) -> Screen:
        opened.append(Screen(main))
        return opened[-1]

    yield opener
    for screen in opened:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(screen.pid, signal.SIGKILL)
            os.waitpid(screen.pid, 0)
        os.close(screen.fd)


def one_worker(way: str, script: str) -> Callable[[], int]:
    def main() -> int:
        before = termios.tcgetattr(0)
        _pid, status = os.waitpid(worker(way, script), 0)
        # It is the foreground again, and the terminal is as it was.
        if os.tcgetpgrp(0) != os.getpgrp() or termios.tcgetattr(0)[:6] != before[:6]:
            return 96
        return os.waitstatus_to_exitcode(status)

    return main


def test_typed_and_shown_and_the_terminal_is_as_before(way: str, front: Callable[[Callable[[], int]], Screen]) -> None:
    screen = front(one_worker(way, "stty raw -echo; printf ready; x=$(dd bs=1 count=1 2>/dev/null); printf 'got %s' $x; exit 7"))
    screen.until("ready")
    screen.type(b"Q")
    screen.until("got Q")
    screen.until("[back]")
    assert screen.status() == 7


def test_it_is_told_when_the_size_changes(way: str, front: Callable[[Callable[[], int]], Screen]) -> None:
    program = (
        "import os, signal\n"
        "def changed(*_rest):\n    os.write(1, b'size %d %d' % os.get_terminal_size(0)); os._exit(5)\n"  # print is not for a handler
        "signal.signal(signal.SIGWINCH, changed)\nos.write(1, b'ready')\nwhile True: signal.pause()"
    )
    screen = front(one_worker(way, f'exec "{sys.executable}" -c "{program}"'))
    screen.until("ready")
    screen.resize(33, 111)
    screen.until("size 111 33")
    assert screen.status() == 5


def test_ended_from_outside_all_is_put_back(way: str, front: Callable[[Callable[[], int]], Screen]) -> None:
    def main() -> int:
        asked = threading.Event()
        signal.signal(signal.SIGUSR1, lambda *_rest: asked.set())
        before = termios.tcgetattr(0)
        pid = worker(way, "stty raw -echo; printf ready; exec sleep 1000")
        asked.wait()
        os.kill(pid, signal.SIGTERM)
        _pid, status = os.waitpid(pid, 0)
        same = termios.tcgetattr(0)[:6] == before[:6] and os.tcgetpgrp(0) == os.getpgrp()
        return os.waitstatus_to_exitcode(status) if same else 96

    screen = front(main)
    screen.until("ready")
    os.kill(screen.pid, signal.SIGUSR1)
    assert screen.status() == 98


def test_when_the_parent_is_gone_so_is_the_program(front: Callable[[Callable[[], int]], Screen], tmp_path: Path) -> None:
    note = tmp_path / "pid"

    def main() -> int:
        worker(ISOLATED, f"echo $$ >{note}; printf ready; exec sleep 1000")
        signal.pause()
        return 0

    screen = front(main)
    screen.until("ready")
    pid = int(note.read_text())
    os.kill(screen.pid, signal.SIGKILL)
    screen.status()
    end = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_program_that_stops_itself_is_woken(front: Callable[[Callable[[], int]], Screen]) -> None:
    screen = front(one_worker(ISOLATED, "kill -STOP $$; printf woken; exit 4"))
    screen.until("woken")
    assert screen.status() == 4


@pytest.mark.parametrize("environ", [{}, {"AWX_ISOLATED_DATA_DIR": "/x"}])
def test_no_terminal_is_said_at_once(environ: dict[str, str]) -> None:
    """Here standard input of the parent is no terminal, or there is a runner's."""
    reader, writer = os.pipe()
    middle = os.fork()
    if middle == 0:
        os.dup2(reader, 0)
        if os.fork() == 0:
            said = "a terminal"
            try:
                with terminal.of_parent(environ):
                    pass
            except terminal.NoTerminal as error:
                said = str(error)
            os.write(writer, said.encode())
            os._exit(0)
        os.wait()
        os._exit(0)
    os.close(writer)
    os.waitpid(middle, 0)
    said = os.read(reader, 1000).decode()
    os.close(reader)
    assert said == ("ansible-runner runs the playbook" if environ else "standard input is no terminal")
