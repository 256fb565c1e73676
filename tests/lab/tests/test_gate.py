"""The gate between measuring and making volumes."""

from __future__ import annotations

import asyncio

from truenas_lab.engine.gate import Gate


def test_many_together_or_one_alone():
    async def scenario() -> list[str]:
        gate, seen, leave = Gate(), [], asyncio.Event()

        async def guest(name: str) -> None:
            async with gate.together():
                seen.append(f"{name} in")
                await leave.wait()
                seen.append(f"{name} out")

        async def recluse() -> None:
            async with gate.alone():
                seen.append("alone in")
                await asyncio.sleep(0)
                seen.append("alone out")

        first = [asyncio.create_task(guest(name)) for name in "ab"]
        await asyncio.sleep(0)
        later = [asyncio.create_task(recluse())]
        await asyncio.sleep(0)
        later.append(asyncio.create_task(guest("c")))
        for _each in range(5):
            await asyncio.sleep(0)
        assert not gate.free
        assert seen == ["a in", "b in"]  # neither the one who wants to be alone, nor who came after
        leave.set()
        await asyncio.gather(*first, *later)
        assert gate.free
        return seen

    assert asyncio.run(scenario()) == ["a in", "b in", "a out", "b out", "alone in", "alone out", "c in", "c out"]
