# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which way back to a checkpoint is taken, or why none: case by case. Random histories are in test_checkpoint_histories.py."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import labels, lease
from ansible_collections.pixels.sandbox.plugins.module_utils.core.checkpoint_errors import (
    Dependents,
    InProgress,
    NewerCheckpoints,
    NoCheckpoint,
    OlderCheckpoints,
)
from ansible_collections.pixels.sandbox.plugins.module_utils.core.checkpoint_plan import Removal, Restore, plan_removal, plan_restore
from ansible_collections.pixels.sandbox.plugins.module_utils.core.promotion import Held, NameConflict
from ansible_collections.pixels.sandbox.plugins.module_utils.core.repair import MissingData
from ansible_collections.pixels.sandbox.plugins.module_utils.core.zfs_steps import (
    Clone,
    DestroyDataset,
    DestroySnapshot,
    Promote,
    Rename,
    Rollback,
    carry_out,
)
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.zfs_simulator import PARENT, Pool, home, lineage_of

BASE, NEW, OLD = home("base"), f"{PARENT}/pixels.new.px-base", f"{PARENT}/pixels.old.px-base"
KEPT = f"{PARENT}/pixels.kept.px-base.1"
OVER = labels.temporary_name("00000000-1-1-1")


@pytest.fixture
def pool() -> Pool:
    """base with three checkpoints."""
    pool = Pool()
    pool.create(BASE)
    for label in ("one", "two", "three"):
        pool.snapshot(BASE, f"pixels-{label}")
    return pool


def plan(pool: Pool, label: str, **options: Any) -> Restore:
    found = lineage_of(pool, "base")
    others = pool.snapshots({name for snapshot in found.snapshots for name in found.outside(snapshot)})
    return plan_restore(found, pool.datasets([PARENT]), label, others=others, **options)


def removal(pool: Pool, label: str, **options: Any) -> Removal | None:
    found = lineage_of(pool, "base")
    others = pool.snapshots({name for snapshot in found.snapshots for name in found.outside(snapshot)})
    return plan_removal(found, label, others=others, **options)


class TestRestore:
    def test_the_newest_is_a_rollback(self, pool: Pool) -> None:
        found = plan(pool, "three")
        assert (found.before, found.down, found.after) == ((), (Rollback(f"{BASE}@pixels-three"),), ())
        assert (found.newer, found.parked, found.repaired) == ((), None, False)

    def test_there_is_no_such_label(self, pool: Pool) -> None:
        with pytest.raises(NoCheckpoint) as caught:
            plan(pool, "four")
        assert caught.value.result["labels"] == ["three", "two", "one"]
        assert "three, two, one" in str(caught.value)

    def test_fail_names_all_in_the_way_and_who_needs_them(self, pool: Pool) -> None:
        pool.snapshot(BASE, "auto-1")
        pool.clone(f"{BASE}@pixels-two", home("w"))
        with pytest.raises(NewerCheckpoints) as caught:
            plan(pool, "one")
        assert "two (needed by w), three, auto-1, which is not ours" in str(caught.value)
        assert [(entry["label"], entry["kind"]) for entry in caught.value.result["newer"]] == [
            ("two", "checkpoint"),
            ("three", "checkpoint"),
            (None, "foreign"),
        ]

    def test_destroy_goes_back_with_one_call(self, pool: Pool) -> None:
        found = plan(pool, "one", on_newer="destroy")
        assert found.steps == (Rollback(f"{BASE}@pixels-one", newer=True),)
        assert [(entry.label, entry.fate) for entry in found.newer] == [("two", "destroyed"), ("three", "destroyed")]

    @pytest.mark.parametrize("on_newer", ["destroy", "keep"])
    def test_held_ones(self, pool: Pool, on_newer: str) -> None:
        pool.find(f"{BASE}@pixels-two").held = True
        if on_newer == "keep":
            assert plan(pool, "one", on_newer="keep").parked == KEPT
        else:
            with pytest.raises(Held):
                plan(pool, "one", on_newer="destroy")

    def test_keep_swaps(self, pool: Pool) -> None:
        found = plan(pool, "one", on_newer="keep")
        assert found.before == (Clone(f"{BASE}@pixels-one", NEW),)
        assert found.down == (Rename(BASE, KEPT), Rename(NEW, BASE), Promote(BASE))
        assert found.after == ()

    def test_a_second_one_is_kept_beside_the_first(self, pool: Pool) -> None:
        for step in plan(pool, "two", on_newer="keep").steps:
            carry_out(pool, step)
        assert plan(pool, "one", on_newer="keep").parked == f"{PARENT}/pixels.kept.px-base.2"

    def test_clones_of_newer_ones_are_refused_or_promoted(self, pool: Pool) -> None:
        pool.clone(f"{BASE}@pixels-two", home("w"))
        with pytest.raises(Dependents) as caught:
            plan(pool, "one", on_newer="destroy")
        assert caught.value.result["dependents"] == ["w"]
        found = plan(pool, "one", on_newer="destroy", dependents="promote")
        assert found.after == (DestroySnapshot(f"{OLD}@pixels-two", defer=True), Promote(home("w")), DestroyDataset(OLD))
        assert [(entry.label, entry.fate) for entry in found.newer] == [("two", "left"), ("three", "destroyed")]

    def test_a_clone_that_cannot_be_promoted_is_found_before(self, pool: Pool) -> None:
        pool.clone(f"{BASE}@pixels-two", home("w"))
        pool.snapshot(home("w"), "pixels-two")
        with pytest.raises(NameConflict):
            plan(pool, "one", on_newer="destroy", dependents="promote")

    def test_its_own_kept_ones_need_no_permission(self, pool: Pool) -> None:
        for step in plan(pool, "two", on_newer="keep").steps:
            carry_out(pool, step)
        found = plan(pool, "one", on_newer="destroy")
        assert Promote(KEPT) in found.after
        for step in found.steps:
            carry_out(pool, step)
        assert [entry.label for entry in lineage_of(pool, "base").checkpoints] == ["three", "one"]

    def test_our_leftovers_are_no_obstacle(self, pool: Pool) -> None:
        pool.snapshot(BASE, OVER)
        found = plan(pool, "three")
        assert found.steps == (DestroySnapshot(f"{BASE}@{OVER}"), Rollback(f"{BASE}@pixels-three"))
        assert found.newer == ()

    def test_a_present_state_that_clones_have_is_one(self, pool: Pool) -> None:
        pool.snapshot(BASE, OVER)
        pool.clone(f"{BASE}@{OVER}", home("w"))
        pool.destroy_snapshot(f"{BASE}@{OVER}", defer=True)
        with pytest.raises(NewerCheckpoints, match="needed by w"):
            plan(pool, "three")
        # Nothing to come back to: with leave to promote, nothing is kept either.
        assert plan(pool, "three", on_newer="keep").parked == KEPT
        found = plan(pool, "three", on_newer="keep", dependents="promote")
        assert found.parked == OLD
        for step in found.steps:
            carry_out(pool, step)
        assert (pool.names(), pool.volumes[home("w")].snaps) == ([BASE, home("w")], [])

    def test_clones_being_made_right_now_are_waited_for(self, pool: Pool) -> None:
        pool.snapshot(BASE, labels.temporary_name(lease.token()))
        for on_newer in ("fail", "destroy", "keep"):
            with pytest.raises(InProgress):
                plan(pool, "three", on_newer=on_newer)

    def test_what_went_to_a_clone_of_others_is_no_way_back(self) -> None:
        """The history of a kept checkpoint may lead through another container: what that has is not the container's to count on."""
        pool = Pool()
        pool.create(BASE)
        pool.snapshot(BASE, "pixels-one")
        pool.clone(f"{BASE}@pixels-one", home("w"))
        pool.snapshot(home("w"), "pixels-two")
        pool.clone(f"{home('w')}@pixels-two", KEPT)
        pool.destroy_snapshot(f"{home('w')}@pixels-two", defer=True)
        pool.snapshot(KEPT, "pixels-three")
        with pytest.raises(NewerCheckpoints, match="one"):
            plan(pool, "three")
        for step in plan(pool, "three", on_newer="keep").steps:
            carry_out(pool, step)
        assert {entry.label for entry in lineage_of(pool, "base").checkpoints} == {"one", "three"}


class TestCutShort:
    """Each point at which a swap can have been cut short, and what is made of that first."""

    @pytest.mark.parametrize("done", [1, 2, 3, 4])
    def test_it_is_completed(self, pool: Pool, done: int) -> None:
        for step in plan(pool, "one", on_newer="keep").steps[:done]:
            carry_out(pool, step)
        found = plan(pool, "one", on_newer="keep")
        assert found.repaired == (done < 4)
        for step in found.steps:
            carry_out(pool, step)
        assert sorted(pool.volumes) == [BASE, KEPT]
        assert [entry.label for entry in lineage_of(pool, "base").checkpoints] == ["three", "two", "one"]

    def test_without_any_data_nothing_is_guessed(self, pool: Pool) -> None:
        pool.rename(BASE, KEPT)
        with pytest.raises(MissingData, match=KEPT):
            plan(pool, "one")

    def test_an_old_one_alone_comes_back(self, pool: Pool) -> None:
        pool.rename(BASE, OLD)
        found = plan(pool, "three")
        assert found.before == (Rename(OLD, BASE),) and found.repaired

    def test_nightly_snapshots_in_between_do_not_matter(self, pool: Pool) -> None:
        for step in plan(pool, "one", on_newer="keep").steps[:1]:
            carry_out(pool, step)
        pool.snapshot(NEW, "auto-1")
        assert DestroyDataset(NEW) in plan(pool, "three").before

    def test_an_empty_one_is_not_kept(self, pool: Pool) -> None:
        pool.clone(f"{BASE}@pixels-one", KEPT)
        assert DestroyDataset(KEPT) in plan(pool, "three").before


class TestRemoval:
    def test_plain(self, pool: Pool) -> None:
        found = removal(pool, "two")
        assert found is not None and found.steps == (DestroySnapshot(f"{BASE}@pixels-two"),) and not found.deferred
        assert removal(pool, "four") is None

    def test_held(self, pool: Pool) -> None:
        pool.find(f"{BASE}@pixels-two").held = True
        with pytest.raises(Held):
            removal(pool, "two", dependents="defer")

    def test_clones(self, pool: Pool) -> None:
        pool.clone(f"{BASE}@pixels-two", home("w"))
        with pytest.raises(Dependents, match="w"):
            removal(pool, "two")
        deferred = removal(pool, "two", dependents="defer")
        assert deferred is not None and deferred.steps == (DestroySnapshot(f"{BASE}@pixels-two", defer=True),) and deferred.deferred
        with pytest.raises(OlderCheckpoints) as caught:
            removal(pool, "two", dependents="promote")
        assert caught.value.result["older"] == ["one"]
        pool.destroy_snapshot(f"{BASE}@pixels-one")
        moved = removal(pool, "two", dependents="promote")
        assert moved is not None and moved.steps == (DestroySnapshot(f"{BASE}@pixels-two", defer=True), Promote(home("w")))

    def test_what_another_run_makes_clones_of_does_not_move_away(self, pool: Pool) -> None:
        for label in ("one", "two", "three"):
            pool.destroy_snapshot(f"{BASE}@pixels-{label}")
        pool.snapshot(BASE, labels.temporary_name(lease.token()))
        pool.snapshot(BASE, "pixels-four")
        pool.clone(f"{BASE}@pixels-four", home("w"))
        with pytest.raises(InProgress):
            removal(pool, "four", dependents="promote")

    def test_the_last_one_of_a_kept_data_set_takes_that_along(self, pool: Pool) -> None:
        for step in plan(pool, "two", on_newer="keep").steps:
            carry_out(pool, step)
        found = removal(pool, "three")
        assert found is not None and found.steps == (DestroyDataset(KEPT),)
        pool.snapshot(KEPT, "auto-1")
        found = removal(pool, "three")
        assert found is not None and found.steps == (DestroySnapshot(f"{KEPT}@pixels-three"),)
