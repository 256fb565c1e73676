# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The policy of a base that is built again: what was given for the old one counts, and what nobody knows is never taken for nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import base_policy
from ansible_collections.pixels.sandbox.plugins.module_utils.core.base_definition import Definition
from ansible_collections.pixels.sandbox.plugins.module_utils.core.base_plan import Box, Checkpoint, Step, Wish, plan, rows
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError

WRITTEN = Definition("web", image="debian/12")
HELD = replace(WRITTEN, egress="agent", allow=("a.example.org", "b.example.org:22"))


def digest(definition: Definition) -> str:
    return definition.digest("ubuntu/24.04", {})


def wish(definition: Definition = WRITTEN, written: Definition = WRITTEN, **more: Any) -> Wish:
    return Wish(definition, "web", "", written=written, **more)


def settled(asked: Wish, *boxes: Box) -> Wish:
    """As base_info does it."""
    found = base_policy.kept(asked, {box.name: box for box in boxes})
    return replace(found, own=digest(found.definition), file=digest(found.written or found.definition))


def planned(asked: Wish, *boxes: Box) -> Step:
    known = {box.name: box for box in boxes}
    steps = plan([settled(asked, *boxes)], known)
    base_policy.check(steps, known)
    return steps[-1]


def published(labels: dict[str, str], **more: Any) -> Box:
    return Box(more.pop("name", "web"), labels, checkpoints={"ready": Checkpoint()}, **more)


def given(definition: Definition, *keys: str, written: Definition = WRITTEN) -> Box:
    """What is there when a base was built so."""
    step = planned(wish(definition, written, given=frozenset(keys)))
    return published(step.labels("definition"), egress=definition.egress or None)


GUARDED = given(HELD, "egress", "allow")


def test_what_was_given_is_noted() -> None:
    assert GUARDED.labels == {
        "base": "web",
        "definition": digest(HELD),
        "file": digest(WRITTEN),
        "checkpoint": "ready",
        "egress": "agent",
        "allow": "a.example.org,b.example.org:22",
    }
    assert set(given(WRITTEN).labels) == {"base", "definition", "checkpoint"}
    assert set(given(HELD, written=HELD).labels) == {"base", "definition", "checkpoint"}
    assert given(replace(WRITTEN, image="debian/13"), "image").labels["from"] == "debian/13"


def test_a_command_that_says_nothing_of_it_changes_nothing() -> None:
    step = planned(wish(), GUARDED)
    assert (step.state, step.action, step.wish.own) == ("published", "none", GUARDED.labels["definition"])
    assert rows({"web": GUARDED}, {"web": Wish(WRITTEN, "web", digest(WRITTEN))})[0]["state"] == "published"


def test_built_anew_it_keeps_it() -> None:
    step = planned(wish(rebuild=True), GUARDED)
    assert (step.action, step.wish.definition, step.wish.kept) == ("build", HELD, True)
    assert step.labels("building")["egress"] == "agent"
    step = planned(wish(replace(WRITTEN, image="debian/13"), rebuild=True, given=frozenset({"image"})), GUARDED)
    assert step.wish.definition == replace(HELD, image="debian/13")


@pytest.mark.parametrize(
    ("definition", "keys", "expected"),
    [
        (replace(WRITTEN, egress="allowlist"), ("egress",), ("allowlist", ())),
        (replace(WRITTEN, egress="unrestricted"), ("egress",), ("unrestricted", ())),
        (replace(WRITTEN, allow=("c.example.org",)), ("allow",), ("agent", ("c.example.org",))),
    ],
)
def test_what_is_given_now_counts_before_it(definition: Definition, keys: tuple[str, ...], expected: tuple[str, Any]) -> None:
    asked = wish(definition, given=frozenset(keys))
    assert planned(asked, GUARDED).state == "definition changed"
    found = planned(replace(asked, rebuild=True), GUARDED).wish.definition
    assert (found.egress, found.allow) == expected


def test_what_is_half_built_goes_on_with_it() -> None:
    labels = {"base": "web", "building": digest(HELD), "egress": "agent", "allow": "a.example.org,b.example.org:22"}
    step = planned(wish(), Box("web", labels))
    assert (step.action, step.wish.definition) == ("continue", HELD)
    step = planned(wish(rebuild=True), given(WRITTEN), Box("web-next", {**labels, "replaces": "web"}))
    assert (step.action, step.wish.definition) == ("continue", HELD)
    assert planned(wish(), given(WRITTEN), Box("web-next", {**labels, "replaces": "web"})).wish.definition == WRITTEN


def test_a_changed_definition_is_told() -> None:
    newer = replace(WRITTEN, packages=("tree",))
    assert planned(wish(newer, newer), GUARDED).state == "definition changed"
    assert rows({"web": GUARDED}, {"web": Wish(newer, "web", digest(newer))})[0]["state"] == "definition changed"


def test_what_it_was_made_of_is_listed_and_is_no_change() -> None:
    box = given(replace(WRITTEN, image="debian/13"), "image")
    dev = Box("dev", {"base": "dev", "definition": "d1", "checkpoint": "ready"}, checkpoints={"ready": Checkpoint()})
    on_dev = replace(WRITTEN, image=None, parent="dev")
    for boxes, written in (({"web": box}, WRITTEN), ({"web": given(WRITTEN, "image", written=on_dev), "dev": dev}, on_dev)):
        row = rows(boxes, {"web": Wish(written, "web", digest(written))})[-1]
        assert (row["from"], row["state"]) == (boxes["web"].labels["from"], "published")


def test_under_one_more_label_it_is_what_it_is_or_nothing() -> None:
    assert planned(wish(label="v2"), GUARDED).action == "continue"
    step = planned(wish(label="v2"), given(replace(WRITTEN, role="r"), "role"))
    assert (step.action, step.label) == ("none", "ready") and "give that again" in step.why


class TestUnknown:
    MANY = replace(WRITTEN, egress="allowlist", allow=tuple(f"name{number}.example.org" for number in range(40)))

    def test_too_many_entries_have_to_be_given_again(self) -> None:
        box = given(self.MANY, "egress", "allow")
        assert box.labels["allow"] == "?"
        assert planned(wish(), box).action == "none"
        with pytest.raises(CoreError, match="give both again"):
            planned(wish(rebuild=True), box)
        assert planned(wish(self.MANY, rebuild=True, given=frozenset({"egress", "allow"})), box).action == "build"

    def test_a_policy_that_nobody_has_noted_is_not_lost(self) -> None:
        """Set by hand, or by a definition that does not have it any more."""
        box = replace(given(WRITTEN), egress="allowlist")
        assert planned(wish(), box).action == "none"
        with pytest.raises(CoreError, match=r"is restricted \(egress=allowlist\)"):
            planned(wish(rebuild=True), box)
        opened = replace(WRITTEN, egress="unrestricted")
        assert planned(wish(opened, rebuild=True, given=frozenset({"egress"})), box).action == "build"
        assert planned(wish(opened, opened, rebuild=True), box).action == "build"

    @pytest.mark.parametrize(("below", "good"), [("agent", True), ("learn", False), (None, False), ("unrestricted", False)])
    @pytest.mark.parametrize("on", [{"parent": "dev"}, {"source": "dev:ready"}], ids=["a base", "a checkpoint"])
    def test_it_may_come_from_what_it_builds_on(self, on: dict[str, str], below: str | None, good: bool) -> None:
        definition = Definition("web", **on)  # type: ignore[arg-type]
        dev = published({"base": "dev", "definition": "d1", "checkpoint": "ready"}, name="dev", egress=below)
        box = published({"base": "web", "definition": digest(definition), "checkpoint": "ready", "built_on": "d1"}, egress="agent")
        asked = wish(definition, definition, rebuild=True)
        if good:
            assert planned(asked, box, dev).action == "build"
        else:
            with pytest.raises(CoreError, match="nothing says"):
                planned(asked, box, dev)
