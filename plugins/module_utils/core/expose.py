# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The promise of the module `expose`: a port of a container is one of this machine's loopback, while an ssh in the background lives.

Each forward is a control socket, which its ssh listens on, and a record beside it of what it is for. One without the other is a remainder.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import select
import socket
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..rpc import broker_place
from .errors import CoreError, Invalid
from .ssh import ALIVE, words

ARGUMENTS: dict[str, dict[str, Any]] = {
    "containers": {"type": "list", "elements": "str", "default": []},
    "port": {"type": "int"},
    "local_port": {"type": "int"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}
_LOOPBACK = "127.0.0.1"
# ssh gives the socket a name that is 17 characters longer first.
_LONGEST = 107 - 17
_PATIENCE = 60
# How long something that answers at the other end may leave a connection open without a word, which is a good sign.
_GLANCE = 0.7

# The ssh command up to the host, with these options in front.
Ssh = Callable[[Sequence[str]], Sequence[str | bytes]]


class Taken(CoreError):
    """The local port belongs to somebody else."""


@dataclass(frozen=True)
class Forward:
    """What a record says."""

    container: str
    address: str
    user: str
    port: int
    local_port: int

    @property
    def url(self) -> str:
        return f"http://{_LOOPBACK}:{self.local_port}"

    def shown(self) -> dict[str, Any]:
        return {"container": self.container, "port": self.port, "local_port": self.local_port, "url": self.url}


def directory() -> Path:
    """Ours alone, and gone with the login session where there is such a place."""
    try:
        return broker_place.directory()
    except broker_place.NoPlace as error:
        raise CoreError(f"there is no place for the sockets of forwards: {error}") from None


def port_number(option: str, value: int | None) -> int | None:
    if value is not None and not 1 <= value <= 65535:
        raise Invalid(option, value, "a port is a number from 1 to 65535")
    return value


class Forwards:
    """All of them, in one directory."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def _stem(self, container: str, port: int) -> str:
        return "fwd-" + hashlib.sha256(f"{container}\0{port}".encode()).hexdigest()[:12]

    def socket(self, container: str, port: int) -> Path:
        path = self.place / f"{self._stem(container, port)}.sock"
        if len(os.fsencode(path)) > _LONGEST:
            raise CoreError(f"{self.place} is too long for a socket; set XDG_RUNTIME_DIR to a shorter one")
        return path

    def _record(self, container: str, port: int) -> Path:
        return self.place / f"{self._stem(container, port)}.json"

    def known(self) -> list[Forward]:
        """Those that live, by container and port. What is left of others is removed."""
        found = []
        for path in sorted(self.place.glob("fwd-*.json")):
            try:
                forward = Forward(**json.loads(path.read_text(encoding="utf-8")))
            except (OSError, ValueError, TypeError):
                continue
            if alive(self.socket(forward.container, forward.port)):
                found.append(forward)
            else:
                self._forget(forward)
        return sorted(found, key=lambda forward: (forward.container, forward.port))

    def _forget(self, forward: Forward) -> None:
        for path in (self._record(forward.container, forward.port), self.socket(forward.container, forward.port)):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()

    def open(self, forward: Forward, ssh: Ssh) -> None:
        path = self.socket(forward.container, forward.port)
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        options = ["-f", "-N", "-T", "-M", "-S", str(path), *_OPTIONS]
        # By name: many a server listens on one of the two loopback addresses only.
        options += ["-L", f"{_LOOPBACK}:{forward.local_port}:localhost:{forward.port}"]
        with tempfile.TemporaryFile() as said:
            # What it inherits it keeps, and whoever reads a pipe to its end would wait for as long as the forward lives.
            status = subprocess.run(
                ssh(options),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                timeout=_PATIENCE,
                start_new_session=True,
                check=False,
            ).returncode
            said.seek(0)
            text = said.read(4000).decode("utf-8", "replace").strip()
        if status != 0:
            raise CoreError(f"the forward to {forward.container} could not be opened (status {status}): {text}")
        record = self._record(forward.container, forward.port)
        new = record.with_suffix(".new")
        new.write_text(json.dumps(asdict(forward)), encoding="utf-8")
        os.replace(new, record)

    def close(self, forward: Forward) -> None:
        path = self.socket(forward.container, forward.port)
        # The destination counts for nothing here, but ssh wants one.
        done = subprocess.run(
            ["ssh", "-S", str(path), "-O", "exit", forward.container],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
        )
        if done.returncode != 0 and alive(path):
            raise CoreError(f"the forward to {forward.container} could not be closed: {done.stderr.decode('utf-8', 'replace').strip()}")
        self._forget(forward)


_OPTIONS = words({"ControlPersist": "no", "ExitOnForwardFailure": "yes", "BatchMode": "yes", **ALIVE, "LogLevel": "ERROR"})


def alive(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(5)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_LOOPBACK, port))
        except OSError:
            return False
    return True


def local_port(asked: int | None, port: int, free: Callable[[int], bool] = is_free) -> int:
    """The one that was asked for, or else the same number, or else any."""
    if asked is not None:
        if not free(asked):
            raise Taken(f"port {asked} of this machine is taken, or not yours to take; give another local_port, or none")
        return asked
    if port >= 1024 and free(port):
        return port
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((_LOOPBACK, 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    """Whether something is at the other end: where nothing is, ssh takes the connection and closes it at once."""
    try:
        with socket.create_connection((_LOOPBACK, port), timeout=5) as probe:
            readable, _writable, _broken = select.select([probe], [], [], _GLANCE)
            return not readable or bool(probe.recv(1))
    except OSError:
        return False


def present(wanted: Forward, asked: int | None, forwards: Forwards, ssh: Ssh, *, check: bool) -> dict[str, Any]:
    """`wanted` has no local port yet."""
    there = next((one for one in forwards.known() if (one.container, one.port) == (wanted.container, wanted.port)), None)
    same = there is not None and (there.address, there.user) == (wanted.address, wanted.user) and asked in (None, there.local_port)
    if there is not None and same:
        return {"changed": False, "forward": {**there.shown(), "answers": answers(there.local_port)}}
    # One to an address that the container no longer has is opened anew at the same port.
    keep = there.local_port if there is not None and asked is None else asked
    number = keep if there is not None and keep == there.local_port else local_port(keep, wanted.port)
    if there is not None and not check:
        forwards.close(there)
    forward = Forward(wanted.container, wanted.address, wanted.user, wanted.port, number)
    if check:
        return {"changed": True, "forward": {**forward.shown(), "answers": None}}
    forwards.open(forward, ssh)
    return {"changed": True, "forward": {**forward.shown(), "answers": answers(number)}}


def absent(containers: Sequence[str], port: int | None, forwards: Forwards, *, check: bool) -> dict[str, Any]:
    """That port's, or all of the containers'."""
    there = [one for one in forwards.known() if one.container in containers and port in (None, one.port)]
    for one in there if not check else []:
        forwards.close(one)
    return {"changed": bool(there), "closed": [one.shown() for one in there]}
