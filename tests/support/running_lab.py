"""A lab as tests use it: started in a directory of its own, its journal, its faults and switches, and what it holds.

The tests talk to it in words of their own (a dozen lines of JSON-RPC): they must not believe what the collection believes.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import shlex
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import websocket

ROOT = Path(__file__).resolve().parents[2]
REAL_LAB = Path(os.environ.get("PIXELS_E2E_LAB") or ROOT / ".cache" / "e2e")


@contextlib.contextmanager
def real_lab_for_me() -> Iterator[None]:
    """One user at a time of the lab with real containers: each begins by emptying it."""
    REAL_LAB.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{REAL_LAB}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def parse_exports(text: str) -> dict[str, str]:
    """The variables of a file of `export NAME=value` lines."""
    found = {}
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        if len(words) == 2 and words[0] == "export" and "=" in words[1]:
            name, _equals, value = words[1].partition("=")
            found[name] = value
    return found


def lab_command(*arguments: str, timeout: float = 900.0) -> str:
    """Run the lab's own command line and return what it printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PIXELS_", "INCUS_"))}
    environment["PYTHONPATH"] = str(ROOT / "tests" / "lab")
    done = subprocess.run(
        [sys.executable, "-m", "truenas_lab", *arguments],
        env=environment,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=timeout,
    )
    if done.returncode:
        raise RuntimeError(f"truenas_lab {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


class ApiError(Exception):
    """An error object, as it came."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(json.dumps(error))
        self.error = error


class RunningLab:
    """A lab that is up in `directory`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.env = parse_exports((directory / "env").read_text(encoding="utf-8"))
        self.host = self.env["PIXELS_TRUENAS_HOST"].removeprefix("wss://")
        if ":" not in self.host and "PIXELS_TRUENAS_PORT" in self.env:
            self.host += ":" + self.env["PIXELS_TRUENAS_PORT"]
        self.api_key = (directory / "api-key").read_text(encoding="utf-8").strip()
        self._tls = ssl.create_default_context(cafile=str(directory / "tls" / "ca.pem"))
        self._ids = itertools.count(1)
        self._socket: websocket.WebSocket | None = None
        self._own_connections: set[Any] = set()

    @classmethod
    def start(cls, directory: Path, *, engine: str = "memory", version: str = "25.10") -> RunningLab:
        lab_command("up", "--dir", str(directory), "--engine", engine, "--version", version)
        return cls(directory)

    def destroy(self) -> None:
        self._disconnect()
        lab_command("destroy", "--dir", str(self.directory))

    # -- the journal --------------------------------------------------------------------------------------------
    def mark(self) -> int:
        """Where the journal ends now: after its last whole line."""
        return self._whole_lines().rfind(b"\n") + 1

    def journal(self, since: int = 0, *, kind: str = "call", method: str = "*") -> list[dict[str, Any]]:
        """The lines since a mark, without those of the tests' own connection."""
        lines = [json.loads(line) for line in self._whole_lines(since).splitlines()]
        return [
            line
            for line in lines
            if line["kind"] == kind and fnmatchcase(line.get("method", ""), method) and line.get("connection") not in self._own_connections
        ]

    def _whole_lines(self, since: int = 0) -> bytes:
        """What the lab has written, without a line that it is writing at this moment."""
        with (self.directory / "journal.jsonl").open("rb") as stream:
            stream.seek(since)
            read = stream.read()
        return read[: read.rfind(b"\n") + 1]

    def changes(self, since: int = 0) -> list[str]:
        """The methods of the calls that were to change something."""
        return [line["method"] for line in self.journal(since) if line["changes"]]

    def wait_for_fault(self, since: int, timeout: float = 60.0) -> None:
        """Until a call has arrived that suffers from a fault: what it asks for is under way then."""
        until = time.monotonic() + timeout
        while not self.journal(since, kind="fault"):
            assert time.monotonic() < until, "no call suffered from a fault"
            time.sleep(0.02)

    def logins(self, since: int = 0) -> int:
        return len(self.journal(since, method="auth.login*"))

    # -- the switches -------------------------------------------------------------------------------------------
    def _control(self, verb: str, path: str, body: Any = None) -> Any:
        token = (self.directory / "control-token").read_text(encoding="utf-8").strip()
        request = urllib.request.Request(
            f"https://{self.host}/_lab/{path}",
            method=verb,
            data=None if body is None else json.dumps(body).encode(),
            headers={"X-Lab-Token": token, "Content-Type": "application/json"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self._tls))
        try:
            with opener.open(request, timeout=60) as answer:
                return json.load(answer)
        except HTTPError as error:
            raise ValueError(error.read().decode()) from None

    def fault(self, method: str, fault: str, **details: Any) -> None:
        """Let the next call of a method suffer; see truenas_lab/faults.py for the kinds."""
        self._control("POST", "faults", {"method": method, "fault": fault, **details})

    def faults(self) -> list[dict[str, Any]]:
        return list(self._control("GET", "faults")["faults"])

    def clear(self) -> None:
        self._control("DELETE", "faults")

    def state(self, **switches: Any) -> Any:
        """Throw lab-only switches (virt_state=..., revoke=..., foreign={...}), or look when there is none."""
        return self._control("POST", "state", switches) if switches else self._control("GET", "state")

    def limits(self, **limits: Any) -> None:
        self.state(limits=limits)

    @contextlib.contextmanager
    def broken(self, method: str, fault: str, **details: Any) -> Iterator[None]:
        """A fault for the length of a block."""
        self.fault(method, fault, **details)
        try:
            yield
        finally:
            self.clear()

    # -- what it holds ------------------------------------------------------------------------------------------
    def _connect(self) -> websocket.WebSocket:
        before = self.mark()
        options = {"ca_certs": str(self.directory / "tls" / "ca.pem")}
        connection = websocket.create_connection(f"wss://{self.host}/api/current", sslopt=options, timeout=120, http_no_proxy=["*"])
        self._socket = connection
        self._roundtrip("auth.login_with_api_key", self.api_key)
        self._own_connections.update(line["connection"] for line in self.journal(before, kind="connect"))
        return connection

    def _disconnect(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _roundtrip(self, method: str, *params: Any) -> Any:
        assert self._socket is not None
        ident = next(self._ids)
        self._socket.send(json.dumps({"jsonrpc": "2.0", "id": ident, "method": method, "params": list(params)}))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("id") == ident:
                if "error" in answer:
                    raise ApiError(answer["error"])
                return answer["result"]

    def ask(self, method: str, *params: Any) -> Any:
        """One call; a job is waited for. Not in journal(), and it suffers faults like any other."""
        if self._socket is None:
            self._connect()
        try:
            return self._roundtrip(method, *params)
        except (OSError, websocket.WebSocketException):
            self._disconnect()
            self._connect()
            return self._roundtrip(method, *params)

    def instances(self) -> dict[str, dict[str, Any]]:
        """All instances by their name on the appliance."""
        return {entry["name"]: entry for entry in self.ask("virt.instance.query")}

    def instance(self, name: str) -> dict[str, Any] | None:
        found = self.ask("virt.instance.query", [["id", "=", name]])
        return found[0] if found else None

    def datasets(self) -> dict[str, str | None]:
        """What holds or held the data of a container, wherever it lies, with the snapshot that it is a clone of."""
        return {item["name"]: item["origin"] for item in self.state()["datasets"] if item["data"] or "/deleted/containers/" in item["name"]}

    def snapshots(self) -> dict[str, dict[str, Any]]:
        """All but those of images and of the pools' own structure: clones, deferred, holds."""
        known = self.datasets()
        return {item["name"]: item for item in self.state()["snapshots"] if item["name"].partition("@")[0] in known}

    def nightly(self, name: str = "auto-2026-11-23_00-00", pool: str = "tank", *, held: bool = False) -> None:
        """A snapshot of the whole pool, as an appliance's periodic task takes it; no event tells of it."""
        self.state(snapshot={"dataset": pool, "name": name, "recursive": True, "held": held})

    def dataset(self, instance: str, pool: str = "tank") -> str:
        return f"{pool}/.ix-virt/containers/{instance}"

    def write(self, dataset: str, path: str, text: str | None) -> None:
        """A file in a dataset of the memory engine; None removes it."""
        self.state(write={"dataset": dataset, "path": path, "text": text})

    def read(self, dataset: str, path: str) -> str | None:
        """A file in a dataset or snapshot of the memory engine."""
        text = self.state(read={"dataset": dataset, "path": path})["read"]
        return None if text is None else str(text)

    def job(self, method: str, *params: Any) -> dict[str, Any]:
        """Start a job and wait until it has ended."""
        ident = self.ask(method, *params)
        while True:
            (job,) = self.ask("core.get_jobs", [["id", "=", ident]])
            if job["state"] in ("SUCCESS", "FAILED", "ABORTED"):
                return dict(job)
            with contextlib.suppress(ApiError):
                self.ask("core.job_wait", ident)

    def reset(self) -> None:
        """As new: no fault, no instance, no dataset, no snapshot, no memory of logins, everything switched back."""
        self.clear()
        self.state(virt_state="INITIALIZED", reset_rate_limit=True, clear_storage=True)
        for name, entry in self.instances().items():
            if entry["status"] != "STOPPED":
                self.job("virt.instance.stop", name, {"force": True, "timeout": -1})
            self.job("virt.instance.delete", name)
        self.state(clear_storage=True)
