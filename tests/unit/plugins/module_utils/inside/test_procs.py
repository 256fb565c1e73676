"""The processes below one: in which order they are asked to end."""

from __future__ import annotations

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.inside import procs


def test_parents_come_before_their_children_whatever_their_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers wrap around, so a child may have a smaller one."""
    monkeypatch.setattr(procs, "_parents", lambda: {1: 0, 50: 1, 900: 50, 7: 900, 8: 900, 3: 8, 60: 1})
    assert procs.descendants(50) == [900, 7, 8, 3]


def test_what_looks_like_a_circle_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are not all looked at in the same moment, and numbers are used again."""
    monkeypatch.setattr(procs, "_parents", lambda: {50: 8, 7: 50, 8: 7})
    assert procs.descendants(50) == [7, 8]
