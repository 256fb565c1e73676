"""Fixtures of the tests with real containers. Their lab is kept between runs: its image takes minutes to build.

Where real containers cannot run the tests are skipped, unless PIXELS_TEST_REAL=required says that they must.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from leftovers import known_hosts
from playbook import Playbooks, make_home
from running_lab import REAL_LAB, ROOT, RunningLab, real_lab_for_me


def _reason_against() -> str | None:
    if platform.system() != "Linux":
        return "real containers need Linux"
    if os.geteuid() != 0:
        return "real containers need root"
    return None


@pytest.fixture(scope="session")
def real_lab() -> Iterator[RunningLab]:
    """The lab with real containers, empty of containers; it runs on afterwards (`tests/tools/real_lab.sh down` stops it)."""
    reason = _reason_against()
    if reason:
        if os.environ.get("PIXELS_TEST_REAL") == "required":
            pytest.fail(reason)
        pytest.skip(reason)
    with real_lab_for_me():
        subprocess.run([str(ROOT / "tests" / "tools" / "real_lab.sh"), "up"], check=True, timeout=1200)
        lab = RunningLab(REAL_LAB)
        lab.reset()
        yield lab


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    """One home for the whole session: its SSH connections and known hosts live on from test to test, as a person's do."""
    directory = Path(tempfile.mkdtemp(prefix="px-home-"))
    yield make_home(directory)
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module", autouse=True)
def _forgotten(home: Path, request: pytest.FixtureRequest) -> None:
    """The tests of a file begin without the containers of others, which the lab's reset has removed behind the collection's back."""
    if request.path.parent.name.startswith("egress"):
        return  # the files there share their containers
    for file in (known_hosts(home), home / ".config" / "pixels" / "ssh_config"):
        if file.exists():
            file.write_text("")


@pytest.fixture(scope="session")
def playbook(real_lab: RunningLab, home: Path) -> Playbooks:
    """Runs playbooks against real containers."""
    own_key = {"PIXELS_SSH_KEY": str(home / ".ssh" / "id_ed25519")}
    return Playbooks(home, {**real_lab.env, **own_key}, timeout=600)
