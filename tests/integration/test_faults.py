"""Whatever goes wrong in the middle: the task fails clearly or succeeds, the next run converges, nothing is left over, and no
container of somebody else is touched.
"""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
from playbook import Playbooks, PlayRun
from running_lab import RunningLab

FOREIGN = ("other", "px-other")

# What each operation calls, the state it starts from, and what must be true of the container's status after the run that heals.
OPERATIONS = {
    "create": ("virt.instance.create", "absent", "started", "RUNNING"),
    "start": ("virt.instance.start", "stopped", "started", "RUNNING"),
    "stop": ("virt.instance.stop", "started", "stopped", "STOPPED"),
    "delete": ("virt.instance.delete", "stopped", "absent", None),
}
FAULTS: dict[str, dict[str, Any]] = {
    "drop_before": {},
    "drop_after": {},
    "delay": {"seconds": 0.3},
    "refuse": {},
    "fail_job": {},
    "fail_job_after": {},
    "lose_events": {},
    "restart": {"seconds": 0.3},
    "fail_start": {},
}


def _task(state: str) -> dict[str, Any]:
    return {"name": "Container", "pixels.sandbox.container": {"name": "task1", "state": state, "wait_for": "none"}}


def _run(playbook: Playbooks, state: str, **options: Any) -> PlayRun:
    return playbook.tasks(_task(state), **options)


def _someone_elses(lab: RunningLab) -> None:
    """Two containers that are not ours; one of them is called as ours are."""
    for name in FOREIGN:
        lab.state(foreign={"name": name, "start": True})


def _check_foreign(lab: RunningLab, since: int) -> None:
    assert all(lab.instances()[name]["status"] == "RUNNING" for name in FOREIGN)
    touched = [
        line
        for line in lab.journal(since)
        if line["changes"] and any(f'"{name}"' in str(line["params"]).replace("'", '"') for name in FOREIGN)
    ]
    assert touched == []


@pytest.mark.parametrize(
    ("operation", "fault"),
    [(operation, fault) for operation in OPERATIONS for fault in FAULTS if fault != "fail_start" or operation in ("create", "start")],
)
def test_next_run_converges(operation: str, fault: str, playbook: Playbooks, lab: RunningLab) -> None:
    method, first, wanted, status = OPERATIONS[operation]
    _someone_elses(lab)
    since = lab.mark()
    # What comes first does not call the method that is to suffer.
    tasks = [_task(first)] if first != "absent" else []
    with lab.broken(method, fault, **FAULTS[fault]):
        run = playbook.tasks(*tasks, {**_task(wanted), "ignore_errors": True}).succeeded()
        assert lab.faults()[0]["used"] == 1, "the fault was not met"
    broken = run.results[-1]
    if broken.status == "ignored":
        assert broken.result["msg"] and "Traceback" not in run.output
    else:
        assert broken.result["changed"]

    healed, settled = playbook.tasks(_task(wanted), _task(wanted)).succeeded().of("container")
    assert broken.status == "ignored" or not healed["changed"]
    assert not settled["changed"]
    found = lab.instance("px-task1")
    assert (found and found["status"]) == status
    assert set(lab.instances()) - {"px-task1"} == set(FOREIGN)
    _check_foreign(lab, since)


def test_first_start_that_fails_is_healed(playbook: Playbooks, lab: RunningLab) -> None:
    with lab.broken("virt.instance.*", "fail_start", times=None):
        broken = _run(playbook, "started")
    assert broken.failed == 1, broken.output
    _run(playbook, "started").succeeded()
    assert lab.instances()["px-task1"]["status"] == "RUNNING"


@pytest.mark.parametrize("fault", ["refuse", "fail_job", "drop_before"])
def test_d12_nothing_is_destroyed_after_a_stop_that_failed(fault: str, playbook: Playbooks, lab: RunningLab) -> None:
    """D12: an error at the stop is an error; what would destroy does not follow."""
    _run(playbook, "started").succeeded()
    since = lab.mark()
    with lab.broken("virt.instance.stop", fault, times=None):
        refused = _run(playbook, "stopped")
        assert refused.failed == 1, refused.output
        assert "virt.instance.delete" not in lab.changes(since)
        assert lab.instances()["px-task1"]["status"] == "RUNNING"
        since = lab.mark()
        broken = _run(playbook, "absent")
    if broken.failed:
        assert "virt.instance.delete" not in lab.changes(since)
        assert lab.instances()["px-task1"]["status"] == "RUNNING"
    else:
        assert lab.journal(since, method="virt.instance.stop") == [], "a stop was tried, failed, and the container destroyed all the same"


@pytest.mark.parametrize("state", ["started", "stopped", "absent"])
def test_foreign_container_of_our_name_is_refused(state: str, playbook: Playbooks, lab: RunningLab) -> None:
    lab.state(foreign={"name": "px-task1", "start": True})
    since = lab.mark()
    run = _run(playbook, state)
    assert run.failed == 1 and "px-task1" in run.failures()[0]
    assert lab.changes(since) == []
    assert lab.instances()["px-task1"]["status"] == "RUNNING"


def test_d30_removed_behind_our_back(playbook: Playbooks, lab: RunningLab) -> None:
    """D30: what somebody else has deleted is absent, and is made again when it is wanted."""
    _run(playbook, "stopped").succeeded()
    lab.job("virt.instance.delete", "px-task1")
    assert _run(playbook, "absent").succeeded().changed == 0
    assert _run(playbook, "stopped").succeeded().changed == 1


@pytest.mark.parametrize("operation", OPERATIONS)
def test_d30_controller_killed_in_the_middle(operation: str, playbook: Playbooks, lab: RunningLab) -> None:
    """D30: kill -9 while the appliance works; no state is kept on the controller, so the same play again finds out and converges."""
    method, before, after, status = OPERATIONS[operation]
    _someone_elses(lab)
    if before != "absent":
        _run(playbook, before).succeeded()
    since = lab.mark()
    lab.fault(method, "delay", seconds=1.5)
    task = {"name": "Container", "pixels.sandbox.container": {"name": "task1", "state": after, "wait_for": "none"}}
    with playbook.started(task) as controller:
        lab.wait_for_fault(since)
        os.killpg(controller.pid, signal.SIGKILL)
        controller.wait()
    lab.clear()
    _run(playbook, after).succeeded()
    entry = lab.instance("px-task1")
    assert (entry["status"] if entry else None) == status
    assert sorted(lab.instances()) == sorted([*FOREIGN, *(["px-task1"] if entry else [])])
    assert _run(playbook, after).succeeded().changed == 0
    _check_foreign(lab, since)
