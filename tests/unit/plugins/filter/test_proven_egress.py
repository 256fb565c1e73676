"""Which egress modes are noted: those of this run that were proven, where the mark says something else."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.filter.proven_egress import FilterModule

BOX = {"name": "task1", "egress": None}


def noted(mine: dict[str, Any] | None, container: dict[str, Any] | None = None, **options: Any) -> Any:
    return FilterModule().filters()["proven_egress"]([container or BOX], {} if mine is None else {"task1": mine}, **options)


def after(mode: str, **proof: Any) -> dict[str, Any]:
    return {"egress_result": {"egress": {"mode": mode}}, **({"egress_proof": proof} if proof else {})}


def test_a_proven_one_is_noted() -> None:
    assert noted(after("agent", checks=[], failed=False)) == {"task1": {"egress": "agent"}}


def test_unrestricted_needs_no_proof() -> None:
    assert noted(after("unrestricted")) == {"task1": {"egress": "unrestricted"}}


@pytest.mark.parametrize(
    "mine",
    [
        None,
        {},
        {"egress_result": {"skipped": True}},
        {"egress_result": {"failed": True, "msg": "unreachable"}},
        after("agent"),
        after("agent", failed=True, msg="unreachable"),
        after("agent", checks=["dns"], failed=True),
        after("agent", skipped=True),
    ],
)
def test_what_was_not_proven_is_not(mine: dict[str, Any] | None) -> None:
    assert noted(mine) == {}


def test_what_the_mark_says_already_is_not_said_again() -> None:
    assert noted(after("agent", checks=[]), {"name": "task1", "egress": "agent"}) == {}


def test_without_a_wish_for_proof_there_is_none_to_wait_for() -> None:
    assert noted(after("agent"), unproven=True) == {"task1": {"egress": "agent"}}
    assert noted(after("agent", checks=["dns"], failed=True), unproven=True) == {}
