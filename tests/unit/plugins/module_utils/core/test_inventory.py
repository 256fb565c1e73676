# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Containers as hosts: what is asked, what is kept of the answer, and what is made of it, now or from a cache."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import changes, name_patterns
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import Invalid
from ansible_collections.pixels.sandbox.plugins.module_utils.core.inventory import Host, Wish, hosts, left_out, look
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.driver import Container
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.fake_driver import (
    FakeConfig,
    FakeDriver,
    context,
    foreign,
    ours,
)

CONFIG: Any = FakeConfig(**{"ssh.user": "pixel", "ssh.key": "/keys/id"})


class Driver(FakeDriver):
    """One that chooses as an appliance does."""

    def list(self, prefix: str = "", *, pattern: str = "", statuses: Collection[str] = ()) -> Any:
        self.calls.append(("list", prefix, pattern, *statuses))
        found = [container for name, container in self.containers.items() if name.startswith(prefix) and re.match(pattern, name)]
        return [container for container in found if not statuses or container.status in statuses]


def seen(driver: FakeDriver, **wish: Any) -> Any:
    """As it comes out of a cache, too."""
    return json.loads(json.dumps(look(context(driver, CONFIG), Wish(**wish))))


def made(driver: FakeDriver, **wish: Any) -> dict[str, Host]:
    return {host.name: host for host in hosts(seen(driver, **wish), CONFIG, driver.endpoint)}


def behind(name: str, gateway: str, **changes: Any) -> Container:
    return ours(name, mark={"via": gateway}, **changes)


def test_one_call_for_a_thousand() -> None:
    driver = Driver(*(ours(f"box{number:04}") for number in range(1000)))
    assert len(made(driver)) == 1000
    assert driver.calls == [("list", "px-", "")]


def test_nobody_else_s_and_nobody_called_like_this_machine() -> None:
    driver = Driver(ours("a"), foreign("b"), ours("localhost"))
    assert list(made(driver)) == ["a"]
    assert left_out(seen(driver)) == ["localhost"]


def test_a_host() -> None:
    mark = {"owner": "me", "source": "base:ready", "expires": 1795450451, "labels": {"team": "web", "keep": ""}, "egress": "agent"}
    host = made(Driver(ours("a", mark=mark, environment={"TOKEN": "secret"})))["a"]
    assert host.groups == [
        ("running",),
        ("image", "debian/12"),
        ("from", "base:ready"),
        ("owner", "me"),
        ("egress", "agent"),
        ("label", "keep"),
        ("label", "team", "web"),
    ]
    facts = {name.removeprefix("pixels_"): value for name, value in host.variables.items() if name.startswith("pixels_")}
    assert facts == {
        "name": "a",
        "appliance": "wss://nas:443",
        "instance": "px-a",
        "status": "running",
        "address": "10.0.0.5",
        "pinned": False,
        "image": "debian/12",
        "from": "base:ready",
        "os": {"os": "Debian", "release": "bookworm"},
        "cpu": "2",
        "memory": 2048,
        "pool": "tank",
        "autostart": True,
        "via": None,
        "owner": "me",
        "labels": {"team": "web", "keep": ""},
        "egress": "agent",
        "expires": "2026-11-23T16:14:11Z",
        "half_made": False,
    }
    assert host.variables["ansible_host"] == "10.0.0.5" and host.variables["ansible_user"] == "pixel"
    assert "secret" not in json.dumps(seen(Driver(ours("a", environment={"TOKEN": "secret"}))))


def test_what_was_remembered_before_there_were_notes_of_egress() -> None:
    kept = seen(Driver(ours("a", mark={"egress": "agent"})))
    del kept["containers"][0]["egress"]
    (host,) = hosts(kept, CONFIG, Driver().endpoint)
    assert host.groups == [("running",), ("image", "debian/12")] and "pixels_egress" not in host.variables


def test_one_that_is_stopped_and_one_that_is_half_made_are_hosts_without_an_address() -> None:
    found = made(Driver(ours("a", "stopped"), ours("b", "stopped", mark={"making": "00000000-1-1-1"})))
    assert [("ansible_host" in host.variables, host.groups[0], host.groups[-1]) for host in found.values()] == [
        (False, ("stopped",), ("image", "debian/12")),
        (False, ("stopped",), ("half_made",)),
    ]


def test_behind_a_gateway() -> None:
    gateway = replace(ours("gw"), address="10.0.0.9")
    driver = Driver(behind("a", "gw"), gateway, behind("b", "gone"))
    found = made(driver)
    assert driver.calls == [("list", "px-", ""), ("several", "px-gone")]
    assert "root@10.0.0.9" in found["a"].variables["ansible_ssh_common_args"] and ("via", "gw") in found["a"].groups
    assert found["a"].variables["ansible_host"] == "10.0.0.5"
    assert "ansible_host" not in found["b"].variables and "ProxyCommand" not in found["b"].variables["ansible_ssh_common_args"]
    driver.containers["px-gw"] = ours("gw", "stopped")
    assert "ansible_host" not in made(driver)["a"].variables


def test_gateways_that_were_not_asked_for_are_asked_for_together() -> None:
    driver = Driver(behind("a", "gw1"), behind("b", "gw2"), behind("c", "gw2"), ours("gw1"), ours("gw2"))
    assert list(made(driver, name=["[a:c]"])) == ["a", "b", "c"]
    assert driver.calls == [("list", "px-", "px-(?:a|b|c)$"), ("several", "px-gw1", "px-gw2")]


def test_choosing() -> None:
    driver = Driver(ours("w1", owner="me"), ours("w2", "stopped", owner="me"), ours("x"))
    assert list(made(driver, status=["Running"])) == ["w1", "x"]
    assert list(made(driver, owner="me", name="w*")) == ["w1", "w2"]
    assert driver.calls == [("list", "px-", "", "running"), ("list", "px-", "px-(?:w.*)$")]


def test_checkpoints_with_one_more_look() -> None:
    driver = Driver(ours("a"), ours("b"), ours("c", "stopped", mark={"making": "00000000-1-1-1"}))
    driver.storage.snapshot(driver.storage.dataset_of(driver.containers["px-a"]), "pixels-ready")
    found = made(driver, checkpoints=True)
    assert [point["label"] for point in found["a"].variables["pixels_checkpoints"]] == ["ready"]
    assert found["b"].variables["pixels_checkpoints"] == found["c"].variables["pixels_checkpoints"] == []
    assert "pixels_checkpoints" not in made(driver)["a"].variables


@pytest.mark.parametrize(
    ("names", "expression"),
    [
        (["worker*", "task?"], "px-(?:worker.*|task.)$"),
        ("a,b[1:2]", "px-(?:a|b1|b2)$"),
        (["*"], "px-(?:.*)$"),
        ([7, "x"], "px-(?:7|x)$"),
    ],
)
def test_names_as_an_expression(names: Any, expression: str) -> None:
    assert name_patterns.expression(names) == expression


@pytest.mark.parametrize("name", ["a.*", "A*", "w[1:2]*", "a|b", "", "px-a", "(*"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(Invalid):
        name_patterns.expression([name])


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "pixels"


def test_changes_are_noted_for_their_appliance(state: Path) -> None:
    driver = FakeDriver()
    ctx = context(driver)
    before = time.time()
    for reached, check, result in ((False, False, {"changed": True}), (True, True, {"changed": True}), (True, False, {"changed": False})):
        quiet = context(driver, check_mode=check)
        if reached:
            quiet.driver()
        changes.note(quiet, result)
        assert changes.last(driver.endpoint.url) == 0.0
    ctx.driver()
    changes.note(ctx, {"failed": True, "changed": False})
    assert before <= changes.last(driver.endpoint.url) <= time.time()
    assert changes.last("wss://other:443") == 0.0
    (file,) = (state / "changes").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600 and not file.read_text() and "nas" not in file.name


def test_what_cannot_be_noted_fails_nothing(state: Path) -> None:
    state.write_text("in the way")
    ctx = context(FakeDriver())
    ctx.driver()
    changes.note(ctx, {"changed": True})
    assert os.path.isfile(state)
