# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which egress policy a base gets: that of the command line, or what was given when the one that is there was built, or its definition's.

A base that was built restricted is never built anew open by a command that says nothing of it: so would each clone be. Pure, as the plan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from .base_plan import ALLOW, BASE, EGRESS, REPLACES, UNKNOWN, Box, Step, Wish, beside
from .egress_policy import UNRESTRICTED
from .errors import CoreError
from .wanted import Source


def kept(wish: Wish, boxes: Mapping[str, Box]) -> Wish:
    """With what was given then, where nobody gives anything now."""
    old = None if "egress" in wish.given else _old(wish, boxes)
    if old is None:
        return wish
    definition, mode, allow = wish.definition, old.labels[EGRESS], old.labels.get(ALLOW, "")
    if "allow" in wish.given:
        return replace(wish, definition=replace(definition, egress=mode))
    entries = tuple(filter(None, allow.split(",")))
    return replace(wish, definition=replace(definition, egress=mode, allow=entries), kept=True, unknown=allow == UNKNOWN)


def _old(wish: Wish, boxes: Mapping[str, Box]) -> Box | None:
    """The one with the labels that count: what is half-built is gone on with."""
    box, other = boxes.get(wish.name), boxes.get(beside(wish.name))
    if other is not None and other.labels.get(REPLACES) != wish.name:
        other = None
    order = (other, box) if wish.rebuild or box is None or box.half_made else (box,)
    found = (entry for entry in order if entry is not None and EGRESS in entry.labels and entry.labels.get(BASE) == wish.definition.base)
    return next(found, None)


def check(steps: Sequence[Step], boxes: Mapping[str, Box]) -> None:
    """Raises where a policy would be lost because nobody knows it."""
    for step in steps:
        wish, box = step.wish, boxes.get(step.wish.name)
        if wish.unknown and (step.works or step.replaces):
            raise CoreError(
                f"{wish.name} was built with egress={wish.definition.egress} and more entries in allow than could be noted: give both"
                " again, or write them into its definition"
            )
        before = None if box is None else _restricted(box.egress)
        if step.replaces and before is not None and not wish.definition.egress and _of_its_source(step, steps, boxes) != before:
            raise CoreError(
                f"{wish.name} is restricted (egress={before}), and nothing says what the new one may reach: give egress, and allow where it"
                f" needs entries, or write them into its definition; egress={UNRESTRICTED} opens it"
            )


def _of_its_source(step: Step, steps: Sequence[Step], boxes: Mapping[str, Box]) -> str | None:
    """The mode that it has from what it is made of, which it has from its first packet on."""
    definition = step.wish.definition
    if definition.parent is not None:
        below = next((entry for entry in steps if entry.wish.name == definition.parent and entry.works), None)
        if below is not None and below.wish.definition.egress:
            return _restricted(below.wish.definition.egress)
    name = definition.parent or (None if definition.source is None else Source.parse(definition.source).name)
    box = boxes.get(name or "")
    return None if box is None else _restricted(box.egress)


def _restricted(mode: str | None) -> str | None:
    return None if mode in (None, "", UNRESTRICTED) else mode
