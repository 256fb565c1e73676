"""Replays a recording of the real server against a lab, and says where the two differ.

Compared are the keys and types of every answer and event, the codes, errnos, classes and texts of errors, and for each job
the order of its events, its answer and its instance's events. Values that belong to a machine are not compared.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from truenas_lab.testing import Client, Closed, RunningLab

WAIT = 3.0


def recordings() -> Path | None:
    """The folder with the recordings of 25.10, or None where it is not to be had."""
    places = [Path(os.environ["PIXELS_SHARED"])] if os.environ.get("PIXELS_SHARED") else []
    places.append(Path(__file__).resolve().parents[4] / "shared")
    for place in places:
        if (folder := place / "truenas-api" / "recordings" / "25.10").is_dir():
            return folder
    return None


def rows(folder: Path, scenario: str) -> list[dict[str, Any]]:
    return list(json.loads((folder / f"{scenario}.json").read_text(encoding="utf-8")))


@dataclass
class Difference:
    scenario: str
    message: str  # of which message: an id, or the label of an event
    path: str
    recorded: Any
    lab: Any

    def __str__(self) -> str:
        return f"{self.scenario} [{self.message}] {self.path}: recorded {self.recorded!r}, lab {self.lab!r}"


def kind(value: Any) -> str:
    return "null" if value is None else type(value).__name__


_FREE_KEYS = {"environment", "arguments", "raw", "network", "addresses"}  # what is in them is the caller's or the machine's


def shapes(recorded: Any, lab: Any, path: str = "") -> list[tuple[str, Any, Any]]:
    """Where keys or types differ."""
    if isinstance(recorded, dict) and isinstance(lab, dict):
        if path.rpartition(".")[2] in _FREE_KEYS:
            return []
        found: list[tuple[str, Any, Any]] = []
        for key in sorted(set(recorded) | set(lab)):
            here = f"{path}.{key}" if path else key
            if key not in lab or key not in recorded:
                found.append((here, "present" if key in recorded else "absent", "present" if key in lab else "absent"))
            else:
                found += shapes(recorded[key], lab[key], here)
        return found
    if isinstance(recorded, list) and isinstance(lab, list):
        return shapes(recorded[0], lab[0], f"{path}[]") if recorded and lab else []
    return [] if kind(recorded) == kind(lab) else [(path, kind(recorded), kind(lab))]


_MASKED = re.compile(r"\d{4,}")


def error_differences(recorded: dict[str, Any], lab: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    found = [(name, recorded.get(name), lab.get(name)) for name in ("code", "message") if recorded.get(name) != lab.get(name)]
    left, right = recorded.get("data"), lab.get("data")
    if kind(left) != kind(right):
        return [*found, ("data", kind(left), kind(right))]
    if isinstance(left, dict) and isinstance(right, dict):
        for name in ("error", "errname", "reason", "extra"):
            if left[name] != right[name]:
                found.append((f"data.{name}", left[name], right[name]))
        if left["trace"]["class"] != right["trace"]["class"]:
            found.append(("data.trace.class", left["trace"]["class"], right["trace"]["class"]))
        found += shapes(left, right, "data")
    return found


def job_label(fields: dict[str, Any], msg: str) -> str:
    progress = fields["progress"]
    if fields["state"] == "RUNNING" and (progress["percent"] or progress["description"]):
        return "progress"
    return f"{msg} {fields['state']}"


@dataclass
class Replay:
    lab: RunningLab
    scenario: str
    keys: dict[str, str]
    differences: list[Difference] = field(default_factory=list)
    offset: int | None = None  # recorded job id minus the lab's
    clients: dict[str, Client] = field(default_factory=dict)
    taken: dict[str, set[int]] = field(default_factory=dict)
    numbers: dict[str, set[Any]] = field(default_factory=dict)
    streams: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # recorded messages per connection
    progressed: set[int] = field(default_factory=set)
    finished: list[tuple[list[dict[str, Any]], Client]] = field(default_factory=list)

    # -- connections --------------------------------------------------------------------------------------------
    async def open(self, name: str, *, path: str = "/api/current", plain: bool = False, login: bool = True) -> Client:
        client = await self.lab.connect(path, plain=plain)
        if login:
            await client.send(
                {"jsonrpc": "2.0", "id": "log in first", "method": "auth.login_with_api_key", "params": [self.keys["1-GOODKEY"]]}
            )
            assert (await client.answer("log in first"))["result"] is True
            client.received.clear()
        self.clients[name], self.taken[name], self.numbers[name], self.streams[name] = client, set(), set(), []
        return client

    def close(self, name: str) -> None:
        if name in self.clients:
            self.finished.append((self.streams.pop(name), self.clients.pop(name)))

    # -- sending ------------------------------------------------------------------------------------------------
    def own(self, value: Any) -> Any:
        """A recorded argument with the lab's keys and job ids in it."""
        if isinstance(value, dict):
            return {key: self.own(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.own(item) for item in value]
        if isinstance(value, str):
            return self.keys.get(value, value)
        return value

    def message(self, message: Any) -> Any:
        if not isinstance(message, dict) or "params" not in message or "method" not in message:
            return message
        message = {**message, "params": self.own(message["params"])}
        if message["method"] in ("core.job_wait", "core.job_abort", "core.get_jobs") and self.offset is not None:
            text = re.sub(r"\b\d+\b", lambda found: self._job(int(found.group())), json.dumps(message["params"]))
            message["params"] = json.loads(text)
        return message

    def _job(self, recorded: int) -> str:
        return str(recorded - (self.offset or 0)) if recorded < 999999 else str(recorded)

    # -- receiving ----------------------------------------------------------------------------------------------
    async def receive(self, name: str, recorded: dict[str, Any]) -> None:
        """Take the lab's counterpart of a recorded message, and compare."""
        self.streams[name].append(recorded)
        if self.repeated_progress(recorded):
            return
        client, taken = self.clients[name], self.taken[name]

        def fits(index: int, message: dict[str, Any]) -> bool:
            if index in taken:
                return False
            if "method" not in recorded:
                return "method" not in message and "id" in message and message["id"] == recorded.get("id")
            left, right = recorded["params"], message.get("params", {})
            if "method" not in message or left["collection"] != right["collection"] or left["msg"] != right["msg"]:
                return False
            if left["collection"] == "core.get_jobs":
                fields = left["fields"], right["fields"]
                if self.offset is None and fields[0]["message_ids"] == fields[1]["message_ids"]:
                    self.offset = left["id"] - right["id"]
                return left["id"] - right["id"] == self.offset and job_label(fields[0], "") == job_label(fields[1], "")
            return bool(left["id"] == right["id"] and set(left.get("fields", {})) == set(right.get("fields", {})))

        def pick(_message: dict[str, Any]) -> bool:
            return any(fits(index, message) for index, message in enumerate(client.received))

        try:
            await asyncio.wait_for(client.wait_for(pick), WAIT)
        except (TimeoutError, Closed):
            self._note(recorded, "message", "present", "absent")
            return
        index, message = next((i, m) for i, m in enumerate(client.received) if fits(i, m))
        taken.add(index)
        self.compare(recorded, message)

    def repeated_progress(self, recorded: dict[str, Any]) -> bool:
        """How often a job reports its progress is a matter of speed: only the first report is looked at."""
        if "method" not in recorded or recorded["params"]["collection"] != "core.get_jobs":
            return False
        fields = recorded["params"]["fields"]
        if job_label(fields, "") != "progress":
            return False
        known = fields["id"] in self.progressed
        self.progressed.add(fields["id"])
        return known

    def label(self, message: dict[str, Any]) -> str:
        if "method" not in message:
            return str(message.get("id"))
        params = message["params"]
        if params["collection"] == "core.get_jobs":
            return f"{params['fields']['message_ids']} {job_label(params['fields'], params['msg'])}"
        return f"{params['collection']} {params['msg']} {params.get('id')}"

    def _note(self, recorded: dict[str, Any], path: str, left: Any, right: Any) -> None:
        self.differences.append(Difference(self.scenario, self.label(recorded), path, left, right))

    def compare(self, recorded: dict[str, Any], message: dict[str, Any]) -> None:
        if "method" in recorded:
            left, right = recorded["params"], message["params"]
            for path, one, other in shapes(left, right):
                self._note(recorded, path, one, other)
            if left["collection"] == "core.get_jobs":
                for name in ("error", "method"):
                    if left["fields"][name] != right["fields"][name]:
                        self._note(recorded, f"fields.{name}", left["fields"][name], right["fields"][name])
                info = left["fields"]["exc_info"], right["fields"]["exc_info"]
                if info[0] and info[1]:
                    for name in ("type", "errno", "extra"):
                        if info[0][name] != info[1][name]:
                            self._note(recorded, f"fields.exc_info.{name}", info[0][name], info[1][name])
            return
        if set(recorded) != set(message):
            self._note(recorded, "members", sorted(recorded), sorted(message))
            return
        if "error" in recorded:
            for path, one, other in error_differences(recorded["error"], message["error"]):
                self._note(recorded, path, one, other)
            return
        left, right = recorded["result"], message["result"]
        if isinstance(left, int) and not isinstance(left, bool) and left > 2 and self.offset is None and kind(left) == kind(right):
            self.offset = left - right
        for path, one, other in shapes(left, right, "result"):
            self._note(recorded, path, one, other)
        if isinstance(left, (bool, str)) and len(str(left)) < 30 and left != right:
            self._note(recorded, "result", left, right)

    # -- order --------------------------------------------------------------------------------------------------
    def compare_order(self) -> None:
        for name in list(self.clients):
            self.close(name)
        for recorded, client in self.finished:
            left, right = job_orders(recorded), job_orders(client.received)
            for key in left:
                if left[key] != right.get(key):
                    self.differences.append(Difference(self.scenario, f"job of {key}", "order", left[key], right.get(key)))


def job_orders(messages: list[dict[str, Any]]) -> dict[str, list[str]]:
    """For every job that was started by a message: its events, its answer, and what its instance did meanwhile, in order."""
    orders: dict[str, list[str]] = {}
    instances: dict[str, str] = {}
    open_jobs: list[str] = []
    for message in messages:
        if "method" not in message:
            key = str(message.get("id"))
            if key in orders:
                orders[key].append("answer")
            continue
        params = message["params"]
        if params["collection"] == "core.get_jobs":
            fields = params["fields"]
            if not fields["message_ids"]:
                continue
            key = str(fields["message_ids"][0])
            order = orders.setdefault(key, [])
            label = job_label(fields, params["msg"])
            if label == "added WAITING":
                open_jobs.append(key)
                first = fields["arguments"][0] if fields["arguments"] else None
                instances[key] = first.get("name", "") if isinstance(first, dict) else str(first)
            if label != "progress" or order[-1:] != ["progress"]:
                order.append(label)
            if fields["state"] in ("SUCCESS", "FAILED", "ABORTED") and key in open_jobs:
                open_jobs.remove(key)
        elif params["collection"] == "virt.instance.query":
            running = [key for key in open_jobs if instances[key] == params["id"] and "changed RUNNING" in orders[key]]
            for key in running[:1]:
                orders[key].append(f"instance {params['msg']} {sorted(params.get('fields', {}))[:1]}")
    return orders
