"""ZFS's rules, without data and without a server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from truenas_lab.zfs import records
from truenas_lab.zfs.records import Destroy, Drop, MakeClone, Move, Restore, Take, ZfsError
from truenas_lab.zfs.tree import Tree

TOP = "tank/.ix-virt/containers"
A, B, C = f"{TOP}/px-a", f"{TOP}/px-b", f"{TOP}/px-c"


@pytest.fixture
def tree() -> Tree:
    """One instance's dataset with the snapshots one, two, three."""
    tree = Tree("tank")
    tree.add_dataset(A, data=True)
    for label in ("one", "two", "three"):
        tree.take(A, label)
    return tree


def refused(operation: Callable[..., Any], *arguments: Any, **options: Any) -> ZfsError:
    with pytest.raises(ZfsError) as caught:
        operation(*arguments, **options)
    return caught.value


def labels(tree: Tree, name: str) -> list[str]:
    return [item.name for item in tree.snapshots_of(tree.dataset(name))]


def origin(tree: Tree, name: str) -> str | None:
    found = tree.origin(tree.dataset(name))
    return tree.ident(found) if found else None


def unchanged(tree: Tree, operation: Callable[[], Any]) -> ZfsError:
    """A refusal leaves everything as it was."""
    before = tree.dump()
    error = refused(operation)
    assert tree.dump() == before
    return error


# -- taking ---------------------------------------------------------------------------------------------------------


def test_a_snapshot_is_newer_than_those_before_it(tree: Tree) -> None:
    assert labels(tree, A) == ["one", "two", "three"]
    txgs = [item.txg for item in tree.snapshots_of(tree.dataset(A))]
    assert txgs == sorted(set(txgs))
    assert len({item.guid for item in tree.snapshots.values()}) == 3


def test_taking_tells_the_engine(tree: Tree) -> None:
    steps = tree.take(A, "four", properties={"own:key": "x"})
    four = tree.snapshot(f"{A}@four")
    assert steps == [Take(tree.dataset(A).volume, four.guid)]
    assert four.properties == {"own:key": "x"}


def test_a_name_is_taken_once_and_a_missing_dataset_has_none(tree: Tree) -> None:
    assert unchanged(tree, lambda: tree.take(A, "one")).kind == records.EXISTS
    assert unchanged(tree, lambda: tree.take(B, "one")).kind == records.MISSING


def test_a_recursive_snapshot_is_of_one_moment_and_everything_below(tree: Tree) -> None:
    tree.add_dataset(B, data=True)
    steps = tree.take("tank", "auto-1", recursive=True, exclude=[B])
    assert [step.volume.name for step in steps if isinstance(step, Take)] == [A]  # the pool's structure has no data
    taken = [item for item in tree.snapshots.values() if item.name == "auto-1"]
    assert {item.txg for item in taken} == {tree.txg}
    assert {tree.ident(item).partition("@")[0] for item in taken} == {item.name for item in tree.datasets.values()} - {B}
    # One that exists already prevents them all.
    tree.take(B, "auto-2")
    assert unchanged(tree, lambda: tree.take("tank", "auto-2", recursive=True)).kind == records.EXISTS


# -- clones pin -----------------------------------------------------------------------------------------------------


def test_a_clone_keeps_its_origin_alive(tree: Tree) -> None:
    (step,) = tree.clone(f"{A}@two", B)
    assert step == MakeClone(tree.snapshot(f"{A}@two").guid, tree.dataset(B).volume)
    assert origin(tree, B) == f"{A}@two"
    error = unchanged(tree, lambda: tree.destroy_snapshot(f"{A}@two"))
    assert (error.kind, error.names) == (records.CLONES, [B])
    assert isinstance(tree.destroy_snapshot(f"{A}@three")[0], Drop)


def test_a_deferred_snapshot_goes_with_its_last_clone(tree: Tree) -> None:
    tree.clone(f"{A}@two", B)
    tree.clone(f"{A}@two", C)
    two = tree.snapshot(f"{A}@two").guid
    assert tree.destroy_snapshot(f"{A}@two", defer=True) == []
    assert tree.snapshot(f"{A}@two").deferred
    assert Drop("tank", two) not in tree.destroy(B)
    assert "two" in labels(tree, A)
    assert Drop("tank", two) in tree.destroy(C)
    assert labels(tree, A) == ["one", "three"]


def test_deferring_what_nothing_needs_destroys_it_at_once(tree: Tree) -> None:
    assert len(tree.destroy_snapshot(f"{A}@one", defer=True)) == 1
    assert labels(tree, A) == ["two", "three"]


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        (A, records.EXISTS),
        ("tank/none/px-b", records.MISSING),
        ("dozer/.ix-virt/containers/px-b", records.INVALID),
    ],
)
def test_a_clone_needs_a_free_place_in_its_pool(tree: Tree, target: str, kind: str) -> None:
    assert unchanged(tree, lambda: tree.clone(f"{A}@one", target)).kind == kind


def test_a_clone_of_what_is_not_there(tree: Tree) -> None:
    assert unchanged(tree, lambda: tree.clone(f"{A}@none", B)).kind == records.MISSING


# -- holds ----------------------------------------------------------------------------------------------------------


def test_a_held_snapshot_is_not_destroyed(tree: Tree) -> None:
    tree.hold(f"{A}@two", "truenas")
    assert unchanged(tree, lambda: tree.destroy_snapshot(f"{A}@two")).kind == records.BUSY
    assert unchanged(tree, lambda: tree.hold(f"{A}@two", "truenas")).kind == records.EXISTS
    assert unchanged(tree, lambda: tree.rollback(f"{A}@one", recursive=True)).kind == records.BUSY
    assert unchanged(tree, lambda: tree.destroy(A, recursive=True)).kind == records.BUSY
    assert tree.release(f"{A}@two") == []
    tree.destroy_snapshot(f"{A}@two")
    assert labels(tree, A) == ["one", "three"]


def test_a_deferred_held_snapshot_goes_with_its_last_hold(tree: Tree) -> None:
    tree.hold(f"{A}@two", "truenas")
    tree.hold(f"{A}@two", "other")
    assert tree.destroy_snapshot(f"{A}@two", defer=True) == []
    tree.snapshot(f"{A}@two").holds.pop("other")
    assert tree.reap() == []
    assert len(tree.release(f"{A}@two")) == 1
    assert labels(tree, A) == ["one", "three"]


# -- rolling back ---------------------------------------------------------------------------------------------------


def test_the_newest_is_rolled_back_to_without_a_question(tree: Tree) -> None:
    three = tree.snapshot(f"{A}@three")
    tree.dataset(A).token = "before"
    assert tree.rollback(f"{A}@three") == [Restore(tree.dataset(A).volume, three.guid)]
    assert labels(tree, A) == ["one", "two", "three"]
    assert tree.dataset(A).token == ""  # another volume from now on


def test_newer_snapshots_stand_in_the_way(tree: Tree) -> None:
    error = unchanged(tree, lambda: tree.rollback(f"{A}@one"))
    assert (error.kind, error.names) == (records.NEWER, [f"{A}@two", f"{A}@three"])
    steps = tree.rollback(f"{A}@one", recursive=True)
    assert [type(step) for step in steps] == [Drop, Drop, Restore]
    assert labels(tree, A) == ["one"]


def test_clones_of_newer_snapshots_stand_in_the_way(tree: Tree) -> None:
    tree.clone(f"{A}@three", B)
    tree.take(B, "own")
    tree.clone(f"{B}@own", C)
    error = unchanged(tree, lambda: tree.rollback(f"{A}@one", recursive=True))
    assert (error.kind, set(error.names)) == (records.CLONES, {B, C})
    steps = tree.rollback(f"{A}@one", recursive=True, recursive_clones=True)
    assert {step.volume.name for step in steps if isinstance(step, Destroy)} == {B, C}
    assert isinstance(steps[-1], Restore)
    assert tree.find(B) is None and tree.find(C) is None
    assert labels(tree, A) == ["one"]


def test_clones_of_the_target_itself_stay(tree: Tree) -> None:
    tree.clone(f"{A}@one", B)
    tree.rollback(f"{A}@one", recursive=True)
    assert origin(tree, B) == f"{A}@one"


def test_a_deferred_newer_snapshot_goes_with_its_clone(tree: Tree) -> None:
    tree.clone(f"{A}@three", B)
    tree.destroy_snapshot(f"{A}@three", defer=True)
    steps = tree.rollback(f"{A}@one", recursive_clones=True)
    assert sum(isinstance(step, Drop) for step in steps) == 2
    assert labels(tree, A) == ["one"]


# -- destroying -----------------------------------------------------------------------------------------------------


def test_a_dataset_with_snapshots_is_destroyed_only_with_them(tree: Tree) -> None:
    error = unchanged(tree, lambda: tree.destroy(A))
    assert (error.kind, len(error.names)) == (records.CHILDREN, 3)
    steps = tree.destroy(A, recursive=True)
    assert sum(isinstance(step, Drop) for step in steps) == 3
    assert steps.count(Destroy(next(step.volume for step in steps if isinstance(step, Destroy)))) == 1
    assert tree.find(A) is None and not tree.snapshots


def test_a_dataset_with_children_likewise(tree: Tree) -> None:
    tree.create(f"{A}/inner")
    for label in labels(tree, A):
        tree.destroy_snapshot(f"{A}@{label}")
    assert unchanged(tree, lambda: tree.destroy(A)).kind == records.CHILDREN
    tree.destroy(A, recursive=True)
    assert tree.find(f"{A}/inner") is None


def test_a_dataset_with_clones_is_destroyed_only_with_those(tree: Tree) -> None:
    tree.clone(f"{A}@two", B)
    tree.take(B, "own")
    tree.clone(f"{B}@own", C)
    error = unchanged(tree, lambda: tree.destroy(A, recursive=True))
    assert (error.kind, set(error.names)) == (records.CLONES, {B, C})
    steps = tree.destroy(A, dependents=True)
    assert {step.volume.name for step in steps if isinstance(step, Destroy)} == {A, B, C}
    assert not tree.snapshots


def test_what_is_missing_is_not_destroyed(tree: Tree) -> None:
    assert unchanged(tree, lambda: tree.destroy(B)).kind == records.MISSING
    assert unchanged(tree, lambda: tree.destroy_snapshot(f"{A}@none")).kind == records.MISSING
    assert unchanged(tree, lambda: tree.rollback(f"{B}@none")).kind == records.MISSING


# -- promoting ------------------------------------------------------------------------------------------------------


def test_a_promotion_moves_the_origin_and_all_older_ones(tree: Tree) -> None:
    image = "tank/.ix-virt/images/debian"
    tree.add_dataset(image)
    tree.take(image, "readonly")
    tree.dataset(A).origin = tree.snapshot(f"{image}@readonly").guid
    tree.clone(f"{A}@two", B)
    tree.clone(f"{A}@one", C)
    moved = tree.snapshot(f"{A}@two").guid
    tree.promote(B)
    assert (labels(tree, A), labels(tree, B)) == (["three"], ["one", "two"])
    assert tree.snapshot(f"{B}@two").guid == moved  # the snapshot itself, not a copy
    assert origin(tree, A) == f"{B}@two"
    assert origin(tree, B) == f"{image}@readonly"
    assert origin(tree, C) == f"{B}@one"  # other clones come along
    # The former origin can go now, the clone cannot.
    assert unchanged(tree, lambda: tree.destroy(B, recursive=True)).kind == records.CLONES
    tree.destroy(A, recursive=True)
    assert (labels(tree, B), origin(tree, C)) == (["one", "two"], f"{B}@one")


def test_a_promotion_back_restores_the_order(tree: Tree) -> None:
    tree.clone(f"{A}@two", B)
    before = tree.dump()
    tree.promote(B)
    tree.promote(A)
    assert tree.dump() == before


def test_a_promotion_is_refused_on_a_conflict_of_names(tree: Tree) -> None:
    tree.clone(f"{A}@two", B)
    tree.take(B, "one")
    error = unchanged(tree, lambda: tree.promote(B))
    assert (error.kind, error.names) == (records.EXISTS, [f"{A}@one"])


def test_only_a_clone_is_promoted(tree: Tree) -> None:
    assert unchanged(tree, lambda: tree.promote(A)).kind == records.INVALID
    assert unchanged(tree, lambda: tree.promote(B)).kind == records.MISSING


def test_a_deferred_origin_moves_and_is_still_deferred(tree: Tree) -> None:
    tree.clone(f"{A}@two", B)
    tree.destroy_snapshot(f"{A}@two", defer=True)
    tree.promote(B)
    assert tree.snapshot(f"{B}@two").deferred
    assert any(isinstance(step, Drop) for step in tree.destroy(A, recursive=True))
    assert labels(tree, B) == ["one"]


# -- renaming -------------------------------------------------------------------------------------------------------


def test_a_rename_takes_snapshots_and_children_along(tree: Tree) -> None:
    tree.create(f"{A}/inner")
    tree.clone(f"{A}@one", B)
    before = tree.dataset(A).volume
    parked = "tank/.ix-virt/pixels.old.px-a"
    steps = tree.rename(A, parked)
    assert steps[0] == Move(before, tree.dataset(parked).volume)
    assert len(steps) == 2
    assert tree.find(A) is None and tree.find(f"{parked}/inner")
    assert labels(tree, parked) == ["one", "two", "three"]
    assert origin(tree, B) == f"{parked}@one"


@pytest.mark.parametrize(
    ("new", "kind"),
    [
        (B, records.EXISTS),
        (f"{A}/below", records.INVALID),
        ("tank/none/px-c", records.MISSING),
        ("dozer/.ix-virt/px-a", records.INVALID),
    ],
)
def test_a_rename_needs_a_free_place_in_its_pool(tree: Tree, new: str, kind: str) -> None:
    tree.create(B)
    assert unchanged(tree, lambda: tree.rename(A, new)).kind == kind


def test_a_snapshot_is_renamed_within_its_dataset(tree: Tree) -> None:
    guid = tree.snapshot(f"{A}@one").guid
    tree.rename_snapshot(f"{A}@one", f"{A}@first")
    assert tree.snapshot(f"{A}@first").guid == guid
    assert unchanged(tree, lambda: tree.rename_snapshot(f"{A}@first", f"{A}@two")).kind == records.EXISTS
    assert unchanged(tree, lambda: tree.rename_snapshot(f"{A}@first", f"{B}@two")).kind == records.INVALID


# -- keeping --------------------------------------------------------------------------------------------------------


def test_a_tree_is_written_down_and_read_again(tree: Tree) -> None:
    tree.clone(f"{A}@two", B, {"own:key": "x"})
    tree.hold(f"{A}@one", "truenas")
    assert Tree.load(tree.dump()).dump() == tree.dump()


def test_a_copy_is_independent(tree: Tree) -> None:
    before = tree.dump()
    other = tree.copy()
    other.hold(f"{A}@one", "truenas")
    other.snapshot(f"{A}@two").properties["own:key"] = "x"
    other.dataset(A).properties["own:key"] = "x"
    other.rename(A, B)
    other.take(B, "four")
    assert tree.dump() == before
