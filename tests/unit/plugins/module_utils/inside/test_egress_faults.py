# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whatever fails on the way leaves the container locked; whatever cuts the way off leaves one that comes up locked, and a second run mends
it. Every call of a program and every file that is written or removed has its turn."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.inside import egress_places as places
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.inside.egress_box import LOCKED_TABLE, Box, Killed, Operation

Boxes = Callable[[], Box]
Begin = Callable[[Box], Box]


def _bare(box: Box) -> Box:
    return box.without_programs()


def _agent(box: Box) -> Box:
    box.with_programs().converge(mode="agent", allow=["one.example.org"])
    return box


# Nothing was touched.
OLD_ONE = "the old one is still in force"

# How the container is at first, and what is asked for then.
WAYS: dict[str, tuple[Begin, dict[str, Any]]] = {
    "from nothing": (_bare, {"mode": "agent"}),
    "lists": (_agent, {"mode": "agent", "allow": ["two.example.org", "git.example.org:22"]}),
    "mode": (_agent, {"mode": "allowlist", "allow": ["two.example.org"], "cut": True}),
}


def _once(at: int, status: int) -> Callable[[int, Operation], int | None]:
    return lambda number, _operation: status if number == at else None


def _killing(box: Box, at: int) -> Callable[[int, Operation], int | None]:
    def trouble(number: int, _operation: Operation) -> int | None:
        return box.killing() if number == at else None

    return trouble


def _steps(make: Boxes, way: str) -> list[tuple[int, Operation]]:
    """Of many files that are written one after the other, the first and the last."""
    begin, wanted = WAYS[way]
    box = begin(make())
    done = box.converge(**wanted)
    assert done.get("failed") is None and box.in_force() == [], (done, box.in_force())
    steps = box.operations
    amid = [all(0 <= near < len(steps) and steps[near][0] == "write" for near in (at - 1, at, at + 1)) for at in range(len(steps))]
    return [(at, operation) for at, operation in enumerate(steps) if not amid[at]]


def _mended(box: Box, wanted: dict[str, Any]) -> list[str]:
    """What is wrong after the same has been asked for once more."""
    again = box.calm().converge(**wanted)
    wrong = [str(again["msg"])] if again.get("failed") else []
    return wrong + box.in_force() + box.plan(**wanted).why


def _locked(box: Box, done: dict[str, Any]) -> list[str]:
    """What is not as it has to be after a failure."""
    if not box.exists(places.LOAD) and _untouched(box):
        return [] if done["locked"] is False and "CANNOT BE LOCKED" in done["msg"] else [f"not honest: {done}"]
    locked = (box.table == LOCKED_TABLE or box.exists(places.LOCKED)) and done["locked"] is True and "is locked" in done["msg"]
    wrong = [] if locked else [f"not locked: {done}"]
    wrong += ["state.json is there"] if box.exists(places.STATE) else []
    wrong += [] if box.exists(places.NOLOGIN) else ["logins are open"]
    return wrong + ([] if box.calls()[-1] == f"{places.LOAD} lock" else [f"the last call was {box.calls()[-1]}"])


def _untouched(box: Box) -> bool:
    """Nothing that the user had has been taken, and nothing of the policy works yet: it is the container that it was."""
    return "sudo" in box.users["pixel"] and box.exists("/etc/sudoers.d/pixels") and box.sessions


def _is_answer(operation: Operation) -> bool:
    """An SSH server that does not run need not be started again."""
    return operation == ("run", "systemctl", "-q", "is-active", "ssh.service")


@pytest.mark.parametrize("way", list(WAYS))
def test_failure_at_any_step_locks_and_the_second_run_completes(boxes: Boxes, way: str) -> None:
    begin, wanted = WAYS[way]
    problems = []
    for at, operation in _steps(boxes, way):
        if _is_answer(operation):
            continue
        box = begin(boxes())
        plan = box.plan(**wanted)
        box.forget()
        box.trouble = _once(at, 1)
        done = box.converge_planned(plan)
        wrong = []
        if not done.get("failed"):
            wrong = [f"reported as done: {text}" for text in box.in_force()]
        elif OLD_ONE not in done["msg"]:
            wrong = _locked(box, done)
        wrong += [f"second run: {text}" for text in _mended(box, wanted)]
        problems += [f"{at} {' '.join(operation)}: {text}" for text in wrong]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("way", list(WAYS))
def test_cut_off_at_any_step_the_next_boot_is_locked_and_the_second_run_completes(boxes: Boxes, way: str) -> None:
    begin, wanted = WAYS[way]
    problems = []
    for at, operation in _steps(boxes, way):
        box = begin(boxes())
        plan = box.plan(**wanted)
        box.forget()
        box.trouble = _killing(box, at)
        with pytest.raises(Killed):
            box.converge_planned(plan)
        # With state.json it has a policy, the one of before at the least.
        wrong = [] if box.exists(places.STATE) or _untouched(box) or box.locked_at_boot() else ["the next boot is open"]
        wrong += [f"second run: {text}" for text in _mended(box, wanted)]
        problems += [f"{at} {' '.join(operation)}: {text}" for text in wrong]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("way", list(WAYS))
def test_when_nothing_works_any_more_that_is_said(boxes: Boxes, way: str) -> None:
    """From some step on every program fails, the one that locks too."""
    begin, wanted = WAYS[way]
    told = 0
    for at, operation in _steps(boxes, way):
        if operation[0] != "run" or _is_answer(operation):
            continue
        box = begin(boxes())
        plan = box.plan(**wanted)
        box.forget()
        box.trouble = lambda number, this, at=at: 1 if number >= at and this[0] == "run" else None
        done = box.converge_planned(plan)
        if done.get("failed") and OLD_ONE not in done["msg"]:
            told += 1
            assert done["locked"] is False and "AND THE CONTAINER CANNOT BE LOCKED" in done["msg"], operation
            assert not box.exists(places.STATE) and box.exists(places.NOLOGIN), operation
        elif not done.get("failed"):
            assert box.in_force() == [], operation
    assert told > 5


def test_cut_off_twice_between_two_policies(boxes: Boxes) -> None:
    """Cut off on the way to another policy, and again on the way back: everybody works with the one that there is in the end."""
    _begin, wanted = WAYS["mode"]
    back = {"mode": "agent", "allow": ["one.example.org"]}
    problems = []
    for at, operation in _steps(boxes, "mode"):
        for second in range(0, 25, 3):
            box = _agent(boxes())
            for options, step in ((wanted, at), (back, second)):
                plan = box.plan(**options)
                box.forget()
                box.trouble = _killing(box, step)
                with contextlib.suppress(Killed):
                    box.converge_planned(plan)
            problems += [f"{at} {' '.join(operation)}, {second}: {text}" for text in _mended(box, back)]
    assert not problems, "\n".join(problems)


def test_state_that_cannot_be_removed_does_not_keep_it_from_locking(restricted: Box) -> None:
    def trouble(_number: int, operation: Operation) -> int | None:
        return 1 if operation == ("remove", places.STATE) or "reload-or-restart" in operation else None

    restricted.trouble = trouble
    done = restricted.converge(mode="agent", allow=["two.example.org"])
    assert done["failed"] and done["locked"] and restricted.table == LOCKED_TABLE
    wanted: dict[str, Any] = {"mode": "agent", "allow": ["two.example.org"]}
    assert _mended(restricted, wanted) == []
