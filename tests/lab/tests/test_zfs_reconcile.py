"""What Incus does by itself to the datasets of its instances."""

from __future__ import annotations

import pytest

from truenas_lab.zfs import records
from truenas_lab.zfs.reconcile import check_delete, clear, retire, settle
from truenas_lab.zfs.records import Drop, Found, Present, ZfsError, instance_dataset
from truenas_lab.zfs.tree import Tree

A, B = (instance_dataset("tank", name) for name in ("px-a", "px-b"))
IMAGE = frozenset({"debian"})


def present(**tokens: str) -> Present:
    return Present({name.replace("_", "-"): Found(token, "debian") for name, token in tokens.items()}, images=IMAGE)


@pytest.fixture
def tree() -> Tree:
    tree = Tree("tank")
    assert settle(tree, present(px_a="1")) == []
    return tree


def test_an_instance_comes_with_a_dataset_that_is_a_clone_of_its_image(tree: Tree) -> None:
    origin = tree.origin(tree.dataset(A))
    assert origin is not None
    assert tree.ident(origin) == "tank/.ix-virt/images/debian@readonly"


def test_nothing_changes_when_nothing_has(tree: Tree) -> None:
    before = tree.dump()
    assert settle(tree, present(px_a="1")) == []
    assert tree.dump() == before


def test_what_is_gone_is_forgotten_with_its_snapshots(tree: Tree) -> None:
    tree.take(A, "one")
    assert [type(step) for step in settle(tree, present())] == [Drop]
    assert tree.find(A) is None


def test_another_instance_of_the_same_name_has_no_history(tree: Tree) -> None:
    tree.take(A, "one")
    before = tree.dataset(A).guid
    assert len(settle(tree, present(px_a="2"))) == 1
    assert tree.dataset(A).guid != before
    assert tree.snapshots_of(tree.dataset(A)) == []


def test_a_deleted_instance_with_clones_lives_on(tree: Tree) -> None:
    tree.take(A, "one")
    tree.clone(f"{A}@one", B)
    check_delete(tree, tree.dataset(A))
    assert len(retire(tree, tree.dataset(A))) == 1
    (deleted,) = [item for item in tree.datasets.values() if item.name.startswith("tank/.ix-virt/deleted/containers/")]
    origin = tree.origin(tree.dataset(B))
    assert origin is not None and tree.ident(origin) == f"{deleted.name}@one"
    # Incus destroys it when it destroys the last of its clones.
    steps = settle(tree, Present(parked={deleted.guid: Found("1")}, images=IMAGE))
    assert len(steps) == 2  # the snapshot and the volume
    assert tree.find(B) is None and tree.find(deleted.name) is None


def test_zfs_itself_leaves_a_deleted_dataset_where_it_is(tree: Tree) -> None:
    tree.take(A, "one")
    tree.clone(f"{A}@one", B)
    retire(tree, tree.dataset(A))
    tree.destroy(B)
    assert [item.name for item in tree.datasets.values() if "/deleted/containers/" in item.name]


def test_without_clones_nothing_is_kept(tree: Tree) -> None:
    tree.take(A, "one")
    assert retire(tree, tree.dataset(A)) == []


def test_a_hold_prevents_the_deletion(tree: Tree) -> None:
    tree.take(A, "one")
    tree.hold(f"{A}@one", "truenas")
    with pytest.raises(ZfsError) as caught:
        check_delete(tree, tree.dataset(A))
    assert caught.value.kind == records.BUSY


def test_a_move_that_was_not_written_down_is_recognised(tree: Tree) -> None:
    tree.take(A, "one")
    tree.clone(f"{A}@one", "tank/.ix-virt/pixels.new.px-b")
    parked = tree.dataset("tank/.ix-virt/pixels.new.px-b")
    parked.token = "2"
    settle(tree, present(px_a="1", px_b="2"))
    assert tree.dataset(B).guid == parked.guid
    origin = tree.origin(tree.dataset(B))
    assert origin is not None and tree.ident(origin) == f"{A}@one"


def test_an_image_stays_while_something_is_a_clone_of_it(tree: Tree) -> None:
    settle(tree, Present({"px-a": Found("1")}))
    assert tree.find("tank/.ix-virt/images/debian")
    settle(tree, Present())
    assert tree.find("tank/.ix-virt/images/debian") is None


def test_clearing_leaves_what_an_unused_pool_has(tree: Tree) -> None:
    fresh = {item.name for item in tree.datasets.values()} - {A}
    tree.take("tank", "auto-1", recursive=True)
    tree.hold(f"{A}@auto-1", "truenas")
    tree.clone(f"{A}@auto-1", B)
    tree.clone(f"{A}@auto-1", "tank/.ix-virt/pixels.kept.px-a.1")
    clear(tree, {A})
    assert {item.name for item in tree.datasets.values()} == fresh | {A}
    assert [tree.ident(item) for item in tree.snapshots.values()] == ["tank/.ix-virt/images/debian@readonly"]
    assert tree.origin(tree.dataset(A)) is not None
