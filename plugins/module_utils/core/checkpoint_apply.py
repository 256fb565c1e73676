# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Taking a container back to a checkpoint, as planned: prepare, stop, put the data in place, start, tidy up.

Whatever goes wrong, the container is left as it was or running. What to do about a failure is decided by a look at what is there then,
since the step that failed may have been done all the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ..nas.driver import Container, Driver
from ..nas.errors import AlreadyExists
from . import zfs_steps as zfs
from .apply import ATTEMPTS, Watch, settled
from .checkpoint_plan import Restore
from .errors import CoreError, describe
from .lineage import Lineage, container_of

# Which data a container has after a failure.
OLD, NEW, UNSURE, NONE = "old", "new", "unsure", "none"


@dataclass
class Progress:
    """What has been done for a container, and how long its parts took."""

    actions: list[str] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    phase: str = "prepare"  # stop, data, start, tidy follow
    ran: bool = False  # before it was stopped
    _began: float = field(default_factory=time.monotonic)

    def did(self, action: str) -> None:
        self.actions.append(action)

    def enter(self, phase: str) -> None:
        """The phase before it is over."""
        now = time.monotonic()
        self.timings[self.phase] = round(now - self._began, 3)
        self.phase, self._began = phase, now


@dataclass(frozen=True)
class Power:
    """How a container is stopped."""

    timeout: int = 30
    force: bool = True


def restore(driver: Driver, container: Container, lineage: Lineage, plan: Restore, power: Power, watch: Watch, progress: Progress) -> None:
    """It runs with the data of the checkpoint when this returns. On failure the exception says what has become of it."""
    progress.ran = not container.stopped
    try:
        _carry_out(driver, container, lineage, plan, power, watch, progress)
    except Exception as error:
        raise _Recovery(driver, container, lineage, plan, watch, progress).explained(error) from error


def _carry_out(
    driver: Driver, container: Container, lineage: Lineage, plan: Restore, power: Power, watch: Watch, progress: Progress
) -> None:
    for step in plan.before:
        watch.check()
        _do(driver, lineage, step, watch, progress)
    if plan.repaired:
        progress.did("repaired")
    watch.check()
    # From here to the start an interrupt waits: nobody is left with a stopped container.
    progress.enter("stop")
    now = _still_stopped(driver, container, watch) if container.stopped else container
    if not now.stopped:
        progress.ran = True
        stop(driver, now, power, watch)
        progress.did("stopped")
    progress.enter("data")
    for step in plan.down:
        _do(driver, lineage, step, watch, progress)
    progress.enter("start")
    start(driver, container, watch)
    progress.did("started")
    progress.enter("tidy")
    for step in plan.after:
        _do(driver, lineage, step, watch, progress)
    progress.enter("ready")


def _still_stopped(driver: Driver, container: Container, watch: Watch) -> Container:
    """One that was seen stopped, as it is now: of a large task that was a while ago, and data that is mounted is not to be exchanged."""
    now = settled(driver, container.name, _unstoppable(watch))
    if now is None:
        raise CoreError(f"{container.name}: it vanished before it could be restored", missing=True)
    return now


def _do(driver: Driver, lineage: Lineage, step: zfs.Step, watch: Watch, progress: Progress) -> None:
    watch.doing(_doing(lineage, step))
    zfs.carry_out(driver.storage, step)
    did(lineage, step, progress)


def did(lineage: Lineage, step: zfs.Step, progress: Progress) -> None:
    """The action that a step is for the user, if it is one."""
    if isinstance(step, zfs.Rollback):
        progress.did("rolled_back")
    elif isinstance(step, zfs.Rename) and step.new_name == lineage.dataset:
        progress.did("swapped")
    elif isinstance(step, zfs.Promote) and not lineage.owns(step.dataset):
        progress.did(f"promoted {container_of(step.dataset)}")


def _doing(lineage: Lineage, step: zfs.Step) -> str:
    if isinstance(step, zfs.Rollback):
        return "rolling back"
    if isinstance(step, zfs.Clone):
        return "cloning the checkpoint"
    if isinstance(step, zfs.Rename):
        return "swapping its data"
    if isinstance(step, zfs.Promote):
        return "promoting" + ("" if lineage.owns(step.dataset) else f" {container_of(step.dataset)}")
    return "removing what is not needed any more"


def stop(driver: Driver, container: Container, power: Power, watch: Watch) -> None:
    """It is stopped when this returns; any doubt about that is an error."""
    watch.doing("stopping")
    _settle(
        driver,
        container,
        watch,
        lambda now: driver.stop(now, timeout=power.timeout, force=power.force),
        lambda now: now.stopped,
    )


def start(driver: Driver, container: Container, watch: Watch) -> None:
    watch.doing("starting")
    _settle(driver, container, watch, lambda now: driver.start(now, on_progress=watch.on_progress), lambda now: now.running)


def _settle(
    driver: Driver, container: Container, watch: Watch, act: Callable[[Container], None], is_done: Callable[[Container], bool]
) -> None:
    """Do it, and where the answer was lost look whether it has been done before it is done once more."""
    from ..rpc.errors import OutcomeUnknown

    now = container
    for attempt in range(ATTEMPTS + 1):
        try:
            act(now)
            return
        except OutcomeUnknown:
            found = settled(driver, container.name, _unstoppable(watch))
            if found is not None and is_done(found):
                return
            if found is None or attempt == ATTEMPTS:
                raise
            now = found


def _unstoppable(watch: Watch) -> Watch:
    """For work that has to be brought to an end even when the task is being interrupted."""
    return Watch(doing=watch.doing, on_progress=watch.on_progress, parent=None)


class _Recovery:
    """After a failure: the container is put back, or left with the checkpoint's data if that is in place already, and runs if it ran."""

    def __init__(self, driver: Driver, container: Container, lineage: Lineage, plan: Restore, watch: Watch, progress: Progress) -> None:
        self.driver = driver
        self.container = container
        self.lineage = lineage
        self.plan = plan
        self.watch = _unstoppable(watch)
        self.progress = progress

    def explained(self, error: Exception) -> CoreError:
        """The failure, with what has become of the container."""
        try:
            outcome = self._recovered(error)
        except Exception as second:  # the first one is the reason, and both are told
            outcome = f"what has become of it could not be found out ({describe(second)['msg']}); the same again goes on from there"
        details = describe(error)
        explained = CoreError(
            f"{details['msg']}; {outcome}", **{**getattr(error, "result", {}), "error": details["error"]}, outcome=outcome
        )
        explained.actions = self.progress.actions  # type: ignore[attr-defined]
        return explained

    def _recovered(self, error: Exception) -> str:
        self.watch.doing("putting it in order after a failure")
        data = self._data_in_order(error)
        now = settled(self.driver, self.container.name, self.watch)
        if now is None:
            return "the container does not exist any more"
        whose = {
            OLD: "with its data as it was",
            NEW: f"with the data of {self.plan.checkpoint.label}",
            UNSURE: f"and whether it has the data of {self.plan.checkpoint.label} or its own is not known",
            NONE: f"without its data set {self.lineage.dataset}: the same again looks for it",
        }[data]
        if not now.stopped or data == NONE or (data != NEW and not self.progress.ran):
            return f"it is {now.status}, {whose}"
        try:
            start(self.driver, now, self.watch)
        except Exception as error:
            return f"it is stopped, {whose}, and cannot be started: {describe(error)['msg']}"
        self.progress.did("started")
        return f"it was started again, {whose}"

    def _data_in_order(self, error: Exception) -> str:
        """Which data it has, after what was half-way there was put back."""
        storage, dataset, new, parked = self.driver.storage, self.lineage.dataset, self.lineage.new, self.plan.parked
        phase = self.progress.phase
        if phase in ("start", "tidy", "ready"):
            return NEW
        if parked is None and phase == "data":
            return NEW if "rolled_back" in self.progress.actions else UNSURE
        there = {found.name for found in storage.datasets([self.lineage.parent])}
        if phase == "data":
            if dataset not in there and parked in there:
                storage.rename(parked, dataset)
                self.progress.did("put_back")
            elif parked in there and new not in there:
                return NEW
        elif dataset not in there:
            return NONE
        # One that somebody else has just made is his.
        if new in there and not isinstance(error, AlreadyExists):
            storage.destroy_dataset(new, recursive=True)
        return OLD
