# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A base with a checkpoint, somebody else's things around it, and tasks about clones of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from leftovers import STRANGER, checkpoint, foreign_state, foreign_things, put
from playbook import Playbooks, PlayRun
from running_lab import RunningLab

READY, LATER = "as it was prepared", "as it is now"


@dataclass(frozen=True)
class Base:
    """The container base: its checkpoint ready, and its present state, which is another one."""

    lab: RunningLab
    dataset: str

    @property
    def ready(self) -> str:
        return f"{self.dataset}@pixels-ready"

    def content(self, name: str, pool: str = "tank") -> str | None:
        """What is in the file of a clone that is written in the base."""
        return self.lab.read(self.lab.dataset(f"px-{name}", pool), "/root/work")

    def left(self) -> set[str]:
        """All data sets of ours and all snapshots of them."""
        theirs = (self.lab.dataset("px-theirs"), self.lab.dataset("web"), STRANGER)
        return {name for name in (*self.lab.datasets(), *self.lab.snapshots()) if name.partition("@")[0] not in theirs}

    def declared(self) -> set[str]:
        return {self.dataset, self.ready}


@pytest.fixture
def base(lab: RunningLab) -> Base:
    dataset = put(lab, "base", start=True)
    lab.write(dataset, "/root/work", READY)
    checkpoint(lab, dataset)
    lab.write(dataset, "/root/work", LATER)
    return Base(lab, dataset)


@pytest.fixture
def strangers(lab: RunningLab) -> Iterator[None]:
    """Somebody else's things, which have to be the same afterwards."""
    foreign_things(lab)
    before = foreign_state(lab)
    yield
    assert foreign_state(lab) == before


@pytest.fixture
def task(playbook: Playbooks) -> Callable[..., PlayRun]:
    """A play of `container` tasks, one for each mapping of options."""

    def run(*tasks: dict[str, Any], check: bool = False) -> PlayRun:
        given = [{"name": "Container", "pixels.sandbox.container": {"wait_for": "none", **options}} for options in tasks]
        return playbook.tasks(*given, check=check)

    return run
