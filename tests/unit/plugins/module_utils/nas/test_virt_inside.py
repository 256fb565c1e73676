# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The second card of a gateway: how it is sent, on which bridges it may be, and how it is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.nas.driver import INSIDE, Container, ContainerSpec, Nic, Refused
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.entry import container_of
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.virt import VirtDriver
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.endpoint import Endpoint
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.nas.scripted import ScriptedApi, entry

CARD = Nic("bridged", "br-px1", name=INSIDE)
READY: dict[str, Any] = {"state": "INITIALIZED", "pool": "tank", "storage_pools": ["tank"], "bridge": None}
DEVICE = {"dev_type": "NIC", "name": "inside", "nic_type": "BRIDGED", "parent": "br-px1"}


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    scripted = ScriptedApi()
    yield scripted
    scripted.finish()


@pytest.fixture
def driver(api: ScriptedApi) -> VirtDriver:
    return VirtDriver(api, Endpoint("wss://nas:443", "root", "1-secret"), "25.10.6")


def bridge(**changes: Any) -> dict[str, Any]:
    return {"id": "br-px1", "name": "br-px1", "type": "BRIDGE", "bridge_members": [], "state": {"aliases": []}, **changes}


def expect_bridge(api: ScriptedApi, *found: dict[str, Any], choices: tuple[str, ...] = ("br-px1",)) -> None:
    api.expect("read", "virt.device.nic_choices", "BRIDGED", result={name: name for name in choices})
    if "br-px1" in choices:
        api.expect("read", "interface.query", [["name", "=", "br-px1"], ["type", "=", "BRIDGE"]], result=list(found))


def test_both_cards_are_sent(api: ScriptedApi, driver: VirtDriver) -> None:
    devices = [{"dev_type": "NIC", "name": "eth0", "nic_type": "MACVLAN", "parent": "enp1s0"}, DEVICE]
    payload = {"name": "px-gw1", "image": "debian/12", "autostart": True, "devices": devices}
    api.expect("job", "virt.instance.create", payload)
    driver.create(ContainerSpec("px-gw1", "debian/12", nic=Nic("macvlan", "enp1s0"), inside=CARD))


def test_the_default_network_keeps_the_profiles_card(api: ScriptedApi, driver: VirtDriver) -> None:
    api.expect("job", "virt.instance.create", {"name": "px-gw1", "image": "debian/12", "autostart": True, "devices": [DEVICE]})
    driver.create(ContainerSpec("px-gw1", "debian/12", nic=Nic(network="default"), inside=CARD))


@pytest.mark.parametrize(("before", "method"), [(None, "device_add"), (Nic("bridged", "br-px2", name=INSIDE), "device_update")])
def test_one_that_exists_gets_it(api: ScriptedApi, driver: VirtDriver, before: Nic | None, method: str) -> None:
    api.expect("read", "virt.global.config", result=READY)
    expect_bridge(api, bridge())
    api.expect("call", f"virt.instance.{method}", "px-gw1", DEVICE)
    driver.update(Container("px-gw1", "px-gw1", "running", inside=before), {"inside": CARD})


def test_together_with_other_changes(api: ScriptedApi, driver: VirtDriver) -> None:
    api.expect("read", "virt.global.config", result=READY)
    expect_bridge(api, bridge())
    api.expect("call", "virt.instance.device_add", "px-gw1", DEVICE)
    api.expect("job", "virt.instance.update", "px-gw1", {"cpu": "4"})
    driver.update(Container("px-gw1", "px-gw1", "running"), {"inside": CARD, "cpu": "4"})


LINK_LOCAL = [{"type": "INET6", "address": "fe80::1", "netmask": 64}, {"type": "LINK", "address": "00:11:22:33:44:55"}]


class TestWhichBridge:
    def check(self, api: ScriptedApi, driver: VirtDriver, *found: dict[str, Any], choices: tuple[str, ...] = ("br-px1",)) -> None:
        api.expect("read", "virt.global.config", result=READY)
        api.expect("read", "virt.instance.image_choices", result={})
        api.expect("read", "virt.device.nic_choices", "MACVLAN", result={"eth0": "eth0"})
        expect_bridge(api, *found, choices=choices)
        spec = driver.check_spec(ContainerSpec("px-gw1", "debian/12", nic=Nic("macvlan", "eth0"), inside=CARD))
        assert spec.inside == CARD

    def test_a_bare_one(self, api: ScriptedApi, driver: VirtDriver) -> None:
        self.check(api, driver, bridge(state={"aliases": LINK_LOCAL}))

    @pytest.mark.parametrize(
        ("found", "reason"),
        [
            (bridge(bridge_members=["enp2s0"]), "members .enp2s0."),
            (bridge(state={"aliases": [{"type": "INET", "address": "192.0.2.5", "netmask": 24}]}), "address there .192.0.2.5."),
            (bridge(state={"aliases": [{"type": "INET6", "address": "2001:db8::5", "netmask": 64}]}), "address there"),
            (bridge(ipv4_dhcp=True), "by DHCP"),
            (bridge(ipv6_auto=True), "by DHCP"),
        ],
    )
    def test_one_that_leads_elsewhere(self, api: ScriptedApi, driver: VirtDriver, found: dict[str, Any], reason: str) -> None:
        with pytest.raises(Refused, match=reason):
            self.check(api, driver, found)

    def test_the_appliances_own(self, api: ScriptedApi, driver: VirtDriver) -> None:
        """Offered, but no interface that an administrator has made: nobody knows what is there."""
        with pytest.raises(Refused, match="not a bridge that was made for this"):
            self.check(api, driver)

    def test_none(self, api: ScriptedApi, driver: VirtDriver) -> None:
        with pytest.raises(Refused, match="no bridge that the appliance offers; allowed: br0"):
            self.check(api, driver, choices=("br0",))


class TestReading:
    def read(self, **network: list[str]) -> Container:
        found = entry()
        cards = {"eth0": {"type": "nic", "nictype": "macvlan", "parent": "enp1s0"}}
        cards["inside"] = {"type": "nic", "nictype": "bridged", "parent": "br-px1"}
        found["raw"]["devices"] = {**cards, "root": {"type": "disk", "path": "/"}}
        found["raw"]["expanded_devices"] = found["raw"]["devices"]
        found["raw"]["config"] = {"volatile.inside.name": "eth1"}
        found["raw"]["state"]["network"] = {
            name: {"addresses": [{"family": "inet", "address": text, "scope": "global"} for text in texts]}
            for name, texts in network.items()
        }
        return container_of(found)

    def test_both_cards(self) -> None:
        found = self.read(eth0=["192.0.2.9"], eth1=["10.99.0.1"])
        assert (found.nic, found.inside, found.cards) == (Nic("macvlan", "enp1s0"), CARD, 2)

    def test_the_address_is_never_the_inside_one(self) -> None:
        """That is there at once, while the other one has yet to be given."""
        assert self.read(eth0=["192.0.2.9"], eth1=["10.99.0.1"]).address == "192.0.2.9"
        assert self.read(eth0=[], eth1=["10.99.0.1"]).address is None

    def test_the_profiles_card_is_counted(self) -> None:
        found = entry()
        found["raw"]["devices"] = {}
        found["raw"]["expanded_devices"] = {"eth0": {"type": "nic", "network": "incusbr0"}}
        read = container_of(found)
        assert (read.nic, read.inside, read.cards) == (Nic(network="default"), None, 1)
