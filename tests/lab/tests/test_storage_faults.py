"""Faults on plain calls about storage, chosen by instance."""

from __future__ import annotations

import pytest
from storage_support import A, B, instance, listed, reason, take

from truenas_lab.faults import Fault, Faults
from truenas_lab.testing import Closed, RunningLab

PARKED = "tank/.ix-virt/pixels.kept.px-a.1"


@pytest.mark.parametrize(
    ("method", "params", "concerned"),
    [
        ("pool.snapshot.create", [{"dataset": A, "name": "px-b"}], True),
        ("pool.snapshot.create", [{"dataset": B, "name": "one"}], False),
        ("pool.snapshot.delete", [f"{A}@one", {"defer": True}], True),
        ("pool.snapshot.rollback", [f"{B}@px-a"], False),
        ("pool.snapshot.clone", [{"snapshot": f"{A}@one", "dataset_dst": B}], True),
        ("pool.snapshot.clone", [{"snapshot": f"{B}@one", "dataset_dst": A}], True),
        ("pool.snapshot.query", [[["dataset", "=", A]], {}], True),
        ("zfs.dataset.delete", [A, {"force": True}], True),
        ("zfs.dataset.delete", [f"{A}1", {"force": True}], False),
        ("pool.dataset.rename", [PARKED, {"new_name": B, "force": True}], True),
        ("pool.dataset.rename", [B, {"new_name": PARKED, "force": True}], True),
        ("pool.dataset.promote", [PARKED], True),
        ("virt.instance.start", ["px-a"], True),
        ("virt.instance.create", [{"name": "px-a"}], True),
        ("virt.instance.query", [[["id", "=", "px-a"]]], False),
    ],
)
def test_whom_a_call_is_about(method, params, concerned):
    faults = Faults()
    faults.add(Fault("*", "refuse", instance="px-a"))
    assert (faults.take(method, params, is_job=False) is not None) == concerned


def test_lost_before_and_after_a_change(in_lab):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        await instance(client)
        await lab.fault("pool.snapshot.create", "drop_before", instance="px-a")
        with pytest.raises(Closed):
            await take(lab, client, f"{A}@one")
        client = await lab.login()
        assert await listed(lab, client) == []
        await lab.fault("pool.snapshot.create", "drop_after", instance="px-a")
        with pytest.raises(Closed):
            await take(lab, client, f"{A}@one")
        client = await lab.login()
        assert await listed(lab, client) == [f"{A}@one"]

    in_lab(scenario)


def test_refused_delayed_and_restarted(in_lab):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        await instance(client)
        await instance(client, "px-b")
        await lab.fault("pool.snapshot.*", "refuse", instance="px-a", errno=16, reason="busy")
        await take(lab, client, f"{B}@one")
        error = await client.error("pool.snapshot.create", {"dataset": A, "name": "one"})
        assert reason(error) == "[EBUSY] busy"
        await lab.fault("zfs.dataset.delete", "delay", instance="px-a", seconds=0.01)
        assert await client.call("zfs.dataset.delete", A, {"force": True}) is True
        await lab.fault("pool.snapshot.delete", "restart", instance="px-b", seconds=0)
        with pytest.raises(Closed):
            await client.call("pool.snapshot.delete", f"{B}@one")
        client = await lab.login()
        assert await listed(lab, client) == []

    in_lab(scenario)
