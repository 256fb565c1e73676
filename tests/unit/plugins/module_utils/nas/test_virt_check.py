# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is refused before anything is changed, and what is filled in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.nas.driver import ContainerSpec, Nic, Refused, Unsupported
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.virt import VirtDriver
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.virt_check import near_images
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.endpoint import Endpoint
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.errors import CallError, ConnectionFailed, PermissionDenied
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.nas.scripted import ScriptedApi

READY: dict[str, Any] = {"state": "INITIALIZED", "pool": "tank", "storage_pools": ["tank", "fast"], "bridge": None}
IMAGES = {
    name: {
        "label": name,
        "os": name.split("/", maxsplit=1)[0],
        "release": name.split("/")[1],
        "variant": "default",
        "instance_types": ["CONTAINER"],
    }
    for name in ("debian/bookworm/default", "debian/trixie/default", "alpine/3.22/default", "ubuntu/noble/default")
}
SUMMARY = {
    "ips": {"enp1s0": {"IPV4": ["192.0.2.10/24"], "IPV6": ["2001:db8::2/64"]}, "incusbr0": {"IPV4": ["10.97.0.1/24"]}},
    "default_routes": ["192.0.2.1"],
    "nameservers": [],
}
DEFAULT = Nic(network="default")


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    scripted = ScriptedApi()
    yield scripted
    scripted.finish()


def check(
    api: ScriptedApi,
    spec: ContainerSpec,
    *,
    config: dict[str, Any] | None = None,
    macvlan: list[str] | None = None,
    bridged: list[str] | None = None,
    summary: dict[str, Any] | None = None,
    images: Any = None,
    version: str = "25.10.6",
) -> ContainerSpec:
    api.expect("read", "virt.global.config", result=config or READY)
    if images is not False:
        api.expect("read", "virt.instance.image_choices", result=IMAGES if images is None else images)
    if macvlan is not None:
        api.expect("read", "virt.device.nic_choices", "MACVLAN", result={name: name for name in macvlan})
    if bridged is not None:
        api.expect("read", "virt.device.nic_choices", "BRIDGED", result={name: name for name in bridged})
    if summary is not None:
        api.expect("read", "network.general.summary", result=summary)
    return VirtDriver(api, Endpoint("wss://nas:443", "root", "1-secret"), version).check_spec(spec)


def spec(image: str = "debian/12", **rest: Any) -> ContainerSpec:
    return ContainerSpec("px-task1", image, **rest)


class TestNetwork:
    def test_a_card_of_its_own_on_the_default_route(self, api: ScriptedApi) -> None:
        """D35: the reference's choice, where the appliance has it."""
        done = check(api, spec(), macvlan=["enp1s0", "enp2s0", "incusbr0"], summary=SUMMARY)
        assert done.nic == Nic("macvlan", "enp1s0")

    def test_default_network_where_there_are_no_choices(self, api: ScriptedApi) -> None:
        assert check(api, spec(), macvlan=[]).nic == DEFAULT

    def test_default_network_where_the_interface_is_not_offered(self, api: ScriptedApi) -> None:
        assert check(api, spec(), macvlan=["enp2s0"], summary=SUMMARY).nic == DEFAULT

    @pytest.mark.parametrize("routes", [[], [""], ["fe80::1"], ["203.0.113.1"]])
    def test_default_network_without_a_default_route_to_follow(self, api: ScriptedApi, routes: list[str]) -> None:
        assert check(api, spec(), macvlan=["enp1s0"], summary={**SUMMARY, "default_routes": routes}).nic == DEFAULT

    def test_a_default_route_of_ipv6(self, api: ScriptedApi) -> None:
        done = check(api, spec(), macvlan=["enp1s0"], summary={**SUMMARY, "default_routes": ["2001:db8::1"]})
        assert done.nic == Nic("macvlan", "enp1s0")

    def test_a_parent(self, api: ScriptedApi) -> None:
        assert check(api, spec(nic=Nic("bridged", "br0")), bridged=["br0", "incusbr0"]).nic == Nic("bridged", "br0")

    def test_an_unknown_parent_names_the_choices(self, api: ScriptedApi) -> None:
        with pytest.raises(Refused, match=r"parent=br9: .*nic_type=bridged; allowed: br0, incusbr0"):
            check(api, spec(nic=Nic("bridged", "br9")), bridged=["incusbr0", "br0"])

    def test_bridged_needs_a_parent(self, api: ScriptedApi) -> None:
        with pytest.raises(Refused, match="allowed: br0"):
            check(api, spec(nic=Nic("bridged")), bridged=["br0"])

    def test_macvlan_alone_is_the_default_route(self, api: ScriptedApi) -> None:
        assert check(api, spec(nic=Nic("macvlan")), macvlan=["enp1s0"], summary=SUMMARY).nic == Nic("macvlan", "enp1s0")

    def test_macvlan_alone_where_there_is_none(self, api: ScriptedApi) -> None:
        """It was asked for, so it is not replaced by something else."""
        with pytest.raises(Refused, match="allowed: enp2s0"):
            check(api, spec(nic=Nic("macvlan")), macvlan=["enp2s0"], summary=SUMMARY)

    @pytest.mark.parametrize("name", ["default", "incusbr0"])
    def test_the_managed_network_by_name(self, api: ScriptedApi, name: str) -> None:
        assert check(api, spec(nic=Nic(network=name))).nic == DEFAULT

    def test_the_managed_network_where_it_was_set(self, api: ScriptedApi) -> None:
        assert check(api, spec(nic=Nic(network="br5")), config={**READY, "bridge": "br5"}).nic == DEFAULT

    def test_another_network_is_beyond_this_version(self, api: ScriptedApi) -> None:
        with pytest.raises(Unsupported, match=r"TrueNAS 25\.04\.2 cannot honour 'network'.*default or incusbr0.*not lan") as caught:
            check(api, spec(nic=Nic(network="lan")), version="25.04.2")
        assert (caught.value.version, caught.value.option) == ("25.04.2", "network")

    def test_missing_rights_are_not_a_missing_route(self, api: ScriptedApi) -> None:
        """D28: what we may not read is not absent."""
        api.expect("read", "virt.global.config", result=READY)
        api.expect("read", "virt.instance.image_choices", result=IMAGES)
        api.expect("read", "virt.device.nic_choices", "MACVLAN", result={"enp1s0": "enp1s0"})
        api.expect("read", "network.general.summary", error=PermissionDenied("network.general.summary", code=-32001, errno=13))
        with pytest.raises(PermissionDenied):
            VirtDriver(api, Endpoint("wss://nas:443", "root", "k"), "25.10").check_spec(spec())


class TestImageAndPool:
    @pytest.mark.parametrize(
        "image", ["debian/12", "debian/bookworm", "debian/bookworm/default", "ubuntu/24.04", "ubuntu/24.04/cloud", "Debian/12"]
    )
    def test_what_may_be_an_alias_passes(self, api: ScriptedApi, image: str) -> None:
        """The choices name one alias of each image only, so an unlisted release of a known distribution proves nothing."""
        assert check(api, spec(image), macvlan=[]).image == image

    def test_a_fingerprint_is_not_looked_up(self, api: ScriptedApi) -> None:
        check(api, spec("767a274b0ad0"), macvlan=[], images=False)

    def test_an_unknown_distribution_is_refused_with_the_near_ones(self, api: ScriptedApi) -> None:
        with pytest.raises(Refused, match=r"image=debain/12: .*allowed: .*debian/") as caught:
            check(api, spec("debain/12"))
        assert caught.value.option == "image"

    def test_a_wholly_unknown_one_lists_the_distributions(self) -> None:
        assert near_images("zzzzqqqq", list(IMAGES)) == ["alpine", "debian", "ubuntu"]

    def test_no_list_is_no_refusal(self, api: ScriptedApi) -> None:
        """The list comes from a server on the internet; an image that the appliance has is usable without it."""
        api.expect("read", "virt.global.config", result=READY)
        api.expect("read", "virt.instance.image_choices", error=CallError("virt.instance.image_choices", code=-32001, errno=14))
        api.expect("read", "virt.device.nic_choices", "MACVLAN", result={})
        VirtDriver(api, Endpoint("wss://nas:443", "root", "k"), "25.10").check_spec(spec())

    def test_a_lost_connection_is_a_failure(self, api: ScriptedApi) -> None:
        api.expect("read", "virt.global.config", result=READY)
        api.expect("read", "virt.instance.image_choices", error=ConnectionFailed("gone"))
        with pytest.raises(ConnectionFailed):
            VirtDriver(api, Endpoint("wss://nas:443", "root", "k"), "25.10").check_spec(spec())

    def test_d32_a_second_pool(self, api: ScriptedApi) -> None:
        """D32: the container's own pool, not the global one."""
        assert check(api, spec(pool="fast"), macvlan=[]).pool == "fast"

    def test_an_unknown_pool_names_the_choices(self, api: ScriptedApi) -> None:
        with pytest.raises(Refused, match=r"pool=nope: .*allowed: tank, fast"):
            check(api, spec(pool="nope"))
