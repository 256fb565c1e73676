"""Everything that a killed run leaves behind is found from the appliance alone and cleared away, and nothing else is."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from killing import kill_all
from leftovers import checkpoint, clone, known_hosts, parked, pin, put, rename
from playbook import Playbooks, make_home
from running_lab import RunningLab

Prune = Callable[..., dict[str, Any]]
Cut = Callable[..., None]


def brief(entries: list[dict[str, Any]]) -> set[tuple[str, str, str]]:
    return {(entry["what"], entry["kind"], entry["name"]) for entry in entries}


@pytest.mark.usefixtures("strangers")
@pytest.mark.parametrize(
    ("method", "lands"),
    [
        ("virt.instance.create", True),
        ("zfs.dataset.delete", False),
        ("zfs.dataset.delete", True),
        ("pool.snapshot.clone", False),
        ("pool.snapshot.clone", True),
    ],
)
def test_d30_clone_that_was_cut_off(method: str, lands: bool, lab: RunningLab, pruned: Prune, cut: Cut) -> None:
    """D30: kill -9 during create; nothing but the appliance knows of it."""
    base = put(lab, "base", start=True)
    ready = checkpoint(lab, base)
    cut(method, lands=lands, name="w1", **{"from": "base:ready"})
    done = pruned()
    assert brief(done["pruned"]) == {("half_made", "container", "w1")}
    assert "px-w1" not in lab.instances() and lab.dataset("px-w1") not in lab.datasets()
    assert lab.instance("px-base") and ready in lab.snapshots()


@pytest.mark.usefixtures("strangers")
def test_clone_of_a_present_state_that_was_cut_off(lab: RunningLab, pruned: Prune, cut: Cut) -> None:
    base = put(lab, "base", start=True)
    cut("zfs.dataset.delete", name="w1", **{"from": "base"})
    (temporary,) = [name for name in lab.snapshots() if name.startswith(f"{base}@pixels.tmp.")]
    done = pruned()
    assert brief(done["pruned"]) == {("half_made", "container", "w1"), ("orphaned", "snapshot", temporary)}
    assert [name for name in lab.snapshots() if name.startswith(base)] == []


def test_temporary_snapshot_that_a_clone_needs_goes_with_it(lab: RunningLab, pruned: Prune) -> None:
    base = put(lab, "base")
    temporary = f"{base}@pixels.tmp.00000000-1-1-1"
    lab.state(snapshot={"dataset": base, "name": "pixels.tmp.00000000-1-1-1"})
    clone(lab, temporary, f"{base}-clone")
    (one,) = pruned()["pruned"]
    assert one["dependents"] and lab.snapshots()[temporary]["deferred"]
    lab.ask("zfs.dataset.delete", f"{base}-clone")
    assert temporary not in lab.snapshots()


@pytest.mark.usefixtures("strangers")
def test_expired(lab: RunningLab, pruned: Prune) -> None:
    put(lab, "old", start=True, expires=1)
    put(lab, "young", expires=int(time.time()) + 3600)
    put(lab, "ageless")
    assert brief(pruned()["pruned"]) == {("expired", "container", "old")}
    assert {"px-young", "px-ageless"} <= set(lab.instances()) and "px-old" not in lab.instances()


def test_expired_with_clones(lab: RunningLab, pruned: Prune, playbook: Playbooks) -> None:
    base = put(lab, "base", expires=1)
    lab.write(base, "etc/motd", "hello")
    ready = checkpoint(lab, base)
    made = {"name": "w1", "from": "base:ready", "state": "present", "wait_for": "none"}
    playbook.tasks({"name": "Clone", "pixels.sandbox.container": made}).succeeded()
    spared = pruned()
    assert spared["pruned"] == [] and spared["left"][0]["dependents"] == ["w1"] and ready in lab.snapshots()
    (one,) = pruned(dependents="promote")["pruned"]
    assert (one["name"], one["dependents"]) == ("base", ["w1"])
    assert set(lab.instances()) == {"px-w1"} and set(lab.datasets()) == {lab.dataset("px-w1")}
    assert lab.read(lab.dataset("px-w1"), "etc/motd") == "hello"
    lab.job("virt.instance.delete", "px-w1")
    assert lab.datasets() == {} and lab.snapshots() == {}


@pytest.mark.usefixtures("strangers")
@pytest.mark.parametrize("pool", ["tank", "dozer"])
def test_d32_parked_data_whose_container_is_gone(pool: str, lab: RunningLab, pruned: Prune, playbook: Playbooks) -> None:
    """D32: on every pool."""
    made = {"name": "gone,lost", "state": "present", "autostart": False, "pool": pool}
    playbook.tasks({"name": "Make", "pixels.sandbox.container": made}).succeeded()
    for name, what in (("gone", "kept.1"), ("lost", "old")):
        dataset = lab.dataset(f"px-{name}", pool)
        checkpoint(lab, dataset)
        rename(lab, dataset, parked(what, name, pool))
        lab.job("virt.instance.delete", f"px-{name}")
    wanted = {("orphaned", "dataset", parked(what, name, pool)) for name, what in (("gone", "kept.1"), ("lost", "old"))}
    assert brief(pruned()["pruned"]) == wanted
    assert [name for name in lab.datasets() if "pixels." in name] == []


def test_host_keys_of_containers_that_are_gone(lab: RunningLab, pruned: Prune, home: Path) -> None:
    put(lab, "there")
    for name in ("there", "gone"):
        pin(home, lab, name)
    known_hosts(home).write_text(known_hosts(home).read_text() + "gone.another_443 ssh-ed25519 AAAA\n")
    assert brief(pruned()["pruned"]) == {("orphaned", "host_key", "gone")}
    assert [line.split()[0].partition(".")[0] for line in known_hosts(home).read_text().splitlines()] == ["there", "gone"]


def test_d30_from_another_machine(lab: RunningLab, cut: Cut) -> None:
    """D30: all local state is lost; all is found all the same, though it takes patience to know that nobody there is at work."""
    put(lab, "base")
    cut("pool.snapshot.clone", name="w1", **{"from": "base"})
    elsewhere = make_home(Path(lab.directory.parent) / "elsewhere")
    other = Playbooks(elsewhere, lab.env)
    done = other.tasks({"name": "Prune", "pixels.sandbox.prune": {}}).succeeded().last("prune")
    assert {entry["kind"] for entry in done["pruned"]} == {"container", "snapshot"}


@pytest.mark.usefixtures("strangers")
def test_work_in_progress_is_not_disturbed(lab: RunningLab, prune: Prune, playbook: Playbooks) -> None:
    """As long as the run lives that is at it."""
    base = put(lab, "base", start=True)
    since = lab.mark()
    lab.fault("pool.snapshot.clone", "stall")
    task = {"name": "Container", "pixels.sandbox.container": {"name": "w1", "from": "base", "wait_for": "none"}}
    with playbook.started(task) as controller:
        lab.wait_for_fault(since)
        found = prune(patience=0)
        assert found["pruned"] == [] and {entry["action"] for entry in found["left"]} == {"leave"}
        assert {entry["name"].partition("@")[0] for entry in found["left"]} == {"w1", base}
        kill_all(controller.pid)
    assert {entry["kind"] for entry in prune()["pruned"]} == {"container", "snapshot"}


@pytest.mark.usefixtures("strangers")
def test_check_mode_sends_nothing_that_changes(lab: RunningLab, playbook: Playbooks, home: Path) -> None:
    everything(lab, home)
    since = lab.mark()
    run = playbook("prune", check=True).succeeded()
    assert lab.changes(since) == [] and "Would go:" in run.stdout
    shown = [line.split()[:2] for line in run.stdout.splitlines() if line.startswith(("container ", "dataset ", "snapshot ", "host_key "))]
    done = playbook("prune").succeeded()
    assert lab.changes(since) and "Gone:" in done.stdout
    assert shown == [[entry["kind"], entry["name"]] for entry in done.last("prune")["pruned"]]
    assert len(shown) == 5 and re.search(r"KIND +NAME +REASON +AGE +SIZE", run.stdout)
    assert "Nothing has been left behind." in playbook("prune").succeeded().stdout


def everything(lab: RunningLab, home: Path) -> None:
    """One of each."""
    base = put(lab, "base", start=True)
    lab.state(snapshot={"dataset": base, "name": "pixels.tmp.00000000-1-1-1"})
    put(lab, "old", expires=1)
    put(lab, "cut", making="00000000-1-1-1")
    rename(lab, put(lab, "gone"), parked("old", "gone"))
    lab.job("virt.instance.delete", "px-gone")
    pin(home, lab, "gone")


def test_on_25_04(lab_2504: RunningLab, playbook_2504: Playbooks, home: Path) -> None:
    base = put(lab_2504, "base", start=True)
    lab_2504.state(snapshot={"dataset": base, "name": "pixels.tmp.00000000-1-1-1"})
    put(lab_2504, "old", expires=1)
    put(lab_2504, "cut", making="00000000-1-1-1")
    lab_2504.ask("zfs.dataset.rename", put(lab_2504, "gone"), {"new_name": parked("old", "gone")})
    lab_2504.job("virt.instance.delete", "px-gone")
    pin(home, lab_2504, "gone")
    run = playbook_2504("prune").succeeded()
    assert len(run.last("prune")["pruned"]) == 5
    assert set(lab_2504.instances()) == {"px-base"} and set(lab_2504.datasets()) == {base} and lab_2504.snapshots() == {}
    assert playbook_2504("prune").succeeded().changed == 0


class TestRestores:
    """Restores that were cut short."""

    def test_just_now_is_left_and_without_patience_mended(self, lab: RunningLab, prune: Prune, pruned: Prune) -> None:
        base = put(lab, "base")
        lab.write(base, "note", "first")
        ready = checkpoint(lab, base)
        lab.write(base, "note", "second")
        newer = checkpoint(lab, base, "newer")
        clone(lab, ready, parked("new", "base"))
        kept = rename(lab, base, parked("kept.1", "base"))
        since = lab.mark()
        found = prune()
        assert found["pruned"] == [] and found["left"][0]["name"] == "base" and lab.changes(since) == []
        (mended,) = pruned(patience=0)["pruned"]
        assert (mended["name"], mended["action"]) == ("base", "repair")
        assert lab.read(base, "note") == "first" and lab.read(kept, "note") == "second"
        assert sorted(lab.snapshots()) == sorted([ready, newer.replace(base, kept)])
        lab.job("virt.instance.start", "px-base")
        assert lab.instances()["px-base"]["status"] == "RUNNING"

    def test_data_that_is_missing_is_reported(self, lab: RunningLab, pruned: Prune) -> None:
        base = put(lab, "base")
        checkpoint(lab, base)
        rename(lab, base, parked("kept.1", "base"))
        found = pruned(patience=0)
        assert found["pruned"] == [] and "missing" in found["left"][0]["reason"] and parked("kept.1", "base") in lab.datasets()


@pytest.mark.usefixtures("strangers")
def test_one_failure_does_not_stop_the_rest_and_the_next_run_heals(lab: RunningLab, playbook: Playbooks) -> None:
    for name in ("a", "b", "c"):
        put(lab, name, expires=1)
    lab.fault("virt.instance.delete", "fail_job", instance="px-b", times=None)
    run = playbook("prune")
    assert run.rc == 2 and "b: " in run.failures()[-1] and "container  a" in run.stdout and "container  c" in run.stdout
    assert "px-b" in lab.instances() and not {"px-a", "px-c"} & set(lab.instances())
    lab.clear()
    assert playbook("prune").succeeded().changed == 1
    assert "px-b" not in lab.instances()


@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "restart"])
@pytest.mark.parametrize("method", ["virt.instance.delete", "zfs.dataset.delete", "pool.snapshot.delete"])
def test_a_lost_answer_is_looked_into(method: str, fault: str, lab: RunningLab, playbook: Playbooks) -> None:
    base = put(lab, "base")
    lab.state(snapshot={"dataset": base, "name": "pixels.tmp.00000000-1-1-1"})
    put(lab, "old", expires=1)
    rename(lab, put(lab, "gone"), parked("old", "gone"))
    lab.job("virt.instance.delete", "px-gone")
    lab.fault(method, fault, **({"seconds": 0.3} if fault == "restart" else {}))
    playbook.tasks({"name": "Prune", "ignore_errors": True, "pixels.sandbox.prune": {}}).succeeded()
    assert lab.faults()[0]["used"] == 1
    lab.clear()
    _healed, settled = playbook.tasks(*[{"name": "Prune", "pixels.sandbox.prune": {}}] * 2).succeeded().of("prune")
    assert not settled["changed"] and set(lab.datasets()) == {base} and lab.snapshots() == {} and set(lab.instances()) == {"px-base"}
