# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Several at once: results in order, failures to themselves, lines for what takes long."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError
from ansible_collections.pixels.sandbox.plugins.module_utils.core.fleet import Herald, collect, failure, in_parallel
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.api import Progress
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.errors import ValidationFailed


class TestParallel:
    def test_order_and_failures(self) -> None:
        def work(name: str) -> str:
            if name == "b":
                raise CoreError("b is bad")
            return name.upper()

        results = in_parallel(["c", "b", "a"], work, 2, threading.Event())
        assert list(results) == ["c", "b", "a"]
        assert (results["c"], results["a"]) == ("C", "A")
        assert isinstance(results["b"], CoreError)

    def test_so_many_at_a_time_and_no_more(self) -> None:
        """Four meet at a barrier, so four work at once; a fifth at the same time would be counted."""
        barrier = threading.Barrier(4, timeout=10)
        now, most, lock = [0], [0], threading.Lock()

        def work(_name: str) -> None:
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            barrier.wait()
            with lock:
                now[0] -= 1

        results = in_parallel([str(number) for number in range(8)], work, 4, threading.Event())
        assert not any(isinstance(result, Exception) for result in results.values())
        assert most[0] == 4

    def test_an_interrupt_is_passed_on_and_tells_the_others(self) -> None:
        cancelled = threading.Event()

        def work(name: str) -> None:
            if name == "a":
                raise KeyboardInterrupt
            cancelled.wait(10)

        with pytest.raises(KeyboardInterrupt):
            in_parallel(["a", "b"], work, 2, cancelled)
        assert cancelled.is_set()


class TestResults:
    def test_one(self) -> None:
        entry = {"name": "a", "changed": True}
        assert collect([entry]) == {"changed": True, "containers": [entry], "container": entry}

    def test_one_that_failed(self) -> None:
        result = collect([failure("a", "px-a", CoreError("broken", status="error"))])
        assert (result["failed"], result["msg"], result["container"]["status"]) == (True, "broken", "error")
        assert result["error"]["type"] == "CoreError"

    def test_some_that_failed_are_named(self) -> None:
        result = collect(
            [{"name": "a", "changed": True}, failure("b", "px-b", CoreError("broken")), failure("c", "px-c", CoreError("worn"))]
        )
        assert result["msg"] == "2 of 3 containers failed: b: broken; c: worn"
        assert result["changed"] is True
        assert "container" not in result

    def test_a_failure_tells_its_parts(self) -> None:
        error = ValidationFailed("virt.instance.create", fields=[("x.memory", "too much", 22)], code=-32602, errno=22)
        error.actions = ["destroyed"]  # type: ignore[attr-defined]
        entry = failure("a", "px-a", error)
        assert entry["error"] == {
            "type": "ValidationFailed",
            "method": "virt.instance.create",
            "code": -32602,
            "errno": 22,
            "fields": [["x.memory", "too much", 22]],
        }
        assert (entry["changed"], entry["actions"]) == (True, ["destroyed"])


class TestHerald:
    @pytest.fixture
    def lines(self) -> list[str]:
        return []

    @pytest.fixture
    def clock(self) -> list[float]:
        return [0.0]

    @pytest.fixture
    def herald(self, lines: list[str], clock: list[float]) -> Herald:
        return Herald(lines.append, lambda: clock[0])

    def test_what_is_quick_is_not_announced(self, herald: Herald, lines: list[str], clock: list[float]) -> None:
        herald.doing("a", "starting")
        clock[0] = 2.9
        herald.look()
        herald.done("a")
        clock[0] = 10
        herald.look()
        assert lines == []

    def test_what_takes_long_is_announced_now_and_then(self, herald: Herald, lines: list[str], clock: list[float]) -> None:
        herald.doing("a", "starting")
        for second in range(20):
            clock[0] = second
            herald.look()
        assert lines == ["a: starting (3 s)", "a: starting (18 s)"]

    def test_a_fleet_tells_who_is_through(self, herald: Herald, lines: list[str], clock: list[float]) -> None:
        """And gives each more time before it says what that one is doing."""
        herald.fleet = 3
        herald.doing("a", "starting")
        herald.through("b", "cloned, started")
        for second in range(1, 12):
            clock[0] = second
            herald.look()
        herald.through("a", "failed")
        assert lines == ["a: starting (10 s)", "a: failed (2 of 3)"]

    def test_a_single_one_is_told_by_the_task(self, herald: Herald, lines: list[str], clock: list[float]) -> None:
        clock[0] = 20
        herald.through("a", "created")
        assert lines == []

    def test_a_new_step_starts_anew(self, herald: Herald, lines: list[str], clock: list[float]) -> None:
        herald.doing("a", "creating")
        clock[0] = 2
        herald.doing("a", "starting")
        clock[0] = 4
        herald.look()
        assert lines == []

    def test_progress_is_the_same_step(self, herald: Herald, lines: list[str], clock: list[float]) -> None:
        watch = herald.watch("a", threading.Event())
        watch.doing("creating from debian/12")
        clock[0] = 2
        assert watch.on_progress is not None
        watch.on_progress(Progress(40, "rootfs"))
        clock[0] = 3
        herald.look()
        assert lines == ["a: creating from debian/12: 40% rootfs (3 s)"]

    def test_its_thread_ends(self, herald: Herald, lines: list[str]) -> None:
        with herald:
            pass
        assert not any(thread.name == "herald" for thread in threading.enumerate())


def test_a_secret_is_no_part_of_a_failure() -> None:
    """Only what is listed is taken over from an exception."""
    error: Any = CoreError("x")
    error.api_key = "1-secret"
    assert "1-secret" not in str(failure("a", "px-a", error))
