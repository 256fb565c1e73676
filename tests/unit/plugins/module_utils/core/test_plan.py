# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The plan: what it takes from what is to what is wanted. Pure, so there is no appliance here at all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import marker
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError, Foreign, NeedsRecreate
from ansible_collections.pixels.sandbox.plugins.module_utils.core.plan import Create, Delete, Restart, Start, Stop, Update, plan
from ansible_collections.pixels.sandbox.plugins.module_utils.core.wanted import Defaults, Wanted
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.driver import Container, Nic
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.fake_driver import foreign, ours

DEFAULTS = Defaults(image="ubuntu/24.04", cpu="1", memory=1024, pool="fast", nic=Nic("bridged", "br0"))


def want(state: str = "started", **options: Any) -> Wanted:
    return Wanted(name="task1", state=state, defaults=DEFAULTS, id="0123456789abcdef", **options)


def new_mark(image: str, **fields: Any) -> marker.Marker:
    """Of one that is made."""
    return marker.Marker(image=image, id="0123456789abcdef", name="px-task1", **fields)


def verbs(current: Container | None, wanted: Wanted) -> list[str]:
    return plan(current, wanted).verbs


RUNNING, STOPPED = ours("task1"), ours("task1", "stopped")


@pytest.mark.parametrize(
    ("current", "state", "steps"),
    [
        (None, "present", ["created"]),
        (None, "started", ["created"]),
        (None, "stopped", ["created"]),
        (None, "restarted", ["created"]),
        (None, "absent", []),
        (RUNNING, "present", []),
        (RUNNING, "started", []),
        (RUNNING, "stopped", ["stopped"]),
        (RUNNING, "restarted", ["restarted"]),
        (RUNNING, "absent", ["destroyed"]),
        (STOPPED, "present", []),
        (STOPPED, "started", ["started"]),
        (STOPPED, "stopped", []),
        (STOPPED, "restarted", ["restarted"]),
        (STOPPED, "absent", ["destroyed"]),
        (replace(RUNNING, status="frozen"), "stopped", ["stopped"]),
        (replace(RUNNING, status="error"), "restarted", ["restarted"]),
        (replace(RUNNING, status="error"), "absent", ["destroyed"]),
        (replace(RUNNING, status="frozen"), "present", []),
    ],
)
def test_states(current: Container | None, state: str, steps: list[str]) -> None:
    assert verbs(current, want(state)) == steps


@pytest.mark.parametrize(("state", "start"), [("present", False), ("started", True), ("stopped", False), ("restarted", True)])
def test_a_new_one_is_started_only_where_that_was_asked_for(state: str, start: bool) -> None:
    change = plan(None, want(state))
    step = change.steps[0]
    assert isinstance(step, Create)
    assert step.start is start
    assert change.after["status"] == ("running" if start else "stopped")


@pytest.mark.parametrize("status", ["frozen", "error", "unknown"])
def test_what_cannot_be_started_says_what_can_be_done(status: str) -> None:
    with pytest.raises(CoreError, match=rf"it is {status}.*state=restarted"):
        plan(replace(RUNNING, status=status), want())


def test_a_new_one_takes_the_defaults() -> None:
    spec = plan(None, want()).spec
    assert spec is not None
    assert (spec.name, spec.image, spec.cpu, spec.memory, spec.pool, spec.autostart) == (
        "px-task1",
        "ubuntu/24.04",
        "1",
        1024,
        "fast",
        True,
    )
    assert spec.nic == Nic("bridged", "br0")
    assert marker.read(spec.environment) == new_mark("ubuntu/24.04")


def test_a_new_one_takes_what_was_set_first() -> None:
    wanted = want(
        image="debian/12", cpu="4", memory=64, pool="tank", environment={"A": "b"}, autostart=False, nic=Nic(network="default"), owner="me"
    )
    spec = plan(None, wanted).spec
    assert spec is not None
    assert (spec.image, spec.cpu, spec.memory, spec.pool, spec.autostart, spec.nic) == (
        "debian/12",
        "4",
        64,
        "tank",
        False,
        Nic(network="default"),
    )
    assert marker.read(spec.environment) == new_mark("debian/12", owner="me")
    assert marker.without(spec.environment) == {"A": "b"}


def test_an_existing_one_ignores_the_defaults() -> None:
    """They differ from it in everything."""
    assert verbs(RUNNING, want()) == []


def test_create_false() -> None:
    with pytest.raises(CoreError, match="there is no such container"):
        plan(None, want("stopped", create=False))
    assert verbs(None, want("absent", create=False)) == []


CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "cpu": ({"cpu": "4"}, {"cpu": "4"}),
    "memory": ({"memory": 4096}, {"memory": 4096}),
    "autostart": ({"autostart": False}, {"autostart": False}),
    "environment": ({"environment": {"A": "b"}}, {"environment": marker.with_marker({"A": "b"}, marker.Marker("debian/12"))}),
    "owner": ({"owner": "you"}, {"environment": marker.with_marker({}, marker.Marker("debian/12", "you"))}),
}
SAME: dict[str, Any] = {
    "cpu": "2",
    "memory": 2048,
    "autostart": True,
    "environment": {},
    "image": "debian/12",
    "pool": "tank",
    "nic": Nic("macvlan", "enp1s0"),
}


class TestSettings:
    @pytest.mark.parametrize("name", CHANGES)
    def test_a_change_in_place(self, name: str) -> None:
        options, payload = CHANGES[name]
        change = plan(RUNNING, want(**options))
        assert change.steps == (Update(payload),)
        shown = name if name != "owner" else "owner"
        assert change.before[shown] != change.after[shown]
        assert {key for key in change.after if change.before[key] != change.after[key]} == {shown}

    @pytest.mark.parametrize("name", SAME)
    def test_the_same_value_changes_nothing(self, name: str) -> None:
        """D31: every option asked for twice."""
        assert verbs(RUNNING, want(**{name: SAME[name]})) == []

    def test_all_of_them_at_once_are_one_update(self) -> None:
        change = plan(STOPPED, want(cpu="4", memory=64, autostart=False, environment={"A": "b"}))
        assert isinstance(change.steps[0], Update)
        assert set(change.steps[0].changes) == {"cpu", "memory", "autostart", "environment"}
        assert change.steps[1:] == (Start(),)

    def test_the_mark_survives_every_environment(self) -> None:
        current = ours("task1", environment={"OLD": "1"}, owner="me")
        step = plan(current, want(environment={"NEW": "2"})).steps[0]
        assert isinstance(step, Update)
        assert step.changes["environment"] == marker.with_marker({"NEW": "2"}, marker.Marker("debian/12", "me"))

    def test_an_emptied_environment_keeps_the_mark(self) -> None:
        step = plan(ours("task1", environment={"OLD": "1"}), want(environment={})).steps[0]
        assert isinstance(step, Update)
        assert step.changes["environment"] == marker.with_marker({}, marker.Marker("debian/12"))

    def test_a_new_owner_keeps_the_environment(self) -> None:
        step = plan(ours("task1", environment={"A": "1"}), want(owner="you")).steps[0]
        assert isinstance(step, Update)
        assert step.changes["environment"] == marker.with_marker({"A": "1"}, marker.Marker("debian/12", "you"))

    def test_no_limit_becomes_one(self) -> None:
        assert verbs(replace(RUNNING, cpu=None, memory=None), want(cpu="2", memory=2048)) == ["updated"]

    @pytest.mark.parametrize("image", ["debian/12", "debian/12/default"])
    def test_the_default_variant_is_the_same_image(self, image: str) -> None:
        assert verbs(RUNNING, want(image=image)) == []

    @pytest.mark.parametrize(
        ("current", "wanted", "same"),
        [
            (Nic("macvlan", "enp1s0"), Nic("macvlan"), True),
            (Nic("macvlan", "enp1s0"), Nic("macvlan", "enp2s0"), False),
            (Nic("macvlan", "enp1s0"), Nic("bridged", "enp1s0"), False),
            (Nic("macvlan", "enp1s0"), Nic(network="default"), False),
            (Nic(network="default"), Nic(network="incusbr0"), True),
            (Nic(network="default"), Nic("macvlan"), False),
        ],
    )
    def test_networks(self, current: Nic, wanted: Nic, same: bool) -> None:
        container = replace(RUNNING, nic=current)
        if same:
            assert verbs(container, want(nic=wanted)) == []
        else:
            with pytest.raises(NeedsRecreate, match="network"):
                plan(container, want(nic=wanted))

    def test_a_network_that_is_not_shown_is_no_match(self) -> None:
        with pytest.raises(CoreError, match="VIRT_INSTANCE_WRITE"):
            plan(replace(RUNNING, nic=None), want(nic=Nic("macvlan")))


FIXED: dict[str, Any] = {"image": "debian/13", "pool": "fast", "nic": Nic("bridged", "br0")}


class TestRecreate:
    @pytest.mark.parametrize("name", FIXED)
    def test_what_cannot_change_in_place_is_named(self, name: str) -> None:
        shown = "network" if name == "nic" else name
        with pytest.raises(NeedsRecreate, match=f"{shown} is .*recreate=true") as caught:
            plan(RUNNING, want(**{name: FIXED[name]}))
        assert caught.value.result["needs_recreate"] == [shown]

    @pytest.mark.parametrize("name", FIXED)
    def test_recreate_allows_it(self, name: str) -> None:
        change = plan(RUNNING, want(recreate=True, **{name: FIXED[name]}))
        assert [type(step) for step in change.steps] == [Delete, Create]

    def test_recreate_without_a_reason_does_nothing(self) -> None:
        assert verbs(RUNNING, want(recreate=True)) == []
        assert verbs(RUNNING, want(recreate=True, cpu="4")) == ["updated"]

    def test_what_was_not_set_stays(self) -> None:
        current = replace(ours("task1", environment={"A": "b"}, owner="me"), autostart=False, cpu="3", memory=512)
        spec = plan(current, want(recreate=True, image="debian/13", memory=64)).spec
        assert spec is not None
        assert (spec.image, spec.cpu, spec.memory, spec.pool, spec.autostart) == ("debian/13", "3", 64, "tank", False)
        assert spec.nic == Nic("macvlan", "enp1s0")
        assert spec.environment == marker.with_marker({"A": "b"}, new_mark("debian/13", owner="me"))

    @pytest.mark.parametrize(
        ("current", "state", "start"),
        [(RUNNING, "present", True), (STOPPED, "present", False), (STOPPED, "started", True), (RUNNING, "stopped", False)],
    )
    def test_it_runs_afterwards_as_before(self, current: Container, state: str, start: bool) -> None:
        step = plan(current, want(state, recreate=True, image="debian/13")).steps[1]
        assert isinstance(step, Create)
        assert step.start is start

    def test_an_adopted_one_of_unknown_image(self) -> None:
        current = replace(RUNNING, environment={marker.KEY: "{}"})
        with pytest.raises(CoreError, match="needs the option image"):
            plan(current, want(recreate=True, pool="fast"))

    def test_absent_asks_for_no_settings(self) -> None:
        assert verbs(RUNNING, want("absent", image="debian/13", pool="fast")) == ["destroyed"]


class TestOwnership:
    @pytest.mark.parametrize("state", ["present", "started", "stopped", "restarted", "absent"])
    def test_a_foreign_container_is_never_touched(self, state: str) -> None:
        with pytest.raises(Foreign, match=r"exists on the appliance but is not ours.*adopt=true"):
            plan(foreign("task1"), want(state))

    def test_not_even_recreated(self) -> None:
        with pytest.raises(Foreign):
            plan(foreign("task1"), want(recreate=True, image="debian/13"))

    def test_adopt_marks_it_and_keeps_its_environment(self) -> None:
        change = plan(foreign("task1"), want(adopt=True))
        assert change.steps == (Update({"environment": {"THEIRS": "1", marker.KEY: "{}"}}),)

    def test_adopt_is_done_once(self) -> None:
        assert verbs(ours("task1"), want(adopt=True)) == []

    def test_an_adopted_one_is_compared_by_distribution(self) -> None:
        current = replace(RUNNING, environment={marker.KEY: "{}"})
        assert verbs(current, want(image="debian/13")) == []
        with pytest.raises(NeedsRecreate, match="image"):
            plan(current, want(image="ubuntu/24.04"))


class TestDiff:
    def test_nothing_to_everything(self) -> None:
        change = plan(None, want())
        assert change.before == {}
        assert change.after["image"] == "ubuntu/24.04"

    def test_everything_to_nothing(self) -> None:
        change = plan(RUNNING, want("absent"))
        assert change.before["status"] == "running"
        assert change.after == {}

    def test_power(self) -> None:
        change = plan(STOPPED, want())
        assert (change.before["status"], change.after["status"]) == ("stopped", "running")
        assert change.steps == (Start(),)
        assert plan(RUNNING, want("stopped")).steps == (Stop(),)
        assert plan(RUNNING, want("restarted")).steps == (Restart(),)

    def test_the_mark_is_not_shown(self) -> None:
        change = plan(ours("task1", environment={"A": "b"}), want(environment={"A": "c"}))
        assert change.before["environment"] == {"A": "b"}
        assert change.after["environment"] == {"A": "c"}

    def test_no_change_no_difference(self) -> None:
        change = plan(RUNNING, want())
        assert change.before == change.after
        assert not change.changed


class TestNew:
    """A container that is to be made by this very task, and by nobody else."""

    def test_it_is_made_where_there_is_none(self) -> None:
        assert verbs(None, want(new=True)) == ["created"]

    @pytest.mark.parametrize("current", [RUNNING, STOPPED])
    def test_one_that_exists_is_not_taken_over(self, current: Container) -> None:
        with pytest.raises(CoreError, match="exists already"):
            plan(current, want(new=True, owner="me"))

    def test_the_one_that_this_task_has_made_is_no_other(self) -> None:
        mine = replace(STOPPED, environment=marker.with_marker({}, new_mark("ubuntu/24.04")))
        assert verbs(mine, want(new=True)) == ["started"]
