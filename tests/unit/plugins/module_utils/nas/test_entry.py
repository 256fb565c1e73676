# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Entries of the appliance as containers: units, network cards, and the right one of several addresses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.nas.address import choose, from_aliases
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.driver import Nic
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.entry import container_of
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.nas.scripted import entry, shared_folder


def address(text: str, family: str = "inet", scope: str = "global") -> dict[str, str]:
    return {"family": family, "address": text, "scope": scope}


def with_network(network: dict[str, list[dict[str, str]]], **raw: Any) -> dict[str, Any]:
    base = entry()
    base["raw"]["state"]["network"] = {name: {"addresses": addresses, "hwaddr": ""} for name, addresses in network.items()}
    base["raw"].update(raw)
    return base


class TestAddress:
    def test_a_docker_bridge_inside_is_not_it(self) -> None:
        network = {"docker0": [address("172.17.0.1")], "eth0": [address("10.97.0.5")], "lo": [address("127.0.0.1")]}
        found = container_of(with_network(network))
        assert found.address == "10.97.0.5"
        assert [(entry_.interface, entry_.address) for entry_ in found.addresses] == [("docker0", "172.17.0.1"), ("eth0", "10.97.0.5")]

    def test_a_docker_bridge_alone_is_no_address_yet(self) -> None:
        assert container_of(with_network({"docker0": [address("172.17.0.1")], "eth0": []})).address is None

    def test_link_local_is_none(self) -> None:
        network = {"eth0": [address("169.254.3.4"), address("fe80::1", "inet6", "link")]}
        assert container_of(with_network(network)).address is None

    def test_ipv4_before_ipv6(self) -> None:
        network = {"eth0": [address("2001:db8::5", "inet6"), address("10.97.0.5")]}
        assert container_of(with_network(network)).address == "10.97.0.5"
        assert container_of(with_network({"eth0": [address("2001:db8::5", "inet6")]})).address == "2001:db8::5"

    def test_the_first_card_first(self) -> None:
        cards = {"eth1": {"type": "nic"}, "eth0": {"type": "nic"}}
        network = {"eth1": [address("10.1.0.5")], "eth0": [address("10.0.0.5")]}
        assert container_of(with_network(network, expanded_devices=cards)).address == "10.0.0.5"

    def test_the_second_card_when_the_first_has_none(self) -> None:
        cards = {"eth1": {"type": "nic"}, "eth0": {"type": "nic"}}
        assert container_of(with_network({"eth1": [address("10.1.0.5")], "eth0": []}, expanded_devices=cards)).address == "10.1.0.5"

    def test_a_card_that_the_guest_has_renamed(self) -> None:
        base = entry()
        base["raw"]["state"]["network"] = {"ens3": {"addresses": [address("10.97.0.9")], "hwaddr": "10:66:6A:02:F3:F2"}}
        assert container_of(base).address == "10.97.0.9"

    def test_a_card_with_a_name_of_its_own(self) -> None:
        cards = {"lan": {"type": "nic", "name": "net0"}}
        assert container_of(with_network({"net0": [address("10.97.0.7")]}, expanded_devices=cards)).address == "10.97.0.7"

    def test_without_interface_names(self) -> None:
        base = entry(raw="********", aliases=[{"type": "INET", "address": "172.17.0.1"}, {"type": "INET", "address": "10.97.0.5"}])
        assert container_of(base).address == "10.97.0.5"
        assert choose(from_aliases([{"type": "INET", "address": "172.17.0.4"}]), None) == "172.17.0.4"

    def test_a_container_that_goes_down_has_none(self) -> None:
        assert container_of(with_network({"eth0": [address("10.97.0.5")]}) | {"status": "STOPPING"}).address is None


class TestSettings:
    def test_units_and_words(self) -> None:
        found = container_of(entry())
        assert (found.memory, found.status, found.pool, found.cpu, found.autostart) == (256, "running", "tank", "1", True)

    def test_no_limits(self) -> None:
        found = container_of(entry(cpu=None, memory=None))
        assert (found.cpu, found.memory) == (None, None)

    def test_memory_is_rounded_as_the_appliance_does(self) -> None:
        assert container_of(entry(memory=268436456)).memory == 256

    def test_the_profiles_card_is_the_default_network(self) -> None:
        assert container_of(entry()).nic == Nic(network="default")

    def test_a_card_of_its_own(self) -> None:
        base = entry()
        base["raw"]["devices"] = {"eth0": {"type": "nic", "nictype": "macvlan", "parent": "enp1s0"}}
        assert container_of(base).nic == Nic("macvlan", "enp1s0")

    @pytest.mark.parametrize("raw", [None, "********"])
    def test_what_is_not_shown_is_not_known(self, raw: Any) -> None:
        found = container_of(entry(raw=raw))
        assert found.nic is None
        assert found.started_at is None
        assert found.address == "10.97.0.116"


def test_every_recorded_entry_can_be_read() -> None:
    """All instances in the recordings of the real server."""
    seen = 0
    for path in sorted((shared_folder() / "recordings" / "25.10").glob("*.json")):
        for row in json.loads(path.read_text()):
            message = row.get("msg")
            if not isinstance(message, dict) or "result" not in message:
                continue
            result = message["result"]
            for candidate in result if isinstance(result, list) else [result]:
                if isinstance(candidate, dict) and {"id", "status", "aliases", "environment"} <= set(candidate):
                    found = container_of(candidate)
                    assert found.name == candidate["name"]
                    if candidate["status"] == "RUNNING" and candidate["aliases"]:
                        assert found.address == candidate["aliases"][0]["address"]
                    seen += 1
    assert seen > 10


class TestHistory:
    """What Incus remembers of how a container came to be."""

    def test_the_image_it_was_made_of(self) -> None:
        raw = {**entry()["raw"], "config": {"volatile.base_image": "767a274b"}, "created_at": "2026-11-23T07:15:18.221158849Z"}
        found = container_of(entry(raw=raw))
        assert (found.base_image, found.created_at) == ("767a274b", "2026-11-23T07:15:18.221158849Z")

    @pytest.mark.parametrize(
        ("raw", "never"),
        [
            ({"last_used_at": "1970-01-01T00:00:00Z"}, True),
            ({"last_used_at": "0001-01-01T00:00:00Z"}, True),
            ({"last_used_at": "2026-11-23T07:15:18Z"}, False),
            ({"last_used_at": "1970-01-01T00:00:00Z", "state": {"started_at": "2026-11-23T07:15:18Z"}}, False),
            ({}, None),
        ],
    )
    def test_whether_it_has_ever_run(self, raw: dict[str, Any], never: bool | None) -> None:
        assert container_of(entry(raw=raw)).never_started is never

    def test_unknown_where_raw_is_hidden(self) -> None:
        found = container_of(entry(raw="********"))
        assert (found.base_image, found.created_at, found.never_started) == (None, None, None)
