# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An appliance in memory behind the Driver interface, with faults before and after each call."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.pixels.sandbox.plugins.module_utils.core import marker
from ansible_collections.pixels.sandbox.plugins.module_utils.core.container import SPEC
from ansible_collections.pixels.sandbox.plugins.module_utils.core.context import Context
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.driver import Address, Container, ContainerSpec, Image, Nic
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.endpoint import Endpoint
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.errors import ConnectionFailed, JobFailed, NotFound, OutcomeUnknown
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.fake_storage import FakeStorage

DEFAULT_NIC = Nic("macvlan", "enp1s0")
CHANGING = (
    *("create", "clone", "start", "stop", "restart", "update", "delete"),
    *("snapshot", "destroy_snapshot", "clone_dataset", "promote", "destroy_dataset"),
)


def lost(method: str) -> OutcomeUnknown:
    return OutcomeUnknown(method, "the connection was lost")


def job_failed(method: str) -> JobFailed:
    return JobFailed(method, job_id=7, state="FAILED", error="[EFAULT] it did not work", errno=14)


def not_sent(method: str) -> ConnectionFailed:
    return ConnectionFailed(f"{method}: no connection")


def ours(name: str, status: str = "running", **changes: Any) -> Container:
    """A container as this collection makes one."""
    mark = marker.Marker(**{"image": "debian/12", "owner": changes.pop("owner", None), **changes.pop("mark", {})})
    environment = marker.with_marker(changes.pop("environment", {}), mark)
    address = "10.0.0.5" if status == "running" else None
    base = Container(
        id=f"px-{name}",
        name=f"px-{name}",
        status=status,
        cpu="2",
        memory=2048,
        pool="tank",
        environment=environment,
        autostart=True,
        image={"os": "Debian", "release": "bookworm"},
        nic=DEFAULT_NIC,
        address=address,
        addresses=() if address is None else (Address("inet", address, "eth0"),),
        started_at="1",
    )
    return replace(base, **changes)


def foreign(name: str, status: str = "running") -> Container:
    return replace(ours(name, status), environment={"THEIRS": "1"})


class FakeDriver:
    """Keeps containers; `faults` maps an operation to what goes wrong the next times, `after` being whether it had happened by then."""

    version = "25.10.6"

    def __init__(self, *containers: Container) -> None:
        self.endpoint = Endpoint("wss://nas:443", "root", "1-secret")
        self.containers = {container.name: container for container in containers}
        self.calls: list[tuple[Any, ...]] = []
        self.faults: dict[str, list[tuple[Exception, str]]] = {}
        self.refuse: Exception | None = None
        self.gives_address = True
        self.boot = "6f0c"
        self.on_call: Callable[[str, str], Any] = lambda operation, name: None
        self._starts = 1
        self._lock = threading.RLock()
        self.storage: Any = FakeStorage(self._run)
        for container in containers:
            self.storage.put(self.storage.dataset_of(container), f"data of {container.name}")

    # What tests say

    def fail(self, operation: str, error: Exception, when: str = "before", times: int = 1) -> None:
        """`when`: before it happens, after it, or for a create: half, with the container made but not started."""
        self.faults.setdefault(operation, []).extend([(error, when)] * times)

    @property
    def changing_calls(self) -> list[tuple[Any, ...]]:
        return [call for call in self.calls if call[0] in CHANGING]

    def names(self) -> list[str]:
        return [call[0] for call in self.changing_calls]

    # What the driver does

    def _run(self, operation: str, name: str, work: Callable[[str], None], *details: Any) -> None:
        with self._lock:
            self.calls.append((operation, name, *details))
            error, when = self.faults[operation].pop(0) if self.faults.get(operation) else (None, "")
        self.on_call(operation, name)
        if error is not None and when == "before":
            raise error
        with self._lock:
            work(when)
        if error is not None:
            raise error

    def _power(self, name: str, status: str) -> None:
        running = status == "running"
        if running:
            self._starts += 1
        address = "10.0.0.5" if running and self.gives_address else None
        self.containers[name] = replace(self.containers[name], status=status, address=address, started_at=str(self._starts))

    def boot_id(self) -> str:
        return self.boot

    def preflight(self) -> None:
        self.calls.append(("preflight",))

    def list(self, prefix: str = "") -> Any:
        self.calls.append(("list", prefix))
        if self.faults.get("list"):
            raise self.faults["list"].pop(0)[0]
        return [container for name, container in self.containers.items() if name.startswith(prefix)]

    def several(self, names: Collection[str]) -> Any:
        self.calls.append(("several", *sorted(names)))
        if self.faults.get("several"):
            raise self.faults["several"].pop(0)[0]
        return [container for name, container in self.containers.items() if name in names]

    def get(self, name: str) -> Container | None:
        self.calls.append(("get", name))
        if self.faults.get("get"):
            raise self.faults["get"].pop(0)[0]
        return self.containers.get(name)

    def pools(self) -> Any:
        return ["dozer", "tank"]

    def images(self) -> Any:
        return [
            Image("debian/bookworm/default", "Debian", "bookworm", "default", ""),
            Image("debian/trixie/default", "Debian", "trixie", "", ""),
        ]

    def check_spec(self, spec: ContainerSpec) -> ContainerSpec:
        self.calls.append(("check_spec", spec.name))
        if self.refuse is not None:
            raise self.refuse
        return replace(spec, nic=spec.nic or DEFAULT_NIC, pool=spec.pool or "tank")

    def _make(self, spec: ContainerSpec) -> None:
        self.containers[spec.name] = Container(
            id=spec.name,
            name=spec.name,
            status="stopped",
            cpu=spec.cpu,
            memory=spec.memory,
            pool=spec.pool,
            environment=dict(spec.environment),
            autostart=spec.autostart,
            image={"os": spec.image.split("/")[0].capitalize()},
            nic=spec.nic,
            inside=spec.inside,
            cards=1 if spec.inside is None else 2,
        )
        self.storage.put(self.storage.dataset_of(self.containers[spec.name]), f"fresh from {spec.image}")

    def clone(self, spec: ContainerSpec, snapshot: str, *, on_progress: Any = None) -> None:
        """`half`: the container is there, its data is not."""

        def work(when: str) -> None:
            self._make(spec)
            dataset = self.storage.dataset_of(self.containers[spec.name])
            self.storage.drop(dataset)
            if when != "half":
                self.storage.branch(snapshot, dataset)

        self._run("clone", spec.name, work, spec, snapshot)

    def create(self, spec: ContainerSpec, *, start: bool = True, on_progress: Any = None) -> None:
        def work(when: str) -> None:
            self._make(spec)
            if start and when != "half":
                self._power(spec.name, "running")

        self._run("create", spec.name, work, spec, start)

    def start(self, container: Container, *, on_progress: Any = None) -> None:
        self._run("start", container.name, lambda when: self._power(container.name, "running"))

    def stop(self, container: Container, *, timeout: int = 30, force: bool = True) -> None:
        self._run("stop", container.name, lambda when: self._power(container.name, "stopped"), timeout, force)

    def restart(self, container: Container, *, timeout: int = 30, force: bool = True) -> None:
        self._run("restart", container.name, lambda when: self._power(container.name, "running"), timeout, force)

    def update(self, container: Container, changes: Mapping[str, Any]) -> None:
        def work(when: str) -> None:
            self.containers[container.name] = replace(self.containers[container.name], **dict(changes))

        self._run("update", container.name, work, dict(changes))

    def delete(self, container: Container) -> None:
        def work(when: str) -> None:
            if container.name not in self.containers:
                raise NotFound("virt.instance.delete", code=-32602, errno=2)
            self.storage.drop(self.storage.dataset_of(self.containers[container.name]))
            del self.containers[container.name]

        self._run("delete", container.name, work)

    def run_script(self, name: str, script: str, timeout: float = 300.0) -> Any:
        raise NotImplementedError


class FakeConfig:
    """The configuration as far as the core asks."""

    warnings: list[str] = []

    def __init__(self, **values: Any) -> None:
        self.values = {"defaults.image": "ubuntu/24.04", "defaults.cpu": "2", "defaults.memory": 2048, **values}

    def get(self, key: str) -> Any:
        return self.values.get(key)


def context(
    driver: FakeDriver, config: FakeConfig | None = None, *, check_mode: bool = False, diff: bool = False, **params: Any
) -> Context:
    """A task with these options, the others at their defaults."""
    full = {name: rule.get("default") for name, rule in SPEC.all_arguments().items()}
    full.update({"wait_timeout": 1, **params})
    if isinstance(full["name"], str):
        full["name"] = full["name"].split(",")
    return Context(
        params=full,
        config=config or FakeConfig(),  # type: ignore[arg-type]
        check_mode=check_mode,
        diff=diff,
        given=frozenset(params),
        make_endpoint=lambda: driver.endpoint,
        open_driver=lambda endpoint: driver,  # type: ignore[return-value,arg-type]
    )
