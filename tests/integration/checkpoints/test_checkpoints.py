# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checkpoints from the first to the last, on both versions, with their data."""

from __future__ import annotations

import re
from typing import Any

import pytest
from running_lab import RunningLab

Either = tuple[Any, Any]


def test_take_list_restore_delete(either: Either) -> None:
    world, core = either
    dataset = world.box("base", "prepared")
    since = world.lab.mark()
    taken = core("base", label="ready")
    assert (taken["changed"], taken["container"]["actions"]) == (True, ["taken"])
    shown = taken["container"]["checkpoint"]
    assert (shown["snapshot"], shown["dataset"], shown["dependents"]) == (f"{dataset}@pixels-ready", dataset, [])
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", shown["created"]) and shown["created_epoch"] > 1.7e9
    assert len(world.lab.changes(since)) == 1, "taken with one call, and without stopping the container"
    assert world.status("base") == "RUNNING"

    assert not core("base", label="ready")["changed"]
    world.write("base", "broken")
    restored = core("base", label="ready", state="restored")["container"]
    assert restored["actions"] == ["stopped", "rolled_back", "started"]
    assert (restored["status"], restored["newer"], restored["label"]) == ("running", [], "ready")
    assert restored["address"] and restored["timings"]["total"] >= restored["timings"]["data"]
    assert (world.content("base"), world.status("base")) == ("prepared", "RUNNING")

    assert [entry["label"] for entry in core.info("base")["container"]["checkpoints"]] == ["ready"]
    assert core("base", label="ready", state="absent")["container"]["actions"] == ["deleted"]
    assert not core("base", label="ready", state="absent")["changed"]
    assert core.info("base")["container"]["checkpoints"] == []


def test_restore_starts_a_stopped_one(either: Either) -> None:
    world, core = either
    world.box("base", "prepared", start=False)
    world.snapshot("base", "ready")
    assert core("base", label="ready", state="restored")["container"]["actions"] == ["rolled_back", "started"]
    assert world.status("base") == "RUNNING"


def test_keep_and_back_again(either: Either) -> None:
    """What a restore has kept is listed, restored and deleted like everything else, and nothing is left in the end."""
    world, core = either
    world.box("base")
    for label in ("one", "two", "three"):
        world.snapshot("base", label, f"content of {label}")
    kept = core("base", label="one", state="restored", on_newer="keep")["container"]
    assert kept["actions"] == ["stopped", "swapped", "started"]
    assert [(entry["label"], entry["action"]) for entry in kept["newer"]] == [("two", "kept"), ("three", "kept")]
    assert world.content("base") == "content of one"
    everything = {label: f"content of {label}" for label in ("one", "two", "three")}
    assert world.labels("base") == everything
    assert [entry["label"] for entry in core.info("base")["container"]["checkpoints"]] == ["three", "two", "one"]

    # A label is taken wherever its checkpoint is kept.
    assert not core("base", label="two")["changed"]
    world.snapshot("base", "other", "content of other")
    assert core("base", label="three", state="restored", on_newer="keep")["container"]["newer"][0]["label"] == "other"
    assert world.content("base") == "content of three"
    assert world.labels("base") == {**everything, "other": "content of other"}

    for label in ("other", "three", "two", "one"):
        assert core("base", label=label, state="absent")["changed"], label
    assert (world.labels("base"), world.parked()) == ({}, [])
    assert world.content("base") == "content of three"


def test_a_label_that_kept_checkpoints_share_can_go(either: Either) -> None:
    """The branches need its data, which goes with the last of them; as a checkpoint it is gone at once."""
    world, core = either
    world.box("base")
    world.snapshot("base", "one", "1")
    world.snapshot("base", "two", "2")
    core("base", label="one", state="restored", on_newer="keep")
    gone = core("base", label="one", state="absent")["container"]
    assert (gone["changed"], gone["deferred"]) == (True, True)
    assert world.labels("base") == {"two": "2"}
    again = core("base", label="one")["container"]
    assert again["failed"] and "still needed" in again["msg"]
    assert core("base", label="two", state="absent")["changed"]
    assert (world.lab.snapshots(), world.parked()) == ({}, [])
    assert core("base", label="one")["changed"]


def test_d11_newer_ones_in_the_way_are_named_and_nothing_is_touched(either: Either) -> None:
    """D11: a restore that cannot be refuses before the container is stopped, and says who is in the way."""
    world, core = either
    world.box("base")
    world.snapshot("base", "ready", "prepared")
    world.snapshot("base", "later", "broken")
    world.lab.nightly()
    since = world.lab.mark()
    refused = core("base", label="ready", state="restored")
    assert refused["failed"] and refused["error"]["type"] == "NewerCheckpoints"
    assert "later" in refused["msg"] and "auto-2026-11-23_00-00" in refused["msg"]
    assert [(entry["label"], entry["kind"]) for entry in refused["container"]["newer"]] == [("later", "checkpoint"), (None, "foreign")]
    assert (world.lab.changes(since), world.status("base"), world.content("base")) == ([], "RUNNING", "broken")


@pytest.mark.parametrize("policy", ["destroy", "keep"])
def test_d10_foreign_snapshots(policy: str, either: Either) -> None:
    """D10: those of a periodic task are neither listed nor restored; standing in the way they are treated as newer ones are."""
    world, core = either
    dataset = world.box("base")
    world.snapshot("base", "ready", "prepared")
    world.write("base", "broken")
    world.lab.nightly()
    world.lab.state(snapshot={"dataset": dataset, "name": "px-clone-17"})
    shown = core.info("base")["container"]
    assert [entry["label"] for entry in shown["checkpoints"]] == ["ready"]
    assert [entry["snapshot"].partition("@")[2] for entry in shown["foreign"]] == ["px-clone-17", "auto-2026-11-23_00-00"]
    for label in ("auto-2026-11-23_00-00", "px-clone-17"):
        assert core("base", label=label, state="restored")["error"]["type"] == "NoCheckpoint"
        assert not core("base", label=label, state="absent")["changed"]

    assert core("base", label="ready", state="restored", on_newer=policy)["changed"]
    assert (world.content("base"), world.status("base")) == ("prepared", "RUNNING")
    left = [name.partition("@")[2] for name in world.lab.snapshots() if "@pixels-" not in name]
    assert sorted(left) == ([] if policy == "destroy" else ["auto-2026-11-23_00-00", "px-clone-17"])


def test_held_ones_are_not_destroyed(either: Either) -> None:
    world, core = either
    world.box("base")
    world.snapshot("base", "ready", "prepared")
    world.lab.nightly(held=True)
    since = world.lab.mark()
    assert core("base", label="ready", state="restored", on_newer="destroy")["error"]["type"] == "Held"
    assert world.lab.changes(since) == []
    assert core("base", label="ready", state="restored", on_newer="keep")["changed"]


def test_clones_of_newer_ones(either: Either) -> None:
    """Named, or made independent: then they are byte for byte what they were, and need nothing of the container any more."""
    world, core = either
    world.box("base")
    world.snapshot("base", "ready", "prepared")
    later = world.snapshot("base", "later", "later")
    world.clone(later, "worker")
    world.snapshot("worker", "own", "work")
    since = world.lab.mark()
    refused = core("base", label="ready", state="restored", on_newer="destroy")
    assert (refused["error"]["type"], refused["container"]["dependents"]) == ("Dependents", ["worker"])
    assert world.lab.changes(since) == []

    done = core("base", label="ready", state="restored", on_newer="destroy", dependents="promote")["container"]
    assert done["actions"] == ["stopped", "swapped", "started", "promoted worker"]
    assert [(entry["label"], entry["action"]) for entry in done["newer"]] == [("later", "left")]
    assert (world.content("base"), world.content("worker"), world.status("worker")) == ("prepared", "work", "RUNNING")
    assert (world.labels("base"), world.labels("worker"), world.parked()) == ({"ready": "prepared"}, {"own": "work"}, [])


def test_delete_what_clones_need(either: Either) -> None:
    world, core = either
    world.box("base")
    ready = world.snapshot("base", "ready", "prepared")
    world.clone(ready, "worker")
    since = world.lab.mark()
    refused = core("base", label="ready", state="absent")
    assert (refused["error"]["type"], refused["container"]["dependents"]) == ("Dependents", ["worker"])
    assert world.lab.changes(since) == []

    assert core.info("base")["container"]["checkpoints"][0]["dependents"] == ["worker"]
    gone = core("base", label="ready", state="absent", dependents="defer")["container"]
    assert (gone["actions"], gone["deferred"]) == (["deleted"], True)
    assert (world.labels("base"), world.content("worker")) == ({}, "prepared")
    world.lab.job("virt.instance.stop", "px-worker", {"force": True, "timeout": -1})
    world.lab.job("virt.instance.delete", "px-worker")
    assert world.lab.snapshots() == {}, "the data goes with the last clone"


def test_delete_by_promotion(either: Either) -> None:
    world, core = either
    world.box("base")
    world.snapshot("base", "old", "old")
    ready = world.snapshot("base", "ready", "prepared")
    worker = world.clone(ready, "worker")
    refused = core("base", label="ready", state="absent", dependents="promote")
    assert (refused["error"]["type"], refused["container"]["older"]) == ("OlderCheckpoints", ["old"])
    core("base", label="old", state="absent")
    gone = core("base", label="ready", state="absent", dependents="promote")["container"]
    assert gone["actions"] == ["promoted worker", "deleted"]
    assert "/images/" in str(world.lab.datasets()[worker]), "the worker comes from the image, as the container did"
    assert (world.labels("base"), world.labels("worker"), world.content("worker")) == ({}, {}, "prepared")


def test_d32_on_another_pool(either: Either) -> None:
    """D32: the data is where the container's own pool has it."""
    world, core = either
    dataset = world.box("base", "prepared", pool="dozer")
    assert core("base", label="ready")["container"]["checkpoint"]["snapshot"] == f"{dataset}@pixels-ready"
    world.snapshot("base", "later", "later", pool="dozer")
    assert core("base", label="ready", state="restored", on_newer="keep")["changed"]
    assert world.content("base", pool="dozer") == "prepared"
    assert {name.partition("/")[0] for name in world.lab.snapshots()} == {"dozer"}


def test_d14_labels(world: Any, checkpoints: Any) -> None:
    """D14: two in one second, odd ones, and one of a container that does not exist."""
    world.box("base")
    first, second = checkpoints("base")["container"], checkpoints("base")["container"]
    assert first["label"] != second["label"]
    assert all(re.fullmatch(r"\d{8}-\d{6}-\d{6}", entry["label"]) for entry in (first, second))
    assert [entry["label"] for entry in checkpoints.info("base")["container"]["checkpoints"]] == [second["label"], first["label"]]
    since = world.lab.mark()
    for label in ("", "a b", "-x", "a@b", "x" * 64, "ä", "../x", "a/b"):
        assert checkpoints("base", label=label)["error"]["type"] == "Invalid", label
    for state in ("present", "absent", "restored"):
        missing = checkpoints("nobody", label="ready", state=state)
        assert missing["failed"] and missing["container"]["missing"], state
    assert world.lab.changes(since) == []


def test_a_fleet(world: Any, checkpoints: Any, lab: RunningLab) -> None:
    """Few calls whatever its size, and what is refused for one is done to none."""
    names = [f"worker{number}" for number in range(1, 5)]
    for name in names:
        world.box(name, name)
    since = lab.mark()
    taken = checkpoints("worker[1:4]", label="ready", concurrency=4)
    assert [entry["checkpoint"]["label"] for entry in taken["containers"]] == ["ready"] * 4
    assert len(lab.journal(since, method="pool.snapshot.query")) == 1
    assert len(lab.changes(since)) == 4
    assert len({entry["label"] for entry in checkpoints("worker[1:4]")["containers"]}) == 1, "one label for all of a task"

    since = lab.mark()
    assert len(checkpoints.info()["containers"]) == 4
    assert len(lab.journal(since, method="pool.snapshot.query")) == 1
    assert checkpoints.info("worker1,nobody")["missing"] == ["nobody"]

    for name in names[:3]:
        world.write(name, "broken")
    world.snapshot("worker3", "later")
    since = lab.mark()
    refused = checkpoints("worker[1:4]", label="ready", state="restored")
    assert refused["failed"] and [entry.get("failed", False) for entry in refused["containers"]] == [True] * 4
    assert lab.changes(since) == []
    for name in names:
        for entry in checkpoints.info(name)["container"]["checkpoints"]:
            if entry["label"] != "ready":
                checkpoints(name, label=entry["label"], state="absent")
    checkpoints("worker4", label="ready", state="absent")
    since = lab.mark()
    refused = checkpoints("worker[1:4]", label="ready", state="restored")
    assert [(entry.get("failed", False), entry.get("skipped", False)) for entry in refused["containers"]] == [(False, True)] * 3 + [
        (True, False)
    ]
    assert "worker4" in refused["msg"] and lab.changes(since) == []
    done = checkpoints("worker[1:3]", label="ready", state="restored")
    assert [entry["actions"] for entry in done["containers"]] == [["stopped", "rolled_back", "started"]] * 3
    assert [world.content(name) for name in names] == names


def test_a_base_and_its_clone_in_one_task(world: Any, checkpoints: Any) -> None:
    """One promotes the data of the other: it is done after that one, by what is there then."""
    world.box("base")
    world.snapshot("base", "ready", "prepared")
    world.clone(world.snapshot("base", "later", "later"), "worker")
    world.snapshot("worker", "ready", "work")
    world.snapshot("worker", "more", "more")
    done = checkpoints("base,worker", label="ready", state="restored", on_newer="destroy", dependents="promote")
    assert not done.get("failed"), done
    assert (world.content("base"), world.content("worker")) == ("prepared", "work")
    assert (world.labels("base"), world.labels("worker"), world.parked()) == ({"ready": "prepared"}, {"ready": "work"}, [])


@pytest.mark.parametrize("state", ["present", "absent", "restored"])
def test_check_mode_predicts_and_changes_nothing(state: str, world: Any, checkpoints: Any, lab: RunningLab) -> None:
    world.box("base")
    world.snapshot("base", "ready", "prepared")
    world.clone(world.snapshot("base", "later", "later"), "worker")
    options: dict[str, Any] = {"label": "new" if state == "present" else "ready", "state": state}
    if state == "restored":
        options |= {"on_newer": "destroy", "dependents": "promote"}
    since = lab.mark()
    predicted = checkpoints("base", check=True, diff=True, **options)
    assert lab.changes(since) == []
    done = checkpoints("base", diff=True, **options)
    assert lab.changes(since) != []
    assert predicted["changed"] and predicted["container"]["actions"] == done["container"]["actions"]
    assert predicted["diff"] == done["diff"]
    for key in ("label", "newer", "deferred", "status"):
        assert predicted["container"].get(key) == done["container"].get(key), key


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"state": "present", "on_newer": "keep"}, "on_newer"),
        ({"state": "present", "dependents": "promote"}, "dependents"),
        ({"state": "restored", "dependents": "defer"}, "dependents"),
        ({"state": "absent", "wait_for": "ssh"}, "wait_for"),
        ({"state": "restored", "stop_timeout": 0, "force": False}, "stop_timeout"),
        ({"state": "restored", "concurrency": 0}, "concurrency"),
    ],
    ids=str,
)
def test_d17_an_option_is_applied_or_refused(options: dict[str, Any], word: str, checkpoints: Any, lab: RunningLab) -> None:
    since = lab.mark()
    given = {key: options[key] for key in options}
    refused = checkpoints("base", label="ready", **given)
    assert refused["failed"] and word in refused["msg"]
    assert lab.journal(since) == []


def test_foreign_and_half_made_containers_are_left_alone(world: Any, checkpoints: Any, lab: RunningLab) -> None:
    lab.state(foreign={"name": "px-theirs", "start": True})
    lab.state(foreign={"name": "px-half", "environment": {"PIXELS_SANDBOX": '{"making":"00000000-1-1-1"}'}})
    since = lab.mark()
    for state in ("present", "absent", "restored"):
        assert checkpoints("theirs", label="ready", state=state)["error"]["type"] == "Foreign"
        assert checkpoints("half", label="ready", state=state)["container"]["making"]
    assert lab.changes(since) == []
    assert [entry["name"] for entry in checkpoints.info()["containers"]] == ["half"]
