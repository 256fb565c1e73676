"""What is checked before any worker is made."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import lease, workload
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError, Invalid

NOW = datetime(2026, 1, 31, 9, 0, tzinfo=UTC)
DEFAULTS: dict[str, Any] = {name: rule.get("default") for name, rule in workload.ARGUMENTS.items()}


def run(here: Path, **options: Any) -> dict[str, Any]:
    (here / "tmp").mkdir(exist_ok=True)
    params = {**DEFAULTS, "name": ["w[1:3]"], "argv": ["true"], **options}
    return workload.run(params, here / "tmp", os.getpid(), here, NOW)


def test_the_least(tmp_path: Path) -> None:
    found = run(tmp_path)
    assert found["names"] == ["w1", "w2", "w3"]
    assert (found["job"], found["results"]) == ("20260131-090000", str(tmp_path / "fleet-20260131-090000"))
    assert found["repository"] is None and found["task_file"] is None and found["leftovers"] == []
    assert found["worker_vars"]["w2"] == {"worker_number": 2, "worker_count": 3}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tmp"]


def test_the_command_as_a_line(tmp_path: Path) -> None:
    assert run(tmp_path, argv=None, cmd="agent -p 'a b'")["argv"] == ["agent", "-p", "a b"]


def test_variables_by_name_and_by_range(tmp_path: Path) -> None:
    by_name = {"w[1:2]": {"part": "api", "memory": "1GiB"}, "w2": {"part": "web", "env": {"A": 1}}}
    found = run(tmp_path, vars_by_name=by_name)
    assert found["worker_vars"]["w1"]["part"] == "api"
    assert found["worker_vars"]["w2"] | {"part": "web", "env": {"A": 1}} == found["worker_vars"]["w2"]
    assert found["container_vars"] == {"w1": {"memory": "1GiB"}, "w2": {"memory": "1GiB"}}


def test_paths_begin_where_the_user_is(tmp_path: Path) -> None:
    (tmp_path / "task.md").write_text("x")
    (tmp_path / "folder").mkdir()
    found = run(tmp_path, task_file="task.md", files=["folder/", {"src": "task.md", "dest": "docs/t.md"}], results="out")
    assert (found["task_file"], found["task_name"]) == (str(tmp_path / "task.md"), "task.md")
    assert [entry["dest"] for entry in found["files"]] == ["folder", "docs/t.md"]
    assert found["results"] == str(tmp_path / "out")


def test_a_task_that_the_repository_has_itself(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "task.md").write_text("theirs")
    (tmp_path / "task.md").write_text("ours")
    for words in (["init", "--quiet"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "x"]):
        subprocess.run(["git", "-C", str(source), *words], check=True, capture_output=True)
    with pytest.raises(Invalid, match="another name"):
        run(tmp_path, repository="source", task_file="task.md")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": ["Worker"]}, "name"),
        ({"argv": []}, "command is empty"),
        ({"argv": [""]}, "command is empty"),
        ({"argv": None, "cmd": "a 'b"}, "balance the quotes"),
        ({"repository": "nowhere"}, "repository"),
        ({"task_file": "nowhere.md"}, "task_file"),
        ({"files": ["nowhere"]}, "files"),
        ({"files": [{"src": "."}]}, "src and dest"),
        ({"files": [{"src": ".", "dest": "../x"}]}, "dest"),
        ({"collect": ["/etc/passwd"]}, "collect"),
        ({"collect": ["a/../../b"]}, "collect"),
        ({"collect": ["~/x"]}, "collect"),
        ({"vars_by_name": {"other": {}}}, "no such worker"),
        ({"vars_by_name": {"w1": "x"}}, "vars_by_name"),
        ({"vars_by_name": {"w1": {"a-b": 1}}}, "vars_by_name"),
        ({"vars_by_name": {"w1": {"ansible_host": "x"}}}, "vars_by_name"),
        ({"results": "file/below"}, "results"),
        ({"branch": "a..b"}, "branch"),
        ({"env": "A=1"}, "env"),
        ({"env": {"A-B": "1"}}, "env"),
        ({"time_limit": 0}, "time_limit"),
        ({"at_once": "ten"}, "at_once"),
        ({"at_once": "0"}, "at_once"),
        ({"at_once": "120%"}, "at_once"),
        ({"max_bytes": 0}, "max_bytes"),
        ({"vars_by_name": {"w1": {"branch": "-x"}}}, "branch"),
        ({"vars_by_name": {"w1": {"env": {"A": "\0"}}}}, "env"),
        ({"vars_by_name": {"w1": {"time_limit": "soon"}}}, "time_limit"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_wrong_is_said(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CoreError, match=message):
        run(tmp_path, **options)


def test_results_that_are_there_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "out" / "w2").mkdir(parents=True)
    with pytest.raises(Invalid, match="results of w2 already"):
        run(tmp_path, results="out")
    assert run(tmp_path, results="out", overwrite=True)["results"] == str(tmp_path / "out")
    assert run(tmp_path, results="out", name=["w3"])["results"] == str(tmp_path / "out")


# Containers that exist


def dead_token() -> str:
    child = subprocess.Popen(["true"])
    child.wait()
    return lease.token(child.pid).replace("-0-", "-1-")


def entry(name: str, owner: str | None) -> dict[str, Any]:
    return {"name": name, "owner": owner, "status": "running"}


def test_what_a_killed_run_has_left_is_replaced(tmp_path: Path) -> None:
    found = run(tmp_path, containers=[entry("w2", f"fleet {dead_token()}"), entry("other", None)])
    assert found["leftovers"] == ["w2"]


@pytest.mark.parametrize("owner", [None, "somebody", "fleet", "fleetxy", "fleet alpha"])
def test_a_container_of_somebody_else_is_never_replaced(tmp_path: Path, owner: str | None) -> None:
    for replace in (False, True):
        with pytest.raises(CoreError, match="w2 exists"):
            run(tmp_path, containers=[entry("w2", owner)], replace=replace)


def test_a_fleet_that_is_at_work_is_left_alone(tmp_path: Path) -> None:
    for replace in (False, True):
        with pytest.raises(CoreError, match="w2 belongs to a fleet that is at work"):
            run(tmp_path, containers=[entry("w2", run(tmp_path)["owner"])], replace=replace)


def test_a_kept_one_is_replaced_only_when_that_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(CoreError, match="w2 was kept"):
        run(tmp_path, containers=[entry("w2", "fleet-kept")])
    assert run(tmp_path, containers=[entry("w2", "fleet-kept")], replace=True)["leftovers"] == ["w2"]


def test_a_fleet_of_another_machine_counts_as_being_at_work_as_long_as_it_may_be(tmp_path: Path) -> None:
    """Its process cannot be looked at, and a job takes as long as it takes."""
    begun = int(NOW.timestamp()) - 7200
    theirs = {**entry("w2", f"fleet 0a0b0c0d-1-1-{begun}"), "expires": "2026-01-31T09:00:01Z"}
    with pytest.raises(CoreError, match="another machine"):
        run(tmp_path, containers=[theirs])
    assert run(tmp_path, containers=[theirs], replace=True)["leftovers"] == ["w2"]
    assert run(tmp_path, containers=[{**theirs, "expires": "2026-01-31T08:59:59Z"}])["leftovers"] == ["w2"]
    with pytest.raises(CoreError, match="another machine"):
        run(tmp_path, containers=[{**theirs, "expires": None}])


@pytest.mark.parametrize(
    ("options", "expires"),
    [
        ({}, "26h"),
        ({"time_limit": 7200}, "27h"),
        ({"vars_by_name": {"w2": {"time_limit": "172800"}}}, "73h"),
        ({"at_once": "1"}, "28h"),
        ({"at_once": "34%"}, "28h"),
        ({"at_once": "2"}, "27h"),
        ({"at_once": "100%"}, "26h"),
        ({"at_once": "1", "time_limit": 100_000_000}, "3474d"),
    ],
    ids=str,
)
def test_workers_are_kept_for_as_long_as_all_of_them_may_take_and_a_day(tmp_path: Path, options: dict[str, Any], expires: str) -> None:
    assert run(tmp_path, **options)["expires"] == expires
