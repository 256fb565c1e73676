"""The lab's commands."""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from . import daemon, handover
from .engine.base import EngineError
from .engine.incus_client import IncusClient
from .handover import Handover
from .host import apt, incusd, kernel, packages, setup
from .host.errors import HostError
from .host.place import Place
from .settings import VERSIONS

NOT_RUNNING = 3  # exit statuses of `status`, as those of init scripts
NO_LAB = 4


class _Progress:
    """One line for each step, with the time since the start: some take minutes."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def __call__(self, text: str) -> None:
        print(f"[{time.monotonic() - self._start:6.1f}s] {text}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="truenas_lab", description="A TrueNAS-compatible server for trying and testing.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.add_argument("--dir", type=Path, default=Path(".lab"), help="where the lab keeps everything (default: %(default)s)")
        return sub

    up = command("up", "Start the lab unless it runs as asked for; then say how to reach it.")
    serve = command("serve", "The same in the foreground, until interrupted.")
    for sub in (up, serve):
        sub.add_argument(
            "--engine",
            choices=("incus", "memory", "auto"),
            help="real containers, or none; auto: real where possible (default: as before, or incus)",
        )
        sub.add_argument("--version", choices=VERSIONS, help="the TrueNAS release to speak as (default: as before, or 25.10)")
        sub.add_argument("--port", type=int, help="of 127.0.0.1 (default: as before, or any free one)")
        sub.add_argument(
            "--cache",
            type=Path,
            default=os.environ.get("PIXELS_LAB_CACHE") or None,
            help="where downloads and the built image are kept (default: DIR/cache, or PIXELS_LAB_CACHE)",
        )
    serve.add_argument("--ready-fd", type=int, help=argparse.SUPPRESS)
    down = command("down", "Stop the lab with its containers; they are kept.")
    down.add_argument("--force", action="store_true", help="do not let the containers shut down")
    command("status", "Say whether the lab runs. Exit status: 0 it runs, 3 it is stopped, 4 there is none.")
    more = command("image", "Add the image of another release to a lab that runs, such as debian/13.")
    more.add_argument("release", choices=[f"{known.ident}/{known.number}" for known in apt.SIBLINGS])
    destroy = command("destroy", "Stop the lab and remove all that it made.")
    destroy.add_argument("--keep-cache", action="store_true", help="keep downloads and the built image in DIR/cache")
    return parser


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """One command at a time for one lab."""
    with (directory / "lock").open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Waiting for another command of this lab to end...", flush=True)
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _wanted(args: argparse.Namespace, before: Handover | None) -> daemon.Wanted:
    engine = args.engine or (before.engine if before else "incus")
    if engine == "auto":
        gaps = packages.look()
        engine = "memory" if gaps.fatal else "incus"
        if gaps.fatal:
            print(f"{gaps.explain()}\nGoing on without real containers.", file=sys.stderr, flush=True)
    port = args.port if args.port is not None else (before.port if before else 0)
    return daemon.Wanted(args.dir.resolve(), engine, args.version or (before.version if before else "25.10"), port)


def _outdated(before: Handover, wanted: daemon.Wanted) -> str | None:
    """Why a server that runs is not the one that is wanted."""
    for name in ("engine", "version", "port"):
        if getattr(before, name) != getattr(wanted, name):
            return f"{name} {getattr(wanted, name)} instead of {getattr(before, name)}"
    if before.source != daemon.source_fingerprint():
        return "its code has changed"
    if not handover.usable_key(wanted.directory):
        return "its key has been revoked"
    return None


def _prepare(args: argparse.Namespace, say: Callable[[str], None]) -> tuple[daemon.Wanted, Handover | None]:
    """Everything but the server; the answer's second part is the server that may stay."""
    before = Handover.load(args.dir)
    wanted = _wanted(args, before)
    running = before if before and before.running else None
    if running and (reason := _outdated(running, wanted)):
        say(f"stopping the server: {reason}")
        daemon.stop(running)
        running = None
    place = Place.recorded(wanted.directory)
    if wanted.engine == "incus":
        cache = args.cache.resolve() if args.cache else wanted.directory / handover.CACHE
        asyncio.run(setup.up(setup.Options(wanted.directory, cache), say))
    elif place and incusd.daemon(place):
        say("stopping the containers: this lab goes on without")
        asyncio.run(incusd.stop(place))
    if running is None and not handover.usable_key(wanted.directory):
        handover.new_key(wanted.directory)
    return wanted, running


def _start(wanted: daemon.Wanted, port_asked_for: bool) -> Handover:
    try:
        return daemon.start(wanted)
    except daemon.ServerFailed:
        if wanted.port == 0 or port_asked_for:
            raise
        # The port of last time is somebody else's by now.
        return daemon.start(daemon.Wanted(wanted.directory, wanted.engine, wanted.version, 0))


def _up(args: argparse.Namespace) -> int:
    say = _Progress()
    handover.claim(args.dir)
    with _alone(args.dir):
        wanted, running = _prepare(args, say)
        if running is None:
            say(f"starting the server as TrueNAS {wanted.version}")
            running = _start(wanted, args.port is not None)
        else:
            running.save()
    _show(running)
    return 0


def _serve(args: argparse.Namespace) -> int:
    if args.ready_fd is not None:  # the server's own process: `up` has prepared everything and holds the lock
        asyncio.run(daemon.run_server(_wanted(args, None), args.ready_fd))
        return 0
    handover.claim(args.dir)
    with _alone(args.dir):
        wanted, running = _prepare(args, _Progress())
    if running is not None:
        _show(running)
        raise ValueError("the lab runs in the background already: stop it first (down)")
    asyncio.run(daemon.run_server(wanted, None))
    return 0


def _down(args: argparse.Namespace) -> int:
    if not (args.dir / handover.MARKER).exists():
        print(f"No lab in {args.dir}: nothing to stop.")
        return 0
    with _alone(args.dir):
        _stop(args.dir, force=args.force)
    print("The lab is stopped; its containers are kept.")
    return 0


def _stop(directory: Path, *, force: bool) -> None:
    if before := Handover.load(directory):
        daemon.stop(before)
    if place := Place.recorded(directory):
        if os.geteuid() != 0:
            raise HostError("this lab has real containers: stopping them needs root")
        asyncio.run(incusd.stop(place, force=force))


def _destroy(args: argparse.Namespace) -> int:
    directory: Path = args.dir.resolve()
    if not (directory / handover.MARKER).exists():
        print(f"No lab in {args.dir}: nothing to remove.")
        return 0
    with _alone(directory):
        _stop(directory, force=True)
        place = Place.recorded(directory)
        if place is not None:
            if left := incusd.remains(place):
                raise HostError(f"not removed, for this is still in use: {', '.join(left)}")
            _remove(place.incus_dir)
            incusd.remove_empty_tables()
        for name in (*handover.NAMES, *([] if args.keep_cache else [handover.CACHE, handover.MARKER])):
            _remove(directory / name)
        if place is not None:
            kernel.restore_limits(directory)
    with suppress(OSError):
        directory.rmdir()  # unless somebody else keeps something there
    print("The lab is gone." + (" Packages that were installed for it stay." if place else ""))
    return 0


def _image(args: argparse.Namespace) -> int:
    directory: Path = args.dir.resolve()
    before = Handover.load(directory)
    if before is None or not before.running or before.engine != "incus":
        print(f"No lab with real containers runs in {args.dir}: start it first (up).")
        return NOT_RUNNING
    (release,) = (known for known in apt.SIBLINGS if f"{known.ident}/{known.number}" == args.release)
    cache = Path(os.environ.get("PIXELS_LAB_CACHE") or directory / handover.CACHE).resolve()
    with _alone(directory):
        aliases = asyncio.run(setup.more(setup.Options(directory, cache), release, _Progress()))
    print(f"The lab has the image {aliases[0]}.")
    return 0


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


async def _containers(socket: Path) -> list[tuple[str, str]]:
    async with IncusClient(socket) as client:
        return [(item["name"], item["status"]) for item in await client.collection("/1.0/instances", recursion="1")]


def _status(args: argparse.Namespace) -> int:
    before = Handover.load(args.dir)
    place = Place.recorded(args.dir)
    if before is None:
        print(f"No lab in {args.dir}.")
        return NO_LAB
    if not before.running:
        print(f"The lab in {args.dir} is stopped.")
        return NOT_RUNNING
    _show(before)
    if before.engine != "incus" or place is None:
        return 0
    if os.geteuid() != 0:
        print("  containers  (root may see them)")
        return 0
    if incusd.daemon(place) is None:
        print("The Incus daemon does not run: start the lab again (up).")
        return NOT_RUNNING
    found = asyncio.run(_containers(place.socket))
    print("\n".join(f"  {name:<20} {status}" for name, status in found) or "  no containers")
    return 0


def _show(lab: Handover) -> None:
    shown = Path(lab.directory)
    with suppress(ValueError):
        shown = shown.relative_to(Path.cwd())
    rows = {
        "address": lab.url,
        "release": f"TrueNAS {lab.version}",
        "engine": "incus (real containers)" if lab.engine == "incus" else "memory (no containers)",
        "image": lab.default_image,
        "network": f"{lab.bridge} {lab.subnet}" if lab.bridge else "none",
        "journal": str(shown / "journal.jsonl"),
        "process": str(lab.pid),
    }
    print("\n".join(f"  {key:<11} {value}" for key, value in rows.items()))
    print(f"\nTo use it: source {shown / 'env'}", flush=True)


_COMMANDS = {"image": _image, "up": _up, "serve": _serve, "down": _down, "status": _status, "destroy": _destroy}


def main(argv: list[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    try:
        return _COMMANDS[args.command](args)
    except (HostError, EngineError, daemon.ServerFailed, ValueError) as exc:
        print(f"truenas_lab: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
