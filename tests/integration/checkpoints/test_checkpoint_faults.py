# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every changing call, and everything that can go wrong with it: the task succeeds or says what has become of the container, which is as it
was or runs; the same task again converges, and nothing is left over.
"""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest
from playbook import Playbooks
from running_lab import RunningLab

FAULTS: dict[str, dict[str, Any]] = {"drop_before": {}, "drop_after": {}, "refuse": {}, "restart": {"seconds": 0.3}}
LABELS = {"old": "old", "ready": "prepared", "later": "later"}
KEPT = {**LABELS, "branch": "branch"}

# The restores, by name: options, the changing calls in their order, and the checkpoints afterwards.
Variant = tuple[dict[str, Any], list[str], dict[str, str]]
STOP, START = "virt.instance.stop", "virt.instance.start"
CLONE, RENAME, PROMOTE = "pool.snapshot.clone", "pool.dataset.rename", "pool.dataset.promote"
ROLLBACK, DELETE, DESTROY = "pool.snapshot.rollback", "pool.snapshot.delete", "zfs.dataset.delete"
VARIANTS: dict[str, Variant] = {
    "plain": ({"label": "later"}, [STOP, ROLLBACK, START], LABELS),
    "destroy": ({"label": "ready", "on_newer": "destroy"}, [STOP, ROLLBACK, START], {"old": "old", "ready": "prepared"}),
    "keep": ({"label": "ready", "on_newer": "keep"}, [CLONE, STOP, RENAME, RENAME, PROMOTE, START], LABELS),
    "promote": (
        {"label": "ready", "on_newer": "destroy", "dependents": "promote"},
        [CLONE, STOP, RENAME, RENAME, PROMOTE, START, DELETE, PROMOTE, DESTROY],
        {"old": "old", "ready": "prepared"},
    ),
    "branch": (
        {"label": "branch", "on_newer": "keep"},
        [CLONE, STOP, RENAME, RENAME, PROMOTE, PROMOTE, START, DESTROY],
        KEPT,
    ),
}


def prepare(world: Any, variant: str, core: Any = None) -> str:
    """The container before the restore; the content that it is to have afterwards."""
    world.box("base")
    world.lab.state(foreign={"name": "px-theirs", "start": True})
    for label, content in LABELS.items():
        snapshot = world.snapshot("base", label, content)
    if variant == "promote":
        world.clone(snapshot, "worker")
        world.write("worker", "work")
    if variant == "branch":
        # What a restore has kept once: a data set beside it, which has the checkpoint to go back to.
        world.snapshot("base", "branch", "branch")
        assert core("base", label="later", state="restored", on_newer="keep")["changed"]
        world.snapshot("base", "own", "own")
    world.write("base", "broken")
    return {**KEPT, "own": "own"}[VARIANTS[variant][0]["label"]]


def steps(variant: str) -> list[tuple[str, int]]:
    """Each call of a restore, as its method and how many of the same are let through before it."""
    methods = VARIANTS[variant][1]
    return [(method, methods[:index].count(method)) for index, method in enumerate(methods)]


def fault_at(lab: RunningLab, method: str, nth: int, fault: str, **details: Any) -> None:
    """For the nth call of a method: those before it suffer nothing but a moment's delay."""
    for _call in range(nth):
        lab.fault(method, "delay", seconds=0.0)
    lab.fault(method, fault, **details)


def check(world: Any, variant: str, content: str) -> None:
    """What a restore has promised, when it is over."""
    assert (world.content("base"), world.status("base")) == (content, "RUNNING")
    expected = VARIANTS[variant][2]
    assert world.labels("base") == (expected if variant != "branch" else {**expected, "own": "own"})
    assert len(world.parked()) == (1 if variant in ("keep", "branch") else 0), world.parked()
    if variant == "promote":
        assert (world.content("worker"), world.status("worker"), world.labels("worker")) == ("work", "RUNNING", {})
    assert world.status("theirs") == "RUNNING"


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("variant", "method", "nth"), [(name, *step) for name in VARIANTS for step in steps(name)])
def test_restore(variant: str, method: str, nth: int, fault: str, world: Any, checkpoints: Any) -> None:
    content = prepare(world, variant, checkpoints)
    options = VARIANTS[variant][0]
    fault_at(world.lab, method, nth, fault, **FAULTS[fault])
    since = world.lab.mark()
    first = checkpoints("base", state="restored", wait_for="none", **options)
    assert len(world.lab.journal(since, kind="fault")) == nth + 1, "the fault was not met"
    world.lab.clear()
    if first.get("failed"):
        entry = first["container"]
        assert world.status("base") == "RUNNING", entry["msg"]
        assert entry["outcome"] and entry["error"]["type"], entry
        assert world.content("base") in ("broken", content)
        assert ("swapped" in entry["actions"] or "rolled_back" in entry["actions"]) == (world.content("base") == content)
        if fault == "refuse" and method in (CLONE, STOP, RENAME, ROLLBACK):
            assert (world.content("base"), world.labels("base")) == ("broken", {**world.labels("base"), **LABELS}), "as it was"
            assert [name for name in world.parked() if ".kept." not in name] == []
    else:
        check(world, variant, content)
    again = checkpoints("base", state="restored", wait_for="none", **options)
    assert not again.get("failed"), again
    check(world, variant, content)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("state", ["present", "absent"])
def test_take_and_delete(state: str, fault: str, world: Any, checkpoints: Any) -> None:
    world.box("base", "prepared")
    if state == "absent":
        world.snapshot("base", "ready")
    method = "pool.snapshot.create" if state == "present" else DELETE
    with world.lab.broken(method, fault, **FAULTS[fault]):
        first = checkpoints("base", label="ready", state=state)
        assert world.lab.faults()[0]["used"] == 1
    if not first.get("failed"):
        assert first["changed"]
    again = checkpoints("base", label="ready", state=state)
    assert not again.get("failed") and again["changed"] == bool(first.get("failed"))
    assert world.labels("base") == ({"ready": "prepared"} if state == "present" else {})
    assert world.status("base") == "RUNNING"


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("method", [DELETE, PROMOTE])
def test_delete_by_promotion(method: str, fault: str, world: Any, checkpoints: Any) -> None:
    world.box("base")
    world.clone(world.snapshot("base", "ready", "prepared"), "worker")
    with world.lab.broken(method, fault, **FAULTS[fault]):
        checkpoints("base", label="ready", state="absent", dependents="promote")
    again = checkpoints("base", label="ready", state="absent", dependents="promote")
    assert not again.get("failed"), again
    assert (world.labels("base"), world.labels("worker"), world.content("worker")) == ({}, {}, "prepared")


@pytest.mark.parametrize("fault", ["refuse", "fail_job", "drop_before", "drop_after", "fail_job_after"])
def test_d12_nothing_is_done_to_the_data_after_a_stop_that_failed(fault: str, world: Any, checkpoints: Any) -> None:
    """D12: an error at the stop is never taken for a stop."""
    prepare(world, "destroy")
    since = world.lab.mark()
    with world.lab.broken(STOP, fault, times=None):
        first = checkpoints("base", label="ready", state="restored", on_newer="destroy", wait_for="none")
    if first.get("failed"):
        assert ROLLBACK not in world.lab.changes(since)
        assert (world.content("base"), world.status("base"), world.labels("base")) == ("broken", "RUNNING", LABELS)
    else:
        assert fault in ("drop_after", "fail_job_after"), "it was stopped, and a look has shown that"
        assert (world.content("base"), world.status("base")) == ("prepared", "RUNNING")


def test_a_container_that_will_not_start_is_told(world: Any, checkpoints: Any) -> None:
    """Never silently stopped."""
    prepare(world, "keep")
    with world.lab.broken("virt.instance.*", "fail_start", times=None):
        first = checkpoints("base", label="ready", state="restored", on_newer="keep", wait_for="none")
    assert first["failed"] and "it is stopped" in first["container"]["outcome"], first
    assert checkpoints("base", label="ready", state="restored", on_newer="keep", wait_for="none")["changed"]
    check(world, "keep", "prepared")


@pytest.mark.parametrize("variant", ["keep", "promote"])
def test_one_that_was_stopped_stays_so_when_nothing_could_be_done(variant: str, world: Any, checkpoints: Any) -> None:
    prepare(world, variant)
    world.lab.job(STOP, "px-base", {"force": True, "timeout": -1})
    with world.lab.broken(RENAME, "refuse", times=None):
        first = checkpoints("base", state="restored", wait_for="none", **VARIANTS[variant][0])
    assert first["failed"]
    assert (world.status("base"), world.content("base"), world.parked()) == ("STOPPED", "broken", [])


@pytest.mark.parametrize(
    ("variant", "method", "nth"), [(name, *step) for name in ("plain", "keep", "promote", "branch") for step in steps(name)]
)
def test_killed(variant: str, method: str, nth: int, world: Any, checkpoints: Any) -> None:
    """kill -9 while the appliance is at a call: no state is kept anywhere else, so the same again finds out and converges."""
    content = prepare(world, variant, checkpoints)
    options = {"container": "base", "state": "restored", "wait_for": "none", **VARIANTS[variant][0]}
    fault_at(world.lab, method, nth, "delay", seconds=1.0)
    since = world.lab.mark()
    with checkpoints.alone(**options) as process:
        wait_until(lambda: len(world.lab.journal(since, kind="fault")) > nth)
        process.kill()
    # The appliance brings to an end what it has begun.
    wait_until(lambda: len(world.lab.journal(since, method=method)) > nth)
    world.lab.clear()
    again = checkpoints(**options)
    assert not again.get("failed"), again
    check(world, variant, content)


def test_play_killed(world: Any, checkpoints: Any, playbook: Playbooks) -> None:
    """The same with all of Ansible, while the container has no data set."""
    content = prepare(world, "promote")
    task = {"name": "Restore", "pixels.sandbox.checkpoint": {"container": "base", "state": "restored", **VARIANTS["promote"][0]}}
    fault_at(world.lab, RENAME, 1, "delay", seconds=2.0)
    since = world.lab.mark()
    with playbook.started(task) as controller:
        wait_until(lambda: len(world.lab.journal(since, kind="fault")) > 1)
        os.killpg(controller.pid, signal.SIGKILL)
        controller.wait()
    wait_until(lambda: len(world.lab.journal(since, method=RENAME)) > 1)
    playbook.tasks(task).succeeded()
    check(world, "promote", content)


def wait_until(true: Any, timeout: float = 60.0) -> None:
    end = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)
