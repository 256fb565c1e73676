"""The server as a process of its own: started detached, waited for through a pipe, stopped."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .engine.base import Engine
from .engine.memory import MemoryEngine
from .handover import Handover
from .host import bridges, setup
from .host.place import Place
from .host.processes import Process, end
from .server import Running, serve
from .settings import Settings

START_SECONDS = 60
DEFAULT_IMAGE = "debian/12"
_PACKAGE = Path(__file__).resolve().parent


class ServerFailed(Exception):
    """The server did not come up; the text ends with its last words."""


def source_fingerprint() -> str:
    """Changes with the lab's code, so that `up` never leaves an outdated server running."""
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        digest.update(f"{path.relative_to(_PACKAGE)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Wanted:
    """What the server is started with."""

    directory: Path
    engine: str
    version: str
    port: int

    def argv(self) -> list[str]:
        return ["serve", "--dir", str(self.directory), "--engine", self.engine, "--version", self.version, "--port", str(self.port)]


# -- in the server's process ----------------------------------------------------------------------------------------


def _memory_total() -> int:
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return 0


def _settings(wanted: Wanted) -> Settings:
    settings = Settings(wanted.directory, version=wanted.version, engine=wanted.engine, port=wanted.port)
    if wanted.engine == "incus":  # the appliance is this machine
        settings.cores = os.cpu_count() or 1
        settings.physical_memory = _memory_total()
        settings.bridges = bridges.recorded(wanted.directory)
    return settings


async def run_server(wanted: Wanted, ready_fd: int | None) -> None:
    """Serve until told to end. The daemon of the Incus engine has to run already."""
    place = Place.recorded(wanted.directory) if wanted.engine == "incus" else None
    engine: Engine = setup.engine(place) if place else MemoryEngine(pools=list(setup.POOLS))
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)

    async def ready(running: Running) -> None:
        images = await engine.images()
        names = [name for image in images[:1] for name in (DEFAULT_IMAGE, *image.other_aliases, image.alias)]
        known = {name for image in images for name in (image.alias, *image.other_aliases)}
        default = next((name for name in names if name in known), DEFAULT_IMAGE)
        handover = _describe(wanted, running, place, default)
        if ready_fd is None:
            handover.save()
            print(f"The lab answers at {running.url}; end it with Ctrl-C.", flush=True)
        else:
            os.write(ready_fd, json.dumps(handover.__dict__).encode())
            os.close(ready_fd)

    with suppress(asyncio.CancelledError):
        await serve(_settings(wanted), engine, ready)


def _describe(wanted: Wanted, running: Running, place: Place | None, image: str) -> Handover:
    own = Process.of(os.getpid())
    assert own is not None
    directory = wanted.directory
    return Handover(
        directory=str(directory),
        url=running.url,
        host=running.host,
        port=running.port,
        version=wanted.version,
        engine=wanted.engine,
        pid=own.pid,
        started=own.started,
        source=source_fingerprint(),
        ca_file=str(directory / "tls" / "ca.pem"),
        key_file=str(directory / "api-key"),
        control_token_file=str(directory / "control-token"),
        journal=str(directory / "journal.jsonl"),
        log=str(directory / "logs" / "server.log"),
        default_image=image,
        incus_dir=str(place.incus_dir) if place else None,
        bridge=place.bridge if place else None,
        subnet=place.subnet if place else None,
    )


# -- in the process that starts it ----------------------------------------------------------------------------------


def start(wanted: Wanted) -> Handover:
    """Start it detached; answer when it takes connections."""
    logs = wanted.directory / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    reader, writer = os.pipe()
    environment = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "LC_ALL", "TZ") if key in os.environ}
    environment["PYTHONPATH"] = str(_PACKAGE.parent)
    environment["PYTHONUNBUFFERED"] = "1"
    log_path = logs / "server.log"
    with log_path.open("ab") as log:
        log_path.chmod(0o600)
        child = subprocess.Popen(
            [sys.executable, "-m", __package__, *wanted.argv(), "--ready-fd", str(writer)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[writer],
            start_new_session=True,
            cwd="/",
        )
    os.close(writer)
    data = b""
    try:
        while select.select([reader], [], [], START_SECONDS)[0]:
            chunk = os.read(reader, 65536)
            if not chunk:
                break
            data += chunk
    finally:
        os.close(reader)
    if not data:
        process = Process.of(child.pid)
        if process is not None:
            end([process], seconds=2)
        tail = "\n".join(log_path.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
        raise ServerFailed(f"the server did not come up:\n{tail}")
    handover = Handover(**json.loads(data))
    handover.save()
    return handover


def stop(handover: Handover) -> None:
    if handover.running:
        end([handover.server], seconds=10)
