"""What breaks while a policy is put in force or holds: nothing opens, it is told, and the same again mends it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import boxes
import pytest
import suite
import world
from internet import Internet
from playbook import Playbooks
from running_lab import RunningLab
from suite import Agent, attack, held

QUICKLY = {"prove": "false", "egress_dns": [world.v4(world.DNS)]}


@pytest.fixture(scope="module")
def boxed(internet: Internet, playbook: Playbooks, real_lab: RunningLab, home: Path, box: Agent) -> Agent:
    return boxes.restricted_box(playbook, real_lab, internet, home, "efault")


def outcome(agent: Agent, internet: Internet, *only: str) -> dict[str, str]:
    return {ident: found.verdict for ident, found in attack(agent, internet, restricted=True, only=list(only)).items()}


@pytest.mark.parametrize("account", ["egress-proxy", "egress-dns", "egress-log"])
def test_l03_killed(account: str, boxed: Agent, internet: Internet) -> None:
    """L03: closed at once, and back soon."""
    boxed.box.run(f"pkill -KILL -u {account}")
    assert set(outcome(boxed, internet, "N01", "N03", "N05", "N06", "N20", "N21").values()) == {"blocked"}
    until = time.monotonic() + 60
    while outcome(boxed, internet, "W01", "W04") != {"W01": "works", "W04": "works"}:
        assert time.monotonic() < until, boxed.box.run("systemctl status 'egress*' --no-pager -l", check=False)
        time.sleep(0.3)
    held(boxed, internet)


def test_l03_killed_again_and_again(boxed: Agent, internet: Internet) -> None:
    """A service that dies all the time is still started again."""
    for _time in range(8):
        boxed.box.run("pkill -KILL -u egress-proxy; sleep 0.3", check=False)
    until = time.monotonic() + 60
    while outcome(boxed, internet, "W01") != {"W01": "works"}:
        assert time.monotonic() < until, boxed.box.run("systemctl status 'egress*' --no-pager -l", check=False)
    held(boxed, internet)


DIGESTS = "cd /etc/egress && sha256sum *; nft list ruleset | grep -v packets"


@pytest.mark.parametrize("program", ["/usr/sbin/haproxy", "/usr/sbin/nft", "/usr/sbin/dnsmasq"])
def test_l04_what_cannot_be_validated(program: str, boxed: Agent, playbook: Playbooks, internet: Internet) -> None:
    """L04: the task fails, and what is in force stays as it is, to the byte."""
    box = boxed.box
    before = box.run(DIGESTS)
    box.run(f"mv {program} {program}.real")
    refusing = 'case " $* " in *" -c "*|*" --test "*) echo broken >&2; exit 1;; esac'
    box.write(program, f'#!/bin/sh\n{refusing}\nexec {program}.real "$@"\n', "0755")
    try:
        run = playbook("network_allow", container=boxed.name, domain=world.SPARE[0], **QUICKLY)
    finally:
        box.run(f"mv {program}.real {program}")
    assert run.rc != 0 and "still in force" in run.output, run.output[-2000:]
    assert box.run(DIGESTS) == before
    held(boxed, internet)
    playbook("network_allow", container=boxed.name, domain=world.SPARE[0], **QUICKLY).succeeded()
    playbook("network_deny", container=boxed.name, domain=world.SPARE[0], **QUICKLY).succeeded()
    held(boxed, internet)


@pytest.fixture
def whole(boxed: Agent) -> Iterator[None]:
    """One that is not mended is not the next one's fault."""
    yield
    boxed.box.run("rm -f /etc/sudoers.d/px; systemctl -q enable egress-firewall.service")


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("nft delete table inet egress", "rule"),
        ("nft insert rule inet egress out accept", "rule"),
        ("sed -i 's/policy drop/policy accept/' /etc/egress/egress.nft", "egress.nft"),
        ("systemctl stop egress-proxy", "egress-proxy"),
        ("systemctl -q disable egress-firewall", "egress-firewall"),
        ("echo 'nameserver 198.51.100.54' >/etc/resolv.conf", "resolv"),
        ("echo 'pixel ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/px", "sudo"),
        ("echo evil.example >>/etc/egress/exact.lst; systemctl reload egress-proxy", "exact.lst"),
    ],
    ids=lambda value: value.split()[0] + "-" + value.split()[-1].split("/")[-1] if " " in value else None,
)
def test_d3_drift(damage: str, told: str, boxed: Agent, whole: None, playbook: Playbooks, internet: Internet) -> None:
    """D3: what was changed by hand is told by name, check mode says that it would change it, and the same again mends it."""
    boxed.box.run(damage)
    found = boxes.info(playbook, boxed.name)
    assert found["in_force"] is False
    assert told in json.dumps(found["drift"]), found["drift"]
    variables = boxes.policy()
    assert playbook("create", check=True, container=boxed.name, **variables).succeeded().changed >= 1
    assert boxes.info(playbook, boxed.name)["in_force"] is False, "a check changes nothing"
    assert playbook("create", container=boxed.name, **variables).succeeded().changed >= 1
    found = boxes.info(playbook, boxed.name)
    assert (found["in_force"], found["drift"]) == (True, [])
    held(boxed, internet)
    again = playbook("create", "-v", container=boxed.name, **variables).succeeded()
    assert again.changed == 0, again.output


HOLDER = r"""
import socket
there = socket.create_connection(("@ADDRESS@", 80), 5)
there.sendall(b"GET /slow?seconds=300 HTTP/1.1\r\nHost: evil.example\r\n\r\n")
lines = 0
while data := there.recv(65536):
    lines += data.count(b"INTERNET")
    with open("/var/tmp/holder", "w") as out:
        out.write(str(lines))
"""


def hold(agent: Agent, uid: int) -> None:
    """A download from the attacker that begins before there is a policy, and belongs to no login."""
    agent.box.write("/opt/holder.py", HOLDER.replace("@ADDRESS@", world.v4(world.ATTACKER)))
    agent.box.run(f"systemd-run -q --unit=holder --uid={uid} python3 /opt/holder.py")
    agent.box.run("timeout 30 sh -c 'until test -s /var/tmp/holder; do sleep 0.1; done'")
    assert goes_on(agent)


def goes_on(agent: Agent) -> bool:
    """Whether something still comes."""
    before = agent.box.run("cat /var/tmp/holder")
    time.sleep(2)
    return agent.box.run("cat /var/tmp/holder") != before


def test_d2_a_mirror_that_does_not_answer(internet: Internet, playbook: Playbooks, real_lab: RunningLab, home: Path, box: Agent) -> None:
    """D2: the playbook fails, the box is locked, and the agent neither logs in nor reaches anything, also after a restart."""
    agent = boxes.open_box(playbook, real_lab, internet, home, "emirror")
    agent.upload()
    hold(agent, uid=1000)
    agent.box.run("rm -rf /var/lib/apt/lists/*")
    agent.box.write("/etc/apt/sources.list", "deb http://127.0.0.1:9/debian stable main\n")
    run = playbook("create", container="emirror", **boxes.policy())
    assert run.rc != 0 and "127.0.0.1:9" in run.output and "locked" in run.output, run.output[-3000:]

    def is_locked() -> None:
        done = subprocess.run([*agent.line, "true"], capture_output=True, check=False, timeout=30)
        assert done.returncode != 0, done
        held(agent, internet, works=False, over_ssh=False)

    assert not goes_on(agent), "the connection from before goes on"
    is_locked()
    assert boxes.info(playbook, "emirror")["in_force"] is False
    playbook("stop", container="emirror").succeeded()
    playbook("start", container="emirror").succeeded()
    is_locked()
    # The packages of the policy are in the real distribution.
    agent.box.run(f"cp {boxes.REAL_SOURCES} /etc/apt/sources.list")
    # The simulated names have no such mirror: it is found by those of the machine, and the simulated ones come after that.
    mended = {**boxes.policy(), "egress_dns": [internet.gateway]}
    assert playbook("create", container="emirror", **mended).succeeded().changed >= 1
    names = {"egress_dns": boxes.policy()["egress_dns"], "prove": False}
    playbook("network_set", container="emirror", mode="allowlist", **names).succeeded()
    boxes.settle(agent, internet)
    held(agent, internet)
    playbook("destroy", container="emirror").succeeded()


def test_n43_a_connection_from_before(internet: Internet, playbook: Playbooks, real_lab: RunningLab, home: Path, box: Agent) -> None:
    """N43: whatever is open when the policy comes into force ends with it, that of root too."""
    playbook("create", container="ebefore", memory="768MiB").succeeded()
    agent = Agent(real_lab, home, "ebefore")
    hold(agent, uid=0)
    playbook("create", container="ebefore", **boxes.policy()).succeeded()
    assert not goes_on(agent), "the connection from before goes on"
    line = suite.ssh_command(real_lab, home, "ebefore", agent.box.address)
    assert subprocess.run([*line, "true"], capture_output=True, check=False, timeout=30).returncode == 0
    playbook("destroy", container="ebefore").succeeded()
