# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the look into a container gives for its developer tools, and what asking for them looks like."""

from __future__ import annotations

import copy
from typing import Any

from ansible_collections.pixels.sandbox.plugins.module_utils.core.devtools_catalogue import catalogue
from ansible_collections.pixels.sandbox.plugins.module_utils.core.devtools_plan import ARGUMENTS, Plan, plan
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.devtools_look import marked
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.devtools_state import fresh

DEFAULT = "https://npm.example.org"
SYSTEM = {"name": "Debian 12", "systemd": True, "processor": "x86_64", "musl": False, "avx2": True, "manager": "apt"}


def facts(**changes: Any) -> dict[str, Any]:
    """Of a container that has nothing of it; what is given for `system` changes it."""
    system = {**SYSTEM, **changes.pop("system", {})}
    nothing: dict[str, Any] = {"registry": None, "wish": None, "state": None, "known": False, "lacks": [], "files": {}}
    return {"system": system, **nothing, "active": False, "enabled": False, **changes}


def asked(found: dict[str, Any] | None = None, **options: Any) -> Plan:
    params = {name: option.get("default") for name, option in ARGUMENTS.items()}
    return plan({**params, **options}, facts() if found is None else found, catalogue(), DEFAULT, "pixel")


def wished(**options: Any) -> dict[str, Any]:
    system = options.pop("system", {})
    return dict(asked(facts(system=system), **options).request["wish"])


def after(done: Plan, status: str = "done", **changes: Any) -> dict[str, Any]:
    """A container in which a plan was carried out, and how far its service has come."""
    wish = done.request["wish"]
    state = copy.deepcopy(fresh(wish))
    state["status"] = status
    for step in state["steps"]:
        step["status"] = "done" if status == "done" else "pending"
    if status == "failed":
        state["steps"][1].update(status="failed", message="the reason")
    files = {name: marked(file["content"], int(file["mode"], 8)) for name, file in done.request["files"].items()}
    running = status in ("pending", "running")
    return facts(**{"wish": wish, "state": state, "known": True, "files": files, "active": running, "enabled": True, **changes})
