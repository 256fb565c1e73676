# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checkpoints as users see them: in results, in diffs, in lists."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from ..nas.storage import Snapshot
from . import labels
from .lineage import Checkpoint, Lineage, names_of


def shown_time(seconds: int) -> str:
    """2026-11-23T15:33:01Z"""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def checkpoint_view(lineage: Lineage, checkpoint: Checkpoint) -> dict[str, Any]:
    snapshot = checkpoint.snapshot
    return {
        "label": checkpoint.label,
        "snapshot": snapshot.id,
        "dataset": snapshot.dataset,
        "created": shown_time(snapshot.created),
        "created_epoch": snapshot.created,
        "used": snapshot.used,
        "referenced": snapshot.referenced,
        "dependents": names_of(lineage.outside(snapshot)),
    }


def foreign(lineage: Lineage) -> tuple[Snapshot, ...]:
    """The snapshots that somebody else has made, newest first."""
    return tuple(
        snapshot
        for snapshot in reversed(lineage.snapshots)
        if not snapshot.deferred and labels.label_of(snapshot.name) is None and labels.token_of(snapshot.name) is None
    )


def foreign_view(lineage: Lineage, snapshot: Snapshot) -> dict[str, Any]:
    return {
        "snapshot": snapshot.id,
        "created": shown_time(snapshot.created),
        "created_epoch": snapshot.created,
        "used": snapshot.used,
        "dependents": names_of(lineage.outside(snapshot)),
    }


def labels_of(lineage: Lineage, *, without: Sequence[str] = ()) -> list[str]:
    """The newest first."""
    return [entry.label for entry in lineage.checkpoints if entry.label not in without]
