"""Makes what runs leave behind, and what is somebody else's: with the lab's own switches and calls, not with the collection."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from running_lab import RunningLab

NIGHT = "auto-2026-11-23_00-00"
STRANGER = "tank/.ix-virt/pixels-stranger"


def put(lab: RunningLab, name: str, *, start: bool = False, **mark: Any) -> str:
    """A container with our mark, whatever that says; the answer is its data set."""
    mark = {"id": name.encode().hex()[:16].ljust(16, "0"), "image": "debian/12", "name": f"px-{name}", **mark}
    lab.state(foreign={"name": f"px-{name}", "environment": {"PIXELS_SANDBOX": json.dumps(mark)}, "start": start})
    return lab.dataset(f"px-{name}")


def checkpoint(lab: RunningLab, dataset: str, label: str = "ready") -> str:
    lab.state(snapshot={"dataset": dataset, "name": f"pixels-{label}"})
    return f"{dataset}@pixels-{label}"


def clone(lab: RunningLab, snapshot: str, dataset: str) -> str:
    lab.ask("pool.snapshot.clone", {"snapshot": snapshot, "dataset_dst": dataset})
    return dataset


def rename(lab: RunningLab, dataset: str, new_name: str) -> str:
    lab.ask("pool.dataset.rename", dataset, {"new_name": new_name, "force": True})
    return new_name


def parked(what: str, name: str, pool: str = "tank") -> str:
    """new, old, or kept with its number: pixels.kept.px-task1.1"""
    kind, _dot, number = what.partition(".")
    return f"{pool}/.ix-virt/pixels.{kind}.px-{name}" + (f".{number}" if number else "")


def foreign_things(lab: RunningLab) -> None:
    """A container that is called as ours are, one that is not, a data set beside ours, and a night's snapshots of it all."""
    for name in ("px-theirs", "web"):
        lab.state(foreign={"name": name, "start": True})
    lab.nightly(NIGHT)
    clone(lab, f"{lab.dataset('web')}@{NIGHT}", STRANGER)
    lab.state(snapshot={"dataset": lab.dataset("px-theirs"), "name": "pixels-ready"})


def foreign_state(lab: RunningLab) -> dict[str, Any]:
    """What there is of those."""
    mine = [lab.dataset("px-theirs"), lab.dataset("web"), STRANGER]
    return {
        "instances": {name: entry["status"] for name, entry in lab.instances().items() if name in ("px-theirs", "web")},
        "datasets": {name: origin for name, origin in lab.datasets().items() if name in mine},
        "snapshots": sorted(name for name in lab.snapshots() if name.partition("@")[0] in mine),
    }


def pin(home: Path, lab: RunningLab, name: str) -> None:
    """A host key that this machine trusts."""
    file = known_hosts(home)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    kind, key, *_comment = (home / ".ssh" / "id_ed25519.pub").read_text().split()
    with file.open("a") as stream:
        stream.write(f"{name}.{lab.host.replace(':', '_')} {kind} {key}\n")


def known_hosts(home: Path) -> Path:
    return home / ".local" / "state" / "pixels" / "known_hosts"
