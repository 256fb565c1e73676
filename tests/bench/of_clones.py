"""Clones of a prepared base: one, a fleet in one task, and their destruction. Incus copies a snapshot of the same content in the same pool.

Ours are ready to log in to, each with a machine-id, host keys, a host name and an address of its own and the host key pinned; of a copy
that Incus makes it is only known that an SSH server answers there, with the host key of all others.
"""

from __future__ import annotations

from typing import Any

from incus_cli import Incus
from measures import Ratio, Timings
from of_containers import unchanged
from playbook import Playbooks

BASE, LABEL = "benchbase", "ready"

ONE = "create one clone, with SSH"
ONE_AGAIN = "create the clone again (changed=0)"
ONE_INCUS = "incus copy and start of one, until SSH answers"


class Names:
    """What is measured for a fleet of that size."""

    def __init__(self, count: int) -> None:
        self.fleet = f"create {count} clones in one task, with SSH"
        self.fleet_again = f"create {count} clones again (changed=0)"
        self.fleet_incus = f"incus copy and start of {count}, 4 at a time, until SSH answers"
        self.destroy = f"destroy {count} clones"
        self.destroy_incus = f"incus delete of {count}, 4 at a time"

    def ratios(self, count: int) -> tuple[Ratio, ...]:
        return (
            Ratio("one clone against incus", ONE, ONE_INCUS, aim=2.2),
            Ratio(f"{count} clones against incus", self.fleet, self.fleet_incus, aim=1.25),
            Ratio(f"destroy of {count} against incus", self.destroy, self.destroy_incus),
            Ratio("second run of one against the first", ONE_AGAIN, ONE),
            Ratio(f"second run of {count} against the first", self.fleet_again, self.fleet),
        )


def prepare(playbook: Playbooks, incus: Incus) -> str:
    """The base with its checkpoint; returns the snapshot that Incus copies."""
    playbook("create", container=BASE).succeeded()
    playbook("checkpoint_create", container=BASE, label=LABEL).succeeded()
    return incus.prepare(f"px-{BASE}", "rawbase")


def bench(timings: Timings, playbook: Playbooks, incus: Incus, snapshot: str, rounds: int, count: int) -> None:
    source: dict[str, Any] = {"from": f"{BASE}:{LABEL}"}
    names = Names(count)
    workers = f"bench[01:{count:02}]"
    raw = [f"raw{number:02}" for number in range(1, count + 1)]
    for _round in range(rounds):
        timings.measure(ONE, lambda: playbook("create", container="bench1", **source).succeeded())
        timings.measure(ONE_INCUS, lambda: incus.clone(snapshot, "raw1"))
        timings.measure(ONE_AGAIN, lambda: unchanged(playbook, container="bench1", **source))
        incus.destroy("raw1")
        playbook("destroy", container="bench1").succeeded()
    for _round in range(rounds):
        timings.measure(names.fleet, lambda: playbook("create", container=workers, **source).succeeded())
        timings.measure(names.fleet_again, lambda: unchanged(playbook, container=workers, **source))
        timings.measure(names.destroy, lambda: playbook("destroy", container=workers).succeeded())
        timings.measure(names.fleet_incus, lambda: incus.clones(snapshot, raw))
        timings.measure(names.destroy_incus, lambda: incus.destroy(*raw))
