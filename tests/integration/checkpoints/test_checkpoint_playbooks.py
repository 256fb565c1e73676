# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The playbooks about checkpoints, run as a person runs them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playbook import Playbooks
from running_lab import RunningLab


def lines(text: str) -> list[list[str]]:
    return [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]


def test_from_the_first_to_the_last(world: Any, playbook: Playbooks) -> None:
    world.box("base", "prepared")
    assert "No checkpoints." in playbook("checkpoint_list", name="base").succeeded().stdout
    taken = playbook("checkpoint_create", name="base", label="ready").succeeded()
    assert taken.changed == 1 and "Took base:ready\n" in taken.stdout
    again = playbook("checkpoint_create", name="base", label="ready").succeeded()
    assert again.changed == 0 and "There was already base:ready\n" in again.stdout

    world.write("base", "broken")
    unnamed = playbook("checkpoint_create", container="base", label="").succeeded()
    label = unnamed.last("checkpoint")["container"]["label"]
    assert f"Took base:{label}\n" in unnamed.stdout
    table = lines(playbook("checkpoint_list", name="base").succeeded().stdout)
    head = table.index(["LABEL", "SIZE", "CREATED"])
    assert [row[0] for row in table[head + 1 : head + 3]] == [label, "ready"]
    size, created = table[head + 1][1:]
    assert re.fullmatch(r"[\d.]+ (bytes|Bytes|[KMG]B)", size) and re.fullmatch(r"20\d\d-\d\d-\d\dT[\d:]{8}Z", created)

    refused = playbook("checkpoint_restore", name="base", label="ready")
    assert refused.rc == 2 and label in refused.failures()[0] and "on_newer=keep" in refused.failures()[0]
    kept = playbook("checkpoint_restore", name="base", label="ready", on_newer="keep").succeeded()
    assert kept.changed == 1 and "Restored base to ready, taken 20" in kept.stdout and f"  {label}: kept\n" in kept.stdout
    assert world.content("base") == "prepared"

    gone = playbook("checkpoint_delete", name="base", label=label).succeeded()
    assert gone.changed == 1 and f"Deleted: base:{label}\n" in gone.stdout
    assert "nothing, there was none" in playbook("checkpoint_delete", name="base", label=label).succeeded().stdout


def test_fleets(world: Any, playbook: Playbooks) -> None:
    for name in ("worker1", "worker2"):
        world.box(name)
    world.lab.nightly()
    run = playbook("checkpoint_create", container="worker[1:3]", label="ready")
    assert run.rc == 2 and "worker3" in run.failures()[-1] and "worker1" not in run.failures()[-1]
    assert "Took worker1:ready\nTook worker2:ready\n" in run.stdout
    listed = playbook("checkpoint_list", container="worker[1:3]").succeeded().stdout
    assert ["NAME", "LABEL", "SIZE", "CREATED"] in lines(listed)
    assert [row[0] for row in lines(listed) if row[1:2] == ["ready"]] == ["worker1", "worker2"]
    assert "Not there: worker3\n" in listed and "snapshots that others have made: 2\n" in listed
    assert "worker2" in playbook("checkpoint_list").succeeded().stdout
    restored = playbook("checkpoint_restore", container="worker[1:2]", label="ready").succeeded()
    assert restored.stdout.count("Restored worker") == 2
    deleted = playbook("checkpoint_delete", container="worker[1:2]", label="ready").succeeded()
    assert "Deleted: worker1:ready, worker2:ready\n" in deleted.stdout


@pytest.mark.parametrize("command", ["create", "restore", "delete"])
def test_check_mode_sends_no_changing_call(command: str, world: Any, playbook: Playbooks, lab: RunningLab) -> None:
    world.box("base")
    world.snapshot("base", "ready")
    since = lab.mark()
    label = "new" if command == "create" else "ready"
    run = playbook(f"checkpoint_{command}", name="base", label=label, check=True).succeeded()
    assert run.changed == 1 and "Would " in run.stdout
    assert lab.changes(since) == []


@pytest.mark.parametrize(
    ("command", "variables"),
    [
        ("create", {}),
        ("create", {"name": ""}),
        ("restore", {"name": "base"}),
        ("restore", {"label": "ready"}),
        ("delete", {"name": "base"}),
    ],
)
def test_what_is_missing_is_said(command: str, variables: dict[str, str], playbook: Playbooks, lab: RunningLab) -> None:
    since = lab.mark()
    run = playbook(f"checkpoint_{command}", **variables)
    assert run.rc == 2 and "-e name=" in run.failures()[-1]
    assert lab.journal(since, kind="connect") == []


def test_where_the_configuration_says_that_data_lies(world: Any, playbook: Playbooks) -> None:
    """A prefix that is wrong for the container is an error of that data set, not an empty answer or another one's snapshot."""
    world.box("base", "prepared", pool="dozer")
    env = {"PIXELS_CHECKPOINT_DATASET_PREFIX": "dozer/.ix-virt/containers"}
    assert playbook("checkpoint_create", name="base", label="ready", env=env).succeeded().changed == 1
    wrong = playbook("checkpoint_create", name="base", label="other", env={"PIXELS_CHECKPOINT_DATASET_PREFIX": "tank/.ix-virt/containers"})
    assert wrong.rc == 2 and "tank/.ix-virt/containers/px-base" in wrong.failures()[0]
    assert world.labels("base") == {"ready": "prepared"}


def test_as_a_task_with_async(world: Any, playbook: Playbooks, tmp_path: Path) -> None:
    world.box("base", "prepared")
    task = {"name": "Take", "pixels.sandbox.checkpoint": {"container": "base", "label": "ready"}, "async": 60, "poll": 1}
    places = {"ANSIBLE_ASYNC_DIR": str(tmp_path / "async"), "ANSIBLE_REMOTE_TMP": str(tmp_path / "tmp")}
    assert playbook.tasks(task, env=places).succeeded().changed == 1
    assert world.labels("base") == {"ready": "prepared"}


def test_one_login_for_all_of_a_play(world: Any, playbook: Playbooks, lab: RunningLab) -> None:
    world.box("base", "prepared")
    since = lab.mark()
    tasks = [
        {"name": "Take", "pixels.sandbox.checkpoint": {"container": "base", "label": "ready"}},
        {"name": "Look", "pixels.sandbox.checkpoint_info": {"container": "base"}},
        {"name": "Restore", "pixels.sandbox.checkpoint": {"container": "base", "label": "ready", "state": "restored"}},
    ]
    playbook.tasks(*tasks).succeeded()
    assert lab.logins(since) == 1
