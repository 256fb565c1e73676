# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tasks about checkpoints: options, results, fleets, and what is reached afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import checkpoint_ready, checkpoint_take, known_hosts, labels
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError, Invalid
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.errors import AlreadyExists
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.checkpoint_scene import Scene, run
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.fake_driver import FakeDriver, foreign, ours
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.zfs_simulator import home

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43
OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 42 + "B"
APPLIANCE = FakeDriver().endpoint.label
ALIAS = known_hosts.alias(APPLIANCE, "base")


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


@pytest.fixture
def scene() -> Scene:
    return Scene(ours("base"), ours("worker1"), ours("worker2"), foreign("theirs"))


class TestOptions:
    @pytest.mark.parametrize(
        "options",
        [
            {"state": "present", "on_newer": "keep"},
            {"state": "absent", "label": "a", "on_newer": "keep"},
            {"state": "present", "dependents": "fail"},
            {"state": "absent", "label": "a", "wait_timeout": 5},
        ],
        ids=str,
    )
    def test_d17_what_has_no_meaning_is_refused(self, scene: Scene, options: dict[str, Any]) -> None:
        with pytest.raises(CoreError, match="no meaning"):
            run(scene, "base", **options)
        assert scene.calls == []

    @pytest.mark.parametrize(
        "options",
        [
            {"label": "a b"},
            {"state": "restored", "label": "a", "dependents": "defer"},
            {"state": "restored", "label": "a", "stop_timeout": 300},
            {"state": "restored", "label": "a", "stop_timeout": 0, "force": False},
            {"state": "restored", "label": "a", "wait_timeout": 0},
            {"concurrency": 65},
        ],
        ids=str,
    )
    def test_impossible_values_are_refused_before_anything_is_sent(self, scene: Scene, options: dict[str, Any]) -> None:
        with pytest.raises(Invalid):
            run(scene, "base", **options)
        assert scene.calls == []


class TestPresent:
    def test_d14_a_collision_of_times_is_avoided(self, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
        """D14: whoever was quicker keeps the label, and another moment is taken."""
        moments = iter(["20261123-153301-000001", "20261123-153301-000002"])
        monkeypatch.setattr(labels, "default_label", lambda now=None: next(moments))
        scene.pool.snapshot(home("base"), "pixels-20261123-153301-000001")
        assert run(scene, "base")["container"]["label"] == "20261123-153301-000002"

    def test_but_not_for_ever(self, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(labels, "default_label", lambda now=None: "same")
        scene.pool.snapshot(home("base"), "pixels-same")
        assert run(scene, "base")["error"]["type"] == AlreadyExists.__name__
        assert [what for what, *_rest in scene.pool.changes].count("snapshot") == checkpoint_take.ATTEMPTS + 1

    def test_somebody_was_quicker_with_the_same_label(self, scene: Scene) -> None:
        def on_change(what: str, when: str) -> None:
            scene.on_change = lambda what, when: None
            scene.pool.snapshot(home("base"), "pixels-ready")

        scene.on_change = on_change
        entry = run(scene, "base", label="ready")["container"]
        assert (entry["changed"], entry["checkpoint"]["label"]) == (False, "ready")

    def test_one_that_fails_does_not_stop_the_others(self, scene: Scene) -> None:
        result = run(scene, "base,nobody,theirs,worker1", label="ready")
        assert [entry.get("failed", False) for entry in result["containers"]] == [False, True, True, False]
        assert result["failed"] and "nobody" in result["msg"] and "theirs" in result["msg"]
        assert [entry["error"]["type"] for entry in result["containers"] if entry.get("failed")] == ["CoreError", "Foreign"]

    def test_the_looks_do_not_grow_with_the_fleet(self, scene: Scene) -> None:
        run(scene, "base,worker1,worker2", label="ready")
        assert scene.pool.reads == ["snapshots", "snapshots"]
        assert [call[0] for call in scene.calls] == ["list"]

    def test_diff(self, scene: Scene) -> None:
        run(scene, "base", label="one")
        (diff,) = run(scene, "base", label="two", diff=True)["diff"]
        assert (diff["before"], diff["after"]) == ({"checkpoints": ["one"]}, {"checkpoints": ["two", "one"]})
        assert run(scene, "base", label="two", diff=True)["diff"] == []


class TestInfo:
    def test_all_of_ours_and_nobody_elses(self, scene: Scene) -> None:
        scene.pool.snapshot(home("base"), "pixels-ready")
        scene.pool.snapshot(home("base"), "auto-1")
        scene.pool.clone(f"{home('base')}@auto-1", home("w"))
        result = run(scene, "", info=True)
        assert [entry["name"] for entry in result["containers"]] == ["base", "worker1", "worker2"]
        (found,) = result["containers"][0]["checkpoints"]
        assert found["created"].endswith("Z") and found["created_epoch"] > 1_700_000_000
        assert [(entry["snapshot"], entry["dependents"]) for entry in result["containers"][0]["foreign"]] == [
            (f"{home('base')}@auto-1", ["w"])
        ]
        assert (result["missing"], result["changed"], scene.pool.reads) == ([], False, ["snapshots"])

    def test_some(self, scene: Scene) -> None:
        result = run(scene, "base,theirs,nobody", info=True, label="ready")
        assert ([entry["name"] for entry in result["containers"]], result["missing"]) == (["base"], ["theirs", "nobody"])
        assert "container" not in result
        assert run(scene, "base", info=True)["container"]["name"] == "base"
        assert "container" not in run(scene, "nobody", info=True)


class TestReady:
    """A restored container can be reached as before."""

    @pytest.fixture
    def restored(self, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Any:
        waited: list[str] = []

        class Lookout:
            def __init__(self, driver: Any, door_of: Any) -> None:
                pass

            def wait_for(self, instance: str, what: str, timeout: float, watch: Any) -> Any:
                waited.append(what)
                return scene.containers[instance]

        monkeypatch.setattr("ansible_collections.pixels.sandbox.plugins.module_utils.core.checkpoint_restore.Lookout", Lookout)
        scene.pool.snapshot(home("base"), "pixels-ready")

        def restore(**options: Any) -> tuple[dict[str, Any], list[str]]:
            waited.clear()
            return run(scene, "base", label="ready", state="restored", **options)["container"], list(waited)

        return restore

    def test_a_bare_one_has_an_address(self, restored: Any) -> None:
        entry, waited = restored()
        assert (entry["address"], waited) == ("10.0.0.5", ["address"])

    def test_one_that_was_opened_to_ssh_answers_there_with_the_restored_key(self, restored: Any, scene: Scene) -> None:
        known_hosts.pin(ALIAS, KEY)
        scene.script_says = OTHER_KEY
        entry, waited = restored()
        assert waited == ["address", "ssh"] and entry["actions"][-1] == "known_hosts"
        assert known_hosts.lookup(ALIAS) == OTHER_KEY
        assert "known_hosts" not in restored()[0]["actions"]

    def test_without_ssh_in_the_checkpoint_nothing_is_pinned_or_waited_for(self, restored: Any) -> None:
        known_hosts.pin(ALIAS, KEY)
        assert restored()[1] == ["address"]
        assert known_hosts.lookup(ALIAS) is None

    @pytest.mark.parametrize(("wait_for", "waited"), [("none", []), ("address", ["address"]), ("ssh", ["address", "ssh"])])
    def test_as_asked(self, restored: Any, wait_for: str, waited: list[str]) -> None:
        assert restored(wait_for=wait_for)[1] == waited

    def test_the_key_of_another_container_is_not_pinned_twice(self, restored: Any, scene: Scene) -> None:
        known_hosts.pin(ALIAS, KEY)
        known_hosts.pin(known_hosts.alias(APPLIANCE, "worker1"), OTHER_KEY)
        known_hosts.pin(known_hosts.alias("other", "worker1"), KEY)
        scene.script_says = OTHER_KEY
        entry, _waited = restored()
        assert entry["failed"] and "worker1" in entry["msg"]
        assert entry["actions"][-1] == "started" and known_hosts.lookup(ALIAS) == KEY

    def test_a_script_that_says_nothing_is_an_error(self, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(
            scene, "run_script", lambda name, script, timeout=300.0: type("Done", (), {"status": 137, "output": "Killed\n"})()
        )
        with pytest.raises(CoreError, match="137"):
            checkpoint_ready.host_key(scene, scene.containers["px-base"])


def test_what_a_container_shares_with_another_one_of_the_task_is_planned_anew(scene: Scene) -> None:
    """base gives to worker1 what that needs; worker1, restored first, needs something else by then."""
    pool = scene.pool
    pool.snapshot(home("base"), "pixels-ready")
    pool.snapshot(home("base"), "pixels-later")
    pool.busy.clear()
    del pool.volumes[home("worker1")]
    pool.clone(f"{home('base')}@pixels-later", home("worker1"))
    pool.snapshot(home("worker1"), "pixels-ready")
    pool.snapshot(home("worker1"), "pixels-more")
    pool.busy.update({home("base"), home("worker1")})
    options: dict[str, Any] = {"label": "ready", "state": "restored", "on_newer": "destroy", "dependents": "promote", "wait_for": "none"}
    result = run(scene, "base,worker1", **options)
    assert not result.get("failed"), result
    assert [entry["actions"] for entry in result["containers"]] == [
        ["stopped", "swapped", "started", "promoted worker1"],
        ["stopped", "rolled_back", "started"],
    ]
    assert not [name for name in pool.names() if "/pixels." in name]
