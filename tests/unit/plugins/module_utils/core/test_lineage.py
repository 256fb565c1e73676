# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What belongs to a container: its data set, what is parked beside it, and the snapshots of all of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import lineage
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.zfs_simulator import (
    PARENT,
    Holder,
    Pool,
    box,
    home,
    lineage_of,
)


@pytest.fixture
def pool() -> Pool:
    """A container with a kept data set, and others that are called nearly so."""
    pool = Pool()
    for dataset in (
        home("a"),
        home("a1"),
        f"{PARENT}/pixels.kept.px-a.1",
        f"{PARENT}/pixels.kept.px-a1.1",
        f"{PARENT}/pixels.old.px-a",
        f"{PARENT}/pixels.new.px-b",
        "tank/other/pixels.kept.px-a.1",
    ):
        pool.create(dataset)
        pool.snapshot(dataset, f"pixels-of-{dataset.replace('/', '-').replace('.', '-').lstrip('-')}")
    return pool


def test_its_own_and_nobody_elses(pool: Pool) -> None:
    found = lineage_of(pool, "a")
    assert [entry.dataset for entry in found.snapshots] == [home("a"), f"{PARENT}/pixels.kept.px-a.1", f"{PARENT}/pixels.old.px-a"]
    assert found.own == found.snapshots[:1]
    assert pool.reads == ["snapshots"]


def test_many_at_once_find_the_same_with_one_call(pool: Pool) -> None:
    names = ["a", "a1", *(f"w{number}" for number in range(40))]
    few = {name: lineage_of(pool, name) for name in names}
    pool.reads.clear()
    many = lineage.of(Holder(pool), [box(name) for name in names])  # type: ignore[arg-type]
    assert pool.reads == ["snapshots"]
    assert {instance.removeprefix("px-"): found for instance, found in many.items()} == few


def test_none_asks_nobody(pool: Pool) -> None:
    assert lineage.of(Holder(pool), []) == {}  # type: ignore[arg-type]
    assert pool.reads == []


def test_d32_the_pool_of_the_container(pool: Pool) -> None:
    """D32: where its own pool has it."""
    found = lineage.of(Holder(pool), [replace(box("a"), pool="dozer")])["px-a"]  # type: ignore[arg-type]
    assert (found.dataset, found.parent, found.snapshots) == ("dozer/.ix-virt/containers/px-a", "dozer/.ix-virt", ())


def test_where_the_configuration_says(pool: Pool) -> None:
    pool.dataset_prefix = "dozer/sandboxes/boxes"
    pool.create("dozer/sandboxes/boxes/px-a")
    pool.snapshot("dozer/sandboxes/boxes/px-a", "pixels-x")
    assert [entry.label for entry in lineage_of(pool, "a").checkpoints] == ["x"]


def test_a_place_that_does_not_exist_is_no_container_without_checkpoints(pool: Pool) -> None:
    pool.dataset_prefix = "tank/nowhere"
    with pytest.raises(CoreError, match=r"there is no data set tank/nowhere/px-a; checkpoint\.dataset_prefix is tank/nowhere"):
        lineage_of(pool, "a")
    pool.create("tank/nowhere/px-a")
    assert lineage_of(pool, "a").checkpoints == ()


def test_checkpoints_newest_first_without_foreign_temporary_and_removed_ones() -> None:
    pool = Pool()
    pool.create(home("a"))
    for name in ("pixels-one", "auto-2026", "pixels.tmp.0-1-2-3", "pixels-gone", "pixels-two"):
        pool.snapshot(home("a"), name)
    pool.clone(f"{home('a')}@pixels-gone", home("w"))
    pool.destroy_snapshot(f"{home('a')}@pixels-gone", defer=True)
    found = lineage_of(pool, "a")
    assert [entry.label for entry in found.checkpoints] == ["two", "one"]
    assert found.checkpoint("gone") is None


def test_dependents_are_those_of_others() -> None:
    pool = Pool()
    pool.create(home("a"))
    pool.snapshot(home("a"), "pixels-one")
    for dataset in (home("w"), f"{PARENT}/pixels.kept.px-a.1", f"{PARENT}/pixels.kept.px-w.1", "tank/elsewhere"):
        pool.clone(f"{home('a')}@pixels-one", dataset)
    outside = lineage_of(pool, "a").outside(lineage_of(pool, "a").snapshots[0])
    assert sorted(outside) == [home("w"), f"{PARENT}/pixels.kept.px-w.1", "tank/elsewhere"]
    assert lineage.names_of(list(outside)) == ["w", "tank/elsewhere"]
