# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Carrying plans out against faults: before a call, after it, half-way; the container ends as wanted or the failure says so."""

from __future__ import annotations

import os
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core.apply import Cancelled, Watch, apply, settled
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError, Foreign
from ansible_collections.pixels.sandbox.plugins.module_utils.core.plan import plan
from ansible_collections.pixels.sandbox.plugins.module_utils.core.wanted import Defaults, Wanted
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.driver import Container, NotReady
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.errors import (
    Busy,
    CallTimeout,
    ConnectionFailed,
    JobFailed,
    OutcomeUnknown,
    PermissionDenied,
    UnknownMethod,
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

DEFAULTS = Defaults(image="debian/12", cpu="2", memory=2048)


def want(state: str = "started", **options: Any) -> Wanted:
    return Wanted(name="task1", state=state, defaults=DEFAULTS, **options)


def go(driver: FakeDriver, wanted: Wanted) -> list[str]:
    current = driver.containers.get(wanted.instance)
    return apply(driver, wanted, current, plan(current, wanted), Watch())


# Each: what is there, what is wanted, the call that it takes, what is there afterwards.
CASES: dict[str, tuple[Container | None, Wanted, str, str | None]] = {
    "create": (None, want(), "create", "running"),
    "create stopped": (None, want("stopped", autostart=False), "create", "stopped"),
    "start": (ours("task1", "stopped"), want(), "start", "running"),
    "stop": (ours("task1"), want("stopped"), "stop", "stopped"),
    "restart": (ours("task1"), want("restarted"), "restart", "running"),
    "update": (ours("task1"), want(cpu="4"), "update", "running"),
    "delete": (ours("task1"), want("absent"), "delete", None),
}


def prepared(case: str) -> tuple[FakeDriver, Wanted, str, str | None]:
    current, wanted, operation, status = CASES[case]
    return FakeDriver(*([current] if current else [])), wanted, operation, status


def assert_there(driver: FakeDriver, wanted: Wanted, status: str | None) -> None:
    found = driver.containers.get("px-task1")
    assert (found.status if found else None) == status
    # As wanted: a second run has nothing to do.
    if wanted.state != "restarted":
        assert not plan(found, wanted).changed


@pytest.mark.parametrize("case", CASES)
class TestFaults:
    def test_without(self, case: str) -> None:
        driver, wanted, operation, status = prepared(case)
        assert len(go(driver, wanted)) == 1
        assert driver.names() == [operation]
        assert_there(driver, wanted, status)

    def test_d31_twice(self, case: str) -> None:
        """D31: what is so already takes no call."""
        driver, wanted, _operation, status = prepared(case)
        if wanted.state == "restarted":
            pytest.skip("a restart is never so already")
        go(driver, wanted)
        driver.calls.clear()
        assert go(driver, wanted) == []
        assert driver.changing_calls == []
        assert_there(driver, wanted, status)

    def test_the_answer_is_lost_after_it_happened(self, case: str) -> None:
        """A look shows that it has happened: it is not done a second time, and it counts as done."""
        driver, wanted, operation, status = prepared(case)
        driver.fail(operation, lost(operation), "after")
        assert len(go(driver, wanted)) == 1
        assert driver.names() == [operation]
        assert_there(driver, wanted, status)

    def test_the_connection_is_lost_before_it_happened(self, case: str) -> None:
        driver, wanted, operation, status = prepared(case)
        driver.fail(operation, lost(operation), "before")
        assert len(go(driver, wanted)) == 1
        assert driver.names() == [operation, operation]
        assert_there(driver, wanted, status)

    def test_the_looking_is_bounded(self, case: str) -> None:
        driver, wanted, operation, _status = prepared(case)
        driver.fail(operation, lost(operation), "before", times=10)
        with pytest.raises(OutcomeUnknown):
            go(driver, wanted)
        assert driver.names() == [operation] * 4

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_a_failed_job_then_the_next_run(self, case: str, when: str) -> None:
        driver, wanted, operation, status = prepared(case)
        driver.fail(operation, job_failed(operation), when)
        try:
            go(driver, wanted)
        except (JobFailed, CoreError):
            go(driver, wanted)
        assert_there(driver, wanted, status)

    @pytest.mark.parametrize(
        "error",
        [
            not_sent("x"),
            CallTimeout("x", 1.0),
            Busy("x", 30.0, "rate limit", 16),
            UnknownMethod("x", code=-32601),
            PermissionDenied("x", code=-32001, errno=13),
            NotReady("ERROR"),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_d28_other_failures_are_failures_and_nothing_follows(self, case: str, error: Exception) -> None:
        """D28: none of them is taken for "done" or "absent", and the next run converges."""
        driver, wanted, operation, status = prepared(case)
        driver.fail(operation, error)
        with pytest.raises(type(error)):
            go(driver, wanted)
        assert driver.names() == [operation]
        go(driver, wanted)
        assert_there(driver, wanted, status)

    def test_a_look_that_fails_ends_it(self, case: str) -> None:
        driver, wanted, operation, _status = prepared(case)
        driver.fail(operation, lost(operation))
        driver.fail("get", NotReady("LOCKED"))
        with pytest.raises(NotReady):
            go(driver, wanted)
        assert driver.names() == [operation]


class TestFirstStart:
    """D30, D21: a create whose first start failed leaves the container."""

    def test_it_is_completed(self) -> None:
        driver = FakeDriver()
        driver.fail("create", job_failed("create"), "half")
        assert go(driver, want()) == ["created", "started"]
        assert driver.names() == ["create", "start"]
        assert_there(driver, want(), "running")

    def test_it_fails_again_and_the_next_run_completes_it(self) -> None:
        driver = FakeDriver()
        driver.fail("create", job_failed("create"), "half")
        driver.fail("start", job_failed("start"))
        with pytest.raises(JobFailed) as caught:
            go(driver, want())
        assert caught.value.actions == ["created"]  # type: ignore[attr-defined]
        assert go(driver, want()) == ["started"]

    def test_a_lost_connection_half_way(self) -> None:
        driver = FakeDriver()
        driver.fail("create", lost("create"), "half")
        assert go(driver, want()) == ["created", "started"]
        assert_there(driver, want(), "running")

    def test_a_name_that_was_taken_meanwhile_by_us(self) -> None:
        """An earlier run's create went on after it was killed."""
        driver = FakeDriver()
        driver.on_call = lambda operation, name: driver.containers.setdefault(name, ours("task1", "stopped"))
        driver.fail("create", ValidationFailed("virt.instance.create", fields=[("name", "already exists", 22)], code=-32602, errno=22))
        assert go(driver, want()) == ["created", "started"]

    def test_a_name_that_was_taken_meanwhile_by_others(self) -> None:
        driver = FakeDriver()
        driver.on_call = lambda operation, name: driver.containers.setdefault(name, foreign("task1"))
        driver.fail("create", ValidationFailed("virt.instance.create", fields=[("name", "already exists", 22)], code=-32602, errno=22))
        with pytest.raises(Foreign):
            go(driver, want())
        assert driver.names() == ["create"]
        assert driver.containers["px-task1"] == foreign("task1")

    def test_a_refused_create_is_not_repeated(self) -> None:
        driver = FakeDriver()
        driver.fail("create", ValidationFailed("virt.instance.create", fields=[("memory", "too much", 22)], code=-32602, errno=22))
        with pytest.raises(ValidationFailed, match="memory: too much"):
            go(driver, want())
        assert driver.names() == ["create"]

    def test_an_image_that_does_not_exist_gets_the_list(self) -> None:
        driver = FakeDriver()
        driver.fail("create", job_failed("create"))
        with pytest.raises(CoreError, match=r"debian/99 is not listed.*debian/bookworm/default") as caught:
            go(driver, want(image="debian/99"))
        assert caught.value.result["error"]["type"] == "JobFailed"


class TestRecreate:
    WANTED = want(image="debian/13", recreate=True)

    def test_in_order(self) -> None:
        driver = FakeDriver(ours("task1", environment={"A": "b"}))
        assert go(driver, self.WANTED) == ["destroyed", "created"]
        assert_there(driver, self.WANTED, "running")

    @pytest.mark.parametrize("operation", ["delete", "create"])
    @pytest.mark.parametrize("when", ["before", "after", "half"])
    def test_an_unknown_outcome_loses_no_setting(self, operation: str, when: str) -> None:
        """What was not set is copied from the old container, which is gone by the time of the second look."""
        driver = FakeDriver(ours("task1", environment={"A": "b"}, cpu="7", autostart=False))
        driver.fail(operation, lost(operation), when)
        go(driver, self.WANTED)
        made = driver.containers["px-task1"]
        assert (made.cpu, made.environment["A"], made.autostart, made.status) == ("7", "b", False, "running")
        assert_there(driver, self.WANTED, "running")

    def test_nothing_is_made_when_the_delete_failed(self) -> None:
        driver = FakeDriver(ours("task1"))
        driver.fail("delete", job_failed("delete"))
        with pytest.raises(JobFailed):
            go(driver, self.WANTED)
        assert driver.names() == ["delete"]


class TestStop:
    @pytest.mark.parametrize("error", [job_failed("stop"), ConnectionFailed("gone"), PermissionDenied("stop", code=-32001, errno=13)])
    def test_d12_nothing_destructive_follows_a_failed_stop(self, error: Exception) -> None:
        """D12: an error at stop is an error, whatever it is."""
        driver = FakeDriver(ours("task1"))
        driver.fail("stop", error)
        with pytest.raises(type(error)):
            go(driver, want("stopped"))
        assert driver.names() == ["stop"]
        assert driver.containers["px-task1"].status == "running"

    def test_an_update_that_failed_is_not_followed_by_a_stop(self) -> None:
        driver = FakeDriver(ours("task1"))
        driver.fail("update", job_failed("update"))
        with pytest.raises(JobFailed):
            go(driver, want("stopped", cpu="4"))
        assert driver.names() == ["update"]

    def test_the_options_arrive(self) -> None:
        driver = FakeDriver(ours("task1"))
        go(driver, want("stopped", stop_timeout=7, force=False))
        assert driver.changing_calls == [("stop", "px-task1", 7, False)]


class TestSettled:
    def test_a_container_on_its_way_is_waited_for(self) -> None:
        driver = FakeDriver(ours("task1", "starting"))
        looks = iter(["starting", "running"])

        class Slow(FakeDriver):
            def get(self, name: str) -> Container | None:
                return ours("task1", next(looks))

        found = settled(Slow(), "px-task1", Watch(), driver.containers["px-task1"])
        assert found is not None
        assert found.status == "running"

    def test_not_for_ever(self) -> None:
        with pytest.raises(CoreError, match="still stopping after 0 s"):
            settled(FakeDriver(ours("task1", "stopping")), "px-task1", Watch(), timeout=0.0)

    def test_an_interrupt_ends_the_waiting(self) -> None:
        watch = Watch()
        watch.cancelled.set()
        with pytest.raises(Cancelled):
            settled(FakeDriver(ours("task1", "stopping")), "px-task1", watch)


def test_an_interrupt_ends_between_two_steps() -> None:
    driver = FakeDriver(ours("task1"))
    watch = Watch()
    driver.on_call = lambda operation, name: watch.cancelled.set()
    wanted = want("stopped", cpu="4")
    current = driver.containers["px-task1"]
    with pytest.raises(Cancelled):
        apply(driver, wanted, current, plan(current, wanted), watch)
    assert driver.names() == ["update"]


def test_a_task_whose_run_was_killed_does_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next run may be at work on the same container by then."""
    driver = FakeDriver(ours("task1"))
    watch = Watch(parent=os.getppid())
    driver.on_call = lambda operation, name: monkeypatch.setattr(os, "getppid", lambda: 1)
    wanted = want("stopped", cpu="4")
    current = driver.containers["px-task1"]
    with pytest.raises(Cancelled, match="gone"):
        apply(driver, wanted, current, plan(current, wanted), watch)
    assert driver.names() == ["update"]
    with pytest.raises(Cancelled, match="gone"):
        watch.pause(0)
    Watch(parent=None).check()
