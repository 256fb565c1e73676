# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Labels: what may be one, what becomes of them in plans, and who has which."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import container_labels, marker
from ansible_collections.pixels.sandbox.plugins.module_utils.core.container_info import SPEC, run
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import Invalid
from ansible_collections.pixels.sandbox.plugins.module_utils.core.plan import Update, plan
from ansible_collections.pixels.sandbox.plugins.module_utils.core.wanted import Defaults, Origin, Source, Wanted
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.driver import Container
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.fake_driver import FakeConfig, FakeDriver, context, ours

LABELLED = ours("task1", mark={"image": "debian/12", "owner": "me", "labels": {"team": "web"}})


def want(state: str = "started", **options: Any) -> Wanted:
    return Wanted(name="task1", state=state, defaults=Defaults(image="ubuntu/24.04"), id="0123456789abcdef", **options)


def after(current: Container | None, wanted: Wanted) -> marker.Marker | None:
    """The mark as the plan leaves it; None where it leaves it alone."""
    change = plan(current, wanted)
    if change.spec is not None:
        return marker.read(change.spec.environment)
    updates = [step for step in change.steps if isinstance(step, Update)]
    return marker.read(updates[0].changes["environment"]) if updates else None


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({}, {}),
        ({"team": "web"}, {"team": "web"}),
        ({"b": "2", "a": "1"}, {"a": "1", "b": "2"}),
        ({"0": 1, "x.y_z-1": True, "n": 1.5}, {"0": "1", "n": "1.5", "x.y_z-1": "true"}),
        ({7: ""}, {"7": ""}),
        ({"a": "v" * 255}, {"a": "v" * 255}),
    ],
)
def test_good_ones(given: dict[Any, Any], kept: dict[str, str]) -> None:
    assert container_labels.check(given) == kept
    assert list(container_labels.check(given)) == sorted(kept)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("team=web", "texts by name"),
        (["team"], "texts by name"),
        ({"Team": "web"}, "lower-case"),
        ({"-a": "x"}, "begins with"),
        ({"": "x"}, "1 to 63"),
        ({True: "x"}, "1 to 63"),
        ({"a b": "x"}, "1 to 63"),
        ({"a" * 64: "x"}, "1 to 63"),
        ({"a": None}, "is a text"),
        ({"a": ["x"]}, "is a text"),
        ({"a": "v" * 256}, "255 characters"),
        ({"a": "x\ny"}, "control"),
        ({"a": "x\x7f"}, "control"),
        ({f"l{number}": "v" * 200 for number in range(3)}, "512 characters together"),
        ({"a": "ä" * 100}, "512 characters together"),
    ],
)
def test_bad_ones_say_what_is_allowed(given: Any, told: str) -> None:
    with pytest.raises(Invalid, match=told):
        container_labels.check(given)


def test_a_mark_that_is_too_long_is_refused_before_anything() -> None:
    long = {"a": "v" * 250, "b": "v" * 200}
    with pytest.raises(Invalid, match="characters too many"):
        plan(None, want(image="i" * 200, owner="o" * 200, labels=long, expires="7d"))
    with pytest.raises(Invalid, match="characters too many"):
        plan(ours("task1", mark={"image": "i" * 200, "owner": "o" * 200, "source": "s" * 60}), want(labels=long))
    assert after(None, want(labels=long)) is not None


class TestPlan:
    def test_a_new_one_has_them(self) -> None:
        mark = after(None, want(labels={"team": "web"}))
        assert mark is not None and mark.labels == {"team": "web"}

    def test_not_given_is_unchanged_with_whatever_else_changes(self) -> None:
        assert plan(LABELLED, want()).steps == ()
        mark = after(LABELLED, want(owner="you"))
        assert mark is not None and (mark.owner, mark.labels) == ("you", {"team": "web"})

    def test_the_same_is_no_change_and_another_is_one(self) -> None:
        assert plan(LABELLED, want(labels={"team": "web"})).steps == ()
        mark = after(LABELLED, want(labels={"team": "ops"}))
        assert mark is not None and (mark.owner, mark.labels) == ("me", {"team": "ops"})
        change = plan(LABELLED, want(labels={"team": "ops"}))
        assert (change.before["labels"], change.after["labels"]) == ({"team": "web"}, {"team": "ops"})

    def test_an_empty_set_is_none(self) -> None:
        mark = after(LABELLED, want(labels={}))
        assert mark is not None and mark.labels == {}
        assert "labels" not in mark.text()
        assert plan(ours("task1"), want(labels={})).steps == ()

    def test_a_clone_does_not_inherit_them(self) -> None:
        source = Source("base", "ready")
        origin = Origin(replace(LABELLED, name="px-base", id="px-base"), "tank/c/px-base@pixels-ready")
        mark = after(None, want(source=source, origin=origin))
        assert mark is not None and (mark.source, mark.labels) == ("base:ready", {})
        mark = after(None, want(source=source, origin=origin, labels={"mine": "1"}))
        assert mark is not None and mark.labels == {"mine": "1"}

    def test_one_that_is_made_anew_keeps_them_where_none_are_given(self) -> None:
        mark = after(LABELLED, want(image="debian/13", recreate=True))
        assert mark is not None and mark.labels == {"team": "web"}
        mark = after(LABELLED, want(image="debian/13", recreate=True, labels={}))
        assert mark is not None and mark.labels == {}


def test_info_chooses_by_them() -> None:
    both = ours("b", mark={"labels": {"team": "web", "ticket": "1"}})
    driver = FakeDriver(ours("a", mark={"labels": {"team": "web"}}), both, ours("c"))

    def found(**labels: str) -> list[str]:
        params = {name: rule.get("default") for name, rule in SPEC.arguments.items()}
        return [entry["name"] for entry in run(context(driver, FakeConfig(), **{**params, "labels": labels or None}))["containers"]]

    assert found() == ["a", "b", "c"]
    assert found(team="web") == ["a", "b"]
    assert found(team="web", ticket="1") == ["b"]
    assert found(team="ops") == []
