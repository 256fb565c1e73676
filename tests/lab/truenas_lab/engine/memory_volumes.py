"""The data of pools that exist in memory: a few files for each instance, which tests write and read."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

from ..zfs.records import Destroy, Drop, Found, MakeClone, Move, Present, Restore, Size, Sizes, Step, Take, Volume
from .base import EngineError

IMAGE_SIZE = 100 * 1024**2  # what every image takes


@dataclass
class Content:
    token: str
    image: str | None
    files: dict[str, str] = field(default_factory=dict)


@dataclass
class Pool:
    instances: dict[str, Content] = field(default_factory=dict)
    parked: dict[int, Content] = field(default_factory=dict)
    snapshots: dict[int, Content] = field(default_factory=dict)
    images: set[str] = field(default_factory=set)

    def all(self) -> list[Content]:
        return [*self.instances.values(), *self.parked.values(), *self.snapshots.values()]


class MemoryVolumes:
    costly = False

    def __init__(self) -> None:
        self._pools: dict[str, Pool] = {}
        self._tokens = itertools.count(1)

    def _pool(self, name: str) -> Pool:
        return self._pools.setdefault(name, Pool())

    def _copy(self, content: Content | None) -> Content:
        token = str(next(self._tokens))
        return Content(token, content.image, dict(content.files)) if content else Content(token, None)

    # -- with the engine ----------------------------------------------------------------------------------------
    def make(self, pool: str, instance: str, image: str) -> None:
        place = self._pool(pool)
        if instance in place.instances:
            raise EngineError("Failed creating instance from image: Cannot create volume, already exists on target storage")
        place.images.add(image)
        place.instances[instance] = Content(str(next(self._tokens)), image)

    def forget(self, pool: str, instance: str) -> None:
        self._pool(pool).instances.pop(instance, None)

    def exists(self, pool: str, instance: str) -> bool:
        return instance in self._pool(pool).instances

    def files(self, volume: Volume) -> dict[str, str]:
        """The files in a dataset, to be looked at and changed."""
        return self._get(volume).files

    def files_of_snapshot(self, pool: str, guid: int) -> dict[str, str]:
        return dict(self._pool(pool).snapshots[guid].files)

    # -- for the storage ----------------------------------------------------------------------------------------
    async def present(self, pool: str) -> Present:
        place = self._pool(pool)
        return Present(
            {name: Found(item.token, item.image) for name, item in place.instances.items()},
            {guid: Found(item.token, item.image) for guid, item in place.parked.items()},
            frozenset(place.snapshots),
            frozenset(place.images),
        )

    def _get(self, volume: Volume) -> Content:
        place = self._pool(volume.pool)
        found = place.parked.get(volume.guid) if volume.instance is None else place.instances.get(volume.instance)
        if found is None:
            raise EngineError(f"{volume.name} has no data")
        return found

    def _put(self, volume: Volume, content: Content) -> None:
        place = self._pool(volume.pool)
        if volume.instance is None:
            place.parked[volume.guid] = content
        else:
            place.instances[volume.instance] = content

    def _drop(self, volume: Volume) -> None:
        place = self._pool(volume.pool)
        if volume.instance is None:
            place.parked.pop(volume.guid, None)
        else:
            place.instances.pop(volume.instance, None)

    async def carry_out(self, step: Step) -> None:
        match step:
            case Take(volume, snapshot):
                self._pool(volume.pool).snapshots[snapshot] = self._copy(self._get(volume))
            case Drop(pool, snapshot):
                self._pool(pool).snapshots.pop(snapshot, None)
            case MakeClone(snapshot, volume):
                source = None if snapshot is None else self._pool(volume.pool).snapshots[snapshot]
                self._put(volume, self._copy(source))
            case Restore(volume, snapshot):
                self._put(volume, self._copy(self._pool(volume.pool).snapshots[snapshot]))
            case Destroy(volume):
                self._drop(volume)
            case Move(volume, to):
                content = self._get(volume)
                self._drop(volume)
                self._put(to, content)

    def measurable(self, pool: str) -> bool:
        return True

    async def sizes(self, pool: str) -> Sizes:
        place = self._pool(pool)
        holders: dict[tuple[str, str], int] = {}
        for content in place.all():
            for item in content.files.items():
                holders[item] = holders.get(item, 0) + 1

        def size(content: Content) -> Size:
            own = sum(len(text) for path, text in content.files.items() if holders[path, text] == 1)
            return Size(IMAGE_SIZE * bool(content.image) + sum(map(len, content.files.values())), own)

        return Sizes(
            {name: size(item) for name, item in place.instances.items()},
            {guid: size(item) for guid, item in place.parked.items()},
            {guid: size(item) for guid, item in place.snapshots.items()},
            {name: Size(IMAGE_SIZE, IMAGE_SIZE) for name in place.images},
        )

    async def tidy(self, pool: str, datasets: frozenset[int], snapshots: frozenset[int]) -> None:
        return None

    def load(self, pool: str) -> dict[str, Any] | None:
        return None

    def save(self, pool: str, data: dict[str, Any]) -> None:
        return None
