# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A container made as a clone: create, exchange its data set before anything of it has run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.nas.driver import ContainerSpec, Nic, Refused
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.errors import Missing
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.virt import VirtDriver
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.endpoint import Endpoint
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.errors import (
    ApiError,
    Busy,
    CallTimeout,
    JobFailed,
    OutcomeUnknown,
    ValidationFailed,
)
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.nas.scripted import entry
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.nas.zfs_talk import READY, Talk, lost, refused

FINGERPRINT = "767a274b0ad045f987f1c2a02251e6f1f6b381a7a7ad6f11a4e31a8f7f3878b3"
DATASET = "tank/.ix-virt/containers/px-task1"
MARK = {"PIXELS_SANDBOX": '{"id":"0123456789abcdef","making":"x"}'}
SPEC = ContainerSpec("px-task1", FINGERPRINT, "2", 2048, None, MARK, True, Nic("macvlan", "eth0"), image_name="debian/12")
PAYLOAD = {
    "name": "px-task1",
    "image": FINGERPRINT,
    "autostart": False,
    "cpu": "2",
    "memory": 2048 * 1024 * 1024,
    "storage_pool": "tank",
    "environment": MARK,
    "devices": [{"dev_type": "NIC", "name": "eth0", "nic_type": "MACVLAN", "parent": "eth0"}],
}
JOB_FAILED = JobFailed("virt.instance.create", job_id=7, state="FAILED", error="[EFAULT] Image not found", errno=14)


@pytest.fixture
def driver(talk: Talk) -> Iterator[VirtDriver]:
    yield VirtDriver(talk, Endpoint("wss://nas:443", "root", "1-secret"), talk.version)


def created(talk: Talk, **outcome: Exception) -> None:
    talk.expect("job", "virt.instance.create", PAYLOAD, **outcome)


def destroyed(talk: Talk, **outcome: Exception) -> None:
    talk.expect("call", "zfs.dataset.delete", DATASET, {"force": True, "recursive": True}, result=True, **outcome)


def cloned(talk: Talk, **outcome: Exception) -> None:
    talk.expect("call", f"{talk.service}.clone", {"snapshot": READY, "dataset_dst": DATASET}, result=True, **outcome)


def test_d13_three_calls_and_no_look(talk: Talk, driver: VirtDriver) -> None:
    """D13: neither a cron job nor a file of the host. The create does not start it, whatever the spec says of autostart."""
    created(talk)
    destroyed(talk)
    cloned(talk)
    driver.clone(SPEC, READY)
    assert [method for _kind, method, _params in talk.sent] == ["virt.instance.create", "zfs.dataset.delete", f"{talk.service}.clone"]


def test_d32_the_pool_is_the_snapshots(talk: Talk, driver: VirtDriver) -> None:
    """D32: also when another one is set for all."""
    snapshot = "dozer/.ix-virt/containers/px-base@pixels-ready"
    target = "dozer/.ix-virt/containers/px-task1"
    talk.expect("job", "virt.instance.create", {**PAYLOAD, "storage_pool": "dozer"})
    talk.expect("call", "zfs.dataset.delete", target, {"force": True, "recursive": True})
    talk.expect("call", f"{talk.service}.clone", {"snapshot": snapshot, "dataset_dst": target})
    driver.clone(SPEC, snapshot)


def test_d17_another_pool_is_refused_before_anything_is_made(talk: Talk, driver: VirtDriver) -> None:
    with pytest.raises(Refused, match="allowed: tank") as caught:
        driver.clone(replace(SPEC, pool="dozer"), READY)
    assert caught.value.option == "pool"
    assert not talk.sent


def test_a_prefix_in_another_pool_too(talk: Talk, driver: VirtDriver) -> None:
    driver.storage.dataset_prefix = "dozer/boxes"
    with pytest.raises(Refused, match="another pool"):
        driver.clone(SPEC, READY)
    assert not talk.sent


def test_a_prefix_says_where(talk: Talk, driver: VirtDriver) -> None:
    driver.storage.dataset_prefix = "tank/boxes"
    created(talk)
    talk.expect("call", "zfs.dataset.delete", "tank/boxes/px-task1", {"force": True, "recursive": True})
    talk.expect("call", f"{talk.service}.clone", {"snapshot": READY, "dataset_dst": "tank/boxes/px-task1"})
    driver.clone(SPEC, READY)


class TestImage:
    """It is only there to be thrown away: one that the appliance has spares it the way to the image server."""

    def test_one_that_is_gone_is_replaced_by_its_name(self, talk: Talk, driver: VirtDriver) -> None:
        created(talk, error=JOB_FAILED)
        expect_get(talk)
        talk.expect("job", "virt.instance.create", {**PAYLOAD, "image": "debian/12"})
        destroyed(talk)
        cloned(talk)
        driver.clone(SPEC, READY)

    def test_not_when_something_was_made(self, talk: Talk, driver: VirtDriver) -> None:
        created(talk, error=JOB_FAILED)
        expect_get(talk, entry(status="STOPPED"))
        with pytest.raises(JobFailed):
            driver.clone(SPEC, READY)

    @pytest.mark.parametrize("name", [None, FINGERPRINT])
    def test_not_when_there_is_no_other(self, talk: Talk, driver: VirtDriver, name: str | None) -> None:
        created(talk, error=JOB_FAILED)
        with pytest.raises(JobFailed):
            driver.clone(replace(SPEC, image_name=name), READY)

    def test_nor_when_the_arguments_are_refused(self, talk: Talk, driver: VirtDriver) -> None:
        created(talk, error=ValidationFailed("virt.instance.create", fields=[("name", "exists already", 22)], code=-32602, errno=22))
        with pytest.raises(ValidationFailed):
            driver.clone(SPEC, READY)


class TestFailures:
    """What a create has not proven to have made is never touched; what it has made stays for the caller to remove."""

    @pytest.mark.parametrize(
        "error",
        [
            OutcomeUnknown("virt.instance.create", "the connection was lost"),
            Busy("virt.instance.create", 900.0, "its queue is full"),
            CallTimeout("virt.instance.create", 120.0),
            CallTimeout("virt.instance.create", 930.0, job_id=5, aborted=True),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_after_a_create_of_unknown_outcome_nothing_is_destroyed(self, talk: Talk, driver: VirtDriver, error: ApiError) -> None:
        created(talk, error=error)
        with pytest.raises(type(error)):
            driver.clone(SPEC, READY)

    def test_a_create_that_hangs_is_aborted(self, talk: Talk, driver: VirtDriver) -> None:
        created(talk, error=CallTimeout("virt.instance.create", 930.0, job_id=5))
        talk.expect("read", "core.get_jobs", ..., result=[{"id": 5, "arguments": [{"name": "px-task1"}]}])
        talk.expect("call", "core.job_abort", 5)
        with pytest.raises(CallTimeout):
            driver.clone(SPEC, READY)

    def test_a_lost_removal_is_looked_into(self, talk: Talk, driver: VirtDriver) -> None:
        created(talk)
        destroyed(talk, error=lost("zfs.dataset.delete"))
        talk.looks_for_dataset(DATASET, there=False)
        cloned(talk)
        driver.clone(SPEC, READY)

    def test_a_lost_clone_is_looked_into(self, talk: Talk, driver: VirtDriver) -> None:
        created(talk)
        destroyed(talk)
        cloned(talk, error=lost("clone"))
        talk.looks_for_dataset(DATASET, origin=READY)
        driver.clone(SPEC, READY)

    def test_a_source_that_went_away_meanwhile(self, talk: Talk, driver: VirtDriver) -> None:
        created(talk)
        destroyed(talk)
        cloned(talk, error=refused("clone", "Failed to clone snapshot"))
        talk.looks_for_snapshot(READY)
        with pytest.raises(Missing):
            driver.clone(SPEC, READY)


def expect_get(talk: Talk, *entries: dict[str, Any]) -> None:
    talk.expect("read", "virt.instance.query", [["id", "=", "px-task1"]], {"extra": {"raw": True}}, result=list(entries))
    if not entries:
        talk.expect("read", "virt.global.config", result={"state": "INITIALIZED"})
