"""A phase that is chosen with tags does all of its work, or the run fails and says why. Nothing is restricted only in name."""

from __future__ import annotations

from typing import Any

import pytest
from playbook import Playbooks, PlayRun
from running_lab import RunningLab

ALONE = [
    ("list", "look"),
    *(("checkpoint_list", phase) for phase in ("look", "report")),
    *(("base_list", phase) for phase in ("look", "report")),
    ("start", "container"),
    ("stop", "container"),
    *(("checkpoint_create", phase) for phase in ("checkpoint", "report")),
    ("checkpoint_restore", "checkpoint"),
    ("checkpoint_delete", "checkpoint"),
    *(("ssh_config", phase) for phase in ("ssh_config", "report")),
    ("prune", "prune"),
    *(("stop_idle", phase) for phase in ("idle", "report")),
    ("destroy", "container"),
]
# What each leaves to whoever called, without its table.
RESULTS: dict[str, dict[str, Any]] = {
    "list": {"pixels_names": ["base"], "pixels_missing": []},
    "checkpoint_list": {"pixels_checkpoint_list": {"base": ["ready"]}},
    "base_list": {"pixels_bases": {}},
    "start": {"pixels_names": ["base"]},
    "stop": {"pixels_names": ["base"]},
    "checkpoint_create": {"pixels_checkpoint_labels": {"base": "ready"}},
    "checkpoint_restore": {"pixels_names": ["base"]},
    "checkpoint_delete": {"pixels_deleted": ["base:ready"]},
    "prune": {"pixels_pruned": []},
    "stop_idle": {"pixels_stopped": []},
    "destroy": {"pixels_destroyed": ["base"]},
}
GIVEN: dict[str, dict[str, Any]] = {
    **{name: {"container": "base"} for name in ("start", "stop", "destroy")},
    **{f"checkpoint_{name}": {"container": "base", "label": "ready"} for name in ("create", "restore", "delete")},
    "ssh_config": {"include": False},
}


def results(run: PlayRun) -> dict[str, Any]:
    """What the run has left to whoever called."""
    left: dict[str, Any] = {}
    for item in run.results:
        left |= item.result.get("ansible_stats", {}).get("data", {})
    return left


def test_each_phase_of_each_playbook_alone(playbook: Playbooks, lab: RunningLab) -> None:
    playbook("create", container="base", provision=False).succeeded()
    playbook("checkpoint_create", container="base", label="ready").succeeded()
    for name, phase in ALONE:
        since = lab.mark()
        run = playbook(name, "--tags", phase, **GIVEN.get(name, {})).succeeded()
        if phase == "report":
            assert lab.changes(since) == [], name
        elif name in RESULTS:
            assert RESULTS[name].items() <= results(run).items(), name
            assert run.of("report") == [], name
    assert lab.instances() == {}


def test_without_its_tables_each_does_the_same(playbook: Playbooks, lab: RunningLab) -> None:
    skip = ("--skip-tags", "report")
    assert results(playbook("create", *skip, container="base", provision=False).succeeded())["pixels_names"] == ["base"]
    playbook("stop", *skip, container="base").succeeded()
    assert playbook("start", *skip, container="base").succeeded().changed == 1
    settings = results(playbook("config", *skip).succeeded())["pixels_settings"]
    assert settings["defaults.image"] == "debian/12" and settings["truenas.api_key"] and lab.api_key not in str(settings)
    assert results(playbook("list", *skip, container="base,none").succeeded())["pixels_missing"] == ["none"]
    playbook("destroy", *skip, container="base").succeeded()
    assert lab.instances() == {}


@pytest.mark.parametrize("tags", [("--tags", "report"), ("--skip-tags", "egress"), ("--tags", "container")], ids=" ".join)
@pytest.mark.parametrize(
    ("name", "given"),
    [("network_set", {"mode": "agent"}), ("network_allow", {"domain": "one.example.org"}), ("network_deny", {"domain": "one.example.org"})],
    ids=["set", "allow", "deny"],
)
def test_a_policy_that_is_asked_for_is_not_left_out(
    name: str, given: dict[str, Any], tags: tuple[str, str], playbook: Playbooks, lab: RunningLab
) -> None:
    since = lab.mark()
    run = playbook(name, *tags, container="task1", **given)
    assert run.rc == 2 and "leave out the phase egress" in run.failures()[0]
    assert lab.journal(since) == []


def test_of_a_gateway_neither(playbook: Playbooks, lab: RunningLab) -> None:
    lab.state(bridges=["br-px1"])
    since = lab.mark()
    for option, value in (("mode", "agent"), ("allow", "one.example.org")):
        given: dict[str, Any] = {"container": "gw1", "inside": "br-px1", option: value}
        run = playbook("gateway", "--tags", "container", **given)
        assert run.rc == 2 and "which the tags of this run leave out" in run.failures()[0]
    assert lab.journal(since) == []
    absent = playbook("gateway", "--tags", "egress", container="gw1", mode="agent")
    assert absent.rc == 2 and "gw1 does not exist" in absent.failures()[-1]
    playbook("gateway", "--tags", "container", container="gw1", inside="br-px1").succeeded()
    playbook("create", container="task1", provision=False).succeeded()
    plain = playbook("gateway", "--tags", "egress", container="task1", mode="agent")
    assert plain.rc == 2 and "no second network card" in plain.failures()[-1]
    # There is nothing in it to log in to, and that is said.
    found = playbook("gateway", "--tags", "egress", container="gw1", mode="agent")
    assert found.rc == 2 and found.of("ssh_access", skipped=False)


def test_what_is_there_is_provisioned_without_being_made(playbook: Playbooks, lab: RunningLab) -> None:
    since = lab.mark()
    absent = playbook("create", "--tags", "provision", container="task[1:2]", provision=True)
    assert absent.rc == 2 and "task1 does not exist, task2 does not exist" in absent.failures()[-1]
    assert lab.changes(since) == []
    playbook("create", container="task1", provision=False).succeeded()
    # The lab has nothing to log in to.
    there = playbook("create", "--tags", "provision", container="task1", provision=True)
    assert there.rc == 2 and there.of("ssh_access", skipped=False) and not there.of("container")
    assert results(playbook("create", "--tags", "report", container="task1").succeeded()) == {}


def test_what_a_container_is_to_have_in_its_environment(playbook: Playbooks) -> None:
    given: dict[str, Any] = {"container": "task1", "provision": False, "environment": {"MODE": "careful"}}
    assert playbook("create", **given).succeeded().changed == 1
    assert playbook("create", **given).succeeded().changed == 0
    assert playbook("create", **{**given, "environment": ""}).succeeded().changed == 0
    assert playbook("list").succeeded().last("container_info")["containers"][0]["environment"] == {"MODE": "careful"}
