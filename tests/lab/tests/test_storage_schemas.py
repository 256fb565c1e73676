"""Arguments and answers of the storage methods against the contract's schemas, where these are at hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jsonschema
import pytest
from storage_support import VERSIONS, A, B, instance, schemas, service

from truenas_lab.api import registry
from truenas_lab.testing import RunningLab

pytestmark = pytest.mark.skipif(
    schemas("25.10") is None, reason="the contract is not here (PIXELS_SHARED names the folder that holds truenas-api/)"
)


def contract(version: str) -> dict[str, Any]:
    found = schemas(version)
    assert found is not None
    return found


def check(schema: Any, value: Any) -> None:
    jsonschema.validate(value, schema, cls=jsonschema.Draft202012Validator)


class Checked:
    """Makes calls whose arguments and answers have to fit."""

    def __init__(self, client: Any, version: str) -> None:
        self.client, self.contract = client, contract(version)

    async def call(self, method: str, *params: Any) -> Any:
        described = self.contract[method]
        check(described["accepts"], list(params))
        answer = await self.client.call(method, *params)
        entry = described.get("entry")
        if entry is None:
            check(described["returns"], answer)
        else:
            for item in answer if isinstance(answer, list) else [answer]:
                check(entry, item)
        return answer


@pytest.mark.parametrize("version", VERSIONS)
def test_every_answer_fits(in_lab, version):
    async def scenario(lab: RunningLab) -> None:
        client = await lab.login()
        await instance(client)
        checked, snapshots = Checked(client, version), service(lab)
        one, parked = f"{A}@one", "tank/.ix-virt/pixels.old.px-a"
        await checked.call(f"{snapshots}.create", {"dataset": A, "name": "one", "properties": {"own:key": "x"}})
        await checked.call(f"{snapshots}.query")
        await checked.call(f"{snapshots}.query", [["dataset", "=", A]], {"extra": {"properties": ["used"]}})
        await checked.call(f"{snapshots}.get_instance", one)
        await checked.call(f"{snapshots}.hold", one)
        await checked.call(f"{snapshots}.query", [["id", "=", one]], {"extra": {"holds": True, "retention": True}})
        await checked.call(f"{snapshots}.release", one)
        await checked.call(f"{snapshots}.update", one, {"user_properties_update": [{"key": "own:key", "value": "y"}]})
        await checked.call(f"{snapshots}.rollback", one, {"recursive": True, "force": True})
        await checked.call(f"{snapshots}.clone", {"snapshot": one, "dataset_dst": B})
        await checked.call("zfs.dataset.query", [["id", "^", "tank/.ix-virt/"]])
        await checked.call("zfs.dataset.mount", B)
        await checked.call("zfs.dataset.promote", B)
        await checked.call("pool.dataset.promote", A)
        await checked.call("pool.dataset.query")
        await checked.call("pool.dataset.get_instance", "tank")
        await checked.call("zfs.dataset.delete", B, {"force": True})
        if version == "25.10":
            await checked.call("pool.snapshot.rename", one, {"new_name": f"{A}@first", "force": True})
            await checked.call("zfs.resource.query", {"paths": ["tank/.ix-virt"], "get_children": True})
            await checked.call("zfs.resource.query", {"paths": [A], "properties": ["origin", "used"], "get_user_properties": True})
            await checked.call("zfs.resource.query", {"paths": [A], "properties": None, "get_source": False})
            await checked.call("pool.dataset.rename", A, {"new_name": parked, "force": True})
        else:
            await checked.call("zfs.dataset.rename", A, {"new_name": parked})
        await checked.call("zfs.snapshot.delete", f"{parked}@{'first' if version == '25.10' else 'one'}", {"defer": True})

    in_lab(scenario, version=version)


STORAGE = ("zfs.snapshot.", "pool.snapshot.", "zfs.dataset.", "pool.dataset.", "zfs.resource.")


@pytest.mark.parametrize("version", VERSIONS)
def test_no_method_is_there_that_the_release_does_not_have(version):
    described = contract(version)
    for name in registry.METHODS:
        method = registry.find(name, version)
        if not name.startswith(STORAGE) or method is None:
            continue
        assert name in described, f"{version} has no {name}"
        assert method.private == described[name].get("private", False), name
        # The arguments have the names that validation errors show.
        wanted = [item["x-name"] for item in described[name]["accepts"]["prefixItems"]]
        if not (method.private and name.startswith("zfs.snapshot.")):
            assert [param.name for param in _params(method, version)] == wanted, name


def _params(method: registry.Method, version: str) -> Sequence[Any]:
    return method.params({"25.04": "v25.04.2", "25.10": "v25.10.5"}[version])
