# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Destroying what others are clones of, and all that belongs to a container."""

from __future__ import annotations

from collections.abc import Callable

from leftovers import checkpoint, parked
from playbook import Playbooks, PlayRun
from running_lab import RunningLab

from ansible_collections.pixels.sandbox.tests.integration.clones.conftest import LATER, READY, Base

Task = Callable[..., PlayRun]


def test_d19_live_clones_are_named(task: Task, playbook: Playbooks, base: Base, lab: RunningLab) -> None:
    """D19: a base with live clones stays, and so does everything of it; the others of the task go."""
    task({"name": "w[1:2]", "from": "base:ready"}, {"name": "other", "state": "present"}).succeeded()
    before = base.left()
    since = lab.mark()
    run = playbook("destroy", container="base,other")
    assert run.rc == 2
    assert "base: w1, w2 are clones of it" in run.failures()[-1]
    assert "Destroyed: other\n" in run.stdout
    assert lab.changes(since) == ["virt.instance.delete"]
    assert base.left() == {name for name in before if not name.endswith("px-other")}


def test_d19_promote_keeps_them_to_the_byte(playbook: Playbooks, task: Task, base: Base, lab: RunningLab, strangers: None) -> None:
    """D19: their data is the same, they go on running, and what has moved to them goes with the last that needs it."""
    checkpoint(lab, base.dataset, "v2")
    task({"name": "w[1:2]", "from": "base:ready"}, {"name": "w3", "from": "base:v2"}, {"name": "w4", "from": "base"}).succeeded()
    lab.write(lab.dataset("px-w1"), "/root/own", "of w1")
    checkpoint(lab, lab.dataset("px-w1"), "mine")
    started = {name: entry["status"] for name, entry in lab.instances().items() if name != "px-base"}
    predicted = playbook("destroy", name="base", dependents="promote", check=True).succeeded()
    run = playbook("destroy", name="base", dependents="promote").succeeded()
    assert "Would make independent: w" in predicted.stdout and "Made independent: w" in run.stdout
    assert {name: entry["status"] for name, entry in lab.instances().items()} == started
    assert [base.content(f"w{number}") for number in (1, 2, 3, 4)] == [READY, READY, LATER, LATER]
    assert lab.read(lab.dataset("px-w1"), "/root/own") == "of w1"
    # What has moved is nobody's checkpoint: w1 still has its own, and no other.
    refused = task({"name": "x", "from": "w1:ready"})
    assert "w1 has no checkpoint ready; it has mine" in refused.failures()[0]
    assert base.dataset not in lab.datasets()
    # (the container of a stranger has a snapshot of that name too)
    labelled = {name: entry["deferred"] for name, entry in lab.snapshots().items() if name.endswith(("@pixels-ready", "@pixels-v2"))}
    assert labelled.pop(f"{lab.dataset('px-theirs')}@pixels-ready") is False
    assert labelled and all(labelled.values())
    playbook("destroy", container="w[1:4]").succeeded()
    assert base.left() == set()


def test_a_base_and_its_clones_in_one_task(task: Task, base: Base, lab: RunningLab) -> None:
    task({"name": "w[1:3]", "from": "base"}, {"name": "v1", "from": "w1"}).succeeded()
    since = lab.mark()
    run = task({"name": "base,w[1:3],v1", "state": "absent", "concurrency": 8}).succeeded()
    assert run.changed == 1
    order = [line["params"][0] for line in lab.journal(since, method="virt.instance.delete")]
    assert order.index("px-v1") < order.index("px-w1") < order.index("px-base")
    assert (base.left(), lab.instances()) == (set(), {})
    assert len([line for line in lab.journal(since) if not line["changes"] and ".query" in line["method"]]) <= 3


def test_what_restores_have_kept_goes_too(task: Task, base: Base, lab: RunningLab) -> None:
    for what in ("new", "old", "kept.1", "kept.2"):
        lab.ask("pool.snapshot.clone", {"snapshot": base.ready, "dataset_dst": parked(what, "base")})
    checkpoint(lab, parked("kept.1", "base"), "later")
    task({"name": "base", "state": "absent"}).succeeded()
    assert base.left() == set()


def test_a_held_snapshot(task: Task, base: Base, lab: RunningLab) -> None:
    lab.nightly("auto-kept", held=True)
    since = lab.mark()
    run = task({"name": "base", "state": "absent"})
    assert run.failed == 1 and "@auto-kept" in run.failures()[0] and "hold" in run.failures()[0]
    assert lab.changes(since) == []


def test_one_whose_data_is_gone(task: Task, base: Base, lab: RunningLab) -> None:
    lab.job("virt.instance.stop", "px-base", {"force": True})
    lab.ask("zfs.dataset.delete", base.dataset, {"force": True, "recursive": True})
    task({"name": "base", "state": "absent"}).succeeded()
    assert (base.left(), lab.instances()) == (set(), {})


def test_recreate_follows_the_same_rule(task: Task, base: Base, lab: RunningLab) -> None:
    task({"name": "w1", "from": "base:ready"}).succeeded()
    wanted = {"name": "base", "image": "ubuntu/24.04", "recreate": True}
    refused = task(wanted)
    assert "base: w1 is a clone of it" in refused.failures()[0]
    task({**wanted, "dependents": "promote"}).succeeded()
    assert base.content("w1") == READY and base.content("base") is None
