# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What somebody needs: it stays and says for whom, or they keep what they need of it; clones go before what they came from."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.fake_driver import foreign, ours
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.fake_storage import home
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.prune_scene import (
    DAY,
    DEAD,
    NOW,
    Scene,
    expired,
    half_made,
    parked,
    prune,
)


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def family(driver: Scene, *pairs: tuple[str, str]) -> Scene:
    """Each first one is a clone of the second, made of its checkpoint `ready`."""
    for clone, source in pairs:
        dataset = home(f"px-{source}")
        if not any(snap.name == "pixels-ready" for snap in driver.storage.data[dataset].snaps):
            driver.storage.take(dataset, "pixels-ready")
        driver.storage.branch(f"{dataset}@pixels-ready", home(f"px-{clone}"))
    return driver


def deletions(driver: Scene) -> list[str]:
    return [call[1] for call in driver.changed if call[0] in ("delete", "destroy_dataset")]


def test_expired_base_of_living_clones_is_left_and_names_them() -> None:
    driver = family(Scene(expired("base"), ours("w1"), foreign("w2")), ("w1", "base"), ("w2", "base"))
    result = prune(driver)
    assert result["pruned"] == [] and driver.changed == []
    (left,) = result["left"]
    assert (left["name"], left["action"], left["dependents"]) == ("base", "leave", ["w1", "w2"])
    assert "w1, w2 came from it" in left["reason"] and "dependents=promote" in left["reason"]


@pytest.mark.parametrize("check_mode", [True, False])
def test_promoted_clones_keep_their_data(check_mode: bool) -> None:
    driver = family(Scene(expired("base"), ours("w1"), ours("w2")), ("w1", "base"), ("w2", "base"))
    result = prune(driver, dependents="promote", check_mode=check_mode)
    (pruned,) = result["pruned"]
    assert (pruned["name"], pruned["dependents"], pruned["size"]) == ("base", ["w1", "w2"], None)
    assert "w1, w2 keep what they need of it" in pruned["reason"]
    if check_mode:
        assert driver.changed == []
        return
    assert set(driver.containers) == {"px-w1", "px-w2"}
    assert {driver.storage.data[home(f"px-{name}")].content for name in ("w1", "w2")} == {"data of px-base"}
    assert not prune(driver, dependents="promote")["changed"]


def test_clones_go_before_what_they_came_from() -> None:
    driver = family(Scene(expired("a"), expired("b"), expired("c")), ("b", "a"), ("c", "b"))
    result = prune(driver, concurrency=8)
    assert [entry["name"] for entry in result["pruned"]] == ["c", "b", "a"] and not result["left"]
    assert deletions(driver) == ["px-c", "px-b", "px-a"]


def test_one_that_stays_keeps_what_it_came_from() -> None:
    driver = family(Scene(expired("a"), expired("b"), ours("c")), ("b", "a"), ("c", "b"))
    result = prune(driver)
    assert result["pruned"] == [] and {entry["name"]: entry["dependents"] for entry in result["left"]} == {"a": ["b"], "b": ["c"]}


def test_only_one_kind_is_asked_for_and_the_others_count_as_living() -> None:
    driver = family(Scene(expired("base"), half_made("w1")), ("w1", "base"))
    assert prune(driver, what=["expired"])["pruned"] == []
    assert [entry["name"] for entry in prune(driver)["pruned"]] == ["w1", "base"]


@pytest.mark.parametrize("dependents", ["fail", "promote"])
def test_a_hold_keeps_it(dependents: str) -> None:
    driver = Scene(expired("base"))
    driver.storage.take(home("px-base"), "backup", held=True)
    result = prune(driver, dependents=dependents)
    assert result["pruned"] == [] and "hold on" in result["left"][0]["reason"] and driver.changed == []


def test_a_held_temporary_snapshot_stays() -> None:
    driver = Scene(ours("base"))
    driver.storage.take(home("px-base"), f"pixels.tmp.{DEAD}", held=True)
    result = prune(driver)
    assert result["pruned"] == [] and "hold" in result["left"][0]["reason"]


def test_a_promotion_that_is_impossible_is_found_before() -> None:
    driver = family(Scene(expired("base"), ours("w1"), expired("other")), ("w1", "base"))
    driver.storage.take(home("px-w1"), "pixels-ready")
    result = prune(driver, dependents="promote")
    assert [entry["name"] for entry in result["pruned"]] == ["other"]
    assert result["left"][0]["name"] == "base" and "no snapshot of the same name" in result["left"][0]["reason"]


def test_temporary_snapshot_goes_with_its_last_clone() -> None:
    driver = Scene(ours("base"), ours("w1"))
    snapshot = driver.temporary(home("px-base"), DEAD)
    driver.storage.branch(snapshot, home("px-w1"))
    (pruned,) = prune(driver)["pruned"]
    assert (pruned["name"], pruned["dependents"], pruned["size"]) == (snapshot, ["w1"], None)
    assert driver.storage.find(snapshot).deferred
    assert prune(driver)["pruned"] == []
    driver.delete(driver.containers["px-w1"])
    assert driver.storage.all_snapshots() == []


def test_temporary_snapshot_of_what_goes_anyway_goes_with_it() -> None:
    driver = Scene(expired("base"))
    driver.temporary(home("px-base"), DEAD)
    assert [entry["kind"] for entry in prune(driver)["pruned"]] == ["container"]
    assert driver.storage.data == {}


def test_what_is_parked_beside_it_goes_with_its_container() -> None:
    driver = Scene(expired("base"))
    driver.left(parked("kept.1", "base"), "pixels-first")
    driver.left(parked("old", "base"))
    (pruned,) = prune(driver)["pruned"]
    assert (pruned["name"], pruned["size"]) == ("base", 3000) and driver.storage.data == {}


def test_kept_checkpoints_of_a_living_container_are_not_touched() -> None:
    driver = Scene(ours("base"))
    driver.left(parked("kept.1", "base"), "pixels-first")
    result = prune(driver)
    assert (result["pruned"], result["left"]) == ([], [])


def test_parked_beside_a_container_that_is_not_ours_is_left_and_named() -> None:
    driver = Scene(foreign("base"))
    dataset = driver.left(parked("kept.1", "base"), "pixels-first")
    result = prune(driver)
    assert result["pruned"] == [] and [entry["name"] for entry in result["left"]] == [dataset]
    assert "not ours" in result["left"][0]["reason"]


def test_an_appliance_that_has_lost_its_list_of_containers_loses_no_checkpoints() -> None:
    driver = Scene()
    driver.left(home("px-base"), "pixels-ready")
    kept = driver.left(parked("kept.1", "base"), "pixels-first")
    result = prune(driver)
    assert result["pruned"] == [] and driver.changed == []
    assert [entry["name"] for entry in result["left"]] == [kept] and "it may come back" in result["left"][0]["reason"]


def test_parked_in_a_pool_that_its_container_is_not_in() -> None:
    driver = Scene(ours("base", pool="dozer"))
    dataset = driver.left(parked("kept.1", "base"), "pixels-first")
    (pruned,) = prune(driver)["pruned"]
    assert pruned["name"] == dataset and home("px-base", "dozer") in pruned["reason"]


class TestWithoutContainer:
    """Data sets that were parked, and have clones themselves."""

    def scene(self) -> tuple[Scene, str]:
        driver = Scene(ours("w1"))
        kept = driver.left(parked("kept.1", "gone"), "pixels-first")
        driver.storage.branch(f"{kept}@pixels-first", home("px-w1"))
        return driver, kept

    def test_clones_keep_it(self) -> None:
        driver, kept = self.scene()
        result = prune(driver)
        assert result["pruned"] == [] and result["left"][0]["dependents"] == ["w1"] and kept in driver.storage.data

    def test_clones_are_promoted(self) -> None:
        driver, kept = self.scene()
        assert [entry["name"] for entry in prune(driver, dependents="promote")["pruned"]] == [kept]
        assert set(driver.storage.data) == {home("px-w1")} and driver.storage.all_snapshots() == []
        assert driver.storage.data[home("px-w1")].content == f"data of {kept}"

    def test_in_the_order_in_which_they_can_go(self) -> None:
        driver = Scene()
        kept = driver.left(parked("kept.1", "gone"), "pixels-first")
        second = driver.left(parked("kept.2", "gone"), "pixels-second", origin=f"{kept}@pixels-first")
        third = driver.left(parked("new", "gone"), origin=f"{second}@pixels-second")
        prune(driver, concurrency=8)
        assert deletions(driver) == [third, second, kept]

    def test_container_that_came_from_it_goes_first(self) -> None:
        driver = Scene(expired("w1"))
        kept = driver.left(parked("kept.1", "gone"), "pixels-first")
        driver.storage.branch(f"{kept}@pixels-first", home("px-w1"))
        prune(driver)
        assert deletions(driver) == ["px-w1", kept]


class TestRestores:
    """Restores that were cut short, at each point: they are completed as the restore itself would, and nothing is destroyed that counts."""

    def scene(self, *, running: bool = False) -> Scene:
        driver = Scene(ours("base", "running" if running else "stopped"))
        driver.storage.take(home("px-base"), "pixels-ready")
        return driver

    def test_before_the_swap(self) -> None:
        driver = self.scene(running=True)
        driver.left(parked("new", "base"), origin=f"{home('px-base')}@pixels-ready")
        (pruned,) = prune(driver)["pruned"]
        assert (pruned["kind"], pruned["name"], pruned["action"], pruned["what"]) == ("container", "base", "repair", "half_made")
        assert set(driver.storage.data) == {home("px-base")} and driver.containers["px-base"].running

    def test_in_the_middle_of_the_swap(self) -> None:
        driver = self.scene()
        driver.left(parked("new", "base"), origin=f"{home('px-base')}@pixels-ready")
        driver.storage.rename(home("px-base"), parked("kept.1", "base"))
        driver.storage.take(parked("kept.1", "base"), "pixels-newer")
        (pruned,) = prune(driver)["pruned"]
        assert pruned["action"] == "repair" and "it is stopped" in pruned["reason"]
        assert driver.storage.all_snapshots() == [f"{home('px-base')}@pixels-ready", f"{parked('kept.1', 'base')}@pixels-newer"]
        assert prune(driver)["pruned"] == []

    def test_after_the_swap(self) -> None:
        driver = self.scene()
        driver.storage.rename(home("px-base"), parked("old", "base"))
        driver.left(home("px-base"), origin=f"{parked('old', 'base')}@pixels-ready")
        prune(driver)
        assert set(driver.storage.data) == {home("px-base")}
        assert driver.storage.all_snapshots() == [f"{home('px-base')}@pixels-ready"]

    def test_just_now_it_may_be_at_work(self) -> None:
        driver = self.scene()
        driver.left(parked("new", "base"), origin=f"{home('px-base')}@pixels-ready", born=NOW - 5)
        result = prune(driver)
        assert result["pruned"] == [] and driver.changed == []
        assert "the same restore completes it" in result["left"][0]["reason"]
        assert [entry["action"] for entry in prune(driver, patience=0)["pruned"]] == ["repair"]

    def test_unknown_age_counts_as_just_now(self) -> None:
        driver = self.scene()
        driver.left(parked("new", "base"), origin=f"{home('px-base')}@pixels-ready", born=None)
        assert prune(driver)["pruned"] == [] and prune(driver, patience=0)["changed"]

    def test_data_that_is_gone_is_reported_and_nothing_is_destroyed(self) -> None:
        driver = self.scene()
        driver.storage.rename(home("px-base"), parked("kept.1", "base"))
        driver.calls.clear()
        result = prune(driver)
        assert result["pruned"] == [] and driver.changed == []
        assert result["left"][0]["name"] == "base" and "is missing" in result["left"][0]["reason"]

    def test_one_that_expires_is_not_mended_first(self) -> None:
        driver = Scene(expired("base", DAY))
        driver.left(parked("old", "base"))
        assert [entry["action"] for entry in prune(driver)["pruned"]] == ["destroy"]
        assert driver.storage.data == {}

    def test_work_that_was_taken_up_meanwhile_is_left_alone(self) -> None:
        driver = self.scene()
        new = driver.left(parked("new", "base"), origin=f"{home('px-base')}@pixels-ready")
        original = driver.list

        def listed(prefix: str = "") -> object:
            found = original(prefix)
            driver.storage.drop(new)
            return found

        driver.list = listed  # type: ignore[method-assign]
        result = prune(driver)
        assert result["pruned"] == [] and driver.changed == [] and "somebody is at work" in result["left"][0]["reason"]
