"""The simulated internet and the boxes in it. They live as long as the tests of this folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playbook import Playbooks
from running_lab import RunningLab

# These tests import one another's tools by name.
HERE = Path(__file__).parent
if str(HERE) not in sys.path:
    sys.path.insert(0, str(HERE))

import boxes  # noqa: E402
import internet as simulated  # noqa: E402
from leftovers import known_hosts  # noqa: E402
from suite import Agent, Outcome, attack  # noqa: E402


def forget_all(lab: RunningLab, home: Path) -> None:
    """The containers go at once, and their host keys with them: later tests look for what is left of their own."""
    lab.reset()
    if known_hosts(home).exists():
        known_hosts(home).write_text("")


@pytest.fixture(scope="package")
def internet(
    real_lab: RunningLab, playbook: Playbooks, home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[simulated.Internet]:
    real_lab.reset()
    made = simulated.make(playbook, real_lab, tmp_path_factory.mktemp("internet"))
    with made.routed():
        yield made
    forget_all(real_lab, home)


@pytest.fixture
def world_reset(internet: simulated.Internet) -> Iterator[None]:
    """Whatever a test lets the name server say is over after it."""
    yield
    internet.reset()


@pytest.fixture(scope="package")
def open_box(internet: simulated.Internet, playbook: Playbooks, real_lab: RunningLab, home: Path) -> Agent:
    return boxes.open_box(playbook, real_lab, internet, home, "eopen")


@pytest.fixture(scope="package")
def box(internet: simulated.Internet, playbook: Playbooks, real_lab: RunningLab, home: Path) -> Agent:
    return boxes.restricted_box(playbook, real_lab, internet, home, "ebox")


@pytest.fixture(scope="package")
def control(open_box: Agent, internet: simulated.Internet) -> dict[str, Outcome]:
    """All attacks where nothing holds them."""
    return attack(open_box, internet, restricted=False)


@pytest.fixture(scope="package")
def outcomes(box: Agent, internet: simulated.Internet) -> dict[str, Outcome]:
    """All attacks in the restricted box."""
    return attack(box, internet, restricted=True)
