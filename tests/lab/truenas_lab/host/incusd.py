"""The life of the lab's own Incus daemon: started detached, found again, stopped with all that it started."""

from __future__ import annotations

import asyncio
import grp
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..engine.base import EngineError
from ..engine.incus_client import IncusClient, IncusUnreachable, segment
from . import bridges, packages
from .errors import HostError
from .mounts import detach_loops, mounts_below, unmount_below
from .place import Place
from .processes import Process, belonging_to, end, wait_for_end
from .run import run, system_environment, which

READY_SECONDS = 60
_HELPERS = ("dnsmasq", "incusd", "forkdns")
_GRACE = 15  # seconds that a container gets to shut down
_AT_ONCE = 4  # shut down together: a small machine is no faster with more


def daemon(place: Place) -> Process | None:
    """The daemon of this lab, if it runs."""
    try:
        pid, started = (int(word) for word in _pid_file(place).read_text(encoding="ascii").split())
    except (FileNotFoundError, ValueError):
        return None
    process = Process(pid, started)
    return process if process.alive else None


def _pid_file(place: Place) -> Path:
    return place.directory / "incusd.pid"


async def start(place: Place) -> bool:
    """Start it unless it runs already; answer whether it was started. Returns when it answers.

    After a crash its containers run on: a new daemon takes them over.
    """
    process = daemon(place)
    fresh = process is None
    if process is None:
        process = _launch(place)
    await _ready(place, process)
    return fresh


def _launch(place: Place) -> Process:
    place.incus_dir.mkdir(parents=True, exist_ok=True)
    place.incus_dir.chmod(0o711)
    place.logs.mkdir(parents=True, exist_ok=True)
    program = packages.program(packages.INCUSD)
    environment = system_environment({"INCUS_DIR": str(place.incus_dir), **_bundled(program)})
    with (place.logs / "incusd.log").open("ab") as log:
        child = subprocess.Popen(
            # Nobody but root may command it: who may is root on this machine.
            [program, "--group", grp.getgrgid(0).gr_name],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
        )
    process = Process.of(child.pid)
    if process is None:
        raise HostError(f"the Incus daemon ended at once; see {place.logs / 'incusd.log'}")
    _pid_file(place).write_text(f"{process.pid} {process.started}\n", encoding="ascii")
    return process


def _bundled(program: str) -> dict[str, str]:
    """A package outside the distribution brings its own libraries and tools."""
    if not program.startswith("/opt/incus/"):
        return {}
    return {"LD_LIBRARY_PATH": "/opt/incus/lib", "PATH": f"/opt/incus/bin:{system_environment()['PATH']}"}


async def _ready(place: Place, process: Process) -> None:
    """Incus says when it has started only to those who ask."""
    deadline = time.monotonic() + READY_SECONDS
    async with IncusClient(place.socket) as client:
        while True:
            if place.socket.exists():
                try:
                    await client.get("/internal/ready")
                    return
                except EngineError:
                    pass  # not listening yet, or still starting
            if not process.alive:
                raise HostError(f"the Incus daemon ended while starting:\n{_tail(place)}")
            if time.monotonic() > deadline:
                raise HostError(f"the Incus daemon was not ready after {READY_SECONDS} seconds:\n{_tail(place)}")
            await asyncio.sleep(0.05)


def _tail(place: Place) -> str:
    path = place.logs / "incusd.log"
    with suppress(OSError):
        return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
    return f"(no {path})"


# -- stopping -----------------------------------------------------------------------------------------------------


async def stop(place: Place, *, force: bool = False) -> None:
    """Containers, daemon, DHCP server, forwarders, mounts: nothing of this lab runs afterwards. Data stays."""
    process = daemon(place)
    if process is not None:
        await stop_containers(place, force=force)
        # The power-failure signal: unlike the others it takes networks and storage down too.
        process.signal(signal.SIGPWR)
        if wait_for_end([process], 30):
            end([process], seconds=5)
    clean(place)
    _pid_file(place).unlink(missing_ok=True)


async def stop_containers(place: Place, *, force: bool) -> None:
    turn = asyncio.Semaphore(_AT_ONCE)
    async with IncusClient(place.socket) as client:

        async def stop_one(name: str) -> None:
            path = f"/1.0/instances/{segment(name)}/state"
            async with turn:
                for hard in [True] if force else [False, True]:
                    with suppress(EngineError):  # stopped by itself meanwhile, or does not react
                        await client.do("PUT", path, body={"action": "stop", "timeout": _GRACE, "force": hard})
                        return

        try:
            items: list[dict[str, Any]] = await client.collection("/1.0/instances", recursion="1", **{"all-projects": "true"})
        except IncusUnreachable:
            return
        await asyncio.gather(*(stop_one(item["name"]) for item in items if item["status"] != "Stopped"))


def clean(place: Place) -> None:
    """What a daemon may leave behind, above all one that was killed."""
    if not place.incus_dir.exists():
        return
    own = Process.of(os.getpid())
    leftovers = [process for process in belonging_to(place.incus_dir, _HELPERS) if process != own]
    everything = [*leftovers, *(child for process in leftovers for child in _descendants(process))]
    groups = {group for process in everything for group in control_groups(process.pid)}
    # A container's monitor answers a gentle signal by asking the container, and that may take its time.
    end(everything, seconds=10, first=signal.SIGKILL)
    for group in groups:
        _remove_group(group)
    unmount_below(place.incus_dir)
    detach_loops(place.incus_dir)
    remove_network(place)
    bridges.remove(place.directory)


def control_groups(pid: int) -> list[Path]:
    """The groups that LXC made for the container or the monitor that this process belongs to."""
    found = []
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8").splitlines():
            number, controllers, path = line.split(":", 2)
            top = path.strip("/").split("/")[0]
            base = Path("/sys/fs/cgroup")
            if number != "0":
                base /= controllers.removeprefix("name=")
            elif (base / "unified").is_dir():
                base /= "unified"
            if top.startswith("lxc."):
                found.append(base / top)
    return found


def _remove_group(group: Path) -> None:
    for folder in [*sorted(group.rglob("*/"), reverse=True), group]:
        with suppress(OSError):  # gone already, or somebody is in it
            folder.rmdir()


def _descendants(process: Process) -> list[Process]:
    found: list[Process] = []
    waiting = [process.pid]
    while waiting:
        pid = waiting.pop()
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            with suppress(OSError):
                for number in task.read_text(encoding="ascii").split():
                    waiting.append(int(number))
                    if child := Process.of(int(number)):
                        found.append(child)
    return found


def remove_network(place: Place) -> None:
    """The bridge and its firewall rules; the daemon makes them again when it starts."""
    if Path("/sys/class/net", place.bridge).exists():
        run(["ip", "link", "delete", place.bridge])
    if which("nft"):
        for family, table, chain in firewall_chains(place):
            run(["nft", "delete", "chain", family, table, chain])


def remove_empty_tables() -> None:
    """Incus makes its table once and for all daemons; whoever finds it empty may take it away."""
    if not which("nft"):
        return
    tables: dict[tuple[str, str], int] = {}
    table = ("", "")
    for line in run(["nft", "list", "chains"]).splitlines():
        words = line.split()
        if words[:1] == ["table"]:
            table = (words[1], words[2])
            tables[table] = 0
        elif words[:1] == ["chain"]:
            tables[table] += 1
    for (family, name), chains in tables.items():
        if name == "incus" and not chains:
            run(["nft", "delete", "table", family, name])


def firewall_chains(place: Place) -> list[tuple[str, str, str]]:
    """Incus keeps all its rules in tables called incus, shared by every daemon of the machine; a network's chains bear its name."""
    found = []
    family = table = ""
    for line in run(["nft", "list", "chains"]).splitlines():
        words = line.split()
        if words[:1] == ["table"]:
            family, table = words[1], words[2]
        elif words[:1] == ["chain"] and table == "incus" and words[1].endswith(f".{place.bridge}"):
            found.append((family, table, words[1]))
    return found


def remains(place: Place) -> list[str]:
    """What a stopped lab must not have: for the status and the tests."""
    found = [f"process {process.pid}" for process in belonging_to(place.incus_dir, _HELPERS)]
    found += [f"mount {point}" for point in mounts_below(place.incus_dir)]
    names = [place.bridge, *bridges.recorded(place.directory)]
    found += [f"interface {name}" for name in names if Path("/sys/class/net", name).exists()]
    return found
