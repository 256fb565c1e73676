"""A lab of its own for every test that asks for one."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parent)]

from incus_support import up  # noqa: E402

from truenas_lab import cli  # noqa: E402
from truenas_lab.host.place import Place  # noqa: E402
from truenas_lab.testing import TIMEOUT, RunningLab, running_lab  # noqa: E402


@pytest.fixture
def in_lab(tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Run a coroutine function with a lab of its own: `in_lab(scenario, version="25.04")`."""

    def run(scenario: Callable[[RunningLab], Awaitable[None]], **settings: Any) -> None:
        async def main() -> None:
            async with running_lab(tmp_path / "lab", **settings) as lab:
                await asyncio.wait_for(scenario(lab), 3 * TIMEOUT)

        asyncio.run(main())

    yield run


@pytest.fixture(scope="module")
def lab() -> Iterator[Path]:
    """With real containers, for a module."""
    with tempfile.TemporaryDirectory(prefix="lab-") as name:
        directory = Path(name) / "l"
        try:
            up(directory)
            yield directory
        finally:
            assert cli.main(["destroy", "--dir", str(directory)]) == 0


@pytest.fixture
def place(lab: Path) -> Place:
    found = Place.recorded(lab)
    assert found is not None
    return found
