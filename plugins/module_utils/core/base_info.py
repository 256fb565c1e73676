# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The promise of the module `base_info`: which bases there are, and what it takes until the one that is asked for is published."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..nas.driver import Container, Driver
from . import base_definition, base_plan, base_policy, labels, lineage, marker, naming
from .base_definition import Definition, Definitions
from .base_plan import BASE, BUILDING, DEFINITION, TESTED, Box, Checkpoint, Step, Wish
from .checkpoint_view import checkpoint_view
from .context import Context
from .egress_policy import UNRESTRICTED
from .errors import CoreError, Invalid
from .front import Spec
from .wishes import image_name

SPEC = Spec(
    arguments={
        "base": {"type": "str"},
        "name": {"type": "str", "aliases": ["container"]},
        "definition": {"type": "list", "elements": "str"},
        "image": {"type": "str"},
        "from": {"type": "str"},
        "script": {"type": "str"},
        "role": {"type": "str"},
        "egress": {"type": "str"},
        "allow": {"type": "list", "elements": "raw"},
        "label": {"type": "str"},
        "rebuild": {"type": "bool", "default": False},
        "plan": {"type": "bool", "default": False},
    },
    mutually_exclusive=(("image", "from"),),
)


def run(ctx: Context) -> dict[str, Any]:
    params = ctx.params
    here = Path.cwd()
    files = [here / os.path.expanduser(file) for file in params["definition"] or []]
    known = Definitions(files)
    image = image_name(ctx.config.get("defaults.image"))
    versions = base_definition.tool_versions()
    wishes = _wishes(params, known, files, here, image, versions) if params["plan"] else []
    boxes = _boxes(ctx.driver())
    result: dict[str, Any] = {"changed": False}
    if wishes:
        steps = base_plan.plan([_settled(base_policy.kept(wish, boxes), image, versions) for wish in wishes], boxes)
        base_policy.check(steps, boxes)
        result["steps"] = [_shown(step, image, versions) for step in steps]
        result["plan"] = [line for step in steps for line in _told(step, image)]
    result["bases"] = base_plan.rows(boxes, _known(boxes, known, image, versions))
    return result


def _wishes(
    params: dict[str, Any], known: Definitions, files: Sequence[Path], here: Path, image: str, versions: dict[str, str]
) -> list[Wish]:
    """The base that is asked for and those that it builds on, checked."""
    base = params["base"] or (files[0].stem if len(files) == 1 else None)
    if base is None:
        raise CoreError(f"which base? There are {', '.join(base_definition.shipped())}, and a file of your own: definition=FILE.yml")
    if len(files) > 1:
        raise Invalid("definition", params["definition"], "one file")
    written = base_definition.read(files[0], base) if files else known.get(base)
    definition = _overridden(written, params, here)
    given = frozenset(key for key in ("image", "from", "script", "role", "egress", "allow") if params[key] is not None)
    chain = known.chain(definition)
    for entry in chain:
        unknown = [tool for tool in entry.devtools or () if versions and tool not in versions]
        if unknown:
            raise CoreError(f"the base {entry.base} wants the tool {unknown[0]}; there are {', '.join(sorted(versions))}")
    label = None if params["label"] is None else labels.check(params["label"])
    name = base_definition.base_name(params["name"] or base)
    below = [Wish(entry, entry.base, "", written=entry) for entry in chain[:-1]]
    if name in (wish.name for wish in below):
        raise Invalid("name", name, "the base builds on one of that name")
    return [*below, Wish(definition, name, "", label, params["rebuild"], written=written, given=given)]


def _settled(wish: Wish, image: str, versions: dict[str, str]) -> Wish:
    """With its digests, now that all of it is known."""
    definition = base_definition.reaching(wish.definition)
    return replace(wish, own=definition.digest(image, versions), file=(wish.written or definition).digest(image, versions))


def _overridden(definition: Definition, params: dict[str, Any], here: Path) -> Definition:
    """With what the task itself says."""
    if params["from"] is not None:
        definition = base_definition.made_of(definition, params["from"])
    if params["image"] is not None:
        definition = replace(definition, image=image_name(params["image"]), source=None, parent=None)
    if params["script"] is not None:
        definition = replace(definition, script=base_definition.script(_file("script", params["script"], here)))
    if params["role"] is not None:
        definition = replace(definition, role=params["role"])
    if params["egress"] is not None:
        definition = replace(definition, egress=params["egress"], allow=() if params["egress"] == UNRESTRICTED else definition.allow)
    if params["allow"] is not None:
        definition = replace(definition, allow=base_definition.entries(params["allow"]))
    return definition if params["egress"] is None else base_definition.reaching(definition)


def _file(option: str, value: str, here: Path) -> str:
    path = here / os.path.expanduser(value)
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise Invalid(option, value, f"it has to be a text file of the control node ({path}: {reason})") from None


def _boxes(driver: Driver) -> dict[str, Box]:
    """Our containers. Only bases are asked for their checkpoints."""
    ours: list[tuple[Container, marker.Marker]] = []
    for container in driver.list(naming.PREFIX):
        mark = marker.read(container.environment)
        if mark is not None:
            ours.append((container, mark))
    found = lineage.of(driver, [container for container, mark in ours if BASE in mark.labels], details=True)
    boxes = {}
    for container, mark in ours:
        name = naming.from_instance(container.name)
        own = found.get(container.name)
        checkpoints = {}
        for entry in own.checkpoints if own else ():
            view = checkpoint_view(own, entry) if own else {}
            checkpoints[entry.label] = Checkpoint(view["created"], view["referenced"], tuple(view["dependents"]))
        boxes[name] = Box(
            name,
            mark.labels,
            stopped=container.stopped,
            half_made=mark.making is not None,
            image=mark.image,
            egress=mark.egress,
            cpu=container.cpu,
            memory=container.memory,
            checkpoints=checkpoints,
        )
    return boxes


def _known(boxes: dict[str, Box], known: Definitions, image: str, versions: dict[str, str]) -> dict[str, Wish]:
    """The definitions of the bases that there are, as far as they can be found. A broken one is none."""
    found = {}
    for name, box in boxes.items():
        base = box.labels.get(BASE)
        if base is not None and known.has(base):
            try:
                definition = known.get(base)
            except CoreError:
                continue
            found[name] = Wish(definition, name, definition.digest(image, versions))
    return found


def _shown(step: Step, image: str, versions: dict[str, str]) -> dict[str, Any]:
    """What a playbook goes by."""
    definition = step.wish.definition
    source = step.source or definition.source
    return {
        "base": definition.base,
        "name": step.wish.name,
        "box": step.box,
        "state": step.state,
        "action": step.action,
        "why": step.why,
        "works": step.works,
        "makes": step.makes,
        "anew": step.action == "anew",
        "replaces": step.replaces,
        "leftover": base_plan.beside(step.wish.name) if step.replaces or step.leftover else None,
        "stale": step.stale,
        "label": step.label,
        "from": source,
        "image": None if source else definition.image or image,
        "cpu": step.cpu,
        "memory": step.memory,
        "devtools": list(versions if definition.devtools is None else definition.devtools),
        "packages": list(definition.packages),
        "npm": list(definition.npm),
        "script": definition.script,
        "script_user": definition.script_user,
        "role": definition.role,
        "tests": list(definition.tests),
        "egress": definition.egress,
        "allow": list(definition.allow),
        "labels_building": None if step.again else step.labels(BUILDING),
        "labels_tested": None if step.again else step.labels(TESTED),
        # Of the container that comes in the place of the old one.
        "labels_replaced": replace(step, replaces=False).labels(TESTED),
        "labels_published": step.labels(DEFINITION),
    }


def _told(step: Step, image: str) -> list[str]:
    """The plan for people."""
    definition, name = step.wish.definition, step.wish.name
    lines = [f"{name}: {step.state}; {'nothing to do' if step.action == 'none' else step.action} ({step.why})"]
    if step.makes:
        again = "destroy what is half-built and make " if step.action == "anew" else "make "
        lines.append(f"  {again}{step.box} of {step.source or definition.source or definition.image or image}")
    if step.works:
        tools = "all tools" if definition.devtools is None else ", ".join(definition.devtools)
        work = [tools, *definition.packages, *definition.npm, "its script" if definition.script else "", definition.role]
        lines.append(f"  install and run: {', '.join(filter(None, work)) or 'nothing'}")
        if definition.egress:
            allowed = f", and allow {', '.join(definition.allow)}" if definition.allow else ""
            lines.append(f"  put in force: egress {definition.egress}{allowed}{', as before' if step.wish.kept else ''}")
        lines.extend(f"  test: {test}" for test in definition.tests)
    if step.replaces:
        lines.append(f"  put {step.box} in the place of {name}; clones of the old one stay")
    if step.action not in ("none", "tidy"):
        lines.append(f"  publish {name}:{step.label}")
    if step.leftover:
        lines.append(f"  destroy {base_plan.beside(name)}")
    return lines
