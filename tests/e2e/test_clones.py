"""Prepared once, cloned three times: real containers, real logins, and nothing left of them."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from playbook import Playbooks
from running_lab import RunningLab

BASE, WORKERS = "base", ["worker1", "worker2", "worker3"]
NAMES = "worker[1:3]"
USER = "pixel"


@pytest.fixture(scope="module")
def base(playbook: Playbooks, real_lab: RunningLab) -> str:
    """A base as somebody has worked in it: a file that is wanted in every worker, and a trail that is wanted in none."""
    real_lab.reset()
    playbook("create", container=BASE, memory="512MiB").succeeded()
    work = "echo prepared >work && echo secret-command >.bash_history && mkdir -p .codex && echo token >.codex/auth.json && sync"
    playbook("exec", container=BASE, cmd=f"sh -c {shlex.quote(work)}").succeeded()
    dataset = real_lab.dataset(f"px-{BASE}")
    real_lab.ask("pool.snapshot.create", {"dataset": dataset, "name": "pixels-ready"})
    return dataset


@pytest.fixture(scope="module")
def workers(base: str, playbook: Playbooks) -> list[dict[str, Any]]:
    """The three, as the task that made them has told of them."""
    made = playbook("create", container=NAMES, scrub="logins", **{"from": f"{BASE}:ready"}).succeeded()
    return list(made.of("container")[0]["containers"])


def hostvars(playbook: Playbooks, name: str) -> dict[str, Any]:
    task = {"name": "Ask", "pixels.sandbox.container_info": {"name": name, "connection": True}}
    return dict(playbook.tasks(task).succeeded().last("container_info")["containers"][0]["hostvars"])


def over_ssh(found: dict[str, Any], command: str) -> str:
    """With the pinned key and no question."""
    line = ["ssh", "-F", "none", "-o", "BatchMode=yes", "-i", found["ansible_ssh_private_key_file"]]
    line += [*shlex.split(found["ansible_ssh_common_args"]), f"{found['ansible_user']}@{found['ansible_host']}", command]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_d16_each_is_somebody_else(workers: list[dict[str, Any]], base: str, playbook: Playbooks) -> None:
    """D16: machine-id, host key, address, host name; and none of them is that of the base."""
    ask = "cat /etc/machine-id; hostname; cat /etc/hostname; grep -c px-base /etc/hosts; hostname -I | cut -d' ' -f1"
    told = {name: over_ssh(hostvars(playbook, name), ask).split() for name in [BASE, *WORKERS]}
    for index in (0, 4):
        assert len({said[index] for said in told.values()}) == 4, told
    for entry in workers:
        machine_id, hostname, file, others, address = told[entry["name"]]
        assert (machine_id, hostname, file, others) == (entry["machine_id"], entry["instance"], entry["instance"], "0")
        assert address == entry["address"]
    assert len({entry["host_key"] for entry in workers}) == 3


def test_the_files_are_there_and_the_trail_is_not(workers: list[dict[str, Any]], playbook: Playbooks) -> None:
    """`scrub=logins`: the login is gone, the history, which was not asked for, is still there."""
    ask = "cat work .bash_history; test -e .codex/auth.json || echo no login"
    for name in WORKERS:
        assert over_ssh(hostvars(playbook, name), ask) == "prepared\nsecret-command\nno login\n"
    assert "token" in over_ssh(hostvars(playbook, BASE), "cat .codex/auth.json"), "the source keeps what is its own"


def test_the_first_access_of_a_clone_was_one_login(workers: list[dict[str, Any]], playbook: Playbooks) -> None:
    """Its host key was pinned from what the API had told, so nothing had to be set up."""
    run = playbook.tasks({"name": "Access", "pixels.sandbox.ssh_access": {"name": NAMES}}).succeeded()
    assert run.changed == 0


def test_second_run_changes_nothing(workers: list[dict[str, Any]], playbook: Playbooks, real_lab: RunningLab) -> None:
    since = real_lab.mark()
    assert playbook("create", container=NAMES, scrub="logins", **{"from": f"{BASE}:ready"}).succeeded().changed == 0
    assert real_lab.changes(since) == []
    assert real_lab.logins(since) == 1


def test_a_restart_keeps_who_it_is(workers: list[dict[str, Any]], playbook: Playbooks) -> None:
    before = over_ssh(hostvars(playbook, "worker1"), "cat /etc/machine-id")
    playbook("stop", container="worker1").succeeded()
    playbook("start", container="worker1").succeeded()
    assert over_ssh(hostvars(playbook, "worker1"), "cat /etc/machine-id") == before


def test_a_clone_of_the_present_state_of_a_clone(workers: list[dict[str, Any]], playbook: Playbooks, real_lab: RunningLab) -> None:
    over_ssh(hostvars(playbook, "worker2"), "echo more >more && sync")
    playbook("create", container="deeper", scrub="none", **{"from": "worker2"}).succeeded()
    found = hostvars(playbook, "deeper")
    assert over_ssh(found, "cat work more .bash_history; hostname") == "prepared\nmore\nsecret-command\npx-deeper\n"
    refused = playbook("destroy", container="worker2")
    assert refused.rc == 2 and "worker2: deeper is a clone of it" in refused.failures()[-1]
    playbook("destroy", container="worker2", dependents="promote").succeeded()
    assert over_ssh(found, "cat more") == "more\n", "it has gone on running, with its own data"
    assert "px-worker2" not in real_lab.instances()


def test_a_base_that_nobody_has_prepared(playbook: Playbooks, real_lab: RunningLab) -> None:
    """Nothing in it gives a clone an identity, so that happens from here, and is told."""
    tasks = [
        {"name": "Base", "pixels.sandbox.container": {"name": "bare"}},
        {"name": "Clone", "pixels.sandbox.container": {"name": "bare2", "from": "bare"}},
        {"name": "Clone", "pixels.sandbox.container": {"name": "bare2", "from": "bare"}},
    ]
    run = playbook.tasks(*tasks).succeeded()
    _base, made, again = (result["container"] for result in run.of("container"))
    assert made["actions"] == ["cloned", "started", "renewed"]
    assert again["actions"] == []
    assert "machine-id of the source" in run.output
    assert made["address"] == real_lab.instances()["px-bare2"]["aliases"][0]["address"]


def test_nothing_is_left(workers: list[dict[str, Any]], playbook: Playbooks, real_lab: RunningLab, home: Path) -> None:
    names = f"{BASE},worker1,worker3,deeper,bare,bare2"
    assert playbook("destroy", container=names).succeeded().changed == 1
    assert (real_lab.instances(), real_lab.datasets(), real_lab.snapshots()) == ({}, {}, {})
    assert (home / ".local" / "state" / "pixels" / "known_hosts").read_text() == ""
    assert json.dumps(real_lab.state()["datasets"]).count("px-") == 0
