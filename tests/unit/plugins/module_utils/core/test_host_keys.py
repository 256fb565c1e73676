# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Host keys that another machine has pinned are read through the API, and nothing else happens."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import known_hosts
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import Invalid
from ansible_collections.pixels.sandbox.plugins.module_utils.core.host_keys import run
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.shell import ShellResult
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.fake_driver import FakeDriver, context, foreign, ours

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK0wmN/Cr3JXqmLW7u+g9pTh+wyqDHpSQEIQczXkVx9q"


@pytest.fixture(autouse=True)
def own_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def go(driver: FakeDriver, names: str, key: str = KEY, status: int = 0, **options: Any) -> dict[str, Any]:
    driver.calls.clear()

    def run_script(name: str, script: str, timeout: float = 0) -> ShellResult:
        driver.calls.append(("run_script", name))
        found = re.search(r"PX_MARK='?(pixels:\w+)", script)
        assert found is not None
        return ShellResult(f'chatter\r\n{found[1]} {{"host_key": "{key}"}}\r\n', status)

    driver.run_script = run_script  # type: ignore[method-assign,assignment]
    return run(context(driver, name=names, timeout=60, **options))


@pytest.mark.parametrize("check_mode", [False, True])
def test_one_that_is_new_to_this_machine(check_mode: bool) -> None:
    driver = FakeDriver(ours("task1"))
    result = go(driver, "task1", check_mode=check_mode)
    assert (result["changed"], result["container"]["pinned"], result["container"]["host_key"]) == (False, True, KEY)
    assert known_hosts.lookup(known_hosts.alias("nas", "task1")) == KEY
    again = go(driver, "task1", key="")
    assert (again["container"]["pinned"], again["container"]["host_key"]) == (False, KEY)
    assert driver.changing_calls == [] and ("run_script", "px-task1") not in driver.calls


def test_a_pinned_key_is_believed_and_not_the_container() -> None:
    known_hosts.pin(known_hosts.alias("nas", "task1"), KEY)
    other = KEY[:-2] + "AA"
    assert go(FakeDriver(ours("task1")), "task1", key=other)["container"]["host_key"] == KEY


def test_what_has_no_server_and_what_does_not_run_is_no_error() -> None:
    driver = FakeDriver(ours("bare"), ours("off", status="stopped"))
    result = go(driver, "bare,off", key="")
    assert [entry["host_key"] for entry in result["containers"]] == [None, None] and not result.get("failed")
    assert driver.calls.count(("run_script", "px-off")) == 0


def test_failures_are_told_one_by_one() -> None:
    known_hosts.pin(known_hosts.alias("nas", "twin"), KEY)
    driver = FakeDriver(ours("task1"), foreign("theirs"))
    result = go(driver, "task1,theirs,nobody")
    told = [entry["msg"] for entry in result["containers"]]
    assert "the same host key as twin" in told[0] and "not ours" in told[1] and "no such container" in told[2]
    assert known_hosts.lookup(known_hosts.alias("nas", "task1")) is None


@pytest.mark.parametrize(("key", "status"), [("ssh-rsa AAAA", 0), (KEY, 1)])
def test_what_is_no_key_or_no_end_is_a_failure(key: str, status: int) -> None:
    assert go(FakeDriver(ours("task1")), "task1", key=key, status=status)["failed"]
    assert known_hosts.lookup(known_hosts.alias("nas", "task1")) is None


def test_options() -> None:
    with pytest.raises(Invalid, match="concurrency"):
        run(context(FakeDriver(), name="task1", timeout=60, concurrency=0))
    with pytest.raises(Invalid, match="timeout"):
        run(context(FakeDriver(), name="task1", timeout=1))
