"""Checkpoints of a running container, and the way back to one. Ours shuts the container down and proves that it can be logged in to
afterwards; Incus cuts its power.
"""

from __future__ import annotations

from typing import Any

from incus_cli import Incus
from measures import Limit, Ratio, Timings
from of_clones import BASE, LABEL
from playbook import Playbooks

TAKE = "checkpoint of a running container"
TAKE_INCUS = "incus snapshot create"
RESTORE = "restore, until it is ready again"
RESTORE_INCUS = "incus snapshot restore, until SSH answers"

RATIOS = (
    Ratio("checkpoint against incus", TAKE, TAKE_INCUS),
    Ratio("restore against incus", RESTORE, RESTORE_INCUS),
)
LIMITS = (Limit(TAKE, 1.0),)


def bench(timings: Timings, playbook: Playbooks, incus: Incus, snapshot: str, rounds: int) -> None:
    source: dict[str, Any] = {"from": f"{BASE}:{LABEL}"}
    playbook("create", container="bench1", **source).succeeded()
    incus.clone(snapshot, "raw1")
    for number in range(rounds):
        _round(timings, playbook, incus, f"round{number}")
    playbook("destroy", container="bench1").succeeded()
    incus.destroy("raw1")


def _round(timings: Timings, playbook: Playbooks, incus: Incus, label: str) -> None:
    timings.measure(TAKE, lambda: playbook("checkpoint_create", container="bench1", label=label).succeeded())
    timings.measure(TAKE_INCUS, lambda: incus.snapshot("raw1", label))
    timings.measure(RESTORE, lambda: playbook("checkpoint_restore", container="bench1", label=label).succeeded())
    timings.measure(RESTORE_INCUS, lambda: incus.restore("raw1", label))
