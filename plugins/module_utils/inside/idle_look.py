# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What tells of use in a container, as root sees it: terminals, logins, jobs, processes. Nothing of the agent's is asked or run.

A client of tmux that root runs would do what the agent's server tells it. The kernel knows when a terminal was last written to or typed
in, and nobody else has to be asked.
"""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import time
from pathlib import Path
from typing import Any

RECORD = Path("/run/pixels/idle.json")
STATE = Path("/var/lib/pixels/devtools/state.json")
WTMP = Path("/var/log/wtmp")
PTS = Path("/dev/pts")
_PROC = Path("/proc")
# Accounts of people and agents; what is below belongs to the system.
_FIRST_UID = 1000
_NOBODY = 65534
_MOMENT = 0.5
_LOGIN = re.compile(r"sshd(?:-session)?: ([^ @\[]+)@(\S+)")


class Process:
    """One entry of /proc."""

    def __init__(self, proc: Path, pid: int) -> None:
        place = proc / str(pid)
        self.pid = pid
        self.uid = place.stat().st_uid
        head, tail = (place / "stat").read_text(errors="replace").rsplit(")", 1)
        self.name = head.split("(", 1)[1]
        fields = tail.split()
        self.state, self.parent, self.tty, self.start = fields[0], int(fields[1]), int(fields[4]), int(fields[19])
        # Its own time and that of the children it has seen to their end.
        self.cpu = sum(int(value) for value in fields[11:15]) / os.sysconf("SC_CLK_TCK")
        # An agent may be root as well: what belongs to a login is somebody's, whoever that is.
        self.of_login = b"/user.slice/" in _content(place / "cgroup")
        self.title = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()

    @property
    def someones(self) -> bool:
        return self.of_login or _FIRST_UID <= self.uid != _NOBODY


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def processes(proc: Path = _PROC) -> dict[int, Process]:
    found = {}
    for entry in os.listdir(str(proc)):
        if entry.isdigit():
            try:
                found[int(entry)] = Process(proc, int(entry))
            except (OSError, ValueError, IndexError):
                continue  # it has ended meanwhile
    return {pid: process for pid, process in found.items() if process.state not in ("Z", "X")}


def ancestors(table: dict[int, Process], pid: int) -> set[int]:
    found: set[int] = set()
    while pid in table and pid not in found:
        found.add(pid)
        pid = table[pid].parent
    return found


def logins(table: dict[int, Process], ours: set[int]) -> list[str]:
    """SSH sessions with a terminal or with a command at work. A connection that is only kept open for later is none."""
    parents = {process.parent for process in table.values()}
    found = []
    for pid, process in table.items():
        title = _LOGIN.match(process.title)
        if title and pid not in ours and (title.group(2) != "notty" or pid in parents):
            found.append(f"{title.group(1)}@{title.group(2)}")
    return sorted(found)


def clients(table: dict[int, Process]) -> list[str]:
    """Terminals in sessions: the servers of tmux and zmx have none of their own."""
    return sorted(process.title for process in table.values() if process.tty != 0 and (process.name == "tmux: client" or _is_zmx(process)))


def _is_zmx(process: Process) -> bool:
    return process.name == "zmx" and " attach " in f"{process.title} "


def jobs(table: dict[int, Process], proc: Path = _PROC) -> list[str]:
    """Whoever stays with a job holds its lock."""
    found = set()
    for pid in table:
        try:
            names = os.listdir(str(proc / str(pid) / "fd"))
        except OSError:
            continue
        for name in names:
            try:
                target = os.readlink(str(proc / str(pid) / "fd" / name))
            except OSError:
                continue
            if target.endswith("/job/lock"):
                found.add(target[: -len("/job/lock")])
    return sorted(found)


def terminals(pts: Path = PTS) -> tuple[float | None, float | None]:
    """When any of them was last written to, and typed in."""
    written: list[float] = []
    typed: list[float] = []
    for entry in pts.iterdir() if pts.is_dir() else []:
        try:
            found = entry.stat()
        except OSError:
            continue
        if stat.S_ISCHR(found.st_mode) and entry.name.isdigit():
            written.append(found.st_mtime)
            typed.append(found.st_atime)
    return max(written, default=None), max(typed, default=None)


def last_logout(limit: float, now: float) -> float | None:
    """When an SSH session last ended, those without a terminal too, as far as the journal knows of one that is recent enough."""
    argv = ["journalctl", "-q", "-o", "json", "--output-fields=MESSAGE", "-n", "50", f"--since=@{int(now - max(limit, 3600))}"]
    argv += ["-g", "session closed for user", "SYSLOG_IDENTIFIER=sshd", "+", "SYSLOG_IDENTIFIER=sshd-session"]
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    times = []
    for line in done.stdout.splitlines():
        try:
            entry = json.loads(line)
            # Root's are ours: each look is one.
            if "for user root" not in str(entry["MESSAGE"]):
                times.append(int(entry["__REALTIME_TIMESTAMP"]) / 1e6)
        except (ValueError, KeyError, TypeError):
            continue
    return max(times, default=None)


def _installing() -> bool:
    try:
        return json.loads(STATE.read_text()).get("status") in ("pending", "running")
    except (OSError, ValueError, AttributeError):
        return False


def _mtime(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def _age(process: Process) -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME) - process.start / os.sysconf("SC_CLK_TCK")


def look(limit: int) -> dict[str, Any]:
    """All of it, at two moments for what is at work just now."""
    first = processes()
    began = time.monotonic()
    time.sleep(_MOMENT)
    table = processes()
    lapse = time.monotonic() - began
    now = time.time()
    ours = ancestors(table, os.getpid())
    people = {pid: process for pid, process in table.items() if process.someones and pid not in ours}
    earlier = sum(process.cpu for pid, process in first.items() if pid in people and first[pid].start == people[pid].start)
    fresh = sum(process.cpu for process in people.values())
    written, typed = terminals()
    boot = now - _age(table[1])
    return {
        "now": now,
        # A restart begins anew; clocks of the past would be no help.
        "boot": f"{table[1].start}",
        "processes": {
            f"{pid}:{process.start}": {"pid": pid, "parent": process.parent, "cpu": process.cpu} for pid, process in people.items()
        },
        "load": max(0.0, fresh - earlier) / lapse,
        "clients": clients(table),
        "logins": logins(table, ours),
        "jobs": jobs(table),
        "installing": _installing(),
        "signs": {
            "it was started": boot,
            "something was written to a terminal": written,
            "somebody typed": typed,
            "somebody logged in or out": _mtime(WTMP),
            "an SSH session ended": last_logout(limit, now),
        },
    }


def read_record(path: Path = RECORD) -> dict[str, Any]:
    """What the last look has left; a damaged one is none."""
    try:
        record = json.loads(path.read_text())
        samples = [[float(when), float(total)] for when, total in record["samples"]]
        known = {
            str(key): {"pid": int(entry["pid"]), "parent": int(entry["parent"]), "cpu": float(entry["cpu"])}
            for key, entry in record["processes"].items()
        }
        return {"boot": record["boot"], "samples": samples, "processes": known}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def write_record(record: dict[str, Any], path: Path = RECORD) -> None:
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(str(new), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as stream:
        json.dump(record, stream)
    os.replace(str(new), str(path))
