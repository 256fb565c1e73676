# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the appliance's ZFS answers and refuses, for the conversations of these tests: shapes of the contract and its recordings."""

from __future__ import annotations

from typing import Any

from ansible_collections.pixels.sandbox.plugins.module_utils.nas.zfs import ZfsStorage
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.errors import CallError, OutcomeUnknown
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.faults import error_of
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.nas.scripted import ScriptedApi

DS = "tank/.ix-virt/containers/px-base"
READY = f"{DS}@pixels-ready"
PROPERTIES = {"extra": {"properties": ["creation", "createtxg", "clones", "defer_destroy", "userrefs"]}}
DETAILS = {"extra": {"properties": ["used", "referenced", "creation", "createtxg", "clones", "defer_destroy", "userrefs"]}}
ALONE: dict[str, Any] = {
    "extra": {"properties": ["origin"], "user_properties": False, "retrieve_children": False},
    "select": ["id", "properties"],
}
BELOW: dict[str, Any] = {
    "extra": {"properties": ["origin"], "user_properties": False, "retrieve_children": True},
    "select": ["id", "properties"],
}


def shown(text: str, **others: Any) -> dict[str, Any]:
    return {"value": text, "rawvalue": text, "parsed": text, "source": "NONE", **others}


def snapshot(ident: str = READY, txg: int = 1007, **properties: str | None) -> dict[str, Any]:
    """An entry of a snapshot query; a property given as None is left out."""
    dataset, _at, name = ident.partition("@")
    raw: dict[str, str | None] = {
        "creation": "1795418260",
        "createtxg": str(txg),
        "used": "8192",
        "referenced": "104857600",
        "clones": "",
        "defer_destroy": "off",
        "userrefs": "0",
        **properties,
    }
    return {
        "id": ident,
        "name": ident,
        "pool": ident.partition("/")[0],
        "type": "SNAPSHOT",
        "snapshot_name": name,
        "dataset": dataset,
        "createtxg": str(txg),
        "properties": {key: shown(text) for key, text in raw.items() if text is not None},
    }


class Talk(ScriptedApi):
    """A conversation about ZFS with one version of the appliance."""

    def __init__(self, version: str) -> None:
        super().__init__()
        self.version = version
        self.old = version.startswith("25.04")
        self.service = "zfs.snapshot" if self.old else "pool.snapshot"

    def storage(self, **arguments: Any) -> ZfsStorage:
        return ZfsStorage(self, self.version, **arguments)

    def looks_for_snapshot(self, ident: str, *entries: dict[str, Any]) -> None:
        self.expect("read", f"{self.service}.query", [["id", "=", ident]], PROPERTIES, result=list(entries))

    def looks_for_dataset(self, name: str, *, there: bool = True, origin: str | None = None) -> None:
        if self.old:
            found = [{"id": name, "properties": {"origin": shown(origin or "")}}] if there else []
            self.expect("read", "zfs.dataset.query", [["id", "=", name]], ALONE, result=found)
            return
        query = {"paths": [name], "properties": ["origin"], "get_children": False}
        value = {"raw": origin or "", "value": origin, "source": {"type": "NONE", "value": None}}
        entry: dict[str, Any] = {"name": name, "pool": "tank", "type": "FILESYSTEM", "properties": {"origin": value}, "children": None}
        error = None if there else no_such_path(name)
        self.expect("read", "zfs.resource.query", query, result=[entry], error=error)


def refused(method: str, text: str, number: int = 14) -> CallError:
    """A CallError of the appliance, most often ZFS's words and no more."""
    data = {"error": number, "errname": "EFAULT", "reason": f"[EFAULT] {text}", "trace": {"class": "CallError"}, "extra": None}
    return error_of(method, {"code": -32001, "message": "Method call error", "data": data})


def invalid(method: str, attribute: str | None, text: str, number: int) -> CallError:
    """A validation error; without attribute and with ENOENT it is the proven not-found."""
    data = {"error": 22, "errname": "EINVAL", "reason": f"[EINVAL] {text}", "extra": [[attribute, text, number]]}
    return error_of(method, {"code": -32602, "message": "Invalid params", "data": data})


def no_such_path(name: str) -> CallError:
    return invalid("zfs.resource.query", "zfs.resource.query", f"{name!r} not found", 2)


def lost(method: str) -> OutcomeUnknown:
    return OutcomeUnknown(method, "the connection was lost after it was sent")
