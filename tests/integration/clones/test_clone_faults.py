# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Each changing call of a clone and of a removal against each fault: the task fails clearly or succeeds, the same again converges, and
nothing is left over. One task has them all: every container suffers one fault of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from leftovers import NIGHT, checkpoint, parked, put
from playbook import Playbooks, PlayRun
from running_lab import RunningLab

from ansible_collections.pixels.sandbox.tests.integration.clones.conftest import LATER, READY, Base

Task = Callable[..., PlayRun]
FAULTS: dict[str, dict[str, Any]] = {
    "drop-before": {"fault": "drop_before"},
    "drop-after": {"fault": "drop_after"},
    "refuse": {"fault": "refuse"},
    "fail-job": {"fault": "fail_job"},
    "fail-job-after": {"fault": "fail_job_after"},
    "restart-before": {"fault": "restart", "when": "before", "seconds": 0.3},
    "restart-after": {"fault": "restart", "when": "after", "seconds": 0.3},
}
PLAIN_CALLS = [fault for fault in FAULTS if not fault.startswith("fail-job")]
CLONE = {
    "create": ("virt.instance.create", list(FAULTS)),
    "delete": ("zfs.dataset.delete", PLAIN_CALLS),
    "clone": ("pool.snapshot.clone", PLAIN_CALLS),
    "update": ("virt.instance.update", list(FAULTS)),
    "start": ("virt.instance.start", [*FAULTS, "fail-start"]),
}


def cases(calls: dict[str, tuple[str, list[str]]]) -> list[str]:
    return [f"{call}-{fault}" for call, (_method, faults) in calls.items() for fault in faults]


def break_all(lab: RunningLab, calls: dict[str, tuple[str, list[str]]], names: Callable[[str], str]) -> None:
    for call, (method, faults) in calls.items():
        for fault in faults:
            details = {"fault": "fail_start"} if fault == "fail-start" else FAULTS[fault]
            lab.fault(method, instance=names(f"{call}-{fault}"), **details)


def met(lab: RunningLab, count: int) -> None:
    used = [fault["used"] for fault in lab.faults()]
    assert used == [1] * count, f"faults that were not met: {[fault for fault in lab.faults() if not fault['used']]}"
    lab.clear()


def half_made(lab: RunningLab) -> list[str]:
    return [name for name, entry in lab.instances().items() if "making" in json.loads(entry["environment"].get("PIXELS_SANDBOX", "{}"))]


def healed(playbook: Playbooks, options: dict[str, Any]) -> PlayRun:
    """The same again with failures, then without, then once more, which changes nothing."""
    task = {"name": "Container", "pixels.sandbox.container": {"wait_for": "none", "concurrency": 1, **options}}
    run = playbook.tasks(task, task).succeeded()
    assert [result["changed"] for result in run.of("container")][1] is False
    return run


@pytest.mark.parametrize("source", ["base:ready", "base"])
def test_clone(source: str, playbook: Playbooks, base: Base, lab: RunningLab, strangers: None) -> None:
    names = cases(CLONE)
    break_all(lab, CLONE, lambda case: f"px-{case}")
    options = {"name": names, "from": source}
    task = {"name": "Container", "pixels.sandbox.container": {"wait_for": "none", "concurrency": 1, **options}, "ignore_errors": True}
    broken = playbook.tasks(task).succeeded()
    met(lab, len(names))
    assert "Traceback" not in broken.output
    # Nothing half-made is left even now, but for where an answer about the removal itself could be missing.
    assert half_made(lab) == []
    for entry in broken.results[-1].result["containers"]:
        there = lab.instance(entry["instance"])
        assert entry.get("failed") or there is not None, entry
        assert not entry.get("failed") or entry["msg"], entry

    healed(playbook, options)
    assert {name: base.content(name) for name in names} == dict.fromkeys(names, READY if source == "base:ready" else LATER)
    found = lab.instances()
    assert {found[f"px-{name}"]["status"] for name in names} == {"RUNNING"}
    assert all(found[f"px-{name}"]["autostart"] for name in names)
    playbook.tasks({"name": "Away", "pixels.sandbox.container": {"name": names, "state": "absent", "concurrency": 8}}).succeeded()
    assert base.left() == base.declared() | {f"{base.dataset}@{NIGHT}"}


@pytest.mark.parametrize("call", ["pool.snapshot.create", "pool.snapshot.delete"])
def test_the_snapshot_of_the_present_state(call: str, playbook: Playbooks, base: Base, lab: RunningLab) -> None:
    for fault in PLAIN_CALLS:
        lab.fault(call, **FAULTS[fault])
        task = {"name": "Container", "pixels.sandbox.container": {"wait_for": "none", "name": fault, "from": "base"}}
        playbook.tasks({**task, "ignore_errors": True}).succeeded()
        met(lab, 1)
    healed(playbook, {"name": PLAIN_CALLS, "from": "base"})
    # Where it could not be removed the next task with that source has seen to it.
    playbook.tasks({"name": "One more", "pixels.sandbox.container": {"name": "last", "from": "base", "wait_for": "none"}}).succeeded()
    playbook.tasks({"name": "Away", "pixels.sandbox.container": {"name": [*PLAIN_CALLS, "last"], "state": "absent"}}).succeeded()
    assert base.left() == base.declared()


def test_removal(playbook: Playbooks, base: Base, lab: RunningLab, strangers: None) -> None:
    calls = {"parked": ("zfs.dataset.delete", PLAIN_CALLS), "delete": ("virt.instance.delete", list(FAULTS))}
    names = cases(calls)
    for name in names:
        dataset = put(lab, name, start=True, **{"from": "base:ready"})
        checkpoint(lab, dataset)
        lab.ask("pool.snapshot.clone", {"snapshot": f"{dataset}@pixels-ready", "dataset_dst": parked("kept.1", name)})
        checkpoint(lab, parked("kept.1", name), "later")
    break_all(lab, calls, lambda case: f"px-{case}")
    options = {"name": names, "state": "absent"}
    task = {"name": "Container", "pixels.sandbox.container": {"concurrency": 1, **options}, "ignore_errors": True}
    broken = playbook.tasks(task).succeeded()
    met(lab, len(names))
    assert "Traceback" not in broken.output
    healed(playbook, options)
    assert base.left() == base.declared() | {f"{base.dataset}@{NIGHT}"}


def test_promotion(playbook: Playbooks, lab: RunningLab, strangers: None) -> None:
    calls = {
        "defer": ("pool.snapshot.delete", PLAIN_CALLS),
        "promote": ("pool.dataset.promote", PLAIN_CALLS),
        "delete": ("virt.instance.delete", list(FAULTS)),
    }
    names = cases(calls)
    for name in names:
        dataset = put(lab, name)
        lab.write(dataset, "/root/work", name)
        snapshot = checkpoint(lab, dataset)
        lab.ask("pool.snapshot.clone", {"snapshot": snapshot, "dataset_dst": f"tank/of-{name}"})
    # A promotion is about the clone, everything else about the container itself.
    for call, (method, faults) in calls.items():
        for fault in faults:
            about = f"of-{call}-{fault}" if call == "promote" else f"px-{call}-{fault}"
            lab.fault(method, instance=about, **FAULTS[fault])
    options = {"name": names, "state": "absent", "dependents": "promote"}
    task = {"name": "Container", "pixels.sandbox.container": {"concurrency": 1, **options}, "ignore_errors": True}
    playbook.tasks(task).succeeded()
    met(lab, len(names))
    healed(playbook, options)
    assert {name: lab.read(f"tank/of-{name}", "/root/work") for name in names} == {name: name for name in names}
    assert not [name for name in lab.instances() if name.removeprefix("px-") in names]
    assert _snapshots_of(lab, (f"tank/of-{name}" for name in names)) == []


def _snapshots_of(lab: RunningLab, datasets: Iterable[str]) -> list[str]:
    """Those that a clone needs go with the clone: here each has but one, which has none left."""
    wanted = set(datasets)
    return [name for name in lab.snapshots() if name.partition("@")[0] in wanted]
