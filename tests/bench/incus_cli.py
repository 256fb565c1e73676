"""The same with the incus command line, as a person would do it who has no collection: what ours is measured against.

It polls with a pause, so that it does not take the processors from what it waits for, and asks SSH servers for their banner only.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

# The default of our own modules. More at once is not faster on a few processors.
AT_ONCE = 4
_PAUSE = 0.1
_LIMIT = 120.0


@dataclass(frozen=True)
class Incus:
    """The lab's Incus, past the appliance's API."""

    env: Mapping[str, str]
    pool: str

    def __call__(self, *arguments: str, stdin: str | None = None) -> str:
        done = subprocess.run(
            ["incus", *arguments],
            env=self.env,
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"incus {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout.strip()

    def image(self) -> str:
        return self("image", "list", "-cf", "-fcsv").split()[0]

    def launch(self, image: str, name: str) -> None:
        """From an image to an address."""
        self("launch", image, name, "-s", self.pool, "-c", "limits.cpu=2", "-c", "limits.memory=2GiB")
        self.address(name)

    def address(self, name: str) -> str:
        return _until(lambda: self._address(name), f"an address of {name}")

    def _address(self, name: str) -> str:
        """`incus list` would look at all containers for it, 20 at once at one another."""
        card = (json.loads(self("query", f"/1.0/instances/{name}/state"))["network"] or {}).get("eth0") or {}
        found = [entry["address"] for entry in card.get("addresses", []) if (entry["family"], entry["scope"]) == ("inet", "global")]
        return found[0] if found else ""

    def reach(self, name: str) -> None:
        """Its address, then an SSH server there."""
        address = self.address(name)
        _until(lambda: _banner(address), f"SSH at {name}")

    def prepare(self, source: str, name: str) -> str:
        """A snapshot to copy: of a copy of a container of ours, so that nothing of ours is touched.

        Its machine-id is emptied, or all copies would ask for the same address. That is all the identity that a copy gets: host keys,
        host name in /etc/hosts and the rest stay those of the source.
        """
        self("copy", "--instance-only", source, name)
        self("file", "push", "--mode", "0444", "-", f"{name}/etc/machine-id", stdin="")
        self("snapshot", "create", name, "ready")
        return f"{name}/ready"

    def clone(self, snapshot: str, name: str) -> None:
        """A copy of the snapshot, started, until SSH answers."""
        self("copy", snapshot, name)
        self("start", name)
        self.reach(name)

    def clones(self, snapshot: str, names: Sequence[str]) -> None:
        _in_parallel(lambda name: self.clone(snapshot, name), names)

    def destroy(self, *names: str) -> None:
        _in_parallel(lambda name: self("delete", "--force", name), names)

    def snapshot(self, name: str, label: str) -> None:
        self("snapshot", "create", name, label)

    def restore(self, name: str, label: str) -> None:
        """It cuts the power, rolls back and starts again by itself."""
        self("snapshot", "restore", name, label)
        self.reach(name)


def _in_parallel(work: Callable[[str], object], names: Sequence[str]) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(work, names))


def _until(look: Callable[[], str], what: str) -> str:
    end = time.monotonic() + _LIMIT
    while not (found := look()):
        if time.monotonic() > end:
            raise RuntimeError(f"waited {_LIMIT:.0f} s for {what}")
        time.sleep(_PAUSE)
    return found


def _banner(address: str) -> str:
    with contextlib.suppress(OSError), socket.create_connection((address, 22), timeout=2) as connection:
        connection.settimeout(2)
        if (said := connection.recv(64)).startswith(b"SSH-"):
            return said.decode("ascii", "replace")
    return ""
