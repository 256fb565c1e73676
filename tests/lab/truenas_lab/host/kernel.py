"""Kernel limits that many system containers at once need: raised when lower, put back when the last lab is gone."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# With the defaults of a small machine about a dozen systemd containers run out of inotify instances and of kernel keys.
WANTED: dict[str, int] = {
    "fs.inotify.max_user_instances": 8192,
    "fs.inotify.max_user_watches": 524288,
    "fs.inotify.max_queued_events": 65536,
    "kernel.keys.maxkeys": 20000,
    "kernel.keys.maxbytes": 2000000,
    "net.ipv4.ip_forward": 1,  # containers reach the world through the bridge
}
FORWARDING = "net.ipv4.ip_forward"


def _path(key: str) -> Path:
    return Path("/proc/sys") / key.replace(".", "/")


def read(key: str) -> int | None:
    try:
        return int(_path(key).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None  # this kernel was built without it


@contextmanager
def _record(state: Path) -> Iterator[dict[str, Any]]:
    """What was there before the first lab, and which labs stand: shared by all labs of this boot."""
    state.parent.mkdir(parents=True, exist_ok=True)
    with state.open("a+", encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.seek(0)
        text = stream.read()
        record = json.loads(text) if text.strip() else {"before": {}, "labs": []}
        yield record
        stream.seek(0)
        stream.truncate()
        json.dump(record, stream)


STATE = Path("/run/pixels-lab/kernel.json")  # gone with a reboot, as the settings are


def raise_limits(lab: Path, state: Path = STATE) -> list[str]:
    """Raise what is lower; answer a line for each change."""
    changes = []
    with _record(state) as record:
        if str(lab) not in record["labs"]:
            record["labs"].append(str(lab))
        for key, wanted in WANTED.items():
            present = read(key)
            if present is None or present >= wanted:
                continue
            _path(key).write_text(f"{wanted}\n", encoding="ascii")
            record["before"].setdefault(key, present)
            changes.append(f"{key}: {present} -> {wanted}")
    return changes


def restore_limits(lab: Path, state: Path = STATE) -> list[str]:
    """This lab is gone; with the last one go the limits, unless somebody has changed them since."""
    changes: list[str] = []
    if not state.exists():
        return changes
    with _record(state) as record:
        record["labs"] = [item for item in record["labs"] if item != str(lab) and Path(item).is_dir()]
        if record["labs"]:
            return changes
        for key, before in record["before"].items():
            if read(key) != WANTED.get(key):
                continue
            if key == FORWARDING and other_bridges():
                continue  # somebody else routes through this machine by now
            _path(key).write_text(f"{before}\n", encoding="ascii")
            changes.append(f"{key}: back to {before}")
        record["before"] = {}
    return changes


def other_bridges() -> list[str]:
    return sorted(path.parent.name for path in Path("/sys/class/net").glob("*/bridge"))
