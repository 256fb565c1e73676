"""One status and one reason for each worker, and who stays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import fleet_summary, job_result
from ansible_collections.pixels.sandbox.plugins.module_utils.core.repository import Verified
from ansible_collections.pixels.sandbox.plugins.module_utils.core.tree import Entry

DEFAULTS: dict[str, Any] = {name: rule.get("default") for name, rule in fleet_summary.ARGUMENTS.items()}
NAMES = [f"w{number}" for number in range(1, 8)]


def gathered(tmp_path: Path, name: str, status: str, **known: Any) -> dict[str, Any]:
    values = job_result.record(name, status, None if status == "done" else f"it is {status}", **known)
    with job_result.folder(tmp_path / "out", name, overwrite=False) as place:
        job_result.save(place, values)
    return {**values, "dest": str(tmp_path / "out" / name), "changed": True}


def summary(tmp_path: Path, **options: Any) -> dict[str, Any]:
    """w1 done, w2 failed, w3 lost, w4 without a job, w5 without SSH, w6 not made, w7 forgotten."""
    params = {
        **DEFAULTS,
        "names": NAMES,
        "results": "out",
        "made": [{"name": name} for name in NAMES if name != "w6"] + [{"name": "w6", "failed": True, "msg": "no room"}],
        "opened": [{"name": name} for name in NAMES[:4]] + [{"name": "w5", "failed": True, "msg": "no sshd"}],
        "started": {**{name: {"changed": True} for name in ("w1", "w2", "w3")}, "w4": {"failed": True, "msg": "there is no git"}},
        "gathered": {
            "w1": gathered(tmp_path, "w1", "done", exit_status=0, commits=2, logs=["stdout.log"]),
            "w2": gathered(tmp_path, "w2", "failed", exit_status=3),
            "w3": gathered(tmp_path, "w3", "lost"),
            "w4": {"skipped": True},
        },
        "present": [{"name": name, "status": "stopped" if name == "w3" else "running"} for name in NAMES if name != "w6"],
        **options,
    }
    return fleet_summary.run(params, tmp_path)


def test_everybody_has_a_status_and_a_file(tmp_path: Path) -> None:
    found = summary(tmp_path)
    wanted = dict(zip(NAMES, ["done", "failed", "lost", "not_started", "not_made", "not_made", "not_made"], strict=True))
    assert found["statuses"] == wanted
    assert {path.parent.name: json.loads(path.read_text())["status"] for path in (tmp_path / "out").glob("*/result.json")} == wanted
    assert found["failed_workers"] == NAMES[1:]
    assert found["message"].startswith("6 of 7 workers failed: w2 (failed): it is failed; w3 (lost): it is lost; its container is stopped")
    assert "w4 (not_started): there is no git" in found["message"] and "w6 (not_made): no room" in found["message"]
    assert "its container is stopped" in json.loads((tmp_path / "out/w3/result.json").read_text())["error"]
    assert [row["exit"] for row in found["rows"]] == [0, 3, None, None, None, None, None]


@pytest.mark.parametrize(
    ("keep", "kept"), [("never", []), ("failed", ["w2", "w3", "w4", "w5", "w7"]), ("always", ["w1", "w2", "w3", "w4", "w5", "w7"])]
)
def test_who_stays(tmp_path: Path, keep: str, kept: list[str]) -> None:
    found = summary(tmp_path, keep=keep)
    assert found["kept"] == kept
    assert sorted(found["kept"] + found["to_destroy"]) == [name for name in NAMES if name != "w6"]


def test_a_task_that_could_not_be_templated(tmp_path: Path) -> None:
    found = summary(tmp_path, started={"w4": {"failed": True, "msg": "'part' is undefined"}}, gathered={})
    assert found["workers"][3]["error"] == "'part' is undefined"


def test_check_mode_writes_nothing(tmp_path: Path) -> None:
    params = {**DEFAULTS, "names": NAMES, "results": "out"}
    assert fleet_summary.run(params, tmp_path, check_mode=True)["failed_workers"] == NAMES
    assert not (tmp_path / "out").exists()


# What a container says of itself

HOSTILE: list[Any] = [None, [], "x", {"status": []}, {"status": {"status": "0"}}, {"status": {"status": True}}, {"git": 7}]


@pytest.mark.parametrize("said", HOSTILE, ids=repr)
def test_an_account_that_makes_no_sense_is_no_success(said: Any) -> None:
    found = job_result.of_job("w", "j", said if isinstance(said, dict) else {"status": said}, [], None, None)
    assert found["status"] == "lost"
    json.dumps(found)


def test_an_account_full_of_traps_becomes_short_plain_text() -> None:
    said = {
        "status": {"status": 0, "seconds": float("inf"), "began": 10**400},
        "git": {"commit": "; rm -rf /", "branch": "\x1b[2J" + "x" * 10_000, "commits": 10**400, "uncommitted": ["a"]},
        "left_out": ["\x1b]0;owned\x07", {"a": 1}, "\ud800"] * 1000,
        "cut": "stdout.log",
    }
    found = job_result.of_job("w", "j", said, [Entry("files/a\udcff", 1)], "c" * 40, None)
    text = json.dumps(found)
    assert found["status"] == "done" and (found["seconds"], found["started"], found["commit_after"]) == (None, None, None)
    assert found["commits"] is None and found["uncommitted"] is None
    assert "\\u001b" not in text and len(text) < 50_000
    json.loads(text).keys()
    text.encode("utf-8")


def test_a_bundle_that_is_none_is_a_failure() -> None:
    entries = [Entry("repository.bundle", 10)]
    found = job_result.of_job("w", "j", {"status": {"status": 0}}, entries, "c" * 40, Verified({}, "git bundle verify: no"))
    assert found["status"] == "failed" and found["bundle"] is None and "git bundle verify: no" in found["error"]


def test_results_on_their_way_of_a_host_with_a_longer_name_stay(tmp_path: Path) -> None:
    with job_result.folder(tmp_path, "node.lan", overwrite=False) as place:
        with job_result.folder(tmp_path, "node", overwrite=False) as other:
            job_result.save(other, {})
        job_result.save(place, {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["node", "node.lan"]


def test_what_a_killed_run_has_left_goes(tmp_path: Path) -> None:
    killed = job_result.folder(tmp_path, "w1", overwrite=False)
    killed.__enter__()
    with job_result.folder(tmp_path, "w1", overwrite=False) as place:
        job_result.save(place, {})
    assert [path.name for path in tmp_path.iterdir()] == ["w1"]
