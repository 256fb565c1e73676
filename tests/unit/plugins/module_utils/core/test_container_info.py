# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Listing: ours, on request others of our prefix, and nobody else's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core.container_info import SPEC, run
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.driver import NotReady
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.fake_driver import (
    FakeConfig,
    FakeDriver,
    context,
    foreign,
    ours,
)


def go(driver: FakeDriver, **options: Any) -> dict[str, Any]:
    full = {name: rule.get("default") for name, rule in SPEC.arguments.items()}
    return run(context(driver, FakeConfig(**{"ssh.user": "pixel", "ssh.key": "~/.ssh/id"}), **{**full, **options}))


@pytest.fixture
def driver() -> FakeDriver:
    return FakeDriver(ours("b", "stopped"), ours("a", owner="me"), foreign("c"), replace(ours("x"), name="web", id="web"))


def names(result: dict[str, Any]) -> list[str]:
    return [entry["name"] for entry in result["containers"]]


def test_ours_in_order(driver: FakeDriver) -> None:
    result = go(driver)
    assert names(result) == ["a", "b"]
    assert (result["changed"], result["missing"], result["version"]) == (False, [], "25.10.6")
    assert driver.calls == [("list", "px-")]


def test_an_entry(driver: FakeDriver) -> None:
    assert go(driver)["containers"][0] == {
        "name": "a",
        "instance": "px-a",
        "owned": True,
        "half_made": False,
        "status": "running",
        "address": "10.0.0.5",
        "addresses": [{"address": "10.0.0.5", "family": "inet", "interface": "eth0"}],
        "image": "debian/12",
        "from": None,
        "os": {"os": "Debian", "release": "bookworm"},
        "cpu": "2",
        "memory": 2048,
        "pool": "tank",
        "environment": {},
        "autostart": True,
        "network": {"nic_type": "macvlan", "parent": "enp1s0"},
        "inside": None,
        "via": None,
        "owner": "me",
        "labels": {},
        "egress": None,
        "expires": None,
    }


def test_a_clone_that_is_half_made() -> None:
    mark = {"source": "base:ready", "making": "00000000-1-1-1", "expires": 1795450451}
    entry = go(FakeDriver(ours("w1", "stopped", mark=mark)))["containers"][0]
    assert (entry["from"], entry["half_made"], entry["expires"]) == ("base:ready", True, "2026-11-23T16:14:11Z")


def test_others_only_on_request(driver: FakeDriver) -> None:
    result = go(driver, all=True)
    assert [(entry["name"], entry["owned"]) for entry in result["containers"]] == [("a", True), ("b", True), ("c", False)]


def test_by_name_status_and_owner(driver: FakeDriver) -> None:
    assert go(driver, name=["[a:b]", "zz"])["missing"] == ["zz"]
    assert names(go(driver, name=["b"])) == ["b"]
    assert names(go(driver, status=["STOPPED"])) == ["b"]
    assert names(go(driver, owner="me")) == ["a"]


def test_what_a_filter_leaves_out_is_not_missing(driver: FakeDriver) -> None:
    """D28: "exists, and is stopped" is not "does not exist"."""
    result = go(driver, name=["a", "b", "c", "zz"], status=["running"])
    assert (names(result), result["missing"]) == (["a"], ["c", "zz"])
    assert go(driver, name=["a", "c"], owner="you", all=True)["missing"] == []


def test_a_service_that_is_down_is_no_empty_list(driver: FakeDriver) -> None:
    driver.fail("list", NotReady("ERROR"))
    with pytest.raises(NotReady):
        go(driver)


def test_the_way_in_on_request(driver: FakeDriver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    running, stopped = go(driver, connection=True)["containers"]
    assert running["hostvars"]["ansible_host"] == "10.0.0.5"
    assert "10.0.0.5" in running["ssh"]
    assert (stopped["ssh"], stopped["pinned"]) == (None, False)
