"""The container in which requests arrive: the real program at a real socket, with scripts in the place of apt and the others."""

from __future__ import annotations

import contextlib
import importlib.machinery
import importlib.util
import json
import os
import pwd
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

ROLE = Path(__file__).resolve().parents[4] / "roles" / "egress"
REQUEST = ROLE / "files" / "request"
KNOWN = ["hello", "jq", "g++", "libstdc++6", "needs-podman", "podman", "breaks"]
# Loads the program as a module, replaces its tables and lets it serve the socket that is its standard input.
DRIVER = """\
import importlib.machinery, importlib.util, json, sys
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("request", sys.argv[1])
module = importlib.util.module_from_spec(importlib.util.spec_from_loader("request", loader))
loader.exec_module(module)
for name, value in json.loads(sys.argv[2]).items():
    setattr(module, name, value)
raise SystemExit(module.main())
"""
# Each program notes how it was called, and with what around it.
NOTE = """\
#!/bin/sh
echo "$(basename "$0") $*" >> {calls}
env > {environment}; pwd > {directory}
"""
APT_GET = """\
case " $* " in
*" --simulate "*)
    case " $* " in
    *" breaks "*) echo "E: broken" >&2; exit 100 ;;
    *" needs-podman "*) echo "Inst podman [4.0] (4.3 Debian)"; echo "Conf podman (4.3 Debian)" ;;
    *" removes "*) echo "Remv podman:amd64 [4.0]" ;;
    esac
    echo "Inst hello (2.10 Debian)" ;;
*) printf 'Setting up \\377\\n'; [ ! -e {slow} ] || sleep 1; echo done; echo finished >> {calls}; exit "$(cat {status})" ;;
esac
"""


def load(program: Path) -> ModuleType:
    """A program of the role as a module, without leaving compiled code beside it."""
    loader = importlib.machinery.SourceFileLoader(f"egress_{program.name}", str(program))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    if spec is None:
        raise ImportError(str(program))
    module = importlib.util.module_from_spec(spec)
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module


class Service:
    """The container in which the requests arrive."""

    def __init__(self, place: Path) -> None:
        self.ends: tuple[socket.socket, socket.socket] | None = None
        self.place = place
        self.config = place / "request.json"
        self.log = place / "requests.log"
        self.notes = place / "calls"
        self.slow = place / "slow"
        self.status = place / "status"
        self.updates = place / "updates"
        self.updates.mkdir()
        self.status.write_text("0")
        self.set_config(
            packages=True, denied_packages=["podman", "docker.io"], units=["pixels-devtools.service", "ssh.service", "a@b.timer"]
        )
        self.program("apt-cache", "cat <<X\n" + "\n".join(KNOWN) + "\nX\n")
        self.program("apt-get", APT_GET.format(slow=self.slow, calls=self.notes, status=self.status))
        self.program("dpkg", f"rm -f {self.updates}/*; echo configured\n")
        self.program("journalctl", f'echo journal; case " $* " in *" --follow "*) echo $$ > {place}/pid; exec sleep 60 ;; esac\n')
        self.program("systemctl", "echo state; exit 3\n")
        self.tables: dict[str, Any] = {
            "CONFIG": str(self.config),
            "CONFIG_OWNER": os.getuid(),
            "LOG": str(self.log),
            "LOCK": str(place / "lock"),
            "UNFINISHED": str(self.updates),
            "PROGRAMS": {name: str(place / name) for name in ("apt-cache", "apt-get", "dpkg", "journalctl", "systemctl")},
            "LINE_PATIENCE": 1.0,
            "LOOK": 0.05,
        }
        self.started: list[subprocess.Popen[bytes]] = []

    def program(self, name: str, text: str) -> None:
        note = NOTE.format(calls=self.notes, environment=self.place / "environment", directory=self.place / "directory")
        path = self.place / name
        path.write_text(note + text)
        path.chmod(0o755)

    def set_config(self, **values: Any) -> None:
        values.setdefault("user", pwd.getpwuid(os.getuid()).pw_name)
        self.config.write_text(json.dumps(values))

    @contextlib.contextmanager
    def asked_by(self, uid: int) -> Iterator[None]:
        """Whoever makes the socket is who asks; only root can be somebody else."""
        os.seteuid(uid)
        try:
            self.ends = socket.socketpair(socket.AF_UNIX)
        finally:
            os.seteuid(0)
        yield
        self.ends = None

    def connect(self) -> socket.socket:
        ours, theirs = self.ends or socket.socketpair(socket.AF_UNIX)
        command = [sys.executable, "-I", "-c", DRIVER, str(REQUEST), json.dumps(self.tables)]
        environment = {**os.environ, "APT_CONFIG": "/evil", "LD_PRELOAD": ""}
        with theirs, open(self.place / "stderr", "ab") as stderr:
            self.started.append(subprocess.Popen(command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, stderr=stderr, env=environment))
        ours.settimeout(30)
        return ours

    def send(self, data: bytes) -> tuple[int | None, str]:
        """The status that came back, and what came before it."""
        with self.connect() as connection:
            connection.sendall(data)
            answer = b""
            # Whoever is refused before having said all gets a reset after the answer.
            with contextlib.suppress(ConnectionResetError):
                while more := connection.recv(65536):
                    answer += more
        said, mark, status = answer.rpartition(b"\x1eexit ")
        assert status.endswith(b"\n") or not mark
        return (int(status) if mark else None), (said if mark else answer).decode("latin-1")

    def ask(self, *words: str) -> tuple[int | None, str]:
        return self.send(json.dumps(words).encode() + b"\n")

    def calls(self) -> list[str]:
        return self.notes.read_text().splitlines() if self.notes.exists() else []

    def programs(self) -> set[str]:
        return {call.split()[0] for call in self.calls()}

    def wait_for(self, what: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not what():
            assert time.monotonic() < deadline, "this does not happen"
            time.sleep(0.02)

    def end(self) -> None:
        for process in self.started:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()
