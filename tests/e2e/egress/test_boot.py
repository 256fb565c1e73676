"""The policy at boot: after a restart, a restore, in a clone, and with rules that cannot be loaded."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import boxes
import canary
import pytest
import suite
import world
from internet import Internet
from playbook import Playbooks
from running_lab import RunningLab
from suite import Agent, held


@pytest.fixture(scope="module")
def boxed(internet: Internet, playbook: Playbooks, real_lab: RunningLab, home: Path, box: Agent) -> Agent:
    """One of its own: these tests end with it broken. It exists after `box`, so that a missing policy is told there."""
    return boxes.restricted_box(playbook, real_lab, internet, home, "eboot")


def restart(playbook: Playbooks, name: str) -> None:
    playbook("stop", container=name).succeeded()
    playbook("start", container=name).succeeded()


def wait_for_tries(agent: Agent, tries: int = 400, most: float = 40.0) -> dict[str, int]:
    """Until the canary has run for a while, and there is a network. Where nothing is refused, only dropped, a try takes its time."""
    until = time.monotonic() + most
    while True:
        try:
            found = canary.told(agent)
            if found["tries"] > tries and "inet " in agent.box.run("ip -4 address show eth0"):
                return found
        except (AssertionError, ValueError):
            pass
        assert time.monotonic() < until, agent.box.run("systemctl status canary.service", check=False)
        time.sleep(0.5)


@pytest.fixture
def free(boxed: Agent) -> Iterator[None]:
    yield
    canary.remove(boxed)


def nothing_came(internet: Internet, since: int, token: str) -> None:
    seen = internet.seen(since, token)
    assert seen == [], seen[:3]


def test_the_canary_gets_out_where_nothing_holds_it(open_box: Agent, playbook: Playbooks, internet: Internet) -> None:
    """So that the tests below can fail."""
    token = canary.plant(open_box)
    since = internet.mark()
    restart(playbook, open_box.name)
    wait_for_tries(open_box)
    canary.remove(open_box)
    boxes.use_simulated_names(open_box)
    assert internet.seen(since, token)


def test_l01_d1_a_restart(boxed: Agent, free: None, playbook: Playbooks, internet: Internet) -> None:
    """L01: no packet of a boot canary gets out, from before the network to after SSH."""
    token = canary.plant(boxed)
    since = internet.mark()
    with internet.wire() as wire:
        restart(playbook, boxed.name)
        found = wait_for_tries(boxed)
        held(boxed, internet)
        assert canary.told(boxed)["tries"] > found["tries"], "it was still at work when SSH answered"
        mac = boxed.box.mac
    nothing_came(internet, since, token)
    assert wire.find(mac, token.encode()) == []
    assert canary.told(boxed)["came"] == 0
    assert boxes.info(playbook, boxed.name)["in_force"] is True


def test_d1_a_restore(boxed: Agent, free: None, playbook: Playbooks, internet: Internet) -> None:
    """D1: what comes back from a checkpoint is held from its first packet on, whatever was done to the box in between."""
    token = canary.plant(boxed)
    playbook("checkpoint_create", container=boxed.name, label="held").succeeded()
    boxed.box.run("nft delete table inet egress; systemctl -q disable egress-firewall.service; rm -rf /etc/egress; sync")
    since = internet.mark()
    with internet.wire() as wire:
        playbook("checkpoint_restore", container=boxed.name, label="held").succeeded()
        wait_for_tries(boxed)
        held(boxed, internet)
    nothing_came(internet, since, token)
    assert wire.find(boxed.box.mac, token.encode()) == []


def test_d1_a_clone(boxed: Agent, free: None, playbook: Playbooks, internet: Internet, real_lab: RunningLab, home: Path) -> None:
    """D1: a clone is held from its first packet on, before it has an identity, and has the policy of its source."""
    token = canary.plant(boxed)
    since = internet.mark()
    with internet.wire() as wire:
        playbook("create", container="eclone", **{"from": boxed.name}).succeeded()
        clone = Agent(real_lab, home, "eclone")
        wait_for_tries(clone)
        found = boxes.info(playbook, "eclone")
        clone.box.give_v6(0x2FF)
        held(clone, internet)
    nothing_came(internet, since, token)
    assert wire.find_any(token.encode()) == []
    assert (found["mode"], found["in_force"], found["drift"]) == ("allowlist", True, [])
    assert playbook("create", container="eclone", **{"from": boxed.name}).succeeded().changed == 0
    # What is asked for by name is added to the policy that it has from its source.
    playbook("create", container="eclone", **{"from": boxed.name, "allow": world.SPARE[0]}).succeeded()
    more = boxes.info(playbook, "eclone")
    assert (more["mode"], world.SPARE[0] in more["entries"], more["in_force"]) == ("allowlist", True, True), more
    playbook("destroy", container="eclone").succeeded()


@pytest.mark.parametrize("broken", ["egress.nft", "egress.nft lockdown.nft"], ids=["rules", "rules and their replacement"])
def test_l05_rules_that_cannot_be_loaded(broken: str, boxed: Agent, free: None, playbook: Playbooks, internet: Internet) -> None:
    """L05: SSH in works for root, and nothing goes out; the same policy again mends it."""
    token = canary.plant(boxed)
    boxed.box.run(f"cd /etc/egress && for file in {broken}; do echo 'table inet egress {{ broken' >$file; done; sync")
    since = internet.mark()
    playbook("stop", container=boxed.name).succeeded()
    playbook("start", container=boxed.name).succeeded()
    wait_for_tries(boxed, 30)
    line = suite.ssh_command(boxed.lab, boxed.home, boxed.name, boxed.box.address, user="root")
    assert subprocess.run([*line, "id -u"], capture_output=True, check=False, timeout=20).stdout == b"0\n"
    held(boxed, internet, works=False, over_ssh=False)
    nothing_came(internet, since, token)
    found = boxes.info(playbook, boxed.name)
    assert found["in_force"] is False and found["drift"]
    assert playbook("network_set", container=boxed.name, mode="allowlist").succeeded().changed >= 1
    held(boxed, internet)
    assert boxes.info(playbook, boxed.name)["in_force"] is True
