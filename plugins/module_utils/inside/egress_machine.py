# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The container as the egress policy works on it: its files and its programs. Tests put a directory and a script in its place."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import stat
import subprocess
import tempfile
from collections.abc import Iterable
from typing import Any

_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C",
    "HOME": "/root",
    "DEBIAN_FRONTEND": "noninteractive",
    "NEEDRESTART_SUSPEND": "1",
    "APT_LISTCHANGES_FRONTEND": "none",
}


class Failed(Exception):
    """A step that did not work: what it was, and the end of what its program said."""

    def __init__(self, message: str, log: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.log = log


class Machine:
    """See the docstring of this file."""

    def __init__(self, root: str = "") -> None:
        self.root = root

    # Files

    def path(self, name: str) -> str:
        return self.root + name

    def read(self, name: str) -> str | None:
        try:
            with open(self.path(name), encoding="utf-8", errors="surrogateescape") as stream:
                return stream.read()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def read_json(self, name: str) -> dict[str, Any] | None:
        """None where there is none, and {} for damage: there was something."""
        text = self.read(name)
        if text is None:
            return None
        try:
            value = json.loads(text)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    def exists(self, name: str) -> bool:
        return os.path.lexists(self.path(name))

    def listed(self, name: str) -> list[str]:
        """The files in a directory, by their full names."""
        try:
            return sorted(f"{name}/{entry}" for entry in os.listdir(self.path(name)))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def fingerprint(self, name: str) -> str:
        """Mode and content of a file of root's, or "" where there is no such file."""
        path = self.path(name)
        try:
            found = os.lstat(path)
            if not stat.S_ISREG(found.st_mode) or found.st_uid != self.owner:
                return ""
            with open(path, "rb") as stream:
                return fingerprint(stream.read(), stat.S_IMODE(found.st_mode))
        except OSError:
            return ""

    @property
    def owner(self) -> int:
        return os.geteuid() if self.root else 0

    def write(self, name: str, content: str, mode: int = 0o644) -> None:
        """All at once, whatever was in its place."""
        path = self.path(name)
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=".egress.", dir=os.path.dirname(path))
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as stream:
                stream.write(content)
            os.chmod(temporary, mode)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise

    def write_json(self, name: str, value: Any, mode: int = 0o644) -> None:
        self.write(name, json.dumps(value, indent=1, sort_keys=True) + "\n", mode)

    def remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path(name))

    # Programs

    def run(self, *command: str, check: bool = True, timeout: float = 60.0, env: dict[str, str] | None = None) -> tuple[int, str]:
        """The status and what was said. A program that is missing, or takes too long, has failed."""
        try:
            done = subprocess.run(
                list(command),
                env={**_ENVIRONMENT, **(env or {})},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                check=False,
                timeout=timeout,
            )
            status, said = done.returncode, done.stdout.decode("utf-8", "replace")
        except FileNotFoundError:
            status, said = 127, f"{command[0]} is not installed"
        except OSError as error:
            status, said = 126, str(error)
        except subprocess.TimeoutExpired as error:
            status, said = 124, (error.stdout or b"").decode("utf-8", "replace") + f"\n{command[0]} has not ended within {int(timeout)} s"
        if check and status != 0:
            raise Failed(f"{' '.join(command)} ended with status {int(status)}", said)
        return status, said

    def processes(self, uid: int) -> list[int]:
        """Those that are a user's in any way; what has ended and is not yet cleared away does not count."""
        found = []
        for entry in filter(str.isdigit, os.listdir(self.path("/proc"))):
            with contextlib.suppress(ProcessLookupError):
                values = dict(line.partition(":")[::2] for line in (self.read(f"/proc/{entry}/status") or "").splitlines())
                if str(uid) in values.get("Uid", "").split() and values.get("State", "").split()[:1] not in (["Z"], ["X"]):
                    found.append(int(entry))
        return sorted(found)

    def kill_all(self, uid: int) -> None:
        """All of a user at once, as only that user itself can: one after the other, they could go on multiplying."""
        child = os.fork()
        if child == 0:
            try:
                os.setgroups([])
                os.setresuid(uid, uid, uid)
                # What cannot be done, such as for want of any, shows in what is left.
                os.kill(-1, signal.SIGKILL)
            finally:
                os._exit(0)
        os.waitpid(child, 0)

    def systemctl(self, *arguments: str, check: bool = True) -> tuple[int, str]:
        return self.run("systemctl", *arguments, check=check, timeout=120.0)


def fingerprint(content: bytes, mode: int) -> str:
    return f"{mode:o}:{hashlib.sha256(content).hexdigest()}"


def digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def end_of(text: str, lines: int = 30) -> list[str]:
    return text.rstrip().splitlines()[-lines:]


def by_name(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return dict(sorted(pairs))
