"""An instance whose state Incus cannot tell, as while it stops: unknown, and no error for those who ask for others."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from truenas_lab.engine.base import EngineError, EngineNotFound
from truenas_lab.engine.incus import IncusEngine

PLAIN = {"name": "px-a", "status": "Running", "config": {"user.autostart": "false"}, "devices": {}}


class Incus:
    """Answers as Incus 6.0 does for a container that is going down."""

    async def get(self, path: str, **params: str) -> Any:
        if path.endswith("px-gone"):
            raise EngineNotFound("Instance not found")
        if params:
            raise EngineError("Invalid PID '\ufffd'")
        return PLAIN

    async def collection(self, _path: str, **_params: str) -> list[dict[str, Any]]:
        return [{"name": "px-a", "status": "Error", "config": None}, {**PLAIN, "name": "px-b", "state": {"network": {}}}]


@pytest.fixture
def engine(tmp_path: Path) -> IncusEngine:
    made = IncusEngine(tmp_path, pools=["tank"], bridge="br0", subnet="10.0.0.1/24")
    made._client = Incus()  # type: ignore[assignment]
    return made


def test_one(engine: IncusEngine) -> None:
    found = asyncio.run(engine.instance("px-a"))
    assert (found.status, found.config, found.network) == ("UNKNOWN", PLAIN["config"], None)


def test_among_others(engine: IncusEngine) -> None:
    assert [(item.name, item.status) for item in asyncio.run(engine.instances())] == [("px-a", "UNKNOWN"), ("px-b", "RUNNING")]


def test_one_that_is_not_there_is_no_such_case(engine: IncusEngine) -> None:
    with pytest.raises(EngineNotFound):
        asyncio.run(engine.instance("px-gone"))
