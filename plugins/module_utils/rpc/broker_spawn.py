# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Find the shared session of this run, or start it: one process of many does, the others wait for it.

The key goes through a pipe: neither the command line nor the environment of the new process holds it. The new process has a session of its
own and no output, so it cannot keep a caller waiting that reads our output to its end.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .broker_place import NoPlace, directory, key_of, same_user
from .endpoint import Endpoint
from .limits import Limits

# Isolated, it imports nothing from the current directory; the path of modules is then ours.
_BOOTSTRAP = (
    "import json, sys; orders = json.loads(sys.stdin.readline()); sys.path[:] = orders.pop('path');"
    " from rpc.broker import main; main(orders)"
)
_READY_WITHIN = 20.0
_FAILED_FOR = 60.0
_KEPT_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "XDG_RUNTIME_DIR")

# Held, so that a process that ends before us is reaped and one that does not is not complained about.
_started: list[subprocess.Popen[bytes]] = []


class Unavailable(Exception):
    """There is no shared session and none can be started here; the reason is for a developer."""


class Meeting:
    """Where the processes of one run meet."""

    def __init__(self, endpoint: Endpoint, controller_pid: int, limits: Limits, **orders: Any) -> None:
        self._endpoint = endpoint
        self._controller_pid = controller_pid
        self._limits = limits
        self._orders = orders

    def connect(self) -> socket.socket:
        """A connection to the shared session, started if need be."""
        modules = Path(__file__).resolve().parent.parent
        if not (modules / "rpc" / "broker.py").is_file() or not sys.executable:
            raise Unavailable("the code is not in files")  # a module sent by Ansible runs from an archive that is gone soon
        try:
            place = directory()
        except NoPlace as error:
            raise Unavailable(str(error)) from None
        path = place / f"{key_of(self._endpoint, self._controller_pid)}.sock"
        sock = _try(path)
        if sock is not None:
            return sock
        with _locked(place / "spawn.lock"):
            sock = _try(path)
            if sock is not None:
                return sock
            failed = path.with_suffix(".failed")
            if _is_fresh(failed):
                raise Unavailable("it could not be started a moment ago")
            try:
                self._spawn(path, modules)
            except (OSError, Unavailable) as error:
                with contextlib.suppress(OSError):
                    failed.touch(mode=0o600)
                raise Unavailable(str(error)) from None
            failed.unlink(missing_ok=True)
        sock = _try(path)
        if sock is None:
            raise Unavailable("it ended at once")
        return sock

    def _spawn(self, path: Path, modules: Path) -> None:
        ready, told = os.pipe()
        try:
            orders = {
                "path": [str(modules), *(entry for entry in sys.path if entry)],
                "endpoint": asdict(self._endpoint),
                "limits": asdict(self._limits),
                "socket_path": str(path),
                "controller_pid": self._controller_pid,
                "ready_fd": told,
                **self._orders,
            }
            process = subprocess.Popen(
                [sys.executable, "-I", "-c", _BOOTSTRAP],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(told,),
                start_new_session=True,
                cwd="/",
                env={name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ},
            )
            _started[:] = [earlier for earlier in _started if earlier.poll() is None] + [process]
            os.close(told)
            told = -1
            if process.stdin is None:
                raise AssertionError("the broker was started without a pipe for its orders")
            with process.stdin as pipe:
                pipe.write(json.dumps(orders).encode() + b"\n")
            if not select.select([ready], [], [], _READY_WITHIN)[0]:
                process.kill()
                raise Unavailable("it did not get ready")
            if not os.read(ready, 64).startswith(b"ready"):
                raise Unavailable("it ended at its start")
        finally:
            os.close(ready)
            if told >= 0:
                os.close(told)


def _try(path: Path) -> socket.socket | None:
    """Connected and greeted, or None: a process about to end may still take a connection, but does not greet."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(_READY_WITHIN)
        sock.connect(str(path))
        if not same_user(sock):
            raise Unavailable("the socket belongs to another user")
        greeting = sock.recv(64)
        # It is the whole line: nothing else is sent before we have asked.
        if greeting.startswith(b'{"ready":'):
            return sock
    except OSError:
        pass
    except BaseException:
        sock.close()
        raise
    sock.close()
    return None


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise Unavailable(str(error)) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _is_fresh(path: Path) -> bool:
    try:
        return abs(time.time() - path.stat().st_mtime) < _FAILED_FOR
    except OSError:
        return False
