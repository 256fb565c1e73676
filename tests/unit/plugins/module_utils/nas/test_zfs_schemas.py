# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Everything that is asked of an appliance's ZFS is what its own schemas take, and exists in its version."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.nas.driver import ContainerSpec, Nic
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.errors import DriverError
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.virt import VirtDriver
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.zfs_entry import snapshot_record
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.endpoint import Endpoint
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.errors import CallError, OutcomeUnknown
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.nas.scripted import shared_folder
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.nas.zfs_talk import (
    DS,
    READY,
    invalid,
    lost,
    refused,
    shown,
    snapshot,
)

HOLDER = "tank/.ix-virt"
SPEC = ContainerSpec("px-task1", "debian/12", "2", 64, "tank", {"A": "b"}, True, Nic("macvlan", "eth0"))
# What an account without all rights may not call, and why there is no other way.
PRIVATE = {"zfs.dataset.delete", "zfs.dataset.query", "zfs.dataset.rename"}

ACTIONS: dict[str, Callable[[VirtDriver], Any]] = {
    "snapshots of one": lambda driver: driver.storage.snapshots([DS]),
    "snapshots of many": lambda driver: driver.storage.snapshots([DS, f"{HOLDER}/x"], prefixes=[f"{HOLDER}/pixels.kept.px-base."]),
    "snapshots below": lambda driver: driver.storage.snapshots(prefixes=[f"{HOLDER}/"]),
    "datasets": lambda driver: driver.storage.datasets([HOLDER, "dozer/.ix-virt"]),
    "snapshot": lambda driver: driver.storage.snapshot(DS, "pixels-ready"),
    "destroy_snapshot": lambda driver: driver.storage.destroy_snapshot(READY, defer=True),
    "rollback": lambda driver: driver.storage.rollback(READY, newer=True),
    "clone": lambda driver: driver.storage.clone(READY, f"{HOLDER}/pixels.new.px-base"),
    "promote": lambda driver: driver.storage.promote(DS),
    "rename": lambda driver: driver.storage.rename(DS, f"{HOLDER}/pixels.old.px-base"),
    "destroy_dataset": lambda driver: driver.storage.destroy_dataset(DS, recursive=True),
    "a container": lambda driver: driver.clone(SPEC, READY),
}


class Recorder:
    """Answers anything plausibly, fails changing calls when told to, and keeps what was sent."""

    def __init__(self, fail: Exception | None) -> None:
        self.sent: list[tuple[str, str, list[Any]]] = []
        self.fail = fail

    def read(self, method: str, *params: Any, timeout: float = 60.0) -> Any:
        self.sent.append(("plain", method, json.loads(json.dumps(params))))
        if method.endswith("snapshot.query"):
            return [snapshot(READY, 10, clones=None), snapshot(f"{DS}@b", 20)]
        if method == "zfs.resource.query":
            return [{"name": DS, "properties": {"origin": {"raw": READY, "value": READY}}}]
        return [{"id": DS, "name": "px-task1", "properties": {"origin": shown(READY)}}]

    def call(self, method: str, *params: Any, timeout: float = 60.0) -> Any:
        self.sent.append(("plain", method, json.loads(json.dumps(params))))
        if self.fail is not None:
            raise self.fail

    def job(self, method: str, *params: Any, timeout: float = 900.0, on_progress: Any = None) -> Any:
        self.sent.append(("job", method, json.loads(json.dumps(params))))

    def close(self) -> None:
        pass


FAILURES = [None, refused("x", "some words"), invalid("x", "options.defer", "some words", 22), lost("x")]


@pytest.mark.parametrize("fail", FAILURES, ids=["ok", "refused", "invalid", "lost"])
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(("version", "schema"), [("25.04.2.6", "25.04.2"), ("25.10.6", "25.10")])
def test_the_appliance_takes_what_is_sent(
    monkeypatch: pytest.MonkeyPatch, version: str, schema: str, action: str, fail: Exception | None
) -> None:
    monkeypatch.setattr("ansible_collections.pixels.sandbox.plugins.module_utils.nas.zfs.LATE", 0.0)
    jsonschema = pytest.importorskip("jsonschema")
    schemas = json.loads((shared_folder() / f"{schema}.json").read_text())
    api = Recorder(fail)
    try:
        ACTIONS[action](VirtDriver(api, Endpoint("wss://nas:443", "root", "k"), version))
    except (CallError, DriverError, OutcomeUnknown):
        assert fail is not None
    assert api.sent
    for kind, method, params in api.sent:
        jsonschema.Draft202012Validator(schemas[method]["accepts"]).validate(params)
        assert kind == ("job" if schemas[method]["job"] else "plain")
        assert not schemas[method].get("private") or method in PRIVATE


def test_snapshots_as_they_were_recorded() -> None:
    """Shapes of the real server; its ZFS was a stand-in that knew fewer properties."""
    rows = json.loads((shared_folder() / "recordings" / "25.10" / "pool-snapshot.json").read_text())
    entries = [row["msg"]["result"] for row in rows if isinstance((row.get("msg") or {}).get("result"), dict)]
    records = [snapshot_record(entry) for entry in entries if entry.get("type") == "SNAPSHOT"]
    assert records
    for record, clones_known in records:
        assert record.dataset == "tank/.ix-virt/containers/hx-web"
        assert record.created > 1795400000
        assert (record.txg, record.referenced, clones_known) == ({"a": 1007, "b": 1014}[record.name], 104857600, False)
