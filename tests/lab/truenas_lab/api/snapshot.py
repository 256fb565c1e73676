"""`pool.snapshot.*` of 25.10 and `zfs.snapshot.*`, which is public in 25.04 and private in 25.10."""

from __future__ import annotations

import re
import time
from errno import EEXIST, EINVAL
from typing import Any

from ..zfs.records import CLONES, EXISTS, MISSING, Sizes, Step, ZfsError
from ..zfs.tree import Tree
from . import query, snapshot_params
from .errors import CallError, FieldError, InstanceNotFound, ValidationErrors
from .registry import Call, Params, method
from .zfs_errors import zfs
from .zfs_properties import needs_sizes, snapshot_entry

_LABEL = re.compile(r"[-A-Za-z0-9_.: ]+")
_TAG = "truenas"  # of every hold that the API sets


def _pool(ident: str) -> str:
    return re.split("[/@]", ident, maxsplit=1)[0]


def _announce(call: Call, kind: str, ident: str, **values: Any) -> None:
    if not call.method.private:  # 25.10's `zfs.snapshot` is what `pool.snapshot` uses below: only that announces
        call.lab.events.publish(f"{call.method.service}.query", kind, ident, **values)


# -- looking --------------------------------------------------------------------------------------------------------


def _wanted(options: dict[str, Any]) -> list[str] | None:
    """The properties that are asked for; None: all."""
    wanted = options["extra"].get("properties")
    return None if wanted is None else list(wanted)


def _selected(result: Any, select: list[Any]) -> Any:
    """These queries know top-level keys only."""
    if not select or isinstance(result, int):
        return result
    items = [{key: value for key, value in item.items() if key in select} for item in (result if isinstance(result, list) else [result])]
    return items if isinstance(result, list) else items[0]


def _about_properties(filters: list[Any], options: dict[str, Any]) -> bool:
    return "properties." in f"{filters}{options['order_by']}"


async def snapshot_query(call: Call, filters: list[Any], options: dict[str, Any]) -> Any:
    extra = options["extra"]
    if extra.get("retention") and "'id'" not in str(filters) and not options["limit"]:
        raise CallError("`id` or `limit` is required if `retention` is requested", EINVAL)
    wanted, holds = _wanted(options), bool(extra.get("holds"))
    least, most = extra.get("min_txg") or 0, extra.get("max_txg") or 0
    plain = {**options, "select": []}
    shown: list[dict[str, Any]] = []
    for tree in await call.lab.storage.all():
        chosen = [
            (snapshot_entry(tree, item, Sizes(), wanted=[], holds=holds), item)
            for dataset in sorted(tree.datasets.values(), key=lambda dataset: dataset.name)
            for item in tree.snapshots_of(dataset)
            if item.txg >= least and (not most or item.txg <= most)
        ]
        if not _about_properties(filters, options):
            every = {**plain, "count": False, "get": False, "offset": 0, "limit": 0, "order_by": []}
            names = {item["id"] for item in query.apply([item for item, _snapshot in chosen], filters, every)}
            chosen = [(item, snapshot) for item, snapshot in chosen if item["id"] in names]
        if not chosen:
            continue
        if options["count"] or (options["select"] and "properties" not in options["select"]):
            shown += [item for item, _snapshot in chosen]
            continue
        sizes = await call.lab.storage.sizes(tree.pool) if needs_sizes(wanted) else Sizes()
        shown += [snapshot_entry(tree, snapshot, sizes, wanted=wanted, holds=holds) for _item, snapshot in chosen]
    if extra.get("retention"):
        shown = [{**item, "retention": None} for item in shown]
    return _selected(query.apply(shown, filters, plain), options["select"])


async def get_instance(call: Call, ident: str, options: dict[str, Any]) -> dict[str, Any]:
    entry = await _entry(call, ident, holds=bool(options["extra"].get("holds")), wanted=_wanted(options))
    if entry is None:
        kind = "ZFSSnapshot" if call.method.service == "zfs.snapshot" else "PoolSnapshot"
        raise InstanceNotFound(f"{kind} {ident} does not exist")
    return entry


async def _entry(call: Call, ident: str, *, holds: bool = False, wanted: list[str] | None = None) -> dict[str, Any] | None:
    pool = _pool(ident)
    tree = await call.lab.storage.settled(pool) if pool in call.lab.engine.pools else None
    snapshot = tree.find_snapshot(ident) if tree else None
    if tree is None or snapshot is None:
        return None
    sizes = await call.lab.storage.sizes(pool) if needs_sizes(wanted) else Sizes()
    return snapshot_entry(tree, snapshot, sizes, holds=holds, wanted=wanted)


# -- changing -------------------------------------------------------------------------------------------------------


def _label(data: dict[str, Any]) -> str:
    errors: list[FieldError] = []
    prefix = "snapshot_create"
    name = data.get("name") or ""
    if data.get("name") and data.get("naming_schema"):
        errors.append((f"{prefix}.naming_schema", "You can't specify name and naming schema at the same time", EINVAL))
    elif data.get("naming_schema"):
        name = time.strftime(data["naming_schema"])
    elif not name:
        errors.append((f"{prefix}.naming_schema", "You must specify either name or naming schema", EINVAL))
    if data["exclude"]:
        if not data["recursive"]:
            errors.append((f"{prefix}.exclude", "This option has no sense for non-recursive snapshots", EINVAL))
        for key in ("vmware_sync", "properties"):
            if data[key]:
                errors.append((f"{prefix}.{key}", "This option is not supported when excluding datasets", EINVAL))
    if name and not _LABEL.fullmatch(name):
        errors.append((f"{prefix}.name", "Invalid snapshot name", EINVAL))
    if errors:
        raise ValidationErrors(errors)
    return name


async def create(call: Call, data: dict[str, Any]) -> dict[str, Any]:
    data = {"recursive": False, "exclude": [], "vmware_sync": False, "properties": {}, **data}
    name, label = data["dataset"], _label(data)
    ident = f"{name}@{label}"
    properties = {key: str(value) for key, value in data["properties"].items()}

    def operation(tree: Tree) -> list[Step]:
        return tree.take(name, label, recursive=data["recursive"], exclude=data["exclude"], properties=properties)

    tree = await zfs(call.lab.storage.change(_pool(name), operation), f"Failed to snapshot {ident}: ", {EXISTS: EEXIST})
    # It shares everything with its dataset still, so there is nothing to measure but where nobody has ever done so.
    if tree.snapshot(ident).data and not tree.snapshot(ident).referenced:
        await call.lab.storage.sizes(tree.pool)
    entry = snapshot_entry(tree, tree.snapshot(ident), Sizes())
    _announce(call, "added", ident, fields=entry)
    return entry


async def delete(call: Call, ident: str, options: dict[str, Any]) -> bool:
    options = {"defer": False, "recursive": False, **options}
    operation = call.lab.storage.change(
        _pool(ident), lambda tree: tree.destroy_snapshot(ident, defer=options["defer"], recursive=options["recursive"])
    )
    try:
        await operation
    except ZfsError as exc:
        if exc.kind == MISSING:
            raise InstanceNotFound(str(exc)) from exc
        if exc.kind == CLONES:
            text = f"Please set this attribute as '{ident}' snapshot has dependent clones: {', '.join(exc.names)}"
            raise ValidationErrors([("options.defer", text, EINVAL)]) from exc
        raise CallError(str(exc)) from exc
    _announce(call, "removed", ident, extra={"recursive": options["recursive"]})
    return True


async def rollback(call: Call, ident: str, options: dict[str, Any]) -> None:
    options = {"recursive": False, "recursive_clones": False, "recursive_rollback": False, **options}

    def operation(tree: Tree) -> list[Step]:
        chosen = [ident]
        if options["recursive_rollback"]:
            snapshot = tree.snapshot(ident)
            below = tree.below(tree.datasets[snapshot.dataset])
            chosen += [f"{item.name}@{snapshot.name}" for item in below if tree.find_snapshot(f"{item.name}@{snapshot.name}")]
        steps: list[Step] = []
        for item in chosen:
            steps += tree.rollback(item, recursive=options["recursive"], recursive_clones=options["recursive_clones"])
        return steps

    await zfs(call.lab.storage.change(_pool(ident), operation), "Failed to rollback snapshot: ")


async def clone(call: Call, data: dict[str, Any]) -> bool:
    properties = {key: str(value) for key, value in (data.get("dataset_properties") or {}).items()}
    ident, target = data["snapshot"], data["dataset_dst"]
    await zfs(call.lab.storage.change(_pool(ident), lambda tree: tree.clone(ident, target, properties)), "Failed to clone snapshot: ")
    return True


async def hold(call: Call, ident: str, options: dict[str, Any]) -> None:
    recursive = options.get("recursive", False)
    await zfs(call.lab.storage.change(_pool(ident), lambda tree: tree.hold(ident, _TAG, recursive=recursive)), "Failed to hold snapshot: ")


async def release(call: Call, ident: str, options: dict[str, Any]) -> None:
    recursive = options.get("recursive", False)
    await zfs(call.lab.storage.change(_pool(ident), lambda tree: tree.release(ident, recursive=recursive)), "Failed to release snapshot: ")


async def update(call: Call, ident: str, data: dict[str, Any]) -> dict[str, Any]:
    """User properties: 25.04 marks those to go in the one list, 25.10 has a second."""
    changes = data.get("user_properties_update", [])
    gone = [item["key"] for item in changes if item.get("remove")] + data.get("user_properties_remove", [])
    kept = {item["key"]: item["value"] for item in changes if "value" in item}
    errors: list[FieldError] = [
        (f"snapshot_update.user_properties_update.{index}.remove", "Must not be set when value is specified", EINVAL)
        for index, item in enumerate(changes)
        if item.get("remove") and "value" in item
    ]
    if errors:
        raise ValidationErrors(errors)

    def operation(tree: Tree) -> None:
        snapshot = tree.snapshot(ident)
        for key in gone:
            snapshot.properties.pop(key, None)
        snapshot.properties.update(kept)

    await zfs(call.lab.storage.change(_pool(ident), operation))
    entry = await _entry(call, ident)
    assert entry is not None
    return entry


async def rename(call: Call, ident: str, options: dict[str, Any]) -> None:
    if not options["force"]:
        text = (
            "No safety checks are performed when renaming ZFS resources; this may break existing usages. "
            "If you understand the risks, please set force and proceed."
        )
        raise ValidationErrors([("pool.snapshot.rename.force", text, EINVAL)])
    await rename_below(call, ident, options["new_name"])


async def rename_below(call: Call, ident: str, new_name: str) -> None:
    await zfs(call.lab.storage.change(_pool(ident), lambda tree: tree.rename_snapshot(ident, new_name)), "Failed to rename snapshot: ")


def _service(name: str, params: snapshot_params.Set, **options: Any) -> None:
    """The same methods under the name that a release has for them."""
    changing: dict[str, tuple[Params, Any]] = {
        "create": (params.create, create),
        "delete": (params.delete, delete),
        "rollback": (params.rollback, rollback),
        "clone": (params.clone, clone),
        "hold": (params.recursive, hold),
        "release": (params.recursive, release),
        "update": (params.update, update),
    }
    method(f"{name}.query", query.query_params, **options)(snapshot_query)
    for verb, (arguments, handler) in changing.items():
        method(f"{name}.{verb}", arguments, changes=True, **options)(handler)


_PUBLIC: dict[str, Any] = {"releases": ("25.10",), "api_since": "v25.10"}
_service("pool.snapshot", snapshot_params.POOL, **_PUBLIC)
method("pool.snapshot.get_instance", snapshot_params.get_params, **_PUBLIC)(get_instance)
method("pool.snapshot.rename", snapshot_params.RENAME, changes=True, **_PUBLIC)(rename)
_service("zfs.snapshot", snapshot_params.ZFS, releases=("25.04",))
method("zfs.snapshot.get_instance", snapshot_params.get_params, releases=("25.04",))(get_instance)
_PRIVATE: dict[str, Any] = {"releases": ("25.10",), "private": True}
_service("zfs.snapshot", snapshot_params.UNCHECKED, **_PRIVATE)
method("zfs.snapshot.rename", snapshot_params.UNCHECKED_RENAME, changes=True, **_PRIVATE)(rename_below)
