# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How far a base is, and what is still to be done about it. Pure: from the labels of containers and their checkpoints alone.

A base is published when its container has the label `definition` and the checkpoint that its label `checkpoint` names. The labels come
last, so whatever a run leaves behind that was cut off is half-built. Before, the label `building`, and once the tests were passed `tested`,
tell which definition the work was for.

A base that is built anew is built beside the old one, which goes only when the new one has passed its tests.

Where something was given in place of what its definition says, more labels tell of it: `file`, the digest of the definition alone, `from`,
and `egress` with `allow`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .base_definition import Definition
from .errors import CoreError

BASE, DEFINITION, CHECKPOINT, BUILT_ON = "base", "definition", "checkpoint", "built_on"
BUILDING, TESTED, REPLACES = "building", "tested", "replaces"
FILE, FROM, EGRESS, ALLOW = "file", "from", "egress", "allow"
# Entries that are too many for a label: the labels have to fit into the mark with all else that is in it.
UNKNOWN = "?"
_LONGEST_LABELS = 400
READY = "ready"
_NEXT = "-next"


@dataclass(frozen=True)
class Checkpoint:
    created: str = ""
    size: int | None = None
    clones: tuple[str, ...] = ()


@dataclass(frozen=True)
class Box:
    """A container of ours as it is."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    stopped: bool = True
    half_made: bool = False
    image: str | None = None
    egress: str | None = None
    cpu: str | None = None
    memory: int | None = None
    checkpoints: Mapping[str, Checkpoint] = field(default_factory=dict)

    @property
    def published(self) -> bool:
        return DEFINITION in self.labels and self.labels.get(CHECKPOINT) in self.checkpoints

    @property
    def checkpoint(self) -> str | None:
        return self.labels.get(CHECKPOINT) if self.published else None


@dataclass(frozen=True)
class Wish:
    """One base, under the name of its container. `own` is the digest of its definition, and `file` of what its file alone says."""

    definition: Definition
    name: str
    own: str
    label: str | None = None
    rebuild: bool = False
    written: Definition | None = None  # what its file says, if `definition` is not that
    file: str | None = None
    given: frozenset[str] = frozenset()  # what is given now in place of that
    kept: bool = False  # the policy is the one that was given before
    unknown: bool = False  # and nobody knows the whole of it


@dataclass(frozen=True)
class Step:
    """What is to be done for one base."""

    wish: Wish
    state: str  # missing, half-built, published, or what has changed
    action: str  # none, build, anew, continue, publish, swap, tidy
    why: str
    label: str = READY
    built_on: str | None = None
    source: str | None = None  # the checkpoint of what it builds on
    replaces: bool = False  # the work is done in the container beside
    leftover: bool = False  # that one is to go in the end
    stale: bool = False  # a checkpoint of that label is there which nobody has tested
    again: bool = False  # it is published already, and is going to be under one more label
    # Of the old one, for the new one.
    cpu: str | None = None
    memory: int | None = None

    @property
    def makes(self) -> bool:
        """A container, of what the base builds on."""
        return self.action in ("build", "anew")

    @property
    def works(self) -> bool:
        """In the container, so that it has to run."""
        return self.action in ("build", "anew", "continue")

    @property
    def box(self) -> str:
        """The container that the work is done in."""
        return beside(self.wish.name) if self.replaces else self.wish.name

    def labels(self, phase: str) -> dict[str, str]:
        """What the container is labelled with when it has come so far."""
        found = {BASE: self.wish.definition.base, phase: self.wish.own}
        if self.built_on is not None:
            found[BUILT_ON] = self.built_on
        if phase == DEFINITION:
            found[CHECKPOINT] = self.label
        elif self.replaces:
            found[REPLACES] = self.wish.name
        return {**found, **self._given(found)}

    def _given(self, others: Mapping[str, str]) -> dict[str, str]:
        """What is not as its file says."""
        definition, written = self.wish.definition, self.wish.written or self.wish.definition
        found = {}
        if self.wish.file not in (None, self.wish.own):
            found[FILE] = str(self.wish.file)
        if definition.made_of not in (None, written.made_of):
            found[FROM] = str(definition.made_of)
        if (definition.egress, definition.allow) != (written.egress, written.allow):
            found[EGRESS] = definition.egress
            if definition.allow:
                found[ALLOW] = ",".join(definition.allow)
                if len(json.dumps({**others, **found})) > _LONGEST_LABELS:
                    found[ALLOW] = UNKNOWN
        return found


def beside(name: str) -> str:
    return name + _NEXT


def plan(wishes: Sequence[Wish], boxes: Mapping[str, Box]) -> list[Step]:
    """For a base and all that it builds on, given in that order; what need not be there is not in it."""
    steps: list[Step] = []
    for wish in reversed(wishes):
        parent = wish.definition.parent
        steps.insert(0, judge(wish, boxes, _published_as(boxes.get(parent or ""), parent)))
        if not steps[0].makes:
            break
    for number, step in enumerate(steps[1:], 1):
        below = steps[number - 1]
        source = f"{below.wish.name}:{below.label}"
        # What is published is what it is built on, whatever the definition says by now.
        settled = boxes[below.wish.name].labels[DEFINITION] if below.action in ("none", "tidy") else below.wish.own
        steps[number] = replace(step, source=source, built_on=settled)
    return steps


def _published_as(box: Box | None, base: str | None) -> str | None:
    return box.labels[DEFINITION] if box is not None and box.published and box.labels.get(BASE) == base else None


def judge(wish: Wish, boxes: Mapping[str, Box], on: str | None) -> Step:
    """One base alone. `on` is the digest of what it builds on as that is published now, if it is."""
    box, name = boxes.get(wish.name), wish.name
    other = boxes.get(beside(name))
    other = other if other is not None and other.labels.get(REPLACES) == name else None
    label = wish.label or READY
    if box is not None:
        _must_be(box, wish.definition.base)
    # Where a run was cut off between the old one and the new.
    if (box is None or box.half_made) and other is not None and _is(other, TESTED, wish, on) and other.stopped:
        return Step(wish, "half-built", "swap", f"{other.name} is tested", label, other.labels.get(BUILT_ON), replaces=True)
    if box is None:
        return Step(wish, "missing", "build", "there is none", label, leftover=other is not None)
    kept = box.labels.get(BUILT_ON)
    if not box.published:
        stale = label in box.checkpoints
        if _is(box, TESTED, wish, on) and box.stopped and not box.half_made:
            return Step(wish, "half-built", "publish", "it is tested", label, kept, leftover=other is not None)
        if any(_is(box, phase, wish, on) for phase in (BUILDING, TESTED, DEFINITION)) and not box.half_made:
            return Step(wish, "half-built", "continue", "a run was cut off, or has failed", label, kept, stale=stale)
        return Step(wish, "half-built", "anew", "it was begun with another definition", label)
    label = wish.label or box.labels[CHECKPOINT]
    changed = _changed(box, wish, on)
    state = changed or "published"
    if wish.rebuild:
        return replace(_beside(wish, boxes, other, on, state, label), cpu=box.cpu, memory=box.memory)
    if changed:
        return Step(wish, state, "none", f"{changed}; rebuild=true builds it anew", box.labels[CHECKPOINT], kept)
    if label not in box.checkpoints and box.labels[DEFINITION] != wish.own:
        why = "it was built with something else than its definition says: give that again, or rebuild=true"
        return Step(wish, state, "none", why, box.labels[CHECKPOINT], kept)
    if label not in box.checkpoints:
        return Step(wish, state, "continue", f"it has no checkpoint {label}", label, kept, again=True)
    if other is not None and other.labels.get(TESTED) == box.labels[DEFINITION]:
        return Step(wish, state, "tidy", f"{other.name} has replaced it", label, kept, leftover=True)
    return Step(wish, state, "none", "it is published", label, kept)


def _beside(wish: Wish, boxes: Mapping[str, Box], other: Box | None, on: str | None, state: str, label: str) -> Step:
    name = beside(wish.name)
    if other is None and name in boxes:
        raise CoreError(f"{name} is in the way: the new {wish.name} would be built under that name. Destroy it, or use another name")
    if other is None:
        return Step(wish, state, "build", "rebuild=true", label, replaces=True)
    kept = other.labels.get(BUILT_ON)
    if _is(other, TESTED, wish, on) and other.stopped:
        return Step(wish, state, "swap", f"{name} is tested", label, kept, replaces=True)
    if (_is(other, BUILDING, wish, on) or _is(other, TESTED, wish, on)) and not other.half_made:
        return Step(wish, state, "continue", f"{name} is half-built", label, kept, replaces=True)
    return Step(wish, state, "anew", f"{name} was begun with another definition", label, replaces=True)


def _must_be(box: Box, base: str) -> None:
    found = box.labels.get(BASE)
    if found is None:
        raise CoreError(f"{box.name} exists and is no base, so it is left alone; name=NAME builds under another name", existing=box.name)
    if found != base or REPLACES in box.labels:
        what = f"is to replace {box.labels[REPLACES]}" if REPLACES in box.labels else f"is the base {found}"
        raise CoreError(f"{box.name} {what}, so it is left alone; name=NAME builds under another name", existing=box.name)


def _is(box: Box, phase: str, wish: Wish, on: str | None) -> bool:
    return box.labels.get(phase) == wish.own and (on is None or box.labels.get(BUILT_ON) == on)


def _changed(box: Box, wish: Wish, on: str | None) -> str:
    """Where nothing is given now, what was given then is no change."""
    built, now = box.labels[DEFINITION], wish.own
    if built != now and not wish.given:
        built, now = box.labels.get(FILE, built), wish.file or wish.own
    if built != now:
        return "definition changed"
    if FROM in box.labels and not wish.given:
        return ""
    return "" if on is None or box.labels.get(BUILT_ON) == on else f"{wish.definition.parent} changed"


def rows(boxes: Mapping[str, Box], wishes: Mapping[str, Wish]) -> list[dict[str, Any]]:
    """All bases for people. `wishes` has the definitions that are known, by container."""
    found = []
    for box in (boxes[name] for name in sorted(boxes)):
        base = box.labels.get(BASE)
        if base is None:
            continue
        wish = wishes.get(box.name)
        checkpoint = box.checkpoints.get(box.checkpoint or "")
        found.append(
            {
                "base": base if base == box.name else f"{base} ({box.name})",
                "name": box.name,
                "definition": base,
                # What it is a clone of is the one that it has replaced, if there was one: the definition knows better.
                "from": box.labels.get(FROM) or (wish.definition.made_of if wish is not None else None) or box.image,
                "checkpoint": box.checkpoint,
                "created": checkpoint.created if checkpoint else None,
                "size": checkpoint.size if checkpoint else None,
                "clones": list(checkpoint.clones) if checkpoint else [],
                "state": _told(box, wish, boxes),
            }
        )
    return found


def _told(box: Box, wish: Wish | None, boxes: Mapping[str, Box]) -> str:
    if REPLACES in box.labels:
        return f"half-built, to replace {box.labels[REPLACES]}"
    if not box.published:
        return "half-built"
    if wish is None:
        return "published"
    parent = wish.definition.parent
    return _changed(box, wish, _published_as(boxes.get(parent or ""), parent)) or "published"
