"""Fixtures of the tests that run playbooks and modules against the lab without containers."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import identity_answer
import pytest
from playbook import Playbooks, PlayRun, make_home
from running_lab import RunningLab


def _lab(version: str) -> Iterator[RunningLab]:
    # Not pytest's own temporary directory: the path of a unix socket must be short.
    directory = Path(tempfile.mkdtemp(prefix="px-lab-"))
    try:
        lab = RunningLab.start(directory / "lab", version=version)
        try:
            yield lab
        finally:
            lab.destroy()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def _lab_2510() -> Iterator[RunningLab]:
    yield from _lab("25.10")


@pytest.fixture(scope="session")
def _lab_2504() -> Iterator[RunningLab]:
    yield from _lab("25.04")


@pytest.fixture
def lab(_lab_2510: RunningLab) -> RunningLab:
    """TrueNAS 25.10, as new."""
    _lab_2510.reset()
    identity_answer.answer(_lab_2510)
    return _lab_2510


@pytest.fixture
def lab_2504(_lab_2504: RunningLab) -> RunningLab:
    """TrueNAS 25.04, as new."""
    _lab_2504.reset()
    identity_answer.answer(_lab_2504)
    return _lab_2504


@pytest.fixture
def home() -> Iterator[Path]:
    """The home directory of somebody with an SSH key and no configuration."""
    directory = Path(tempfile.mkdtemp(prefix="px-home-"))
    yield make_home(directory)
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def playbook(lab: RunningLab, home: Path) -> Playbooks:
    """Runs playbooks against the 25.10 lab: `playbook("create", name="task1", provision=False)`."""
    return Playbooks(home, lab.env)


@pytest.fixture
def playbook_2504(lab_2504: RunningLab, home: Path) -> Playbooks:
    return Playbooks(home, lab_2504.env)


@pytest.fixture
def container(playbook: Playbooks) -> Callable[..., PlayRun]:
    """Runs one `container` task: `container(name="task1", state="started")`."""

    def run(*, check: bool = False, diff: bool = False, **options: Any) -> PlayRun:
        task = {"name": "Container", "pixels.sandbox.container": {"wait_for": "none", **options}}
        return playbook.tasks(task, check=check, diff=diff)

    return run


@pytest.fixture
def journal_changes(lab: RunningLab) -> Callable[[], list[str]]:
    """The changing calls since the test began."""
    since = lab.mark()
    return lambda: lab.changes(since)
