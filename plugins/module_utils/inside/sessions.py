# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The terminal sessions of the user that asks, in a container, from tmux and zmx."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from typing import Any

_FORMAT = "#{session_attached} #{session_created} #{session_activity} #{session_name}"
_PLACES = "/usr/local/bin:/usr/bin:/bin"


class Failed(Exception):
    """What keeps the sessions does not say which there are."""


def sessions() -> list[dict[str, Any]]:
    """All of them, by name."""
    found: list[dict[str, Any]] = []
    if answers(f"/tmp/tmux-{os.getuid()}/pixels"):
        found += of_tmux(_said(["tmux", "-L", "pixels", "-u", "list-sessions", "-F", _FORMAT]))
    if shutil.which("zmx", path=_path()):
        found += of_zmx(_said(["zmx", "list"], ZMX_DIR=zmx_folder()))
    return sorted(found, key=lambda entry: (entry["session"], entry["multiplexer"]))


def zmx_folder() -> str:
    return os.environ.get("ZMX_DIR") or f"/tmp/zmx-{os.getuid()}"


def answers(path: str) -> bool:
    """Whether somebody listens on a socket. One that nobody listens on is what a restart has left."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            return False
    return True


def _path() -> str:
    return os.environ.get("PATH", "") + ":" + _PLACES


def _said(argv: list[str], **environment: str) -> str:
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={**os.environ, "PATH": _path(), **environment},
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(f"{argv[0]} does not answer: {error}") from None
    said = done.stdout.decode("utf-8", "replace")
    if done.returncode != 0:
        raise Failed(f"{argv[0]} failed: {(done.stderr.decode('utf-8', 'replace') or said).strip()}")
    return said


def of_tmux(said: str) -> list[dict[str, Any]]:
    found = []
    for line in said.splitlines():
        clients, created, active, name = line.split(" ", 3)
        found.append(_entry("tmux", name, int(clients), int(created), int(active)))
    return found


def of_zmx(said: str) -> list[dict[str, Any]]:
    """Lines of fields with tabs between them; what one does not know of them is left out, and so is a session that does not answer."""
    found = []
    for line in said.splitlines():
        fields = dict(part.partition("=")[::2] for part in re.sub(r"^[^a-z]*", "", line).split("\t") if "=" in part)
        name = fields.get("session_name") or fields.get("name")
        if name and "clients" in fields and fields["clients"].isdigit():
            found.append(_entry("zmx", name, int(fields["clients"]), _seconds(fields.get("created_at") or fields.get("created")), None))
    return found


def _seconds(text: str | None) -> int | None:
    if text is None or not text.isdigit():
        return None
    value = int(text)
    # Some versions count in thousandths, or in thousand millionths.
    while value > 100_000_000_000:
        value //= 1000
    return value


def _entry(multiplexer: str, name: str, clients: int, created: int | None, active: int | None) -> dict[str, Any]:
    return {
        "session": name,
        "status": "attached" if clients else "detached",
        "clients": clients,
        "created": created,
        "activity": active,
        "multiplexer": multiplexer,
    }
