# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is still to be done about a base: from the labels and checkpoints that each interruption leaves."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core.base_definition import Definition
from ansible_collections.pixels.sandbox.plugins.module_utils.core.base_plan import Box, Checkpoint, Step, Wish, judge, plan, rows
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError

READY = {"ready": Checkpoint("2026-11-23T15:33:01Z", 1000, ("w1",))}


def wish(base: str = "web", parent: str | None = None, own: str = "new", **more: Any) -> Wish:
    return Wish(Definition(base, parent=parent), more.pop("name", base), own, **more)


def box(name: str = "web", *labels: str, checkpoints: dict[str, Checkpoint] | None = None, **more: Any) -> Box:
    found = dict(label.split("=") for label in labels)
    return Box(name, {"base": "web", **found}, checkpoints=READY if checkpoints is None else checkpoints, **more)


PUBLISHED = box("web", "definition=new", "checkpoint=ready")
NEXT = ("web-next", "replaces=web")


def judged(wanted: Wish, *boxes: Box, on: str | None = None) -> Step:
    return judge(wanted, {entry.name: entry for entry in boxes}, on)


@pytest.mark.parametrize(
    ("boxes", "state", "action"),
    [
        ([], "missing", "build"),
        ([PUBLISHED], "published", "none"),
        # cut off, in the order of the work
        ([box("web", checkpoints={}, half_made=True)], "half-built", "anew"),
        ([box("web", "building=new", checkpoints={}, half_made=True)], "half-built", "anew"),
        ([box("web", "building=new", checkpoints={}, stopped=False)], "half-built", "continue"),
        ([box("web", "building=new", checkpoints={})], "half-built", "continue"),
        ([box("web", "tested=new", checkpoints={}, stopped=False)], "half-built", "continue"),
        ([box("web", "tested=new", checkpoints={})], "half-built", "publish"),
        ([box("web", "tested=new")], "half-built", "publish"),
        # begun with another definition, or by nobody knows whom
        ([box("web", "building=old", checkpoints={})], "half-built", "anew"),
        ([box("web", "tested=old", checkpoints={})], "half-built", "anew"),
        ([box("web", checkpoints={})], "half-built", "anew"),
        # its checkpoint is gone
        ([box("web", "definition=new", "checkpoint=ready", checkpoints={})], "half-built", "continue"),
        ([box("web", "definition=old", "checkpoint=ready", checkpoints={})], "half-built", "anew"),
        # labels without the one, or a checkpoint of another name
        ([box("web", "definition=new")], "half-built", "continue"),
        ([box("web", "definition=old", "checkpoint=ready")], "definition changed", "none"),
        # between the old one and the new
        ([box(*NEXT, "tested=new", checkpoints={})], "half-built", "swap"),
        ([box(*NEXT, "tested=new", checkpoints={}), box("web", "tested=new", checkpoints={}, half_made=True)], "half-built", "swap"),
        ([box(*NEXT, "tested=new", checkpoints={}), box("web", "tested=new", checkpoints={})], "half-built", "publish"),
        ([box(*NEXT, "tested=new", checkpoints={}), PUBLISHED], "published", "tidy"),
        ([box(*NEXT, "tested=old", checkpoints={})], "missing", "build"),
        ([box(*NEXT, "building=new", checkpoints={}), PUBLISHED], "published", "none"),
    ],
)  # fmt: skip
def test_how_far_it_is(boxes: list[Box], state: str, action: str) -> None:
    step = judged(wish(), *boxes)
    assert (step.state, step.action) == (state, action)


@pytest.mark.parametrize(
    ("beside", "action", "makes"),
    [
        ([], "build", True),
        ([box(*NEXT, "building=new", checkpoints={}, stopped=False)], "continue", False),
        ([box(*NEXT, "tested=new", checkpoints={}, stopped=False)], "continue", False),
        ([box(*NEXT, "tested=new", checkpoints={})], "swap", False),
        ([box(*NEXT, "building=old", checkpoints={})], "anew", True),
    ],
)
def test_anew_beside_the_old_one(beside: list[Box], action: str, makes: bool) -> None:
    step = judged(wish(rebuild=True), box("web", "definition=old", "checkpoint=ready"), *beside)
    assert (step.state, step.action, step.makes, step.replaces, step.box) == ("definition changed", action, makes, True, "web-next")
    assert step.labels("tested") == {"base": "web", "tested": "new", "replaces": "web"}
    assert step.labels("definition") == {"base": "web", "definition": "new", "checkpoint": "ready"}


def test_the_new_one_is_as_large_as_the_old_one() -> None:
    step = judged(wish(rebuild=True), box("web", "definition=old", "checkpoint=ready", cpu="4", memory=8192))
    assert (step.cpu, step.memory) == ("4", 8192)
    assert judged(wish()).memory is None


def test_rebuild_does_not_wait_for_a_change() -> None:
    assert judged(wish(rebuild=True), PUBLISHED).action == "build"
    assert not judged(wish(rebuild=True)).replaces, "there is nothing to be kept"


def test_what_goes_in_the_end() -> None:
    tested = box(*NEXT, "tested=new", checkpoints={})
    assert judged(wish(), box("web", "tested=new", checkpoints={}), tested).leftover
    assert judged(wish(), box(*NEXT, "tested=old", checkpoints={})).leftover
    assert not judged(wish(), box("web", "building=new", checkpoints={})).leftover


def test_a_checkpoint_that_nobody_has_tested_is_stale() -> None:
    assert judged(wish(), box("web", "building=new")).stale
    assert not judged(wish(), box("web", "building=new", checkpoints={})).stale
    assert not judged(wish(label="v2"), box("web", "building=new")).stale


class TestLabel:
    def test_another_one_is_one_more(self) -> None:
        step = judged(wish(label="v2"), PUBLISHED)
        assert (step.action, step.again, step.label, step.stale) == ("continue", True, "v2", False)

    def test_without_one_it_is_that_which_it_is_published_under(self) -> None:
        step = judged(wish(), box("web", "definition=new", "checkpoint=v2", checkpoints={"v2": Checkpoint()}))
        assert (step.action, step.label) == ("none", "v2")

    def test_of_a_change_the_published_one_is_told(self) -> None:
        assert judged(wish(label="v2"), box("web", "definition=old", "checkpoint=ready")).label == "ready"


class TestForeign:
    def test_one_that_is_no_base(self) -> None:
        with pytest.raises(CoreError, match="is no base, so it is left alone"):
            judged(wish(), Box("web"))

    def test_one_that_is_another_base(self) -> None:
        with pytest.raises(CoreError, match="is the base web"):
            judged(wish("dev", name="web"), PUBLISHED)

    def test_one_in_the_place_of_the_new_one(self) -> None:
        with pytest.raises(CoreError, match="web-next is in the way"):
            judged(wish(rebuild=True), PUBLISHED, Box("web-next"))
        with pytest.raises(CoreError, match="is to replace web"):
            judged(wish(name="web-next"), box(*NEXT))


class TestChain:
    DEV = Box("dev", {"base": "dev", "definition": "d1", "checkpoint": "ready"}, checkpoints=READY)
    WEB = box("web", "definition=new", "checkpoint=ready", "built_on=d1")

    def planned(self, *boxes: Box, own: str = "d1", **more: Any) -> list[tuple[Any, ...]]:
        steps = plan([wish("dev", own=own), wish("web", "dev", **more)], {entry.name: entry for entry in boxes})
        return [(step.wish.name, step.action, step.source, step.built_on) for step in steps]

    def test_what_it_builds_on_comes_first(self) -> None:
        assert self.planned() == [("dev", "build", None, None), ("web", "build", "dev:ready", "d1")]

    def test_one_that_is_published_is_used(self) -> None:
        assert self.planned(self.DEV) == [("dev", "none", None, None), ("web", "build", "dev:ready", "d1")]

    def test_as_it_is_when_its_definition_has_changed(self) -> None:
        assert self.planned(self.DEV, own="d2")[1] == ("web", "build", "dev:ready", "d1")

    def test_one_that_is_half_built_is_completed_first(self) -> None:
        half = Box("dev", {"base": "dev", "building": "d1"}, stopped=False)
        assert [entry[:2] for entry in self.planned(half)] == [("dev", "continue"), ("web", "build")]

    def test_nobody_needs_it_once_the_base_is_there(self) -> None:
        assert self.planned(self.WEB) == [("web", "none", None, "d1")]
        assert self.planned(box("web", "building=new", "built_on=d1", checkpoints={})) == [("web", "continue", None, "d1")]

    def test_built_anew_it_changes_what_builds_on_it(self) -> None:
        newer = Box("dev", {"base": "dev", "definition": "d2", "checkpoint": "ready"}, checkpoints=READY)
        step = plan([wish("dev", own="d2"), wish("web", "dev")], {"dev": newer, "web": self.WEB})[0]
        assert (step.wish.name, step.state, step.action) == ("web", "dev changed", "none")
        assert self.planned(newer, self.WEB, own="d2", rebuild=True)[1] == ("web", "build", "dev:ready", "d2")

    def test_half_built_on_the_old_one_begins_anew(self) -> None:
        newer = Box("dev", {"base": "dev", "definition": "d2", "checkpoint": "ready"}, checkpoints=READY)
        half = box("web", "building=new", "built_on=d1", checkpoints={})
        assert self.planned(newer, half, own="d2")[1] == ("web", "anew", "dev:ready", "d2")


def test_rows() -> None:
    boxes = {
        "web": box("web", "definition=old", "checkpoint=ready"),
        "web-next": box(*NEXT, "building=new", checkpoints={}),
        "other": Box("other"),
        "mine": Box("mine", {"base": "own", "definition": "x", "checkpoint": "ready"}, checkpoints=READY),
        "half": Box("half", {"base": "half"}),
    }
    found = {row["base"]: (row["checkpoint"], row["clones"], row["state"]) for row in rows(boxes, {"web": wish(own="new")})}
    assert found == {
        "half": (None, [], "half-built"),
        "own (mine)": ("ready", ["w1"], "published"),
        "web": ("ready", ["w1"], "definition changed"),
        "web (web-next)": (None, [], "half-built, to replace web"),
    }
