"""Ends a run the hard way: ansible-playbook and everything that it has started, at once, as a power cut does."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from playbook import BIN, ROOT, Playbooks, clean_environment


def descendants(pid: int) -> list[int]:
    """The processes below one, as far as their parents live: workers of Ansible have sessions of their own, no group reaches them."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                parent = int((entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found, left = [], [pid]
    while left:
        below = children.get(left.pop(), [])
        found += below
        left += below
    return found


def kill_all(pid: int) -> None:
    """SIGKILL for a process and all below it. They are stopped first, so that none can react to the end of another."""
    going = [pid, *descendants(pid)]
    for signal_number in (signal.SIGSTOP, signal.SIGKILL):
        for one in going:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal_number)


class Killer:
    """A playbook of the collection at work, to be killed."""

    def __init__(self, playbooks: Playbooks, playbook: str, extra: Mapping[str, Any]) -> None:
        command = [str(BIN / "ansible-playbook"), str(ROOT / "playbooks" / f"{playbook}.yml")]
        for key, value in extra.items():
            command += ["-e", json.dumps({key: value})]
        self._log = playbooks.home / "killed.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=clean_environment(playbooks.home, **playbooks.env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def output(self) -> str:
        return self._log.read_text(errors="replace")

    def kill(self) -> None:
        """Nothing of it is left when this returns."""
        kill_all(self._process.pid)
        self._process.wait()
