# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What pixels-devtools.service runs: step by step towards what wish.json says, each one looked at before it is taken.

It may be cut off anywhere: what a step has done shows, half of a step does not, and the next start goes on from there. Something that
went wrong for good ends it, with the step and the reason in state.json; there is no second attempt by itself but at the next boot.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sys
import traceback
from collections.abc import Callable
from typing import Any

from . import devtools_npm, devtools_packages, devtools_settings, devtools_tool
from . import devtools_places as places
from .devtools_download import settings_of
from .devtools_state import DONE, FAILED, PENDING, RUNNING, State, Superseded, digest_of, is_of
from .devtools_work import OutOfTime, Stopped, Work
from .egress_machine import Failed, Machine

_ALONE = "/run/pixels-devtools.lock"
_SAID = 20


class Step:
    """What is missing of it (nothing: it is done), and how to bring that."""

    def __init__(self, name: str, lacks: Callable[[], list[str]], bring: Callable[[], str]) -> None:
        self.name = name
        self.lacks = lacks
        self.bring = bring


def steps(machine: Machine, wish: dict[str, Any], work: Work | None) -> list[Step]:
    """Without `work` they can be looked at only."""

    def with_work() -> Work:
        if work is None:
            raise AssertionError("nothing is to be brought")
        return work

    def of_tool(tool: dict[str, Any]) -> Step:
        return Step(tool["name"], lambda: devtools_tool.lacks(machine, tool), lambda: devtools_tool.bring(with_work(), tool, wish["user"]))

    def of_npm(extra: dict[str, Any]) -> Step:
        return Step(extra["name"], lambda: devtools_npm.lacks(machine, extra), lambda: devtools_npm.bring(with_work(), extra, wish["user"]))

    packages, settings = wish["packages"], wish["settings"]
    return [
        Step(
            "packages",
            lambda: devtools_packages.lacks(machine, packages),
            lambda: devtools_packages.bring(with_work(), packages),
        ),
        *(of_tool(tool) for tool in wish["tools"]),
        *(of_npm(extra) for extra in wish["npm"]),
        Step(
            "settings",
            lambda: devtools_settings.lacks(machine, settings),
            lambda: devtools_settings.bring(machine, settings),
        ),
    ]


def wish_of(machine: Machine) -> dict[str, Any] | None:
    """What is wanted, if it is there and whole."""
    wish = machine.read_json(places.WISH)
    return wish if wish and wish.get("version") == 1 and wish.get("digest") == digest_of(wish) else None


def run(machine: Machine, listen: bool = True) -> int:
    """The exit status of the service."""
    wish = wish_of(machine)
    if wish is None:
        sys.stderr.write(f"{places.WISH} is missing or damaged: run the playbook or the module again\n")
        return 1
    os.umask(0o022)
    work = Work(machine, float(wish["timeout"]))
    state = State(machine, wish)
    try:
        work.open_log()
        if listen:
            work.listen()
        return _run(work, state, wish)
    except Stopped:
        work.say("asked to end; the next start goes on from here")
        return _unless_superseded(state.pause)
    except Superseded:
        work.say("something else is wanted by now")
        return 0


def _unless_superseded(write: Callable[[], None]) -> int:
    with contextlib.suppress(Superseded):
        write()
    return 0


def _run(work: Work, state: State, wish: dict[str, Any]) -> int:
    machine = work.machine
    every = steps(machine, wish, work)
    if state.done and not any(step.lacks() for step in every):
        work.say("everything is there")
        return 0
    os.environ.update(settings_of(machine))
    state.start()
    work.say(f"attempt {state.data['attempt']}: {', '.join(step.name for step in every)}")
    for step in every:
        status = _take(work, state, step)
        if status:
            return status
    _tidy(machine, wish)
    state.finish()
    work.say("done")
    return 0


def _take(work: Work, state: State, step: Step) -> int:
    state.begin(step.name)
    work.say(f"== {step.name}")
    work.noted = lambda text: _tell(state, step.name, text)
    try:
        work.pause()
        missing = step.lacks()
        said = step.bring() if missing else "there already"
        if missing:
            left = step.lacks()
            if left:
                raise Failed(f"{step.name} was brought, and yet something is missing: {', '.join(left)}")
    except Failed as error:
        for line in error.log.splitlines()[-_SAID:]:
            work.say(f"   {line}")
        work.say(f"{step.name} failed: {error.message}")
        state.fail(error.message, 124 if isinstance(error, OutOfTime) else 1)
        return 1
    except (OSError, LookupError, ValueError, TypeError) as error:
        work.say("".join(traceback.format_exception(type(error), error, error.__traceback__)))
        work.say(f"{step.name} failed: {error}")
        state.fail(f"{type(error).__name__}: {error}")
        return 1
    work.say(f"{step.name}: {said}")
    state.end(step.name, said)
    return 0


def _tell(state: State, name: str, text: str) -> None:
    # Said in the middle of things. That something else is wanted shows at the end of the step as well.
    with contextlib.suppress(Superseded):
        state.tell(name, text)


def _tidy(machine: Machine, wish: dict[str, Any]) -> None:
    """What was installed for a former wish, and what is of no use any more."""
    shutil.rmtree(machine.path(places.DOWNLOADS), ignore_errors=True)
    names = set(devtools_packages.links_of(machine, wish["packages"]))
    names |= {name for tool in wish["tools"] for name in tool["programs"]}
    names |= {name for extra in wish["npm"] for name in devtools_npm.programs_of(machine, extra)}
    devtools_tool.unlink_others(machine, names)
    folders = {tool["name"] for tool in wish["tools"]} | {devtools_npm.folder_of(extra["name"]) for extra in wish["npm"]}
    for folder in machine.listed(places.TOOLS):
        if os.path.basename(folder) not in folders:
            shutil.rmtree(machine.path(folder), ignore_errors=True)


def over(machine: Machine) -> int:
    """After the service has ended, however that was: a state that says that it runs would be believed for ever."""
    found = machine.read_json(places.STATE)
    wish = wish_of(machine)
    if wish is None or found is None or not is_of(found, wish["digest"]) or found["status"] not in (RUNNING, PENDING):
        return 0
    jobs = machine.run("systemctl", "list-jobs", "--no-legend", places.UNIT, check=False)[1].split()
    system = machine.run("systemctl", "is-system-running", check=False)[1].strip()
    if system == "stopping" or {"start", "restart"} & set(jobs):
        return 0
    how = os.environ.get("SERVICE_RESULT") or "unknown"
    reason = {
        "success": f"it was stopped; systemctl restart {places.UNIT.partition('.')[0]} goes on",
        "timeout": "the time for it is over",
        "oom-kill": "the container has not enough memory for it",
    }
    state = State(machine, wish)
    return _unless_superseded(lambda: state.fail(reason.get(how, f"it ended unexpectedly ({how})")))


def main() -> int:
    machine = Machine()
    if sys.argv[1:] == ["over"]:
        return over(machine)
    with open(_ALONE, "a", encoding="ascii") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.stderr.write("it runs already\n")
            return 75
        return run(machine)


__all__ = ["DONE", "FAILED", "Step", "main", "over", "run", "steps", "wish_of"]
