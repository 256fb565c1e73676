# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A connection lost before or after each changing call of the driver's ZFS side: what it promises is true afterwards, and done once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from running_lab import RunningLab

from ansible_collections.pixels.sandbox.plugins.module_utils.nas.driver import Container, ContainerSpec, Driver
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.storage import Storage
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.virt import VirtDriver
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.errors import CallError, OutcomeUnknown

Make = Callable[..., Container]

HOLDER = "tank/.ix-virt"
BASE = f"{HOLDER}/containers/px-base"
READY = f"{BASE}@pixels-ready"
NEW = f"{HOLDER}/pixels.new.px-base"
OLD = f"{HOLDER}/pixels.old.px-base"

# The call that suffers, what is asked for, and what the appliance's ZFS then looks like: data sets with their origins, snapshots.
Case = tuple[str, Callable[[Storage], Any], Callable[[dict[str, str | None], set[str]], bool]]
CASES: dict[str, Case] = {
    "snapshot": ("*.snapshot.create", lambda zfs: zfs.snapshot(BASE, "pixels-b"), lambda _sets, taken: f"{BASE}@pixels-b" in taken),
    "destroy_snapshot": (
        "*.snapshot.delete",
        lambda zfs: zfs.destroy_snapshot(f"{BASE}@pixels-last"),
        lambda _sets, taken: taken == {READY},
    ),
    "defer": ("*.snapshot.delete", lambda zfs: zfs.destroy_snapshot(READY, defer=True), lambda _sets, taken: READY in taken),
    "rollback": ("*.snapshot.rollback", lambda zfs: zfs.rollback(READY, newer=True), lambda _sets, taken: taken == {READY}),
    "clone": ("*.snapshot.clone", lambda zfs: zfs.clone(READY, f"{HOLDER}/x"), lambda sets, _taken: sets.get(f"{HOLDER}/x") == READY),
    "promote": (
        "pool.dataset.promote",
        lambda zfs: zfs.promote(NEW),
        lambda sets, _taken: "images" in str(sets[NEW]) and sets[BASE] == f"{NEW}@pixels-ready",
    ),
    "rename": ("*.dataset.rename", lambda zfs: zfs.rename(BASE, OLD), lambda sets, _taken: OLD in sets and BASE not in sets),
    "destroy_dataset": ("zfs.dataset.delete", lambda zfs: zfs.destroy_dataset(NEW, recursive=True), lambda sets, _taken: NEW not in sets),
}
FAULTS: dict[str, dict[str, Any]] = {
    "drop_before": {"fault": "drop_before"},
    "drop_after": {"fault": "drop_after"},
    "restart_before": {"fault": "restart", "when": "before", "seconds": 0.3},
    "restart_after": {"fault": "restart", "when": "after", "seconds": 0.3},
}


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible_collections.pixels.sandbox.plugins.module_utils.nas.zfs.LATE", 0.1)


@pytest.fixture
def prepared(storage: Storage, make: Make, appliance: RunningLab) -> Storage:
    """A container that is off, with two snapshots and a clone of the first."""
    make("px-base")
    appliance.write(BASE, "notes", "prepared")
    storage.snapshot(BASE, "pixels-ready")
    storage.snapshot(BASE, "pixels-last")
    storage.clone(READY, NEW)
    return storage


def look(appliance: RunningLab) -> tuple[dict[str, str | None], set[str]]:
    return appliance.datasets(), {name for name in appliance.snapshots() if name.startswith((f"{BASE}@", f"{NEW}@"))}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("operation", CASES)
def test_a_lost_answer_is_settled(prepared: Storage, appliance: RunningLab, operation: str, fault: str) -> None:
    method, act, holds = CASES[operation]
    since = appliance.mark()
    assert not holds(*look(appliance)) or operation == "defer"
    appliance.fault(method, **FAULTS[fault])
    act(prepared)
    assert len(appliance.journal(since, kind="fault")) == 1
    assert holds(*look(appliance))
    if operation == "defer":
        assert appliance.snapshots()[READY]["deferred"]
    # Done once, unless it cannot be seen whether it was.
    happened = fault in ("drop_after", "restart_after")
    assert len(appliance.changes(since)) == (1 if happened and operation != "rollback" else 2)


@pytest.mark.parametrize("operation", CASES)
def test_a_refusal_is_passed_on_and_not_repeated(prepared: Storage, appliance: RunningLab, operation: str) -> None:
    method, act, _holds = CASES[operation]
    before, since = look(appliance), appliance.mark()
    with appliance.broken(method, "refuse", reason="out of space"), pytest.raises(CallError, match="out of space"):
        act(prepared)
    assert look(appliance) == before
    assert len(appliance.changes(since)) == 1


@pytest.mark.parametrize("operation", CASES)
def test_lost_again_and_again(prepared: Storage, appliance: RunningLab, operation: str) -> None:
    """It gives up, and says that it does not know."""
    method, act, _holds = CASES[operation]
    before, since = look(appliance), appliance.mark()
    with appliance.broken(method, "drop_before", times=None), pytest.raises(OutcomeUnknown):
        act(prepared)
    assert look(appliance) == before
    assert len(appliance.changes(since)) == 2


SPEC = ContainerSpec("px-task1", "debian/12", environment={"MARK": "x"})
TASK = f"{HOLDER}/containers/px-task1"


class TestClone:
    """Of a whole container: a half-made one is left for the caller at worst, and then nothing of the source is touched."""

    @pytest.mark.parametrize("fault", FAULTS)
    @pytest.mark.parametrize("method", ["zfs.dataset.delete", "*.snapshot.clone"])
    def test_a_lost_answer_is_settled(self, prepared: Storage, driver: Driver, appliance: RunningLab, method: str, fault: str) -> None:
        appliance.fault(method, **FAULTS[fault])
        driver.clone(SPEC, READY)
        assert appliance.datasets()[TASK] == READY
        assert appliance.read(TASK, "notes") == "prepared"
        made = driver.get("px-task1")
        assert made is not None
        assert made.stopped

    @pytest.mark.parametrize("fault", [*FAULTS, "fail_job", "fail_job_after", "refuse"])
    def test_a_create_that_fails_leaves_at_most_itself(self, prepared: Storage, driver: Driver, appliance: RunningLab, fault: str) -> None:
        """Whatever became of it: either the clone is whole, or what is there was never started and can be removed, and then it works."""
        before = look(appliance)
        appliance.fault("virt.instance.create", **FAULTS.get(fault, {"fault": fault}))
        try:
            driver.clone(SPEC, READY)
        except Exception as error:
            assert type(error).__module__.endswith("rpc.errors")
            left = driver.get("px-task1")
            assert left is None or (left.never_started and not left.running)
            if left is not None:
                driver.delete(left)
            assert look(appliance) == before
            driver.clone(SPEC, READY)
        assert appliance.read(TASK, "notes") == "prepared"

    def test_the_driver_is_the_one_of_these_versions(self, driver: Driver) -> None:
        assert isinstance(driver, VirtDriver)
