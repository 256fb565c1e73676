"""Datasets over the wire: those of instances, parked ones, and what is kept from the appliance's users."""

from __future__ import annotations

from typing import Any

import pytest
from storage_support import VERSIONS, A, B, C, clone, instance, listed, origin, reason, take

from truenas_lab.engine.base import EngineError
from truenas_lab.testing import Client, RunningLab

PARKED = "tank/.ix-virt/pixels.old.px-a"


async def names(client: Client) -> list[str]:
    """Those that hold a container's data, wherever they lie."""
    found = await client.call("zfs.dataset.query", [["id", "^", "tank/.ix-virt/"]], {"select": ["id"]})
    inside = ("tank/.ix-virt/containers/", "tank/.ix-virt/deleted/containers/", "tank/.ix-virt/pixels.")
    return [item["id"] for item in found if item["id"].startswith(inside)]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_dataset_comes_and_goes_with_its_instance(in_lab, version):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        assert A not in await names(client)
        await instance(client)
        assert A in await names(client)
        assert (await origin(client, A) or "").startswith("tank/.ix-virt/images/")
        await client.job("virt.instance.create", {"name": "px-b", "image": "no/such"})
        assert B not in await names(client)
        await lab.fault("virt.instance.create", "fail_start")
        await client.job("virt.instance.create", {"name": "px-c", "image": "debian/12"})
        assert C in await names(client)  # the instance stays, so does its dataset
        await client.job("virt.instance.delete", "px-a")
        assert A not in await names(client)

    in_lab(scenario, version=version)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_restore_by_swap_keeps_what_is_newer(in_lab, version):
    """Clone to a parked place, swap the names, promote: the newer snapshots survive in the parked dataset."""

    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        await instance(client)
        await lab.state(write={"dataset": A, "path": "/x", "text": "old"})
        await take(lab, client, f"{A}@one")
        await lab.state(write={"dataset": A, "path": "/x", "text": "new"})
        await take(lab, client, f"{A}@two")
        fresh, kept = "tank/.ix-virt/pixels.new.px-a", "tank/.ix-virt/pixels.kept.px-a.1"
        await clone(lab, client, f"{A}@one", fresh)
        await client.call("zfs.dataset.rename", A, {"new_name": kept})
        await client.call("zfs.dataset.rename", fresh, {"new_name": A})
        assert await client.call("zfs.dataset.promote", A) is None
        assert await listed(lab, client) == [f"{A}@one", f"{kept}@two"]
        assert await origin(client, kept) == f"{A}@one"
        assert (await origin(client, A) or "").startswith("tank/.ix-virt/images/")
        assert (await client.job("virt.instance.start", "px-a"))["state"] == "SUCCESS"
        assert (await lab.state(read={"dataset": A}))["read"] == {"/x": "old"}
        assert (await lab.state(read={"dataset": f"{kept}@two"}))["read"] == {"/x": "new"}

    in_lab(scenario, version=version)


@pytest.mark.parametrize("version", VERSIONS)
def test_deleting_a_base_with_live_clones_parks_it_as_incus_does(in_lab, version):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        await instance(client)
        await lab.state(write={"dataset": A, "path": "/x", "text": "kept"})
        await take(lab, client, f"{A}@ready")
        await instance(client, "px-b")
        await client.call("zfs.dataset.delete", B, {"force": True})
        await clone(lab, client, f"{A}@ready", B)
        assert (await client.job("virt.instance.delete", "px-a"))["state"] == "SUCCESS"
        (deleted,) = [name for name in await names(client) if "/deleted/containers/" in name]
        assert await origin(client, B) == f"{deleted}@ready"
        assert (await lab.state(read={"dataset": B}))["read"] == {"/x": "kept"}
        await instance(client)  # the name is free again, and nothing of the former one is in it
        assert await listed(lab, client, ["dataset", "=", A]) == []
        assert (await client.job("virt.instance.delete", "px-b"))["state"] == "SUCCESS"
        assert await names(client) == [A]
        assert await listed(lab, client) == []

    in_lab(scenario, version=version)


@pytest.mark.parametrize("version", VERSIONS)
def test_promoting_makes_a_base_dispensable(in_lab, version):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        await instance(client)
        await take(lab, client, f"{A}@one", f"{A}@ready")
        await clone(lab, client, f"{A}@ready", B)
        await clone(lab, client, f"{A}@one", C)
        error = await client.error("zfs.dataset.delete", A, {"recursive": True})
        assert error["data"]["error"] == 14 and B in reason(error) and C in reason(error)
        await client.call("pool.dataset.promote", B)
        assert await origin(client, C) == f"{B}@one"
        assert await client.call("zfs.dataset.delete", A, {"recursive": True}) is True
        assert await listed(lab, client) == [f"{B}@one", f"{B}@ready"]
        error = await client.error("pool.dataset.promote", "tank/.ix-virt")
        assert (error["code"], error["data"]["errname"]) == (-32001, "EBADMSG")
        assert (await client.error("pool.dataset.promote", A))["data"]["error"] == 2
        assert (await client.error("zfs.dataset.promote", A))["data"]["error"] == 14

    in_lab(scenario, version=version)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_appliances_own_datasets_are_hidden(in_lab, version):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        await instance(client)
        assert [item["id"] for item in await client.call("pool.dataset.query")] == ["tank"]
        assert (await client.call("pool.dataset.query"))[0]["children"] == []
        for method in ("pool.dataset.get_instance", "pool.dataset.delete"):
            error = await client.error(method, A)
            assert (error["code"], error["data"]["extra"][0][::2]) == (-32602, [None, 2])
        assert A in await names(client)

    in_lab(scenario, version=version)


def test_rename_is_public_in_25_10_and_wants_to_be_forced(in_lab):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        await instance(client)
        error = await client.error("pool.dataset.rename", A, {"new_name": PARKED})
        assert error["data"]["extra"][0][0] == "pool.dataset.rename.force"
        assert await client.call("pool.dataset.rename", A, {"new_name": PARKED, "force": True}) is None
        assert await names(client) == [PARKED]
        error = await client.error("pool.dataset.rename", A, {"new_name": PARKED, "force": True})
        assert (error["code"], error["data"]["error"]) == (-32001, 14)

    in_lab(scenario)


def test_25_04_has_neither_public_rename_nor_resources(in_lab):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        for method in ("pool.dataset.rename", "zfs.resource.query"):
            assert (await client.error(method))["code"] == -32601

    in_lab(scenario, version="25.04")


def test_resources(in_lab):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        await instance(client, autostart=True)

        async def ask(**data: Any) -> list[dict[str, Any]]:
            return list(await client.call("zfs.resource.query", data))

        assert [item["name"] for item in await ask()] == ["tank"]
        assert [item["name"] for item in await ask(paths=["tank"], get_children=True)] == ["tank"]  # internal ones stay hidden
        (entry,) = await ask(paths=[A], properties=["origin", "used", "mounted"])
        assert (entry["children"], entry["user_properties"], entry["pool"]) == (None, None, "tank")
        assert set(entry["properties"]) == {"origin", "used", "mounted"}
        assert entry["properties"]["origin"]["raw"].endswith("@readonly")
        assert entry["properties"]["mounted"]["raw"] == "yes"
        (entry,) = await ask(paths=[A], properties=None)
        assert entry["properties"] == {}
        assert {"used", "referenced", "origin"} <= set((await ask(paths=[A]))[0]["properties"])
        found = [item["name"] for item in await ask(paths=["tank/.ix-virt"], get_children=True, properties=None)]
        assert A in found and "tank/.ix-virt/deleted/containers" in found
        (top,) = await ask(paths=["tank/.ix-virt"], get_children=True, properties=None, nest_results=True)
        assert [item["name"] for item in top["children"] if item["name"] == "tank/.ix-virt/containers"]
        for paths, number in ([B], 2), (["none"], 2), ([f"{A}@one"], 22), ([A, A], 22):
            error = await client.error("zfs.resource.query", {"paths": paths})
            assert (error["code"], error["data"]["extra"][0][2]) == (-32602, number)
        assert (await client.error("zfs.resource.query", {"paths": ["tank", A], "get_children": True}))["code"] == -32602

    in_lab(scenario)


def test_an_instance_without_its_dataset_can_be_deleted(in_lab):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        await instance(client)
        await client.call("zfs.dataset.delete", A, {"force": True})
        assert (await client.call("virt.instance.get_instance", "px-a"))["status"] == "STOPPED"
        assert (await client.job("virt.instance.delete", "px-a"))["state"] == "SUCCESS"

    in_lab(scenario)


def test_a_dataset_in_the_way_prevents_a_creation(in_lab):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        await client.call("zfs.dataset.create", {"name": A})
        job = await client.job("virt.instance.create", {"name": "px-a", "image": "debian/12"})
        assert job["state"] == "FAILED" and "already exists" in job["error"]
        assert await client.call("virt.instance.query") == []
        assert await names(client) == [A]

    in_lab(scenario)


def test_a_failed_deletion_of_the_instance_takes_the_move_back(in_lab):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        await instance(client)
        await take(lab, client, f"{A}@ready")
        await clone(lab, client, f"{A}@ready", B)

        async def fails(name: str) -> None:
            raise EngineError("Incus is tired")

        lab.engine.delete = fails  # type: ignore[method-assign]
        assert (await client.job("virt.instance.delete", "px-a"))["error"] == "[EFAULT] Incus is tired"
        assert await origin(client, B) == f"{A}@ready"

    in_lab(scenario)
