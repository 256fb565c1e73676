# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Logging in for real: with our key, against the pinned host key, without a question and without a shared connection."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass

from .apply import Watch
from .errors import CoreError
from .knock import Door, Knocker

CONNECT_TIMEOUT = 10
COMMAND_TIMEOUT = 40.0
# What OpenSSH ends with when it is itself that fails.
FAILED = 255
# How soon an interrupt is noticed.
_SLICE = 0.5
# A login that only proves itself says nothing that anybody would keep to break it in decades, so the key exchange against quantum computers
# that takes a tenth of a second of both ends is left out: the faster one of that kind is used where both ends have it.
_KEY_EXCHANGE = "KexAlgorithms=-sntrup761*"


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
    line = [program, "-o", f"ConnectTimeout={CONNECT_TIMEOUT}", "-o", _KEY_EXCHANGE, *arguments, remote]
    try:
        done = subprocess.run(
            line, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", errors="replace", check=False, timeout=timeout
        )
    except FileNotFoundError:
        raise CoreError("ssh is not installed on the control node; install the OpenSSH client") from None
    except subprocess.TimeoutExpired:
        return Login(FAILED, "", f"no answer within {timeout:.0f} s")
    return Login(done.returncode, done.stdout, done.stderr.strip())


def persist(command: Sequence[str], remote: str, where: Door | str, patience: float, watch: Watch) -> Login:
    """The same, again as soon as somebody listens there: a server that has just been told to start may not do so yet.

    Any other failure stays one, however often it is tried.
    """
    door = Door(where) if isinstance(where, str) else where
    end = time.monotonic() + patience
    listened = False
    while True:
        login = attempt(command, remote)
        if login.status != FAILED:
            return login
        came = awaited(door, end - time.monotonic(), watch)
        if came is None or (came and listened):
            return login
        # Who listens now may have begun to just after we were turned away; once is enough to know.
        listened = listened or came


def awaited(door: Door, seconds: float, watch: Watch) -> bool | None:
    """Wait for an SSH server: True when it listens already, False when it has begun to, None when it does not within that time."""
    end = time.monotonic() + seconds
    with Knocker() as knocker:
        while True:
            answered = knocker.knock({door}, max(0.0, min(_SLICE, end - time.monotonic())))
            if answered:
                return not knocker.turned_away
            if time.monotonic() >= end:
                return None
            watch.doing("waiting for SSH")
            watch.check()
