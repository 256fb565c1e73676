"""What each recorded scenario needs to be there before it begins, and what happened behind the recorder's back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from truenas_lab.engine.base import EngineImage
from truenas_lab.testing import RunningLab

Setup = Callable[[RunningLab], Awaitable[None]]


async def nothing(_lab: RunningLab) -> None:
    return None


async def _instance(lab: RunningLab, name: str, *, running: bool, config: dict[str, str], own_card: bool = False) -> None:
    devices = {"eth0": {"type": "nic", "nictype": "bridged", "parent": "incusbr0"}} if own_card else {}
    await lab.engine.create(name, "debian/12", {"user.autostart": "false", **config}, devices, "tank")
    if running:
        await lab.engine.start_instance(name)


async def web_and_db(lab: RunningLab) -> None:
    config = {
        "limits.cpu": "1",
        "limits.memory": "256MiB",
        "user.autostart": "true",
        "environment.FOO": "bar",
        "environment.A_B": "x y",
    }
    await _instance(lab, "hx-web", running=True, config=config, own_card=True)
    await _instance(lab, "hx-db", running=False, config={})


async def slow_queries(lab: RunningLab) -> None:
    lab.engine.query_delay = 0.2


async def slow_operations(lab: RunningLab) -> None:
    """An abort shall find the job at work."""
    lab.engine.operation_delay = 0.1


async def pull(lab: RunningLab) -> None:
    lab.engine.image_details = True
    images = lab.engine._images
    images.append(EngineImage("hx/pull", [], "Debian", "pull", "default", ["amd64"], "Debian pull (amd64, default)"))
    lab.engine.pulls = 5


async def settled(lab: RunningLab) -> None:
    """The recorder waited a moment."""
    for job in lab.running.lab.jobs.all():
        await job.done.wait()


@dataclass
class Scenario:
    setup: Setup = nothing
    login: bool = True  # the recorder logged in before the first row
    settings: dict[str, Any] = field(default_factory=dict)
    before: dict[Any, Setup] = field(default_factory=dict)  # what happened just before the message with this id


async def deaf(lab: RunningLab) -> None:
    lab.engine.deaf = ["hx-db"]


SCENARIOS: dict[str, Scenario] = {
    "abort": Scenario(slow_operations),
    "api-versions": Scenario(web_and_db),
    "auth": Scenario(login=False),
    "auth-insecure-transport": Scenario(login=False, settings={"plain_port": 0}),
    "concurrent-calls": Scenario(slow_queries),
    "create-default-job-style": Scenario(),
    "create-errors": Scenario(),
    "create-with-download": Scenario(pull),
    "delete": Scenario(web_and_db),
    "devices": Scenario(web_and_db),
    "jobs": Scenario(slow_operations, before={4: settled}),
    "lifecycle": Scenario(web_and_db, before={22: deaf}),
    "login-rate-limit": Scenario(login=False, settings={"rate_limit_calls": 20}),
    "official-client": Scenario(login=False),
    "pool-snapshot": Scenario(web_and_db),
    "protocol-errors": Scenario(),
    "query": Scenario(web_and_db),
    "rate-limit": Scenario(login=False, settings={"rate_limit_calls": 20}),
    "reconnect": Scenario(),
    "system-and-choices": Scenario(),
    "unauthenticated": Scenario(login=False),
    "update": Scenario(web_and_db),
}
ELSEWHERE = {"web-shell"}  # it has no JSON-RPC in it: test_shell.py replays it
