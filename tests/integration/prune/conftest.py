"""Runs that are killed, and the task that clears up after them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from killing import kill_all
from leftovers import foreign_state, foreign_things
from playbook import Playbooks
from running_lab import RunningLab


@pytest.fixture
def prune(playbook: Playbooks) -> Callable[..., dict[str, Any]]:
    """The result of one task."""

    def run(*, check: bool = False, **options: Any) -> dict[str, Any]:
        return playbook.tasks({"name": "Prune", "pixels.sandbox.prune": options}, check=check).succeeded().last("prune")

    return run


@pytest.fixture
def pruned(playbook: Playbooks) -> Callable[..., dict[str, Any]]:
    """The same, after check mode has shown just that; the second time there is nothing to do."""

    def brief(result: dict[str, Any]) -> list[tuple[str, ...]]:
        return sorted((part, entry["what"], entry["kind"], entry["name"]) for part in ("pruned", "left") for entry in result[part])

    def run(**options: Any) -> dict[str, Any]:
        task = {"name": "Prune", "pixels.sandbox.prune": options}
        shown, done, again = playbook.tasks({**task, "check_mode": True}, task, task).succeeded().of("prune")
        assert brief(shown) == brief(done) and shown["changed"] == done["changed"] == bool(done["pruned"])
        assert not again["changed"] and again["pruned"] == []
        return done

    return run


@pytest.fixture
def cut(playbook: Playbooks, lab: RunningLab) -> Callable[..., None]:
    """Runs a `container` task and kills it while a call is under way, which never arrives or, with `lands`, is carried out all the same."""

    def run(method: str, *, lands: bool = False, **options: Any) -> None:
        since = lab.mark()
        lab.fault(method, "delay" if lands else "stall", **({"seconds": 1.0} if lands else {}))
        with playbook.started({"name": "Container", "pixels.sandbox.container": {"wait_for": "none", **options}}) as controller:
            lab.wait_for_fault(since)
            kill_all(controller.pid)
            controller.wait()
        lab.clear()
        until = time.monotonic() + 30
        while not lab.journal(since, method=method):
            assert time.monotonic() < until, f"{method} has not ended"
            time.sleep(0.05)

    return run


@pytest.fixture
def strangers(lab: RunningLab) -> Iterator[None]:
    """Somebody else's things, which have to be the same afterwards."""
    foreign_things(lab)
    before = foreign_state(lab)
    yield
    assert foreign_state(lab) == before
