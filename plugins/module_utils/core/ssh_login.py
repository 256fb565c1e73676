# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Logging in for real: with our key, against the pinned host key, without a question and without a shared connection."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass

from .apply import Watch
from .errors import CoreError
from .wait import SSH_PORT

CONNECT_TIMEOUT = 10
COMMAND_TIMEOUT = 40.0
_PAUSE = 0.3


@dataclass(frozen=True)
class Login:
    """How an attempt went. `output` is what the command there has printed, `error` what OpenSSH has said."""

    status: int
    output: str
    error: str

    @property
    def ok(self) -> bool:
        return self.status == 0


def attempt(command: Sequence[str], remote: str, timeout: float = COMMAND_TIMEOUT) -> Login:
    """Run `remote` over SSH, once."""
    program, *arguments = command
    line = [program, "-o", f"ConnectTimeout={CONNECT_TIMEOUT}", *arguments, remote]
    try:
        done = subprocess.run(
            line, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", errors="replace", check=False, timeout=timeout
        )
    except FileNotFoundError:
        raise CoreError("ssh is not installed on the control node; install the OpenSSH client") from None
    except subprocess.TimeoutExpired:
        return Login(255, "", f"no answer within {timeout:.0f} s")
    return Login(done.returncode, done.stdout, done.stderr.strip())


def persist(command: Sequence[str], remote: str, address: str, patience: float, watch: Watch, port: int = SSH_PORT) -> Login:
    """The same, again and again for as long as nobody listens there: a server that has just been told to start may not do so yet.

    Any other failure stays one, however often it is tried.
    """
    end = time.monotonic() + patience
    while True:
        login = attempt(command, remote)
        if login.ok or time.monotonic() >= end or not refused(address, port):
            return login
        watch.doing("waiting for SSH")
        watch.pause(_PAUSE)


def refused(address: str, port: int = SSH_PORT) -> bool:
    """Whether the other end says that nobody listens there."""
    try:
        with socket.create_connection((address, port), timeout=CONNECT_TIMEOUT):
            return False
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
