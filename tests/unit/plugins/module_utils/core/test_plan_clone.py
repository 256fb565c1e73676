# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The plan for clones, for what is half-made, and for the settings that only the mark keeps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import lease, marker
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError, NeedsRecreate
from ansible_collections.pixels.sandbox.plugins.module_utils.core.identity_scrub import CATEGORIES
from ansible_collections.pixels.sandbox.plugins.module_utils.core.plan import Change, Clone, Complete, Create, Delete, Start, Update, plan
from ansible_collections.pixels.sandbox.plugins.module_utils.core.wanted import Defaults, Origin, Source, Wanted
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.driver import Container, Nic
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.fake_driver import ours

DEFAULTS = Defaults(image="ubuntu/24.04", cpu="1", memory=1024, pool="fast", nic=Nic("bridged", "br0"))
READY = Source("base", "ready")
SNAPSHOT = "tank/.ix-virt/containers/px-base@pixels-ready"
BASE = replace(
    ours("base", environment={"A": "b"}, owner="somebody"), cpu="3", memory=512, pool="tank", autostart=False, base_image="f" * 64
)
MINE, DEAD, ALIVE = "mine", "00000000-1-1-1", ""


@pytest.fixture(autouse=True)
def others_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """The token "" is that of a run elsewhere which is still at work, and "mine" is ours, whatever process a test runs in."""
    over, mine = lease.is_over, lease.is_mine
    monkeypatch.setattr(lease, "is_over", lambda text, now=None: text not in (ALIVE, MINE) and over(text, now))
    monkeypatch.setattr(lease, "is_mine", lambda text: text == MINE or mine(text))


def want(state: str = "started", source: Source | None = READY, found: bool = True, **options: Any) -> Wanted:
    origin = Origin(BASE, SNAPSHOT if source == READY else None) if found and source is not None else None
    return Wanted(
        name="w1", state=state, defaults=DEFAULTS, source=source, origin=origin, id="0123456789abcdef", now=1000, **options
    )  # fmt: skip


def clone(status: str = "running", **mark: Any) -> Container:
    return ours("w1", status, mark={"source": "base:ready", "id": "aaaa", "name": "px-w1", **mark})


def steps(change: Change) -> list[type]:
    return [type(step) for step in change.steps]


class TestNew:
    def test_before_the_source_is_looked_up(self) -> None:
        change = plan(None, want(found=False))
        assert change.clones == READY
        assert change.spec is None

    @pytest.mark.parametrize(("state", "start"), [("present", False), ("stopped", False), ("started", True), ("restarted", True)])
    def test_the_steps(self, state: str, start: bool) -> None:
        change = plan(None, want(state))
        assert steps(change) == [Clone, Complete, *([Start] if start else [])]
        assert change.verbs == ["cloned", *(["started"] if start else [])]
        step = change.steps[0]
        assert isinstance(step, Clone) and step.snapshot == SNAPSHOT
        assert change.after["status"] == ("running" if start else "stopped")
        assert change.after["from"] == "base:ready"

    def test_d17_it_is_set_up_like_its_source(self) -> None:
        """D17: and not by the defaults, of which every one is different."""
        spec = plan(None, want()).spec
        assert spec is not None
        assert (spec.cpu, spec.memory, spec.pool, spec.nic) == ("3", 512, "tank", BASE.nic)
        assert (spec.image, spec.image_name) == ("f" * 64, "debian/12")
        assert spec.autostart is True, "a base that does not start with the appliance says nothing about its clones"
        assert marker.without(spec.environment) == {"A": "b"}
        assert marker.read(spec.environment) == marker.Marker(
            image="debian/12", id="0123456789abcdef", name="px-w1", source="base:ready"
        )  # fmt: skip

    def test_d17_what_is_set_comes_first(self) -> None:
        """D17: each option is applied."""
        wanted = want(
            cpu="8", memory=64, environment={"C": "d"}, autostart=False, nic=Nic(network="default"), owner="me", expires="1h", scrub="",
            pool="tank",
        )  # fmt: skip
        spec = plan(None, wanted).spec
        assert spec is not None
        assert (spec.cpu, spec.memory, spec.autostart, spec.nic) == ("8", 64, False, Nic(network="default"))
        assert marker.without(spec.environment) == {"C": "d"}
        mark = marker.read(spec.environment)
        assert mark is not None
        assert (mark.owner, mark.expires, mark.lasts, mark.scrub) == ("me", 4600, "1h", "")

    def test_d32_another_pool_is_refused(self) -> None:
        """D32: the data of a clone lies where its source's does."""
        with pytest.raises(CoreError, match="base lies on tank") as caught:
            plan(None, want(pool="fast"))
        assert caught.value.result["allowed"] == ["tank"]

    def test_a_network_that_is_not_shown_is_not_guessed(self) -> None:
        with pytest.raises(CoreError, match="VIRT_INSTANCE_WRITE"):
            plan(None, replace(want(), origin=Origin(replace(BASE, nic=None), SNAPSHOT)))

    def test_of_an_adopted_source(self) -> None:
        adopted = replace(BASE, environment={marker.KEY: "{}"}, base_image=None)
        spec = plan(None, replace(want(), origin=Origin(adopted, SNAPSHOT))).spec
        assert spec is not None
        assert (spec.image, spec.image_name) == ("ubuntu/24.04", "ubuntu/24.04")
        mark = marker.read(spec.environment)
        assert mark is not None and mark.image is None, "which image its data came from is not known"
        # The appliance may have dropped the image that it was made of; any other one will do.
        spec = plan(None, replace(want(), origin=Origin(replace(adopted, base_image="f" * 64), SNAPSHOT))).spec
        assert spec is not None and (spec.image, spec.image_name) == ("f" * 64, "ubuntu/24.04")


class TestExisting:
    def test_the_same_source_again(self) -> None:
        """And nobody looks whether it is still there."""
        change = plan(clone(), want(found=False))
        assert change.steps == ()
        assert change.clones is None

    @pytest.mark.parametrize("current", [clone(source="base:other"), clone(source="base"), ours("w1")])
    def test_another_one(self, current: Container) -> None:
        with pytest.raises(NeedsRecreate, match=r"from is .*should be 'base:ready'"):
            plan(current, want(found=False))

    def test_recreate(self) -> None:
        change = plan(replace(clone(source="base:other", owner="me", lasts="2h", expires=7), cpu="9"), want(recreate=True))
        assert steps(change) == [Delete, Clone, Complete, Start]
        spec = change.spec
        assert spec is not None and spec.cpu == "9"
        mark = marker.read(spec.environment)
        assert mark is not None and (mark.owner, mark.expires, mark.id) == ("me", 8200, "0123456789abcdef")

    def test_recreate_for_another_reason_is_a_clone_again(self) -> None:
        wanted = want(source=None, recreate=True, nic=Nic(network="default"))
        change = plan(clone(scrub="logins"), wanted)
        assert change.clones == READY and change.spec is None
        change = plan(clone(scrub="logins"), replace(wanted, origin=Origin(BASE, SNAPSHOT)))
        mark = marker.read(change.spec.environment) if change.spec else None
        assert mark is not None and (mark.source, mark.scrub) == ("base:ready", "logins")

    def test_recreate_of_an_image(self) -> None:
        change = plan(clone(), want(source=None, recreate=True, image="debian/13"))
        assert steps(change) == [Delete, Create]
        mark = marker.read(change.spec.environment) if change.spec else None
        assert mark is not None and mark.source is None

    @pytest.mark.parametrize(
        ("now", "wanted", "same"),
        [
            (None, ",".join(CATEGORIES), True),
            ("logins", "logins", True),
            ("", "", True),
            (None, "", False),
            ("", "logs", False),
        ],
    )
    def test_scrub(self, now: str | None, wanted: str, same: bool) -> None:
        if same:
            assert plan(clone(scrub=now), want(scrub=wanted)).steps == ()
        else:
            with pytest.raises(NeedsRecreate, match="scrub is"):
                plan(clone(scrub=now), want(scrub=wanted))

    def test_a_change_in_place_keeps_the_whole_mark(self) -> None:
        current = clone(scrub="", expires=5, lasts="7d")
        step = plan(current, want(owner="you")).steps[0]
        assert isinstance(step, Update)
        old = marker.read(current.environment)
        assert old is not None
        assert marker.read(step.changes["environment"]) == replace(old, owner="you")


class TestExpiry:
    def test_the_same_duration_moves_nothing(self) -> None:
        assert plan(clone(expires=77, lasts="7d"), want(expires="7d")).steps == ()

    @pytest.mark.parametrize(
        ("wanted", "expires", "lasts"), [("1h", 4600, "1h"), ("none", None, None)],
    )  # fmt: skip
    def test_another_one_counts_from_now(self, wanted: str, expires: int | None, lasts: str | None) -> None:
        change = plan(clone(expires=77, lasts="7d"), want(expires=wanted))
        step = change.steps[0]
        assert isinstance(step, Update)
        mark = marker.read(step.changes["environment"])
        assert mark is not None and (mark.expires, mark.lasts, mark.source) == (expires, lasts, "base:ready")
        assert change.before["expires"] != change.after["expires"]

    def test_none_where_there_is_none(self) -> None:
        assert plan(clone(), want(expires="none")).steps == ()
        assert plan(clone(expires=7, lasts="7d"), want()).steps == ()

    def test_of_one_made_of_an_image(self) -> None:
        mark = marker.read(plan(None, want(source=None, expires="1h")).spec.environment)  # type: ignore[union-attr]
        assert mark is not None and (mark.expires, mark.lasts) == (4600, "1h")


class TestHalfMade:
    @pytest.mark.parametrize("token", [DEAD, MINE, "?"], ids=["dead", "mine", "unreadable"])
    @pytest.mark.parametrize("source", [READY, None])
    def test_nobody_is_at_it_any_more(self, token: str, source: Source | None) -> None:
        """It has never been started: there is nothing in it to be lost. What it was to be made of is known from its mark."""
        current = clone("stopped", making=token)
        assert plan(current, want(source=source, found=False)).clones == READY
        change = plan(current, replace(want(source=source), origin=Origin(BASE, SNAPSHOT)))
        assert steps(change) == [Delete, Clone, Complete, Start]
        assert change.spec is not None and change.spec.cpu == "3"

    def test_it_was_to_be_made_of_an_image(self) -> None:
        current = ours("w1", "stopped", mark={"making": DEAD})
        assert steps(plan(current, want("present", source=None))) == [Delete, Create, Complete]
        assert steps(plan(current, want("present", source=READY))) == [Delete, Clone, Complete]

    def test_somebody_is_at_it(self) -> None:
        with pytest.raises(CoreError, match="being made at this moment") as caught:
            plan(clone("stopped", making=ALIVE), want())
        assert caught.value.result["busy"] is True

    @pytest.mark.parametrize("token", [DEAD, MINE, ALIVE], ids=["dead", "mine", "alive"])
    @pytest.mark.parametrize("status", ["stopped", "running"])
    def test_absent(self, token: str, status: str) -> None:
        assert steps(plan(clone(status, making=token), want("absent"))) == [Delete]

    def test_it_runs_all_the_same(self) -> None:
        with pytest.raises(CoreError, match="recreate=true") as caught:
            plan(clone(making=DEAD), want())
        assert caught.value.result["needs_recreate"] == ["making"]
        assert steps(plan(clone(making=DEAD), want(recreate=True))) == [Delete, Clone, Complete, Start]

    def test_it_has_run_all_the_same(self) -> None:
        """Whoever has started and stopped it may have worked in it."""
        current = replace(clone("stopped", making=DEAD), never_started=False)
        with pytest.raises(CoreError, match=r"has run .*recreate=true"):
            plan(current, want())
        assert steps(plan(current, want(recreate=True))) == [Delete, Clone, Complete, Start]
        assert steps(plan(replace(current, never_started=True), want())) == [Delete, Clone, Complete, Start]

    def test_create_false(self) -> None:
        with pytest.raises(CoreError, match="half-made"):
            plan(clone("stopped", making=DEAD), want(create=False))

    def test_this_very_task_has_made_it(self) -> None:
        wanted = want()
        spec = plan(None, wanted).spec
        change = plan(clone("stopped", making=MINE), replace(wanted, spec=spec, made=True))
        assert steps(change) == [Complete, Start]


@pytest.mark.parametrize(
    ("state", "autostart", "completed"), [("present", True, True), ("present", False, False), ("started", True, False)]
)
def test_what_takes_two_calls_is_marked_between_them(state: str, autostart: bool, completed: bool) -> None:
    """The appliance starts at once what is to start with it; one that is not to run yet gets that setting afterwards."""
    change = plan(None, want(state, source=None, autostart=autostart))
    assert steps(change) == [Create, *([Complete] if completed else [])]
