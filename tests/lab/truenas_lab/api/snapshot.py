"""`pool.snapshot.*` of 25.10 and `zfs.snapshot.*` of 25.04, over the store of snapshots."""

from __future__ import annotations

import time
from errno import EEXIST, EINVAL
from typing import Any

from . import query
from .errors import CallError, InstanceNotFound, ValidationErrors
from .registry import Call, method, takes
from .schema import AnyOf, Bool, Dict, Field, ListOf, Model, Param, Str
from .snapshot_store import Snapshot
from .virt_instance import dataset as instance_dataset

_COMMON = {
    "dataset": Field(Str(least=1)),
    "recursive": Field(Bool(), False),
    "exclude": Field(ListOf(Str()), []),
    "vmware_sync": Field(Bool(), False),
    "properties": Field(Dict(), {}),
}
_CREATE = AnyOf(
    {
        "PoolSnapshotCreateWithName": Model({**_COMMON, "name": Field(Str(least=1))}),
        "PoolSnapshotCreateWithSchema": Model({**_COMMON, "naming_schema": Field(Str(least=1))}),
    }
)


def _flags(*names: str) -> Model:
    return Model({name: Field(Bool(), False) for name in names})


_ID = Param("id", Str())
_ROLLBACK = takes(_ID, Param("options", _flags("recursive", "recursive_clones", "force", "recursive_rollback"), {}))
_DELETE = takes(_ID, Param("options", _flags("defer", "recursive"), {}))
_RECURSIVE = takes(_ID, Param("options", _flags("recursive"), {}))
_CLONE = takes(
    Param("data", Model({"snapshot": Field(Str(least=1)), "dataset_dst": Field(Str(least=1)), "dataset_properties": Field(Dict(), {})}))
)
_RENAME = takes(Param("id", Str(least=1)), Param("options", Model({"new_name": Field(Str(least=1)), "force": Field(Bool(), False)})))


def collection(call: Call) -> str:
    return "zfs.snapshot.query" if call.lab.settings.version < "25.10" else "pool.snapshot.query"


async def _datasets(call: Call) -> set[str]:
    pools = call.lab.engine.pools
    fixed = {*pools, *(f"{pool}/.ix-virt" for pool in pools), *(f"{pool}/.ix-virt/containers" for pool in pools)}
    return fixed | {instance_dataset(item.pool, item.name) for item in await call.lab.instances(state=False)}


def _missing(ident: str) -> str:
    return f"cannot open '{ident}': dataset does not exist"


def _found(call: Call, ident: str, prefix: str = "") -> Snapshot:
    snapshot = call.lab.snapshots.get(ident)
    if snapshot is None:
        raise CallError(prefix + _missing(ident))
    return snapshot


async def snapshot_query(call: Call, filters: list[Any], options: dict[str, Any]) -> Any:
    holds = bool(options["extra"].get("holds"))
    return query.apply([item.entry(holds=holds) for item in call.lab.snapshots.all()], filters, options)


async def get_instance(call: Call, ident: str, _options: dict[str, Any]) -> dict[str, Any]:
    snapshot = call.lab.snapshots.get(ident)
    if snapshot is None:
        kind = "ZFSSnapshot" if call.lab.settings.version < "25.10" else "PoolSnapshot"
        raise InstanceNotFound(f"{kind} {ident} does not exist")
    return snapshot.entry()


async def create(call: Call, data: dict[str, Any]) -> dict[str, Any]:
    name = data.get("name") or time.strftime(data["naming_schema"])
    ident = f"{data['dataset']}@{name}"
    if data["dataset"] not in await _datasets(call):
        raise CallError(f"Failed to snapshot {ident}: {_missing(data['dataset'])}")
    if call.lab.snapshots.get(ident):
        raise CallError(f"Failed to snapshot {ident}: cannot create snapshot '{ident}': dataset already exists", EEXIST)
    entry = call.lab.snapshots.add(data["dataset"], name, data["properties"]).entry()
    call.lab.events.publish(collection(call), "added", ident, fields=entry)
    return entry


async def delete(call: Call, ident: str, options: dict[str, Any]) -> bool:
    snapshot = call.lab.snapshots.get(ident)
    if snapshot is None:
        raise InstanceNotFound(_missing(ident))
    if snapshot.hold is not None:
        raise CallError(f"cannot destroy snapshot {ident}: dataset is busy")
    if clones := call.lab.snapshots.clones(ident):
        text = f"Please set this attribute as '{ident}' snapshot has dependent clones: {', '.join(clones)}"
        raise ValidationErrors([("options.defer", text, EINVAL)])
    call.lab.snapshots.remove(ident)
    call.lab.events.publish(collection(call), "removed", ident, extra={"recursive": options["recursive"]})
    return True


async def rollback(call: Call, ident: str, options: dict[str, Any]) -> None:
    prefix = "Failed to rollback snapshot: "
    store = call.lab.snapshots
    snapshot = _found(call, ident, prefix)
    newer = store.newer(snapshot)
    if newer and not (options["recursive"] or options["recursive_clones"]):
        listed = "\n".join(item.ident for item in newer)
        raise CallError(
            f"{prefix}cannot rollback to '{ident}': more recent snapshots or bookmarks exist\n"
            f"use '-r' to force deletion of the following snapshots and bookmarks:\n{listed}"
        )
    cloned = [clone for item in newer for clone in store.clones(item.ident)]
    if cloned and not options["recursive_clones"]:
        listed = "\n".join(cloned)
        raise CallError(
            f"{prefix}cannot rollback to '{ident}': clones of previous snapshots exist\nuse '-R' to force deletion of:\n{listed}"
        )
    for clone in cloned:
        store.forget(clone)
    for item in newer:
        store.remove(item.ident)


async def clone(call: Call, data: dict[str, Any]) -> bool:
    prefix = "Failed to clone snapshot: "
    ident, target = data["snapshot"], data["dataset_dst"]
    _found(call, ident, prefix)
    known = await _datasets(call)
    if target in known or call.lab.snapshots.is_clone(target):
        raise CallError(f"{prefix}cannot create '{target}': dataset already exists")
    if target.rpartition("/")[0] not in known:
        raise CallError(f"{prefix}cannot create '{target}': parent does not exist")
    call.lab.snapshots.clone(ident, target)
    return True


async def hold(call: Call, ident: str, _options: dict[str, Any]) -> None:
    _found(call, ident).hold = time.time()


async def release(call: Call, ident: str, _options: dict[str, Any]) -> None:
    _found(call, ident).hold = None


async def rename(call: Call, ident: str, options: dict[str, Any]) -> None:
    snapshot = call.lab.snapshots.get(ident)
    if snapshot is None:
        raise InstanceNotFound(_missing(ident))
    dataset, _at, name = options["new_name"].partition("@")
    if dataset != snapshot.dataset or not name:
        raise ValidationErrors([("options.new_name", "Old and new snapshot must be part of the same ZFS dataset", EINVAL)])
    call.lab.snapshots.rename(ident, name)


def _get_params(api: str) -> tuple[Param, ...]:
    return _ID, Param("options", query.options_kind(api), {})


def _service(name: str, **options: Any) -> None:
    """The same methods under the name that a release has for them."""
    method(f"{name}.query", query.query_params, **options)(snapshot_query)
    method(f"{name}.get_instance", _get_params, **options)(get_instance)
    method(f"{name}.create", takes(Param("data", _CREATE)), changes=True, **options)(create)
    method(f"{name}.delete", _DELETE, changes=True, **options)(delete)
    method(f"{name}.rollback", _ROLLBACK, changes=True, **options)(rollback)
    method(f"{name}.clone", _CLONE, changes=True, **options)(clone)
    method(f"{name}.hold", _RECURSIVE, changes=True, **options)(hold)
    method(f"{name}.release", _RECURSIVE, changes=True, **options)(release)


_service("pool.snapshot", releases=("25.10",), api_since="v25.10")
method("pool.snapshot.rename", _RENAME, changes=True, releases=("25.10",), api_since="v25.10")(rename)
_service("zfs.snapshot", releases=("25.04",))
