"""TrueNAS 25.04, which does not say which request a job belongs to: the same tasks, the same results."""

from __future__ import annotations

from typing import Any

import pytest
from playbook import Playbooks, PlayRun
from running_lab import RunningLab


def _run(playbook: Playbooks, state: str, **options: Any) -> PlayRun:
    task = {"name": "Container", "pixels.sandbox.container": {"name": "task1", "state": state, "wait_for": "none", **options}}
    return playbook.tasks(task)


def test_from_create_to_destroy(playbook_2504: Playbooks, lab_2504: RunningLab) -> None:
    for state, options, status in (
        ("started", {"memory": "1GiB", "environment": {"A": "b"}}, "RUNNING"),
        ("started", {"memory": "2GiB", "environment": {"A": "c"}, "cpu": "1", "autostart": False}, "RUNNING"),
        ("stopped", {}, "STOPPED"),
        ("started", {}, "RUNNING"),
        ("absent", {}, None),
    ):
        assert _run(playbook_2504, state, **options).succeeded().changed == 1
        assert _run(playbook_2504, state, **options).succeeded().changed == 0
        found = lab_2504.instance("px-task1")
        assert (found and found["status"]) == status
    version = playbook_2504.tasks({"name": "Look", "pixels.sandbox.container_info": {}}).succeeded().last("container_info")["version"]
    assert version.startswith("25.04")


@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "restart"])
@pytest.mark.parametrize(("state", "method"), [("started", "virt.instance.create"), ("absent", "virt.instance.delete")])
def test_next_run_converges(fault: str, state: str, method: str, playbook_2504: Playbooks, lab_2504: RunningLab) -> None:
    if state == "absent":
        _run(playbook_2504, "started").succeeded()
    with lab_2504.broken(method, fault):
        broken = _run(playbook_2504, state)
        assert lab_2504.faults()[0]["used"] == 1, "the fault was not met"
    assert "Traceback" not in broken.output
    _run(playbook_2504, state).succeeded()
    assert set(lab_2504.instances()) == ({"px-task1"} if state == "started" else set())
    assert _run(playbook_2504, state).succeeded().changed == 0
