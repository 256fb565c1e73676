# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Everything that the driver sends is what the appliance's own schemas take, in both versions."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.nas.driver import Container, ContainerSpec, Nic
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.virt import VirtDriver
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.endpoint import Endpoint
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.errors import CallTimeout, JobFailed
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.nas.scripted import entry, shared_folder

RUNNING = Container(id="px-task1", name="px-task1", status="running")
MARK = {"PIXELS_SANDBOX": '{"image":"debian/12"}'}
FULL = ContainerSpec("px-task1", "debian/12", "0-3", 2048, "tank", MARK, True, Nic("macvlan", "eth0"))

ACTIONS: dict[str, Callable[[VirtDriver], Any]] = {
    "preflight": lambda driver: driver.preflight(),
    "list": lambda driver: driver.list("px-"),
    "list all": lambda driver: driver.list(),
    "get": lambda driver: driver.get("px-task1"),
    "images": lambda driver: driver.images(),
    "check_spec": lambda driver: driver.check_spec(replace(FULL, nic=None)),
    "check_spec bridged": lambda driver: driver.check_spec(replace(FULL, nic=Nic("bridged", "eth0"))),
    "create": lambda driver: driver.create(FULL),
    "create least": lambda driver: driver.create(ContainerSpec("px-task1", "debian/12")),
    "create stopped": lambda driver: driver.create(FULL, start=False),
    "create and start": lambda driver: driver.create(replace(FULL, autostart=False)),
    "start": lambda driver: driver.start(RUNNING),
    "stop": lambda driver: driver.stop(RUNNING, timeout=5),
    "stop by force": lambda driver: driver.stop(RUNNING, timeout=0),
    "restart": lambda driver: driver.restart(RUNNING),
    "restart by force": lambda driver: driver.restart(RUNNING, timeout=0),
    "update all": lambda driver: driver.update(RUNNING, {"cpu": "2", "memory": 64, "environment": {"A": "b"}, "autostart": False}),
    "update nothing left": lambda driver: driver.update(RUNNING, {"cpu": None, "memory": None, "environment": {}}),
    "delete": lambda driver: driver.delete(RUNNING),
}


class Recorder:
    """Answers anything plausibly, fails jobs when told to, and keeps what was sent."""

    def __init__(self, fail: Exception | None = None) -> None:
        self.sent: list[tuple[str, list[Any]]] = []
        self.fail = fail

    def read(self, method: str, *params: Any, timeout: float = 60.0) -> Any:
        self.sent.append((method, json.loads(json.dumps(params))))
        return {
            "virt.global.config": {"state": "INITIALIZED", "pool": "tank", "storage_pools": ["tank"]},
            "virt.instance.query": [entry()],
            "virt.instance.image_choices": {"debian/bookworm/default": {"label": "", "os": "", "release": "", "variant": ""}},
            "virt.device.nic_choices": {"eth0": "eth0"},
            "network.general.summary": {"ips": {"eth0": {"IPV4": ["192.0.2.2/24"]}}, "default_routes": ["192.0.2.1"]},
            "core.get_jobs": [{"id": 5, "arguments": [{"name": "px-task1"}]}],
        }[method]

    def call(self, method: str, *params: Any, timeout: float = 60.0) -> Any:
        self.sent.append((method, json.loads(json.dumps(params))))

    def job(self, method: str, *params: Any, timeout: float = 900.0, on_progress: Any = None) -> Any:
        self.sent.append((method, json.loads(json.dumps(params))))
        if self.fail is not None:
            raise self.fail

    def close(self) -> None:
        pass


@pytest.fixture(params=["25.04.2", "25.10"])
def schemas(request: pytest.FixtureRequest) -> dict[str, Any]:
    return json.loads((shared_folder() / f"{request.param}.json").read_text())


FAILURES = [None, JobFailed("x", job_id=1, state="FAILED"), CallTimeout("x", 1.0, job_id=1)]


@pytest.mark.parametrize("fail", FAILURES, ids=["ok", "fails", "hangs"])
@pytest.mark.parametrize("action", ACTIONS)
def test_the_appliance_takes_what_is_sent(schemas: dict[str, Any], action: str, fail: Exception | None) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    api = Recorder(fail)
    driver = VirtDriver(api, Endpoint("wss://nas:443", "root", "k"), "25.10")
    try:
        ACTIONS[action](driver)
    except (JobFailed, CallTimeout):
        assert fail is not None
    assert api.sent
    for method, params in api.sent:
        jsonschema.Draft202012Validator(schemas[method]["accepts"]).validate(params)
        assert schemas[method].get("private") is not True


def test_a_job_is_called_as_one(schemas: dict[str, Any]) -> None:
    """A job's answer is its id, so it must be followed; a plain call's answer is the answer."""
    kinds: dict[str, str] = {}

    class Kinds(Recorder):
        def read(self, method: str, *params: Any, timeout: float = 60.0) -> Any:
            kinds[method] = "plain"
            return super().read(method, *params)

        def call(self, method: str, *params: Any, timeout: float = 60.0) -> Any:
            kinds[method] = "plain"

        def job(self, method: str, *params: Any, timeout: float = 900.0, on_progress: Any = None) -> Any:
            kinds[method] = "job"

    for action in ACTIONS.values():
        action(VirtDriver(Kinds(), Endpoint("wss://nas:443", "root", "k"), "25.10"))
    assert len(kinds) > 8
    assert {method: "job" if schemas[method]["job"] else "plain" for method in kinds} == kinds
