# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The driver for 25.04 and 25.10, one scripted conversation for each promise and each trap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.nas.driver import Container, ContainerSpec, Nic, NotReady
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.virt import VirtDriver
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.endpoint import Endpoint
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.errors import (
    Busy,
    CallTimeout,
    ConnectionFailed,
    JobFailed,
    NotFound,
    OutcomeUnknown,
    UnknownMethod,
)
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.nas.scripted import ScriptedApi, entry

RAW = {"extra": {"raw": True}}
READY = {"state": "INITIALIZED", "pool": "tank", "storage_pools": ["tank"], "bridge": None}
RUNNING = Container(id="px-task1", name="px-task1", status="running", started_at="2026-11-23T07:15:18Z")
STOPPED = replace(RUNNING, status="stopped")


def job_failed(method: str, text: str = "[EFAULT] it did not work") -> JobFailed:
    return JobFailed(method, job_id=7, state="FAILED", error=text, errno=14)


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    scripted = ScriptedApi()
    yield scripted
    scripted.finish()


@pytest.fixture
def driver(api: ScriptedApi) -> VirtDriver:
    return VirtDriver(api, Endpoint("wss://nas:443", "root", "1-secret"), "25.10.6")


def expect_get(api: ScriptedApi, *entries: dict[str, Any]) -> None:
    api.expect("read", "virt.instance.query", [["id", "=", "px-task1"]], RAW, result=list(entries))


class TestReading:
    def test_list_asks_once(self, api: ScriptedApi, driver: VirtDriver) -> None:
        api.expect("read", "virt.instance.query", [["name", "^", "px-"]], RAW, result=[entry(), entry("px-b", "STOPPED")])
        assert [(found.name, found.status, found.address) for found in driver.list("px-")] == [
            ("px-task1", "running", "10.97.0.116"),
            ("px-b", "stopped", None),
        ]

    def test_a_list_may_be_narrowed_by_the_appliance(self, api: ScriptedApi, driver: VirtDriver) -> None:
        filters = [["name", "^", "px-"], ["name", "~", "px-(?:w.*)$"], ["status", "in", ["RUNNING", "STOPPED"]]]
        api.expect("read", "virt.instance.query", filters, RAW, result=[entry("px-w1")])
        assert [found.name for found in driver.list("px-", pattern="px-(?:w.*)$", statuses=["stopped", "running"])] == ["px-w1"]

    def test_several_are_asked_for_at_once(self, api: ScriptedApi, driver: VirtDriver) -> None:
        api.expect("read", "virt.instance.query", [["id", "in", ["px-b", "px-task1", "px-x"]]], RAW, result=[entry(), entry("px-b")])
        assert {found.name for found in driver.several({"px-x", "px-task1", "px-b"})} == {"px-b", "px-task1"}

    def test_empty_is_absent_only_when_the_service_is_up(self, api: ScriptedApi, driver: VirtDriver) -> None:
        expect_get(api)
        api.expect("read", "virt.global.config", result=READY)
        assert driver.get("px-task1") is None

    @pytest.mark.parametrize("state", ["INITIALIZING", "NO_POOL", "LOCKED", "ERROR", None])
    def test_empty_while_the_service_is_down_is_an_error(self, api: ScriptedApi, driver: VirtDriver, state: str | None) -> None:
        expect_get(api)
        api.expect("read", "virt.global.config", result={"state": state})
        with pytest.raises(NotReady, match=state or "unknown"):
            driver.get("px-task1")

    @pytest.mark.parametrize(
        "error",
        [
            UnknownMethod("virt.instance.query", code=-32601),
            Busy("virt.instance.query", 30.0, "rate limit", 16),
            CallTimeout("virt.instance.query", 60.0),
        ],
    )
    def test_d28_a_failed_look_is_never_absence(self, api: ScriptedApi, driver: VirtDriver, error: Exception) -> None:
        """D28: an unknown method, a busy appliance and a time-out are failures."""
        api.expect("read", "virt.instance.query", ..., error=error)
        with pytest.raises(type(error)):
            driver.get("px-task1")

    def test_preflight(self, api: ScriptedApi, driver: VirtDriver) -> None:
        api.expect("read", "virt.global.config", result=READY)
        driver.preflight()

    def test_images(self, api: ScriptedApi, driver: VirtDriver) -> None:
        api.expect(
            "read",
            "virt.instance.image_choices",
            result={
                "debian/trixie/default": {"label": "Debian trixie", "os": "Debian", "release": "trixie", "variant": "default"},
                "alpine/vm": {"label": "x", "os": "Alpine", "release": "3", "variant": "vm", "instance_types": ["VM"]},
            },
        )
        assert [image.name for image in driver.images()] == ["debian/trixie/default"]


class TestCreate:
    def test_started_and_autostart_is_one_call(self, api: ScriptedApi, driver: VirtDriver) -> None:
        spec = ContainerSpec("px-task1", "debian/12", "2", 2048, "tank", {"A": "b"}, autostart=True, nic=Nic("macvlan", "enp1s0"))
        api.expect(
            "job",
            "virt.instance.create",
            {
                "name": "px-task1",
                "image": "debian/12",
                "autostart": True,
                "cpu": "2",
                "memory": 2048 * 1024 * 1024,
                "storage_pool": "tank",
                "environment": {"A": "b"},
                "devices": [{"dev_type": "NIC", "name": "eth0", "nic_type": "MACVLAN", "parent": "enp1s0"}],
            },
        )
        driver.create(spec, start=True)

    def test_the_default_network_sends_no_card(self, api: ScriptedApi, driver: VirtDriver) -> None:
        """A card by `network` crashes the call, and none gives the profile's own."""
        api.expect("job", "virt.instance.create", {"name": "px-task1", "image": "debian/12", "autostart": True})
        driver.create(ContainerSpec("px-task1", "debian/12", nic=Nic(network="default")))

    def test_started_without_autostart(self, api: ScriptedApi, driver: VirtDriver) -> None:
        api.expect("job", "virt.instance.create", {"name": "px-task1", "image": "debian/12", "autostart": False})
        expect_get(api, entry(status="STOPPED"))
        api.expect("job", "virt.instance.start", "px-task1")
        driver.create(ContainerSpec("px-task1", "debian/12", autostart=False), start=True)

    def test_stopped_with_autostart(self, api: ScriptedApi, driver: VirtDriver) -> None:
        api.expect("job", "virt.instance.create", {"name": "px-task1", "image": "debian/12", "autostart": False})
        expect_get(api, entry(status="STOPPED"))
        api.expect("job", "virt.instance.update", "px-task1", {"autostart": True})
        driver.create(ContainerSpec("px-task1", "debian/12", autostart=True), start=False)

    def test_stopped_without_autostart_is_one_call(self, api: ScriptedApi, driver: VirtDriver) -> None:
        api.expect("job", "virt.instance.create", {"name": "px-task1", "image": "debian/12", "autostart": False})
        driver.create(ContainerSpec("px-task1", "debian/12", autostart=False), start=False)

    def test_a_create_that_hangs_is_aborted(self, api: ScriptedApi, driver: VirtDriver) -> None:
        """It waits for the lock that it holds itself, and every later call for that name would wait with it."""
        api.expect("job", "virt.instance.create", ..., error=CallTimeout("virt.instance.create", 930.0, job_id=5))
        api.expect(
            "read",
            "core.get_jobs",
            [["method", "=", "virt.instance.create"], ["state", "in", ["RUNNING", "WAITING"]]],
            result=[{"id": 4, "arguments": [{"name": "px-other"}]}, {"id": 5, "arguments": [{"name": "px-task1"}]}],
        )
        api.expect("call", "core.job_abort", 5)
        with pytest.raises(CallTimeout):
            driver.create(ContainerSpec("px-task1", "debian/12"))

    def test_an_abort_that_fails_does_not_hide_the_time_out(self, api: ScriptedApi, driver: VirtDriver) -> None:
        api.expect("job", "virt.instance.create", ..., error=CallTimeout("virt.instance.create", 930.0, job_id=5))
        api.expect("read", "core.get_jobs", ..., result=[{"id": 5, "arguments": [{"name": "px-task1"}]}])
        api.expect("call", "core.job_abort", 5, error=ConnectionFailed("gone"))
        with pytest.raises(CallTimeout, match="job 5"):
            driver.create(ContainerSpec("px-task1", "debian/12"))

    def test_a_create_that_was_never_sent_aborts_nobody_elses(self, api: ScriptedApi, driver: VirtDriver) -> None:
        """The job of that name which runs is then another controller's."""
        api.expect("job", "virt.instance.create", ..., error=CallTimeout("virt.instance.create", 120.0))
        with pytest.raises(CallTimeout):
            driver.create(ContainerSpec("px-task1", "debian/12"))

    def test_one_that_the_wire_has_aborted_is_left_alone(self, api: ScriptedApi, driver: VirtDriver) -> None:
        api.expect("job", "virt.instance.create", ..., error=CallTimeout("virt.instance.create", 930.0, job_id=5, aborted=True))
        with pytest.raises(CallTimeout):
            driver.create(ContainerSpec("px-task1", "debian/12"))


class TestPower:
    def test_start(self, api: ScriptedApi, driver: VirtDriver) -> None:
        api.expect("job", "virt.instance.start", "px-task1")
        driver.start(STOPPED)

    def test_start_of_one_that_runs_by_now(self, api: ScriptedApi, driver: VirtDriver) -> None:
        """The appliance fails that like any other start; a look tells."""
        api.expect("job", "virt.instance.start", ..., error=job_failed("virt.instance.start"))
        expect_get(api, entry())
        driver.start(STOPPED)

    def test_start_that_fails(self, api: ScriptedApi, driver: VirtDriver) -> None:
        api.expect("job", "virt.instance.start", ..., error=job_failed("virt.instance.start"))
        expect_get(api, entry(status="STOPPED"))
        with pytest.raises(JobFailed):
            driver.start(STOPPED)

    def test_stop_never_sends_the_refused_defaults(self, api: ScriptedApi, driver: VirtDriver) -> None:
        api.expect("job", "virt.instance.stop", "px-task1", {"timeout": 30})
        driver.stop(RUNNING)

    def test_stop_then_force(self, api: ScriptedApi, driver: VirtDriver) -> None:
        api.expect("job", "virt.instance.stop", "px-task1", {"timeout": 3}, error=job_failed("virt.instance.stop"))
        expect_get(api, entry())
        api.expect("job", "virt.instance.stop", "px-task1", {"force": True})
        driver.stop(RUNNING, timeout=3)

    def test_stop_without_force_gives_up(self, api: ScriptedApi, driver: VirtDriver) -> None:
        api.expect("job", "virt.instance.stop", "px-task1", {"timeout": 3}, error=job_failed("virt.instance.stop"))
        expect_get(api, entry())
        with pytest.raises(JobFailed):
            driver.stop(RUNNING, timeout=3, force=False)

    def test_stop_of_one_that_has_stopped_by_now(self, api: ScriptedApi, driver: VirtDriver) -> None:
        api.expect("job", "virt.instance.stop", ..., error=job_failed("virt.instance.stop", "already stopped"))
        expect_get(api, entry(status="STOPPED"))
        driver.stop(RUNNING)

    def test_stop_of_one_that_vanished_is_no_success(self, api: ScriptedApi, driver: VirtDriver) -> None:
        api.expect("job", "virt.instance.stop", ..., error=job_failed("virt.instance.stop", "Instance not found"))
        expect_get(api)
        api.expect("read", "virt.global.config", result=READY)
        with pytest.raises(JobFailed):
            driver.stop(RUNNING)

    def test_stop_at_once(self, api: ScriptedApi, driver: VirtDriver) -> None:
        api.expect("job", "virt.instance.stop", "px-task1", {"force": True})
        driver.stop(RUNNING, timeout=0)

    def test_a_frozen_one_is_not_asked(self, api: ScriptedApi, driver: VirtDriver) -> None:
        api.expect("job", "virt.instance.stop", "px-task1", {"force": True})
        driver.stop(replace(RUNNING, status="frozen"))

    def test_stop_stays_below_the_cut(self, api: ScriptedApi, driver: VirtDriver) -> None:
        api.expect("job", "virt.instance.stop", "px-task1", {"timeout": 290})
        driver.stop(RUNNING, timeout=1000)

    def test_an_unknown_outcome_is_passed_on(self, api: ScriptedApi, driver: VirtDriver) -> None:
        api.expect("job", "virt.instance.stop", ..., error=OutcomeUnknown("virt.instance.stop", "connection lost"))
        with pytest.raises(OutcomeUnknown):
            driver.stop(RUNNING)

    def test_restart(self, api: ScriptedApi, driver: VirtDriver) -> None:
        api.expect("job", "virt.instance.restart", "px-task1", {"timeout": 30})
        driver.restart(RUNNING)

    def test_restart_by_force(self, api: ScriptedApi, driver: VirtDriver) -> None:
        api.expect("job", "virt.instance.restart", ..., error=job_failed("virt.instance.restart"))
        expect_get(api, entry())
        api.expect("job", "virt.instance.restart", "px-task1", {"force": True})
        driver.restart(RUNNING)

    def test_restart_whose_start_failed_is_not_forced(self, api: ScriptedApi, driver: VirtDriver) -> None:
        api.expect("job", "virt.instance.restart", ..., error=job_failed("virt.instance.restart"))
        expect_get(api, entry(status="STOPPED"))
        with pytest.raises(JobFailed):
            driver.restart(RUNNING)


class TestUpdateAndDelete:
    def test_update_in_the_units_of_the_appliance(self, api: ScriptedApi, driver: VirtDriver) -> None:
        api.expect("job", "virt.instance.update", "px-task1", {"cpu": "2", "memory": 64 * 1024 * 1024, "environment": {"A": "b"}})
        driver.update(RUNNING, {"cpu": "2", "memory": 64, "environment": {"A": "b"}})

    def test_delete(self, api: ScriptedApi, driver: VirtDriver) -> None:
        api.expect("job", "virt.instance.delete", "px-task1")
        driver.delete(RUNNING)

    def test_delete_of_one_that_is_gone(self, api: ScriptedApi, driver: VirtDriver) -> None:
        api.expect("job", "virt.instance.delete", ..., error=NotFound("virt.instance.delete", code=-32602, errno=2))
        driver.delete(RUNNING)

    def test_delete_that_fails(self, api: ScriptedApi, driver: VirtDriver) -> None:
        api.expect("job", "virt.instance.delete", ..., error=job_failed("virt.instance.delete"))
        expect_get(api, entry())
        with pytest.raises(JobFailed):
            driver.delete(RUNNING)

    def test_delete_that_failed_and_happened(self, api: ScriptedApi, driver: VirtDriver) -> None:
        api.expect("job", "virt.instance.delete", ..., error=job_failed("virt.instance.delete"))
        expect_get(api)
        api.expect("read", "virt.global.config", result=READY)
        driver.delete(RUNNING)

    def test_delete_that_failed_while_the_service_is_down(self, api: ScriptedApi, driver: VirtDriver) -> None:
        """An empty list proves nothing then."""
        api.expect("job", "virt.instance.delete", ..., error=job_failed("virt.instance.delete"))
        expect_get(api)
        api.expect("read", "virt.global.config", result={"state": "ERROR"})
        with pytest.raises(NotReady):
            driver.delete(RUNNING)
