"""Bridges besides the lab's own: what the API says of them, and that real ones come and go."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from truenas_lab.host import bridges
from truenas_lab.host.errors import HostError
from truenas_lab.testing import RunningLab

NAME = f"pxt{os.getpid() % 100000}b"


def test_they_are_offered_and_described(in_lab):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        assert await client.call("virt.device.nic_choices", "BRIDGED") == {"incusbr0": "incusbr0"}
        await lab.state(bridges=["br-px1"])
        assert "br-px1" in await client.call("virt.device.nic_choices", "BRIDGED")
        assert "br-px1" in await client.call("virt.device.nic_choices", "MACVLAN")
        (entry,) = await client.call("interface.query", [["name", "=", "br-px1"]])
        assert (entry["type"], entry["bridge_members"], entry["state"]["aliases"]) == ("BRIDGE", [], [])
        await lab.state(limits={"bridge_members": {"br-px1": ["eth0"]}})
        (entry,) = await client.call("interface.query", [["name", "=", "br-px1"]])
        assert entry["bridge_members"] == ["eth0"]

    in_lab(scenario)


@pytest.mark.parametrize("version", ["25.04", "25.10"])
def test_a_second_card_at_creation_and_later(in_lab, version):
    async def scenario(lab: RunningLab) -> None:
        await lab.state(bridges=["br-px1", "br-px2"])
        client = await lab.login()
        inside = {"dev_type": "NIC", "name": "inside", "nic_type": "BRIDGED", "parent": "br-px1"}
        first = {"dev_type": "NIC", "name": "eth0", "nic_type": "MACVLAN", "parent": "eth0"}
        job = await client.job("virt.instance.create", {"name": "px-a", "image": "debian/12", "devices": [first, inside]})
        assert job["state"] == "SUCCESS", job
        job = await client.job("virt.instance.create", {"name": "px-b", "image": "debian/12"})
        assert job["state"] == "SUCCESS", job
        assert await client.call("virt.instance.device_add", "px-b", inside) is True
        for name in ("px-a", "px-b"):
            (entry,) = await client.call("virt.instance.query", [["id", "=", name]], {"extra": {"raw": True}})
            assert entry["raw"]["devices"]["inside"] == {"type": "nic", "nictype": "bridged", "parent": "br-px1"}
            cards = [device for device in entry["raw"]["expanded_devices"].values() if device["type"] == "nic"]
            assert len(cards) == 2
        assert await client.call("virt.instance.device_update", "px-b", {**inside, "parent": "br-px2"}) is True
        # As what is behind a gateway has it.
        behind = {"dev_type": "NIC", "name": "eth0", "nic_type": "MACVLAN", "parent": "br-px1"}
        job = await client.job("virt.instance.create", {"name": "px-c", "image": "debian/12", "devices": [behind]})
        assert job["state"] == "SUCCESS", job

    in_lab(scenario, version=version)


@pytest.mark.skipif(os.geteuid() != 0, reason="making interfaces needs root")
def test_real_ones_come_and_go(tmp_path: Path) -> None:
    there = Path("/sys/class/net", NAME)
    try:
        bridges.wanted(tmp_path, [NAME])
    except HostError as exc:
        pytest.skip(f"this machine makes no bridges: {exc}")
    try:
        assert there.exists() and bridges.recorded(tmp_path) == [NAME]
        # Nothing of the machine itself can be reached there.
        assert Path("/proc/sys/net/ipv6/conf", NAME, "disable_ipv6").read_text().strip() == "1"
        bridges.remove(tmp_path)
        assert not there.exists()
        bridges.restore(tmp_path)
        assert there.exists()
        bridges.wanted(tmp_path, [])
        assert not there.exists() and bridges.recorded(tmp_path) == []
    finally:
        bridges.remove(tmp_path)


def test_somebody_elses_interface_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="not the lab's"):
        bridges.wanted(tmp_path, ["lo"])
    assert bridges.recorded(tmp_path) == []
    (tmp_path / bridges.FILE).write_text(json.dumps([]))
    with pytest.raises(HostError, match="cannot be the name"):
        bridges.wanted(tmp_path, ["far-too-long-for-a-name"])
