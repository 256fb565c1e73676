"""Prints the processes of a lab; ends with 1 when there is any: `lab_processes.py DIR`.

A process belongs to the lab when the lab's directory, or that of its Incus daemon, is in its command line or environment.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def ancestors() -> set[int]:
    """We ourselves and those who called us: they may well name the directory."""
    found, number = set(), os.getpid()
    while number > 1:
        found.add(number)
        number = int(Path(f"/proc/{number}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
    return found


def processes(directory: Path) -> list[str]:
    names = [bytes(directory)]
    place = directory / "place.json"
    if place.exists():
        names.append(json.loads(place.read_text(encoding="utf-8"))["incus_dir"].encode())
    ours = ancestors()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) in ours:
            continue
        try:
            command = (entry / "cmdline").read_bytes()
            environment = (entry / "environ").read_bytes()
        except OSError:
            continue  # it has ended
        if any(name in command or b"INCUS_DIR=" + name in environment for name in names):
            found.append(f"{entry.name} {command.replace(bytes(1), b' ').decode(errors='replace')}")
    return found


if __name__ == "__main__":
    left = processes(Path(sys.argv[1]).resolve())
    print("\n".join(left) or "none")
    sys.exit(1 if left else 0)
