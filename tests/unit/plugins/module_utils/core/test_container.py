# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module's promise as a whole: one task against an appliance in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import known_hosts
from ansible_collections.pixels.sandbox.plugins.module_utils.core.container import SPEC, run
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError, Invalid
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.driver import Nic, NotReady, Refused
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.errors import AuthenticationFailed
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.fake_driver import (
    FakeConfig,
    FakeDriver,
    context,
    foreign,
    job_failed,
    lost,
    ours,
)

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK0wmN/Cr3JXqmLW7u+g9pTh+wyqDHpSQEIQczXkVx9q"


@pytest.fixture(autouse=True)
def own_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def go(driver: FakeDriver, config: FakeConfig | None = None, **options: Any) -> dict[str, Any]:
    driver.calls.clear()
    return run(context(driver, config, **options))


class TestOne:
    def test_create(self) -> None:
        driver = FakeDriver()
        result = go(driver, name="task1")
        assert result["changed"] is True
        container = result["container"]
        assert container == result["containers"][0]
        assert (container["name"], container["instance"], container["status"], container["actions"]) == (
            "task1",
            "px-task1",
            "running",
            ["created"],
        )
        assert (container["address"], container["image"], container["cpu"], container["memory"]) == ("10.0.0.5", "ubuntu/24.04", "2", 2048)
        assert container["network"] == {"nic_type": "macvlan", "parent": "enp1s0"}
        assert container["environment"] == {}

    def test_d31_again(self) -> None:
        """D31: the second run changes nothing and sends nothing that would."""
        driver = FakeDriver()
        options: dict[str, Any] = {
            "name": "task1",
            "image": "debian/12",
            "cpu": "2",
            "memory": "2GiB",
            "environment": {"A": 1},
            "autostart": False,
            "owner": "me",
        }
        first = go(driver, **options)["container"]
        second = go(driver, **options)
        assert second["changed"] is False
        assert second["container"] == {**first, "changed": False, "actions": []}
        assert driver.changing_calls == []

    def test_one_look_is_enough_where_nothing_is_to_do(self) -> None:
        driver = FakeDriver(ours("task1"))
        go(driver, name="task1")
        assert driver.calls == [("get", "px-task1")]

    def test_d34_defaults_serve_a_new_one_only(self) -> None:
        """D34: the configuration's defaults, each by itself; an existing container is not pulled along when they change."""
        driver = FakeDriver()
        config = FakeConfig(**{"defaults.image": "debian/12", "defaults.cpu": "3", "defaults.memory": "1GiB", "defaults.pool": "fast"})
        made = go(driver, config, name="task1")["container"]
        assert (made["image"], made["cpu"], made["memory"], made["pool"]) == ("debian/12", "3", 1024, "fast")
        other = FakeConfig(**{"defaults.image": "alpine/3.22", "defaults.cpu": "8", "defaults.memory": 64, "defaults.network": "default"})
        assert go(driver, other, name="task1")["changed"] is False

    @pytest.mark.parametrize(
        ("config", "options", "nic"),
        [
            ({}, {}, {"nic_type": "macvlan", "parent": "enp1s0"}),
            ({"defaults.network": "default"}, {}, {"network": "default"}),
            ({"defaults.network": "default"}, {"nic_type": "bridged", "parent": "br0"}, {"nic_type": "bridged", "parent": "br0"}),
            ({"defaults.nic_type": "bridged", "defaults.parent": "br0"}, {"network": "default"}, {"network": "default"}),
            ({"defaults.parent": "enp2s0"}, {}, {"nic_type": "macvlan", "parent": "enp2s0"}),
        ],
    )
    def test_networks(self, config: dict[str, Any], options: dict[str, Any], nic: dict[str, str]) -> None:
        assert go(FakeDriver(), FakeConfig(**config), name="task1", **options)["container"]["network"] == nic

    def test_absent(self) -> None:
        driver = FakeDriver(ours("task1"))
        result = go(driver, name="task1", state="absent")
        assert result["container"]["status"] == "absent"
        assert result["container"]["address"] is None
        assert go(driver, name="task1", state="absent")["changed"] is False

    def test_present_leaves_it_as_it_is(self) -> None:
        driver = FakeDriver(ours("a", "stopped"), ours("b"))
        result = go(driver, name="a,b,c", state="present")
        assert [entry["status"] for entry in result["containers"]] == ["stopped", "running", "stopped"]
        assert driver.names() == ["create", "update"]
        assert driver.containers["px-c"].autostart is True

    def test_recreate(self) -> None:
        driver = FakeDriver(ours("task1"))
        with_reason = go(driver, name="task1", image="debian/13", recreate=True)
        assert with_reason["container"]["actions"] == ["destroyed", "created"]
        assert go(driver, name="task1", image="debian/13", recreate=True)["changed"] is False

    def test_what_cannot_change_fails_before_anything_is_touched(self) -> None:
        driver = FakeDriver(ours("task1"))
        result = go(driver, name="task1", image="debian/13", cpu="4", state="stopped")
        assert result["failed"] is True
        assert result["container"]["needs_recreate"] == ["image"]
        assert driver.changing_calls == []


class TestWaiting:
    def test_no_address_is_a_failure(self) -> None:
        """D21: no success without success; the container stays, and the next run goes on."""
        driver = FakeDriver()
        driver.gives_address = False
        result = go(driver, name="task1")
        assert result["failed"] is True
        assert "no address" in result["msg"]
        assert result["container"]["actions"] == ["created"]
        assert result["changed"] is True
        driver.gives_address = True
        assert go(driver, name="task1", state="restarted")["container"]["address"] == "10.0.0.5"

    def test_none(self) -> None:
        driver = FakeDriver()
        driver.gives_address = False
        assert go(driver, name="task1", wait_for="none")["container"]["address"] is None

    def test_an_unchanged_one_without_address_is_waited_for(self) -> None:
        driver = FakeDriver(ours("task1", address=None))
        assert go(driver, name="task1")["failed"] is True

    @pytest.mark.parametrize("state", ["present", "stopped"])
    def test_not_for_one_that_need_not_run(self, state: str) -> None:
        assert "failed" not in go(FakeDriver(), name="task1", state=state, wait_for="ssh")


class TestCheckMode:
    @pytest.mark.parametrize(
        ("options", "actions", "status"),
        [
            ({"name": "new"}, ["created"], "running"),
            ({"name": "new", "state": "stopped"}, ["created"], "stopped"),
            ({"name": "up"}, [], "running"),
            ({"name": "up", "state": "stopped"}, ["stopped"], "stopped"),
            ({"name": "up", "state": "restarted"}, ["restarted"], "running"),
            ({"name": "up", "state": "absent"}, ["destroyed"], "absent"),
            ({"name": "up", "cpu": "8"}, ["updated"], "running"),
            ({"name": "up", "image": "debian/13", "recreate": True}, ["destroyed", "created"], "running"),
            ({"name": "down"}, ["started"], "running"),
            ({"name": "new", "state": "absent"}, [], "absent"),
        ],
    )
    def test_nothing_is_sent_that_changes(self, options: dict[str, Any], actions: list[str], status: str) -> None:
        driver = FakeDriver(ours("up"), ours("down", "stopped"))
        known_hosts.pin(known_hosts.alias(driver.endpoint.label, "up"), KEY)
        before = dict(driver.containers)
        result = go(driver, check_mode=True, **options)
        assert driver.changing_calls == []
        assert driver.containers == before
        assert (result["changed"], result["container"]["actions"], result["container"]["status"]) == (bool(actions), actions, status)
        assert known_hosts.lookup(known_hosts.alias(driver.endpoint.label, "up")) == KEY

    def test_it_predicts_what_then_happens(self) -> None:
        driver = FakeDriver(ours("up"))
        options: dict[str, Any] = {"name": "up,new", "cpu": "8", "environment": {"A": "b"}}
        predicted = go(driver, check_mode=True, **options)
        done = go(driver, **options)
        for guess, entry in zip(predicted["containers"], done["containers"], strict=True):
            assert {**guess, "address": None} == {**entry, "address": None}

    def test_what_the_appliance_would_refuse_fails(self) -> None:
        driver = FakeDriver()
        driver.refuse = Refused("image", "debain/12", "there is no such distribution", ["debian/bookworm"])
        result = go(driver, check_mode=True, name="task1")
        assert (result["failed"], result["error"]["allowed"]) == (True, ["debian/bookworm"])

    def test_foreign_ones_fail_too(self) -> None:
        assert go(FakeDriver(foreign("task1")), check_mode=True, name="task1")["failed"] is True


class TestDiff:
    def test_before_and_after(self) -> None:
        driver = FakeDriver(ours("a"), ours("b"))
        result = go(driver, diff=True, name="a,b,c", cpu="2")
        assert [(entry["before_header"], bool(entry["before"])) for entry in result["diff"]] == [("c", False)]
        result = go(driver, diff=True, check_mode=True, name="a", memory=64)
        assert (result["diff"][0]["before"]["memory"], result["diff"][0]["after"]["memory"]) == (2048, 64)

    def test_not_unless_asked_for(self) -> None:
        assert "diff" not in go(FakeDriver(), name="a")


class TestFleet:
    def test_twenty_take_one_look(self) -> None:
        driver = FakeDriver()
        result = go(driver, name="worker[01:20]", wait_for="none")
        assert len(result["containers"]) == 20
        assert [entry["name"] for entry in result["containers"]] == [f"worker{number:02}" for number in range(1, 21)]
        assert "container" not in result
        assert [call for call in driver.calls if call[0] == "list"] == [("list", "px-")]
        assert len([call for call in driver.calls if call[0] == "check_spec"]) == 1
        assert go(driver, name="worker[01:20]")["changed"] is False
        assert driver.calls == [("list", "px-")]

    def test_one_failure_does_not_stop_the_rest(self) -> None:
        driver = FakeDriver()
        driver.fail("create", job_failed("create"))
        result = go(driver, name="w[1:3]", concurrency=1)
        assert [bool(entry.get("failed")) for entry in result["containers"]] == [True, False, False]
        assert result["failed"] is True
        assert result["msg"].startswith("1 of 3 containers failed: w1: ")
        assert go(driver, name="w[1:3]")["containers"][0]["actions"] == ["created"]

    def test_foreign_and_different_ones_fail_alone(self) -> None:
        driver = FakeDriver(foreign("a"), ours("b"))
        result = go(driver, name="a,b,c", image="debian/13")
        assert [bool(entry.get("failed")) for entry in result["containers"]] == [True, True, False]
        assert driver.containers["px-a"] == foreign("a")
        assert driver.containers["px-b"] == ours("b")

    def test_what_is_refused_is_refused_for_all_before_any_is_made(self) -> None:
        driver = FakeDriver()
        driver.refuse = Refused("pool", "nope", "containers are not set up on it", ["tank"])
        result = go(driver, name="w[1:3]", pool="nope")
        assert "3 of 3" in result["msg"]
        assert driver.changing_calls == []

    def test_many_at_once_end_right(self) -> None:
        driver = FakeDriver(*(ours(f"w{number}", "stopped") for number in range(1, 6)))
        driver.fail("create", lost("create"), "after", times=3)
        driver.fail("start", lost("start"), "before", times=3)
        result = go(driver, name="w[1:12]", concurrency=12)
        assert "failed" not in result
        assert {container.status for container in driver.containers.values()} == {"running"}


class TestRefusals:
    @pytest.mark.parametrize(
        "options",
        [
            {"name": "Not_A_Name"},
            {"name": "task1", "memory": "31MiB"},
            {"name": "task1", "cpu": "lots"},
            {"name": "task1", "environment": {"A-B": "x"}},
            {"name": "task1", "environment": {"PIXELS_SANDBOX": "x"}},
            {"name": "task1", "image": "debian 12"},
            {"name": "task1", "owner": "x" * 201},
            {"name": "task1", "stop_timeout": 291},
            {"name": "task1", "stop_timeout": 0, "force": False},
            {"name": "task1", "concurrency": 0},
            {"name": "task1", "wait_timeout": 0},
        ],
    )
    def test_what_cannot_be_is_refused_before_anything_is_asked(self, options: dict[str, Any]) -> None:
        driver = FakeDriver()
        with pytest.raises(Invalid):
            go(driver, **options)
        assert driver.calls == []

    def test_two_kinds_of_network(self) -> None:
        with pytest.raises(CoreError, match=r"defaults\.network and defaults\.nic_type"):
            go(FakeDriver(), FakeConfig(**{"defaults.network": "default", "defaults.parent": "br0"}), name="task1")

    @pytest.mark.parametrize("error", [NotReady("LOCKED"), AuthenticationFailed("nas", "root", "EXPIRED")])
    def test_d28_no_look_no_plan(self, error: Exception) -> None:
        """D28: an appliance that cannot be asked is a failure of the task, also for absent."""
        driver = FakeDriver()
        driver.fail("get", error)
        with pytest.raises(type(error)):
            go(driver, name="task1", state="absent")
        assert driver.changing_calls == []

    def test_create_false(self) -> None:
        driver = FakeDriver()
        result = go(driver, name="typo", state="stopped", create=False)
        assert (result["failed"], result["container"]["missing"]) == (True, True)
        assert driver.changing_calls == []

    def test_a_foreign_one_can_be_adopted(self) -> None:
        driver = FakeDriver(foreign("task1"))
        assert go(driver, name="task1", adopt=True)["container"]["actions"] == ["updated"]
        assert driver.containers["px-task1"].environment["THEIRS"] == "1"
        assert go(driver, name="task1")["changed"] is False


class TestHostKeys:
    """D25: a key is pinned for one container, and goes with it."""

    @pytest.mark.parametrize(
        ("options", "kept"),
        [
            ({"state": "absent"}, False),
            ({"image": "debian/13", "recreate": True}, False),
            ({"state": "stopped"}, True),
            ({"state": "restarted"}, True),
            ({"cpu": "8"}, True),
        ],
    )
    def test_an_existing_one(self, options: dict[str, Any], kept: bool) -> None:
        driver = FakeDriver(ours("task1"), ours("task2"))
        mine, other = (known_hosts.alias(driver.endpoint.label, name) for name in ("task1", "task2"))
        known_hosts.pin(mine, KEY)
        known_hosts.pin(other, KEY)
        go(driver, name="task1", **options)
        assert (known_hosts.lookup(mine) == KEY) is kept
        assert known_hosts.lookup(other) == KEY

    @pytest.mark.parametrize("state", ["started", "absent"])
    def test_the_key_of_one_that_is_gone_speaks_for_nobody(self, state: str) -> None:
        driver = FakeDriver()
        alias = known_hosts.alias(driver.endpoint.label, "task1")
        known_hosts.pin(alias, KEY)
        go(driver, name="task1", state=state)
        assert known_hosts.lookup(alias) is None


def test_every_option_is_used() -> None:
    """A container made with all of them."""
    driver = FakeDriver()
    options: dict[str, Any] = {
        "name": "task1", "state": "stopped", "image": "debian/12", "cpu": "0-1", "memory": "1.5GiB", "pool": "tank",
        "environment": {"A": "b"},
        "autostart": False, "nic_type": "bridged", "parent": "br0", "owner": "me", "create": True, "adopt": True, "recreate": True,
        "new": True, "wait_for": "ssh", "expires": "7d", "dependents": "promote", "vars_by_name": {"task1": {"cpu": "0-1"}},
        "stop_timeout": 5, "force": True, "concurrency": 2, "labels": {"team": "web"}, "egress": "agent",
    }  # fmt: skip
    of_clones, of_gateways = {"from", "scrub"}, {"inside", "via"}
    assert set(options) | {"network", "wait_timeout"} | of_clones | of_gateways == set(SPEC.arguments)
    made = go(driver, **options)["container"]
    assert (made["cpu"], made["memory"], made["owner"], made["labels"], made["autostart"]) == ("0-1", 1536, "me", {"team": "web"}, False)
    assert driver.containers["px-task1"].nic == Nic("bridged", "br0")
    assert made["egress"] == "agent"
    assert go(driver, **options)["changed"] is False
