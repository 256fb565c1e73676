"""`virt.instance.*` over the wire, beyond what the recordings show."""

from __future__ import annotations

import asyncio
from typing import Any

from truenas_lab.engine.base import EngineError
from truenas_lab.testing import RunningLab

CREATE = {"name": "px-a", "image": "debian/12"}


def test_an_instance_lives_and_dies(in_lab):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        job = await client.job("virt.instance.create", {**CREATE, "memory": 268436456})
        assert job["state"] == "SUCCESS", job
        entry = await client.call("virt.instance.get_instance", "px-a")
        assert entry["status"] == "RUNNING"
        assert entry["memory"] == 268435456  # rounded down to MiB
        assert (await client.job("virt.instance.delete", "px-a"))["state"] == "SUCCESS"
        assert await client.call("virt.instance.query", [["id", "=", "px-a"]]) == []

    in_lab(scenario)


def test_nothing_is_listed_while_incus_is_not_up(in_lab):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        await client.job("virt.instance.create", CREATE)
        await lab.state(virt_state="LOCKED")
        assert await client.call("virt.instance.query") == []
        assert (await client.call("virt.global.config"))["state"] == "LOCKED"
        job = await client.job("virt.instance.stop", "px-a", {"force": True})
        assert job["error"] == "[EFAULT] Virtualization not initialized."
        await lab.state(virt_state="INITIALIZED")
        assert len(await client.call("virt.instance.query")) == 1

    in_lab(scenario)


def test_aliases_come_late_and_from_every_interface(in_lab):
    async def scenario(lab: RunningLab) -> None:
        lab.engine.address_delay = 3600
        lab.engine.docker_bridge = True
        client = await lab.login()
        await client.job("virt.instance.create", CREATE)
        assert (await client.call("virt.instance.get_instance", "px-a"))["aliases"] == []
        lab.engine.address_delay = 0
        entry = await client.call("virt.instance.get_instance", "px-a", {"extra": {"raw": True}})
        assert {item["address"] for item in entry["aliases"]} == {"172.17.0.1", "10.97.0.2"}
        network = entry["raw"]["state"]["network"]
        assert set(network) == {"docker0", "eth0", "lo"}
        assert (await client.call("virt.instance.get_instance", "px-a", {"extra": {"skip_state": True}}))["aliases"] == []

    in_lab(scenario)


def test_the_sixth_waiting_job_is_thrown_away(in_lab):
    """The answer is the id of the last one queued, even though that does something else."""

    async def scenario(lab: RunningLab) -> None:
        lab.engine.operation_delay = 0.2
        client = await lab.login()
        first = await client.call("virt.instance.create", CREATE)
        waiting = [await client.call("virt.instance.stop", "px-a", {"force": True}) for _each in range(5)]
        assert waiting == [first + number for number in range(1, 6)]
        assert await client.call("virt.instance.delete", "px-a") == waiting[-1]
        jobs = await client.call("core.get_jobs", [["id", "=", waiting[-1]]])
        assert jobs[0]["method"] == "virt.instance.stop"
        # Another instance has a queue of its own.
        assert await client.call("virt.instance.delete", "px-b") == waiting[-1] + 1

    in_lab(scenario)


def test_an_aborted_waiting_job_ends_at_its_turn(in_lab):
    async def scenario(lab: RunningLab) -> None:
        lab.engine.operation_delay = 0.2
        client = await lab.login()
        first = await client.call("virt.instance.create", CREATE)
        second = await client.call("virt.instance.delete", "px-a")
        await client.call("core.job_abort", second)
        assert (await client.call("core.get_jobs", [["id", "=", second]]))[0]["state"] == "WAITING"
        assert (await client.finished(first))["state"] == "SUCCESS"
        assert (await client.finished(second))["state"] == "ABORTED"
        assert await client.call("virt.instance.query", [], {"count": True}) == 1

    in_lab(scenario)


def test_a_job_runs_on_when_its_connection_is_lost(in_lab):
    async def scenario(lab: RunningLab) -> None:
        lab.engine.operation_delay = 0.1
        client = await lab.login()
        ident = await client.call("virt.instance.create", CREATE)
        await client.socket.close()
        other = await lab.login()
        assert (await other.finished(ident))["state"] == "SUCCESS"

    in_lab(scenario)


def test_operations_are_cut(in_lab):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        await client.job("virt.instance.create", {**CREATE, "autostart": False})
        lab.engine.operation_delay = 5
        job = await client.job("virt.instance.start", "px-a")
        assert job["error"].startswith("[EFAULT] Failed to start instance: Timed out")

    in_lab(scenario, operation_seconds=0.05)


def test_devices_of_25_04_have_no_mac(in_lab):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        await client.job("virt.instance.create", CREATE)
        nic = {"dev_type": "NIC", "nic_type": "MACVLAN", "parent": "eth0", "mac": "00:16:3e:aa:bb:cc"}
        error = await client.error("virt.instance.device_add", "px-a", nic)
        assert error["data"]["extra"] == [["device.NIC.mac", "Extra inputs are not permitted", 22]]
        assert "mac" not in (await client.call("virt.instance.device_list", "px-a"))[0]
        assert "privileged_mode" not in await client.call("virt.instance.get_instance", "px-a")
        job = await client.job("virt.instance.create", {"name": "px-b", "image": "debian/12", "privileged_mode": True})
        assert job["exc_info"]["extra"] == [["virt_instance_create.privileged_mode", "Extra inputs are not permitted", 22]]

    in_lab(scenario, version="25.04")


def test_strings_are_limited(in_lab):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        job = await client.job("virt.instance.create", {**CREATE, "environment": {"LONG": "x" * 1025}})
        assert job["exc_info"]["extra"] == [["virt_instance_create.environment.LONG", "String should have at most 1024 characters", 22]]
        job = await client.job("virt.instance.create", {**CREATE, "environment": {"LONG": "x" * 1024}})
        assert job["state"] == "SUCCESS"

    in_lab(scenario)


def test_twenty_at_once_do_not_disturb_each_other(in_lab):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        ids = []
        for number in range(20):
            ids.append(await client.call("virt.instance.create", {"name": f"px-{number:02d}", "image": "debian/12"}))
        jobs = await asyncio.gather(*(client.finished(ident) for ident in ids[:5]))
        assert {job["state"] for job in jobs} == {"SUCCESS"}
        for ident in ids[5:]:
            await client.finished(ident)
        assert await client.call("virt.instance.query", [["status", "=", "RUNNING"]], {"count": True}) == 20

    in_lab(scenario)


def test_who_asks_for_one_instance_does_not_ask_for_all(in_lab):
    """A fleet is waited for by asking for each of its members again and again."""

    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        await client.job("virt.instance.create", CREATE)

        async def all_of_them(*, state: bool = True) -> list[Any]:
            raise EngineError("nobody needs them all")

        lab.engine.instances = all_of_them  # type: ignore[method-assign]
        for filters in ([["id", "=", "px-a"]], [["name", "=", "px-a"], ["status", "=", "RUNNING"]]):
            assert [item["name"] for item in await client.call("virt.instance.query", filters)] == ["px-a"]
        assert await client.call("virt.instance.query", [["id", "=", "px-a"], ["status", "=", "STOPPED"]]) == []
        few = [["id", "in", ["px-none", "px-a", "px-a"]]]
        assert [item["name"] for item in await client.call("virt.instance.query", few)] == ["px-a"]
        many = [["id", "in", [f"px-{number}" for number in range(50)]]]
        assert (await client.error("virt.instance.query", many))["data"]["reason"] == "[EFAULT] nobody needs them all"
        for name in ("px-none", "", "px/a", "x" * 100):
            assert await client.call("virt.instance.query", [["id", "=", name]]) == []
        assert (await client.call("virt.instance.get_instance", "px-a"))["aliases"]
        assert (await client.job("virt.instance.restart", "px-a", {"force": True}))["state"] == "SUCCESS"
        assert (await client.error("virt.instance.query"))["data"]["reason"] == "[EFAULT] nobody needs them all"

    in_lab(scenario)
