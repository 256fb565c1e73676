# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why a container does not get back to a checkpoint, or why a checkpoint does not go: said before anything is touched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from . import naming
from .errors import CoreError
from .lineage import Lineage

if TYPE_CHECKING:
    from .checkpoint_plan import Newer

# So many are named in a message; the data of the failure has all.
_MOST = 20


def listed(names: Iterable[str]) -> str:
    found = list(names)
    more = f" and {len(found) - _MOST} more" if len(found) > _MOST else ""
    return ", ".join(found[:_MOST]) + more


class NoCheckpoint(CoreError):
    """There is no checkpoint of that label."""

    def __init__(self, lineage: Lineage, label: str) -> None:
        there = [entry.label for entry in lineage.checkpoints]
        told = f"there are {listed(there)}" if there else "there is none"
        super().__init__(f"{_name(lineage)}: no checkpoint is labelled {label}; {told}", label=label, labels=there)


class NewerCheckpoints(CoreError):
    """A restore would have to go past newer snapshots."""

    def __init__(self, lineage: Lineage, label: str, newer: Sequence[Newer]) -> None:
        told = listed(_told(entry) for entry in newer)
        super().__init__(
            f"{_name(lineage)}: in the way of a restore to {label} there {'are' if len(newer) > 1 else 'is'} what is newer: {told}."
            " on_newer=keep restores and keeps them, on_newer=destroy destroys them",
            label=label,
            newer=[{**shown(entry), "action": None} for entry in newer],
        )


class Dependents(CoreError):
    """Something that would have to go is needed by clones."""

    def __init__(self, lineage: Lineage, what: str, names: Sequence[str], hint: str) -> None:
        super().__init__(f"{_name(lineage)}: {what} cannot be destroyed, {listed(names)} came from it; {hint}", dependents=list(names))


class OlderCheckpoints(CoreError):
    """A promotion would take along what nobody wants to part with."""

    def __init__(self, lineage: Lineage, label: str, older: Sequence[str]) -> None:
        super().__init__(
            f"{_name(lineage)}: with {label} everything older would move to the clone as well: {listed(older)}."
            " Delete those first, or let dependents=defer remove the checkpoint now and its data with the last of its clones",
            label=label,
            older=list(older),
        )


class InProgress(CoreError):
    """Another run is at work."""

    def __init__(self, lineage: Lineage, token: str) -> None:
        super().__init__(f"{_name(lineage)}: another run is making clones of its present state; wait for it to end", token=token)


def shown(entry: Newer) -> dict[str, Any]:
    """One of those in the way, as data."""
    return {
        "label": entry.label,
        "snapshot": entry.snapshot,
        "kind": entry.kind,
        "dependents": list(entry.dependents),
        "action": entry.fate,
    }


def _told(entry: Newer) -> str:
    needed = f" (needed by {listed(entry.dependents)})" if entry.dependents else ""
    if entry.label is not None:
        return entry.label + needed
    if entry.kind == "foreign":
        return f"{entry.snapshot}, which is not ours{needed}"
    return f"a state that only clones have{needed}"


def _name(lineage: Lineage) -> str:
    return naming.from_instance(lineage.instance)
