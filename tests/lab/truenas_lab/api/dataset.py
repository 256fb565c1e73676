"""`zfs.dataset.*`, private in both releases, and `pool.dataset.*`, which keeps the appliance's own datasets from its users."""

from __future__ import annotations

from errno import EBADMSG, EBUSY, EINVAL, ENOENT, ENOTEMPTY
from typing import Any

from ..zfs.records import BUSY, Dataset, Sizes, Step, is_internal
from ..zfs.tree import Tree
from . import query
from .errors import CallError, InstanceNotFound, ValidationErrors
from .registry import Call, method, takes
from .schema import Bool, Dict, Field, Model, OneOf, Param, Str
from .zfs_errors import zfs
from .zfs_properties import needs_sizes, of_dataset

_NEW = ("25.10",)


def _pool(name: str) -> str:
    return name.partition("/")[0]


def _flags(*names: str) -> Model:
    return Model({name: Field(Bool(), False) for name in names})


async def mounted(call: Call, pool: str) -> set[str]:
    """The instances whose datasets are mounted."""
    return {item.name for item in await call.lab.instances(state=False) if item.pool == pool and item.status != "STOPPED"}


def _encryption() -> dict[str, Any]:
    return {"encrypted": False, "encryption_root": None, "key_loaded": False, "locked": False}


# -- zfs.dataset ----------------------------------------------------------------------------------------------------


@method("zfs.dataset.query", query.query_params, private=True)
async def zfs_query(call: Call, filters: list[Any], options: dict[str, Any]) -> Any:
    extra = options["extra"]
    wanted = extra.get("properties")
    if extra.get("retrieve_properties") is False or (options["select"] and "properties" not in str(options["select"])):
        wanted = []
    children = extra.get("retrieve_children") is not False
    shown: list[dict[str, Any]] = []
    for tree in await call.lab.storage.all():
        sizes = await call.lab.storage.sizes(tree.pool) if needs_sizes(wanted) else Sizes()
        running = await mounted(call, tree.pool) if wanted is None or "mounted" in wanted else set()

        def one(dataset: Dataset, tree: Tree = tree, sizes: Sizes = sizes, running: set[str] = running) -> dict[str, Any]:
            inner = [item for item in tree.datasets.values() if item.parent == dataset.name] if children else []
            entry = {
                "id": dataset.name,
                "type": "FILESYSTEM",
                "name": dataset.name,
                "pool": tree.pool,
                **_encryption(),
                "properties": of_dataset(tree, dataset, sizes, mounted=dataset.instance in running, wanted=wanted),
                "mountpoint": f"/mnt/{tree.pool}" if dataset.name == tree.pool else None,
                "children": [one(item) for item in sorted(inner, key=lambda item: item.name)],
            }
            if extra.get("snapshots"):
                entry["snapshots"] = [{"name": tree.ident(item), "snapshot_name": item.name} for item in tree.snapshots_of(dataset)]
            return entry

        if extra.get("flat") is False:
            shown.append(one(tree.dataset(tree.pool)))
        else:
            shown += [one(item) for item in sorted(tree.datasets.values(), key=lambda item: item.name) if _may_match(item, filters)]
    return query.apply(shown, filters, options)


def _may_match(dataset: Dataset, filters: list[Any]) -> bool:
    """Before anything costly is made of it."""
    for item in filters:
        if len(item) == 3 and item[0] in ("id", "name") and item[1] == "=" and dataset.name != item[2]:
            return False
    return True


_DELETE = takes(Param("id", Str()), Param("options", _flags("force", "recursive", "recursively_remove_dependents"), {}))


@method("zfs.dataset.delete", _DELETE, changes=True, private=True)
async def zfs_delete(call: Call, name: str, options: dict[str, Any]) -> bool:
    def operation(tree: Tree) -> list[Step]:
        return tree.destroy(name, recursive=options["recursive"], dependents=options["recursively_remove_dependents"])

    await zfs(call.lab.storage.change(_pool(name), operation), "Failed to delete dataset: ", {BUSY: EBUSY})
    return True


async def _rename(call: Call, name: str, new_name: str) -> None:
    await zfs(call.lab.storage.change(_pool(name), lambda tree: tree.rename(name, new_name)), "Failed to rename dataset: ")


_RENAME = takes(Param("dataset", Str()), Param("options", Model({"new_name": Field(Str(least=1)), "recursive": Field(Bool(), False)})))


@method("zfs.dataset.rename", _RENAME, changes=True, private=True)
async def zfs_rename(call: Call, name: str, options: dict[str, Any]) -> None:
    await _rename(call, name, options["new_name"])


@method("zfs.dataset.promote", takes(Param("name", Str())), changes=True, private=True)
async def zfs_promote(call: Call, name: str) -> None:
    await zfs(call.lab.storage.change(_pool(name), lambda tree: tree.promote(name)), "Failed to promote dataset: ")


_CREATE = Model(
    {
        "create_ancestors": Field(Bool(), False),
        "name": Field(Str()),
        "type": Field(OneOf(("FILESYSTEM", "VOLUME")), "FILESYSTEM"),
        "properties": Field(Dict(), {}),
    }
)


@method("zfs.dataset.create", takes(Param("dataset_create", _CREATE)), changes=True, private=True)
async def zfs_create(call: Call, data: dict[str, Any]) -> dict[str, Any]:
    name = data["name"]
    if "/" not in name:
        raise ValidationErrors([("name", "You need a full name, e.g. pool/newdataset", EINVAL)])
    if data["type"] != "FILESYSTEM":
        raise CallError("Failed to create dataset: the lab has no volumes")
    properties = {key: str(value) for key, value in data["properties"].items()}
    operation = call.lab.storage.change(_pool(name), lambda tree: tree.create(name, properties, ancestors=data["create_ancestors"]))
    await zfs(operation, "Failed to create dataset: ")
    return data


@method(
    "zfs.dataset.update",
    takes(Param("id", Str()), Param("dataset_update", Model({"properties": Field(Dict(), {})}))),
    changes=True,
    private=True,
)
async def zfs_update(call: Call, name: str, data: dict[str, Any]) -> dict[str, Any]:
    def operation(tree: Tree) -> None:
        dataset = tree.dataset(name)
        for key, change in data["properties"].items():
            if change.get("source") == "INHERIT":
                dataset.properties.pop(key, None)
            else:
                dataset.properties[key] = str(change["value"] if "value" in change else change.get("parsed", ""))

    await zfs(call.lab.storage.change(_pool(name), operation), "Failed to update dataset: ")
    return data


async def _exists(call: Call, name: str, prefix: str) -> None:
    """Mounting has no effect on a dataset whose mountpoint is `legacy`, and here they all are."""

    def operation(tree: Tree) -> None:
        tree.dataset(name)

    await zfs(call.lab.storage.change(_pool(name), operation), prefix)


_MOUNT = takes(Param("name", Str()), Param("options", _flags("recursive", "force_mount"), {}))
_UMOUNT = takes(Param("name", Str()), Param("options", _flags("force"), {}))


@method("zfs.dataset.mount", _MOUNT, changes=True, private=True)
async def zfs_mount(call: Call, name: str, _options: dict[str, Any]) -> None:
    await _exists(call, name, "Failed to mount dataset: ")


@method("zfs.dataset.umount", _UMOUNT, changes=True, private=True)
async def zfs_umount(call: Call, name: str, _options: dict[str, Any]) -> None:
    await _exists(call, name, "Failed to umount dataset: ")


# -- pool.dataset ---------------------------------------------------------------------------------------------------


async def _entries(call: Call) -> list[dict[str, Any]]:
    shown = []
    for tree in await call.lab.storage.all():
        sizes = await call.lab.storage.sizes(tree.pool)

        def one(dataset: Dataset, tree: Tree = tree, sizes: Sizes = sizes) -> dict[str, Any]:
            properties = of_dataset(tree, dataset, sizes)
            kept = ("origin", "used", "usedbychildren", "usedbydataset", "usedbysnapshots", "creation")
            inner = [item for item in tree.datasets.values() if item.parent == dataset.name and not is_internal(item.name)]
            return {
                "id": dataset.name,
                "type": "FILESYSTEM",
                "name": dataset.name,
                "pool": tree.pool,
                **_encryption(),
                "mountpoint": f"/mnt/{dataset.name}",
                "user_properties": {},
                "children": [one(item) for item in sorted(inner, key=lambda item: item.name)],
                **{name: {**properties[name], "source_info": None} for name in kept},
            }

        shown += [one(item) for item in sorted(tree.datasets.values(), key=lambda item: item.name) if not is_internal(item.name)]
    return shown


@method("pool.dataset.query", query.query_params)
async def pool_query(call: Call, filters: list[Any], options: dict[str, Any]) -> Any:
    return query.apply(await _entries(call), filters, options)


async def _visible(call: Call, name: str) -> dict[str, Any]:
    found = [item for item in await _entries(call) if item["id"] == name]
    if not found:
        raise InstanceNotFound(f"PoolDataset {name} does not exist")
    return found[0]


def _get_params(api: str) -> tuple[Param, ...]:
    return Param("id", Str()), Param("options", query.options_kind(api), {})


@method("pool.dataset.get_instance", _get_params)
async def pool_get_instance(call: Call, name: str, _options: dict[str, Any]) -> dict[str, Any]:
    return await _visible(call, name)


def _delete_params(api: str) -> tuple[Param, ...]:
    return Param("id", Str()), Param("options" if api >= "v25.10" else "dataset_delete", _flags("recursive", "force"), {})


@method("pool.dataset.delete", _delete_params, changes=True)
async def pool_delete(call: Call, name: str, options: dict[str, Any]) -> bool:
    entry = await _visible(call, name)
    if entry["children"] and not options["recursive"]:
        raise CallError(f"Failed to delete dataset: cannot destroy '{name}': filesystem has children", ENOTEMPTY)
    operation = call.lab.storage.change(_pool(name), lambda tree: tree.destroy(name, recursive=options["recursive"]))
    await zfs(operation, "Failed to delete dataset: ", {BUSY: EBUSY})
    return True


@method("pool.dataset.promote", takes(Param("id", Str())), changes=True)
async def pool_promote(call: Call, name: str) -> None:
    tree = await call.lab.storage.settled(_pool(name)) if _pool(name) in call.lab.engine.pools else None
    dataset = tree.find(name) if tree else None
    if dataset is None:
        raise CallError(f'Dataset "{name}" does not exist.', ENOENT)
    if dataset.origin is None:
        raise CallError("Only cloned datasets can be promoted.", EBADMSG)
    await zfs_promote(call, name)


_POOL_RENAME = takes(
    Param("id", Str(least=1)),
    Param("data", Model({"new_name": Field(Str(least=1)), "recursive": Field(Bool(), False), "force": Field(Bool(), False)})),
)


@method("pool.dataset.rename", _POOL_RENAME, changes=True, releases=_NEW, api_since="v25.10")
async def pool_rename(call: Call, name: str, data: dict[str, Any]) -> None:
    if not data["force"]:
        text = (
            "No safety checks are performed when renaming ZFS resources; this may break existing usages. "
            "If you understand the risks, please set force and proceed."
        )
        raise ValidationErrors([("pool.dataset.rename.force", text, EINVAL)])
    await _rename(call, name, data["new_name"])
