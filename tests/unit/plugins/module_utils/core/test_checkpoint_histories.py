# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Random histories of containers, their clones and their checkpoints. Every plan is carried out on a pool with ZFS's own rules, cut short
at times, and what was promised is compared with what there is.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import labels, lease
from ansible_collections.pixels.sandbox.plugins.module_utils.core.checkpoint_errors import (
    Dependents,
    NewerCheckpoints,
    OlderCheckpoints,
)
from ansible_collections.pixels.sandbox.plugins.module_utils.core.checkpoint_plan import Restore, plan_removal, plan_restore
from ansible_collections.pixels.sandbox.plugins.module_utils.core.lineage import Lineage
from ansible_collections.pixels.sandbox.plugins.module_utils.core.promotion import Held, NameConflict
from ansible_collections.pixels.sandbox.plugins.module_utils.core.zfs_steps import carry_out
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.storage import Snapshot
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.zfs_simulator import (
    PARENT,
    Pool,
    Snap,
    home,
    lineage_of,
)

SEEDS = 300
LENGTH = 40
REFUSALS = (NewerCheckpoints, Dependents, OlderCheckpoints, Held, NameConflict)


class World:
    """Containers on a pool, and what their users believe that there is."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.pool = Pool()
        self.pool.create(home("base"), "base 0")
        self.names = ["base"]
        self.number = 0
        self.seen: Counter[str] = Counter()

    def next(self) -> int:
        self.number += 1
        return self.number

    def lineage(self, name: str) -> Lineage:
        return lineage_of(self.pool, name)

    def checkpoints(self, name: str) -> dict[str, Any]:
        """label -> content"""
        return {entry.label: self.pool.find(entry.snapshot.id).data for entry in self.lineage(name).checkpoints}

    def foreign(self, name: str) -> dict[int, Any]:
        """By transaction: a nightly one gives the same name to those of several data sets."""
        return {
            entry.txg: self.pool.find(entry.id).data
            for entry in self.lineage(name).snapshots
            if labels.label_of(entry.name) is None and labels.token_of(entry.name) is None
        }

    def data(self, name: str) -> Any:
        return self.pool.volumes[home(name)].data

    def others(self, lineage: Lineage) -> list[Snapshot]:
        outside = {name for snapshot in lineage.snapshots for name in lineage.outside(snapshot)}
        return self.pool.snapshots(outside)

    # What users do

    def write(self, name: str) -> None:
        self.pool.volumes[home(name)].data = f"{name} {self.next()}"

    def checkpoint(self, name: str) -> None:
        label = self.random.choice([f"c{self.next()}", "ready"])
        if label in self.checkpoints(name) or any(snap.name == f"pixels-{label}" for snap in self.pool.volumes[home(name)].snaps):
            return
        self.pool.snapshot(home(name), labels.snapshot_name(label))

    def nightly(self, _name: str) -> None:
        number = self.next()
        for dataset in self.pool.names():
            self.pool.snapshot(dataset, f"auto-{number}")

    def hold(self, name: str) -> None:
        snaps = self.pool.volumes[home(name)].snaps
        if snaps and self.random.random() < 0.3:
            self.random.choice(snaps).held = True

    def release(self, _name: str) -> None:
        for volume in self.pool.volumes.values():
            for snap in list(volume.snaps):
                snap.held = False
                if snap.deferred and not self.pool.clones(snap):
                    volume.snaps.remove(snap)

    def clone(self, name: str) -> None:
        """Of a checkpoint, wherever it is kept, or of the present state."""
        if len(self.names) > 6:
            return
        new, found = f"w{self.next()}", self.lineage(name).checkpoints
        if found and self.random.random() < 0.6:
            self.pool.clone(self.random.choice(found).snapshot.id, home(new))
        else:
            snapshot = f"{home(name)}@{labels.temporary_name(f'00000000-1-1-{self.number}')}"
            self.pool.snapshot(*snapshot.split("@"))
            self.pool.clone(snapshot, home(new))
            if self.random.random() < 0.8:  # else that run was killed
                self.pool.destroy_snapshot(snapshot, defer=True)
        self.names.append(new)

    def remove(self, name: str) -> None:
        found = self.lineage(name).checkpoints
        if not found:
            return
        label, dependents = self.random.choice(found).label, self.random.choice(["fail", "promote", "defer"])
        lineage, before = self.lineage(name), self.picture()
        try:
            plan = plan_removal(lineage, label, dependents=dependents, others=self.others(lineage))
        except REFUSALS as error:
            self.seen[f"remove refused: {type(error).__name__}"] += 1
            return
        assert plan is not None
        for step in plan.steps:
            carry_out(self.pool, step)
        self.seen[f"removed, deferred={plan.deferred}"] += 1
        del before[name]["checkpoints"][label]
        assert self.picture() == before

    def restore(self, name: str) -> None:
        found = self.lineage(name).checkpoints
        if not found:
            return
        label = self.random.choice(found).label
        on_newer, dependents = self.random.choice(["fail", "destroy", "keep"]), self.random.choice(["fail", "promote"])
        before, wanted = self.picture(), self.checkpoints(name)[label]
        plan = self.plan(name, label, on_newer, dependents)
        if plan is None:
            assert self.picture() == before
            return
        names = {entry.snapshot for entry in plan.newer if on_newer == "destroy"}
        gone = {snap.txg for snap in self.lineage(name).own if snap.name in names}
        gone_labels = {entry.label for entry in plan.newer if on_newer == "destroy"}
        steps = list(plan.steps)
        if self.random.random() < 0.4:
            # Cut short anywhere; then the same again.
            for step in steps[: self.random.randrange(len(steps) + 1)]:
                carry_out(self.pool, step)
            self.untouched(name, before)
            again = self.plan(name, label, on_newer, dependents)
            assert again is not None, "what was permitted is refused the second time"
            self.seen[f"cut short, repaired={again.repaired}"] += 1
            steps = list(again.steps)
        for step in steps:
            carry_out(self.pool, step)
        self.seen["swapped" if plan.parked else "rolled back"] += 1
        self.promised(name, before, wanted, gone, gone_labels)

    def plan(self, name: str, label: str, on_newer: str, dependents: str) -> Restore | None:
        lineage = self.lineage(name)
        try:
            return plan_restore(
                lineage,
                self.pool.datasets([PARENT]),
                label,
                on_newer=on_newer,
                dependents=dependents,
                others=self.others(lineage),
            )
        except REFUSALS as error:
            self.seen[f"restore refused: {type(error).__name__}"] += 1
            return None

    # What must be true

    def picture(self) -> dict[str, Any]:
        """Everything that users care about."""
        return {
            name: {"data": self.data(name), "checkpoints": self.checkpoints(name), "foreign": self.foreign(name)} for name in self.names
        }

    def untouched(self, name: str, before: dict[str, Any]) -> None:
        """Nobody else has noticed."""
        for other in self.names:
            if other != name:
                told = {"data": self.data(other), "checkpoints": self.checkpoints(other)}
                assert told == {key: before[other][key] for key in told}, other

    def promised(self, name: str, before: dict[str, Any], wanted: Any, gone: set[int], gone_labels: set[str | None]) -> None:
        lineage, pool = self.lineage(name), self.pool
        assert self.data(name) == wanted
        expected = {label: data for label, data in before[name]["checkpoints"].items() if label not in gone_labels}
        assert self.checkpoints(name) == expected
        kept = {txg: data for txg, data in before[name]["foreign"].items() if txg not in gone}
        assert self.foreign(name) == kept
        self.untouched(name, before)
        assert lineage.new not in pool.volumes and lineage.old not in pool.volumes
        for dataset in pool.names():
            if labels.kept_instance(dataset) == lineage.instance:
                assert pool.volumes[dataset].snaps, f"{dataset} is kept for nothing"
        origin = pool.volumes[lineage.dataset].origin
        assert origin is None or not lineage.owns(origin.owner.name), "it is a clone of what is kept beside it"


def history(seed: int) -> Counter[str]:
    world = World(seed)
    deeds = [world.write] * 3 + [world.checkpoint] * 5 + [world.clone] * 2 + [world.restore] * 4
    deeds += [world.remove, world.nightly, world.hold, world.release, world.release]
    for _step in range(LENGTH):
        deed, name = world.random.choice(deeds), world.random.choice(world.names)
        try:
            deed(name)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {deed.__name__} of {name}: {error}") from error
    return world.seen


def test_every_plan_keeps_its_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "is_over", lambda token, now=None: True)
    seen: Counter[str] = Counter()
    for seed in range(SEEDS):
        seen.update(history(seed))
    # A test of the test: none of the cases is there on paper only.
    for what in (
        "rolled back",
        "swapped",
        "cut short, repaired=True",
        "cut short, repaired=False",
        "removed, deferred=True",
        "removed, deferred=False",
        "restore refused: NewerCheckpoints",
        "restore refused: Dependents",
        "restore refused: Held",
        "remove refused: Dependents",
        "remove refused: Held",
        "remove refused: OlderCheckpoints",
    ):
        assert seen[what] > 0, f"{what} never happened: {seen}"


def test_a_broken_rule_is_noticed() -> None:
    """The simulator refuses what ZFS refuses."""
    pool = Pool()
    pool.create(home("base"), 1)
    pool.snapshot(home("base"), "a")
    pool.clone(f"{home('base')}@a", home("w"))
    pool.snapshot(home("base"), "b")
    snap: Snap = pool.find(f"{home('base')}@a")
    with pytest.raises(Exception, match="newer"):
        pool.rollback(snap.id)
    with pytest.raises(Exception, match="needed"):
        pool.destroy_snapshot(snap.id)
    with pytest.raises(Exception, match="needed"):
        pool.destroy_dataset(home("base"), recursive=True)
    pool.promote(home("w"))
    assert [entry.name for entry in pool.volumes[home("w")].snaps] == ["a"]
    assert pool.volumes[home("base")].origin is snap
