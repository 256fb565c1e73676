# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which egress policy a container has, as its mark notes it: who writes it, what leaves it alone, and who has it from whom."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import container_labels, marker
from ansible_collections.pixels.sandbox.plugins.module_utils.core.egress_policy import MODES
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import Invalid
from ansible_collections.pixels.sandbox.plugins.module_utils.core.plan import Change, Update, plan
from ansible_collections.pixels.sandbox.plugins.module_utils.core.view import view
from ansible_collections.pixels.sandbox.plugins.module_utils.core.wanted import Defaults, Origin, Source, Wanted
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.driver import Container
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.fake_driver import ours

NOTED = ours("task1", mark={"image": "debian/12", "owner": "me", "egress": "agent"}, environment={"A": "b"})
READY = Source("base", "ready")


def want(state: str = "started", **options: Any) -> Wanted:
    return Wanted(name="task1", state=state, defaults=Defaults(image="ubuntu/24.04"), id="0123456789abcdef", **options)


def origin(egress: str | None) -> Origin:
    return Origin(ours("base", mark={"image": "debian/12", "egress": egress}), "tank/c/px-base@pixels-ready")


def made(current: Container | None, wanted: Wanted) -> str | None:
    """What a container that is made has noted, and its diff says so as well."""
    change = plan(current, wanted)
    assert change.spec is not None
    mark = marker.read(change.spec.environment)
    assert mark is not None and change.after["egress"] == mark.egress
    return mark.egress


def updates(change: Change) -> list[Update]:
    return [step for step in change.steps if isinstance(step, Update)]


def test_a_change_of_the_note_is_one_update_of_the_environment_and_no_restart() -> None:
    change = plan(NOTED, want(egress="allowlist"))
    (step,) = change.steps
    assert isinstance(step, Update) and list(step.changes) == ["environment"]
    mark = marker.read(step.changes["environment"])
    assert mark is not None and (mark.egress, mark.owner, mark.image) == ("allowlist", "me", "debian/12")
    assert marker.without(step.changes["environment"]) == {"A": "b"}
    assert (change.before["egress"], change.after["egress"]) == ("agent", "allowlist")
    assert {name for name in change.before if change.before[name] != change.after[name]} == {"egress"}


def test_the_same_and_none_are_no_change() -> None:
    assert plan(NOTED, want(egress="agent")).steps == ()
    assert plan(NOTED, want()).steps == ()


def test_whatever_else_changes_leaves_it() -> None:
    for options in ({"owner": "you"}, {"labels": {"a": "b"}}, {"environment": {}}, {"expires": "7d"}):
        (step,) = updates(plan(NOTED, want(**options)))
        mark = marker.read(step.changes["environment"])
        assert mark is not None and mark.egress == "agent", options


def test_one_that_is_adopted_has_none() -> None:
    foreign = replace(NOTED, environment={})
    change = plan(foreign, want(adopt=True))
    assert change.after["egress"] is None and view(NOTED)["egress"] == "agent"


def test_of_an_image_it_has_none_until_one_is_noted() -> None:
    assert made(None, want()) is None
    assert made(None, want(egress="learn")) == "learn"
    assert made(NOTED, want(image="debian/13", recreate=True)) is None, "its data is gone, and the policy with it"


def test_a_clone_has_that_of_its_source() -> None:
    assert made(None, want(source=READY, origin=origin("agent"))) == "agent"
    assert made(None, want(source=READY, origin=origin(None))) is None
    assert made(None, want(source=READY, origin=origin("agent"), egress="unrestricted")) == "unrestricted"


def test_a_clone_that_is_made_anew_has_that_of_its_source_too() -> None:
    mark = {"image": "debian/12", "source": "base:old", "egress": "allowlist"}
    assert made(ours("task1", mark=mark), want(source=READY, origin=origin("agent"), recreate=True)) == "agent"
    half = ours("task1", "stopped", mark={**mark, "source": "base:ready", "making": "00000000-1-1-1"}, never_started=True)
    assert made(half, want(source=READY, origin=origin("agent"))) == "agent"


def test_there_is_always_room_for_it() -> None:
    """Labels that leave none are refused when they are set, and not by the playbook that notes a policy later."""
    labels = {"a": "v" * 250, "b": "v" * 200}
    size = len(marker.Marker(labels=labels, egress=max(MODES, key=len)).text())
    full = marker.Marker(owner="o" * (container_labels.LONGEST_MARK - size - len('"owner":"",')), labels=labels)
    for mode in MODES:
        container_labels.fitting(replace(container_labels.fitting(full), egress=mode))
    with pytest.raises(Invalid, match="1 characters too many"):
        container_labels.fitting(replace(full, owner=f"{full.owner}o"))
