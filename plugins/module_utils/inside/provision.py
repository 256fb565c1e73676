# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tells how far the installation of the tools is: once, or each time that something changes until it has ended.

It sleeps until the file of the service is replaced (inotify). A service that was killed replaces nothing, so now and then it looks anyway.
"""

from __future__ import annotations

import ctypes
import os
import select
import subprocess
from typing import Any, BinaryIO

from .provision_state import ENDED, Damaged, View, look, tail
from .wire import Channel, Failure, serve

_ANYWAY = 5.0
# IN_CLOSE_WRITE, IN_MOVED_TO, IN_CREATE, IN_DELETE, IN_DELETE_SELF, IN_MOVE_SELF
_EVENTS = 0x008 | 0x080 | 0x100 | 0x200 | 0x400 | 0x800
_TAIL = 6000


def main(request: dict[str, Any], stdin: BinaryIO) -> None:
    serve(_work, request, stdin)


def _work(channel: Channel, request: dict[str, Any], _stdin: BinaryIO) -> None:
    channel.beats(request["beat"])
    watch = Watch(os.path.dirname(request["state"]))
    before = None
    while True:
        watch.renew()
        try:
            view = look(request["state"], request["unit"])
        except Damaged as error:
            raise Failure("state", str(error)) from None
        if _kind(view) != before:
            before = _kind(view)
            log = _log(request) if view.status == "failed" else ""
            channel.say(provision={**view.told(), "log": log})
        if view.status in ENDED or not request["wait"]:
            break
        watch.wait(_ANYWAY)
    channel.still()
    channel.say(end=True)


def _kind(view: View) -> tuple:
    """What has to change to be worth a line; the seconds of what runs are not."""
    return view.status, view.message, [(step["name"], step["status"], step["message"]) for step in view.steps]


def _log(request: dict[str, Any]) -> str:
    """The end of the service's own log, or of what systemd has kept of it."""
    found = tail(request["log"], _TAIL)
    if found:
        return found
    try:
        done = subprocess.run(
            ["journalctl", "--no-pager", "--quiet", "--output=cat", "--lines=60", f"--unit={request['unit']}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace")[-_TAIL:]


class Watch:
    """Wakes when something happens in a directory; where the kernel does not tell, after a while."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = -1
        try:
            self._libc = ctypes.CDLL(None, use_errno=True)
            self._fd = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, AttributeError):
            self._fd = -1

    def renew(self) -> None:
        """Before the look, so that nothing happens unseen between that and the sleep. A directory that is not there comes in one above."""
        if self._fd < 0:
            return
        self._drain()
        path = self._path
        while path not in ("", "/") and not os.path.isdir(path):
            path = os.path.dirname(path)
        # The same again is no second watch, and a directory that was made anew is another one.
        self._libc.inotify_add_watch(self._fd, os.fsencode(path or "/"), _EVENTS)

    def wait(self, seconds: float) -> None:
        select.select([] if self._fd < 0 else [self._fd], [], [], seconds)

    def _drain(self) -> None:
        try:
            while os.read(self._fd, 65536):
                pass
        except OSError:
            pass
