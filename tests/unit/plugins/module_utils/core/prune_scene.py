# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An appliance with two pools and all sorts of things left behind on them, and the task that is to clear them away."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ansible_collections.pixels.sandbox.plugins.module_utils.core import known_hosts, labels
from ansible_collections.pixels.sandbox.plugins.module_utils.core.context import Context
from ansible_collections.pixels.sandbox.plugins.module_utils.core.prune import SPEC, run
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.driver import Container
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.storage import Dataset, Snapshot
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.fake_driver import FakeConfig, FakeDriver, ours
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.fake_storage import FakeStorage

NOW = int(time.time())
HOUR, DAY = 3600, 86400
# Of another machine: old enough to be over, and not.
DEAD, BUSY = (f"00000000-1-1-{NOW - age}" for age in (HOUR, 1))
PARENT = "tank/.ix-virt"
LABEL = "nas"


def parked(what: str, name: str, pool: str = "tank") -> str:
    """new, old, or kept with its number: pixels.kept.px-task1.1"""
    kind, _dot, number = what.partition(".")
    return f"{pool}/.ix-virt/pixels.{kind}.px-{name}" + (f".{number}" if number else "")


def host_key(number: int) -> str:
    blob = b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20" + bytes([number]) * 32
    return f"ssh-ed25519 {base64.b64encode(blob).decode()}"


class Storage(FakeStorage):
    """With ages and sizes. Everything is a day old and has 1000 bytes unless it is said otherwise."""

    def __init__(self, run: Any) -> None:
        super().__init__(run)
        self.born: dict[str, int | None] = {}
        self.detailed = 0

    def snapshots(self, datasets: Iterable[str] = (), *, prefixes: Iterable[str] = (), details: bool = False) -> list[Snapshot]:
        found = super().snapshots(datasets, prefixes=prefixes)
        return [replace(entry, created=self.born.get(entry.id) or NOW - DAY, used=1000 if details else None) for entry in found]

    def datasets(self, parents: Iterable[str], *, details: bool = False) -> list[Dataset]:
        self.detailed += details
        found = super().datasets(parents)
        return [replace(entry, created=self.born.get(entry.name, NOW - DAY), used=1000) for entry in found] if details else found

    def rename(self, dataset: str, new_name: str) -> None:
        def work(when: str) -> None:
            assert new_name not in self.data
            self.data[new_name] = self.data.pop(dataset)
            for snap in self.data[new_name].snaps:
                snap.dataset = new_name

        self._run("rename", dataset, work, new_name)


class Scene(FakeDriver):
    """A driver of which tests say what was left behind."""

    def __init__(self, *containers: Container) -> None:
        super().__init__(*containers)
        self.storage: Storage = Storage(self._run)  # type: ignore[assignment]
        for container in containers:
            self.storage.put(self.storage.dataset_of(container), f"data of {container.name}")

    def pools(self) -> list[str]:
        return ["dozer", "tank"]

    def left(self, dataset: str, *snapshots: str, origin: str | None = None, born: int | None = NOW - DAY) -> str:
        """A data set that is there."""
        if origin is None:
            self.storage.put(dataset, f"data of {dataset}")
        else:
            self.storage.branch(origin, dataset)
        self.storage.born[dataset] = born
        for name in snapshots:
            self.storage.take(dataset, name)
        return dataset

    def temporary(self, dataset: str, token: str) -> str:
        return self.storage.take(dataset, labels.temporary_name(token)).id

    @property
    def changed(self) -> list[tuple[Any, ...]]:
        return [call for call in self.calls if call[0] in ("delete", "rename", "promote", "destroy_snapshot", "destroy_dataset")]


def half_made(name: str, token: str = DEAD, status: str = "stopped", **changes: Any) -> Container:
    return ours(name, status, mark={"making": token, "id": "0" * 16}, **changes)


def expired(name: str, seconds: int = HOUR, **changes: Any) -> Container:
    return ours(name, mark={"expires": NOW - seconds}, **changes)


def pin(name: str, key: str, appliance: str = LABEL) -> None:
    known_hosts.pin(known_hosts.alias(appliance, name), key)


def pinned() -> set[str]:
    return set(known_hosts.pinned(LABEL))


def prune(driver: Scene, *, check_mode: bool = False, diff: bool = False, **options: Any) -> dict[str, Any]:
    params = {name: rule.get("default") for name, rule in SPEC.all_arguments().items()}
    ctx = Context(
        params={**params, **options},
        config=FakeConfig(),  # type: ignore[arg-type]
        check_mode=check_mode,
        diff=diff,
        make_endpoint=lambda: driver.endpoint,
        open_driver=lambda endpoint: driver,  # type: ignore[return-value,arg-type]
    )
    return run(ctx)


def brief(entries: list[dict[str, Any]]) -> set[tuple[str, str, str]]:
    return {(entry["what"], entry["kind"], entry["name"]) for entry in entries}
