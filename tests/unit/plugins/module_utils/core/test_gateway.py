# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gateways: their second card, what is behind them, and the way there."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import marker, ssh
from ansible_collections.pixels.sandbox.plugins.module_utils.core.container import run
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError
from ansible_collections.pixels.sandbox.plugins.module_utils.core.gateway import Unreachable, Ways, check_cards, gateway_of
from ansible_collections.pixels.sandbox.plugins.module_utils.core.marker import Marker
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.driver import INSIDE, Container, Nic
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.endpoint import Endpoint
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.fake_driver import (
    FakeConfig,
    FakeDriver,
    context,
    foreign,
    ours,
)

ENDPOINT = Endpoint("wss://nas:444", "root", "1-secret")
CARD = Nic("bridged", "br-px1", name=INSIDE)
BEHIND = Nic("macvlan", "br-px1")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def gateway(status: str = "running", **changes: Any) -> Container:
    return ours("gw1", status, inside=CARD, cards=2, **changes)


def behind(name: str = "task1", **changes: Any) -> Container:
    base: dict[str, Any] = {"nic": BEHIND, "cards": 1, "address": "10.99.0.7", "mark": {"via": "gw1"}}
    return ours(name, **{**base, **changes})


def go(driver: FakeDriver, **options: Any) -> dict[str, Any]:
    return run(context(driver, **options))


class TestTheSecondCard:
    def test_a_new_container_has_both(self) -> None:
        driver = FakeDriver()
        made = go(driver, name="gw1", inside="br-px1")["container"]
        assert driver.containers["px-gw1"].inside == CARD
        assert made["inside"] == "br-px1" and made["network"]["nic_type"] == "macvlan"
        assert go(driver, name="gw1", inside="br-px1")["changed"] is False
        assert go(driver, name="gw1")["changed"] is False

    def test_one_that_exists_gets_it_and_goes_on_running(self) -> None:
        driver = FakeDriver(ours("gw1", cards=1))
        assert go(driver, name="gw1", inside="br-px1")["container"]["actions"] == ["updated"]
        assert driver.changing_calls == [("update", "px-gw1", {"inside": CARD})]

    def test_it_moves_to_another_bridge(self) -> None:
        driver = FakeDriver(gateway())
        assert go(driver, name="gw1", inside="br-px2")["container"]["inside"] == "br-px2"

    def test_a_clone_does_not_have_it_unless_asked(self) -> None:
        driver = FakeDriver(gateway())
        go(driver, name="gw2", **{"from": "gw1"}, wait_for="none")
        assert driver.containers["px-gw2"].inside is None

    def test_one_made_anew_keeps_it(self) -> None:
        driver = FakeDriver(gateway())
        go(driver, name="gw1", image="debian/13", recreate=True)
        assert driver.containers["px-gw1"].inside == CARD


class TestBehind:
    def test_made_there(self) -> None:
        driver = FakeDriver(gateway())
        made = go(driver, name="task1", via="gw1")["container"]
        found = driver.containers["px-task1"]
        assert (found.nic, gateway_of(found), made["via"]) == (BEHIND, "gw1", "gw1")
        assert go(driver, name="task1", via="gw1")["changed"] is False
        assert go(driver, name="task1")["changed"] is False

    def test_not_the_configured_card(self) -> None:
        driver = FakeDriver(gateway())
        run(context(driver, FakeConfig(**{"defaults.nic_type": "bridged", "defaults.parent": "br0"}), name="task1", via="gw1"))
        assert driver.containers["px-task1"].nic == BEHIND

    def test_a_clone_of_one_that_is_not(self) -> None:
        driver = FakeDriver(gateway(), ours("base", cards=1))
        go(driver, name="task1", via="gw1", **{"from": "base"}, wait_for="none")
        assert driver.containers["px-task1"].nic == BEHIND
        assert gateway_of(driver.containers["px-task1"]) == "gw1"

    def test_a_clone_of_one_that_is_stays_there(self) -> None:
        driver = FakeDriver(gateway(), behind("base"))
        go(driver, name="task1", **{"from": "base"}, wait_for="none")
        assert driver.containers["px-task1"].nic == BEHIND
        assert gateway_of(driver.containers["px-task1"]) == "gw1"

    def test_a_clone_of_one_that_is_can_leave(self) -> None:
        driver = FakeDriver(gateway(), behind("base"))
        go(driver, name="task1", network="default", **{"from": "base"}, wait_for="none")
        assert gateway_of(driver.containers["px-task1"]) is None

    def test_made_anew_it_is_where_it_was(self) -> None:
        driver = FakeDriver(gateway(), behind())
        go(driver, name="task1", image="debian/13", recreate=True)
        assert driver.containers["px-task1"].nic == BEHIND
        assert gateway_of(driver.containers["px-task1"]) == "gw1"

    def test_an_owner_does_not_take_it_away(self) -> None:
        driver = FakeDriver(gateway(), behind())
        go(driver, name="task1", owner="somebody")
        assert gateway_of(driver.containers["px-task1"]) == "gw1"

    @pytest.mark.parametrize("current", [ours("task1", cards=1), behind(nic=Nic("macvlan", "br-px2"))], ids=["elsewhere", "another bridge"])
    def test_one_that_is_elsewhere_is_not_moved(self, current: Container) -> None:
        result = go(FakeDriver(gateway(), current), name="task1", via="gw1")
        assert result["failed"] and ("destroy it" in result["msg"] or "recreate" in result["msg"]), result

    def test_one_that_runs_elsewhere_is_made_anew_when_asked(self) -> None:
        driver = FakeDriver(gateway(), ours("task1", cards=1))
        go(driver, name="task1", via="gw1", image="debian/12", recreate=True)
        assert driver.containers["px-task1"].nic == BEHIND

    @pytest.mark.parametrize(
        ("containers", "reason"),
        [
            ([], "no such container"),
            ([foreign("gw1")], "not ours"),
            ([ours("gw1", cards=1)], "no gateway"),
            ([ours("gw1")], "VIRT_INSTANCE_WRITE"),
            ([gateway("stopped")], "no network until it runs"),
        ],
    )
    def test_nothing_is_made_without_a_gateway(self, containers: list[Container], reason: str) -> None:
        driver = FakeDriver(*containers)
        result = go(driver, name="task1", via="gw1")
        assert result["failed"] and reason in result["msg"], result
        assert driver.changing_calls == []

    def test_not_behind_itself(self) -> None:
        with pytest.raises(CoreError, match="behind itself"):
            go(FakeDriver(gateway()), name="gw1", via="gw1")

    def test_a_stray_card_is_found_before_anybody_works_there(self) -> None:
        driver = FakeDriver(gateway())
        make = driver._make

        def with_a_second_card(spec: Any) -> None:
            make(spec)
            driver.containers[spec.name] = replace(driver.containers[spec.name], cards=2)

        driver._make = with_a_second_card  # type: ignore[method-assign]
        result = go(driver, name="task1", via="gw1")
        assert result["failed"] and "one network card" in result["msg"]

    @pytest.mark.parametrize(
        "found",
        [
            behind(cards=2),
            behind(nic=Nic("bridged", "br-px1")),
            behind(nic=Nic("macvlan", "eth0")),
            behind(nic=Nic(network="default")),
            behind(cards=None),
        ],
    )
    def test_which_cards_are_wrong(self, found: Container) -> None:
        with pytest.raises(CoreError, match="Do not use it"):
            check_cards(found, "gw1", "br-px1")


class TestTheGatewayGoesLast:
    def test_it_stays_while_something_is_behind_it(self) -> None:
        driver = FakeDriver(gateway(), behind())
        result = go(driver, name="gw1", state="absent")
        assert result["failed"] and "task1 can only be reached through it" in result["msg"]
        assert driver.changing_calls == []

    def test_it_goes_together_with_that(self) -> None:
        driver = FakeDriver(gateway(), behind())
        assert not go(driver, name="gw1,task1", state="absent").get("failed")
        assert not driver.containers


class TestTheWay:
    def ways(self, *containers: Container) -> Ways:
        config: Any = FakeConfig(**{"ssh.user": "pixel", "ssh.key": "/keys/100%"})
        return Ways(FakeDriver(*containers), config, ENDPOINT)  # type: ignore[arg-type]

    def test_direct(self) -> None:
        assert self.ways().to(ours("task1")) == ()

    def test_through(self) -> None:
        words = self.ways(gateway()).to(behind())
        assert words[:3] == ("ssh", "-W", "%h:%p") and words[-1] == "root@10.0.0.5"
        assert "HostKeyAlias=gw1.nas_444" in words and "StrictHostKeyChecking=yes" in words and "BatchMode=yes" in words
        # ssh halves them when it runs this as its ProxyCommand, and once more when it reads the option.
        assert "/keys/100%%%%" in words

    @pytest.mark.parametrize(
        ("containers", "reason"), [([], "no such container"), ([gateway("stopped")], "is stopped"), ([gateway(address=None)], "no address")]
    )
    def test_there_is_none(self, containers: list[Container], reason: str) -> None:
        with pytest.raises(Unreachable, match=reason):
            self.ways(*containers).to(behind())

    def test_the_door_is_knocked_at_through_it(self) -> None:
        door = self.ways(gateway()).door(behind())
        assert (door.address, door.port, door.through[0]) == ("10.99.0.7", 22, "ssh")

    def test_people_and_ansible_are_told_the_same(self) -> None:
        ways = self.ways(gateway())
        config: Any = ways.config
        through = ways.to(behind())
        line = shlex.split(ssh.ssh_line(behind(), config, ENDPOINT, through=through))
        proxy = next(word for word in line if word.startswith("ProxyCommand="))
        assert shlex.split(proxy.partition("=")[2]) == list(through)
        assert line[-1] == "pixel@10.99.0.7"
        variables = ssh.connection_vars(behind(), config, ENDPOINT, through=through)
        assert proxy in shlex.split(variables["ansible_ssh_common_args"])
        assert variables["ansible_host"] == "10.99.0.7"


def test_the_mark_keeps_the_gateway() -> None:
    environment = marker.with_marker({"A": "b"}, Marker(via="gw1", id="1"))
    assert marker.read(environment) == Marker(via="gw1", id="1")
    assert gateway_of(ours("task1")) is None
