"""What the machine must have for real containers, what of it is missing, and installing that."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from . import apt
from .errors import HostError
from .run import Say, which

MEMORY_HINT = "Without real containers it works anywhere, without root: --engine memory"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
BACKPORTS_FILE = Path("/etc/apt/sources.list.d/pixels-lab-backports.sources")


@dataclass(frozen=True)
class Tool:
    program: str
    packages: tuple[str, ...]  # the first that apt knows
    paths: tuple[str, ...] = ()  # where it is besides PATH
    why: str = ""

    def find(self) -> str | None:
        for path in self.paths:
            if os.access(path, os.X_OK):
                return path
        return which(self.program)


_INCUSD_PATHS = ("/usr/libexec/incus/incusd", "/usr/lib/incus/incusd", "/opt/incus/bin/incusd")
INCUSD = Tool("incusd", ("incus-base", "incus"), _INCUSD_PATHS, "runs the containers")
INCUS = Tool("incus", ("incus-client", "incus"), ("/opt/incus/bin/incus",), "opens shells in containers")
TOOLS = (
    INCUSD,
    INCUS,
    Tool("mkfs.btrfs", ("btrfs-progs",), why="makes the storage pools"),
    Tool("debootstrap", ("debootstrap",), why="builds the image"),
    Tool("dnsmasq", ("dnsmasq-base",), why="gives addresses to the containers"),
    Tool("nft", ("nftables",), why="lets containers reach the network"),
    Tool("ip", ("iproute2",), why="looks at routes"),
    Tool("tar", ("tar",), why="packs the image"),
    Tool("update-ca-certificates", ("ca-certificates",), why="tells which certificates this machine trusts"),
)
FAMILIES = ("debian", "ubuntu")


def _kernel_gaps() -> list[str]:
    """What no package can add."""
    gaps = []
    if platform.system() != "Linux":
        return ["a Linux kernel"]
    if "btrfs" not in Path("/proc/filesystems").read_text(encoding="ascii").split() and not any(
        Path("/lib/modules", platform.release()).glob("kernel/fs/btrfs/*")
    ):
        gaps.append("a kernel with btrfs (copy-on-write snapshots)")
    if not Path("/dev/loop-control").exists():
        gaps.append("loop devices (/dev/loop-control)")
    if not Path("/proc/self/ns/user").exists():
        gaps.append("user namespaces")
    return gaps


@dataclass(frozen=True)
class Gaps:
    """All that stands between this machine and real containers, found before anything is done."""

    fatal: list[str]
    tools: list[Tool]
    release: apt.Release

    def explain(self) -> str:
        lines = ["Real containers need what this machine does not offer:"]
        lines += [f"  - {item}" for item in self.fatal]
        lines += [f"  - {tool.program} ({tool.why}; Debian and Ubuntu: package {tool.packages[0]})" for tool in self.tools]
        return "\n".join([*lines, MEMORY_HINT])


def look() -> Gaps:
    release = apt.Release.of_machine()
    fatal = []
    if os.geteuid() != 0:
        fatal.append("root: containers, storage and network are the kernel's business (sudo make lab)")
    missing = [tool for tool in TOOLS if tool.find() is None]
    if release.ident not in FAMILIES:
        fatal.append(f"Debian or Ubuntu (the lab's image is built from this machine's own packages), not {release.name}")
    fatal += _kernel_gaps()
    return Gaps(fatal, missing, release)


def ensure(say: Say, log: Path) -> None:
    """Everything there, or installed now, or a HostError that lists all that is missing."""
    gaps = look()
    if gaps.fatal:
        raise HostError(gaps.explain())
    if not gaps.tools:
        return
    if not any(Path("/var/lib/apt/lists").glob("*_Packages*")):
        say("reading the package lists")
        apt.update(say, log)
    if _unknown(gaps.tools):
        if (gaps.release.ident, gaps.release.codename) == ("debian", "bookworm") and INCUSD in gaps.tools and not _known(INCUSD):
            say(f"adding {gaps.release.codename}-backports, from the machine's own mirror: Debian 12 has Incus there")
            _add_backports(gaps.release)
        say("reading the package lists")
        apt.update(say, log)
    if unknown := _unknown(gaps.tools):
        wanted = ", ".join(tool.packages[0] for tool in unknown)
        where = "Incus is in Debian 12 (backports), Debian 13 and Ubuntu 24.04"
        raise HostError(f"apt knows no package {wanted} on {gaps.release.name}; {where}. {MEMORY_HINT}")
    packages = list(dict.fromkeys(package for tool in gaps.tools if (package := _known(tool))))
    say(f"installing {', '.join(packages)}")
    apt.install(packages, say, log)
    if still := [tool.program for tool in TOOLS if tool.find() is None]:
        raise HostError(f"installed, and yet not found: {', '.join(still)}; see {log}")


def _known(tool: Tool) -> str | None:
    return next((package for package in tool.packages if apt.candidate(package)), None)


def _unknown(tools: list[Tool]) -> list[Tool]:
    return [tool for tool in tools if _known(tool) is None]


def _add_backports(release: apt.Release) -> None:
    signed = f"Signed-By: {KEYRING}\n" if KEYRING.exists() else ""
    BACKPORTS_FILE.write_text(
        f"# Incus for the lab of pixels.sandbox\nTypes: deb\nURIs: {apt.mirror(release)}\nSuites: {release.codename}-backports\n"
        f"Components: main\n{signed}",
        encoding="utf-8",
    )


def program(tool: Tool) -> str:
    path = tool.find()
    if path is None:
        raise HostError(f"{tool.program} is not installed (package {tool.packages[0]})")
    return path
