# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the state of the tools' installation means: the file that the service writes, held against the service itself.

The file says what was last written, and whoever was to write the next line may be gone: killed, crashed, cut off by a restart. So
"running" counts only while the service runs, or is about to.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from typing import Any, NamedTuple

STATUSES = ("pending", "running", "done", "failed")
ENDED = ("none", "done", "failed")
# Between what the service says and what it does lies a moment: it is looked at again until that has gone by.
MOMENT, AGAIN = 3.0, 0.3
_MOST_STEPS = 200
_LONGEST_STATE = 1 << 20


class Damaged(Exception):
    """The file is there, and is not what the service writes."""


class Unit(NamedTuple):
    """The service, as systemd has it."""

    known: bool = True
    loaded: bool = False
    active: str = "inactive"
    sub: str = "dead"
    result: str = ""
    queued: bool = False
    system: str = "running"

    @property
    def alive(self) -> bool:
        return self.active in ("activating", "reloading", "deactivating") or (self.active == "active" and self.sub != "exited")

    @property
    def tried_again(self) -> bool:
        return self.active == "activating" and self.sub.startswith("auto-restart")

    @property
    def coming(self) -> bool:
        """It is going to be started: it is in the queue, or the container is starting or stopping."""
        return self.queued or (self.active != "failed" and self.system in ("initializing", "starting", "stopping"))


def unit(name: str) -> Unit:
    """One look at the service."""
    said = _systemctl("show", name, "--property=LoadState,ActiveState,SubState,Result,Job")
    if said is None:
        return Unit(known=False)
    found = Unit(
        loaded=said.get("LoadState") == "loaded",
        active=said.get("ActiveState", ""),
        sub=said.get("SubState", ""),
        result=said.get("Result", ""),
        queued=said.get("Job", "0") not in ("", "0"),
    )
    if found.alive:
        return found
    system = _systemctl("show", "--property=SystemState")
    return found if system is None else found._replace(system=system.get("SystemState", ""))


def _systemctl(*words: str) -> dict[str, str] | None:
    try:
        done = subprocess.run(
            ["systemctl", "--no-pager", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode:
        return None
    pairs = (line.partition("=") for line in done.stdout.decode("utf-8", "replace").splitlines())
    return {name: value for name, equals, value in pairs if equals}


def boot() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id") as stream:
            return stream.read().strip()
    except OSError:
        return ""


def read(path: str) -> dict[str, Any] | None:
    """The state, or None where there is none; raises Damaged for what is no state."""
    try:
        with open(path, "rb") as stream:
            data = stream.read(_LONGEST_STATE)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Damaged(f"{path} cannot be read: {error.strerror}") from None
    try:
        value = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError):
        raise Damaged(f"{path} holds {len(data)} bytes that are no JSON: it was damaged, or written half") from None
    _check(path, value)
    return value


def _check(path: str, value: Any) -> None:
    if not isinstance(value, dict) or value.get("version") != 1:
        of = value.get("version") if isinstance(value, dict) else None
        raise Damaged(f"{path} is no state of version 1" + (f" but of {of!r:.40}" if of is not None else ""))
    if value.get("status") not in STATUSES:
        raise Damaged(f"{path}: {value.get('status')!r:.60} is no status; allowed are {', '.join(STATUSES)}")
    steps = value.get("steps")
    if not isinstance(steps, list) or len(steps) > _MOST_STEPS:
        raise Damaged(f"{path} has no list of steps")
    for step in steps:
        if not isinstance(step, dict) or not isinstance(step.get("name"), str) or step.get("status") not in STATUSES:
            raise Damaged(f"{path}: {step!r:.100} is no step")
    left = [step["name"] for step in steps if step["status"] != "done"]
    if value["status"] == "done" and left:
        raise Damaged(f"{path} says done, and of the step {left[0]} something else")


class View(NamedTuple):
    """What is to be told; `sure` is False while a moment later it may be something else."""

    status: str
    steps: list[dict[str, Any]]
    message: str = ""
    sure: bool = True

    def told(self) -> dict[str, Any]:
        return {"status": self.status, "steps": self.steps, "message": self.message}


def judge(state: dict[str, Any] | None, service: Unit, name: str, boot_id: str, now: float) -> View:
    """What is the case, from the file and the service."""
    if state is None:
        return _without_state(service, name)
    status, steps = state["status"], [_step(step, now) for step in state["steps"]]
    if status == "done":
        # One that has just been started again says so in a moment.
        return View("done", steps, sure=not (service.alive or service.queued))
    if status == "failed":
        if service.tried_again or service.queued:
            return View("running", steps, "it failed, and is about to be tried again")
        return View("failed", steps, _why(state), sure=not service.alive)
    if not service.known:
        return View(status, steps, f"what {name} does is not known: systemd does not answer")
    if service.alive and not service.tried_again:
        return View(status, steps)
    if service.tried_again or service.coming:
        return View("pending", steps, "it was cut off, and is about to go on")
    return View("failed", _cut(steps), _gone(state, service, name, boot_id), sure=False)


def _without_state(service: Unit, name: str) -> View:
    if not service.known:
        raise Damaged(f"systemd does not answer, so whether there is {name} is not known")
    if not service.loaded:
        return View("none", [])
    if service.active == "failed":
        return View("failed", [], f"{name} has failed ({service.result or 'no reason'}) before it wrote down anything")
    if service.alive or service.coming:
        return View("pending", [])
    return View("failed", [], f"{name} is installed and has not been started", sure=False)


def _gone(state: dict[str, Any], service: Unit, name: str, boot_id: str) -> str:
    if not service.loaded:
        return f"it was not through, and there is no {name} any more"
    if state.get("boot") and boot_id and state["boot"] != boot_id and service.active != "failed":
        return f"the container was restarted in the middle, and {name} has not been started since"
    reason = f" ({service.result})" if service.result not in ("", "success") else ""
    return f"{name} does not run any more{reason}: it was stopped or killed, or it crashed"


def _why(state: dict[str, Any]) -> str:
    return next((str(step.get("message") or "") for step in state["steps"] if step["status"] == "failed"), "")


def _cut(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**step, "status": "failed", "seconds": None, "message": "cut off"} if step["status"] == "running" else step for step in steps]


def _step(step: dict[str, Any], now: float) -> dict[str, Any]:
    began, code = _number(step.get("started")), step.get("exit")
    until = now if step["status"] == "running" else _number(step.get("ended"))
    seconds = None if began is None or until is None else round(max(0.0, until - began), 1)
    return {
        "name": step["name"][:60],
        "status": step["status"],
        "exit": code if isinstance(code, int) and not isinstance(code, bool) else None,
        "seconds": seconds,
        "message": str(step.get("message") or "")[:1000],
    }


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def look(path: str, name: str, look_at: Callable[[str], Unit] = unit, pause: Callable[[float], None] = time.sleep) -> View:
    """What is the case, for sure; raises Damaged. What does not fit together is looked at until it does, or the moment is over."""
    until = time.monotonic() + MOMENT
    while True:
        late = time.monotonic() >= until
        try:
            # The service first: what it has written before it ended is in the file then.
            service = look_at(name)
            view = judge(read(path), service, name, boot(), time.time())
            if view.sure or late:
                return view
        except Damaged:
            if late:
                raise
        pause(AGAIN)


def tail(path: str, size: int = 6000) -> str:
    """The end of a log, from the beginning of a line on; nothing where it cannot be read."""
    try:
        with open(path, "rb") as stream:
            length = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, length - size))
            data = stream.read(size)
    except OSError:
        return ""
    text = data.decode("utf-8", "replace")
    return text if length <= size else text.partition("\n")[2]
