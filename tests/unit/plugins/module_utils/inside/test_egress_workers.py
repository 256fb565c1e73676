# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The workers of the proxy by their age: with it is decided whose connections end."""

from __future__ import annotations

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.inside import egress_places as places
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.egress_proxy import old_workers, workers
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.inside.egress_box import Box


def started(box: Box, pid: str, ticks: int, name: str = "haproxy") -> None:
    """As the kernel tells it: the time is the 22nd field, and the name may have anything in it."""
    box._put(f"/proc/{pid}/stat", f"{pid} ({name}) S 99 " + " ".join(str(number) for number in range(5, 22)) + f" {ticks} 23 24\n")


def test_the_oldest_is_the_first(box: Box) -> None:
    box.workers = ["102", "100", "101"]
    for pid, ticks in (("100", 5000), ("101", 6000), ("102", 70000)):
        started(box, pid, ticks)
    assert workers(box) == ["100", "101", "102"]
    assert old_workers(box) == ["100", "101"]


def test_numbers_that_have_begun_anew(box: Box) -> None:
    box.workers = ["7", "32000"]
    started(box, "32000", 5000)
    started(box, "7", 6000)
    assert workers(box) == ["32000", "7"]
    assert old_workers(box) == ["32000"]


@pytest.mark.parametrize("name", ["a b", "x) S 1 2 3 (", ") ) )"])
def test_name_with_blanks_and_brackets(box: Box, name: str) -> None:
    box.workers = ["7", "8"]
    started(box, "7", 900, name)
    started(box, "8", 100)
    assert workers(box) == ["8", "7"]


def test_times_are_numbers_not_texts(box: Box) -> None:
    box.workers = ["7", "8"]
    started(box, "7", 1000)
    started(box, "8", 999)
    assert workers(box) == ["8", "7"]


def test_without_times_the_numbers_decide(box: Box) -> None:
    box.workers = ["101", "9", "100"]
    assert workers(box) == ["9", "100", "101"]


def test_one_worker_is_the_newest(box: Box) -> None:
    box.workers = ["100"]
    assert (workers(box), old_workers(box)) == (["100"], [])


@pytest.mark.parametrize("said", ["0\n", "\n", ""])
def test_proxy_that_does_not_run_has_none(box: Box, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    """Number 0 would be everybody's parent."""
    monkeypatch.setattr(box, "_shown", lambda _properties, _units: said)
    assert workers(box) == old_workers(box) == []
    assert not any(call.startswith("pgrep") for call in box.calls())


def test_only_children_of_the_proxy_s_own_process(box: Box) -> None:
    workers(box)
    assert box.calls() == [f"systemctl show -p MainPID --value {places.PROXY}", "pgrep -P 99 -x haproxy"]


@pytest.mark.parametrize("program", ["pgrep", "systemctl"])
def test_complaint_is_no_number(box: Box, program: str) -> None:
    """What a program says that fails is not taken for an answer."""
    box.trouble = lambda _number, operation: 127 if operation[1] == program else None
    assert workers(box) == old_workers(box) == []
