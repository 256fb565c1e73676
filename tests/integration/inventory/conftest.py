"""Runs ansible-inventory as a user would, and reads what it says."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playbook import BIN, Playbooks, clean_environment
from running_lab import RunningLab


def plain(value: Any) -> Any:
    """Without the marks of texts in which no template is resolved."""
    if isinstance(value, Mapping):
        if value.keys() == {"__ansible_unsafe"}:
            return value["__ansible_unsafe"]
        return {name: plain(part) for name, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list) else value


@dataclass(frozen=True)
class Listed:
    """What one run said."""

    rc: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        return self.stdout + self.stderr

    @property
    def data(self) -> dict[str, Any]:
        assert self.rc == 0, self.output
        return dict(plain(json.loads(self.stdout)))

    @property
    def hosts(self) -> dict[str, dict[str, Any]]:
        return dict(self.data["_meta"]["hostvars"])

    def group(self, name: str) -> list[str]:
        return sorted(self.data.get(name, {}).get("hosts", []))


@dataclass
class Inventory:
    """Call it with the options of a source, which is written into a file, or with a source as it is."""

    home: Path
    env: Mapping[str, str]

    def source(self, stem: str = "fleet", /, **options: Any) -> Path:
        path = self.home / f"{stem}.pixels.yml"
        path.write_text(json.dumps({"plugin": "pixels.sandbox.pixels", **options}), encoding="utf-8")
        return path

    def __call__(self, *arguments: str, source: Path | str | None = None, env: Mapping[str, str] | None = None, **options: Any) -> Listed:
        where = source if source is not None else self.source(**options)
        done = subprocess.run(
            [str(BIN / "ansible-inventory"), "-i", str(where), *(arguments or ("--list",))],
            cwd=self.home,
            env=clean_environment(self.home, ANSIBLE_INVENTORY_UNPARSED_WARNING="True", **{**self.env, **(env or {})}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        return Listed(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def inventory(lab: RunningLab, home: Path) -> Inventory:
    return Inventory(home, {**lab.env, "ANSIBLE_COLLECTIONS_PATH": str(Path(__file__).resolve().parents[3] / ".collections")})


@pytest.fixture
def fleet(playbook: Playbooks) -> None:
    """Two running workers, one of them restricted, with a checkpoint and a clone of it, and a box that is stopped and has labels."""
    tasks: list[dict[str, Any]] = [
        {
            "name": "Workers",
            "pixels.sandbox.container": {
                "name": "worker[1:2]",
                "owner": "nightly",
                "wait_for": "none",
                "vars_by_name": {"worker1": {"egress": "agent"}},
            },
        },
        {
            "name": "Box",
            "pixels.sandbox.container": {
                "name": "box",
                "state": "stopped",
                "image": "debian/12",
                "labels": {"team": "ML ops", "keep": ""},
                "environment": {"TOKEN": "hush-hush-hush"},
                "wait_for": "none",
            },
        },
        {"name": "Keep", "pixels.sandbox.checkpoint": {"container": "worker1", "label": "ready"}},
        {"name": "Clone", "pixels.sandbox.container": {"name": "copy", "from": "worker1:ready", "wait_for": "none"}},
    ]
    playbook.tasks(*tasks).succeeded()
