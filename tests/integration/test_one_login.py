"""One run, one login, however many tasks, hosts and forks; and many operations at once within the appliance's limits."""

from __future__ import annotations

from typing import Any

import pytest
from playbook import Playbooks
from running_lab import RunningLab

HOSTS = [f"host{number:02}" for number in range(1, 21)]


def _info(number: int) -> dict[str, Any]:
    return {"name": f"Task {number}", "pixels.sandbox.container_info": {"name": "task1"}}


def test_d36_twenty_hosts_with_five_tasks_make_one_login(playbook: Playbooks, lab: RunningLab) -> None:
    """D36: no login storm."""
    since = lab.mark()
    run = playbook.tasks(*(_info(number) for number in range(5)), forks=20, hosts=HOSTS)
    run.succeeded()
    assert len(run.of("container_info")) == 100
    assert lab.logins(since) == 1


def test_d36_without_reuse_each_task_logs_in(playbook: Playbooks, lab: RunningLab) -> None:
    """The counter-test: the journal would show it."""
    since = lab.mark()
    tasks = [{**_info(number), "vars": {"pixels_session_reuse": "never"}} for number in range(3)]
    playbook.tasks(*tasks, env={"PIXELS_SESSION_REUSE": "never", "PIXELS_TRUENAS_SESSION_REUSE": "never"}).succeeded()
    assert lab.logins(since) == 3


def test_d36_forty_operations_at_once(playbook: Playbooks, lab: RunningLab) -> None:
    """D36: 40 parallel operations against the limits for calls and logins complete without an error."""
    task = {"name": "Create", "pixels.sandbox.container": {"name": "{{ inventory_hostname }}", "wait_for": "none"}}
    since = lab.mark()
    playbook.tasks(task, forks=40, hosts=[f"box{number:02}" for number in range(40)]).succeeded()
    instances = lab.instances()
    assert sorted(instances) == [f"px-box{number:02}" for number in range(40)]
    assert {entry["status"] for entry in instances.values()} == {"RUNNING"}
    assert lab.logins(since) == 1


@pytest.mark.parametrize("state", ["started", "present", "stopped", "absent"])
def test_d31_every_state_twice(state: str, playbook: Playbooks, lab: RunningLab) -> None:
    """D31: the second time nothing changes and no changing call is sent; check mode before that sends none either."""
    lab.reset()
    task = {"name": "Container", "pixels.sandbox.container": {"name": "worker[1:3]", "state": state, "wait_for": "none"}}
    if state == "absent":
        playbook.tasks({"name": "Make", "pixels.sandbox.container": {"name": "worker[1:3]", "wait_for": "none"}}).succeeded()
    before = lab.mark()
    assert playbook.tasks(task, check=True).succeeded().changed == 1
    assert lab.changes(before) == []
    assert playbook.tasks(task).succeeded().changed == 1
    after = lab.mark()
    assert playbook.tasks(task).succeeded().changed == 0
    assert playbook.tasks(task, check=True).succeeded().changed == 0
    assert lab.changes(after) == []
