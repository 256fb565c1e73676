"""Where the controller is killed, and what has to be true of the appliance when the same play has run again."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from killing import Killer
from leftovers import known_hosts
from playbook import Playbooks
from running_lab import RunningLab

BASE, BOX, PUP, STRANGER = "crbase", "crbox", "crpup", "crtheirs"
NIGHT = "auto-2026-11-23_00-00"


@dataclass(frozen=True)
class Phase:
    """When the controller dies: as a call arrives, which is never carried out (`lost`) or all the same (`landed`), or as its job runs."""

    method: str
    when: str
    about: str | None = None  # tells calls of one method apart: what the lab finds in their arguments

    def __str__(self) -> str:
        return "-".join([self.method, self.when, *([self.about.partition(".px-")[0]] if self.about else [])])


@dataclass
class Stage:
    """The appliance, with what has to be the same after each test: a base with a checkpoint, a container of somebody else, snapshots."""

    lab: RunningLab
    playbook: Playbooks
    home: Path

    def build(self) -> None:
        self.lab.reset()
        self.playbook("create", container=BASE).succeeded()
        self.playbook("checkpoint_create", container=BASE, label="ready").succeeded()
        self.lab.state(foreign={"name": f"px-{STRANGER}"})
        self.lab.nightly(NIGHT)

    def dataset(self, name: str) -> str:
        return self.lab.dataset(f"px-{name}")

    def inside(self, name: str, script: str) -> str:
        """Straight into the container, behind the back of everything that is tested."""
        command = ["incus", "exec", f"px-{name}", "--", "sh", "-ec", script]
        env = {"INCUS_DIR": self.lab.env["INCUS_DIR"], "PATH": "/usr/bin:/bin", "HOME": "/root"}
        done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def ssh(self, name: str, command: str) -> str:
        """With the pinned host key and nothing else to go by."""
        entry = self.lab.instance(f"px-{name}")
        assert entry is not None and entry["status"] == "RUNNING"
        (address,) = [alias["address"] for alias in entry["aliases"] if alias["type"] == "INET"]
        options = {
            "HostKeyAlias": f"{name}.{self.lab.host.replace(':', '_')}",
            "UserKnownHostsFile": str(known_hosts(self.home)),
            "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "yes",
            "IdentitiesOnly": "yes",
            "BatchMode": "yes",
        }
        words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        done = subprocess.run(
            ["ssh", "-F", "none", "-i", str(self.home / ".ssh" / "id_ed25519"), *words, f"pixel@{address}", command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def die(self, phase: Phase, playbook: str, /, **extra: Any) -> None:
        """Run a playbook as far as that."""
        since = self.lab.mark()
        kind, method = ("job", phase.method) if phase.when == "running" else ("fault", "*")
        if phase.when != "running":
            fault: dict[str, Any] = {"fault": "stall"} if phase.when == "lost" else {"fault": "delay", "seconds": 1.0}
            self.lab.fault(phase.method, instance=phase.about, **fault)
        self.die_when(lambda: bool(self.lab.journal(since, kind=kind, method=method)), str(phase), playbook, **extra)
        self.lab.clear()
        if phase.when == "landed":
            wait_until(lambda: self._ended(phase.method, since), f"{phase.method} has not ended")

    def die_when(self, happened: Callable[[], bool], what: str, playbook: str, /, **extra: Any) -> None:
        """Kill a run as soon as something has happened."""
        killer = Killer(self.playbook, playbook, extra)

        def due() -> bool:
            assert killer.running, f"the run ended before {what}: {killer.output()}"
            return happened()

        try:
            wait_until(due, f"{what} never came")
        finally:
            killer.kill()

    def _ended(self, method: str, since: int) -> bool:
        jobs = self.lab.journal(since, kind="job", method=method)
        over = {job["job"] for job in jobs if job["state"] != "WAITING"}
        return bool(self.lab.journal(since, method=method)) and all(job["job"] in over for job in jobs)

    def check(self, *names: str, parked: dict[str, str] | None = None, snapshots: tuple[str, ...] = ()) -> None:
        """There are these containers, running, and what a test says; nothing else but what was there before."""
        wanted = {f"px-{name}": "RUNNING" for name in (BASE, *names)}
        assert {name: entry["status"] for name, entry in self.lab.instances().items()} == {**wanted, f"px-{STRANGER}": "STOPPED"}
        datasets = self.lab.datasets()
        assert sorted(datasets) == sorted([*(self.dataset(name) for name in (BASE, STRANGER, *names)), *(parked or {})])
        assert {name: datasets[name] for name in parked or {}} == (parked or {})
        before = [f"{self.dataset(name)}@{NIGHT}" for name in (BASE, STRANGER)]
        assert sorted(self.lab.snapshots()) == sorted([*before, f"{self.dataset(BASE)}@pixels-ready", *snapshots])
        if not names:
            assert BOX not in known_hosts(self.home).read_text()
        # And prune, which looks for itself, finds nothing either.
        since = self.lab.mark()
        found = self.playbook.tasks({"name": "Prune", "pixels.sandbox.prune": {"patience": 0}}).succeeded().last("prune")
        assert (found["pruned"], found["left"], self.lab.changes(since)) == ([], [], [])


def wait_until(happened: Callable[[], bool], what: str, timeout: float = 240.0) -> None:
    until = time.monotonic() + timeout
    while not happened():
        assert time.monotonic() < until, what
        time.sleep(0.005)
