"""The playbook `fleet` against the lab without containers: what is wrong is found before anything is made, and nothing is left behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playbook import Playbooks, PlayRun
from running_lab import RunningLab

FLEET = {"container": "w[1:2]", "command": "true"}


def fleet(playbook: Playbooks, home: Path, *options: str, check: bool = False, **extra: Any) -> PlayRun:
    given = {**FLEET, "results": str(home / "out"), **extra}
    return playbook("fleet", *options, check=check, **{key: value for key, value in given.items() if value is not None})


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"container": None}, "Which workers?"),
        ({"container": "Worker1"}, "name"),
        ({"command": None}, "Give either"),
        ({"argv": ["true"]}, "Give either"),
        ({"time_limit": "soon"}, "Give either"),
        ({"keep": "sometimes"}, "Give either"),
        ({"repository": "/no/such/repository"}, "/no/such/repository"),
        ({"version": "v1"}, "repository"),
        ({"task_file": "/no/such/task.md"}, "/no/such/task.md"),
        ({"files": ["/no/such/file"]}, "/no/such/file"),
        ({"collect": "../../etc"}, "collect"),
        ({"results": "/proc/version/out"}, "results"),
        ({"vars_by_name": {"w3": {}}}, "no such worker"),
        ({"vars_by_name": {"w1": {"memory": "much"}}}, "memory"),
        ({"at_once": "ten"}, "at_once"),
        ({"max_bytes": "256MiB"}, "max_bytes"),
        ({"login": "perhaps"}, "login"),
        ({"vars_by_name": {"w1": {"env": "A=1"}}}, "env"),
        ({"branch": "a b"}, "branch"),
        ({"from": "base:ready"}, "base"),
        ({"from": "base:ready", "image": "debian/12"}, "exclude each other"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_wrong_is_found_before_anything_is_made(
    playbook: Playbooks, lab: RunningLab, home: Path, extra: dict[str, Any], message: str
) -> None:
    since = lab.mark()
    run = fleet(playbook, home, **extra)
    assert run.rc == 2 and message in run.output, run.output
    assert lab.changes(since) == []
    assert not (home / "out").exists()


def test_check_mode_shows_what_would_be_made_and_makes_nothing(playbook: Playbooks, lab: RunningLab, home: Path) -> None:
    since = lab.mark()
    run = fleet(playbook, home, check=True).succeeded()
    assert "Would make 2 containers" in run.stdout and "w1, w2" in run.stdout
    assert lab.changes(since) == [] and lab.instances() == {} and not (home / "out").exists()


def test_containers_that_exist_are_never_taken(playbook: Playbooks, lab: RunningLab, home: Path) -> None:
    playbook.tasks({"name": "Make", "pixels.sandbox.container": {"name": "w2", "wait_for": "none"}}).succeeded()
    since = lab.mark()
    for replace in (False, True):
        run = fleet(playbook, home, replace=replace)
        assert run.rc == 2 and "w2 exists" in run.output
    assert lab.changes(since) == [] and sorted(lab.instances()) == ["px-w2"]


@pytest.mark.parametrize("keep", ["never", "failed"])
@pytest.mark.parametrize("before", [[], [{"name": "w2", "owner": "fleet-kept"}]], ids=["none", "kept"])
def test_one_that_somebody_makes_meanwhile_is_neither_taken_nor_destroyed(
    playbook: Playbooks, lab: RunningLab, home: Path, keep: str, before: list[dict[str, str]]
) -> None:
    playbook.tasks({"name": "Make", "pixels.sandbox.container": {"name": "w2", "owner": "me", "wait_for": "none"}}).succeeded()
    environment = lab.instances()["px-w2"]["environment"]
    # As if it had been made right after the look.
    run = fleet(playbook, home, fleet_existing={"containers": before}, replace=True, keep=keep, environment={"MODE": "careful"})
    assert run.rc == 2 and "exists already" in run.output
    there = lab.instances()["px-w2"]
    assert (there["environment"], there["status"]) == (environment, "RUNNING")
    assert [lab.instances()["px-w1"]["environment"]["MODE"]] == ["careful"] if keep == "failed" else "px-w1" not in lab.instances()


def test_results_that_exist_are_not_overwritten(playbook: Playbooks, lab: RunningLab, home: Path) -> None:
    (home / "out" / "w1").mkdir(parents=True)
    since = lab.mark()
    run = fleet(playbook, home)
    assert run.rc == 2 and "results of w1 already" in run.output
    assert lab.changes(since) == []


def test_workers_that_cannot_be_made_are_named_and_nothing_is_left(playbook: Playbooks, lab: RunningLab, home: Path) -> None:
    """One is refused by the appliance; the other comes up without SSH, as everything does in this lab."""
    with lab.broken("virt.instance.create", "fail_job", times=1):
        run = fleet(playbook, home, vars_by_name={"w1": {"part": "api"}}, concurrency=1)
    assert run.rc == 2
    assert lab.instances() == {}
    records = {name: json.loads((home / "out" / name / "result.json").read_text()) for name in ("w1", "w2")}
    assert {record["status"] for record in records.values()} == {"not_made"}
    assert all(record["error"] for record in records.values())
    assert "2 of 2 workers failed" in run.failures()[-1]


def test_a_kept_fleet_is_marked_and_replaced_only_on_demand(playbook: Playbooks, lab: RunningLab, home: Path) -> None:
    run = fleet(playbook, home, keep="failed")
    assert run.rc == 2 and "Kept: w1, w2" in run.output
    assert sorted(lab.instances()) == ["px-w1", "px-w2"]
    run = fleet(playbook, home, results=str(home / "second"))
    assert "w1 was kept by an earlier run" in run.output
    run = fleet(playbook, home, results=str(home / "second"), replace=True)
    assert "2 of 2 workers failed" in run.output and lab.instances() == {}


def test_one_login_for_all_of_it(playbook: Playbooks, lab: RunningLab, home: Path) -> None:
    since = lab.mark()
    fleet(playbook, home, container="w[1:6]")
    assert lab.logins(since) == 1


# How a worker is reached that answers to nobody, and one whose Python is gone, which each task in it finds out.
GONE = {
    "ansible_connection": "ssh",
    "ansible_host": "127.0.0.1",
    "ansible_ssh_common_args": "-p 1",
    "ansible_python_interpreter": "python3",
}
HOLLOW = {**GONE, "ansible_connection": "local", "ansible_python_interpreter": "/no/such/python"}
LOGIN = {"ansible_user": "root", "ansible_ssh_private_key_file": "/no/such/key", "ansible_pipelining": True}


@pytest.mark.parametrize(
    ("way", "egress", "keep", "status"),
    [
        (GONE, "agent", "never", "lost"),
        # What was asked for is done: the source of a clone may be restricted.
        (GONE, "unrestricted", "never", "lost"),
        (GONE, "", "never", "lost"),
        (HOLLOW, "agent", "failed", "not_started"),
    ],
    ids=["gone before its policy", "gone before it is opened", "gone before its job", "its policy fails"],
)
def test_when_all_of_a_batch_fail_the_others_have_their_turn_and_the_run_its_end(
    playbook: Playbooks, lab: RunningLab, home: Path, way: dict[str, Any], egress: str, keep: str, status: str
) -> None:
    """Nothing of this lab can be reached, so it is said where the workers are."""
    opened = [{"name": name, "hostvars": {**LOGIN, **way}} for name in ("w1", "w2")]
    run = fleet(playbook, home, fleet_access={"containers": opened}, at_once=1, egress=egress, keep=keep)
    records = {name: json.loads((home / "out" / name / "result.json").read_text()) for name in ("w1", "w2")}
    assert {name: record["status"] for name, record in records.items()} == {"w1": status, "w2": status}, run.output
    assert all(("Connection refused" if way == GONE else "/no/such/python") in record["error"] for record in records.values()), records
    assert run.rc == 2 and "2 of 2 workers failed" in run.failures()[-1]
    assert [len(run.of(module)) for module in ("egress", "job")] == ([2, 0] if egress else [0, 2])
    assert sorted(lab.instances()) == ([] if keep == "never" else ["px-w1", "px-w2"])
