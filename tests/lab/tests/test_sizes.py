"""How old the sizes of a costly engine may be."""

from __future__ import annotations

import asyncio
from pathlib import Path

from truenas_lab.engine.memory import MemoryEngine
from truenas_lab.engine.memory_volumes import MemoryVolumes
from truenas_lab.settings import Settings
from truenas_lab.zfs.records import Sizes
from truenas_lab.zfs.storage import Storage


class Costly(MemoryVolumes):
    costly = True

    def __init__(self) -> None:
        super().__init__()
        self.measured = 0
        self.free = True

    def measurable(self, pool: str) -> bool:
        return self.free

    async def sizes(self, pool: str) -> Sizes:
        self.measured += 1
        return await super().sizes(pool)


def measured(tmp_path: Path, seconds: float, *, free: bool = True) -> int:
    """How often three askers, two of them at once, make the engine measure, beyond the once at the start."""

    async def scenario() -> int:
        engine = MemoryEngine()
        volumes = Costly()
        engine.volumes = volumes
        storage = Storage(engine, Settings(tmp_path, sizes_seconds=seconds))
        await storage.start()
        assert volumes.measured == 1
        volumes.free = free
        await asyncio.gather(storage.sizes("tank"), storage.sizes("tank"))
        await storage.sizes("tank")
        return volumes.measured - 1

    return asyncio.run(scenario())


def test_recent_figures_serve_everybody(tmp_path):
    assert measured(tmp_path, 3600) == 0


def test_old_figures_are_measured_anew(tmp_path):
    assert measured(tmp_path, 1e-9) == 3


def test_old_figures_serve_on_while_volumes_are_made(tmp_path):
    assert measured(tmp_path, 1e-9, free=False) == 0


def test_whoever_wants_no_old_figures_waits(tmp_path):
    assert measured(tmp_path, 0, free=False) == 3
