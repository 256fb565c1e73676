"""The boxes of these tests: one that is held, and one that nothing holds, with the same view of the simulated internet."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import world
from internet import Internet
from playbook import Playbooks, PlayRun
from running_lab import RunningLab
from suite import Agent

# An address of version 6 for each box of a run.
_numbers = itertools.count(0x201)
# Those of the distribution, kept for who needs its packages later.
REAL_SOURCES = "/root/real-sources.list"
KEYRING = "/etc/apt/keyrings/px.gpg"
SOURCE = f"deb [signed-by={KEYRING}] http://{world.MIRROR_NAME}/debian ./\n"


def policy(mode: str = "allowlist", allow: list[Any] | None = None, **more: Any) -> dict[str, Any]:
    """The variables that `create` takes for a box that knows only the simulated internet."""
    return {"egress": mode, "allow": world.ALLOW if allow is None else allow, "egress_dns": [world.v4(world.DNS)], **more}


def settle(agent: Agent, internet: Internet) -> Agent:
    """The simulated package source, and IPv6, which the lab's network does not have."""
    agent.box.give_v6(int(f"{next(_numbers):x}"))
    agent.box.write(KEYRING, internet.repository_key)
    agent.box.run(f"test -e {REAL_SOURCES} || cp /etc/apt/sources.list {REAL_SOURCES}")
    agent.box.write("/etc/apt/sources.list", SOURCE)
    agent.box.run("rm -rf /etc/apt/sources.list.d/* /var/lib/apt/lists/*")
    return agent


def restricted_box(
    playbook: Playbooks, lab: RunningLab, internet: Internet, home: Path, name: str, mode: str = "allowlist", **more: Any
) -> Agent:
    """Made by the playbook; its packages come from the real mirror, before any rule is there."""
    playbook("create", container=name, memory="768MiB", **policy(mode, **more)).succeeded()
    return settle(Agent(lab, home, name), internet)


def open_box(playbook: Playbooks, lab: RunningLab, internet: Internet, home: Path, name: str) -> Agent:
    playbook("create", container=name, memory="768MiB").succeeded()
    agent = settle(Agent(lab, home, name), internet)
    use_simulated_names(agent)
    return agent


def use_simulated_names(agent: Agent) -> None:
    """The whole world's names are those of the simulated one, so that nothing of the real one can be reached by mistake."""
    agent.box.run(f"rm -f /etc/resolv.conf; echo 'nameserver {world.v4(world.DNS)}' >/etc/resolv.conf")


def info(playbook: Playbooks, name: str) -> dict[str, Any]:
    """What egress_info says about a box."""
    return dict(playbook("network_show", container=name).succeeded().last("egress_info")["egress"])


def shown(run: PlayRun) -> str:
    return run.output[-3000:]
