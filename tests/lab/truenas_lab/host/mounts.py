"""Mounts and loop devices below a directory, taken away before it is."""

from __future__ import annotations

import re
from pathlib import Path

from .run import run


def _plain(text: str) -> str:
    """mountinfo writes blanks and backslashes as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def mounts_below(directory: Path) -> list[str]:
    """Mount points at or below it, innermost first."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        point = _plain(line.split()[4]).removesuffix("//deleted")
        if point == str(directory) or point.startswith(f"{directory}/"):
            found.append(point)
    return found[::-1]


def unmount_below(directory: Path) -> None:
    directory = directory.resolve()
    for point in mounts_below(directory):
        run(["umount", "--lazy", point])


def loop_devices(directory: Path) -> list[str]:
    """Loop devices whose file lies below it."""
    found = []
    for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            path = backing.read_text(encoding="utf-8").strip()
        except OSError:
            continue  # detached just now
        if path.startswith(f"{directory}/"):
            found.append(f"/dev/{backing.parent.parent.name}")
    return found


def detach_loops(directory: Path) -> None:
    for device in loop_devices(directory.resolve()):
        run(["losetup", "--detach", device])
