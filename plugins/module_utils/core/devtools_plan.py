# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The promise of the module `devtools`: from what a container is and what is wanted, what there is to do. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ..inside import devtools_places as places
from ..inside.devtools_look import marked
from ..inside.devtools_options import ARGUMENTS
from ..inside.devtools_state import DONE, PENDING, RUNNING, digest_of
from .devtools_catalogue import Catalogue
from .devtools_wish import wish_of
from .errors import CoreError

__all__ = ["ARGUMENTS", "Plan", "plan"]

INSIDE = Path(__file__).resolve().parents[1] / "inside"
ROLE = Path(__file__).resolve().parents[3] / "roles" / "devtools"

_MAIN = '''"""The program of : what is installed is in /var/lib/pixels/devtools/wish.json."""

import sys

from inside.devtools_program import main

sys.exit(main())
'''.replace("$PLACES_UNIT", places.UNIT)


@dataclass
class Plan:
    """What there is to do, and how to tell of it."""

    changed: bool
    request: dict[str, Any]
    before: dict[str, Any]
    after: dict[str, Any]
    status: str  # that the service has, or will have
    why: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def plan(params: Mapping[str, Any], facts: Mapping[str, Any], catalogue: Catalogue, default_registry: str, user: str) -> Plan:
    """Raises before anything is touched."""
    _check(facts["system"])
    registry = params["npm_registry"] or facts["registry"] or default_registry
    wish, warnings = wish_of(params, facts["system"], catalogue, registry, user)
    wish["digest"] = digest_of(wish)
    files = program(wish["timeout"])
    different = {name for name, (content, mode) in files.items() if facts["files"].get(name) != marked(content, mode)}
    gone = set(facts["files"]) - set(files)
    why = reasons(facts, wish)
    stale = bool(different or gone)
    if stale and facts["files"]:
        why.append("the program in the container is another one")
    return Plan(
        changed=bool(why) or stale or not facts["enabled"],
        request={
            "do": "place",
            "files": {name: {"content": content, "mode": f"{mode:04o}"} for name, (content, mode) in files.items()},
            "wish": wish,
            "start": bool(reasons(facts, wish)),
        },
        before=told(facts["wish"]),
        after=told(wish),
        status=PENDING if reasons(facts, wish) else str(facts["state"]["status"]),
        why=why,
        warnings=warnings,
    )


def reasons(facts: Mapping[str, Any], wish: Mapping[str, Any]) -> list[str]:
    """Why the service has to be started; none where the wish is fulfilled, or just being fulfilled."""
    if facts["wish"] is None:
        return ["nothing was asked for before"]
    if facts["wish"]["digest"] != wish["digest"]:
        return ["something else was asked for before"]
    if not facts["known"]:
        return ["how far it has come is not known"]
    status = facts["state"]["status"]
    if status in (PENDING, RUNNING):
        return [] if facts["active"] else [f"it is {status}, but nothing is at work"]
    if status != DONE:
        failed = [f"{step['name']}: {step['message']}" for step in facts["state"]["steps"] if step["status"] == "failed"]
        return [f"it failed ({'; '.join(failed) or 'no step says why'})"]
    return [f"missing: {', '.join(facts['lacks'])}"] if facts["lacks"] and not facts["active"] else []


def _check(system: Mapping[str, Any]) -> None:
    if not system["systemd"]:
        raise CoreError(f"{system['name']} is not run by systemd here, which is what installs the developer tools in the background")
    if system["manager"] is None:
        raise CoreError(f"{system['name']} has none of the package managers apt, dnf and apk")


def told(wish: Mapping[str, Any] | None) -> dict[str, Any]:
    """For people: a wish without how it is fulfilled."""
    if not wish:
        return {}
    return {
        "tools": {tool["name"]: tool["version"] for tool in [*wish["tools"], *wish["npm"]]},
        "packages": wish["packages"]["names"],
        "npm_registry": wish["settings"]["npm_registry"],
        "pypi_index": wish["settings"]["pypi_index"],
    }


@cache
def program(timeout: int) -> dict[str, tuple[str, int]]:
    """The files that root runs in the container: by path, content and mode."""
    unit = (ROLE / "files" / places.UNIT).read_text(encoding="utf-8")
    parts = {f"{places.PROGRAM}/inside/{part}.py": (INSIDE / f"{part}.py").read_text(encoding="utf-8") for part in places.PARTS}
    texts = {
        places.UNIT_FILE: unit.replace("@PROGRAM@", places.PROGRAM).replace("@LONGEST@", str(timeout + 120)),
        f"{places.PROGRAM}/__main__.py": _MAIN,
        f"{places.PROGRAM}/inside/__init__.py": '"""Of the collection pixels.sandbox."""\n',
        **parts,
    }
    return {name: (text, 0o644) for name, text in texts.items()}
