# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A conversation written down beforehand: the calls that a driver has to make, in order, and what the appliance answers to each."""

from __future__ import annotations

import copy
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass
class Expected:
    kind: str
    method: str
    params: tuple[Any, ...] | None
    result: Any = None
    error: Exception | None = None


class ScriptedApi:
    """An Api that answers from its script and complains about any other call."""

    def __init__(self) -> None:
        self.script: list[Expected] = []
        self.sent: list[tuple[str, str, tuple[Any, ...]]] = []
        self.closed = False

    def expect(self, kind: str, method: str, *params: Any, result: Any = None, error: Exception | None = None) -> None:
        """`kind` is read, call or job; params given as the single value ... are not looked at."""
        self.script.append(Expected(kind, method, None if params == (...,) else params, result, error))

    def _answer(self, kind: str, method: str, params: tuple[Any, ...]) -> Any:
        # What was sent must be what it was at the time, and must be JSON.
        params = tuple(json.loads(json.dumps(params)))
        self.sent.append((kind, method, params))
        assert self.script, f"unexpected {kind} {method} {params}"
        step = self.script.pop(0)
        assert (kind, method) == (step.kind, step.method), f"{kind} {method} {params}, expected {step}"
        if step.params is not None:
            assert params == tuple(json.loads(json.dumps(step.params)))
        if step.error is not None:
            raise step.error
        return copy.deepcopy(step.result)

    def read(self, method: str, *params: Any, timeout: float = 60.0) -> Any:
        return self._answer("read", method, params)

    def call(self, method: str, *params: Any, timeout: float = 60.0) -> Any:
        return self._answer("call", method, params)

    def job(self, method: str, *params: Any, timeout: float = 900.0, on_progress: Any = None) -> Any:
        return self._answer("job", method, params)

    def close(self) -> None:
        self.closed = True

    def finish(self) -> None:
        assert not self.script, f"never called: {self.script}"


def shared_folder() -> Path:
    """The folder with the schemas and recordings; the test skips where there is none, as on a user's machine."""
    named = os.environ.get("PIXELS_SHARED")
    candidates = [Path(named)] if named else [parent / "shared" for parent in [Path.cwd(), *Path(__file__).resolve().parents]]
    candidates += [parent.parent / "shared" for parent in [Path.cwd()]]
    for candidate in candidates:
        if (candidate / "truenas-api" / "25.10.json").is_file():
            return candidate / "truenas-api"
    pytest.skip("the folder with the API's schemas is not there (PIXELS_SHARED, or ../shared beside the checkout)")


def entry(name: str = "px-task1", status: str = "RUNNING", **changes: Any) -> dict[str, Any]:
    """An entry of virt.instance.query as 25.10 gives it, raw included."""
    address = [{"family": "inet", "address": "10.97.0.116", "netmask": "24", "scope": "global"}] if status == "RUNNING" else []
    base: dict[str, Any] = {
        "id": name,
        "name": name,
        "type": "CONTAINER",
        "status": status,
        "cpu": "1",
        "memory": 268435456,
        "autostart": True,
        "environment": {"FOO": "bar"},
        "aliases": [{"type": "INET", "address": entry_["address"], "netmask": 24} for entry_ in address],
        "image": {"architecture": None, "description": "debian bookworm", "os": "Debian", "release": "bookworm", "variant": None},
        "storage_pool": "tank",
        "raw": {
            "config": {"volatile.eth0.hwaddr": "10:66:6a:02:f3:f2", "volatile.eth0.name": "eth0"},
            "devices": {},
            "expanded_devices": {"eth0": {"type": "nic", "nictype": "bridged", "parent": "incusbr0"}, "root": {"type": "disk"}},
            "state": {"network": {"eth0": {"addresses": address, "hwaddr": "10:66:6a:02:f3:f2"}, "lo": {"addresses": []}}},
            "last_used_at": "2026-11-23T07:15:18Z",
        },
    }
    base.update(changes)
    return base
