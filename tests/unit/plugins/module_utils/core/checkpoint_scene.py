# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Containers on a pool with ZFS's own rules, where the data of a container that runs is mounted, and the module's own core on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.pixels.sandbox.plugins.module_utils.core import checkpoint, checkpoint_info
from ansible_collections.pixels.sandbox.plugins.module_utils.core.context import Context
from ansible_collections.pixels.sandbox.plugins.module_utils.core.front import Spec
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.driver import Container
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.fake_driver import FakeConfig, FakeDriver
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.zfs_simulator import Pool


class Scene(FakeDriver):
    """`on_change` sees every changing call, of the storage and of the container, before and after it."""

    def __init__(self, *containers: Container) -> None:
        super().__init__(*containers)
        self.pool = Pool()
        self.storage = self.pool  # type: ignore[assignment]
        self.on_change: Callable[[str, str], Any] = lambda what, when: None
        self.done: list[str] = []
        self.script_says = ""
        for container in containers:
            self.pool.create(self.pool.dataset_of(container), "first")
            if container.running:
                self.pool.busy.add(self.pool.dataset_of(container))
        self.pool.before = lambda what: self.on_change(what, "before")
        self.pool.after = self._after

    def _after(self, what: str) -> None:
        self.done.append(what)
        self.on_change(what, "after")

    def _power(self, name: str, status: str) -> None:
        super()._power(name, status)
        dataset = self.pool.dataset_of(self.containers[name])
        if status == "running":
            assert dataset in self.pool.volumes, f"{name} was started without data"
            self.pool.busy.add(dataset)
        else:
            self.pool.busy.discard(dataset)

    def start(self, container: Container, *, on_progress: Any = None) -> None:
        self.on_change("start", "before")
        super().start(container)
        self._after("start")

    def stop(self, container: Container, *, timeout: int = 30, force: bool = True) -> None:
        self.on_change("stop", "before")
        super().stop(container, timeout=timeout, force=force)
        self._after("stop")

    def run_script(self, name: str, script: str, timeout: float = 300.0) -> Any:
        mark = script.split("\n", 1)[0].removeprefix("mark=")
        assert self.containers[name].running
        return type("Done", (), {"status": 0, "output": f'{mark} {{"host_key": "{self.script_says}"}}\n'})()


def run(scene: Scene, container: str, *, check: bool = False, diff: bool = False, info: bool = False, **params: Any) -> dict[str, Any]:
    """One task; raises what it raises."""
    spec: Spec = checkpoint_info.SPEC if info else checkpoint.SPEC
    full = {name: rule.get("default") for name, rule in spec.all_arguments().items()}
    given = {"container": container.split(",") if container else None, **params}
    ctx = Context(
        params={**full, **given},
        config=FakeConfig(),  # type: ignore[arg-type]
        check_mode=check,
        diff=diff,
        given=frozenset(given),
        make_endpoint=lambda: scene.endpoint,
        open_driver=lambda endpoint: scene,  # type: ignore[arg-type,return-value]
    )
    return checkpoint_info.run(ctx) if info else checkpoint.run(ctx)
