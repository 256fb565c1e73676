"""A terminal in a container: `incus exec` under a pseudo terminal, as the real middleware runs it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import struct
import termios
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress

_CHUNK = 65536
_BACKLOG = 4 * 1024 * 1024
_PENDING = 64  # chunks read ahead; beyond that the program in the container has to wait


def _set_size(descriptor: int, columns: int, rows: int) -> None:
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def _take_terminal() -> None:
    """In the child: its standard input becomes the controlling terminal, so that it dies of a hang-up when we do."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class IncusShell:
    def __init__(self, master: int, process: Process) -> None:
        self._master = master
        self._process = process
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._unwritten = bytearray()
        self._written = asyncio.Event()
        self._written.set()
        self._ended = False
        self._closed = False
        self._reading = False
        self._loop = asyncio.get_running_loop()
        os.set_blocking(master, False)
        self._read_on()

    @classmethod
    async def open(cls, argv: list[str], environment: Mapping[str, str], *, columns: int = 80, rows: int = 24) -> IncusShell:
        master, slave = os.openpty()
        try:
            _set_size(master, columns, rows)
            process = await asyncio.create_subprocess_exec(
                *argv, stdin=slave, stdout=slave, stderr=slave, env=dict(environment), start_new_session=True, preexec_fn=_take_terminal
            )
        except BaseException:
            os.close(master)
            raise
        finally:
            os.close(slave)
        return cls(master, process)

    @property
    def closed(self) -> bool:
        return self._closed

    # -- reading ------------------------------------------------------------------------------------------------
    def _read_on(self) -> None:
        if not (self._reading or self._ended or self._closed):
            self._reading = True
            self._loop.add_reader(self._master, self._readable)

    def _read_no_more(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._master)

    def _readable(self) -> None:
        try:
            data = os.read(self._master, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""  # EIO: the last program on the other side is gone
        if data:
            self._chunks.put_nowait(data)
            if self._chunks.qsize() >= _PENDING:
                self._read_no_more()
            return
        self._ended = True
        self._read_no_more()
        self._chunks.put_nowait(None)

    async def read(self) -> AsyncIterator[bytes]:
        while (chunk := await self._chunks.get()) is not None:
            if self._chunks.qsize() < _PENDING // 2:
                self._read_on()
            yield chunk
        self._chunks.put_nowait(None)  # for whoever reads after the end

    # -- writing ------------------------------------------------------------------------------------------------
    async def write(self, data: bytes) -> None:
        """Returns at once while the backlog is small: a program that never reads must not hold up whoever writes."""
        if self._ended or self._closed:
            return
        self._unwritten += data
        if self._written.is_set():
            self._written.clear()
            self._loop.add_writer(self._master, self._writable)
        if len(self._unwritten) > _BACKLOG:
            await self._written.wait()

    def _writable(self) -> None:
        try:
            count = os.write(self._master, self._unwritten)
        except BlockingIOError:
            return
        except OSError:
            count = len(self._unwritten)  # nobody is left to read it
        del self._unwritten[:count]
        if not self._unwritten:
            self._loop.remove_writer(self._master)
            self._written.set()

    async def resize(self, columns: int, rows: int) -> None:
        if not self._closed:
            _set_size(self._master, columns, rows)  # the kernel tells the program with SIGWINCH

    async def close(self) -> None:
        """The program in the container goes too: Incus kills it when its client goes."""
        if self._closed:
            return
        self._closed = True
        self._read_no_more()
        self._loop.remove_writer(self._master)
        self._written.set()
        os.close(self._master)
        self._chunks.put_nowait(None)
        if self._process.returncode is None:
            for number in (signal.SIGHUP, signal.SIGKILL):
                with suppress(ProcessLookupError):
                    self._process.send_signal(number)
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._process.wait(), 2)
                    break
