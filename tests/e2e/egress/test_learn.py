"""Mode learn: what is not listed is let through and recorded, denied names are not, and what was recorded makes a policy that is enough."""

from __future__ import annotations

from pathlib import Path

import boxes
import pytest
import world
from internet import Internet
from playbook import Playbooks
from running_lab import RunningLab
from suite import Agent, config_for

WEB, DENIED, UNLISTED = world.SPARE[0], world.SPARE[1], world.SPARE[2]
PORT = f"{world.EVIL}:2222"


@pytest.fixture(scope="module")
def learner(internet: Internet, playbook: Playbooks, real_lab: RunningLab, home: Path) -> Agent:
    agent = boxes.restricted_box(playbook, real_lab, internet, home, "elearn", "learn")
    playbook("network_deny", container="elearn", domain=DENIED).succeeded()
    return agent


def secure(agent: Agent, name: str) -> str:
    return str(agent.tool(f"tls_try({world.v4(world.CDN)!r}, {name!r})"))


def plain(agent: Agent, name: str) -> str:
    request = f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"
    return str(agent.tool(f"tcp({world.v4(world.CDN)!r}, 80, {request!r}.encode())"))


def raw(agent: Agent) -> str:
    return str(agent.tool(f"tcp(resolved({world.EVIL!r}), 2222, b'hello')"))


def test_what_is_not_listed_works(learner: Agent) -> None:
    assert f'"site": "{world.OTHER_ON_CDN}"' in secure(learner, world.OTHER_ON_CDN)
    assert f'"site": "{WEB}"' in plain(learner, WEB)
    assert "INTERNET-RAW" in raw(learner)


def test_what_is_denied_does_not(learner: Agent) -> None:
    assert "INTERNET" not in secure(learner, DENIED)
    assert "INTERNET" not in plain(learner, DENIED)


def test_it_is_recorded_and_makes_a_policy(learner: Agent, playbook: Playbooks, internet: Internet) -> None:
    run = playbook("network_learned", container=learner.name).succeeded()
    found = [entry["entry"] for entry in run.last("egress_info")["egress"]["learned"]]
    assert {world.OTHER_ON_CDN, WEB, PORT} <= {entry for entry in found if isinstance(entry, str)}, found
    assert DENIED not in found and world.API not in found, "neither what is refused nor what is listed is to be learned"
    assert "egress_allow:" in run.stdout and f"- {world.OTHER_ON_CDN}" in run.stdout
    # What learning has let through ends with it.
    config = {**config_for(internet, restricted=True, run="learn"), "name": UNLISTED, "parts": ["download"]}
    with learner.load(config) as told:
        playbook("network_set", container=learner.name, mode="allowlist", allow=[*world.ALLOW, world.OTHER_ON_CDN, WEB, PORT]).succeeded()
    assert told["download"] > 0 and told["broken"], told
    assert f'"site": "{world.OTHER_ON_CDN}"' in secure(learner, world.OTHER_ON_CDN)
    assert f'"site": "{WEB}"' in plain(learner, WEB)
    assert "INTERNET-RAW" in raw(learner)
    assert "INTERNET" not in secure(learner, UNLISTED)
    again = playbook("network_learned", container=learner.name).succeeded()
    assert not {world.OTHER_ON_CDN, WEB, PORT} & {str(entry["entry"]) for entry in again.last("egress_info")["egress"]["learned"]}
