# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller is killed at each phase of a clone and of a removal: the same play again converges, and leaves nothing behind."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from killing import kill_all
from leftovers import NIGHT, checkpoint, parked
from playbook import Playbooks
from running_lab import RunningLab

from ansible_collections.pixels.sandbox.tests.integration.clones.conftest import LATER, Base

Cut = Callable[..., None]


@pytest.fixture
def cut(playbook: Playbooks, lab: RunningLab) -> Cut:
    """Kills a `container` task while a call is under way: it never arrives, or, where it `lands`, is carried out all the same."""

    def run(method: str, lands: bool, options: dict[str, Any]) -> None:
        since = lab.mark()
        lab.fault(method, "delay" if lands else "stall", **({"seconds": 1.0} if lands else {}))
        with playbook.started({"name": "Container", "pixels.sandbox.container": {"wait_for": "none", **options}}) as controller:
            lab.wait_for_fault(since)
            kill_all(controller.pid)
            controller.wait()
        lab.clear()
        if lands:
            until = time.monotonic() + 30
            while not lab.journal(since, method=method):
                assert time.monotonic() < until, f"{method} has not ended"
                time.sleep(0.05)
        else:
            # What stalls is a job that nobody ends; a restart does.
            lab.state(restart={"seconds": 0.1})

    return run


def again(playbook: Playbooks, options: dict[str, Any]) -> None:
    task = {"name": "Container", "pixels.sandbox.container": {"wait_for": "none", **options}}
    results = playbook.tasks(task, task).succeeded().of("container")
    assert results[1]["changed"] is False


CLONE = ["pool.snapshot.create", "virt.instance.create", "zfs.dataset.delete", "pool.snapshot.clone", "virt.instance.update",
         "virt.instance.start", "pool.snapshot.delete"]  # fmt: skip


@pytest.mark.parametrize(("method", "lands"), [*((method, True) for method in CLONE), ("virt.instance.create", False), (CLONE[3], False)])
def test_a_clone(method: str, lands: bool, cut: Cut, playbook: Playbooks, base: Base, lab: RunningLab, strangers: None) -> None:
    options = {"name": "w[1:2]", "from": "base", "concurrency": 1}
    cut(method, lands, options)
    again(playbook, options)
    assert [base.content(f"w{number}") for number in (1, 2)] == [LATER, LATER]
    assert {name: entry["status"] for name, entry in lab.instances().items() if name.startswith("px-w")} == {
        "px-w1": "RUNNING",
        "px-w2": "RUNNING",
    }
    # The next clone of the base finds what the killed run has left there.
    again(playbook, {"name": "w3", "from": "base"})
    again(playbook, {"name": "w[1:3]", "state": "absent"})
    assert base.left() == base.declared() | {f"{base.dataset}@{NIGHT}"}


@pytest.mark.parametrize("method", ["virt.instance.create", "virt.instance.update"])
def test_one_that_takes_two_calls(method: str, cut: Cut, playbook: Playbooks, lab: RunningLab) -> None:
    """A stopped container that is to start with the appliance keeps that wish, whenever the first run ended."""
    options = {"name": "task1", "state": "present"}
    cut(method, True, options)
    again(playbook, options)
    entry = lab.instance("px-task1")
    assert entry is not None and (entry["autostart"], entry["status"]) == (True, "STOPPED")
    assert "making" not in entry["environment"]["PIXELS_SANDBOX"]


@pytest.mark.parametrize("method", ["zfs.dataset.delete", "virt.instance.delete"])
def test_a_removal(method: str, cut: Cut, playbook: Playbooks, base: Base, lab: RunningLab, strangers: None) -> None:
    lab.ask("pool.snapshot.clone", {"snapshot": base.ready, "dataset_dst": parked("kept.1", "base")})
    checkpoint(lab, parked("kept.1", "base"), "later")
    options = {"name": "base", "state": "absent"}
    cut(method, True, options)
    again(playbook, options)
    assert base.left() == set()


@pytest.mark.parametrize("method", ["pool.snapshot.delete", "pool.dataset.promote", "virt.instance.delete"])
def test_a_promotion(method: str, cut: Cut, playbook: Playbooks, base: Base, lab: RunningLab, strangers: None) -> None:
    again(playbook, {"name": "w[1:2]", "from": "base:ready"})
    options = {"name": "base", "state": "absent", "dependents": "promote"}
    cut(method, True, options)
    again(playbook, options)
    assert sorted(name for name in lab.instances() if name.startswith("px-w")) == ["px-w1", "px-w2"]
    again(playbook, {"name": "w[1:2]", "state": "absent"})
    assert base.left() == set()
