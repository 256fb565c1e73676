# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Clones, from the task down to the data, on TrueNAS 25.10 and 25.04 without containers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from identity_answer import answer
from leftovers import NIGHT, checkpoint, known_hosts, parked, put, rename
from playbook import Playbooks, PlayRun
from running_lab import RunningLab

from ansible_collections.pixels.sandbox.tests.integration.clones.conftest import LATER, READY, Base

Task = Callable[..., PlayRun]
FLEET = "worker[01:20]"


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"from": "base:reddy"}, "it has ready"),
    ({"from": "base:auto-2026-11-23_00-00"}, "it has ready"),
    ({"from": "nobody:ready"}, "there is no container nobody"),
    ({"from": "theirs:ready"}, "is not ours"),
    ({"from": "base:"}, "label"),
    ({"from": "base:ready", "image": "debian/12"}, "exclude each other"),
    ({"from": "base:ready", "scrub": ["everything"]}, "scrub"),
    ({"from": "base:ready", "expires": "soon"}, "expires"),
    ({"from": "base:ready", "vars_by_name": {"w9": {"cpu": 1}}}, "does not name such a container"),
    ({"from": "base:ready", "vars_by_name": {"w3": {"from": "base:no"}}}, "it has ready"),
    ({"scrub": []}, "goes with from"),
]


def mark_of(lab: RunningLab, name: str) -> dict[str, Any]:
    entry = lab.instance(f"px-{name}")
    assert entry is not None
    return dict(json.loads(entry["environment"]["PIXELS_SANDBOX"]))


class TestOne:
    def test_of_a_checkpoint(self, task: Task, base: Base, lab: RunningLab) -> None:
        run = task({"name": "w1", "from": "base:ready", "wait_for": "address"}).succeeded()
        made = run.last("container")["container"]
        assert made["actions"] == ["cloned", "started"]
        assert (made["from"], made["status"], base.content("w1")) == ("base:ready", "running", READY)
        mark = mark_of(lab, "w1")
        assert (mark["from"], mark["name"], "making" in mark) == ("base:ready", "px-w1", False)
        assert made["machine_id"] == mark["id"] * 2
        assert made["host_key"].startswith("SHA256:")

    def test_of_the_present_state_which_need_not_be_stopped(self, task: Task, base: Base, lab: RunningLab) -> None:
        task({"name": "w1", "from": "base"}).succeeded()
        assert base.content("w1") == LATER
        assert lab.instances()["px-base"]["status"] == "RUNNING"

    def test_d13_no_cron_job_and_no_file_of_the_appliance(self, task: Task, base: Base, lab: RunningLab) -> None:
        """D13: the journal of all that a clone takes, of either kind."""
        since = lab.mark()
        task({"name": "w1", "from": "base:ready"}, {"name": "w2", "from": "base"}, {"name": "w1,w2", "state": "absent"}).succeeded()
        called = {line["method"] for line in lab.journal(since)}
        assert called and not {method for method in called if method.startswith(("cronjob.", "filesystem."))}
        # What is in the checkpoint is never looked at from outside: a link planted there leads nowhere.
        assert lab.changes(since)[:5] == [
            "virt.instance.create", "zfs.dataset.delete", "pool.snapshot.clone", "virt.instance.update", "virt.instance.start",
        ]  # fmt: skip

    def test_it_has_never_run_before_its_data_is_there(self, task: Task, base: Base, lab: RunningLab) -> None:
        since = lab.mark()
        task({"name": "w1", "from": "base:ready"}).succeeded()
        (create,) = lab.journal(since, method="virt.instance.create")
        assert create["params"][0]["autostart"] is False
        assert "making" in create["params"][0]["environment"]["PIXELS_SANDBOX"]
        assert lab.changes(since).count("virt.instance.start") == 1
        assert lab.instances()["px-w1"]["autostart"] is True

    def test_twice(self, task: Task, base: Base, lab: RunningLab) -> None:
        options = {"name": "w1", "from": "base:ready", "expires": "7d", "scrub": ["logins"], "owner": "me", "wait_for": "address"}
        first, second = task(options, options).succeeded().of("container")
        assert (first["changed"], second["changed"]) == (True, False)
        # Whether the source is still there is nobody's question then.
        lab.ask("pool.snapshot.delete", base.ready, {"defer": True})
        lab.job("virt.instance.delete", "px-base")
        assert task(options).succeeded().changed == 0

    def test_25_04(self, playbook_2504: Playbooks, lab_2504: RunningLab) -> None:
        dataset = put(lab_2504, "base")
        lab_2504.write(dataset, "/root/work", READY)
        checkpoint(lab_2504, dataset)
        tasks = [
            {"name": "Clone", "pixels.sandbox.container": {"name": "w[1:2]", "from": "base:ready"}},
            {"name": "Clone", "pixels.sandbox.container": {"name": "w3", "from": "base"}},
            {"name": "Promote", "pixels.sandbox.container": {"name": "base", "state": "absent", "dependents": "promote"}},
        ]
        playbook_2504.tasks(*tasks).succeeded()
        assert {lab_2504.read(lab_2504.dataset(f"px-w{number}"), "/root/work") for number in (1, 2, 3)} == {READY}
        playbook_2504.tasks({"name": "Away", "pixels.sandbox.container": {"name": "w[1:3]", "state": "absent"}}).succeeded()
        assert (lab_2504.datasets(), lab_2504.snapshots()) == ({}, {})

    def test_a_source_that_a_restore_has_kept(self, task: Task, base: Base, lab: RunningLab) -> None:
        lab.job("virt.instance.stop", "px-base", {"force": True})
        kept = rename(lab, base.dataset, parked("kept.1", "base"))
        lab.ask("pool.snapshot.clone", {"snapshot": f"{kept}@pixels-ready", "dataset_dst": base.dataset})
        task({"name": "w1", "from": "base:ready"}).succeeded()
        assert base.content("w1") == READY

    def test_an_identity_that_is_not_its_own_fails(self, playbook: Playbooks, base: Base, lab: RunningLab) -> None:
        """D16: a clone that is its source is not called ready."""
        answer(lab, {"match": "PX_MARK=(pixels:\\w+)", "output": '\\1 {"state": "failed", "machine_id": ""}\n', "instance": "px-w1"})
        run = playbook("create", container="w[1:2]", provision=False, **{"from": "base:ready"})
        assert run.rc == 2
        assert "w1" in run.failures()[-1] and "identity" in run.failures()[-1]
        assert run.last("container")["containers"][1]["status"] == "running"


class TestSettings:
    def test_d17_like_the_source_or_as_given(self, task: Task, base: Base, lab: RunningLab) -> None:
        """D17: nothing is ignored."""
        task({"name": "base", "cpu": "1", "memory": 512, "environment": {"A": "b"}}).succeeded()
        since = lab.mark()
        own = {"w2": {"cpu": 2, "memory": "1GiB", "environment": {"C": "d"}, "autostart": False, "owner": "me"}}
        task({"name": "w[1:2]", "from": "base:ready", "vars_by_name": own}).succeeded()
        created = {line["params"][0]["name"]: line["params"][0] for line in lab.journal(since, method="virt.instance.create")}
        assert (created["px-w1"]["cpu"], created["px-w1"]["memory"]) == ("1", 512 * 1024**2)
        found = lab.instances()
        assert (found["px-w2"]["cpu"], found["px-w2"]["memory"], found["px-w2"]["autostart"]) == ("2", 1024**3, False)
        assert found["px-w1"]["environment"]["A"] == "b" and found["px-w1"]["autostart"] is True
        assert found["px-w2"]["environment"]["C"] == "d" and "A" not in found["px-w2"]["environment"]

    def test_d32_in_the_pool_of_the_source(self, task: Task, lab: RunningLab) -> None:
        """D32: a source that is not in the global pool; all paths are those of its own."""
        task({"name": "base", "pool": "dozer", "state": "present"}).succeeded()
        dataset = lab.dataset("px-base", "dozer")
        lab.write(dataset, "/root/work", READY)
        checkpoint(lab, dataset)
        task({"name": "w1", "from": "base:ready"}, {"name": "w2", "from": "base"}).succeeded()
        assert {lab.instances()[f"px-w{number}"]["storage_pool"] for number in (1, 2)} == {"dozer"}
        assert lab.read(lab.dataset("px-w1", "dozer"), "/root/work") == READY
        refused = task({"name": "w3", "from": "base:ready", "pool": "tank"})
        assert refused.failed == 1 and "base lies on dozer" in refused.failures()[0]
        task({"name": "base,w[1:2]", "state": "absent"}).succeeded()
        assert (lab.datasets(), lab.snapshots()) == ({}, {})

    @pytest.mark.parametrize("check", [False, True])
    def test_d14_what_is_wrong_is_refused_before_anything_is_made(
        self, check: bool, playbook: Playbooks, base: Base, lab: RunningLab, strangers: None
    ) -> None:
        """D14: and the error says what there is."""
        since = lab.mark()
        tasks = [
            {"name": "Container", "pixels.sandbox.container": {"name": "w[1:3]", "wait_for": "none", **options}, "ignore_errors": True}
            for options, _said in WRONG
        ]
        run = playbook.tasks(*tasks, check=check).succeeded()
        assert [said in message for message, (_options, said) in zip(run.failures(), WRONG, strict=True)] == [True] * len(WRONG)
        assert "Traceback" not in run.output
        assert lab.changes(since) == []

    def test_recreate_from_another_checkpoint(self, task: Task, base: Base, lab: RunningLab) -> None:
        checkpoint(lab, base.dataset, "v2")
        task({"name": "w1", "from": "base:ready"}).succeeded()
        run = task({"name": "w1", "from": "base:v2"})
        assert run.failed == 1 and "recreate=true" in run.failures()[0]
        done = task({"name": "w1", "from": "base:v2", "recreate": True}, {"name": "w1", "from": "base:v2", "recreate": True}).succeeded()
        assert [result["container"]["actions"] for result in done.of("container")] == [["destroyed", "cloned", "started"], []]
        assert base.content("w1") == LATER

    def test_expires(self, task: Task, base: Base, lab: RunningLab) -> None:
        options = {"name": "w1", "from": "base:ready", "expires": "7d"}
        task(options).succeeded()
        first = mark_of(lab, "w1")
        assert task(options).succeeded().changed == 0
        assert task({"name": "w1", "expires": "1h"}).succeeded().changed == 1
        assert first["expires"] > mark_of(lab, "w1")["expires"] and mark_of(lab, "w1")["lasts"] == "1h"
        assert task({"name": "w1", "expires": "none"}).succeeded().last("container")["container"]["expires"] is None
        assert mark_of(lab, "w1")["id"] == first["id"]


class TestFleet:
    @pytest.mark.parametrize("source", ["base", "base:ready"])
    def test_d15_twenty_and_their_end(
        self, source: str, task: Task, base: Base, lab: RunningLab, strangers: None, playbook: Playbooks
    ) -> None:
        """D15: after 20 clones and their destruction the base has only its declared checkpoints. D16: 20 identities."""
        since = lab.mark()
        options = {"name": FLEET, "from": source, "wait_for": "address"}
        first, second = task(options, options).succeeded().of("container")
        assert (first["changed"], second["changed"]) == (True, False)
        for key in ("machine_id", "host_key", "address"):
            assert len({entry[key] for entry in first["containers"]}) == 20, key
        assert lab.logins(since) == 1
        assert lab.changes(since).count("pool.snapshot.create") == (0 if source == "base:ready" else 1)
        since = lab.mark()
        gone = playbook("destroy", container=FLEET).succeeded()
        assert gone.changed == 1
        assert lab.changes(since) == ["virt.instance.delete"] * 20
        assert base.left() == base.declared() | {f"{base.dataset}@{NIGHT}"}
        assert known_hosts(playbook.home).read_text() == ""

    def test_one_that_cannot_be_made_is_named_and_the_others_are(self, task: Task, base: Base, lab: RunningLab) -> None:
        lab.state(foreign={"name": "px-w2"})
        lab.fault("pool.snapshot.clone", "refuse", instance="px-w3", times=None)
        run = task({"name": "w[1:4]", "from": "base"})
        result = run.results[-1].result
        lab.clear()
        assert [bool(entry.get("failed")) for entry in result["containers"]] == [False, True, True, False]
        assert result["msg"].startswith("2 of 4 containers failed: w2: ")
        assert sorted(lab.instances()) == ["px-base", "px-w1", "px-w2", "px-w4"]
        assert "half-made container was removed" in result["containers"][2]["msg"]

    def test_check_mode(self, task: Task, base: Base, lab: RunningLab) -> None:
        since = lab.mark()
        for options in ({"name": FLEET, "from": "base"}, {"name": "base", "state": "absent"}):
            assert task(options, check=True).succeeded().changed == 1
        assert lab.changes(since) == []

    def test_a_table_of_them_and_how_to_get_in(self, playbook: Playbooks, base: Base) -> None:
        run = playbook("create", container="w[1:3]", provision=False, scrub="none", **{"from": "base:ready"}).succeeded()
        assert "NAME  ADDRESS" in run.stdout and "base:ready" in run.stdout
        assert "They are bare" in run.stdout
        assert playbook("create", container="w[1:3]", provision=False, scrub="none", **{"from": "base:ready"}).succeeded().changed == 0
        assert mark_of(base.lab, "w1")["scrub"] == ""

    def test_by_name_on_a_command_line(self, playbook: Playbooks, base: Base, home: Path) -> None:
        file = home / "workers.yml"
        file.write_text("vars_by_name:\n  w1: {owner: me}\n  w[2:3]: {owner: you}\n")
        playbook("create", "-e", f"@{file}", "-e", "container=w[1:3] from=base:ready provision=false scrub=history,logs").succeeded()
        assert [mark_of(base.lab, f"w{number}")["owner"] for number in (1, 2, 3)] == ["me", "you", "you"]
        assert mark_of(base.lab, "w1")["scrub"] == "history,logs"


@pytest.mark.parametrize("state", ["present", "stopped"])
def test_one_that_is_not_started_starts_with_the_appliance_all_the_same(state: str, task: Task, lab: RunningLab) -> None:
    """It takes two calls, and there is a mark between them."""
    since = lab.mark()
    task({"name": "task1", "state": state}, {"name": "task1", "state": state}).succeeded()
    assert lab.changes(since) == ["virt.instance.create", "virt.instance.update"]
    assert lab.instances()["px-task1"]["autostart"] is True
    assert "making" not in mark_of(lab, "task1")
