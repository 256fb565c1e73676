"""The data of the pools of a real Incus, which keeps each instance in a btrfs subvolume.

Snapshots, and datasets that are at no instance's place, lie in a directory of the lab's in the same file system, called by
their guids: a rename or a promotion does not touch them.
"""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ..host.errors import HostError
from ..zfs.records import Destroy, Drop, Found, MakeClone, Move, Present, Restore, Size, Sizes, Step, Take, Volume
from . import btrfs
from .base import EngineError
from .gate import Gate

T = TypeVar("T")
OWN = ".pixels-lab"
_REST = 2.0  # seconds: the next container of a fleet comes sooner


class IncusVolumes:
    costly = True

    def __init__(self, incus_dir: Path) -> None:
        self._pools = incus_dir / "storage-pools"
        self._gates: dict[str, Gate] = {}

    def gate(self, pool: str) -> Gate:
        """Incus trips over quotas that are switched while it makes or removes a volume: measuring is done alone."""
        return self._gates.setdefault(pool, Gate(_REST))

    # -- places -------------------------------------------------------------------------------------------------
    def _top(self, pool: str) -> Path:
        """Where a pool is mounted. Were it not, everything in it would seem to be gone."""
        path = self._pools / pool
        if not os.path.ismount(path):
            raise EngineError(f"the storage pool {pool} is not mounted")
        return path

    def _own(self, pool: str, kind: str) -> Path:
        path = self._top(pool) / OWN / kind
        if not path.is_dir():
            path.mkdir(parents=True)
            path.parent.chmod(0o700)
        return path

    def _snapshot(self, pool: str, guid: int) -> Path:
        return self._own(pool, "snapshots") / str(guid)

    def _volume(self, volume: Volume) -> Path:
        if volume.instance is None:
            return self._own(volume.pool, "datasets") / str(volume.guid)
        return self._top(volume.pool) / "containers" / volume.instance

    async def _run(self, function: Callable[..., T], *arguments: Any) -> T:
        """What waits for the disk does so in a thread."""
        try:
            return await asyncio.to_thread(function, *arguments)
        except (HostError, OSError) as exc:
            raise EngineError(str(exc)) from exc

    # -- looking ------------------------------------------------------------------------------------------------
    async def present(self, pool: str) -> Present:
        return await self._run(self._present, pool)

    def _present(self, pool: str) -> Present:
        top = self._top(pool)
        images = {item.uuid: path.name for path in (top / "images").iterdir() if (item := btrfs.look(path))}

        def below(folder: Path) -> dict[str, Found]:
            seen = {path.name: btrfs.look(path) for path in folder.iterdir()}
            return {name: Found(item.uuid, images.get(item.parent_uuid)) for name, item in seen.items() if item}

        return Present(
            below(top / "containers"),
            {int(name): item for name, item in below(self._own(pool, "datasets")).items() if name.isdigit()},
            frozenset(_guids(self._own(pool, "snapshots"))),
            frozenset(images.values()),
        )

    def measurable(self, pool: str) -> bool:
        return self.gate(pool).free

    async def sizes(self, pool: str) -> Sizes:
        async with self.gate(pool).alone():
            return await self._run(self._sizes, pool)

    def _sizes(self, pool: str) -> Sizes:
        sizes = Sizes()
        for path, (referenced, unique) in btrfs.measure(self._top(pool)).items():
            size, parts = Size(referenced, unique), path.split("/")
            match parts:
                case ["containers", name]:
                    sizes.instances[name] = size
                case ["images", name]:
                    sizes.images[name] = size
                case [start, "datasets", guid] if start == OWN and guid.isdigit():
                    sizes.parked[int(guid)] = size
                case [start, "snapshots", guid] if start == OWN and guid.isdigit():
                    sizes.snapshots[int(guid)] = size
        return sizes

    # -- doing --------------------------------------------------------------------------------------------------
    async def carry_out(self, step: Step) -> None:
        await self._run(self._carry_out, step)

    def _carry_out(self, step: Step) -> None:
        match step:
            case Take(volume, snapshot):
                btrfs.copy(self._volume(volume), self._snapshot(volume.pool, snapshot), readonly=True)
            case Drop(pool, snapshot):
                btrfs.clear_place(self._snapshot(pool, snapshot))
            case MakeClone(snapshot, volume):
                self._put(None if snapshot is None else self._snapshot(volume.pool, snapshot), volume)
            case Restore(volume, snapshot):
                self._put(self._snapshot(volume.pool, snapshot), volume)
            case Destroy(volume):
                btrfs.clear_place(self._volume(volume))
            case Move(volume, to):
                btrfs.clear_place(self._volume(to))
                self._volume(volume).rename(self._volume(to))

    def _put(self, source: Path | None, volume: Volume) -> None:
        """Made beside its place and moved there as a whole."""
        fresh = self._own(volume.pool, "fresh") / uuid.uuid4().hex
        if source is None:
            btrfs.create(fresh)
        else:
            btrfs.copy(source, fresh, readonly=False)
        btrfs.clear_place(self._volume(volume))
        fresh.rename(self._volume(volume))

    async def exists(self, pool: str, instance: str) -> bool:
        return await self._run(btrfs.look, self._top(pool) / "containers" / instance) is not None

    async def make_deletable(self, pool: str, instance: str) -> None:
        """Where a dataset is gone, Incus makes a directory when it tries to start the instance, and trips over that afterwards."""
        path = self._top(pool) / "containers" / instance
        if await self._run(btrfs.look, path) is None:
            await self._run(btrfs.clear_place, path)

    async def tidy(self, pool: str, datasets: frozenset[int], snapshots: frozenset[int]) -> None:
        await self._run(self._tidy, pool, datasets, snapshots)

    def _tidy(self, pool: str, datasets: frozenset[int], snapshots: frozenset[int]) -> None:
        for folder, known in ((self._own(pool, "datasets"), datasets), (self._own(pool, "snapshots"), snapshots)):
            for path in folder.iterdir():
                if not path.name.isdigit() or int(path.name) not in known:
                    btrfs.clear_place(path)
        for path in self._own(pool, "fresh").iterdir():
            btrfs.clear_place(path)

    # -- keeping ------------------------------------------------------------------------------------------------
    def load(self, pool: str) -> dict[str, Any] | None:
        try:
            return dict(json.loads((self._top(pool) / OWN / "tree.json").read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None

    def save(self, pool: str, data: dict[str, Any]) -> None:
        path = self._own(pool, "snapshots").parent / "tree.json"
        other = path.with_suffix(".new")
        other.write_text(json.dumps(data), encoding="utf-8")
        other.replace(path)


def _guids(folder: Path) -> list[int]:
    return [int(path.name) for path in folder.iterdir() if path.name.isdigit()]
