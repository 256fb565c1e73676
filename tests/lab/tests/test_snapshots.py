"""Snapshots over the wire, in both releases."""

from __future__ import annotations

import asyncio

import pytest
from storage_support import VERSIONS, A, B, C, clone, instance, listed, origin, reason, service, take

from truenas_lab.testing import RunningLab


@pytest.mark.parametrize("version", VERSIONS)
def test_a_rollback_brings_the_bytes_back(in_lab, version):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        await instance(client)
        await lab.state(write={"dataset": A, "path": "/root/x", "text": "before"})
        await take(lab, client, f"{A}@one")
        await lab.state(write={"dataset": A, "path": "/root/x", "text": "after"})
        await take(lab, client, f"{A}@two")
        await lab.state(write={"dataset": A, "path": "/root/y", "text": "later"})
        error = await client.error(f"{service(lab)}.rollback", f"{A}@one")
        assert error["data"]["error"] == 14
        assert "more recent snapshots or bookmarks exist" in reason(error) and f"{A}@two" in reason(error)
        assert (await lab.state(read={"dataset": A}))["read"] == {"/root/x": "after", "/root/y": "later"}
        assert await client.call(f"{service(lab)}.rollback", f"{A}@one", {"recursive": True}) is None
        assert (await lab.state(read={"dataset": A}))["read"] == {"/root/x": "before"}
        assert await listed(lab, client) == [f"{A}@one"]

    in_lab(scenario, version=version)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_running_instance_is_snapshotted_but_not_replaced(in_lab, version):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        await instance(client, autostart=True)
        await take(lab, client, f"{A}@one")
        for method, *arguments in (
            (f"{service(lab)}.rollback", f"{A}@one", {"force": True}),
            ("zfs.dataset.rename", A, {"new_name": "tank/.ix-virt/pixels.old.px-a"}),
            ("zfs.dataset.delete", A, {"recursive": True, "force": True}),
        ):
            error = await client.error(method, *arguments)
            assert "dataset is busy" in reason(error)
            assert error["data"]["error"] == (16 if method == "zfs.dataset.delete" else 14)
        assert await listed(lab, client) == [f"{A}@one"]
        await client.job("virt.instance.stop", "px-a", {"force": True})
        await client.call(f"{service(lab)}.rollback", f"{A}@one")

    in_lab(scenario, version=version)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_clone_by_swap_boots_with_the_data_of_its_source(in_lab, version):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        await instance(client)
        await lab.state(write={"dataset": A, "path": "/root/x", "text": "prepared"})
        await take(lab, client, f"{A}@ready")
        await instance(client, "px-b")
        assert await client.call("zfs.dataset.delete", B, {"force": True}) is True
        job = await client.job("virt.instance.start", "px-b")
        assert "dataset does not exist" in job["error"]
        await clone(lab, client, f"{A}@ready", B)
        assert (await client.job("virt.instance.start", "px-b"))["state"] == "SUCCESS"
        assert (await lab.state(read={"dataset": B, "path": "/root/x"}))["read"] == "prepared"
        assert await origin(client, B) == f"{A}@ready"
        # What is written in one is not in the other.
        await lab.state(write={"dataset": B, "path": "/root/x", "text": "own"})
        assert (await lab.state(read={"dataset": A, "path": "/root/x"}))["read"] == "prepared"
        assert (await lab.state(read={"dataset": f"{A}@ready", "path": "/root/x"}))["read"] == "prepared"

    in_lab(scenario, version=version)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_cloned_snapshot_is_destroyed_with_its_last_clone(in_lab, version):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        await instance(client)
        await take(lab, client, f"{A}@ready")
        await clone(lab, client, f"{A}@ready", B)
        await clone(lab, client, f"{A}@ready", C)
        error = await client.error(f"{service(lab)}.delete", f"{A}@ready")
        text = f"Please set this attribute as '{A}@ready' snapshot has dependent clones: {B}, {C}"
        assert (error["code"], error["data"]["extra"]) == (-32602, [["options.defer", text, 22]])
        assert await client.call(f"{service(lab)}.delete", f"{A}@ready", {"defer": True}) is True
        (entry,) = await client.call(f"{service(lab)}.query", [["id", "=", f"{A}@ready"]])
        assert entry["properties"]["defer_destroy"]["rawvalue"] == "on"
        assert entry["properties"]["clones"]["rawvalue"] == f"{B},{C}"
        await client.call("zfs.dataset.delete", B)
        assert await listed(lab, client) == [f"{A}@ready"]
        await client.call("zfs.dataset.delete", C)
        assert await listed(lab, client) == []

    in_lab(scenario, version=version)


@pytest.mark.parametrize("version", VERSIONS)
def test_holds(in_lab, version):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        await instance(client)
        await take(lab, client, f"{A}@one")
        assert await client.call(f"{service(lab)}.hold", f"{A}@one") is None
        assert reason(await client.error(f"{service(lab)}.hold", f"{A}@one")).startswith("[EFAULT] Failed to hold snapshot: ")
        (entry,) = await client.call(f"{service(lab)}.query", [["id", "=", f"{A}@one"]], {"extra": {"holds": True}})
        assert set(entry["holds"]) == {"truenas"}
        assert entry["properties"]["userrefs"]["rawvalue"] == "1"
        assert "holds" not in (await client.call(f"{service(lab)}.query", [["id", "=", f"{A}@one"]]))[0]
        error = await client.error(f"{service(lab)}.delete", f"{A}@one")
        assert (error["code"], error["data"]["error"]) == (-32001, 14)
        job = await client.job("virt.instance.delete", "px-a")
        assert job["state"] == "FAILED" and "dataset is busy" in job["error"]
        assert await client.call("virt.instance.query", [], {"count": True}) == 1
        await client.call(f"{service(lab)}.release", f"{A}@one")
        assert (await client.job("virt.instance.delete", "px-a"))["state"] == "SUCCESS"
        assert await listed(lab, client) == []

    in_lab(scenario, version=version)


@pytest.mark.parametrize("version", VERSIONS)
def test_queries(in_lab, version):
    async def scenario(lab: RunningLab) -> None:
        client, query = await lab.login(), f"{service(lab)}.query"
        await instance(client)
        await instance(client, "px-b")
        await take(lab, client, f"{A}@one", f"{A}@two", f"{B}@one")
        assert await listed(lab, client, ["dataset", "=", A]) == [f"{A}@one", f"{A}@two"]
        assert await listed(lab, client, ["OR", [["id", "=", f"{A}@one"], ["id", "=", f"{B}@one"]]]) == [f"{A}@one", f"{B}@one"]
        assert await client.call(query, [["dataset", "=", "tank/none"]]) == []
        assert await client.call(query, [["dataset", "=", A]], {"count": True}) == 2
        newest = await client.call(query, [["dataset", "=", A]], {"order_by": ["-createtxg"], "get": True})
        assert newest["snapshot_name"] == "two"
        # All properties unless some are named; in one query the select knows top-level keys only.
        assert {"used", "referenced", "creation", "createtxg", "clones", "defer_destroy", "userrefs"} <= set(newest["properties"])
        named = {"extra": {"properties": ["used", "creation", "nonsense"]}}
        (entry,) = await client.call(query, [["id", "=", f"{A}@one"]], named)
        assert set(entry["properties"]) == {"used", "creation"}
        assert await client.call(query, [["id", "=", f"{A}@one"]], {"select": ["id", "properties.used"]}) == [{"id": f"{A}@one"}]
        first, second = await client.call(query, [["dataset", "=", A]], {"select": ["createtxg"]})
        assert isinstance(first["createtxg"], str) and int(first["createtxg"]) < int(second["createtxg"])
        later = {"extra": {"min_txg": int(second["createtxg"])}, "select": ["id"]}
        assert await client.call(query, [["dataset", "=", A]], later) == [{"id": f"{A}@two"}]
        assert (await client.error(query, [["id", "=", "x"]], {"get": True}))["data"]["trace"]["class"] == "MatchNotFound"

    in_lab(scenario, version=version)


@pytest.mark.parametrize("version", VERSIONS)
def test_sizes_are_those_of_the_data(in_lab, version):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        await instance(client)
        await lab.state(write={"dataset": A, "path": "/x", "text": "x" * 4096})
        await take(lab, client, f"{A}@one")

        async def size(name: str) -> int:
            (entry,) = await client.call(f"{service(lab)}.query", [["id", "=", f"{A}@one"]], {"extra": {"properties": [name]}})
            return int(entry["properties"][name]["rawvalue"])

        assert (await size("used"), await size("referenced")) == (0, 100 * 1024**2 + 4096)
        await lab.state(write={"dataset": A, "path": "/x", "text": None})
        assert (await size("used"), await size("referenced")) == (4096, 100 * 1024**2 + 4096)
        await clone(lab, client, f"{A}@one", B)
        assert await size("used") == 0  # the clone has it too

    in_lab(scenario, version=version)


@pytest.mark.parametrize("version", VERSIONS)
def test_creating(in_lab, version):
    async def scenario(lab: RunningLab) -> None:
        client, create = await lab.login(), f"{service(lab)}.create"
        await instance(client)
        await client.call("core.subscribe", f"{service(lab)}.query")
        entry = await client.call(create, {"dataset": A, "name": "one", "properties": {"own:key": "x"}})
        assert (entry["id"], entry["dataset"], entry["snapshot_name"], entry["pool"]) == (f"{A}@one", A, "one", "tank")
        assert entry["properties"]["own:key"] == {"value": "x", "rawvalue": "x", "parsed": "x", "source": "LOCAL"}
        (event,) = lab_events(client, service(lab))
        assert (event["msg"], event["id"], event["fields"]) == ("added", f"{A}@one", entry)
        error = await client.error(create, {"dataset": A, "name": "one"})
        assert (error["code"], error["data"]["error"]) == (-32001, 17)
        assert (await client.error(create, {"dataset": B, "name": "one"}))["data"]["error"] == 14
        assert (await client.error(create, {"dataset": "none/such", "name": "one"}))["data"]["error"] == 14
        assert (await client.error(create, {"dataset": A, "name": "a/b"}))["code"] == -32602
        excluding = {"dataset": "tank", "name": "auto-1", "recursive": True, "exclude": [A]}
        await client.call(create, excluding)
        assert f"{A}@auto-1" not in await listed(lab, client)
        assert [item["id"] for item in lab_events(client, service(lab))[1:]] == ["tank@auto-1"]  # only the named one is announced

    in_lab(scenario, version=version)


def lab_events(client, name):
    return client.events(f"{name}.query")


def test_renaming_wants_to_be_forced(in_lab):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        await instance(client)
        await take(lab, client, f"{A}@one")
        error = await client.error("pool.snapshot.rename", f"{A}@one", {"new_name": f"{A}@first"})
        assert error["data"]["extra"][0][0] == "pool.snapshot.rename.force"
        await client.call("pool.snapshot.rename", f"{A}@one", {"new_name": f"{A}@first", "force": True})
        assert await listed(lab, client) == [f"{A}@first"]

    in_lab(scenario)


def test_the_old_names_are_private_in_25_10_and_check_nothing(in_lab):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        await instance(client)
        await client.call("zfs.snapshot.create", {"dataset": A, "name": "one", "nonsense": 1})
        assert await client.call("zfs.snapshot.query", [["dataset", "=", A]], {"select": ["name"]}) == [{"name": f"{A}@one"}]
        assert (await client.error("zfs.snapshot.get_instance", f"{A}@one"))["code"] == -32601
        assert "zfs.snapshot.create" in [line["method"] for line in lab.journal("warning")]
        before = len(lab.journal("warning"))
        await client.call("core.set_options", {"private_methods": True})
        await client.call("zfs.snapshot.delete", f"{A}@one", {"defer": True})
        assert len(lab.journal("warning")) == before

    in_lab(scenario)


def test_25_04_says_so_when_neither_name_nor_schema_is_given(in_lab):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        await instance(client)
        assert (await client.error("pool.snapshot.query"))["code"] == -32601
        error = await client.error("zfs.snapshot.create", {"dataset": A})
        assert error["data"]["extra"] == [["snapshot_create.naming_schema", "You must specify either name or naming schema", 22]]
        error = await client.error("zfs.snapshot.get_instance", f"{A}@one")
        assert error["data"]["extra"][0][::2] == [None, 2]

    in_lab(scenario, version="25.04")


@pytest.mark.parametrize("version", VERSIONS)
def test_user_properties_change(in_lab, version):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        await instance(client)
        await take(lab, client, f"{A}@one")
        update = f"{service(lab)}.update"
        entry = await client.call(update, f"{A}@one", {"user_properties_update": [{"key": "own:key", "value": "x"}]})
        assert entry["properties"]["own:key"]["value"] == "x"
        gone = (
            {"user_properties_remove": ["own:key"]}
            if version == "25.10"
            else {"user_properties_update": [{"key": "own:key", "remove": True}]}
        )
        assert "own:key" not in (await client.call(update, f"{A}@one", gone))["properties"]

    in_lab(scenario, version=version)


def test_many_at_once_neither_collide_nor_get_lost(in_lab):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        await instance(client)
        names = [f"s{number}" for number in range(10)]
        await asyncio.gather(*(client.call("pool.snapshot.create", {"dataset": A, "name": name}) for name in names))
        posted = [await client.post("pool.snapshot.create", {"dataset": A, "name": "same"}) for _each in range(5)]
        answers = [await client.answer(ident) for ident in posted]
        assert sum("result" in answer for answer in answers) == 1
        assert sorted(await listed(lab, client)) == sorted(f"{A}@{name}" for name in [*names, "same"])

    in_lab(scenario)


def test_a_foreign_nightly_snapshot_comes_without_a_word(in_lab):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        await instance(client)
        await client.call("core.subscribe", "pool.snapshot.query")
        await lab.state(snapshot={"dataset": "tank", "name": "auto-1", "recursive": True, "held": True})
        assert await listed(lab, client, ["dataset", "=", A]) == [f"{A}@auto-1"]
        assert client.events("pool.snapshot.query") == []
        shown = await lab.control("GET", "state")
        assert {"name": f"{A}@auto-1", "clones": [], "deferred": False, "holds": ["somebody-else"]} in shown["snapshots"]
        await lab.state(clear_storage=True)
        assert await listed(lab, client) == []
        assert "error" in await lab.control("POST", "state", {"snapshot": {"dataset": "tank/none", "name": "x"}})

    in_lab(scenario)
