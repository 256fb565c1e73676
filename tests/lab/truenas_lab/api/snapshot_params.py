"""What the methods on snapshots take: in 25.04, in 25.10, and by 25.10's private names, which check nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .query import options_kind
from .registry import Params, takes
from .schema import AnyOf, Bool, Dict, Field, ListOf, Model, Param, Str

_KEY = re.compile(r".*:.*")


@dataclass(frozen=True)
class Set:
    create: Params
    delete: Params
    rollback: Params
    clone: Params
    recursive: Params
    update: Params


def _flags(*names: str) -> Model:
    return Model({name: Field(Bool(), False) for name in names})


def _user_key(key: str) -> str | None:
    return None if _KEY.match(key) else "String should match pattern '.*:.*'"


_ID = Param("id", Str())
_COMMON = {
    "dataset": Field(Str(least=1)),
    "recursive": Field(Bool(), False),
    "exclude": Field(ListOf(Str()), []),
    "vmware_sync": Field(Bool(), False),
    "properties": Field(Dict(), {}),
}
_POOL_CREATE = AnyOf(
    {
        "PoolSnapshotCreateWithName": Model({**_COMMON, "name": Field(Str(least=1))}),
        "PoolSnapshotCreateWithSchema": Model({**_COMMON, "naming_schema": Field(Str(least=1))}),
    }
)
_ZFS_CREATE = Model(
    {
        **_COMMON,
        "name": Field(Str(least=1), optional=True),
        "naming_schema": Field(Str(least=1), optional=True),
        "suspend_vms": Field(Bool(), False),
    }
)
_CLONE = {"snapshot": Field(Str(least=1)), "dataset_dst": Field(Str(least=1)), "dataset_properties": Field(Dict(), {})}
_ROLLBACK = ("recursive", "recursive_clones", "force", "recursive_rollback")
_KEY_VALUE = {"key": Field(Str(rule=_user_key)), "value": Field(Str(most=2048000))}
_POOL_UPDATE = Model(
    {
        "user_properties_update": Field(ListOf(Model(_KEY_VALUE)), []),
        "user_properties_remove": Field(ListOf(Str(rule=_user_key)), []),
    }
)
_ZFS_KEY_VALUE = {"key": Field(Str(rule=_user_key)), "value": Field(Str(), optional=True), "remove": Field(Bool(), optional=True)}
_ZFS_UPDATE = Model({"user_properties_update": Field(ListOf(Model(_ZFS_KEY_VALUE)), [])})


def get_params(api: str) -> tuple[Param, ...]:
    return _ID, Param("options", options_kind(api), {})


def _set(create: Param, update: Param, clone: str) -> Set:
    return Set(
        create=takes(create),
        delete=takes(_ID, Param("options", _flags("defer", "recursive"), {})),
        rollback=takes(_ID, Param("options", _flags(*_ROLLBACK), {})),
        clone=takes(Param(clone, Model(_CLONE))),
        recursive=takes(_ID, Param("options", _flags("recursive"), {})),
        update=takes(_ID, update),
    )


POOL = _set(Param("data", _POOL_CREATE), Param("data", _POOL_UPDATE), "data")
ZFS = _set(Param("snapshot_create", _ZFS_CREATE), Param("snapshot_update", _ZFS_UPDATE, {}), "snapshot_clone")
RENAME = takes(Param("id", Str(least=1)), Param("options", Model({"new_name": Field(Str(least=1)), "force": Field(Bool(), False)})))

_ANY = Param("options", Dict(), {})
UNCHECKED = Set(
    create=takes(Param("data", Dict())),
    delete=takes(_ID, _ANY),
    rollback=takes(_ID, _ANY),
    clone=takes(Param("data", Dict())),
    recursive=takes(_ID, _ANY),
    update=takes(_ID, _ANY),
)
UNCHECKED_RENAME = takes(Param("id", Str()), Param("new_name", Str()))
