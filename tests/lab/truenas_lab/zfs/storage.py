"""The pools of a lab: one change at a time for each, checked against the rules first, then made to the data, then kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ..engine.base import Engine, EngineError
from ..settings import Settings
from .reconcile import check_delete, clear, image_of, retire, settle
from .records import BUSY, Destroy, Move, Restore, Sizes, Step, ZfsError, instance_dataset
from .tree import Tree, missing

_VERBS = {Restore: "rollback", Destroy: "destroy", Move: "rename"}


class Storage:
    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings
        self._measured: dict[str, tuple[float, Sizes]] = {}
        self._trees: dict[str, Tree] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._measuring: dict[str, asyncio.Lock] = {}

    # -- life ---------------------------------------------------------------------------------------------------
    async def start(self) -> None:
        """As it was kept, in line with what is really there."""
        for pool in self._engine.pools:
            kept = self._engine.volumes.load(pool)
            self._trees[pool] = Tree.load(kept) if kept else Tree(pool)
            await self.settled(pool)
            tree = self._trees[pool]
            await self._engine.volumes.tidy(pool, frozenset(tree.datasets), frozenset(tree.snapshots))
            with suppress(EngineError):  # whoever asks for sizes is told
                await self.sizes(pool)

    async def close(self) -> None:
        """When what is under way has ended."""
        for lock in self._locks.values():
            await lock.acquire()

    def _lock(self, pool: str) -> asyncio.Lock:
        if pool not in self._engine.pools:
            raise missing(pool)
        return self._locks.setdefault(pool, asyncio.Lock())

    # -- looking ------------------------------------------------------------------------------------------------
    async def settled(self, pool: str) -> Tree:
        """A pool as it is now."""
        async with self._lock(pool):
            return await self._settled(pool)

    async def all(self) -> list[Tree]:
        return [await self.settled(pool) for pool in self._engine.pools]

    async def _settled(self, pool: str) -> Tree:
        tree = self._trees.get(pool) or Tree(pool)
        trial = tree.copy()
        await self._settle(trial)
        if pool not in self._trees or (trial.datasets, trial.snapshots) != (tree.datasets, tree.snapshots):
            self._keep(trial)
        return self._trees[pool]

    async def _settle(self, tree: Tree) -> None:
        await self._carry_out(settle(tree, await self._engine.volumes.present(tree.pool)))

    async def sizes(self, pool: str) -> Sizes:
        """What everything in a pool takes, as of a few seconds ago: ZFS's own figures follow its transaction groups too.

        While volumes are being made the last figures serve on: nobody waits for those of a whole fleet.
        """
        volumes, longest = self._engine.volumes, self._settings.sizes_seconds
        known = self._measured.get(pool)
        if known and longest and volumes.costly and (time.monotonic() - known[0] < longest or not volumes.measurable(pool)):
            return known[1]
        async with self._measuring.setdefault(pool, asyncio.Lock()):
            known = self._measured.get(pool)
            if known and longest and volumes.costly and time.monotonic() - known[0] < longest:
                return known[1]  # somebody else has just done it
            found = await volumes.sizes(pool)
            self._measured[pool] = (time.monotonic(), found)
            self._remember(pool, found)
        return found

    def _remember(self, pool: str, found: Sizes) -> None:
        """For those who need a figure at once."""
        tree = self._trees[pool]
        for dataset in tree.datasets.values():
            image = image_of(dataset.name)
            size = found.images.get(image) if image else found.of(dataset.volume)
            if size is not None:
                dataset.referenced = size.referenced
        for snapshot in tree.snapshots.values():
            image = image_of(tree.datasets[snapshot.dataset].name)
            size = found.images.get(image) if image else found.snapshots.get(snapshot.guid)
            if size is not None:
                snapshot.referenced = size.referenced

    # -- changing -----------------------------------------------------------------------------------------------
    async def change(self, pool: str, operation: Callable[[Tree], list[Step] | None]) -> Tree:
        """Carry out an operation as a whole: nobody sees a part of it, and an interrupted caller does not cut it short."""
        return await asyncio.shield(asyncio.ensure_future(self._change(pool, operation)))

    async def _change(self, pool: str, operation: Callable[[Tree], list[Step] | None]) -> Tree:
        async with self._lock(pool):
            tree = (await self._settled(pool)).copy()
            steps = operation(tree) or []
            await self._refuse_mounted(steps)
            try:
                await self._carry_out(steps)
            except EngineError:
                await self._settled(pool)  # some of it may have happened
                raise
            if any(not isinstance(step, Destroy) for step in steps):
                await self._settle(tree)  # to know again what has been put where
            self._keep(tree)
            return tree

    async def _carry_out(self, steps: list[Step]) -> None:
        for step in steps:
            await self._engine.volumes.carry_out(step)

    def _keep(self, tree: Tree) -> None:
        self._trees[tree.pool] = tree
        self._engine.volumes.save(tree.pool, tree.dump())

    async def _refuse_mounted(self, steps: list[Step]) -> None:
        """An instance that runs has its dataset mounted: nothing may be put in its place."""
        for step in steps:
            verb = _VERBS.get(type(step))
            if verb is None or not isinstance(step, (Restore, Destroy, Move)) or step.volume.instance is None:
                continue
            if await self._mounted(step.volume.instance):
                raise ZfsError(BUSY, f"cannot {verb} '{step.volume.name}': dataset is busy")

    async def _mounted(self, instance: str) -> bool:
        with suppress(EngineError):  # a dataset without an instance is mounted nowhere
            return (await self._engine.instance(instance, state=False)).status != "STOPPED"
        return False

    # -- with instances -----------------------------------------------------------------------------------------
    async def before_delete(self, pool: str, instance: str) -> tuple[str, str] | None:
        """What Incus does to the dataset of an instance before it is gone; answers a move, to take it back after a failure."""
        name = instance_dataset(pool, instance)
        moved: list[tuple[str, str]] = []

        def operation(tree: Tree) -> list[Step]:
            dataset = tree.find(name)
            if dataset is None:
                return []
            check_delete(tree, dataset)
            steps = retire(tree, dataset)
            if steps:
                moved.append((name, dataset.name))
            return steps

        await self.change(pool, operation)
        return moved[0] if moved else None

    async def undo(self, pool: str, move: tuple[str, str]) -> None:
        await self.change(pool, lambda tree: tree.rename(move[1], move[0]))

    # -- for tests ----------------------------------------------------------------------------------------------
    async def clear(self) -> None:
        """Every snapshot and every dataset without an instance is destroyed, held or not; instances stay, without history."""
        kept = {instance_dataset(item.pool, item.name) for item in await self._engine.instances(state=False)}
        for pool in self._engine.pools:
            await self.change(pool, lambda tree: clear(tree, kept))

    async def shown(self) -> dict[str, Any]:
        """Everything there is, for those who look at the lab itself."""
        datasets, snapshots = [], []
        for tree in await self.all():
            for dataset in sorted(tree.datasets.values(), key=lambda item: item.name):
                origin = tree.origin(dataset)
                datasets.append({"name": dataset.name, "origin": tree.ident(origin) if origin else None, "data": dataset.data})
            for snapshot in sorted(tree.snapshots.values(), key=lambda item: (tree.ident(item).partition("@")[0], item.txg)):
                snapshots.append(
                    {
                        "name": tree.ident(snapshot),
                        "clones": [clone.name for clone in tree.clones(snapshot)],
                        "deferred": snapshot.deferred,
                        "holds": sorted(snapshot.holds),
                    }
                )
        return {"datasets": datasets, "snapshots": snapshots}
