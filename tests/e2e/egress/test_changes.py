"""Changes of the policy while it is in force: under load, at the same time, from mode to mode."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boxes
import pytest
import world
from internet import Internet
from playbook import Playbooks, PlayRun
from running_lab import RunningLab
from suite import Agent, attack, config_for, held

pytestmark = pytest.mark.usefixtures("world_reset")
# The proof at the end is left out here, these tests look for themselves.
QUICKLY: dict[str, Any] = {"prove": "false", "egress_dns": [world.v4(world.DNS)]}
ONE, TWO, THREE, FOUR = world.SPARE[:4]


@pytest.fixture(scope="module")
def boxed(internet: Internet, playbook: Playbooks, real_lab: RunningLab, home: Path, box: Agent) -> Agent:
    return boxes.restricted_box(playbook, real_lab, internet, home, "echange")


@pytest.fixture
def clean(boxed: Agent, playbook: Playbooks) -> Iterator[None]:
    """Every test begins with the same list."""
    playbook("network_set", container=boxed.name, mode="allowlist", allow=world.ALLOW, deny=["none.example"], **QUICKLY).succeeded()
    yield


def allow(playbook: Playbooks, boxed: Agent, domain: str) -> PlayRun:
    return playbook("network_allow", container=boxed.name, domain=domain, **QUICKLY)


def deny(playbook: Playbooks, boxed: Agent, domain: str, **more: Any) -> PlayRun:
    return playbook("network_deny", container=boxed.name, domain=domain, **QUICKLY, **more)


def load_config(internet: Internet, **more: Any) -> dict[str, Any]:
    config = config_for(internet, restricted=True, run="load")
    return {**config, "token": f"pxload{time.time_ns()}", **more}


def reaches(agent: Agent, name: str) -> str:
    """The address of the server that answers to a name, or nothing."""
    text = str(agent.tool(f"tls({world.v4(world.CDN)!r}, {name!r})"))
    return text.partition('"address": "')[2].partition('"')[0] if f'"site": "{name}"' in text else ""


def test_l02_d8_changes_under_load(boxed: Agent, clean: None, playbook: Playbooks, internet: Internet) -> None:
    """L02, D8: no failed handshake, no leak, a download that goes on; and a table of somebody else's stays."""
    boxed.box.run("nft add table inet foreign && nft add chain inet foreign own")
    config = load_config(internet)
    since = internet.mark()
    with boxed.load(config) as told:
        for name in (ONE, TWO):
            assert allow(playbook, boxed, name).succeeded().changed >= 1
        assert deny(playbook, boxed, ONE).succeeded().changed >= 1
        allow(playbook, boxed, f"{THREE}:2222").succeeded()
        deny(playbook, boxed, TWO).succeeded()
    assert told["failed"] == [] and told["handshakes"] > 100, told
    assert told["leaks"] == [] and told["probes"] > 20, told
    assert told["broken"] == "" and told["download"] > 50, told
    assert internet.seen(since, config["token"]) == []
    assert "chain own" in boxed.box.run("nft list table inet foreign")
    boxed.box.run("nft delete table inet foreign")


def test_l06_deny_and_cut(boxed: Agent, clean: None, playbook: Playbooks, internet: Internet) -> None:
    """L06: a connection that is open ends, and a new one is refused."""
    allow(playbook, boxed, ONE).succeeded()
    assert reaches(boxed, ONE)
    with boxed.load(load_config(internet, name=ONE, parts=["download"])) as told:
        time.sleep(2)
        deny(playbook, boxed, ONE, cut=True).succeeded()
        time.sleep(2)
    assert told["broken"], told
    assert not reaches(boxed, ONE)
    held(boxed, internet)


def test_l07_deny_without_cut(boxed: Agent, clean: None, playbook: Playbooks, internet: Internet) -> None:
    """L07: a connection that is open goes on, and a new one is refused."""
    allow(playbook, boxed, ONE).succeeded()
    with boxed.load(load_config(internet, name=ONE, parts=["download"])) as told:
        time.sleep(1)
        deny(playbook, boxed, ONE).succeeded()
        assert not reaches(boxed, ONE)
        time.sleep(2)
    assert told["broken"] == "" and told["download"] > 20, told


def test_l08_n37_an_address_that_changes(boxed: Agent, clean: None, internet: Internet) -> None:
    """L08, N37: the new address is used when the record's time is over, and the old one is no way to anybody."""
    old, new = world.v4(world.CDN), world.v4(world.NEW_HOME)
    name = world.ROTATING
    assert reaches(boxed, name) == old
    internet.record(name, ttl=3, A=[new], AAAA=[world.v6(world.NEW_HOME)])
    until = time.monotonic() + 40
    while reaches(boxed, name) != new:
        assert time.monotonic() < until, "the old address is still in use"
        time.sleep(1)
    outcomes = attack(boxed, internet, restricted=True, only=["N17", "N20", "N21", "N22", "N28"])
    assert {ident: outcome.verdict for ident, outcome in outcomes.items()} == dict.fromkeys(outcomes, "blocked"), outcomes


def test_d9_changes_at_the_same_time(boxed: Agent, clean: None, home: Path, playbook: Playbooks, tmp_path: Path) -> None:
    """D9: none of them is lost."""
    runs: dict[str, PlayRun] = {}

    def one(number: int, name: str) -> None:
        # A home of its own for each; they share who is trusted.
        own = tmp_path / str(number)
        for folder in (".ssh", ".local"):
            shutil.copytree(home / folder, own / folder, ignore=shutil.ignore_patterns("cp"))
        (own / "run").mkdir()
        runs[name] = Playbooks(own, {**playbook.env}, timeout=300)("network_allow", container=boxed.name, domain=name, **QUICKLY)

    threads = [threading.Thread(target=one, args=(number, name)) for number, name in enumerate(world.SPARE[:5])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {name: run.rc for name, run in runs.items()} == dict.fromkeys(world.SPARE[:5], 0), [run.output[-800:] for run in runs.values()]
    found = boxes.info(playbook, boxed.name)
    assert set(world.SPARE[:5]) <= set(found["entries"]) and found["in_force"] is True, found


def test_d9_setting_the_mode_keeps_what_was_allowed(boxed: Agent, clean: None, playbook: Playbooks, internet: Internet) -> None:
    allow(playbook, boxed, FOUR).succeeded()
    assert playbook("network_set", container=boxed.name, mode="allowlist", **QUICKLY).succeeded().changed == 0
    assert FOUR in boxes.info(playbook, boxed.name)["allow"]
    assert reaches(boxed, FOUR)


def test_the_name_servers_stay_as_they_were_given(boxed: Agent, clean: None, playbook: Playbooks, internet: Internet) -> None:
    """Who allows one name more says nothing about name servers."""
    playbook("network_allow", container=boxed.name, domain=ONE).succeeded()
    assert boxes.info(playbook, boxed.name)["dns"] == [world.v4(world.DNS)]
    playbook("network_set", container=boxed.name, mode="allowlist").succeeded()
    assert boxes.info(playbook, boxed.name)["dns"] == [world.v4(world.DNS)]
    held(boxed, internet)


def looked_up(agent: Agent, internet: Internet, name: str) -> bool:
    """Whether a question about it arrives outside."""
    since = internet.mark()
    agent.tool(f"asked('127.0.0.1', question({name!r}))")
    return any(entry["name"].lower() == name for entry in internet.seen(since) if entry["kind"] == "dns")


def test_d7_from_the_preset_to_a_list(boxed: Agent, clean: None, playbook: Playbooks, internet: Internet) -> None:
    """D7: nothing of the preset is left: no name, no address."""
    before = set(boxes.info(playbook, boxed.name)["entries"])
    playbook("network_set", container=boxed.name, mode="agent", **QUICKLY).succeeded()
    more = [
        entry for entry in boxes.info(playbook, boxed.name)["entries"] if entry not in before and entry[0].isalpha() and ":" not in entry
    ]
    assert len(more) > 20, more
    preset = more[len(more) // 2]
    assert looked_up(boxed, internet, preset)
    held(boxed, internet)
    playbook("network_set", container=boxed.name, mode="allowlist", **QUICKLY).succeeded()
    found = boxes.info(playbook, boxed.name)
    assert preset not in found["entries"] and found["in_force"] is True
    assert not looked_up(boxed, internet, preset)
    files = boxed.box.run(f"grep -rl {preset} /etc/egress || true")
    assert files == "", files
    held(boxed, internet)


def test_denying_wins_over_a_wildcard(boxed: Agent, clean: None, playbook: Playbooks, internet: Internet) -> None:
    name = "deep.bad.usercontent.example"
    assert reaches(boxed, name)
    deny(playbook, boxed, "bad.usercontent.example").succeeded()
    assert not reaches(boxed, name)
    assert not looked_up(boxed, internet, name), "its labels are not told to anybody either"
    assert reaches(boxed, world.WILD)


def test_the_same_again_changes_nothing(boxed: Agent, clean: None, playbook: Playbooks) -> None:
    again = playbook("network_set", container=boxed.name, mode="allowlist", allow=world.ALLOW, deny=["none.example"], **QUICKLY)
    assert again.succeeded().changed == 0
    assert allow(playbook, boxed, world.API).succeeded().changed == 0
    allow(playbook, boxed, ONE).succeeded()
    assert deny(playbook, boxed, ONE).succeeded().changed >= 1
    assert deny(playbook, boxed, ONE).succeeded().changed == 0


def test_from_restricted_to_unrestricted_and_back(boxed: Agent, clean: None, playbook: Playbooks, internet: Internet) -> None:
    """Nothing of the old mode is left: no rule, no service, no file, and everything works as it did before there was a policy."""
    playbook("network_set", container=boxed.name, mode="unrestricted").succeeded()
    assert "egress" not in boxed.box.run("nft list tables")
    left = "ls -d /etc/egress /usr/local/bin/sudo /usr/local/lib/pixels/egress /run/egress /etc/systemd/system/*egress* "
    left += "/etc/systemd/system/*/*egress* /etc/ssh/sshd_config.d/*egress* 2>/dev/null || true"
    assert boxed.box.run(left) == ""
    assert boxed.box.run("systemctl list-units --no-legend --all 'egress*'").strip() == ""
    outcomes = attack(boxed, internet, restricted=False, only=["N01", "N03", "N05", "N12", "N15", "P12", "P13"])
    assert {ident: outcome.verdict for ident, outcome in outcomes.items()} == dict.fromkeys(outcomes, "bypass"), outcomes
    info = boxes.info(playbook, boxed.name)
    assert (info["mode"], info["drift"]) == ("unrestricted", [])
    playbook("network_set", container=boxed.name, mode="allowlist", allow=world.ALLOW, egress_dns=[world.v4(world.DNS)]).succeeded()
    held(boxed, internet)
    outcomes = attack(boxed, internet, restricted=True, only=["P12", "P13", "P18"])
    assert {ident: outcome.verdict for ident, outcome in outcomes.items()} == dict.fromkeys(outcomes, "blocked"), outcomes
