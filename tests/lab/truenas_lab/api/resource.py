"""`zfs.resource.query` of 25.10: datasets by their paths."""

from __future__ import annotations

from errno import EINVAL, ENOENT
from typing import Any

from ..zfs.records import Dataset, Sizes, is_internal
from ..zfs.tree import Tree
from .dataset import mounted
from .errors import ValidationErrors
from .registry import Call, method, takes
from .schema import Bool, Field, ListOf, Maybe, Model, Param, Str
from .zfs_properties import needs_sizes, of_dataset

_NAME = "zfs.resource.query"


def _unique(paths: list[Any]) -> str | None:
    return None if len(set(map(str, paths))) == len(paths) else "Value error, All items must be unique"


_QUERY = Model(
    {
        "paths": Field(ListOf(Str(), rule=_unique), []),
        "properties": Field(Maybe(ListOf(Str())), []),
        "get_user_properties": Field(Bool(), False),
        "get_source": Field(Bool(), True),
        "nest_results": Field(Bool(), False),
        "get_children": Field(Bool(), False),
    }
)


def _check(data: dict[str, Any]) -> None:
    paths = data["paths"]
    text = None
    if any("@" in path for path in paths):
        text = "Use `zfs.resource.snapshot.query` to query snapshot information."
    elif data["get_children"] and any(path.startswith(f"{other}/") for path in paths for other in paths):
        text = "Paths must be non-overlapping - no path can be relative to another when get_children is set to True."
    if text:
        raise ValidationErrors([(_NAME, text, EINVAL)])


@method(_NAME, takes(Param("data", _QUERY, {})), releases=("25.10",), api_since="v25.10")
async def resource_query(call: Call, data: dict[str, Any]) -> list[dict[str, Any]]:
    """No properties named: all. Null: none."""
    _check(data)
    trees = {tree.pool: tree for tree in await call.lab.storage.all()}
    hidden = not any(is_internal(path) for path in data["paths"])
    chosen: list[tuple[Tree, Dataset]] = []
    for path in data["paths"] or list(trees):
        tree = trees.get(path.partition("/")[0])
        dataset = tree.find(path) if tree else None
        if tree is None or dataset is None:
            raise ValidationErrors([(_NAME, f"'{path}' not found", ENOENT)])
        below = tree.below(dataset) if data["get_children"] else []
        chosen += [(tree, item) for item in (dataset, *below) if not (hidden and is_internal(item.name))]
    wanted = None if data["properties"] == [] else data["properties"] or []
    sizes: dict[str, Sizes] = {}
    running: dict[str, set[str]] = {}
    for tree, _dataset in chosen:
        if tree.pool not in sizes:
            sizes[tree.pool] = await call.lab.storage.sizes(tree.pool) if needs_sizes(wanted) else Sizes()
            running[tree.pool] = await mounted(call, tree.pool) if wanted is None or "mounted" in wanted else set()
    shown = []
    for tree, dataset in chosen:
        on = dataset.instance in running[tree.pool]
        shown.append(_entry(tree, dataset, data, of_dataset(tree, dataset, sizes[tree.pool], mounted=on, wanted=wanted)))
    return _nested(shown) if data["nest_results"] else shown


def _entry(tree: Tree, dataset: Dataset, data: dict[str, Any], properties: dict[str, Any]) -> dict[str, Any]:
    converted = {}
    for name, shown in properties.items():
        if ":" in name or name == "name":
            continue
        value = shown["parsed"]["$date"] // 1000 if name == "creation" else shown["parsed"]
        if name in ("createtxg", "guid"):
            value = int(value)
        source = {"type": shown["source"], "value": None} if data["get_source"] and shown["source"] != "NONE" else None
        converted[name] = {"raw": shown["rawvalue"], "value": value if value != "" else None, "source": source}
    return {
        "createtxg": dataset.txg,
        "guid": dataset.guid,
        "name": dataset.name,
        "pool": tree.pool,
        "properties": converted,
        "type": "FILESYSTEM",
        "user_properties": {key: value for key, value in dataset.properties.items() if ":" in key} if data["get_user_properties"] else None,
        "children": [] if data["get_children"] else None,
    }


def _nested(shown: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each below the nearest of those above it that is there."""
    known = {item["name"]: {**item, "children": []} for item in shown}
    roots = []
    for name, item in known.items():
        above = name
        while "/" in above:
            above = above.rpartition("/")[0]
            if above in known:
                known[above]["children"].append(item)
                break
        else:
            roots.append(item)
    return roots
