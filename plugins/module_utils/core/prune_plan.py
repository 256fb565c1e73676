# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Of all that was found: what goes, in which order, and what has to stay because somebody needs it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from . import lineage
from .errors import CoreError
from .lease import PATIENCE
from .promotion import plan_promotion
from .prune_items import CONTAINER, DATASET, DESTROY, HOST_KEY, LEAVE, REPAIR, SNAPSHOT, WHATS, Item, find
from .prune_look import Look

# Of a unit the data sets of others that were made of its snapshots.
Needs = Mapping[str, Iterable[str]]
Items = Mapping[tuple[str, str, str], Item]


@dataclass(frozen=True)
class Wish:
    """The options."""

    what: frozenset[str] = frozenset(WHATS)
    promote: bool = False  # let clones take over what they need of a thing that goes
    older_than: int | None = None  # seconds
    patience: float = PATIENCE  # seconds


@dataclass(frozen=True)
class Plan:
    """Everything that was decided. The steps follow one another, the items of a step are done side by side."""

    steps: tuple[tuple[Item, ...], ...] = ()
    left: tuple[Item, ...] = ()

    @property
    def items(self) -> tuple[Item, ...]:
        return tuple(item for step in self.steps for item in step)


def plan(look: Look, wish: Wish) -> Plan:
    found = [_old_enough(item, wish) for item in find(look, wish.patience) if item.what in wish.what]
    needs = _needs(look)
    items = _spared(look, {item.key: item for item in found if item is not None}, needs, promote=wish.promote)
    going = [item for item in items.values() if item.action != LEAVE and not _goes_along(look, item, items)]
    steps = [
        [item for item in going if item.action == REPAIR],
        *_in_order(look, [item for item in going if _is_destroyed(item)], needs),
        [item for item in going if item.kind == SNAPSHOT],
        [item for item in going if item.kind == HOST_KEY],
    ]
    return Plan(tuple(tuple(step) for step in steps if step), tuple(item for item in items.values() if item.action == LEAVE))


def _old_enough(item: Item, wish: Wish) -> Item | None:
    """A host key has no age, and one whose container is gone is of no use however old."""
    if wish.older_than is None or item.action != DESTROY:
        return item
    if item.age is None:
        return item.left("how old it is nobody knows, so older_than spares it")
    return item if item.age >= wish.older_than else None


def _is_destroyed(item: Item) -> bool:
    return item.action == DESTROY and item.kind in (CONTAINER, DATASET)


def _unit(look: Look, dataset: str) -> str:
    """What goes as one with a data set: its container, or itself."""
    return look.owner(dataset) or dataset


def _needs(look: Look) -> dict[str, dict[str, None]]:
    """Of each unit the data sets of others that were made of its snapshots."""
    found: dict[str, dict[str, None]] = {}
    for snapshot in look.snapshots:
        unit = _unit(look, snapshot.dataset)
        for clone in snapshot.clones:
            if _unit(look, clone) != unit:
                found.setdefault(unit, {})[clone] = None
    return found


def _spared(look: Look, items: Items, needs: Needs, *, promote: bool) -> dict[tuple[str, str, str], Item]:
    """The items, with those left alone that cannot go. One that stays may be what another one is needed by, so it takes several rounds."""
    settled = dict(items)
    while True:
        gone = {item.unit for item in settled.values() if _is_destroyed(item)}
        spared = {key: _kept_back(look, item, needs, gone, promote) for key, item in settled.items() if _is_destroyed(item)}
        spared = {key: item for key, item in spared.items() if item.action == LEAVE}
        if not spared:
            return {key: _with_dependents(look, item, needs, gone) for key, item in settled.items()}
        settled.update(spared)


def _kept_back(look: Look, item: Item, needs: Needs, gone: Collection[str | None], promote: bool) -> Item:
    """The item, left alone where something is against its going."""
    unit = str(item.unit)
    held = [snapshot.id for snapshot in look.snapshots if snapshot.held and _unit(look, snapshot.dataset) == unit]
    if held:
        return item.left(f"somebody has put a hold on {held[0]}")
    outside = [name for name in needs.get(unit, ()) if _unit(look, name) not in gone]
    if not outside:
        return item
    if not promote:
        names = lineage.names_of(outside)
        return item.left(f"{', '.join(names)} came from it; dependents=promote lets it go", names)
    try:
        plan_promotion(_datasets(look, _first(look, unit, needs, gone)), look.snapshots, look.datasets)
    except CoreError as error:
        return item.left(error.message, lineage.names_of(outside))
    return item


def _first(look: Look, unit: str, needs: Needs, gone: Collection[str | None]) -> set[str]:
    """A unit with all that goes before it: what was made of it and goes too, and so on."""
    found, left = set(), [unit]
    while left:
        found.add(unit := left.pop())
        left += [other for other in {_unit(look, name) for name in needs.get(unit, ())} & set(gone) if other not in found]
    return found


def _datasets(look: Look, units: Collection[str]) -> list[str]:
    known = dict.fromkeys([dataset.name for dataset in look.datasets] + [snapshot.dataset for snapshot in look.snapshots])
    return [name for name in known if _unit(look, name) in units]


def _with_dependents(look: Look, item: Item, needs: Needs, gone: Collection[str | None]) -> Item:
    """What goes all the same, with the names of those that keep what they need of it."""
    if not _is_destroyed(item) or item.unit is None:
        return item
    names = tuple(lineage.names_of([name for name in needs.get(item.unit, ()) if _unit(look, name) not in gone]))
    if not names:
        return item
    # How much of it is theirs from then on, only ZFS knows afterwards.
    return replace(item, dependents=names, size=None, reason=f"{item.reason}; {', '.join(names)} keep what they need of it")


def _goes_along(look: Look, item: Item, items: Items) -> bool:
    """A snapshot of something that goes as a whole; and what goes is not mended first."""
    unit = _unit(look, item.name.partition("@")[0]) if item.kind == SNAPSHOT else item.unit
    going = {other.unit for other in items.values() if _is_destroyed(other)}
    return unit in going and (item.kind == SNAPSHOT or item.action == REPAIR)


def _in_order(look: Look, items: list[Item], needs: Needs) -> list[list[Item]]:
    """Clones before what they were made of. Whatever is a clone of itself in a roundabout way comes last, for ZFS to judge."""
    steps, left = [], items
    while left:
        waiting = {item.unit for item in left}
        blocked = [item for item in left if waiting & {_unit(look, name) for name in needs.get(str(item.unit), ())}]
        free = [item for item in left if item not in blocked] or left
        steps.append(free)
        left = [item for item in left if item not in free]
    return steps
