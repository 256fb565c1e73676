"""Gateways and what is behind them, as the module `container` makes them, against the lab without containers."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playbook import Playbooks, PlayRun
from running_lab import RunningLab


def devices(lab: RunningLab, name: str) -> dict[str, tuple[str | None, str | None]]:
    found = lab.ask("virt.instance.device_list", name)
    return {entry["name"]: (entry["nic_type"], entry["parent"] or entry["network"]) for entry in found if entry["dev_type"] == "NIC"}


@pytest.fixture(params=["25.10", "25.04"])
def both(request: pytest.FixtureRequest) -> tuple[Playbooks, RunningLab]:
    """Each version, with the bridges of two gateways."""
    suffix = "" if request.param == "25.10" else "_2504"
    lab: RunningLab = request.getfixturevalue(f"lab{suffix}")
    lab.state(bridges=["br-px1", "br-px2"])
    return request.getfixturevalue(f"playbook{suffix}"), lab


def test_a_gateway_and_what_is_behind_it(both: tuple[Playbooks, RunningLab]) -> None:
    playbook, lab = both

    def container(**options: Any) -> PlayRun:
        return playbook.tasks({"pixels.sandbox.container": {"wait_for": "none", **options}})

    assert container(name="gw1", inside="br-px1").succeeded().changed == 1
    assert container(name="gw1", inside="br-px1").succeeded().changed == 0
    assert devices(lab, "px-gw1")["inside"] == ("BRIDGED", "br-px1") and len(devices(lab, "px-gw1")) == 2
    assert container(name="task1,task2", via="gw1").succeeded().changed == 1
    assert container(name="task1,task2", via="gw1").succeeded().changed == 0
    assert devices(lab, "px-task1") == {"eth0": ("MACVLAN", "br-px1")}
    listed = playbook("list").succeeded()
    assert "VIA" in listed.stdout and listed.last("container_info")["containers"][1]["via"] == "gw1"
    # What was made without an inside gets one.
    container(name="gw2").succeeded()
    assert container(name="gw2", inside="br-px2").succeeded().last("container")["container"]["actions"] == ["updated"]
    assert devices(lab, "px-gw2")["inside"] == ("BRIDGED", "br-px2")
    refused = container(name="task1", via="gw2")
    assert refused.rc != 0 and "MACVLAN" not in str(devices(lab, "px-gw2"))
    kept = playbook("destroy", container="gw1")
    assert kept.rc != 0 and "task1, task2" in " ".join(kept.failures()), kept.output
    playbook("destroy", container="gw1,task1,task2").succeeded()
    assert set(lab.instances()) == {"px-gw2"}


def test_a_bridge_that_leads_elsewhere_is_refused(container: Callable[..., PlayRun], lab: RunningLab) -> None:
    lab.state(bridges=["br-px1"])
    lab.limits(bridge_members={"br-px1": ["eth1"]})
    try:
        run = container(name="gw1", inside="br-px1")
        assert run.rc != 0 and "members (eth1)" in " ".join(run.failures()), run.output
        assert lab.instances() == {}
    finally:
        lab.limits(bridge_members={})
    run = container(name="gw1", inside="incusbr0")
    assert run.rc != 0 and "not a bridge that was made for this" in " ".join(run.failures()), run.output


def test_check_mode_sends_nothing(container: Callable[..., PlayRun], lab: RunningLab, journal_changes: Callable[[], list[str]]) -> None:
    lab.state(bridges=["br-px1"])
    assert container(name="gw1", inside="br-px1", check=True).succeeded().changed == 1
    assert journal_changes() == []


@pytest.mark.parametrize("other", [{"network": "default"}, {"nic_type": "bridged", "parent": "incusbr0"}, {"inside": "br-px1"}])
def test_via_is_the_whole_network(container: Callable[..., PlayRun], lab: RunningLab, other: dict[str, str]) -> None:
    run = container(name="task1", via="gw1", **other)
    assert run.rc != 0 and "mutually exclusive" in run.output
    assert lab.instances() == {}


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"container": "gw1,gw2"}, "Which gateway"),
        ({}, "Which gateway"),
        ({"container": "gw1", "mode": "unrestricted"}, "Allowed are agent, allowlist and learn"),
        ({"container": "gw1", "user": "root"}, "cannot be root"),
        ({"container": "gw1", "allow": "not a name"}, "not a name"),
        ({"container": "gw1"}, "none is made"),
    ],
)
def test_the_playbook_says_what_is_wrong_and_makes_nothing(
    playbook: Playbooks, lab: RunningLab, options: dict[str, str], reason: str
) -> None:
    run = playbook("gateway", **options)
    assert run.rc != 0 and reason in run.output, run.output
    assert lab.instances() == {}


def test_nothing_is_made_behind_what_is_no_gateway(playbook: Playbooks, lab: RunningLab) -> None:
    run = playbook("create", container="task1", via="gw1")
    assert run.rc != 0 and "gw1 does not exist" in run.output
    assert lab.instances() == {}


def test_a_gateway_is_in_use_as_long_as_anybody_behind_it_runs(playbook: Playbooks, lab: RunningLab) -> None:
    lab.state(bridges=["br-px1", "br-px2"])
    # Nothing of this lab can be looked into.
    made = ({"name": "gw1", "inside": "br-px1"}, {"name": "gw2", "inside": "br-px2"}, {"name": "task1,task2", "via": "gw1"})
    playbook.tasks(*({"pixels.sandbox.container": {"wait_for": "none", "state": "started", **options}} for options in made)).succeeded()

    def rows(**named: Any) -> dict[str, tuple[str, str]]:
        run = playbook("stop_idle", idle="1s", **named).succeeded()
        assert run.changed == 0
        lines = [re.split(r"\s{2,}", line.strip()) for line in run.stdout.splitlines()]
        return {line[0]: (line[1], line[2]) for line in lines if len(line) == 3}

    found = rows()
    assert found["gw1"] == ("in use", "a gateway: task1, task2 run behind it")
    assert found["gw2"] == ("left alone", "a gateway, which is stopped only where it is named")
    assert found["task1"][0] == "unknown, left alone"
    playbook("stop", container="task2").succeeded()
    found = rows(container="gw1,gw2")
    assert found["gw1"] == ("in use", "a gateway: task1 runs behind it")
    assert found["gw2"][0] == "unknown, left alone", "it would be looked into"
    playbook("stop", container="task1").succeeded()
    assert rows()["gw1"][0] == "left alone"
