# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The promise of the module `provision_info`: how far the installation of the tools in a container is, and on demand its end.

One SSH connection tells it, also for as long as it takes: the program in the container says a line when something changes. A connection
that breaks is made again, for the container may be restarting.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import CoreError, Invalid
from .fleet import Herald
from .job import Reach
from .job_link import Answers, Lost, NotReached, Refused, message, number, remote_line, seconds, text
from .job_stream import Stream, TooLate

STATE = "/var/lib/pixels/devtools/state.json"
LOG = "/var/log/pixels/devtools.log"
UNIT = "pixels-devtools.service"

ARGUMENTS: dict[str, dict[str, Any]] = {
    "wait": {"type": "bool", "default": False},
    "follow": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 1800},
}
STATUSES = ("none", "pending", "running", "done", "failed")
ENDED = ("none", "done", "failed")

# One look takes no longer than this, however slow the container is.
_LOOK = 120.0
# A container that restarts is away for a while; one that is away for longer has gone.
AWAY = 180.0
_PAUSES = (1.0, 2.0, 4.0)
_PLACES = {"state": STATE, "log": LOG, "unit": UNIT}
_MODULES = ("wire", "provision_state", "provision")


class Unfinished(CoreError):
    """It has failed, or has not come to its end in time."""


def run(params: Mapping[str, Any], reach: Reach, name: str, show: Callable[[str], None]) -> dict[str, Any]:
    """What the task returns; raises Unfinished, and NotReached or Lost for a container that is away."""
    waits = params["wait"] or params["follow"]
    if params["timeout"] < 1:
        raise Invalid("timeout", params["timeout"], "it takes at least one second")
    with Herald(show) as herald:
        follower = Follower(reach, name, herald, show if params["follow"] else None)
        if not waits:
            return {"changed": False, "provision": follower.look(time.monotonic() + _LOOK)}
        try:
            found = follower.follow(time.monotonic() + params["timeout"])
        except TooLate:
            found = follower.seen or _nothing()
            raise Unfinished(
                f"the tools of {name} are not there after {params['timeout']} s (timeout): {_doing(found)}", provision=found
            ) from None
    if found["status"] == "failed":
        raise Unfinished(failure(name, found), provision=found)
    return {"changed": False, "provision": found}


@dataclass
class Follower:
    """Follows one container over as many connections as it takes."""

    reach: Reach
    name: str
    herald: Herald
    show: Callable[[str], None] | None = None
    places: Mapping[str, str] = field(default_factory=lambda: _PLACES)
    away: float = AWAY
    seen: dict[str, Any] | None = None

    def look(self, deadline: float) -> dict[str, Any]:
        """One look."""
        return self._connect(deadline, wait=False, fresh=False)

    def follow(self, deadline: float) -> dict[str, Any]:
        """Until it has ended. The first word has to come soon; a container that has spoken once may be away for a while."""
        misses, since = 0, None
        while True:
            try:
                return self._connect(deadline, wait=True, fresh=misses > 0)
            except TooLate:
                raise
            except (NotReached, Lost) as error:
                now = time.monotonic()
                if isinstance(error, Lost):  # it had answered until then
                    misses, since = 0, now
                since = now if since is None else since
                if self.seen is None and misses >= len(_PAUSES):
                    raise
                if now - since > self.away:
                    raise Lost(f"{self.name} has not been reachable for {self.away:.0f} s: {error}") from None
                self.herald.doing(self.name, "waiting for the container, to which the connection was lost")
                pause = _PAUSES[min(misses, len(_PAUSES) - 1)]
                if now + pause >= deadline:
                    raise TooLate(str(error)) from None
                misses += 1
            time.sleep(pause)

    def _connect(self, deadline: float, *, wait: bool, fresh: bool) -> dict[str, Any]:
        sent = message("provision", {**self.places, "wait": wait}, _MODULES)
        with Stream(self.reach.command(remote_line(self.reach.python), fresh), [sent.data], self.reach.silence, deadline) as stream:
            answers = Answers(stream.read_line, sent.marker, stream.why)
            answers.begin()
            found: dict[str, Any] | None = None
            while True:
                said = answers.next()
                if said.get("end") is True and found is not None:
                    return found
                if not isinstance(said.get("provision"), Mapping):
                    raise Refused("the container sent something that is no state of its tools")
                found = clean(said["provision"])
                self._tell(found)

    def _tell(self, found: dict[str, Any]) -> None:
        before = {step["name"]: step["status"] for step in (self.seen or found)["steps"]}
        self.seen = found
        if self.show is not None:
            for step in found["steps"]:
                if step["status"] in ("done", "failed") and before.get(step["name"]) != step["status"]:
                    self.show(f"{self.name}: {step['name']} {step['status']}{_aside(step)}")
        if found["status"] in ENDED:
            self.herald.done(self.name)
        else:
            self.herald.doing(self.name, _doing(found))


def _aside(step: Mapping[str, Any]) -> str:
    parts = [] if step["seconds"] is None else [f"{step['seconds']:.0f} s"]
    if step["status"] == "failed" and step["exit"] is not None:
        parts.insert(0, f"exit status {step['exit']}")
    return f" ({', '.join(parts)})" if parts else ""


def _nothing() -> dict[str, Any]:
    return {"status": "pending", "steps": [], "message": "", "log": ""}


def clean(said: Mapping[str, Any]) -> dict[str, Any]:
    """What the container says, as it may be shown; raises where it cannot be so."""
    status = said.get("status")
    steps = said.get("steps")
    if status not in STATUSES or not isinstance(steps, list) or not all(isinstance(step, Mapping) for step in steps):
        raise Refused("the container sent something that is no state of its tools")
    return {
        "status": status,
        "steps": [
            {
                "name": text(step.get("name"), 60),
                "status": text(step.get("status"), 20),
                "exit": number(step.get("exit")),
                "seconds": seconds(step.get("seconds")),
                "message": text(step.get("message"), 1000),
            }
            for step in steps[:200]
        ],
        "message": text(said.get("message"), 1000),
        "log": text(said.get("log"), 8000).strip("\n"),
    }


def _doing(found: Mapping[str, Any]) -> str:
    """What is being done, in a few words."""
    step = next((step["name"] for step in found["steps"] if step["status"] == "running"), None)
    if step is None or found["status"] == "pending":
        return f"the tools are pending{': ' + found['message'] if found['message'] else ''}"
    return {"packages": "installing packages", "settings": "writing settings"}.get(step, f"installing {step}")


def failure(name: str, found: Mapping[str, Any]) -> str:
    """What went wrong, with the step and the end of the log."""
    step = next((step for step in found["steps"] if step["status"] == "failed"), None)
    at = "" if step is None else f" at the step {step['name']}"
    code = "" if step is None or step["exit"] is None else f" (exit status {step['exit']})"
    why = found["message"] or ("" if step is None else step["message"])
    log = found["log"]
    return (
        f"the tools of {name} could not be installed{at}{code}"
        + (f": {why}" if why else "")
        + (f"\nend of the log:\n{log}" if log else f"\n{LOG} and the journal of {UNIT} in the container may say more, to root")
    )
