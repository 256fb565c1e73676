# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A container in a directory for the developer tools: its files are real, its programs are played. And a registry on the loopback."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ansible_collections.pixels.sandbox.plugins.module_utils.inside import devtools_places as places
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.devtools_state import digest_of, fresh
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.devtools_work import Work
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.egress_machine import Machine

SCRIPT = b"#!/bin/sh\necho 1.0.0\n"


class Box(Machine):
    """Every package that is asked for is there, unless it is in `absent`. `calls` has the programs that were run."""

    def __init__(self, root: Path) -> None:
        super().__init__(str(root))
        self.calls: list[str] = []
        self.absent: set[str] = set()
        self.jobs = ""
        self.system = "running"
        for name in ("/usr/local/bin", "/usr/bin", "/etc", "/proc/net"):
            Path(self.path(name)).mkdir(parents=True)
        self.put("/proc/net/route", "eth0 00000000 0100000A 0003\n")
        self.put("/usr/bin/rg", "")
        self.put("/usr/bin/fdfind", "")

    def put(self, name: str, content: str | bytes, mode: int = 0o644) -> None:
        path = Path(self.path(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(mode)

    def run(self, *command: str, check: bool = True, timeout: float = 60.0, env: dict[str, str] | None = None) -> tuple[int, str]:
        self.calls.append(" ".join(command))
        if command[0] == "dpkg-query":
            return 0, "".join(f"ii {name}:amd64\n" for name in command[3:] if name not in self.absent)
        if command[:2] == ("systemctl", "list-jobs"):
            return 0, self.jobs
        if command[:2] == ("systemctl", "is-system-running"):
            return 0, self.system
        return 0, ""

    def linked(self, name: str) -> str:
        return str(Path(self.path(f"{places.BIN}/{name}")).readlink())

    def want(self, wish: dict[str, Any]) -> dict[str, Any]:
        """As the module leaves it."""
        wish = {**wish, "digest": digest_of(wish)}
        self.write_json(places.WISH, wish)
        self.write_json(places.STATE, fresh(wish))
        return wish

    def state(self) -> dict[str, Any]:
        return self.read_json(places.STATE) or {}


def wish_for(*tools: dict[str, Any], npm: list[dict[str, Any]] | None = None, packages: tuple[str, ...] = ("git",)) -> dict[str, Any]:
    return {
        "version": 1,
        "timeout": 600,
        "user": "nobody",
        "packages": {"manager": "apt", "names": list(packages), "links": {"fd": ["/usr/bin/fdfind"], "rg": ["/usr/bin/rg"]}},
        "tools": list(tools),
        "npm": npm or [],
        "settings": {"npm_registry": None, "pypi_index": None},
    }


def sri(data: bytes) -> str:
    return "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode()


def archive(*members: tuple[str, bytes | tarfile.TarInfo], mode: str = "w:gz") -> bytes:
    """Of files by name and content, or of members as they are."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as made:  # type: ignore[call-overload]
        for name, content in members:
            if isinstance(content, tarfile.TarInfo):
                made.addfile(content)
                continue
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o755
            made.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def tool(url: str, data: bytes | None, name: str = "demo", version: str = "1.0.0", **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "version": version,
        "package": name,
        "package_version": version,
        "url": url,
        "integrity": None if data is None else sri(data),
        "ask": None,
        "programs": {name: f"bin/{name}"},
        "check": [],
        "links": {},
        "single": False,
        **more,
    }


def work_in(box: Machine, seconds: float = 60.0) -> Work:
    return Work(box, seconds)


Answer = Callable[[BaseHTTPRequestHandler], None]


class Registry:
    """Serves `files` by path, with ranges; `faults` are answers that come first, one a request."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.faults: list[Answer] = []
        self.asked: list[tuple[str, str | None]] = []
        self.ranges = True
        self.url = ""

    def json(self, path: str, value: Any) -> None:
        self.files[path] = json.dumps(value).encode()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        span = request.headers.get("Range")
        self.asked.append((request.path, span))
        if self.faults:
            self.faults.pop(0)(request)
            return
        data = self.files.get(request.path)
        if data is None:
            request.send_error(404)
            return
        start = int(span[6:-1]) if span and self.ranges else 0
        if start >= len(data) and start:
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{len(data)}")
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        request.send_header("Content-Length", str(len(data) - start))
        request.end_headers()
        request.wfile.write(data[start:])


def status(code: int, **headers: str) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(code)
        for name, value in {"Content-Length": "0", **headers}.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()

    return answer


def broken_after(data: bytes, size: int) -> Answer:
    """Says that it sends all of it, and ends after a part."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data[:size])
        request.wfile.flush()
        request.close_connection = True

    return answer


@contextmanager
def serving() -> Iterator[Registry]:
    registry = Registry()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            registry.answer(self)

        def log_message(self, *_words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    registry.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
