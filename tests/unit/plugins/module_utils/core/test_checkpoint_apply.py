# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Carrying restores out against faults at every call: the container ends as it was or runs, and the next run converges."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import checkpoint_restore
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.errors import CallError, ConnectionFailed, OutcomeUnknown
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.checkpoint_scene import Scene, run
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.fake_driver import ours
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.zfs_simulator import home

BASE = home("base")
OPTIONS: dict[str, dict[str, Any]] = {
    "rollback": {"on_newer": "destroy"},
    "keep": {"on_newer": "keep"},
    "promote": {"on_newer": "destroy", "dependents": "promote"},
}
CALLS = {
    "rollback": ["stop", "rollback", "start"],
    "keep": ["clone", "stop", "rename", "rename", "promote", "start"],
    "promote": ["clone", "stop", "rename", "rename", "promote", "start", "destroy_snapshot", "promote", "destroy_dataset"],
}
EACH = [(variant, number) for variant, calls in CALLS.items() for number in range(len(calls))]
BY_STATUS = [(variant, "running", number) for variant, number in EACH]
BY_STATUS += [(variant, "stopped", number) for variant, number in EACH if number < len(CALLS[variant]) - 1]


class Killed(BaseException):
    """The process is no more: nothing of it runs on."""


def scene(variant: str, status: str = "running") -> Scene:
    found = Scene(ours("base", status), ours("worker"))
    found.pool.snapshot(BASE, "pixels-ready")
    found.pool.volumes[BASE].data = "later"
    found.pool.snapshot(BASE, "pixels-later")
    if variant == "promote":
        del found.pool.volumes[home("worker")]
        found.pool.clone(f"{BASE}@pixels-later", home("worker"))
    found.pool.volumes[BASE].data = "broken"
    found.pool.changes.clear()
    found.done.clear()
    return found


def restore(found: Scene, variant: str) -> dict[str, Any]:
    return run(found, "base", label="ready", state="restored", wait_for="none", **OPTIONS[variant])


def check(found: Scene, variant: str) -> None:
    pool = found.pool
    assert (pool.volumes[BASE].data, found.containers["px-base"].status) == ("first", "running")
    parked = [name for name in pool.names() if "/pixels." in name]
    assert len(parked) == (1 if variant == "keep" else 0), parked
    if variant == "promote":
        assert (pool.volumes[home("worker")].data, pool.volumes[home("worker")].snaps) == ("later", [])


def fail_at(found: Scene, number: int, when: str, error: BaseException) -> None:
    count = [-1]

    def on_change(_what: str, moment: str) -> None:
        count[0] += moment == "before"
        if count[0] == number and moment == when:
            count[0] = 10_000
            raise error

    found.on_change = on_change


@pytest.mark.parametrize("variant", OPTIONS)
@pytest.mark.parametrize("status", ["running", "stopped", "frozen"])
def test_the_calls_in_their_order(variant: str, status: str) -> None:
    found = scene(variant, status)
    entry = restore(found, variant)["container"]
    expected = [call for call in CALLS[variant] if call != "stop" or status != "stopped"]
    assert found.done == expected
    assert not entry.get("failed") and entry["actions"][-1] in ("started", "promoted worker")
    check(found, variant)


@pytest.mark.parametrize("variant", OPTIONS)
@pytest.mark.parametrize("fails", [False, True])
def test_d12_one_that_was_started_since_it_was_looked_at(variant: str, fails: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """D12: the data of one that runs is not touched, and whoever has started it finds it running."""
    found = scene(variant, "stopped")
    decide = checkpoint_restore.plan_restore

    def planned(*arguments: Any, **options: Any) -> Any:
        found._power("px-base", "running")
        return decide(*arguments, **options)

    monkeypatch.setattr(checkpoint_restore, "plan_restore", planned)
    if fails:
        step = CALLS[variant].index("rollback" if variant == "rollback" else "rename")
        fail_at(found, step, "before", CallError("x", code=-32001, errno=14, reason="no"))
    result = restore(found, variant)
    assert bool(result.get("failed")) is fails
    assert found.containers["px-base"].status == "running"
    if fails:
        assert found.pool.volumes[BASE].data == "broken"
    else:
        assert found.done == CALLS[variant]
        check(found, variant)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("variant", "status", "number"), BY_STATUS)
@pytest.mark.parametrize(
    "error", [CallError("x", code=-32001, errno=14, reason="no"), ConnectionFailed("gone")], ids=lambda error: type(error).__name__
)
def test_a_call_that_fails(variant: str, status: str, number: int, error: Exception, when: str) -> None:
    """Whether it had happened or not: the container is as it was, or runs."""
    found = scene(variant, status)
    calls = [call for call in CALLS[variant] if call != "stop" or status != "stopped"]
    fail_at(found, number, when, error)
    result = restore(found, variant)
    found.on_change = lambda what, moment: None
    entry = result["container"]
    assert result["failed"] and result["error"]["type"] == type(error).__name__
    assert str(error) in entry["msg"] and entry["outcome"] in entry["msg"]
    now, data = found.containers["px-base"].status, found.pool.volumes[BASE].data
    assert data in ("broken", "first")
    if status == "running":
        assert now == "running", entry["msg"]
    elif data == "broken" and calls[number] != "rollback":
        assert now == "stopped", entry["msg"]
    swapped = {"swapped", "rolled_back"} & set(entry["actions"]) or "data of ready" in entry["outcome"]
    assert bool(swapped) == (data == "first") or calls[number] == "rollback", entry
    assert not restore(found, variant).get("failed")
    check(found, variant)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("variant", "number"), EACH)
def test_killed(variant: str, number: int, when: str) -> None:
    """Nothing runs on, and the next run finds out."""
    found = scene(variant)
    fail_at(found, number, when, Killed())
    with pytest.raises(Killed):
        restore(found, variant)
    found.on_change = lambda what, moment: None
    result = restore(found, variant)
    assert not result.get("failed"), result
    check(found, variant)


@pytest.mark.parametrize("call", ["stop", "start"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lost_answer_is_looked_into(call: str, when: str) -> None:
    found = scene("keep")
    fail_at(found, CALLS["keep"].index(call), when, OutcomeUnknown(call, "the connection was lost"))
    assert not restore(found, "keep").get("failed")
    assert found.done.count(call) == 1, "what has happened is not done twice"
    check(found, "keep")


def test_d12_after_a_stop_that_failed_nothing_is_done_to_the_data() -> None:
    found = scene("rollback")

    def fail(what: str, _when: str) -> None:
        if what == "stop":
            raise CallError("stop", code=-32001)

    found.on_change = fail
    assert restore(found, "rollback")["failed"]
    assert found.pool.changes == [] and found.containers["px-base"].status == "running"


def test_when_recovering_fails_too_both_are_told() -> None:
    found = scene("keep")

    def on_change(what: str, when: str) -> None:
        if what in ("rename", "destroy_dataset"):
            raise CallError(what, code=-32001, reason=f"no {what} today")

    found.on_change = on_change
    entry = restore(found, "keep")["container"]
    assert "no rename today" in entry["msg"] and "no destroy_dataset today" in entry["outcome"]


def test_somebody_elses_clone_is_left_alone() -> None:
    """Two restores of one container at the same time: the second one finds the name taken, and does not take it away."""
    found = scene("keep")
    new = f"{BASE.partition('/containers/')[0]}/pixels.new.px-base"

    def on_change(what: str, when: str) -> None:
        if what == "clone" and when == "before":
            found.on_change = lambda what, when: None
            found.pool.clone(f"{BASE}@pixels-ready", new)

    found.on_change = on_change
    result = restore(found, "keep")
    assert result["error"]["type"] == "AlreadyExists" and new in found.pool.volumes


def test_it_is_down_no_longer_than_the_swap_takes() -> None:
    """The clone is made before the stop, and what is left over goes after the start."""
    found = scene("promote")
    restore(found, "promote")
    assert found.done.index("clone") < found.done.index("stop") < found.done.index("start") < found.done.index("destroy_dataset")


def test_timings_have_all_parts() -> None:
    timings = restore(scene("keep"), "keep")["container"]["timings"]
    assert set(timings) == {"prepare", "stop", "data", "start", "tidy", "ready", "total"}
