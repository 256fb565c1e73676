# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sources: found and judged before anything is made, and the snapshots of a present state, of which none is left behind."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import labels, lease
from ansible_collections.pixels.sandbox.plugins.module_utils.core.clone import NoSource, Sources
from ansible_collections.pixels.sandbox.plugins.module_utils.core.wanted import Source
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.errors import AlreadyExists
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.fake_driver import FakeDriver, foreign, not_sent, ours
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.fake_storage import home

DEAD = "00000000-1-1-1"


@pytest.fixture
def warnings() -> list[str]:
    return []


def sources(driver: FakeDriver, warnings: list[str] | None = None) -> Sources:
    return Sources(driver, dict(driver.containers), (warnings if warnings is not None else []).append)  # type: ignore[arg-type]


def driver_with(*names: str, **options: Any) -> FakeDriver:
    return FakeDriver(*(ours(name, **options) for name in names))


class TestFind:
    def test_one_call_for_all(self) -> None:
        driver = driver_with("base", "other")
        driver.storage.take(home("px-base"), "pixels-ready")
        driver.storage.take(home("px-other"), "pixels-v1")
        found = sources(driver).find([Source("base", "ready"), Source("other", "v1"), Source("base"), Source("base", "ready")])
        assert {source.text: origin.snapshot for source, origin in found.items()} == {
            "base:ready": f"{home('px-base')}@pixels-ready",
            "other:v1": f"{home('px-other')}@pixels-v1",
            "base": None,
        }
        assert [call[0] for call in driver.calls] == ["snapshots"]

    def test_d32_in_the_pool_of_the_source(self) -> None:
        """D32: a source on a second pool."""
        driver = driver_with("base", pool="dozer")
        driver.storage.take(home("px-base", "dozer"), "pixels-ready")
        found = sources(driver).find([Source("base", "ready")])
        assert found[Source("base", "ready")].snapshot == "dozer/.ix-virt/containers/px-base@pixels-ready"

    def test_one_that_a_restore_has_kept(self) -> None:
        driver = driver_with("base")
        kept = labels.kept_prefix("tank/.ix-virt", "px-base") + "1"
        driver.storage.put(kept, "older")
        driver.storage.take(kept, "pixels-later")
        found = sources(driver).find([Source("base", "later")])
        assert found[Source("base", "later")].snapshot == f"{kept}@pixels-later"

    def test_d14_a_label_that_is_not_there(self) -> None:
        """D14: the labels there are, the newest first; nobody else's snapshots are among them."""
        driver = driver_with("base")
        for name in ("pixels-v1", "auto-2026-11-23_00-00", "px-clone-w1", "pixels-v2", f"pixels.tmp.{DEAD}"):
            driver.storage.take(home("px-base"), name)
        with pytest.raises(NoSource, match=r"base has no checkpoint ready; it has v2, v1\. Nothing was made") as caught:
            sources(driver).find([Source("base", "ready")])
        assert caught.value.result["labels"] == ["v2", "v1"]
        for label in ("auto-2026-11-23_00-00", "px-clone-w1"):
            with pytest.raises(NoSource):
                sources(driver).find([Source("base", label)])

    def test_one_that_is_destroyed_already(self) -> None:
        driver = driver_with("base", "w1")
        snap = driver.storage.take(home("px-base"), "pixels-ready")
        snap.deferred = True
        with pytest.raises(NoSource, match="it has none"):
            sources(driver).find([Source("base", "ready")])

    @pytest.mark.parametrize(
        ("driver", "said"),
        [
            (FakeDriver(), r"there is no container base \(px-base\)"),
            (FakeDriver(foreign("base")), "not ours"),
            (driver_with("base", mark={"making": DEAD}), "half-made itself"),
        ],
        ids=["missing", "foreign", "half-made"],
    )
    @pytest.mark.parametrize("label", ["ready", None])
    def test_d14_a_source_that_cannot_be_cloned(self, driver: FakeDriver, said: str, label: str | None) -> None:
        with pytest.raises(NoSource, match=said):
            sources(driver).find([Source("base", label)])
        assert driver.changing_calls == []

    def test_one_that_the_task_destroys(self) -> None:
        with pytest.raises(NoSource, match="this very task"):
            sources(driver_with("base")).find([Source("base")], {"px-base"})

    def test_all_that_is_wrong_is_told_at_once(self) -> None:
        with pytest.raises(NoSource, match=r"from=nobody: there is.*from=base:x: base has no"):
            sources(driver_with("base")).find([Source("nobody"), Source("base", "x")])


class TestPresentState:
    def test_one_for_all_clones(self) -> None:
        driver = driver_with("base")
        found = sources(driver)
        found.find([Source("base")])
        first = found.take(Source("base"), "w1")
        assert found.take(Source("base"), "w2") == first
        (snapshot,) = driver.storage.all_snapshots()
        assert first.snapshot == snapshot
        token = labels.token_of(snapshot.partition("@")[2])
        assert token is not None and lease.is_mine(token)

    def test_d15_it_goes_with_the_last_clone(self) -> None:
        """D15: no clone leaves a snapshot behind in its source."""
        driver = driver_with("base")
        found = sources(driver)
        found.find([Source("base")])
        snapshot = found.take(Source("base"), "w1").snapshot or ""
        found.take(Source("base"), "w2")
        for name in ("w1", "w2"):
            driver.storage.branch(snapshot, home(f"px-{name}"))
            assert "destroy_snapshot" not in driver.names()
            found.made(name)
        assert driver.storage.find(snapshot).deferred
        driver.storage.drop(home("px-w1"))
        assert driver.storage.all_snapshots() == [snapshot]
        driver.storage.drop(home("px-w2"))
        assert driver.storage.all_snapshots() == []

    def test_where_none_was_made(self) -> None:
        driver = driver_with("base")
        found = sources(driver)
        found.find([Source("base")])
        found.take(Source("base"), "w1")
        found.release()
        assert driver.storage.all_snapshots() == []
        found.release()
        found.made("w1")
        assert driver.names().count("destroy_snapshot") == 1

    def test_a_failure_to_take_it_leaves_none(self) -> None:
        driver = driver_with("base")
        found = sources(driver)
        found.find([Source("base")])
        driver.fail("snapshot", not_sent("pool.snapshot.create"), "after")
        with pytest.raises(Exception, match="no connection"):
            found.take(Source("base"), "w1")
        found.release()
        assert driver.storage.all_snapshots() == []

    def test_a_name_that_is_taken(self) -> None:
        driver = driver_with("base")
        driver.fail("snapshot", AlreadyExists("x"), times=2)
        found = sources(driver)
        found.find([Source("base")])
        snapshot = found.take(Source("base"), "w1").snapshot or ""
        token = labels.token_of(snapshot.partition("@")[2])
        assert token is not None and lease.is_mine(token) and not lease.is_over(token)
        found.release()
        assert driver.storage.all_snapshots() == []

    def test_a_removal_that_fails_is_told(self, warnings: list[str]) -> None:
        driver = driver_with("base")
        found = sources(driver, warnings)
        found.find([Source("base")])
        found.take(Source("base"), "w1")
        driver.fail("destroy_snapshot", not_sent("pool.snapshot.delete"))
        found.release()
        assert len(warnings) == 1 and "could not be removed" in warnings[0]


class TestTidy:
    def test_what_dead_runs_have_left(self) -> None:
        driver = driver_with("base")
        alive = f"pixels.tmp.{lease.token()}"
        for name in (f"pixels.tmp.{DEAD}", alive, "pixels-ready", "auto-x", "pixels.tmp.garbage"):
            driver.storage.take(home("px-base"), name)
        found = sources(driver)
        found.find([Source("base", "ready")])
        found.tidy([Source("base", "ready")])
        kept = [entry.partition("@")[2] for entry in driver.storage.all_snapshots()]
        assert sorted(kept) == sorted([alive, "pixels-ready", "auto-x"])

    def test_one_with_clones_waits_for_the_last_of_them(self) -> None:
        driver = driver_with("base")
        snap = driver.storage.take(home("px-base"), f"pixels.tmp.{DEAD}")
        driver.storage.branch(snap.id, home("px-w1"))
        for _run in range(2):
            found = sources(driver)
            found.find([Source("base")])
            found.tidy([Source("base")])
        assert snap.deferred
        assert driver.names() == ["destroy_snapshot"]
