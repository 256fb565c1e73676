# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Further programs from npm packages, which have dependencies: npm itself brings them, into a tree of their own and without their scripts.

npm checks what it fetches against what the registry says of it. The version is exact, that of the dependencies is as npm finds it.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from typing import Any

from . import devtools_places as places
from .devtools_download import settings_of
from .devtools_policy import refusal
from .devtools_tool import is_complete, link, move, remove_others, settle, wrong_link
from .devtools_work import Work
from .egress_machine import Failed, Machine, end_of

_CALL = 900.0
ATTEMPTS = 3


def tree_of(extra: dict[str, Any]) -> str:
    return f"{places.TOOLS}/{folder_of(extra['name'])}/{extra['version']}"


def folder_of(name: str) -> str:
    """One that no tool of the list has: those have no such sign in their names."""
    return "npm+" + name.replace("/", "+")


def programs_of(machine: Machine, extra: dict[str, Any]) -> dict[str, str]:
    """Name, and where it is in the tree. The package itself says so."""
    mark = machine.read_json(f"{tree_of(extra)}/{places.MARK}") or {}
    programs: dict[str, str] = mark.get("programs") or {}
    return programs


def lacks(machine: Machine, extra: dict[str, Any]) -> list[str]:
    tree = tree_of(extra)
    if not is_complete(machine, tree):
        return [tree]
    return [name for name, place in programs_of(machine, extra).items() if wrong_link(machine, name, f"{tree}/{place}")]


def bring(work: Work, extra: dict[str, Any], user: str) -> str:
    machine, tree = work.machine, tree_of(extra)
    done = "there already"
    if not is_complete(machine, tree):
        refused = refusal(machine, extra["host"], extra["port"])
        if refused is not None:
            raise Failed(refused)
        _install(work, extra, tree, user)
        done = extra["version"]
    for name, place in programs_of(machine, extra).items():
        link(machine, name, f"{tree}/{place}")
    remove_others(machine, folder_of(extra["name"]), tree)
    return done


def _install(work: Work, extra: dict[str, Any], tree: str, user: str) -> None:
    machine = work.machine
    parent = machine.path(os.path.dirname(tree))
    os.makedirs(parent, mode=0o755, exist_ok=True)
    stage = tempfile.mkdtemp(prefix=".new-", dir=parent)
    try:
        top = os.path.join(stage, "content")
        os.mkdir(top, 0o755)
        _npm(work, extra, top, os.path.join(stage, "cache"))
        programs = _programs(top, extra["name"])
        tool = {**extra, "url": "", "programs": programs, "check": [], "links": {}}
        settle(machine, work, tool, top, {"programs": programs, "registry": extra["registry"]}, user)
        move(top, machine.path(tree))
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _npm(work: Work, extra: dict[str, Any], top: str, cache: str) -> None:
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", f"--registry={extra['registry']}"]
    command = ["npm", "install", "--global", f"--prefix={top}", f"--cache={cache}", *options, f"{extra['name']}@{extra['version']}"]
    said = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            work.sleep(5.0)
        status, said = work.run(command, most=_CALL, environment={"NODE_USE_SYSTEM_CA": "1", **settings_of(work.machine)})
        work.pause()
        if status == 0:
            return
        if status == 127:
            raise Failed("npm is not installed, and it is what brings further packages: have the tools node and npm too")
        if "code E404" in said or "code ETARGET" in said:
            break
    log = end_of(said)
    lines = [line.partition("npm error ")[2] for line in log if line.startswith("npm error ")]
    reason = "; ".join(lines[:3]) or (log[-1] if log else "it said nothing")
    raise Failed(f"npm could not install {extra['name']}@{extra['version']}: {reason}", "\n".join(log))


def _programs(top: str, name: str) -> dict[str, str]:
    path = os.path.join(top, "lib", "node_modules", *name.split("/"))
    with open(os.path.join(path, "package.json"), encoding="utf-8") as stream:
        bins = json.load(stream).get("bin") or {}
    if isinstance(bins, str):
        bins = {name.rpartition("/")[2]: bins}
    names = [entry for entry in bins if os.path.exists(os.path.join(top, "bin", entry)) and "/" not in entry]
    return {entry: f"bin/{entry}" for entry in names}
