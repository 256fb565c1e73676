"""Runs playbooks as a user would, in a home directory of its own, and reads back what happened."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class TaskResult:
    """What one task gave on one host; `status` is ok, failed, ignored, unreachable or skipped."""

    host: str
    task: str
    action: str
    status: str
    result: dict[str, Any]


@dataclass
class PlayRun:
    """One run of ansible-playbook."""

    rc: int
    stdout: str
    stderr: str
    results: list[TaskResult] = field(default_factory=list)
    recap: dict[str, dict[str, int]] = field(default_factory=dict)
    stats: dict[str, Any] = field(default_factory=dict)  # what set_stats has left

    def _total(self, key: str) -> int:
        return sum(counts[key] for counts in self.recap.values())

    @property
    def ok(self) -> int:
        return self._total("ok")

    @property
    def changed(self) -> int:
        return self._total("changed")

    @property
    def failed(self) -> int:
        return self._total("failures") + self._total("unreachable")

    @property
    def output(self) -> str:
        return self.stdout + self.stderr

    def succeeded(self) -> PlayRun:
        """Assert that it went well, with everything it said as the explanation when not."""
        assert self.rc == 0 and self.failed == 0, self.output
        return self

    def of(self, action: str, *, host: str | None = None, skipped: bool = True) -> list[dict[str, Any]]:
        """The results of a module; `container` stands for `pixels.sandbox.container`."""
        name = action if "." in action else f"pixels.sandbox.{action}"
        items = [item for item in self.results if item.action == name and host in (None, item.host)]
        return [item.result for item in items if skipped or item.status != "skipped"]

    def last(self, action: str) -> dict[str, Any]:
        """The last result, of a task that was not skipped unless all of them were."""
        found = self.of(action, skipped=False) or self.of(action)
        assert found, f"{action} did not run:\n{self.output}"
        return found[-1]

    def failures(self) -> list[str]:
        """The messages of the tasks that failed, the ignored ones included."""
        return [str(item.result.get("msg")) for item in self.results if item.status in ("failed", "ignored", "unreachable")]


def clean_environment(home: Path, **more: str) -> dict[str, str]:
    """The environment of a person whose home is `home` and who has configured nothing."""
    dropped = ("PIXELS_", "ANSIBLE_", "XDG_", "INCUS_", "SSH_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    environment.update(
        HOME=str(home),
        XDG_CONFIG_HOME=str(home / ".config"),
        XDG_STATE_HOME=str(home / ".local" / "state"),
        XDG_CACHE_HOME=str(home / ".cache"),
        XDG_RUNTIME_DIR=str(home / "run"),
        PATH=f"{BIN}{os.pathsep}{environment['PATH']}",
        ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"),
        ANSIBLE_NOCOLOR="1",
        ANSIBLE_LOCALHOST_WARNING="False",
        ANSIBLE_INVENTORY_UNPARSED_WARNING="False",
        # Half a gigabyte of tools for each container; the tests of them ask for them.
        PIXELS_PROVISION_DEVTOOLS="false",
    )
    return {**environment, **more}


def make_home(home: Path) -> Path:
    """A home directory with an SSH key and nothing else."""
    for folder in (home / ".ssh", home / "run", home / ".config"):
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    key = home / ".ssh" / "id_ed25519"
    if not key.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "pixels tests", "-f", str(key)], check=True)
    return home


@dataclass
class Playbooks:
    """Call it with the name of a playbook of the collection, or give it tasks or a whole play."""

    home: Path
    env: Mapping[str, str]
    timeout: float = 300.0

    def __call__(
        self,
        playbook: str,
        /,
        *options: str,
        env: Mapping[str, str] | None = None,
        check: bool = False,
        diff: bool = False,
        inventory: Path | str | None = None,
        cwd: Path = ROOT,
        stdin: str | None = None,
        **extra: Any,
    ) -> PlayRun:
        """Run `playbook` (`create`, `pixels.sandbox.create`, or a path) with extra variables."""
        path = playbook if "." in playbook or "/" in playbook else str(ROOT / "playbooks" / f"{playbook}.yml")
        events = self.home / "events.jsonl"
        events.unlink(missing_ok=True)
        command: list[str] = [str(BIN / "ansible-playbook"), path, *options]
        for key, value in extra.items():
            command += ["-e", json.dumps({key: value})]
        command += ["--check"] * check + ["--diff"] * diff
        command += [] if inventory is None else ["-i", str(inventory)]
        done = subprocess.run(
            command,
            cwd=cwd,
            env=clean_environment(
                self.home,
                ANSIBLE_CALLBACK_PLUGINS=str(ROOT / "tests" / "support" / "callbacks"),
                ANSIBLE_CALLBACKS_ENABLED="pixels_events",
                PIXELS_TEST_EVENTS=str(events),
                **{**self.env, **(env or {})},
            ),
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=self.timeout,
        )
        run = PlayRun(done.returncode, done.stdout, done.stderr)
        for line in events.read_text(encoding="utf-8").splitlines() if events.exists() else []:
            event = json.loads(line)
            if event.pop("kind") == "recap":
                run.recap, run.stats = event["hosts"], event["stats"]
            else:
                run.results.append(TaskResult(**event))
        return run

    @contextlib.contextmanager
    def started(self, *tasks: Mapping[str, Any]) -> Iterator[subprocess.Popen[bytes]]:
        """ansible-playbook at work on tasks, in a process group of its own; it is over when the block is left."""
        path = self.home / "play.yml"
        path.write_text(json.dumps([{"name": "Tasks of a test", "hosts": "localhost", "gather_facts": False, "tasks": list(tasks)}]))
        running = subprocess.Popen(
            [str(BIN / "ansible-playbook"), str(path)],
            cwd=ROOT,
            env=clean_environment(self.home, **self.env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield running
        finally:
            running.kill()
            running.wait()

    def tasks(
        self,
        *tasks: Mapping[str, Any],
        hosts: Sequence[str] = ("localhost",),
        forks: int = 20,
        play: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> PlayRun:
        """Run tasks on hosts that need not exist: the collection's actions make no connection to them."""
        content = [
            {"name": "Tasks of a test", "hosts": "all", "gather_facts": False, **(play or {}), "tasks": [dict(task) for task in tasks]}
        ]
        path = self.home / "play.yml"
        path.write_text(json.dumps(content), encoding="utf-8")
        common = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        hosts_file = self.home / "hosts.json"
        hosts_file.write_text(json.dumps({"all": {"hosts": dict.fromkeys(hosts, common)}}), encoding="utf-8")
        return self(str(path), "--forks", str(forks), inventory=hosts_file, **options)
