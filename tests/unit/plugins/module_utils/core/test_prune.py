# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What prune finds, what it does about it, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import lease
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import Invalid
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.driver import Container
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.errors import ConnectionFailed
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.fake_driver import foreign, job_failed, ours
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.fake_storage import home
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.prune_scene import (
    BUSY,
    DAY,
    DEAD,
    HOUR,
    NOW,
    Scene,
    brief,
    expired,
    half_made,
    host_key,
    parked,
    pin,
    pinned,
    prune,
)


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def everything() -> Scene:
    """One of each, and the base that they came from."""
    driver = Scene(ours("base"), half_made("cut"), expired("old"))
    ready = driver.storage.take(home("px-base"), "pixels-ready").id
    driver.left(parked("new", "gone"), origin=ready)
    driver.left(parked("kept.1", "gone"), "pixels-first")
    driver.temporary(home("px-base"), DEAD)
    pin("gone", host_key(1))
    pin("base", host_key(2))
    return driver


GOING = {
    ("half_made", "container", "cut"),
    ("expired", "container", "old"),
    ("orphaned", "dataset", parked("new", "gone")),
    ("orphaned", "dataset", parked("kept.1", "gone")),
    ("orphaned", "snapshot", f"{home('px-base')}@pixels.tmp.{DEAD}"),
    ("orphaned", "host_key", "gone"),
}


def test_everything_goes_and_the_second_time_nothing() -> None:
    driver = everything()
    result = prune(driver)
    assert brief(result["pruned"]) == GOING and result["left"] == [] and result["changed"]
    assert set(driver.containers) == {"px-base"} and set(driver.storage.data) == {home("px-base")}
    assert driver.storage.all_snapshots() == [f"{home('px-base')}@pixels-ready"]
    assert pinned() == {"base"}
    driver.calls.clear()
    again = prune(driver)
    assert (again["changed"], again["pruned"], again["left"], again["freed"]) == (False, [], [], 0)
    assert driver.changed == []


def test_check_mode_shows_just_that_and_changes_nothing() -> None:
    driver = everything()
    shown = prune(driver, check_mode=True, diff=True)
    assert driver.changed == [] and pinned() == {"gone", "base"}
    done = prune(driver, diff=True)
    assert [entry["name"] for entry in shown["pruned"]] == [entry["name"] for entry in done["pruned"]]
    assert {**shown, "pruned": brief(shown["pruned"])} == {**done, "pruned": brief(done["pruned"])}
    assert shown["changed"] and "container cut\n" in shown["diff"]["before"] and shown["diff"]["after"] == ""


def test_what_is_told_of_each() -> None:
    found = {entry["name"]: entry for entry in prune(everything(), check_mode=True)["pruned"]}
    cut, old, gone = found["cut"], found["old"], found[parked("kept.1", "gone")]
    assert (cut["action"], cut["size"], cut["size_text"]) == ("destroy", 1000, "1000 B")
    assert "whoever was making it is gone" in cut["reason"] and HOUR <= cut["age"] < 2 * HOUR
    # The scene may have been set some minutes ago.
    assert "expired at 20" in old["reason"] and old["age_text"].split()[0] == "1h"
    assert "gone is gone" in gone["reason"] and gone["age_text"].split()[0] == "1d"
    assert found["gone"]["action"] == "forget" and found["gone"]["age"] is None
    assert prune(everything(), check_mode=True)["freed"] == 5000


@pytest.mark.parametrize("what", ["half_made", "expired", "orphaned"])
def test_only_what_is_asked_for(what: str) -> None:
    assert brief(prune(everything(), what=[what])["pruned"]) == {entry for entry in GOING if entry[0] == what}


def test_things_of_others_are_not_even_mentioned() -> None:
    driver = Scene(foreign("theirs"), replace(foreign("x"), name="web", id="web"), ours("mine"))
    driver.storage.take(home("px-theirs"), "pixels-ready")
    for dataset in (home("px-lost"), "tank/.ix-virt/pixels.new.web", "tank/.ix-virt/custom/px-a", "tank/pixels.old.px-a"):
        driver.left(dataset, "auto-2026")
    for name in ("auto-2026", "px-clone-1", "pixels-ready", "manual"):
        driver.storage.take(home("px-mine"), name)
    pin("elsewhere", host_key(1), "another")
    result = prune(driver)
    assert (result["changed"], result["pruned"], result["left"]) == (False, [], [])
    assert driver.changed == []


def test_a_mark_under_a_name_that_is_none_of_ours_is_a_copy() -> None:
    copied = half_made("x")
    driver = Scene(replace(copied, name="web", id="web"))
    assert prune(driver)["pruned"] == [] and "web" in driver.containers


@pytest.mark.parametrize("token", [BUSY, "own"], ids=["busy", "own"])
def test_work_in_progress_is_left_alone(token: str) -> None:
    token = lease.token() if token == "own" else token
    driver = Scene(half_made("busy", token), ours("base"))
    snapshot = driver.temporary(home("px-base"), token)
    result = prune(driver)
    assert result["pruned"] == [] and not result["changed"] and driver.changed == []
    assert {(entry["name"], entry["action"]) for entry in result["left"]} == {("busy", "leave"), (snapshot, "leave")}


def test_without_patience_another_machine_is_not_waited_for() -> None:
    driver = Scene(half_made("busy", BUSY), half_made("mine", lease.token()))
    assert [entry["name"] for entry in prune(driver, patience=0)["pruned"]] == ["busy"]
    assert set(driver.containers) == {"px-mine"}


def test_a_lease_that_cannot_be_read_is_nobodys() -> None:
    assert [entry["name"] for entry in prune(Scene(half_made("cut", "nonsense")))["pruned"]] == ["cut"]


def test_half_made_and_yet_running_is_somebodys_by_now() -> None:
    driver = Scene(half_made("odd", status="running"))
    result = prune(driver)
    assert result["pruned"] == [] and "it is running" in result["left"][0]["reason"] and driver.changed == []


def test_one_that_has_been_started_once_is_somebodys() -> None:
    driver = Scene(half_made("cut", never_started=False), half_made("never", never_started=True))
    result = prune(driver)
    assert [entry["name"] for entry in result["pruned"]] == ["never"]
    assert [entry["name"] for entry in result["left"]] == ["cut"] and "has been started" in result["left"][0]["reason"]


def test_one_that_expires_later_stays() -> None:
    driver = Scene(ours("soon", mark={"expires": NOW + HOUR}), ours("never"))
    assert prune(driver)["pruned"] == []


def test_older_than() -> None:
    driver = Scene(expired("young", 60), expired("old", 2 * DAY), ours("base"))
    driver.left(parked("old", "a"), born=NOW - 60)
    driver.left(parked("old", "b"), born=NOW - 2 * DAY)
    unknown = driver.left(parked("old", "c"), born=None)
    driver.storage.born[driver.temporary(home("px-base"), DEAD)] = NOW - 60
    pin("gone", host_key(1))
    result = prune(driver, older_than="1d")
    assert {entry["name"] for entry in result["pruned"]} == {"old", parked("old", "b"), "gone"}
    assert [(entry["name"], entry["age"]) for entry in result["left"]] == [(unknown, None)]


@pytest.mark.parametrize(
    ("options", "option"),
    [({"older_than": "soon"}, "older_than"), ({"patience": -1}, "patience"), ({"concurrency": 0}, "concurrency")],
)
def test_impossible_options_are_refused_before_anything(options: dict[str, Any], option: str) -> None:
    driver = Scene()
    with pytest.raises(Invalid) as caught:
        prune(driver, **options)
    assert caught.value.result["option"] == option and driver.calls == []


def test_one_failure_does_not_stop_the_rest() -> None:
    driver = everything()
    driver.on_call = lambda operation, name: _fail_for(operation, name, "delete", "px-cut")
    result = prune(driver)
    assert result["failed"] and result["changed"] and result["msg"].startswith("1 of 6 could not be pruned: cut: ")
    assert [entry["name"] for entry in result["pruned"] if entry.get("failed")] == ["cut"]
    assert set(driver.containers) == {"px-base", "px-cut"} and result["freed"] == 4000
    driver.on_call = lambda operation, name: None
    assert brief(prune(driver)["pruned"]) == {("half_made", "container", "cut")}


def test_a_connection_that_is_lost_in_the_middle_is_told_for_what_it_concerns() -> None:
    driver = everything()
    original = driver.list

    def listed(prefix: str = "") -> Any:
        found = original(prefix)
        driver.fail("datasets", ConnectionFailed("no connection"), times=3)
        return found

    driver.list = listed  # type: ignore[method-assign]
    result = prune(driver)
    assert result["failed"] and {entry["name"] for entry in result["pruned"] if entry.get("failed")} == {"cut", "old"}
    assert pinned() == {"base"} and set(driver.containers) == {"px-base", "px-cut", "px-old"}


def _fail_for(operation: str, name: str, wanted: str, whose: str) -> None:
    if (operation, name) == (wanted, whose):
        raise job_failed("virt.instance.delete")


def test_an_appliance_that_does_not_answer_has_nothing_to_prune() -> None:
    driver = everything()
    driver.fail("list", ConnectionFailed("no connection"))
    with pytest.raises(ConnectionFailed):
        prune(driver)
    assert driver.changed == [] and pinned() == {"gone", "base"}


def test_all_pools_are_looked_at() -> None:
    driver = Scene(ours("base"))
    far = driver.left(parked("old", "gone", "dozer"))
    assert [entry["name"] for entry in prune(driver)["pruned"]] == [far]


def after_the_look(driver: Scene, happens: Callable[[], None]) -> None:
    """Between the plan and its carrying out others are at work."""
    original = driver.list

    def listed(prefix: str = "") -> Any:
        found = original(prefix)
        happens()
        return found

    driver.list = listed  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("before", "meanwhile"),
    [
        (half_made("it"), half_made("it", BUSY)),
        (half_made("it"), half_made("it", status="running")),
        (half_made("it"), ours("it")),
        (expired("it"), ours("it", mark={"expires": NOW + DAY})),
        (expired("it"), foreign("it")),
        (expired("it"), None),
    ],
    ids=["made anew", "started", "completed", "put off", "not ours", "gone"],
)
def test_a_container_that_is_not_as_it_was_is_left_alone(before: Container, meanwhile: Container | None) -> None:
    driver = Scene(before)

    def happens() -> None:
        driver.containers.pop("px-it")
        if meanwhile is not None:
            driver.containers["px-it"] = meanwhile

    after_the_look(driver, happens)
    result = prune(driver)
    assert result["pruned"] == [] and not result["changed"] and not result.get("failed") and driver.changed == []
    assert "somebody is at work on it" in result["left"][0]["reason"]


def test_what_has_a_container_again_is_left_alone() -> None:
    driver = Scene()
    lost = driver.left(parked("old", "gone"))
    pin("gone", host_key(1))
    after_the_look(driver, lambda: driver.containers.update({"px-gone": ours("gone")}))
    result = prune(driver)
    assert {entry["name"] for entry in result["left"]} == {lost, "gone"} and result["pruned"] == []
    assert lost in driver.storage.data and pinned() == {"gone"}
