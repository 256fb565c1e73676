"""Containers made of an image: create, create again, destroy, and what Ansible takes for nothing."""

from __future__ import annotations

from typing import Any

from incus_cli import Incus
from measures import Ratio, Timings
from playbook import Playbooks

EMPTY = "ansible-playbook with nothing to do"
BARE = "create, bare (running, with its address)"
SSH = "create, with SSH"
AGAIN_BARE = "create again, bare (changed=0)"
AGAIN = "create again, with SSH (changed=0)"
DESTROY = "destroy of 2"
INCUS = "incus launch, until it has its address"

RATIOS = (
    Ratio("what create adds to incus itself", BARE, INCUS),
    Ratio("what SSH adds to a bare create", SSH, BARE),
    Ratio("second run against the first, with SSH", AGAIN, SSH),
    Ratio("second run against an empty playbook", AGAIN, EMPTY),
)


def unchanged(playbook: Playbooks, **variables: Any) -> None:
    run = playbook("create", **variables).succeeded()
    if run.changed:
        raise SystemExit(f"the second run changed something:\n{run.output}")


def bench(timings: Timings, playbook: Playbooks, incus: Incus, rounds: int) -> None:
    image = incus.image()
    for _round in range(rounds):
        timings.measure(EMPTY, lambda: playbook.tasks({"name": "Nothing", "ansible.builtin.meta": "noop"}).succeeded())
        timings.measure(BARE, lambda: playbook("create", container="bench1", provision=False).succeeded())
        timings.measure(AGAIN_BARE, lambda: unchanged(playbook, container="bench1", provision=False))
        timings.measure(SSH, lambda: playbook("create", container="bench2").succeeded())
        timings.measure(AGAIN, lambda: unchanged(playbook, container="bench2"))
        timings.measure(INCUS, lambda: incus.launch(image, "bench3"))
        incus.destroy("bench3")
        timings.measure(DESTROY, lambda: playbook("destroy", container=["bench1", "bench2"]).succeeded())
