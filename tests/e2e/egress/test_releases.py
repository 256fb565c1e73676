"""The same policy in another release of the distribution: its own versions of nftables, haproxy, dnsmasq, ulogd and systemd."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import boxes
import pytest
from internet import Internet
from playbook import Playbooks
from rows import ROWS
from running_lab import ROOT, RunningLab
from suite import Agent, attack, held

# What can be built from the mirror of this machine beside its own release.
SIBLINGS = {
    ("debian", "12"): "debian/13",
    ("debian", "13"): "debian/12",
    ("ubuntu", "22.04"): "ubuntu/24.04",
    ("ubuntu", "24.04"): "ubuntu/22.04",
}


def sibling() -> str | None:
    facts = dict(re.findall(r'^(ID|VERSION_ID)="?([^"\n]*)"?$', Path("/etc/os-release").read_text(), re.MULTILINE))
    return SIBLINGS.get((facts.get("ID", ""), facts.get("VERSION_ID", "")))


@pytest.fixture(scope="module")
def other(internet: Internet, playbook: Playbooks, real_lab: RunningLab, home: Path) -> Agent:
    """A restricted box of the other release."""
    release = sibling()
    if release is None:
        pytest.skip("no other supported release can be built from this machine's mirror")
    subprocess.run([str(ROOT / "tests" / "tools" / "real_lab.sh"), "image", release], check=True, timeout=900)
    return boxes.restricted_box(playbook, real_lab, internet, home, "eother", image=release)


def test_it_is_another_release(other: Agent, box: Agent) -> None:
    ask = ". /etc/os-release; echo $ID/$VERSION_ID; dpkg-query -W -f '${Version} ' haproxy nftables dnsmasq-base ulogd2"
    mine, theirs = box.box.run(ask), other.box.run(ask)
    assert theirs.splitlines()[0] == sibling()
    assert theirs != mine


def test_every_attack_is_judged_as_in_the_first_release(other: Agent, internet: Internet) -> None:
    outcomes = attack(other, internet, restricted=True)
    wrong = []
    for row in ROWS:
        verdicts = {row.expect} | ({"unsupported"} if row.optional else set())
        if row.id not in outcomes or outcomes[row.id].verdict not in verdicts:
            wrong.append(str(outcomes.get(row.id, row)))
    assert not wrong, "\n".join(wrong)


def test_a_second_run_changes_nothing(other: Agent, playbook: Playbooks) -> None:
    # Its package source was changed after the policy, which follows it once.
    playbook("network_set", container=other.name, mode="allowlist").succeeded()
    again = playbook("network_set", container=other.name, mode="allowlist").succeeded()
    assert again.changed == 0, again.output


def test_a_change_takes_effect_and_a_restart_keeps_it(other: Agent, internet: Internet, playbook: Playbooks) -> None:
    playbook("network_allow", container=other.name, domain="added.example.net").succeeded()
    playbook("network_deny", container=other.name, domain="added.example.net", cut=True).succeeded()
    playbook("stop", container=other.name).succeeded()
    playbook("start", container=other.name).succeeded()
    held(other, internet)
    # systemd 256 and newer make a socket for logins at the boot after the one that has installed the SSH server.
    outcomes = attack(other, internet, restricted=True, only=["P13", "P18", "P24", "P30"])
    assert {ident: outcome.verdict for ident, outcome in outcomes.items()} == dict.fromkeys(outcomes, "blocked"), outcomes
    assert boxes.info(playbook, other.name)["in_force"] is True


def test_nothing_is_left_when_it_is_taken_away(other: Agent, playbook: Playbooks) -> None:
    playbook("network_set", container=other.name, mode="unrestricted").succeeded()
    left = other.box.run(
        "ls -d /etc/egress /usr/local/lib/pixels/egress /usr/local/bin/sudo 2>/dev/null; nft list tables; getent passwd | grep ^egress",
        check=False,
    )
    assert left == ""
