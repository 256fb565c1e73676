# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Making clones against faults: each ends as a whole clone, or as none, and says so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import lease, marker
from ansible_collections.pixels.sandbox.plugins.module_utils.core.apply import Watch, apply
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError, Foreign
from ansible_collections.pixels.sandbox.plugins.module_utils.core.plan import plan
from ansible_collections.pixels.sandbox.plugins.module_utils.core.wanted import Defaults, Origin, Source, Wanted
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.errors import DriverError
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.errors import (
    ApiError,
    Busy,
    CallTimeout,
    JobFailed,
    OutcomeUnknown,
    PermissionDenied,
    ValidationFailed,
)
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.fake_driver import (
    FakeDriver,
    foreign,
    job_failed,
    lost,
    not_sent,
    ours,
)
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.fake_storage import home

DEFAULTS = Defaults(image="debian/12")
TAKEN = ValidationFailed("virt.instance.create", fields=[("name", "already exists", 22)], code=-32602, errno=22)


def base_driver() -> tuple[FakeDriver, str]:
    driver = FakeDriver(ours("base"))
    return driver, driver.storage.take(home("px-base"), "pixels-ready").id


def want(driver: FakeDriver, state: str = "started", **options: Any) -> Wanted:
    origin = Origin(driver.containers["px-base"], f"{home('px-base')}@pixels-ready")
    return Wanted(name="w1", state=state, defaults=DEFAULTS, source=Source("base", "ready"), origin=origin, **options)


def go(driver: FakeDriver, wanted: Wanted) -> list[str]:
    current = driver.containers.get(wanted.instance)
    return apply(driver, wanted, current, plan(current, wanted), Watch())


def assert_whole(driver: FakeDriver, status: str = "running") -> None:
    found = driver.containers["px-w1"]
    mark = marker.read(found.environment)
    assert mark is not None and (mark.making, mark.source) == (None, "base:ready")
    assert (found.status, found.autostart) == (status, True)
    assert driver.storage.data[home("px-w1")].content == "data of px-base"


def assert_nothing(driver: FakeDriver) -> None:
    assert sorted(driver.containers) == ["px-base"]
    assert sorted(driver.storage.data) == [home("px-base")]


class TestSequence:
    def test_the_calls(self) -> None:
        driver, snapshot = base_driver()
        wanted = want(driver)
        assert go(driver, wanted) == ["cloned", "started"]
        assert driver.names() == ["clone", "update", "start"]
        _clone, _name, spec, cloned = driver.changing_calls[0]
        made_with = marker.read(spec.environment)
        assert cloned == snapshot
        assert made_with is not None and lease.is_mine(made_with.making or "") and spec.autostart is False
        assert_whole(driver)
        assert plan(driver.containers["px-w1"], wanted).steps == ()

    def test_not_started(self) -> None:
        driver, _snapshot = base_driver()
        assert go(driver, want(driver, "present")) == ["cloned"]
        assert driver.names() == ["clone", "update"]
        assert_whole(driver, "stopped")

    def test_the_mark_says_half_made_until_the_data_is_there(self) -> None:
        driver, _snapshot = base_driver()
        seen: list[tuple[str, bool]] = []

        def look(operation: str, name: str) -> None:
            container = driver.containers.get("px-w1")
            if operation in ("update", "start") and container is not None:
                mark = marker.read(container.environment)
                seen.append((operation, mark is not None and mark.making is not None))

        driver.on_call = look
        go(driver, want(driver))
        assert seen == [("update", True), ("start", False)]

    def test_its_source_is_free_again_while_it_is_still_half_made(self) -> None:
        """Killed after that, the next run finds it half-made and comes back to the source; killed later, nothing is left there."""
        driver, _snapshot = base_driver()
        wanted = want(driver)
        told: list[list[str]] = []
        apply(driver, wanted, None, plan(None, wanted), Watch(), None, lambda: told.append(driver.names()))
        assert told == [["clone"]]


class TestDestroyedMeanwhile:
    """By another run, between its making and its data: that is nobody's then."""

    def other(self, driver: FakeDriver, again: bool = False) -> None:
        clone = driver.clone

        def cloned(spec: Any, snapshot: str, *, on_progress: Any = None) -> None:
            clone(spec, snapshot)
            theirs = replace(driver.containers.pop("px-w1"), environment={marker.KEY: marker.Marker(id="0" * 16).text()})
            if again:
                driver.containers["px-w1"] = theirs

        driver.clone = cloned  # type: ignore[method-assign]

    def test_the_data_goes(self) -> None:
        driver, _snapshot = base_driver()
        self.other(driver)
        with pytest.raises(CoreError, match="vanished"):
            go(driver, want(driver))
        assert_nothing(driver)

    def test_unless_there_is_a_container_again(self) -> None:
        driver, _snapshot = base_driver()
        self.other(driver, again=True)
        with pytest.raises(CoreError, match="replaced"):
            go(driver, want(driver))
        assert home("px-w1") in driver.storage.data


LOST = [("clone", "before"), ("clone", "half"), ("clone", "after"), ("update", "before"), ("update", "after"), ("start", "before"),
        ("start", "after")]  # fmt: skip


@pytest.mark.parametrize(("operation", "when"), LOST)
class TestFaults:
    def test_a_lost_answer(self, operation: str, when: str) -> None:
        """What is there decides: data that may be incomplete is made anew, data that is known to be there is not made twice."""
        driver, _snapshot = base_driver()
        driver.fail(operation, lost(operation), when)
        assert go(driver, want(driver)) == ["cloned", "started"]
        assert_whole(driver)
        assert driver.names().count("clone") == (2 if operation == "clone" else 1)
        assert driver.names().count("start") == (2 if (operation, when) == ("start", "before") else 1)

    @pytest.mark.parametrize(
        "error",
        [
            job_failed("x"),
            not_sent("x"),
            CallTimeout("x", 1.0),
            Busy("x", 30.0, "rate limit", 16),
            PermissionDenied("x", code=-32001, errno=13),
            DriverError("it vanished"),
            ValidationFailed("x", fields=[(None, "no", 22)], code=-32602, errno=22),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_d13_a_failure_leaves_nothing_half_made(self, operation: str, when: str, error: Exception) -> None:
        """D13: neither a container without data nor one that nobody would complete; the same play again makes it."""
        driver, _snapshot = base_driver()
        driver.fail(operation, error, when)
        wanted = want(driver)
        try:
            go(driver, wanted)
        except (CoreError, ApiError, DriverError) as failure:
            if operation == "start" or (operation, when) == ("update", "after"):
                # Nothing of it is missing, it only has to be started.
                assert_whole(driver, driver.containers["px-w1"].status)
            else:
                assert_nothing(driver)
                assert str(error) in str(failure)
                if "px-w1" in [call[1] for call in driver.changing_calls if call[0] == "delete"]:
                    assert "half-made container was removed" in str(failure)
            go(driver, wanted)
        assert_whole(driver)

    def test_the_next_run_after_a_kill(self, operation: str, when: str, monkeypatch: pytest.MonkeyPatch) -> None:
        class Killed(BaseException):
            pass

        driver, _snapshot = base_driver()
        driver.fail(operation, Killed(), when)  # type: ignore[arg-type]
        wanted = want(driver)
        with pytest.raises(Killed):
            go(driver, wanted)
        # By then it is another process.
        monkeypatch.setattr(lease, "is_mine", lambda text: False)
        monkeypatch.setattr(lease, "is_over", lambda text, now=None: True)
        half = "px-w1" in driver.containers and (marker.read(driver.containers["px-w1"].environment) or marker.Marker()).making is not None
        monkeypatch.setattr(lease, "is_mine", lambda text: True)
        done = go(driver, replace(wanted, id="another"))
        assert ("destroyed" in done) is half
        assert_whole(driver)


class TestCleaningUp:
    def test_it_is_bounded_and_ends_with_nothing(self) -> None:
        driver, _snapshot = base_driver()
        driver.fail("clone", lost("clone"), "half", times=10)
        with pytest.raises(CoreError, match="half-made container was removed") as caught:
            go(driver, want(driver))
        assert caught.value.result["error"]["type"] == "OutcomeUnknown"
        assert isinstance(caught.value.__cause__, OutcomeUnknown)
        assert driver.names().count("clone") == 4
        assert_nothing(driver)

    def test_both_failures_are_told(self) -> None:
        driver, _snapshot = base_driver()
        driver.fail("clone", PermissionDenied("zfs.dataset.delete", code=-32001, errno=13), "half")
        driver.fail("delete", not_sent("virt.instance.delete"))
        with pytest.raises(CoreError, match=r"may not do this.*could not be removed \(virt.instance.delete: no connection\)") as caught:
            go(driver, want(driver))
        assert caught.value.result["error"]["method"] == "zfs.dataset.delete"
        assert go(driver, want(driver)) == ["destroyed", "cloned", "started"]
        assert_whole(driver)

    def test_one_that_somebody_has_started_is_not_removed(self) -> None:
        driver, _snapshot = base_driver()

        def start(operation: str, name: str) -> None:
            if operation == "update":
                driver.containers["px-w1"] = replace(driver.containers["px-w1"], status="running")

        driver.on_call = start
        driver.fail("update", not_sent("update"))
        with pytest.raises(ApiError):
            go(driver, want(driver))
        assert "delete" not in driver.names()

    def test_a_name_that_was_taken_meanwhile_by_others(self) -> None:
        driver, _snapshot = base_driver()
        driver.on_call = lambda operation, name: operation == "clone" and driver.containers.setdefault(name, foreign("w1"))
        driver.fail("clone", TAKEN)
        with pytest.raises(Foreign):
            go(driver, want(driver))
        assert driver.containers["px-w1"] == foreign("w1")
        assert driver.names() == ["clone"]

    def test_a_name_that_was_taken_meanwhile_by_another_run(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its half-made container is its own business as long as it is at work."""
        driver, _snapshot = base_driver()
        theirs = ours("w1", "stopped", mark={"making": "theirs", "source": "base:ready", "id": "bbbb"})
        monkeypatch.setattr(lease, "is_over", lambda text, now=None: text != "theirs")
        driver.on_call = lambda operation, name: operation == "clone" and driver.containers.setdefault(name, theirs)
        driver.fail("clone", TAKEN)
        with pytest.raises(CoreError, match="being made at this moment"):
            go(driver, want(driver))
        assert driver.containers["px-w1"] == theirs
        assert driver.names() == ["clone"]

    def test_another_run_was_faster(self) -> None:
        driver, _snapshot = base_driver()
        theirs = ours("w1", "stopped", mark={"source": "base:ready", "id": "bbbb"})
        driver.on_call = lambda operation, name: operation == "clone" and driver.containers.setdefault(name, theirs)
        driver.fail("clone", TAKEN)
        assert go(driver, want(driver))[-1] == "started"
        assert driver.names() == ["clone", "start"]

    def test_replaced_by_somebody_else_right_after(self) -> None:
        driver, _snapshot = base_driver()
        work = driver.clone

        def clone(*arguments: Any, **options: Any) -> None:
            work(*arguments, **options)
            driver.containers["px-w1"] = foreign("w1", "stopped")

        driver.clone = clone  # type: ignore[method-assign]
        with pytest.raises(CoreError, match="somebody else is at work"):
            go(driver, want(driver))
        assert driver.containers["px-w1"] == foreign("w1", "stopped")


class TestCreateInTwoSteps:
    """A stopped container that is to start with the appliance: the setting comes after the create."""

    def want(self) -> Wanted:
        return Wanted(name="w1", state="present", defaults=DEFAULTS)

    @pytest.mark.parametrize(("operation", "when"), [("create", "before"), ("create", "after"), ("update", "before"), ("update", "after")])
    def test_a_lost_answer(self, operation: str, when: str) -> None:
        driver = FakeDriver()
        driver.fail(operation, lost(operation), when)
        assert go(driver, self.want()) == ["created"]
        found = driver.containers["px-w1"]
        assert (found.autostart, found.status, (marker.read(found.environment) or marker.Marker()).making) == (True, "stopped", None)

    def test_a_failed_second_step(self) -> None:
        driver = FakeDriver()
        driver.fail("update", job_failed("update"))
        with pytest.raises(CoreError, match="half-made container was removed"):
            go(driver, self.want())
        assert driver.containers == {}

    def test_a_failed_job_that_left_it(self) -> None:
        driver = FakeDriver()
        driver.fail("create", JobFailed("virt.instance.create", job_id=1, state="FAILED", error="no"), "after")
        with pytest.raises(CoreError, match="half-made container was removed"):
            go(driver, self.want())
        assert go(driver, self.want()) == ["created"]
