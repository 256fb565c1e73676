"""What the tests with real containers share. They need root on Debian or Ubuntu."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from truenas_lab import cli
from truenas_lab.engine.incus import IncusEngine
from truenas_lab.handover import Handover
from truenas_lab.host import packages, setup
from truenas_lab.host.place import Place

REAL = [
    pytest.mark.real,
    pytest.mark.skipif(bool(packages.look().fatal), reason=f"no real containers here: {'; '.join(packages.look().fatal)}"),
]

CACHE = Path(os.environ.get("PIXELS_LAB_CACHE") or Path(__file__).resolve().parents[3] / ".cache" / "lab")
IMAGE = "debian/12"
LIMIT = 60
Scenario = Callable[[IncusEngine], Awaitable[Any]]


def up(directory: Path) -> Handover:
    assert cli.main(["up", "--dir", str(directory), "--engine", "incus", "--cache", str(CACHE)]) == 0
    found = Handover.load(directory)
    assert found is not None
    return found


def drive(place: Place, scenario: Scenario) -> Any:
    """Run a scenario with an engine of its own; whatever containers it leaves are removed."""

    async def main() -> Any:
        engine = setup.engine(place)
        await engine.start()
        try:
            return await asyncio.wait_for(scenario(engine), LIMIT)
        finally:
            for item in await engine.instances(state=False):
                if item.status != "STOPPED":
                    await engine.stop_instance(item.name, timeout=-1, force=True)
                await engine.delete(item.name)
            await engine.close()

    return asyncio.run(main())


async def address(engine: IncusEngine, name: str) -> str:
    """Incus announces no addresses: ask until there is one; the scenario's time limit ends it."""
    while True:
        network = (await engine.instance(name)).network or {}
        for item in network.get("eth0", {}).get("addresses", []):
            if item["scope"] == "global":
                return str(item["address"])
        await asyncio.sleep(0.1)


async def ask(engine: IncusEngine, name: str, script: str) -> str:
    """What a script prints."""
    shell = await engine.shell(name, "sh")
    await shell.write(b"stty -echo -onlcr; PS1=; echo BEG''IN; " + script.encode() + b"\necho EN''D; exit\n")
    output = b""
    async for chunk in shell.read():
        output += chunk
    await shell.close()
    return output.partition(b"BEGIN\n")[2].rpartition(b"END\n")[0].decode()


async def running(engine: IncusEngine, name: str, **config: str) -> str:
    await engine.create(name, IMAGE, {key.replace("_", "."): value for key, value in config.items()}, {}, "tank")
    await engine.start_instance(name)
    return await address(engine, name)
