"""One container from its making to its end, with the playbooks, against real containers."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from playbook import Playbooks
from running_lab import RunningLab

NAME = "story"
FULL = "px-story"


@pytest.fixture(scope="module", autouse=True)
def _nothing_left(real_lab: RunningLab) -> None:
    """The story begins with an empty appliance; its tests follow one another."""
    real_lab.reset()


def test_check_mode_promises_and_touches_nothing(playbook: Playbooks, real_lab: RunningLab) -> None:
    since = real_lab.mark()
    run = playbook("create", check=True, name=NAME).succeeded()
    assert run.changed >= 1
    assert real_lab.changes(since) == []
    assert real_lab.instances() == {}


def test_create_gives_a_container_with_ssh(playbook: Playbooks, real_lab: RunningLab) -> None:
    run = playbook("create", name=NAME, cpu="1", memory="256MiB").succeeded()
    assert run.changed >= 1
    entry = real_lab.instances()[FULL]
    assert entry["status"] == "RUNNING"
    assert entry["memory"] == 256 * 1024 * 1024


def test_second_run_changes_nothing(playbook: Playbooks, real_lab: RunningLab) -> None:
    since = real_lab.mark()
    assert playbook("create", name=NAME, cpu="1", memory="256MiB").succeeded().changed == 0
    assert real_lab.changes(since) == []


def test_exec_runs_in_it(playbook: Playbooks) -> None:
    run = playbook("exec", name=NAME, cmd="id -un").succeeded()
    assert run.last("exec")["stdout"] == "pixel\n"


def test_exec_fails_with_the_status_of_the_command(playbook: Playbooks) -> None:
    run = playbook("exec", name=NAME, cmd="sh -c 'exit 7'")
    assert run.rc != 0
    assert run.last("exec")["rc"] == 7


def test_list_shows_it(playbook: Playbooks) -> None:
    run = playbook("list").succeeded()
    assert NAME in run.stdout and "running" in run.stdout.lower()


def test_plain_ssh_gets_in_with_what_the_collection_says(playbook: Playbooks) -> None:
    """The variables of the connection are enough for any other tool, with the pinned host key and no question."""
    task = {"name": "Ask", "pixels.sandbox.container_info": {"name": NAME, "connection": True}}
    found = playbook.tasks(task).succeeded().last("container_info")["containers"][0]["hostvars"]
    command = ["ssh", "-F", "none", "-o", "BatchMode=yes", "-i", found["ansible_ssh_private_key_file"]]
    command += [*found["ansible_ssh_common_args"].split(), f"{found['ansible_user']}@{found['ansible_host']}", "hostname"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, NAME in done.stdout) == (0, True), done.stderr


def test_memory_is_converged(playbook: Playbooks, real_lab: RunningLab) -> None:
    run = playbook("create", name=NAME, cpu="1", memory="512MiB").succeeded()
    assert run.changed >= 1
    assert real_lab.instances()[FULL]["memory"] == 512 * 1024 * 1024


def test_stop_and_start_twice_each(playbook: Playbooks, real_lab: RunningLab) -> None:
    for name, status in (("stop", "STOPPED"), ("start", "RUNNING")):
        assert playbook(name, name=NAME).succeeded().changed == 1
        assert real_lab.instances()[FULL]["status"] == status
        assert playbook(name, name=NAME).succeeded().changed == 0
    assert playbook("exec", name=NAME, cmd="true").succeeded().rc == 0


def test_destroy_leaves_nothing(playbook: Playbooks, real_lab: RunningLab, home: Path) -> None:
    assert playbook("destroy", name=NAME).succeeded().changed == 1
    assert real_lab.instances() == {}
    known_hosts = home / ".local" / "state" / "pixels" / "known_hosts"
    assert NAME not in (known_hosts.read_text() if known_hosts.exists() else "")
    assert playbook("destroy", name=NAME).succeeded().changed == 0
