"""Under ansible-runner, as AWX runs it: a private directory, the inventory and the variables as data, no terminal."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ansible_runner
import pytest
from playbook import ROOT, clean_environment
from running_lab import RunningLab


@pytest.fixture
def job(lab: RunningLab, home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    for name, value in clean_environment(home, **lab.env).items():
        monkeypatch.setenv(name, value)
    private = home / "runner"

    def run(playbook: str, **variables: Any) -> Any:
        shutil.rmtree(private, ignore_errors=True)
        private.mkdir()
        return ansible_runner.run(
            private_data_dir=str(private), project_dir=str(ROOT), playbook=playbook, extravars=variables, quiet=True, timeout=300
        )

    return run


def _changed(done: Any) -> int:
    return sum(done.stats["changed"].values())


def test_create_list_destroy(job: Any, lab: RunningLab) -> None:
    done = job(str(ROOT / "playbooks" / "create.yml"), name="task1", provision=False)
    assert (done.status, done.rc) == ("successful", 0), done.stdout.read()
    assert _changed(done) >= 1
    assert lab.instances()["px-task1"]["status"] == "RUNNING"

    again = job(str(ROOT / "playbooks" / "create.yml"), name="task1", provision=False)
    assert again.status == "successful" and _changed(again) == 0

    listed = job(str(ROOT / "playbooks" / "list.yml"))
    assert listed.status == "successful" and "task1" in listed.stdout.read()

    gone = job(str(ROOT / "playbooks" / "destroy.yml"), name="task1")
    assert gone.status == "successful"
    assert lab.instances() == {}


def test_empty_answers_of_a_survey_are_not_set(job: Any, lab: RunningLab) -> None:
    """Optional questions that were left open arrive as empty strings."""
    done = job(str(ROOT / "playbooks" / "create.yml"), container="task1", provision=False, image="", cpu="", memory="")
    assert done.status == "successful", done.stdout.read()
    assert list(lab.instances()) == ["px-task1"]


def test_failure_is_a_failed_job(job: Any, lab: RunningLab) -> None:
    done = job(str(ROOT / "playbooks" / "create.yml"), name="task1", provision=False, image="no/such/image")
    assert (done.status, done.rc) == ("failed", 2)
    assert lab.instances() == {}
