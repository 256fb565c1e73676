# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Carrying a plan out: step by step, and with a new look at the container wherever the outcome of a step is not known.

Nothing is repeated blindly and nothing destructive follows a step that failed: the next step is taken only after the one before is
known to have been done, or after a new plan was made from what is really there.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from ..nas.driver import STOPPED, Container, ContainerSpec, Driver, DriverError
from . import lease, marker
from .errors import CoreError, Foreign, describe
from .plan import (
    TRANSITIONAL,
    Change,
    Clone,
    Complete,
    Create,
    Delete,
    Restart,
    Start,
    Step,
    Stop,
    Update,
    in_two_steps,
    is_ours,
    plan,
)
from .wanted import Wanted

if TYPE_CHECKING:
    from ..rpc.api import OnProgress

# How many times an unknown outcome is looked into before we give up.
ATTEMPTS = 3
SETTLE_TIMEOUT = 60.0


class Cancelled(Exception):
    """The task is being interrupted."""


@dataclass
class Watch:
    """Who follows the work on one container: what it is doing now, and whether it should stop doing so."""

    doing: Callable[[str], None] = lambda text: None
    on_progress: OnProgress | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)
    # Whoever started the work. A task outlives an ansible-playbook that was killed; the next run may be at work on the same by then.
    parent: int | None = field(default_factory=os.getppid)

    def pause(self, seconds: float) -> None:
        self.cancelled.wait(seconds)
        self.check()

    def check(self) -> None:
        if self.cancelled.is_set():
            raise Cancelled("interrupted")
        if self.parent is not None and self.parent != os.getppid():
            raise Cancelled("whoever has started it is gone")


def settled(
    driver: Driver, instance: str, watch: Watch, current: Container | None = None, timeout: float = SETTLE_TIMEOUT
) -> Container | None:
    """The container once it is not on its way between two states. No event tells, so it is asked for."""
    end = time.monotonic() + timeout
    pause = 0.1
    found = current or driver.get(instance)
    while found is not None and found.status in TRANSITIONAL:
        if time.monotonic() >= end:
            raise CoreError(f"{instance}: still {found.status} after {timeout:.0f} s", status=found.status)
        watch.doing(f"waiting, it is {found.status}")
        watch.pause(pause)
        pause = min(pause * 1.5, 1.0)
        found = driver.get(instance)
    return found


Remove: TypeAlias = Callable[[Container, Watch], None]


def apply(
    driver: Driver,
    wanted: Wanted,
    current: Container | None,
    change: Change,
    watch: Watch,
    remove: Remove | None = None,
    has_data: Callable[[], None] = lambda: None,
) -> list[str]:
    """Make it so; returns what was done, in order. On failure the exception carries that list as `actions`.

    `remove` destroys a container with all that belongs to it; without it only the container goes. `has_data` is told once it needs its
    source no more, while it is still half-made: should the run be killed then, the next one makes it anew and tidies up at the source.
    """
    from ..rpc.errors import ApiError, JobFailed, OutcomeUnknown, ValidationFailed

    done: list[str] = []
    looked = 0
    try:
        while True:
            # What follows a delete has to survive a new look: what it takes over from the old container is gone by then.
            wanted = replace(wanted, spec=change.spec or wanted.spec)
            step: Step | None = None
            try:
                for step in change.steps:
                    watch.check()
                    if isinstance(step, Complete):
                        has_data()
                    # While it is being made, what is found of it may be any part of it.
                    wanted = replace(wanted, made=wanted.made and not isinstance(step, (Create, Clone)))
                    # What goes may be a piece of what this task itself makes.
                    own = isinstance(step, Delete) and current is not None and _is_mine(current, wanted)
                    current = _execute(driver, wanted, current, step, watch, remove)
                    wanted = replace(wanted, made=wanted.made or in_two_steps(step))
                    if step.verb and not own:
                        done.append(step.verb)
                return done
            except OutcomeUnknown as error:
                looked += 1
                if looked > ATTEMPTS:
                    raise _cleared(driver, wanted, step, error, watch) from error
                now = settled(driver, wanted.instance, watch)
            except (JobFailed, ValidationFailed) as error:
                if not isinstance(step, (Create, Clone)):
                    raise _cleared(driver, wanted, step, error, watch) from error
                looked += 1
                now = settled(driver, wanted.instance, watch)
                # A create whose first start failed leaves the container, and so does one that an earlier run has begun.
                if now is not None and not is_ours(now):
                    raise Foreign(wanted.name, wanted.instance) from error
                if now is None or looked > ATTEMPTS or _is_mine(now, wanted):
                    told = _explained(driver, wanted, error) if isinstance(step, Create) else error
                    raise _cleared(driver, wanted, step, told, watch) from error
                watch.doing("completing what the failed create has left")
            except (ApiError, DriverError) as error:
                raise _cleared(driver, wanted, step, error, watch) from error
            if isinstance(step, Restart) and _restarted(current, now):
                wanted = wanted.as_if("started")
            change = plan(now, wanted)
            if step is not None and step.verb and not any(type(entry) is type(step) for entry in change.steps):
                done.append(step.verb)
            current = now
    except Exception as error:
        error.actions = done  # type: ignore[attr-defined]
        raise


def _execute(
    driver: Driver, wanted: Wanted, current: Container | None, step: Step, watch: Watch, remove: Remove | None
) -> Container | None:
    """One step; the container as the next one has to know it."""
    if isinstance(step, Create):
        watch.doing(f"creating from {step.spec.image}")
        spec = half_made(step.spec) if in_two_steps(step) else step.spec
        driver.create(spec, start=step.start, on_progress=watch.on_progress)
        return _made(driver, wanted) if in_two_steps(step) else None
    if isinstance(step, Clone):
        if step.spec is None or step.snapshot is None:
            raise RuntimeError(f"{wanted.name}: its source was not looked up")
        watch.doing(f"cloning {step.source.text}")
        driver.clone(half_made(step.spec), step.snapshot, on_progress=watch.on_progress)
        try:
            return _made(driver, wanted)
        except CoreError:
            _drop_orphan(driver, wanted, step.snapshot)
            raise
    if current is None:
        raise RuntimeError(f"{step.verb}: there is no container")
    if isinstance(step, Complete):
        driver.update(current, {"environment": step.spec.environment, "autostart": step.spec.autostart})
    elif isinstance(step, Update):
        watch.doing(f"changing {', '.join(sorted(step.changes))}")
        driver.update(current, step.changes)
    elif isinstance(step, Start):
        watch.doing("starting")
        driver.start(current, on_progress=watch.on_progress)
    elif isinstance(step, Stop):
        watch.doing("stopping")
        driver.stop(current, timeout=wanted.stop_timeout, force=wanted.force)
    elif isinstance(step, Restart):
        watch.doing("restarting")
        driver.restart(current, timeout=wanted.stop_timeout, force=wanted.force)
    elif isinstance(step, Delete):
        watch.doing("destroying")
        if remove is None:
            driver.delete(current)
        else:
            remove(current, watch)
        return None
    return current


def half_made(spec: ContainerSpec) -> ContainerSpec:
    """As it is made first: whoever finds it so knows that it is half-made, and whose work that is."""
    mark = marker.read(spec.environment) or marker.Marker()
    return replace(spec, environment=marker.with_marker(spec.environment, replace(mark, making=lease.token())), autostart=False)


def _made(driver: Driver, wanted: Wanted) -> Container:
    """What was made just now. Somebody else's of the same name is not taken for it."""
    found = driver.get(wanted.instance)
    if found is None or not _is_mine(found, wanted):
        raise CoreError(f"{wanted.name}: it was made, then {'vanished' if found is None else 'replaced'}: somebody else is at work on it")
    return found


def _drop_orphan(driver: Driver, wanted: Wanted, snapshot: str) -> None:
    """Where the container was destroyed before its data was in place, that would be left without one: nobody would ever find it, and none
    of that name could be made again."""
    nobody = Container(id=wanted.instance, name=wanted.instance, status=STOPPED, pool=snapshot.partition("/")[0])
    dataset = driver.storage.dataset_of(nobody)
    there = driver.storage.datasets([dataset.rpartition("/")[0]])
    # Another clone of the same snapshot is somebody else's when there is a container for it.
    if any((entry.name, entry.origin) == (dataset, snapshot) for entry in there) and driver.get(wanted.instance) is None:
        driver.storage.destroy_dataset(dataset, recursive=True)


def _is_mine(container: Container, wanted: Wanted) -> bool:
    """Whether it is what this very task has made and not completed."""
    mark = marker.read(container.environment) or marker.Marker()
    return mark.id == wanted.id and mark.making is not None and lease.is_mine(mark.making)


def _cleared(driver: Driver, wanted: Wanted, step: Step | None, error: Exception, watch: Watch) -> Exception:
    """The failure of a step, after what it has left half-made was removed: nobody would ever complete that."""
    if not isinstance(step, (Clone, Complete)) and not (isinstance(step, Create) and in_two_steps(step)):
        return error
    try:
        left = settled(driver, wanted.instance, watch)
        if left is None or not _is_mine(left, wanted) or not left.stopped:
            return error
        watch.doing("removing what is half-made")
        driver.delete(left)
        told = "the half-made container was removed"
    except Exception as second:
        told = f"and the half-made container could not be removed ({describe(second)['msg']}); the next run sees to that"
    details = describe(error)
    details.pop("failed")
    return CoreError(f"{details.pop('msg')}; {told}", **details)


def _restarted(before: Container | None, now: Container | None) -> bool:
    """Proof that a restart whose answer was lost has happened."""
    if before is None or now is None or not now.running:
        return False
    return now.started_at is not None and now.started_at != before.started_at


def _explained(driver: Driver, wanted: Wanted, error: Exception) -> Exception:
    """A failed create with the images on offer, when its image is not literally among them."""
    from ..rpc.errors import ValidationFailed

    # The appliance finds out about an image only while it fetches it; what it refuses beforehand it explains by itself.
    if wanted.spec is None or isinstance(error, ValidationFailed):
        return error
    from ..nas.virt_check import near_images

    try:
        names = [image.name for image in driver.images()]
    except Exception:  # the hint must not replace the failure that it is for
        return error
    image = wanted.spec.image
    if not names or image in names or f"{image}/default" in names:
        return error
    details = describe(error)
    listed = ", ".join(near_images(image, names))
    return CoreError(
        f"{details['msg']} (should the image be the reason: {image} is not listed by that name; listed are {listed})",
        error=details["error"],
    )
