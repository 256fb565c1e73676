# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The driver's ZFS side against the lab, which keeps ZFS's rules on its own reading of the contract; 25.04 and 25.10."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from running_lab import RunningLab

from ansible_collections.pixels.sandbox.plugins.module_utils.nas.driver import Container, ContainerSpec, Driver, Refused
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.errors import (
    AlreadyExists,
    DriverError,
    Held,
    Missing,
    NewerInTheWay,
    StillNeeded,
)
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.storage import Dataset, Storage

Make = Callable[..., Container]

HOLDER = "tank/.ix-virt"
BASE = f"{HOLDER}/containers/px-base"
READY = f"{BASE}@pixels-ready"


def names(storage: Storage, *datasets: str) -> list[str]:
    return [entry.name for entry in storage.snapshots(datasets)]


class TestSnapshots:
    def test_taken_while_it_runs_and_listed_oldest_first(self, storage: Storage, make: Make, appliance: RunningLab) -> None:
        assert make("px-base", start=True).running
        before = int(time.time()) - 1
        storage.snapshot(BASE, "pixels-b")
        appliance.nightly()
        storage.snapshot(BASE, "pixels-a")
        found = storage.snapshots([BASE], details=True)
        assert [entry.name for entry in found] == ["pixels-b", "auto-2026-11-23_00-00", "pixels-a"]
        for entry in found:
            assert entry.dataset == BASE
            assert before <= entry.created <= time.time() + 1
            assert entry.used is not None
            assert entry.referenced is not None
            assert (entry.clones, entry.held, entry.deferred) == ((), False, False)

    def test_d14_one_name_once(self, storage: Storage, make: Make) -> None:
        make("px-base")
        storage.snapshot(BASE, "pixels-ready")
        with pytest.raises(AlreadyExists):
            storage.snapshot(BASE, "pixels-ready")

    def test_of_nothing(self, storage: Storage) -> None:
        with pytest.raises(Missing):
            storage.snapshot(BASE, "pixels-ready")
        assert names(storage, BASE) == []

    def test_many_in_one_call(self, storage: Storage, make: Make, appliance: RunningLab) -> None:
        for name in ("px-base", "px-bas", "px-base2"):
            make(name)
            storage.snapshot(f"{HOLDER}/containers/{name}", "pixels-1")
        storage.clone(f"{BASE}@pixels-1", f"{HOLDER}/pixels.kept.px-base.1")
        storage.snapshot(f"{HOLDER}/pixels.kept.px-base.1", "pixels-2")
        storage.clone(f"{BASE}@pixels-1", f"{HOLDER}/pixels.kept.px-base2.1")
        storage.snapshot(f"{HOLDER}/pixels.kept.px-base2.1", "pixels-3")
        since = appliance.mark()
        found = storage.snapshots([BASE, f"{HOLDER}/containers/px-bas", f"{HOLDER}/gone"], prefixes=[f"{HOLDER}/pixels.kept.px-base."])
        assert {entry.id for entry in found} == {
            f"{BASE}@pixels-1",
            f"{HOLDER}/containers/px-bas@pixels-1",
            f"{HOLDER}/pixels.kept.px-base.1@pixels-2",
        }
        assert len(appliance.journal(since, method="*.snapshot.query")) == 1
        assert len(appliance.journal(since)) == 1

    def test_removed_twice(self, storage: Storage, make: Make) -> None:
        make("px-base")
        storage.snapshot(BASE, "pixels-ready")
        storage.destroy_snapshot(READY)
        storage.destroy_snapshot(READY)
        assert names(storage, BASE) == []

    def test_a_clone_keeps_it(self, storage: Storage, make: Make) -> None:
        make("px-base")
        storage.snapshot(BASE, "pixels-ready")
        storage.clone(READY, f"{HOLDER}/pixels.new.px-base")
        with pytest.raises(StillNeeded) as caught:
            storage.destroy_snapshot(READY)
        assert caught.value.by == [f"{HOLDER}/pixels.new.px-base"]
        assert storage.snapshots([BASE])[0].clones == (f"{HOLDER}/pixels.new.px-base",)

    def test_d15_deferred_it_goes_with_its_last_clone(self, storage: Storage, make: Make) -> None:
        make("px-base")
        storage.snapshot(BASE, "pixels.tmp.x")
        for number in (1, 2):
            storage.clone(f"{BASE}@pixels.tmp.x", f"{HOLDER}/pixels.new.px-w{number}")
        storage.destroy_snapshot(f"{BASE}@pixels.tmp.x", defer=True)
        assert storage.snapshots([BASE])[0].deferred
        storage.destroy_dataset(f"{HOLDER}/pixels.new.px-w1")
        assert names(storage, BASE) == ["pixels.tmp.x"]
        storage.destroy_dataset(f"{HOLDER}/pixels.new.px-w2")
        assert names(storage, BASE) == []

    def test_a_held_one_stays(self, storage: Storage, make: Make, appliance: RunningLab) -> None:
        make("px-base")
        appliance.state(snapshot={"dataset": BASE, "name": "kept", "held": True})
        assert storage.snapshots([BASE])[0].held
        with pytest.raises(Held):
            storage.destroy_snapshot(f"{BASE}@kept")


class TestRollback:
    def test_to_the_newest(self, storage: Storage, make: Make, appliance: RunningLab) -> None:
        make("px-base")
        appliance.write(BASE, "notes", "before")
        storage.snapshot(BASE, "pixels-ready")
        appliance.write(BASE, "notes", "after")
        storage.rollback(READY)
        assert appliance.read(BASE, "notes") == "before"

    def test_d10_not_past_newer_ones_unless_told_to(self, storage: Storage, make: Make, appliance: RunningLab) -> None:
        make("px-base")
        appliance.write(BASE, "notes", "before")
        storage.snapshot(BASE, "pixels-ready")
        appliance.nightly()
        appliance.write(BASE, "notes", "after")
        with pytest.raises(NewerInTheWay) as caught:
            storage.rollback(READY)
        assert caught.value.newer == [f"{BASE}@auto-2026-11-23_00-00"]
        assert appliance.read(BASE, "notes") == "after"
        storage.rollback(READY, newer=True)
        assert appliance.read(BASE, "notes") == "before"
        assert names(storage, BASE) == ["pixels-ready"]

    def test_never_past_clones(self, storage: Storage, make: Make) -> None:
        make("px-base")
        storage.snapshot(BASE, "pixels-ready")
        storage.snapshot(BASE, "pixels-later")
        storage.clone(f"{BASE}@pixels-later", f"{HOLDER}/pixels.new.px-w")
        with pytest.raises(NewerInTheWay, match=r"pixels\.new\.px-w"):
            storage.rollback(READY, newer=True)
        assert names(storage, BASE) == ["pixels-ready", "pixels-later"]

    def test_to_nothing(self, storage: Storage, make: Make) -> None:
        make("px-base")
        with pytest.raises(Missing):
            storage.rollback(READY)


class TestDatasets:
    def test_everything_below(self, storage: Storage, make: Make) -> None:
        make("px-base")
        make("px-other", pool="dozer")
        storage.snapshot(BASE, "pixels-ready")
        storage.clone(READY, f"{HOLDER}/pixels.new.px-base")
        found = {entry.name: entry for entry in storage.datasets([HOLDER, f"{HOLDER}/containers", "dozer/.ix-virt"])}
        assert found[f"{HOLDER}/pixels.new.px-base"] == Dataset(f"{HOLDER}/pixels.new.px-base", READY)
        assert found[BASE].origin is not None  # an image's
        assert "dozer/.ix-virt/containers/px-other" in found
        assert HOLDER not in found
        assert found[f"{HOLDER}/containers"].origin is None

    def test_a_missing_parent_has_nothing(self, storage: Storage, make: Make) -> None:
        make("px-base")
        assert list(storage.datasets(["tank/nowhere"])) == []
        assert BASE in [entry.name for entry in storage.datasets(["tank/nowhere", HOLDER])]

    def test_the_swap_of_a_restore_that_keeps(self, storage: Storage, make: Make, appliance: RunningLab) -> None:
        make("px-base")
        appliance.write(BASE, "notes", "1")
        storage.snapshot(BASE, "pixels-ready")
        appliance.write(BASE, "notes", "2")
        storage.snapshot(BASE, "pixels-later")
        new, kept = f"{HOLDER}/pixels.new.px-base", f"{HOLDER}/pixels.kept.px-base.1"
        storage.clone(READY, new)
        storage.rename(BASE, kept)
        storage.rename(new, BASE)
        storage.promote(BASE)
        assert appliance.read(BASE, "notes") == "1"
        assert appliance.read(kept, "notes") == "2"
        assert {entry.id: entry.clones for entry in storage.snapshots([BASE, kept])} == {READY: (kept,), f"{kept}@pixels-later": ()}
        with pytest.raises(StillNeeded, match=r"px-base\.1"):
            storage.destroy_dataset(BASE, recursive=True)
        storage.destroy_dataset(kept, recursive=True)
        storage.destroy_dataset(kept, recursive=True)
        assert names(storage, BASE) == ["pixels-ready"]

    def test_refusals_by_type(self, storage: Storage, make: Make) -> None:
        make("px-base")
        make("px-other")
        other = f"{HOLDER}/containers/px-other"
        storage.snapshot(BASE, "pixels-ready")
        with pytest.raises(AlreadyExists):
            storage.clone(READY, other)
        with pytest.raises(Missing):
            storage.clone(f"{BASE}@none", f"{HOLDER}/x")
        with pytest.raises(AlreadyExists):
            storage.rename(BASE, other)
        with pytest.raises(Missing):
            storage.rename(f"{HOLDER}/none", f"{HOLDER}/x")
        with pytest.raises(Missing):
            storage.promote(f"{HOLDER}/none")
        with pytest.raises(DriverError, match="not a clone"):
            storage.promote(f"{HOLDER}/containers")

    def test_the_one_of_a_running_container_is_not_exchanged(self, storage: Storage, make: Make) -> None:
        """ZFS refuses as long as it is in use; the wire waits for a while before it says so."""
        make("px-base", start=True)
        with pytest.raises(Exception, match="busy"):
            storage.destroy_dataset(BASE)
        assert BASE in [entry.name for entry in storage.datasets([HOLDER])]


class TestClone:
    SPEC = ContainerSpec("px-task1", "debian/12", "1", 256, None, {"MARK": "x"}, True)

    @pytest.mark.parametrize("pool", ["tank", "dozer"])
    def test_a_container_with_the_data_of_another(self, driver: Driver, make: Make, appliance: RunningLab, pool: str) -> None:
        """Also in a pool that is not the one for all; it has never been started, and then it starts."""
        source = make("px-base", pool=pool)
        dataset = driver.storage.dataset_of(source)
        appliance.write(dataset, "notes", "prepared")
        driver.storage.snapshot(dataset, "pixels-ready")
        since = appliance.mark()
        driver.clone(replace(self.SPEC, image=source.base_image or "debian/12", image_name="debian/12"), f"{dataset}@pixels-ready")
        assert appliance.changes(since)[0] == "virt.instance.create"
        assert len(appliance.changes(since)) == 3
        made = driver.get("px-task1")
        assert made is not None
        assert (made.stopped, made.autostart, made.pool, made.memory, dict(made.environment)) == (True, False, pool, 256, {"MARK": "x"})
        assert made.never_started
        target = driver.storage.dataset_of(made)
        assert appliance.read(target, "notes") == "prepared"
        assert driver.storage.snapshots([dataset])[0].clones == (target,)
        driver.start(made)
        assert (driver.get("px-task1") or made).running

    def test_d17_another_pool_is_refused_before_anything_is_made(self, driver: Driver, make: Make, appliance: RunningLab) -> None:
        make("px-base")
        driver.storage.snapshot(BASE, "pixels-ready")
        since = appliance.mark()
        with pytest.raises(Refused):
            driver.clone(replace(self.SPEC, pool="dozer"), READY)
        assert appliance.changes(since) == []

    def test_onto_a_container_that_is_there(self, driver: Driver, make: Make, appliance: RunningLab) -> None:
        """Its data is not touched."""
        make("px-base")
        make("px-task1")
        appliance.write(f"{HOLDER}/containers/px-task1", "notes", "mine")
        driver.storage.snapshot(BASE, "pixels-ready")
        with pytest.raises(Exception, match="already exists"):
            driver.clone(self.SPEC, READY)
        assert appliance.read(f"{HOLDER}/containers/px-task1", "notes") == "mine"

    def test_what_a_failure_leaves_can_be_removed(self, driver: Driver, make: Make, appliance: RunningLab) -> None:
        """An instance whose data set is gone."""
        make("px-base")
        driver.storage.snapshot(BASE, "pixels-ready")
        with appliance.broken("*.snapshot.clone", "refuse"), pytest.raises(Exception, match="Fault asked for"):
            driver.clone(self.SPEC, READY)
        left = driver.get("px-task1")
        assert left is not None
        assert left.never_started
        driver.delete(left)
        assert driver.get("px-task1") is None
        assert f"{HOLDER}/containers/px-task1" not in [entry.name for entry in driver.storage.datasets([HOLDER])]
