# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wanted, and how far it has come: state.json is written at each step, whole or not at all, for anybody to read."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from . import devtools_places as places
from .egress_machine import Machine

VERSION = 1
PENDING, RUNNING, DONE, FAILED = "pending", "running", "done", "failed"
_MESSAGE = 2000


class Superseded(Exception):
    """Something else is wanted by now; whoever wants it starts the service anew."""


def digest_of(wish: Mapping[str, Any]) -> str:
    text = json.dumps({key: value for key, value in wish.items() if key != "digest"}, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def step_names(wish: Mapping[str, Any]) -> list[str]:
    return ["packages", *(tool["name"] for tool in wish["tools"]), *(extra["name"] for extra in wish["npm"]), "settings"]


def fresh(wish: Mapping[str, Any]) -> dict[str, Any]:
    """Nothing of it has been done."""
    return {
        "version": VERSION,
        "status": PENDING,
        "digest": wish["digest"],
        "attempt": 0,
        "started": None,
        "ended": None,
        "boot": None,
        "steps": [_step(name) for name in step_names(wish)],
    }


def _step(name: str) -> dict[str, Any]:
    return {"name": name, "status": PENDING, "exit": None, "started": None, "ended": None, "message": ""}


@contextlib.contextmanager
def locked(machine: Machine) -> Iterator[None]:
    """For as long as it takes to write: the wish and the state belong together."""
    path = machine.path(places.LOCK)
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    with open(path, "a", encoding="ascii") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


class State:
    """The state of one wish, in memory and in its file."""

    def __init__(self, machine: Machine, wish: Mapping[str, Any]) -> None:
        self.machine = machine
        self.digest = wish["digest"]
        found = machine.read_json(places.STATE)
        names = step_names(wish)
        if not is_of(found, self.digest) or found is None or [step.get("name") for step in found["steps"]] != names:
            found = fresh(wish)
        self.data: dict[str, Any] = found

    @property
    def done(self) -> bool:
        return self.data["status"] == DONE and all(step["status"] == DONE for step in self.data["steps"])

    def _save(self) -> None:
        with locked(self.machine):
            if (self.machine.read_json(places.WISH) or {}).get("digest") != self.digest:
                raise Superseded
            self.machine.write_json(places.STATE, self.data)

    # The whole

    def start(self) -> None:
        boot = (self.machine.read(places.BOOT_ID) or "").strip()
        attempt = int(self.data["attempt"] or 0) + 1
        self.data.update(status=RUNNING, attempt=attempt, started=_now(), ended=None, boot=boot)
        for step in self.data["steps"]:
            step.update(_step(step["name"]))
        self._save()

    def finish(self) -> None:
        self.data.update(status=DONE, ended=_now())
        self._save()

    def pause(self) -> None:
        """It goes on when the service is started again."""
        self.data.update(status=PENDING, ended=None)
        for step in self.data["steps"]:
            if step["status"] == RUNNING:
                step.update(status=PENDING)
        self._save()

    def fail(self, message: str, status: int = 1) -> None:
        """With the step at which it was, or the next one."""
        now = _now()
        open_steps = [step for step in self.data["steps"] if step["status"] != DONE]
        if open_steps:
            step = next((step for step in open_steps if step["status"] == RUNNING), open_steps[0])
            step.update(status=FAILED, exit=status, ended=now, started=step["started"] or now, message=_text(message))
        self.data.update(status=FAILED, ended=now)
        self._save()

    # A step

    def begin(self, name: str) -> None:
        self._find(name).update(status=RUNNING, started=_now(), ended=None, exit=None, message="")
        self._save()

    def tell(self, name: str, message: str) -> None:
        """What it is doing or waiting for."""
        self._find(name).update(message=_text(message))
        self._save()

    def end(self, name: str, message: str = "") -> None:
        step = self._find(name)
        step.update(status=DONE, exit=0, ended=_now(), started=step["started"] or _now(), message=_text(message))
        self._save()

    def _find(self, name: str) -> dict[str, Any]:
        step: dict[str, Any] = next(step for step in self.data["steps"] if step["name"] == name)
        return step


def is_of(found: Mapping[str, Any] | None, digest: str) -> bool:
    """Whether a state that was read is whole and belongs to this wish."""
    if not found or found.get("version") != VERSION or found.get("digest") != digest:
        return False
    steps = found.get("steps")
    return isinstance(steps, Sequence) and all(isinstance(step, dict) and set(_step("")) <= set(step) for step in steps)


def _now() -> float:
    return round(time.time(), 3)


def _text(message: str) -> str:
    return message if len(message) <= _MESSAGE else message[:_MESSAGE] + " ..."
