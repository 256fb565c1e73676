# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the program in the container speaks: lines of JSON behind a random marker, and a line now and then while there is nothing to say."""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any, BinaryIO

# Whatever the shell or the login said before is no word of ours.
MARK = "pixels-job:"


class Channel:
    """Standard output, kept from everything else that could write to it."""

    def __init__(self, marker: str) -> None:
        # A child that inherits standard output must not write into the middle of ours.
        self.stream: BinaryIO = os.fdopen(os.dup(1), "wb", closefd=True)
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 1)
        os.close(null)
        self._lock = threading.Lock()
        self._quiet = threading.Event()
        self._raw(f"\n{MARK}{marker}\n".encode())

    def _raw(self, data: bytes) -> None:
        with self._lock:
            self.stream.write(data)
            self.stream.flush()

    def say(self, **fields: Any) -> None:
        self._raw(json.dumps(fields).encode("ascii") + b"\n")

    def beats(self, seconds: float) -> None:
        """Say each so many seconds that we are still there, until `still()`."""

        def run() -> None:
            while not self._quiet.wait(seconds):
                try:
                    with self._lock:
                        if not self._quiet.is_set():
                            self.stream.write(b'{"beat": 1}\n')
                            self.stream.flush()
                except OSError:
                    os._exit(1)  # nobody listens any more

        self._quiet.clear()
        threading.Thread(target=run, daemon=True).start()

    def still(self) -> None:
        with self._lock:
            self._quiet.set()


class Failure(Exception):
    """What the control node is to be told; `code` is for it, the message for people."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


def serve(work: Any, request: dict, stdin: BinaryIO) -> None:
    """Do the work and say how it ended, whatever happens."""
    channel = Channel(request["marker"])
    try:
        work(channel, request, stdin)
    except Failure as failure:
        channel.still()
        channel.say(error={"code": failure.code, "message": str(failure)})
    except Exception as error:  # the control node has to hear of it, or it would take the silence for a lost connection
        channel.still()
        channel.say(error={"code": "internal", "message": f"{type(error).__name__}: {error}"})
    # Leave at once: threads that are still waiting are of no use to anybody.
    sys.stderr.flush()
    channel.stream.flush()
    os._exit(0)
