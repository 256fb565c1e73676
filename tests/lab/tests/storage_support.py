"""What the tests of datasets and snapshots share."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from truenas_lab.testing import Client, RunningLab

VERSIONS = ("25.04", "25.10")
SCHEMAS = {"25.04": "25.04.2.json", "25.10": "25.10.json"}


def dataset(name: str, pool: str = "tank") -> str:
    return f"{pool}/.ix-virt/containers/{name}"


A, B, C = (dataset(name) for name in ("px-a", "px-b", "px-c"))


def service(lab: RunningLab) -> str:
    """What the service for snapshots is called."""
    return "zfs.snapshot" if lab.settings.version == "25.04" else "pool.snapshot"


async def instance(client: Client, name: str = "px-a", **values: Any) -> None:
    job = await client.job("virt.instance.create", {"name": name, "image": "debian/12", "autostart": False, **values})
    assert job["state"] == "SUCCESS", job


async def take(lab: RunningLab, client: Client, *idents: str) -> None:
    for ident in idents:
        name, _at, label = ident.partition("@")
        await client.call(f"{service(lab)}.create", {"dataset": name, "name": label})


async def clone(lab: RunningLab, client: Client, ident: str, target: str) -> None:
    assert await client.call(f"{service(lab)}.clone", {"snapshot": ident, "dataset_dst": target}) is True


async def listed(lab: RunningLab, client: Client, *filters: Any) -> list[str]:
    found = await client.call(f"{service(lab)}.query", [["dataset", "^", "tank/.ix-virt/"], *filters], {"select": ["id"]})
    return [item["id"] for item in found if not item["id"].endswith("@readonly")]


async def origin(client: Client, name: str) -> str | None:
    found = await client.call("zfs.dataset.query", [["id", "=", name]], {"extra": {"properties": ["origin"]}})
    return found[0]["properties"]["origin"]["value"] or None if found else None


def reason(error: dict[str, Any]) -> str:
    return str(error["data"]["reason"])


def schemas(version: str) -> dict[str, Any] | None:
    """The contract's schemas, or None where they are not to be had."""
    places = [Path(os.environ["PIXELS_SHARED"])] if os.environ.get("PIXELS_SHARED") else []
    places.append(Path(__file__).resolve().parents[4] / "shared")
    for place in places:
        if (path := place / "truenas-api" / SCHEMAS[version]).is_file():
            return dict(json.loads(path.read_text(encoding="utf-8")))
    return None
