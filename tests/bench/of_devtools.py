"""A container with the tools for agents: of a prepared base, and of an image. Both are ready for an agent to be asked for its version."""

from __future__ import annotations

from typing import Any

from measures import Ratio, Timings
from of_containers import unchanged
from playbook import Playbooks

BASE, LABEL = "toolbase", "ready"

OF_IMAGE = "create with devtools of an image, until they are installed"
OF_BASE = "create with devtools of a base, until they are installed"
BARE = "create of an image without devtools"
AGAIN = "create with devtools of a base again (changed=0)"

RATIOS: tuple[Ratio, ...] = (
    Ratio("devtools of a base against of an image", OF_BASE, OF_IMAGE, aim=0.2),
    Ratio("devtools of an image against without them", OF_IMAGE, BARE),
    Ratio("second run of devtools of a base against the first", AGAIN, OF_BASE),
)


def bench(timings: Timings, playbook: Playbooks, rounds: int) -> None:
    tools: dict[str, Any] = {"devtools": True, "wait_for": "devtools"}
    playbook("create", container=BASE, **tools).succeeded()
    playbook("checkpoint_create", container=BASE, label=LABEL).succeeded()
    playbook("stop", container=BASE).succeeded()
    source: dict[str, Any] = {"from": f"{BASE}:{LABEL}"}
    for _round in range(rounds):
        timings.measure(BARE, lambda: playbook("create", container="bench1").succeeded())
        playbook("destroy", container="bench1").succeeded()
        timings.measure(OF_IMAGE, lambda: playbook("create", container="bench1", **tools).succeeded())
        playbook("destroy", container="bench1").succeeded()
        timings.measure(OF_BASE, lambda: playbook("create", container="bench1", **tools, **source).succeeded())
        timings.measure(AGAIN, lambda: unchanged(playbook, container="bench1", **tools, **source))
        playbook("exec", container="bench1", argv=["claude", "--version"]).succeeded()
        playbook("destroy", container="bench1").succeeded()
    playbook("destroy", container=BASE).succeeded()
