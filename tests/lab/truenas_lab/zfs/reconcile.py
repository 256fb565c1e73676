"""What Incus does by itself to the datasets of its instances: they come with an instance and go with it."""

from __future__ import annotations

import uuid

from .records import BUSY, CONTAINERS, DELETED, FIXED, IMAGES, Dataset, Found, Present, Snapshot, Step, ZfsError
from .tree import Tree

IMAGE_LABEL = "readonly"


def image_of(dataset: str) -> str | None:
    """The image that lives in a dataset."""
    before, _slash, name = dataset.rpartition("/")
    return name if before.partition("/")[2] == IMAGES else None


def _image(tree: Tree, name: str) -> Snapshot:
    """The snapshot that instances of an image are clones of."""
    path = f"{tree.pool}/{IMAGES}/{name}"
    dataset = tree.find(path) or tree.add_dataset(path)
    found = tree.find_snapshot(f"{path}@{IMAGE_LABEL}")
    return found or tree.add_snapshot(dataset, IMAGE_LABEL, tree.next_txg())


def _depended_on(tree: Tree, dataset: Dataset) -> bool:
    return any(clone.guid != dataset.guid for clone in tree.dependents(tree.snapshots_of(dataset)))


def check_delete(tree: Tree, dataset: Dataset) -> None:
    """Incus's `zfs destroy -r`, before anything has happened."""
    if _depended_on(tree, dataset):
        return
    for snapshot in tree.snapshots_of(dataset):
        if snapshot.holds:
            raise ZfsError(BUSY, f"cannot destroy snapshot {tree.ident(snapshot)}: dataset is busy")


def retire(tree: Tree, dataset: Dataset) -> list[Step]:
    """With its instance deleted, a dataset that others were cloned from lives on where Incus puts such."""
    if not _depended_on(tree, dataset):
        return []
    return tree.rename(dataset.name, f"{tree.pool}/{DELETED}/{uuid.uuid4()}")


def _vanished(tree: Tree, dataset: Dataset) -> list[Step]:
    """Its data is gone: the instance has been deleted."""
    dataset.data = False
    if _depended_on(tree, dataset):
        return retire(tree, dataset)
    return _deleted(tree, dataset)


def _deleted(tree: Tree, dataset: Dataset) -> list[Step]:
    """Destroyed by Incus, which looks whether a deleted dataset that it was cloned from is needed any longer."""
    origin = tree.origin(dataset)
    source = tree.datasets[origin.dataset] if origin else None
    for snapshot in tree.snapshots_of(dataset):
        snapshot.holds.clear()
    steps = tree.destroy(dataset.name, recursive=True)
    if source is not None and source.guid in tree.datasets and source.parent == f"{tree.pool}/{DELETED}" and not _depended_on(tree, source):
        steps += _deleted(tree, source)
    return steps


def settle(tree: Tree, present: Present) -> list[Step]:
    """Bring the tree in line with what an engine has; the steps drop data that nothing refers to any more."""
    for name in sorted(present.images):
        _image(tree, name)
    _follow_moves(tree, present)
    steps: list[Step] = []
    for dataset in [item for item in tree.datasets.values() if item.data]:
        if dataset.guid not in tree.datasets:
            continue  # gone with another
        found = _found(dataset, present)
        if found is None or (dataset.token and dataset.token != found.token):
            steps += _vanished(tree, dataset)
        else:
            dataset.token = found.token
    for name, found in sorted(present.instances.items()):
        path = f"{tree.pool}/{CONTAINERS}/{name}"
        if tree.find(path) is None:
            origin = _image(tree, found.image) if found.image else None
            tree.add_dataset(
                path, data=True, token=found.token, origin=origin and origin.guid, referenced=origin.referenced if origin else 0
            )
    _forget_images(tree, present)
    return steps


def _found(dataset: Dataset, present: Present) -> Found | None:
    return present.parked.get(dataset.guid) if dataset.instance is None else present.instances.get(dataset.instance)


def _follow_moves(tree: Tree, present: Present) -> None:
    """A move to an instance's place that was not written down any more."""
    known = {item.token: item for item in tree.datasets.values() if item.data and item.token and _found(item, present) is None}
    for name, found in present.instances.items():
        dataset = known.get(found.token)
        path = f"{tree.pool}/{CONTAINERS}/{name}"
        if dataset is not None and tree.find(path) is None:
            dataset.name = path


def _forget_images(tree: Tree, present: Present) -> None:
    for dataset in list(tree.datasets.values()):
        name = image_of(dataset.name)
        if name is not None and name not in present.images and not _depended_on(tree, dataset):
            tree.destroy(dataset.name, recursive=True)


def clear(tree: Tree, kept: set[str]) -> list[Step]:
    """Back to how a pool is when nothing was ever done to its datasets; `kept` names those that stay."""
    fixed = {tree.pool, *(f"{tree.pool}/{item}" for item in FIXED)}
    steps: list[Step] = []
    for snapshot in list(tree.snapshots.values()):
        if image_of(tree.datasets[snapshot.dataset].name) is None or snapshot.name != IMAGE_LABEL:
            steps += tree.drop(snapshot)
    for dataset in tree.datasets.values():
        if dataset.origin not in tree.snapshots:
            dataset.origin = None
    others = [item for item in tree.datasets.values() if item.name not in fixed | kept and image_of(item.name) is None]
    return steps + tree.remove(others)
