# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Clones and dependents in whole tasks against an appliance in memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import container as module
from ansible_collections.pixels.sandbox.plugins.module_utils.core import known_hosts, marker
from ansible_collections.pixels.sandbox.plugins.module_utils.core.clone import NoSource
from ansible_collections.pixels.sandbox.plugins.module_utils.core.container import run
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError
from ansible_collections.pixels.sandbox.plugins.module_utils.core.identity import Identity
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.driver import Container
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.fake_driver import (
    FakeDriver,
    context,
    foreign,
    job_failed,
    lost,
    ours,
)
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.fake_storage import home

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK0wmN/Cr3JXqmLW7u+g9pTh+wyqDHpSQEIQczXkVx9q"


@pytest.fixture(autouse=True)
def own_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


@pytest.fixture(autouse=True)
def proofs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Which containers were asked for their identity, by the id that it has to have."""
    asked: list[tuple[str, str]] = []

    def prove(driver: FakeDriver, container: Container, marker_id: str, watch: Any) -> Identity:
        asked.append((container.name, marker_id))
        return Identity(KEY, "4b2e0e4f9d1c4e0aa7c2d6d1a3a0b8c5")

    monkeypatch.setattr(module.identity, "prove", prove)
    return asked


def go(driver: FakeDriver, **options: Any) -> dict[str, Any]:
    driver.calls.clear()
    if "source" in options:
        options["from"] = options.pop("source")
    return run(context(driver, **options))


def base(*others: Container) -> FakeDriver:
    driver = FakeDriver(replace(ours("base"), cpu="3"), *others)
    driver.storage.take(home("px-base"), "pixels-ready")
    return driver


def pinned(driver: FakeDriver, name: str) -> str | None:
    return known_hosts.lookup(known_hosts.alias(driver.endpoint.label, name))


class TestOne:
    def test_a_clone(self, proofs: list[tuple[str, str]]) -> None:
        driver = base()
        made = go(driver, name="w1", source="base:ready")["container"]
        assert made["actions"] == ["cloned", "started"]
        assert (made["from"], made["cpu"], made["image"], made["status"]) == ("base:ready", "3", "debian/12", "running")
        assert made["machine_id"] == "4b2e0e4f9d1c4e0aa7c2d6d1a3a0b8c5"
        assert made["host_key"] == known_hosts.fingerprint(KEY)
        mark = marker.read(driver.containers["px-w1"].environment)
        assert mark is not None and proofs == [("px-w1", mark.id)]
        assert pinned(driver, "w1") == KEY
        assert driver.storage.data[home("px-w1")].content == "data of px-base"

    def test_again_nothing_is_asked_for_but_the_container(self, proofs: list[tuple[str, str]]) -> None:
        driver = base()
        go(driver, name="w1", source="base:ready")
        proofs.clear()
        again = go(driver, name="w1", source="base:ready")
        assert again["changed"] is False
        assert driver.calls == [("get", "px-w1")]
        assert proofs == []

    def test_again_without_its_source(self) -> None:
        driver = base()
        go(driver, name="w1", source="base")
        del driver.containers["px-base"]
        assert go(driver, name="w1", source="base")["changed"] is False

    def test_d15_the_present_state_leaves_no_snapshot(self) -> None:
        driver = base()
        go(driver, name="w[01:20]", source="base", wait_for="none")
        assert driver.names().count("snapshot") == 1
        go(driver, name="w[01:20]", state="absent")
        assert driver.storage.all_snapshots() == [f"{home('px-base')}@pixels-ready"]

    def test_one_that_was_not_reached_is_proven_by_the_next_run(self, proofs: list[tuple[str, str]]) -> None:
        """Killed between start and proof: the key is not pinned, so it is looked at now, and that is no change."""
        driver = base()
        go(driver, name="w1", source="base:ready", wait_for="none")
        assert proofs == []
        again = go(driver, name="w1", source="base:ready")
        assert [name for name, _id in proofs] == ["px-w1"]
        assert again["changed"] is False and pinned(driver, "w1") == KEY

    @pytest.mark.parametrize("options", [{"state": "present"}, {"state": "stopped"}, {"wait_for": "none"}])
    def test_what_need_not_run_is_not_asked(self, options: dict[str, Any], proofs: list[tuple[str, str]]) -> None:
        go(base(), name="w1", source="base:ready", **options)
        assert proofs == []

    def test_others_are_not_asked(self, proofs: list[tuple[str, str]]) -> None:
        go(base(), name="base,task1")
        assert proofs == []

    def test_a_source_without_the_service(self, monkeypatch: pytest.MonkeyPatch) -> None:
        driver = base()
        warnings: list[str] = []

        def prove(driver: FakeDriver, container: Container, marker_id: str, watch: Any) -> Identity:
            now = replace(container, address="10.0.0.9")
            return Identity(None, "0" * 32, renewed=True, container=now, note="its network came up once before")

        monkeypatch.setattr(module.identity, "prove", prove)
        options: dict[str, Any] = {"name": "w1", "from": "base:ready"}
        ctx = context(driver, **options)
        ctx.warn = warnings.append
        made = run(ctx)["container"]
        assert made["actions"] == ["cloned", "started", "renewed"]
        assert made["host_key"] is None
        assert warnings == ["w1: its network came up once before"]

    def test_an_identity_that_is_not_its_own_is_a_failure(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def prove(*_arguments: Any) -> Identity:
            raise CoreError("px-w1: it has not got an identity of its own")

        monkeypatch.setattr(module.identity, "prove", prove)
        driver = base()
        result = go(driver, name="w1", source="base:ready")
        assert result["failed"] is True and "identity" in result["msg"]
        assert result["container"]["actions"] == ["cloned", "started"]
        assert pinned(driver, "w1") is None

    def test_its_identity_tells_why_before_an_address_is_waited_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The network of a clone that has not become somebody else stays down."""

        def silent(*_arguments: Any) -> Container:
            raise CoreError("px-w1: waited 120 s for address, it has no address")

        def prove(*_arguments: Any) -> Identity:
            raise CoreError("px-w1: it has not got an identity of its own")

        monkeypatch.setattr(module.Lookout, "wait_for", silent)
        monkeypatch.setattr(module.identity, "prove", prove)
        assert "identity" in go(base(), name="w1", source="base:ready")["msg"]
        monkeypatch.setattr(module.identity, "prove", lambda *_arguments: Identity(KEY, "0" * 32))
        assert "no address" in go(base(), name="w1", source="base:ready")["msg"]


class TestRefused:
    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"source": "base:reddy"}, "base has no checkpoint reddy; it has ready"),
            ({"source": "nobody:ready"}, "there is no container nobody"),
            ({"source": "theirs"}, "is not ours"),
            ({"source": "base:ready", "vars_by_name": {"w3": {"from": "base:x"}}}, "base has no checkpoint x"),
        ],
    )
    @pytest.mark.parametrize("check_mode", [False, True])
    def test_d14_a_wrong_source_before_anything_is_made(self, options: dict[str, Any], said: str, check_mode: bool) -> None:
        """D14: for all containers of the task, in check mode too."""
        driver = base(foreign("theirs"))
        with pytest.raises(NoSource, match=said):
            go(driver, name="w[1:3]", check_mode=check_mode, **options)
        assert driver.changing_calls == []

    def test_a_half_made_source(self) -> None:
        driver = FakeDriver(ours("base", "stopped", mark={"making": "00000000-1-1-1"}))
        with pytest.raises(NoSource, match="half-made"):
            go(driver, name="w1", source="base")

    def test_a_source_that_the_task_makes_anew(self) -> None:
        driver = base(ours("w1", mark={"source": "old", "id": "a"}))
        driver.storage.take(home("px-w1"), "pixels-x")
        options = {"vars_by_name": {"w1": {"from": "base:ready"}, "w2": {"from": "w1:x"}}}
        with pytest.raises(NoSource, match="this very task"):
            go(driver, name="w[1:2]", recreate=True, **options)
        assert driver.changing_calls == []

    def test_d17_a_wrong_option_fails_its_container_alone(self) -> None:
        driver = base()
        result = go(driver, name="w[1:2]", source="base:ready", vars_by_name={"w1": {"pool": "fast"}})
        assert [bool(entry.get("failed")) for entry in result["containers"]] == [True, False]
        assert "base lies on tank" in result["msg"]


class TestCheckMode:
    @pytest.mark.parametrize("source", ["base", "base:ready"])
    def test_nothing_changes_and_it_predicts_what_then_happens(self, source: str) -> None:
        driver = base()
        options: dict[str, Any] = {"name": "w[1:2]", "source": source, "owner": "me", "expires": "7d"}
        predicted = go(driver, check_mode=True, diff=True, **options)
        assert driver.changing_calls == []
        assert driver.storage.all_snapshots() == [f"{home('px-base')}@pixels-ready"]
        done = go(driver, diff=True, **options)
        left_open = dict.fromkeys(("address", "host_key", "machine_id", "expires"))
        for guess, entry in zip(predicted["containers"], done["containers"], strict=True):
            assert {**guess, **left_open} == {**entry, **left_open}
        assert predicted["diff"][0]["after"]["from"] == source

    def test_dependents_are_found_out(self) -> None:
        driver = base()
        go(driver, name="w1", source="base:ready")
        refused = go(driver, name="base", state="absent", check_mode=True)
        assert (refused["failed"], refused["container"]["dependents"]) == (True, ["w1"])
        promoted = go(driver, name="base", state="absent", dependents="promote", check_mode=True)
        assert promoted["container"]["promoted"] == ["w1"]
        assert driver.changing_calls == []


class TestFleet:
    def test_twenty_take_few_looks(self) -> None:
        driver = base()
        go(driver, name="w[01:20]", source="base:ready", wait_for="none")
        reads = [call[0] for call in driver.calls if call[0] in ("list", "snapshots", "datasets", "check_spec")]
        assert reads == ["list", "snapshots", "check_spec"]
        ids = {(marker.read(container.environment) or marker.Marker()).id for container in driver.containers.values()}
        assert len(ids) == 21
        again = go(driver, name="w[01:20]", source="base:ready", wait_for="none")
        assert again["changed"] is False and driver.calls == [("list", "px-")]

    def test_one_failure_does_not_stop_the_rest(self) -> None:
        driver = base()
        driver.fail("clone", job_failed("clone"), "half")
        result = go(driver, name="w[1:3]", source="base", concurrency=1)
        assert [bool(entry.get("failed")) for entry in result["containers"]] == [True, False, False]
        assert "px-w1" not in driver.containers
        assert go(driver, name="w[1:3]", source="base")["containers"][0]["actions"] == ["cloned", "started"]

    def test_the_snapshot_of_the_present_state_cannot_be_taken(self) -> None:
        driver = base(ours("other"))
        driver.fail("snapshot", job_failed("snapshot"))
        result = go(driver, name="w[1:3]", source="base", vars_by_name={"w3": {"from": "other"}})
        assert [bool(entry.get("failed")) for entry in result["containers"]] == [True, True, False]
        assert driver.names().count("snapshot") == 2

    def test_what_needs_one_that_could_not_be_begun_stays(self) -> None:
        """w1, made of old, was to be replaced before old goes; its new source has failed it by then."""
        driver = base(ours("old"))
        driver.storage.take(home("px-old"), "pixels-x")
        go(driver, name="w1", source="old:x", wait_for="none")
        driver.fail("snapshot", job_failed("snapshot"))
        options: dict[str, Any] = {"vars_by_name": {"w1": {"from": "base"}, "old": {"image": "debian/13"}}}
        result = go(driver, name="w1,old", recreate=True, **options)
        assert [bool(entry.get("failed")) for entry in result["containers"]] == [True, True]
        assert "w1, made of it, could not be destroyed" in result["containers"][1]["msg"]
        assert "delete" not in driver.names() and sorted(driver.containers) == ["px-base", "px-old", "px-w1"]

    def test_many_faults_at_once_end_right(self) -> None:
        driver = base()
        for operation in ("clone", "update", "start"):
            driver.fail(operation, lost(operation), "after")
        result = go(driver, name="w[01:12]", source="base", concurrency=12)
        assert "failed" not in result
        assert all(data.content == "data of px-base" for data in driver.storage.data.values())

    def test_from_different_sources(self) -> None:
        driver = base(ours("other"))
        own: dict[str, Any] = {"w2": {"from": "other", "cpu": 9}, "w3": {"image": "debian/13"}}
        result = go(driver, name="w[1:3]", source="base:ready", vars_by_name=own)
        assert [(entry["from"], entry["cpu"]) for entry in result["containers"]] == [("base:ready", "3"), ("other", "9"), (None, "2")]


class TestAbsent:
    def test_a_base_with_its_clones_in_one_task(self) -> None:
        driver = base()
        go(driver, name="w[01:20]", source="base:ready", wait_for="none")
        result = go(driver, name="base,w[01:20]", state="absent", concurrency=8)
        assert "failed" not in result
        assert driver.names()[-1] == "delete" and driver.changing_calls[-1][1] == "px-base"
        assert (driver.containers, driver.storage.data) == ({}, {})
        assert [call[0] for call in driver.calls if call[0] in ("list", "get", "snapshots", "datasets")] == [
            "list",
            "datasets",
            "snapshots",
        ]

    def test_a_clone_that_cannot_be_destroyed_keeps_its_source(self) -> None:
        driver = base()
        go(driver, name="w[1:2]", source="base:ready", wait_for="none")
        driver.fail("delete", job_failed("delete"))
        result = go(driver, name="base,w[1:2]", state="absent", concurrency=1)
        assert [bool(entry.get("failed")) for entry in result["containers"]] == [True, True, False]
        assert "w1, made of it, could not be destroyed" in result["containers"][0]["msg"]
        assert sorted(driver.containers) == ["px-base", "px-w1"]
        assert "failed" not in go(driver, name="base,w[1:2]", state="absent")
        assert driver.storage.data == {}

    def test_d19_promote(self) -> None:
        driver = base()
        go(driver, name="w[1:2]", source="base:ready", wait_for="none")
        result = go(driver, name="base", state="absent", dependents="promote")
        assert result["container"]["promoted"] == ["w1"]
        assert sorted(driver.storage.data) == [home("px-w1"), home("px-w2")]
        assert "failed" not in go(driver, name="w[1:2]", state="absent")
        assert driver.storage.data == {}

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_a_lost_answer(self, when: str) -> None:
        driver = base()
        go(driver, name="w1", source="base:ready", wait_for="none")
        driver.fail("delete", lost("delete"), when)
        result = go(driver, name="base,w1", state="absent")
        assert [entry["actions"] for entry in result["containers"]] == [["destroyed"], ["destroyed"]]
        assert driver.storage.data == {}

    def test_a_half_made_one(self) -> None:
        driver = FakeDriver(ours("w1", "stopped", mark={"making": "00000000-1-1-1"}))
        del driver.storage.data[home("px-w1")]
        assert go(driver, name="w1", state="absent")["container"]["actions"] == ["destroyed"]
        assert driver.containers == {}

    def test_recreate_follows_the_same_rule(self) -> None:
        driver = base()
        go(driver, name="w1", source="base:ready", wait_for="none")
        refused = go(driver, name="base", image="debian/13", recreate=True)
        assert refused["container"]["dependents"] == ["w1"]
        assert driver.changing_calls == []
        done = go(driver, name="base", image="debian/13", recreate=True, dependents="promote")
        assert done["container"]["actions"] == ["destroyed", "created"]
        assert driver.storage.data[home("px-w1")].content == "data of px-base"


def test_the_key_of_a_container_that_comes_anew_is_forgotten_first(proofs: list[tuple[str, str]]) -> None:
    driver = base()
    known_hosts.pin(known_hosts.alias(driver.endpoint.label, "w1"), KEY)
    go(driver, name="w1", source="base:ready", wait_for="none")
    assert pinned(driver, "w1") is None
