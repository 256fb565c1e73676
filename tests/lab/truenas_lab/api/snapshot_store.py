"""Snapshots as book-keeping: names, order, holds and clones, without any data behind them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

_SIZE = 100 * 1024**2


@dataclass
class Snapshot:
    dataset: str
    name: str
    txg: int
    created: float
    properties: dict[str, Any] = field(default_factory=dict)
    hold: float | None = None

    @property
    def ident(self) -> str:
        return f"{self.dataset}@{self.name}"

    def entry(self, *, holds: bool = False) -> dict[str, Any]:
        def shown(value: str, raw: str, parsed: Any, source: str = "NONE") -> dict[str, Any]:
            return {"value": value, "rawvalue": raw, "source": source, "parsed": parsed}

        made = int(self.created)
        properties = {
            "name": shown(self.ident, self.ident, self.ident),
            "type": shown("snapshot", "snapshot", "snapshot"),
            "creation": shown(time.strftime("%a %b %d %H:%M %Y", time.gmtime(made)), str(made), {"$date": made * 1000}),
            "used": shown("0B", "0", 0),
            "referenced": shown("100M", str(_SIZE), _SIZE),
            "createtxg": shown(str(self.txg), str(self.txg), str(self.txg)),
        }
        for key, value in self.properties.items():
            properties[key] = shown(str(value), str(value), str(value), "LOCAL")
        result: dict[str, Any] = {
            "id": self.ident,
            "properties": properties,
            "pool": self.dataset.partition("/")[0],
            "name": self.ident,
            "type": "SNAPSHOT",
            "snapshot_name": self.name,
            "dataset": self.dataset,
            "createtxg": str(self.txg),
        }
        if holds:
            result["holds"] = {} if self.hold is None else {"truenas": int(self.hold)}
        return result


class SnapshotStore:
    def __init__(self) -> None:
        self._snapshots: dict[str, Snapshot] = {}
        self._clones: dict[str, str] = {}  # data set: the snapshot it was made from
        self._txg = 1000

    def all(self) -> list[Snapshot]:
        return list(self._snapshots.values())

    def get(self, ident: str) -> Snapshot | None:
        return self._snapshots.get(ident)

    def add(self, dataset: str, name: str, properties: dict[str, Any]) -> Snapshot:
        self._txg += 7
        snapshot = Snapshot(dataset, name, self._txg, time.time(), dict(properties))
        self._snapshots[snapshot.ident] = snapshot
        return snapshot

    def remove(self, ident: str) -> None:
        del self._snapshots[ident]

    def rename(self, ident: str, name: str) -> None:
        snapshot = self._snapshots.pop(ident)
        snapshot.name = name
        self._snapshots[snapshot.ident] = snapshot

    def newer(self, snapshot: Snapshot) -> list[Snapshot]:
        return [item for item in self._snapshots.values() if item.dataset == snapshot.dataset and item.txg > snapshot.txg]

    def clones(self, ident: str) -> list[str]:
        return [dataset for dataset, origin in self._clones.items() if origin == ident]

    def clone(self, ident: str, dataset: str) -> None:
        self._clones[dataset] = ident

    def is_clone(self, dataset: str) -> bool:
        return dataset in self._clones

    def forget(self, dataset: str) -> None:
        """A data set is destroyed, with its snapshots; those that clones hang on to live on under `deleted`."""
        self._clones.pop(dataset, None)
        for snapshot in [item for item in self.all() if item.dataset == dataset]:
            if self.clones(snapshot.ident):
                continue
            self.remove(snapshot.ident)
