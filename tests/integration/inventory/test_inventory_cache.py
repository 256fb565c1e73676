"""What is remembered: found again without the appliance, refreshed on request, and never older than what we have done ourselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playbook import Playbooks
from running_lab import RunningLab

if TYPE_CHECKING:
    from conftest import Inventory

DOWN = {"PIXELS_TRUENAS_SESSION_REUSE": "never", "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true"}


@pytest.fixture
def remembered(home: Path) -> dict[str, Any]:
    return {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(home / "cache")}


def _container(**options: Any) -> dict[str, Any]:
    return {"name": "Container", "pixels.sandbox.container": {"wait_for": "none", **options}}


def test_it_works_with_the_appliance_down_and_is_refreshed_on_request(
    inventory: Inventory, fleet: None, lab: RunningLab, remembered: dict[str, Any]
) -> None:
    first = inventory("--list", **remembered)
    since = lab.mark()
    with lab.broken("*", "refuse", times=None):
        assert inventory("--list", env=DOWN, **remembered).data == first.data
        assert lab.journal(since) == []
        assert inventory("--list", "--flush-cache", env=DOWN, **remembered).rc != 0
    lab.job("virt.instance.stop", "px-worker1", {"force": True, "timeout": -1})
    assert inventory(**remembered).group("pixels_running") == ["copy", "worker1", "worker2"]
    assert inventory("--list", "--flush-cache", **remembered).group("pixels_running") == ["copy", "worker2"]
    assert inventory(**remembered).group("pixels_running") == ["copy", "worker2"]


def test_without_a_cache_everything_is_asked_each_time(inventory: Inventory, fleet: None, lab: RunningLab) -> None:
    since = lab.mark()
    inventory()
    inventory()
    assert len(lab.journal(since, method="virt.instance.query")) == 2


def test_what_we_change_ourselves_is_in_it_at_once(
    inventory: Inventory, fleet: None, playbook: Playbooks, lab: RunningLab, home: Path, remembered: dict[str, Any]
) -> None:
    options = {**remembered, "checkpoints": True}
    assert inventory(**options).group("pixels_stopped") == ["box"]
    for task in (
        _container(name="worker1", state="stopped"),
        {"name": "Keep", "pixels.sandbox.checkpoint": {"container": "box", "label": "a"}},
    ):
        playbook.tasks(task).succeeded()
    now = inventory(**options)
    assert now.group("pixels_stopped") == ["box", "worker1"]
    assert [point["label"] for point in now.hosts["box"]["pixels_checkpoints"]] == ["a"]
    # What changes nothing leaves it as it is: looking, check mode, and what was as it should be.
    playbook.tasks(_container(name="worker1", state="stopped"), {"name": "Look", "pixels.sandbox.container_info": {}}).succeeded()
    playbook.tasks(_container(name="worker2", state="absent"), check=True).succeeded()
    lab.job("virt.instance.start", "px-box")
    assert inventory(**options).data == now.data
    # A task with async is a process of its own, and counts as well.
    apart = {**_container(name="worker2", state="absent"), "async": 60, "poll": 1}
    playbook.tasks(apart, env={"ANSIBLE_ASYNC_DIR": str(home / "async")}).succeeded()
    assert sorted(inventory(**options).hosts) == ["box", "copy", "worker1"]


def test_a_task_that_failed_may_have_changed_something(
    inventory: Inventory, fleet: None, playbook: Playbooks, lab: RunningLab, remembered: dict[str, Any]
) -> None:
    inventory(**remembered)
    with lab.broken("virt.instance.stop", "fail_job_after", instance="px-worker1"):
        playbook.tasks(_container(name="worker[1:2]", state="stopped"))
    assert "worker2" in inventory(**remembered).group("pixels_stopped")


def test_what_is_asked_and_whom_is_told_apart(inventory: Inventory, fleet: None, lab: RunningLab, remembered: dict[str, Any]) -> None:
    inventory(**remembered)
    since = lab.mark()
    assert sorted(inventory(name=["box"], **remembered).hosts) == ["box"]
    assert "pixels_checkpoints" in inventory(checkpoints=True, **remembered).hosts["box"]
    assert len(lab.journal(since, method="virt.instance.query")) == 2
    # What this machine makes of the answer is not part of it.
    mark = lab.mark()
    assert inventory(settings={"pixels_ssh_user": "root"}, group_prefix="p", **remembered).hosts["box"]["ansible_user"] == "root"
    assert lab.journal(mark) == []
    other = inventory(host="127.0.0.1:9", env=DOWN, **remembered)
    assert other.rc != 0


def test_a_cached_inventory_runs_a_play_without_a_login(
    inventory: Inventory, fleet: None, playbook: Playbooks, lab: RunningLab, home: Path, remembered: dict[str, Any]
) -> None:
    source = inventory.source(**remembered)
    play = home / "show.yml"
    show = {"name": "Show", "ansible.builtin.debug": {"msg": "{{ pixels_status }}"}}
    play.write_text(json.dumps([{"name": "Show", "hosts": "pixels", "gather_facts": False, "tasks": [show]}]), encoding="utf-8")
    assert len(playbook(str(play), inventory=source).succeeded().of("ansible.builtin.debug")) == 4
    since = lab.mark()
    assert len(playbook(str(play), inventory=source).succeeded().of("ansible.builtin.debug")) == 4
    assert lab.journal(since) == []
