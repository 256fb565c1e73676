# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run a script in a container through the appliance's web shell, before there is SSH.

The web shell is a terminal: it echoes, it rewrites line ends, it limits lines to 4096 characters and reports no exit status. So the script
goes in as base64 in short lines, only after the terminal has been told to be quiet, and its output comes between random markers; the last
one carries the exit status. The markers are sent in two halves, so that an echo never looks like one. The script has no terminal: its input
is empty and its output a pipe.
"""

from __future__ import annotations

import base64
import contextlib
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .api import Api
from .endpoint import SHELL_PATH, Endpoint
from .errors import ShellFailed
from .limits import DEFAULT_LIMITS, Limits
from .transport import BINARY, CLOSE, TEXT, library, open_websocket

# $1 $2: the halves of the marker, $3: what runs the script. A script that did not arrive whole is not run.
_OUTER = (
    'printf "%s%s:ready\\n" "$1" "$2";'
    ' s=$(sed -n "/^[.]\\$/q;p" | base64 -d);'
    ' case "$s" in *"#$2$1")'
    ' printf "%s%s:begin\\n" "$1" "$2";'
    ' printf "%s\\n" "$s" | { sh -c "$3" sh 3<&0 </dev/null 2>&1; printf "%s%s:end:%s\\n" "$1" "$2" "$?"; } | cat;;'
    ' *) printf "%s%s:damaged\\n" "$1" "$2";; esac'
)
_INNER = '_script=$(cat <&3); exec 3<&-; eval "$_script"'
_LINE = 1000
_FRAME = 32_768


@dataclass(frozen=True)
class ShellResult:
    """What a script has said on both its outputs, and its exit status."""

    output: str
    status: int


def run_script(
    api: Api, endpoint: Endpoint, options: Mapping[str, Any], script: str, *, timeout: float = 300.0, limits: Limits = DEFAULT_LIMITS
) -> ShellResult:
    """Run `script` with sh as root; `options` name the container in the words of the appliance's version. Any exit status is a result."""
    deadline = time.monotonic() + timeout
    # Single use, and for this address only. Asking twice does no harm: one that is not used runs out.
    token = api.read("auth.generate_token", 60, {}, True, True)
    ws = open_websocket(endpoint, SHELL_PATH, timeout=limits.connect_timeout)
    terminal = _Terminal(ws, deadline, timeout, limits)
    try:
        terminal.text({"token": token, "options": dict(options)})
        terminal.connected()
        return _run(terminal, script)
    except BaseException as error:
        if not isinstance(error, ShellFailed) or terminal.open:
            terminal.interrupt()
        raise
    finally:
        terminal.close()


def _run(terminal: _Terminal, script: str) -> ShellResult:
    left, right = secrets.token_hex(8), secrets.token_hex(8)
    marker = f"{left}{right}:".encode()
    terminal.echo = left.encode()
    terminal.type(f" stty -echo -opost; exec sh -c '{_OUTER}' sh {left} {right} '{_INNER}'\n".encode())
    terminal.until(marker + b"ready")
    data = base64.b64encode(f"{script}\n#{right}{left}".encode("utf-8", "surrogateescape"))
    terminal.type(b"".join(data[at : at + _LINE] + b"\n" for at in range(0, len(data), _LINE)) + b".\n")
    said = terminal.until(marker + b"begin", marker + b"damaged")
    if said.endswith(b"damaged"):
        raise ShellFailed("the script did not arrive whole; the container needs sh, stty, sed, cat and base64", terminal.readable(said))
    # The terminal was told not to rewrite line ends; one between here and there may do so nevertheless.
    rewritten = terminal.line().endswith(b"\r")
    output = terminal.until(marker + b"end:").removesuffix(marker + b"end:")
    status = int(terminal.line())
    if rewritten:
        output = output.replace(b"\r\n", b"\n")
    return ShellResult(_text(output), status)


class _Terminal:
    """The bytes that go in, and those that come out, up to a marker."""

    def __init__(self, ws: Any, deadline: float, timeout: float, limits: Limits) -> None:
        self._ws = ws
        self._library = library()
        self._deadline = deadline
        self._timeout = timeout
        self._limits = limits
        self._said = bytearray()
        self._heard = time.monotonic()
        self._pinged = False
        self.open = True
        self.echo = b""

    def text(self, message: dict[str, Any]) -> None:
        self._send(json.dumps(message).encode(), binary=False)

    def type(self, data: bytes) -> None:
        for at in range(0, len(data), _FRAME):
            self._send(data[at : at + _FRAME], binary=True)

    def connected(self) -> None:
        """The answer to the first message. A container that does not exist gives none."""
        while True:
            opcode, data = self._frame()
            if opcode == TEXT:
                break
            self._said += data
        try:
            answer = json.loads(data)
        except ValueError:
            answer = None
        answer = answer if isinstance(answer, dict) else {}
        if answer.get("msg") != "connected":
            error = answer.get("error")
            raise ShellFailed(f"the appliance refused it ({error.get('reason') if isinstance(error, dict) else 'no reason given'})")

    def until(self, *markers: bytes) -> bytes:
        """All bytes up to and with the first of the markers."""
        longest = max(map(len, markers))
        start = 0
        while True:
            found = [(at, marker) for marker in markers if (at := self._said.find(marker, start)) >= 0]
            if found:
                at, marker = min(found)
                end = at + len(marker)
                said = bytes(self._said[:end])
                del self._said[:end]
                return said
            start = max(0, len(self._said) - longest)
            self._more()

    def line(self) -> bytes:
        """The rest of a line, without its end."""
        while b"\n" not in self._said:
            self._more()
        line, _newline, rest = self._said.partition(b"\n")
        self._said = rest
        return bytes(line)

    def interrupt(self) -> None:
        """The script has no reader any more: Ctrl-C, then the terminal goes away."""
        with contextlib.suppress(Exception):
            self._ws.settimeout(1)
            self._ws.send_binary(b"\x03")

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self._ws.settimeout(1)
            self._ws.send_close()
        with contextlib.suppress(Exception):
            self._ws.shutdown()

    def _more(self) -> None:
        opcode, data = self._frame()
        if opcode in (BINARY, TEXT):
            self._said += data

    def _frame(self) -> tuple[int, bytes]:
        """The next frame with data; keeps the line alive while a script is silent."""
        while True:
            now = time.monotonic()
            if now >= self._deadline:
                raise ShellFailed(f"not ended within {self._timeout:g} s", self.readable(bytes(self._said)))
            allowed = self._limits.dead_after if self._pinged else self._limits.keepalive
            if now - self._heard >= allowed:
                if self._pinged:
                    raise self._closed(f"no sign of life for {now - self._heard:.0f} s")
                self._pinged = True
                self._heard = now
                self._guard(self._ws.ping)
                continue
            self._ws.settimeout(max(0.01, min(self._deadline - now, self._heard + allowed - now)))
            try:
                opcode, frame = self._ws.recv_data_frame(True)
            except self._library.WebSocketTimeoutException:
                continue
            except (self._library.WebSocketException, OSError):
                raise self._closed("the connection was lost") from None
            self._heard = time.monotonic()
            self._pinged = False
            if opcode == CLOSE:
                raise self._closed("the terminal was closed before the script had ended; is the container there, and running?")
            if opcode in (BINARY, TEXT):
                return opcode, frame.data

    def _send(self, data: bytes, *, binary: bool) -> None:
        self._ws.settimeout(max(0.01, self._deadline - time.monotonic()))
        opcode = BINARY if binary else TEXT
        self._guard(lambda: self._ws.send(data, opcode))

    def _guard(self, action: Any) -> None:
        try:
            action()
        except (self._library.WebSocketException, OSError):
            raise self._closed("the connection was lost") from None

    def _closed(self, reason: str) -> ShellFailed:
        self.open = False
        return ShellFailed(reason, self.readable(bytes(self._said)))

    def readable(self, said: bytes) -> str:
        """Without the echo of what we have typed, which comes once or twice."""
        lines = said.split(b"\n")
        return _text(b"\n".join(line for line in lines if not self.echo or self.echo not in line))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
