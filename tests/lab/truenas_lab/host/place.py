"""Where one lab lives: names derived from its directory, so that several labs and the user's own Incus never meet."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .errors import HostError
from .run import run

# Incus appends up to about 60 characters for a socket of a container, and a unix socket's path ends at 107.
LONGEST_INCUS_DIR = 42
ELSEWHERE = Path("/var/lib")


def mark(directory: Path) -> str:
    return hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:8]


def _reachable(directory: Path) -> bool:
    """Whether a container's root, who is nobody here, can walk through every directory on the way."""
    for place in (directory, *directory.parents):
        if place.exists() and not place.stat().st_mode & stat.S_IXOTH:
            return False
    return True


def incus_directory(directory: Path) -> Path:
    """Below the lab's own directory where that is possible: short enough, and open to the containers."""
    directory = directory.resolve()
    inside = directory / "incus"
    if len(str(inside)) <= LONGEST_INCUS_DIR and _reachable(directory):
        return inside
    return ELSEWHERE / f"pixels-lab-{mark(directory)}"


def bridge_name(directory: Path) -> str:
    return f"pxlab{mark(directory)}"  # 13 characters; an interface's name ends at 15


def taken_networks(besides: str) -> list[ipaddress.IPv4Network]:
    """What this machine routes, but for one interface."""
    try:
        routes = json.loads(run(["ip", "-json", "-4", "route", "show", "table", "all"]) or "[]")
    except json.JSONDecodeError as exc:
        raise HostError("ip route does not answer in JSON") from exc
    networks = []
    for route in routes:
        if route.get("dev") == besides or route.get("dst") in (None, "default"):
            continue
        try:
            networks.append(ipaddress.IPv4Network(route["dst"], strict=False))
        except ValueError:
            continue
    # Name servers are often reached through the default route: a network of ours must not cover them.
    try:
        lines = Path("/etc/resolv.conf").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver" and ":" not in words[1]:
            networks.append(ipaddress.IPv4Network(words[1]))
    return networks


def _candidates(directory: Path) -> Iterator[ipaddress.IPv4Network]:
    """Private /24 networks, from a place of this lab's own; 10.0.0.0/8 first."""
    start = int.from_bytes(hashlib.sha256(str(directory.resolve()).encode()).digest()[8:10], "big")
    for block, length in (("10.0.0.0", 8), ("172.16.0.0", 12), ("192.168.0.0", 16)):
        size = 1 << (24 - length)
        base = int(ipaddress.IPv4Address(block))
        for step in range(size):
            number = (start + step * 257) % size  # odd, so that every one has its turn
            if length == 8 and number // 256 in (0, 255):
                continue  # what others choose by hand
            yield ipaddress.IPv4Network((base + (number << 8), 24))


def free_subnet(directory: Path, taken: list[ipaddress.IPv4Network]) -> str:
    """The gateway with its prefix length, of a private /24 that nothing here uses."""
    for network in _candidates(directory):
        if not any(network.overlaps(other) for other in taken):
            return f"{network[1]}/24"
    raise HostError("no free private /24 network: this machine routes every one")


@dataclass(frozen=True)
class Place:
    """One lab's names on this machine."""

    directory: Path
    incus_dir: Path
    bridge: str
    subnet: str

    @property
    def socket(self) -> Path:
        return self.incus_dir / "unix.socket"

    @property
    def logs(self) -> Path:
        return self.directory / "logs"

    @property
    def _file(self) -> Path:
        return self.directory / "place.json"

    @classmethod
    def recorded(cls, directory: Path) -> Place | None:
        directory = directory.resolve()
        try:
            data = json.loads((directory / "place.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return cls(directory, Path(data["incus_dir"]), data["bridge"], data["subnet"])

    @classmethod
    def choose(cls, directory: Path) -> Place:
        """As recorded; the subnet anew where something else has taken it since."""
        directory = directory.resolve()
        known = cls.recorded(directory)
        bridge = known.bridge if known else bridge_name(directory)
        taken = taken_networks(bridge)
        subnet = known.subnet if known else free_subnet(directory, taken)
        if any(ipaddress.IPv4Interface(subnet).network.overlaps(other) for other in taken):
            subnet = free_subnet(directory, taken)
        place = cls(directory, known.incus_dir if known else incus_directory(directory), bridge, subnet)
        place._save()
        return place

    def _save(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        values = {"incus_dir": str(self.incus_dir), "bridge": self.bridge, "subnet": self.subnet}
        self._file.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
