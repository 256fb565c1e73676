# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Containers whose data the lab models, and the module's own core on it, without Ansible in between where that does not matter."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from running_lab import ROOT, RunningLab

from ansible_collections.pixels.sandbox.plugins.module_utils.core import checkpoint, checkpoint_info
from ansible_collections.pixels.sandbox.plugins.module_utils.core.config import load
from ansible_collections.pixels.sandbox.plugins.module_utils.core.context import Context
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import describe
from ansible_collections.pixels.sandbox.plugins.module_utils.core.front import Spec
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.driver import Driver
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.select import open_driver
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.endpoint import Endpoint
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.session import Session

Result = dict[str, Any]

ALONE = """
import json, sys
from ansible_collections.pixels.sandbox.plugins.module_utils.core import checkpoint
from ansible_collections.pixels.sandbox.plugins.module_utils.core.config import load
from ansible_collections.pixels.sandbox.plugins.module_utils.core.context import Context
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.select import open_driver
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.endpoint import Endpoint
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.session import Session

host, key, directory, params = json.load(sys.stdin)
endpoint = Endpoint.parse(host, api_key=key, ca_file=directory + "/tls/ca.pem")
defaults = {name: rule.get("default") for name, rule in checkpoint.SPEC.all_arguments().items()}
checkpoint.run(
    Context(
        params={**defaults, **params, "container": params["container"].split(",")},
        config=load({}, {"HOME": directory}),
        given=frozenset(params),
        make_endpoint=lambda: endpoint,
        open_driver=lambda endpoint: open_driver(Session(endpoint), endpoint),
    )
)
"""


@dataclass
class World:
    """A lab, and shorthand for what happens in it. Every container's data is one file."""

    lab: RunningLab
    namespace: str = "pool"  # of the snapshot methods in this version

    def box(self, name: str, content: str = "first", *, pool: str = "tank", start: bool = True) -> str:
        """One of ours, with this content; its dataset."""
        mark = json.dumps({"id": f"{abs(hash(name)) % 16**16:016x}", "image": "debian/12", "name": f"px-{name}"})
        payload = {"name": f"px-{name}", "image": "debian/12", "autostart": start, "environment": {"PIXELS_SANDBOX": mark}}
        made = self.lab.job("virt.instance.create", {**payload, "storage_pool": pool})
        assert made["state"] == "SUCCESS", made
        dataset = self.lab.dataset(f"px-{name}", pool)
        self.write(name, content, pool=pool)
        return dataset

    def write(self, name: str, content: str, *, pool: str = "tank") -> None:
        self.lab.write(self.lab.dataset(f"px-{name}", pool), "content", content)

    def content(self, name: str, *, pool: str = "tank") -> str | None:
        return self.lab.read(self.lab.dataset(f"px-{name}", pool), "content")

    def snapshot(self, name: str, label: str, content: str | None = None, *, pool: str = "tank") -> str:
        """A checkpoint of a content, which is the container's from then on."""
        if content is not None:
            self.write(name, content, pool=pool)
        snapshot = f"{self.lab.dataset(f'px-{name}', pool)}@pixels-{label}"
        self.lab.state(snapshot={"dataset": snapshot.partition("@")[0], "name": f"pixels-{label}"})
        return snapshot

    def clone(self, snapshot: str, name: str) -> str:
        """A container made of a snapshot, by the appliance's own calls."""
        dataset = self.box(name, start=False)
        self.lab.ask("zfs.dataset.delete", dataset, {"force": True, "recursive": True})
        self.lab.ask(f"{self.namespace}.snapshot.clone", {"snapshot": snapshot, "dataset_dst": dataset})
        assert self.lab.job("virt.instance.start", f"px-{name}")["state"] == "SUCCESS"
        return dataset

    def status(self, name: str) -> str | None:
        entry = self.lab.instance(f"px-{name}")
        return None if entry is None else str(entry["status"])

    def labels(self, name: str) -> dict[str, str | None]:
        """Wherever they are kept: label -> content."""
        found = {}
        for snapshot, entry in self.lab.snapshots().items():
            dataset, _at, short = snapshot.partition("@")
            if short.startswith("pixels-") and not entry["deferred"] and f"px-{name}" in dataset.rpartition("/")[2].split("."):
                assert short not in found, f"{short} twice"
                found[short.removeprefix("pixels-")] = self.lab.read(snapshot, "content")
        return found

    def parked(self) -> list[str]:
        return [name for name in self.lab.datasets() if name.rpartition("/")[2].startswith("pixels.")]


@dataclass
class Core:
    """The module, called as its action plugin calls it."""

    lab: RunningLab
    driver: Driver
    endpoint: Endpoint

    def __call__(self, container: str, *, check: bool = False, diff: bool = False, **params: Any) -> Result:
        return self._run(checkpoint.SPEC, checkpoint.run, {"container": container.split(","), **params}, check, diff)

    @contextlib.contextmanager
    def alone(self, **params: Any) -> Iterator[subprocess.Popen[bytes]]:
        """The same in a process of its own, which is over when the block is left."""
        running = subprocess.Popen(
            [sys.executable, "-c", ALONE], env={**os.environ, "PYTHONPATH": str(ROOT / ".collections")}, stdin=subprocess.PIPE
        )
        assert running.stdin is not None
        try:
            running.stdin.write(json.dumps([self.lab.host, self.lab.api_key, str(self.lab.directory), params]).encode())
            running.stdin.close()
            yield running
        finally:
            running.kill()
            running.wait()

    def info(self, container: str | None = None, **params: Any) -> Result:
        names = {} if container is None else {"container": container.split(",")}
        return self._run(checkpoint_info.SPEC, checkpoint_info.run, {**names, **params}, False, False)

    def _run(self, spec: Spec, core: Callable[[Context], Result], params: dict[str, Any], check: bool, diff: bool) -> Result:
        defaults = {name: rule.get("default") for name, rule in spec.all_arguments().items()}
        ctx = Context(
            params={**defaults, **params},
            config=load({}, {"HOME": str(self.lab.directory)}),
            check_mode=check,
            diff=diff,
            given=frozenset(params),
            make_endpoint=lambda: self.endpoint,
            open_driver=lambda endpoint: self.driver,
        )
        try:
            return core(ctx)
        except Exception as error:
            return describe(error)


@pytest.fixture
def world(lab: RunningLab) -> World:
    return World(lab)


@pytest.fixture
def checkpoints(lab: RunningLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`checkpoints("base", label="ready", state="restored")`"""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    yield from _core(lab)


def _core(lab: RunningLab) -> Any:
    endpoint = Endpoint.parse(lab.host, api_key=lab.api_key, ca_file=str(lab.directory / "tls" / "ca.pem"))
    session = Session(endpoint)
    yield Core(lab, open_driver(session, endpoint), endpoint)
    session.close()


@pytest.fixture(params=["25.04", "25.10"])
def either(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """World and module for each version."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    lab = request.getfixturevalue("lab_2504" if request.param == "25.04" else "lab")
    world = World(lab, "zfs" if request.param == "25.04" else "pool")
    for core in _core(lab):
        yield world, core
