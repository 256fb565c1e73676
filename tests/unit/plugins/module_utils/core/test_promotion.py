# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which clones are promoted so that data sets can go, on a pool with ZFS's own rules."""

from __future__ import annotations

from copy import deepcopy

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import promotion
from ansible_collections.pixels.sandbox.plugins.module_utils.core.family import Family
from ansible_collections.pixels.sandbox.plugins.module_utils.core.zfs_steps import DestroyDataset, DestroySnapshot, Promote, Step, carry_out
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.zfs_simulator import PARENT, Pool, home

KEPT = f"{PARENT}/pixels.kept.px-base.1"


@pytest.fixture
def pool() -> Pool:
    """base with three checkpoints and a clone of each of the first two."""
    pool = Pool()
    pool.create(home("base"), "0")
    for number in (1, 2, 3):
        pool.volumes[home("base")].data = str(number)
        pool.snapshot(home("base"), f"pixels-{number}")
    pool.clone(f"{home('base')}@pixels-1", home("w1"))
    pool.clone(f"{home('base')}@pixels-2", home("w2"))
    return pool


def family(pool: Pool) -> Family:
    return Family(pool.snapshots(prefixes=["tank/"]), pool.datasets(["tank"]))


def release(pool: Pool, *going: str, prefer: tuple[str, ...] = ()) -> list[Step]:
    steps = promotion.release(family(pool), going, prefer)
    for step in steps:
        carry_out(pool, step)
    return steps


def test_nothing_to_do_where_nobody_needs_anything(pool: Pool) -> None:
    assert release(pool, home("w1")) == []


def test_one_promotion_does_for_all_that_is_older(pool: Pool) -> None:
    steps = release(pool, home("base"))
    assert [step.dataset for step in steps if isinstance(step, Promote)] == [home("w2")]
    carry_out(pool, DestroyDataset(home("base")))
    assert {name: volume.data for name, volume in pool.volumes.items()} == {home("w1"): "1", home("w2"): "2"}
    # What is left of the snapshots goes with the last that needs it.
    assert [(snap.id, snap.deferred) for snap in pool.volumes[home("w2")].snaps] == [(f"{home('w2')}@pixels-1", True)]
    carry_out(pool, DestroyDataset(home("w1")))
    assert pool.volumes[home("w2")].snaps == []


def test_killed_between_any_two_steps_nothing_has_to_be_remembered(pool: Pool) -> None:
    steps = promotion.release(family(pool), [home("base")])
    for cut in range(len(steps) + 1):
        again = deepcopy(pool)
        for step in steps[:cut]:
            carry_out(again, step)
        assert not any(
            snap.name.startswith("pixels-") and not snap.deferred for name in ("w1", "w2") for snap in again.volumes[home(name)].snaps
        ), "a clone has a checkpoint that nobody took of it"
        release(again, home("base"))
        carry_out(again, DestroyDataset(home("base")))
        assert again.volumes[home("w1")].data == "1" and again.volumes[home("w2")].data == "2"


def test_another_clone_of_the_same_snapshot_where_names_conflict(pool: Pool) -> None:
    pool.clone(f"{home('base')}@pixels-2", home("a"))
    pool.snapshot(home("a"), "pixels-2")
    steps = release(pool, home("base"))
    assert [step.dataset for step in steps if isinstance(step, Promote)] == [home("w2")]


def test_an_older_one_first_where_only_that_avoids_a_conflict(pool: Pool) -> None:
    """w2 has a checkpoint that is called like the older one of base's: once that has moved to w1, it is not in the way any more."""
    pool.snapshot(home("w2"), "pixels-1")
    steps = release(pool, home("base"))
    assert [step.dataset for step in steps if isinstance(step, Promote)] == [home("w1"), home("w2")]
    carry_out(pool, DestroyDataset(home("base")))
    assert [(snap.name, snap.data) for snap in pool.volumes[home("w2")].snaps if not snap.deferred] == [("pixels-1", "2")]


def test_a_name_that_nobody_needs_is_no_conflict(pool: Pool) -> None:
    """It is gone before the others move."""
    carry_out(pool, DestroyDataset(home("w1")))
    pool.snapshot(home("w2"), "pixels-1")
    release(pool, home("base"))
    assert [snap.data for snap in pool.volumes[home("w2")].snaps if snap.name == "pixels-1"] == ["2"]


def test_no_way_out_of_a_conflict_is_told_with_the_names(pool: Pool) -> None:
    pool.snapshot(home("w2"), "pixels-2")
    carry_out(pool, DestroyDataset(home("w1")))
    with pytest.raises(promotion.NameConflict) as caught:
        promotion.release(family(pool), [home("base")])
    assert caught.value.result["conflicts"] == {"w2": ["pixels-2"]}
    assert "w2" in str(caught.value) and "base" in str(caught.value)


def test_data_sets_that_go_together(pool: Pool) -> None:
    """One of them is a clone of the other; a promotion out of it makes a clone depend on the other."""
    pool.clone(f"{home('base')}@pixels-1", KEPT)
    pool.snapshot(KEPT, "pixels-x")
    pool.clone(f"{KEPT}@pixels-x", home("w3"))
    release(pool, KEPT, home("base"))
    for dataset in (KEPT, home("base")):
        carry_out(pool, DestroyDataset(dataset))
    assert sorted(pool.volumes) == [home("w1"), home("w2"), home("w3")]


def test_a_preferred_clone(pool: Pool) -> None:
    """The container's own: nobody else notices anything."""
    pool.clone(f"{home('base')}@pixels-2", KEPT)
    pool.clone(f"{home('base')}@pixels-2", home("a"))
    assert [step.dataset for step in release(pool, home("base"), prefer=(KEPT,)) if isinstance(step, Promote)] == [KEPT]


def test_a_single_snapshot_is_handed_over(pool: Pool) -> None:
    seen = family(pool)
    entry = seen.find(f"{home('base')}@pixels-1")
    assert entry is not None
    steps = promotion.hand_over(seen, entry, [home("base")])
    assert steps == [DestroySnapshot(f"{home('base')}@pixels-1", defer=True), Promote(home("w1"))]


def test_a_plan_for_what_was_looked_at(pool: Pool) -> None:
    steps = promotion.plan_promotion([home("base")], pool.snapshots(prefixes=["tank/"]))
    assert [step.dataset for step in steps if isinstance(step, Promote)] == [home("w2")]


def test_what_is_held_does_not_go(pool: Pool) -> None:
    pool.find(f"{home('base')}@pixels-3").held = True
    with pytest.raises(promotion.Held) as caught:
        promotion.plan_promotion([home("base")], pool.snapshots(prefixes=["tank/"]))
    assert caught.value.result["held"] == [f"{home('base')}@pixels-3"]
    assert promotion.plan_promotion([home("w1")], pool.snapshots(prefixes=["tank/"])) == ()
