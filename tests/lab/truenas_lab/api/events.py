"""Subscriptions, and the messages that go out to them."""

from __future__ import annotations

import json
import uuid
from errno import EACCES
from typing import TYPE_CHECKING, Any

from .errors import CallError
from .virt_entry import older

if TYPE_CHECKING:
    from .rpc import Connection

_COMMON = {
    "api_key.query",
    "auth.sessions",
    "core.get_jobs",
    "interface.query",
    "pool.dataset.query",
    "system.ready",
    "system.reboot",
    "system.shutdown",
    "virt.global.config",
    "virt.instance.agent_running",
    "virt.instance.query",
    "virt.volume.query",
}
_SOURCES = {"virt.instance.metrics"}
EVENTS = {"25.04": _COMMON | {"zfs.snapshot.query"}, "25.10": _COMMON | {"pool.snapshot.query"}}


class Events:
    def __init__(self, release: str) -> None:
        self._known = EVENTS[release]
        self._subscriptions: dict[str, tuple[Connection, str]] = {}

    def subscribe(self, connection: Connection, name: str) -> str:
        short, _colon, argument = name.partition(":")
        if short not in self._known and short not in _SOURCES:
            raise CallError("Not authorized", EACCES)
        if argument:
            try:
                json.loads(argument)
            except ValueError as exc:
                raise CallError(f"{short}: invalid argument", 22) from exc
        ident = str(uuid.uuid4())
        self._subscriptions[ident] = (connection, name)
        return ident

    def unsubscribe(self, connection: Connection, ident: str) -> None:
        if self._subscriptions.get(ident, (None, ""))[0] is connection:
            del self._subscriptions[ident]

    def forget(self, connection: Connection) -> None:
        for ident in [ident for ident, (owner, _name) in self._subscriptions.items() if owner is connection]:
            del self._subscriptions[ident]

    def publish(
        self, collection: str, kind: str, ident: Any, *, fields: dict[str, Any] | None = None, extra: dict[str, Any] | None = None
    ) -> None:
        """Tell every connection that subscribed to `collection` or to `*`, each once."""
        told: set[int] = set()
        for connection, name in list(self._subscriptions.values()):
            if name not in (collection, "*") or id(connection) in told:
                continue
            told.add(id(connection))
            params: dict[str, Any] = {"msg": kind, "collection": collection, "id": ident}
            if fields is not None:
                params["fields"] = older(fields, connection.api) if collection == "virt.instance.query" else fields
            if extra is not None:
                params["extra"] = extra
            connection.send({"jsonrpc": "2.0", "method": "collection_update", "params": params})
