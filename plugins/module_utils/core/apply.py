# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Carrying a plan out: step by step, and with a new look at the container wherever the outcome of a step is not known.

Nothing is repeated blindly and nothing destructive follows a step that failed: the next step is taken only after the one before is
known to have been done, or after a new plan was made from what is really there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..nas.driver import Container, Driver
from .errors import CoreError, Foreign, describe
from .plan import TRANSITIONAL, Change, Create, Delete, Restart, Start, Step, Stop, Update, is_ours, plan
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

    def pause(self, seconds: float) -> None:
        if self.cancelled.wait(seconds):
            raise Cancelled("interrupted")

    def check(self) -> None:
        if self.cancelled.is_set():
            raise Cancelled("interrupted")


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


def apply(driver: Driver, wanted: Wanted, current: Container | None, change: Change, watch: Watch) -> list[str]:
    """Make it so; returns what was done, in order. On failure the exception carries that list as `actions`."""
    from ..rpc.errors import JobFailed, OutcomeUnknown, ValidationFailed

    done: list[str] = []
    looked = 0
    try:
        while True:
            # A create that follows a delete has to survive a new look: what it copies is gone by then.
            wanted = replace(wanted, spec=change.spec or wanted.spec)
            step: Step | None = None
            try:
                for step in change.steps:
                    watch.check()
                    _execute(driver, wanted, current, step, watch)
                    done.append(step.verb)
                return done
            except OutcomeUnknown:
                looked += 1
                if looked > ATTEMPTS:
                    raise
                now = settled(driver, wanted.instance, watch)
            except (JobFailed, ValidationFailed) as error:
                if not isinstance(step, Create):
                    raise
                looked += 1
                now = settled(driver, wanted.instance, watch)
                # A create whose first start failed leaves the container, and so does one that an earlier run has begun.
                if now is not None and not is_ours(now):
                    raise Foreign(wanted.name, wanted.instance) from error
                if now is None or looked > ATTEMPTS:
                    raise _explained(driver, wanted, error) from error
                watch.doing("completing what the failed create has left")
            if isinstance(step, Create) and now is not None:
                # What a driver sets after the create itself may be missing, whether or not the user has named it.
                wanted = replace(wanted, autostart=step.spec.autostart)
            if isinstance(step, Restart) and _restarted(current, now):
                wanted = wanted.as_if("started")
            change = plan(now, wanted)
            if step is not None and not any(type(entry) is type(step) for entry in change.steps):
                done.append(step.verb)
            current = now
    except Exception as error:
        error.actions = done  # type: ignore[attr-defined]
        raise


def _execute(driver: Driver, wanted: Wanted, current: Container | None, step: Step, watch: Watch) -> None:
    if isinstance(step, Create):
        watch.doing(f"creating from {step.spec.image}")
        driver.create(step.spec, start=step.start, on_progress=watch.on_progress)
        return
    if current is None:
        raise RuntimeError(f"{step.verb}: there is no container")
    if isinstance(step, Update):
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
        driver.delete(current)


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
