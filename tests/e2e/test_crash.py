"""Story 6: the controller is killed at each phase of create, clone, restore and destroy, and the same play again converges.

Killed means kill -9 for ansible-playbook and all that it has started, as in a power cut: nobody is left to tidy up. Afterwards there is one
container and SSH gets in, or there is none; no data set and no snapshot is left over, and what is somebody else's is as it was.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from crash import BASE, BOX, PUP, Phase, Stage
from leftovers import parked
from playbook import Playbooks
from running_lab import RunningLab

HOME, OLD, KEPT = f"tank/.ix-virt/containers/px-{BOX}", parked("old", BOX), parked("kept.1", BOX)


def phases(*phases: Phase) -> Any:
    return pytest.mark.parametrize("phase", phases, ids=str)


def of(source: str) -> dict[str, Any]:
    return {"from": source}


@pytest.fixture(scope="module")
def _built(real_lab: RunningLab, playbook: Playbooks, home: Path) -> Iterator[Stage]:
    built = Stage(real_lab, playbook, home)
    built.build()
    yield built
    real_lab.reset()


@pytest.fixture
def stage(_built: Stage) -> Iterator[Stage]:
    """Without any other container, before and afterwards."""
    _gone(_built)
    yield _built
    _gone(_built)


def _gone(stage: Stage) -> None:
    stage.lab.clear()
    there = [name for name in (BOX, PUP) if stage.lab.instance(f"px-{name}")]
    if there:
        stage.playbook("destroy", container=there, dependents="promote").succeeded()


class TestCreate:
    """Of an image. What is installed in it by way of the appliance is installed by the run that follows."""

    @phases(Phase("virt.instance.create", "running"), Phase("auth.generate_token", "lost"))
    def test_killed(self, phase: Phase, stage: Stage) -> None:
        stage.die(phase, "create", container=BOX)
        self.again(stage)

    def test_killed_while_packages_are_installed(self, stage: Stage) -> None:
        def installs() -> bool:
            with contextlib.suppress(AssertionError):
                return bool(stage.inside(BOX, "pgrep -x dpkg"))
            return False

        stage.die_when(installs, "the installation", "create", container=BOX)
        self.again(stage)

    def again(self, stage: Stage) -> None:
        stage.playbook("create", container=BOX).succeeded()
        assert stage.ssh(BOX, "hostname") == f"px-{BOX}\n"
        stage.check(BOX)


@phases(
    Phase("virt.instance.create", "landed"),
    Phase("virt.instance.create", "running"),
    Phase("zfs.dataset.delete", "lost"),
    Phase("zfs.dataset.delete", "landed"),
    Phase("pool.snapshot.clone", "lost"),
    Phase("pool.snapshot.clone", "landed"),
    Phase("virt.instance.update", "landed"),
    Phase("virt.instance.update", "running"),
    Phase("virt.instance.start", "landed"),
    Phase("virt.instance.start", "running"),
    Phase("auth.generate_token", "lost"),
)
def test_clone(phase: Phase, stage: Stage) -> None:
    play = {"container": BOX, **of(f"{BASE}:ready")}
    stage.die(phase, "create", **play)
    stage.playbook("create", **play).succeeded()
    assert stage.ssh(BOX, "hostname") == f"px-{BOX}\n"
    assert stage.ssh(BOX, "cat /etc/machine-id") != stage.inside(BASE, "cat /etc/machine-id")
    stage.check(BOX)
    assert stage.playbook("create", **play).succeeded().changed == 0


@phases(
    Phase("pool.snapshot.create", "landed"),
    Phase("zfs.dataset.delete", "lost"),
    Phase("pool.snapshot.delete", "lost"),
    Phase("virt.instance.start", "running"),
)
def test_clone_of_the_present_state(phase: Phase, stage: Stage) -> None:
    """The base has its declared checkpoints only, as soon as the clone is gone."""
    play = {"container": BOX, **of(BASE)}
    stage.die(phase, "create", **play)
    stage.playbook("create", **play).succeeded()
    assert stage.ssh(BOX, "hostname") == f"px-{BOX}\n"
    (snapshot,) = [item for name, item in stage.lab.snapshots().items() if "@pixels.tmp." in name]
    assert (snapshot["deferred"], snapshot["clones"]) == (True, [HOME])
    stage.playbook("destroy", container=BOX).succeeded()
    stage.check()


def _box(stage: Stage) -> None:
    """A clone with two checkpoints and data of its own that is newer than both."""
    _gone(stage)
    stage.playbook("create", container=BOX, **of(f"{BASE}:ready")).succeeded()
    for state in ("first", "second"):
        _write(stage, state)
        stage.lab.state(snapshot={"dataset": HOME, "name": f"pixels-{state}"})
    _write(stage, "third")


def _write(stage: Stage, state: str) -> None:
    stage.inside(BOX, f"echo {state} >/var/state; sync -f /var/state")


class TestRestore:
    """One container is taken back and forth. It is made anew only where a test finds it in another state than it needs."""

    ON_IT = (f"{HOME}@pixels-first", f"{HOME}@pixels-second")
    BESIDE = (f"{HOME}@pixels-first", f"{KEPT}@pixels-second")

    def begin(self, stage: Stage, snapshots: tuple[str, ...]) -> None:
        stage.lab.clear()
        entry = stage.lab.instance(f"px-{BOX}")
        there = sorted(name for name in stage.lab.snapshots() if f"px-{BOX}" in name)
        if entry is None or entry["status"] != "RUNNING" or there not in (sorted(self.ON_IT), sorted(self.BESIDE)):
            _box(stage)
            there = sorted(self.ON_IT)
        if there != sorted(snapshots):
            label = "first" if snapshots == self.BESIDE else "second"
            stage.playbook("checkpoint_restore", container=BOX, label=label, on_newer="keep").succeeded()
        _write(stage, "third")

    def killed(self, stage: Stage, phase: Phase, label: str, **more: Any) -> None:
        stage.die(phase, "checkpoint_restore", container=BOX, label=label, **more)
        stage.playbook("checkpoint_restore", container=BOX, label=label, **more).succeeded()
        assert stage.ssh(BOX, "cat /var/state") == f"{label}\n"

    @phases(
        Phase("virt.instance.stop", "landed"),
        Phase("virt.instance.stop", "running"),
        Phase("pool.snapshot.rollback", "lost"),
        Phase("pool.snapshot.rollback", "landed"),
        Phase("virt.instance.start", "landed"),
        Phase("virt.instance.start", "running"),
        Phase("auth.generate_token", "lost"),
    )
    def test_rollback(self, phase: Phase, _built: Stage) -> None:
        self.begin(_built, self.ON_IT)
        self.killed(_built, phase, "second")
        _built.check(BOX, snapshots=self.ON_IT)

    @phases(
        Phase("pool.snapshot.clone", "lost"),
        Phase("pool.snapshot.clone", "landed"),
        Phase("virt.instance.stop", "landed"),
        Phase("pool.dataset.rename", "lost", "kept"),
        Phase("pool.dataset.rename", "landed", "kept"),
        Phase("pool.dataset.rename", "landed", "new"),
        Phase("pool.dataset.promote", "lost"),
        Phase("pool.dataset.promote", "landed"),
        Phase("virt.instance.start", "landed"),
    )
    def test_that_keeps_what_is_newer(self, phase: Phase, _built: Stage) -> None:
        self.begin(_built, self.ON_IT)
        self.killed(_built, phase, "first", on_newer="keep")
        _built.check(BOX, parked={KEPT: f"{HOME}@pixels-first"}, snapshots=self.BESIDE)

    @phases(
        Phase("pool.dataset.rename", "landed", "old"),
        Phase("pool.dataset.rename", "landed", "new"),
        Phase("pool.dataset.promote", "landed"),
        Phase("zfs.dataset.delete", "lost"),
        Phase("zfs.dataset.delete", "landed"),
    )
    def test_back_to_what_was_kept(self, phase: Phase, _built: Stage) -> None:
        self.begin(_built, self.BESIDE)
        self.killed(_built, phase, "second", on_newer="keep")
        _built.check(BOX, snapshots=self.ON_IT)

    @phases(Phase("pool.dataset.rename", "landed", "new"), Phase("zfs.dataset.delete", "lost", OLD.rpartition("/")[2]))
    def test_that_leaves_the_newer_to_their_clones(self, phase: Phase, _built: Stage) -> None:
        """A clone of a newer checkpoint keeps its data, and what it needs of that goes with it."""
        self.begin(_built, self.ON_IT)
        _built.playbook("create", container=PUP, provision=False, **of(f"{BOX}:second")).succeeded()
        self.killed(_built, phase, "first", on_newer="destroy", dependents="promote")
        assert _built.inside(PUP, "cat /var/state") == "second\n"
        _built.playbook("destroy", container=PUP).succeeded()
        _built.check(BOX, snapshots=(f"{HOME}@pixels-first",))


class TestDestroy:
    """All of it is gone in the end, and what was cloned of it lives on."""

    def killed(self, stage: Stage, phase: Phase, **more: Any) -> None:
        stage.die(phase, "destroy", container=BOX, **more)
        stage.playbook("destroy", container=BOX, **more).succeeded()

    @phases(Phase("virt.instance.delete", "landed"), Phase("virt.instance.delete", "running"))
    def test_with_checkpoints(self, phase: Phase, stage: Stage) -> None:
        _box(stage)
        self.killed(stage, phase)
        stage.check()
        assert stage.playbook("destroy", container=BOX).succeeded().changed == 0

    @phases(Phase("zfs.dataset.delete", "lost"), Phase("zfs.dataset.delete", "landed"), Phase("virt.instance.delete", "landed"))
    def test_with_what_restores_have_kept(self, phase: Phase, stage: Stage) -> None:
        _box(stage)
        stage.playbook("checkpoint_restore", container=BOX, label="first", on_newer="keep").succeeded()
        self.killed(stage, phase)
        stage.check()

    @phases(
        Phase("pool.snapshot.delete", "landed"),
        Phase("pool.dataset.promote", "lost"),
        Phase("pool.dataset.promote", "landed"),
        Phase("virt.instance.delete", "running"),
    )
    def test_with_a_clone(self, phase: Phase, stage: Stage) -> None:
        _box(stage)
        stage.playbook("create", container=PUP, provision=False, **of(f"{BOX}:second")).succeeded()
        self.killed(stage, phase, dependents="promote")
        assert stage.inside(PUP, "cat /var/state") == "second\n"
        stage.playbook("destroy", container=PUP).succeeded()
        stage.check()
