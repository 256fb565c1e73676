"""`virt.global.*`, `virt.device.*` and `virt.volume.*`: what there is to choose from."""

from __future__ import annotations

from typing import Any

from . import query
from .errors import CallError
from .registry import Call, JobKind, method, takes
from .schema import Field, ListOf, Maybe, Model, OneOf, Param, Str
from .virt_device import bridges


def config_entry(call: Call) -> dict[str, Any]:
    engine, state = call.lab.engine, call.lab.settings.virt_state
    pool = None if state == "NO_POOL" else engine.pools[0]
    return {
        "id": 1,
        "pool": pool,
        "dataset": f"{pool}/.ix-virt" if pool else None,
        "storage_pools": list(engine.pools) if pool else [],
        "bridge": None,
        "v4_network": engine.subnet_v4 if pool else None,
        "v6_network": engine.subnet_v6 if pool else None,
        "state": state,
    }


@method("virt.global.config")
async def config(call: Call) -> dict[str, Any]:
    return config_entry(call)


@method("virt.global.check_initialized", private=True)
async def check_initialized(call: Call) -> None:
    call.lab.need_virt()


_UPDATE = Model(
    {
        "pool": Field(Maybe(Str(least=1)), optional=True),
        "bridge": Field(Maybe(Str(least=1)), optional=True),
        "storage_pools": Field(Maybe(ListOf(Str())), optional=True),
        "v4_network": Field(Maybe(Str()), optional=True),
        "v6_network": Field(Maybe(Str()), optional=True),
    },
    name="VirtGlobalUpdate",
)


@method(
    "virt.global.update",
    takes(Param("virt_global_update", _UPDATE)),
    changes=True,
    job=JobKind(lock=lambda _args: "virt_global_configuration"),
)
async def update(call: Call, data: dict[str, Any]) -> dict[str, Any]:
    """Only switching off and on again is imitated; another pool or network is the engine's affair."""
    if "pool" in data:
        if data["pool"] not in (None, *call.lab.engine.pools):
            raise CallError("Not a valid ZFS pool")
        call.lab.settings.virt_state = "INITIALIZED" if data["pool"] else "NO_POOL"
    shown = config_entry(call)
    call.lab.events.publish("virt.global.config", "changed", 1, fields=shown)
    return shown


@method("virt.global.pool_choices")
async def pool_choices(call: Call) -> dict[str, str]:
    return {"[DISABLED]": "[Disabled]", **{pool: pool for pool in call.lab.engine.pools}}


@method("virt.global.bridge_choices")
async def bridge_choices(call: Call) -> dict[str, str]:
    return {"[AUTO]": "Automatic", **{name: name for name in bridges(call)}}


@method("virt.global.get_network", takes(Param("name", Str(least=1))))
async def get_network(call: Call, name: str) -> dict[str, Any]:
    call.lab.need_virt()
    engine = call.lab.engine
    if name != engine.bridge:
        raise CallError("Network not found")
    return {
        "type": "BRIDGE",
        "managed": True,
        "ipv4_address": engine.subnet_v4,
        "ipv4_nat": True,
        "ipv6_address": engine.subnet_v6 or "none",
        "ipv6_nat": bool(engine.subnet_v6),
    }


@method("virt.device.nic_choices", takes(Param("nic_type", OneOf(("BRIDGED", "MACVLAN")))))
async def nic_choices(call: Call, nic_type: str) -> dict[str, str]:
    names = bridges(call)
    if nic_type == "MACVLAN":
        names = sorted({*names, *call.lab.settings.interfaces})
    return {name: name for name in names}


async def _no_choices(_call: Call, *_arguments: Any) -> dict[str, Any]:
    return {}


method("virt.device.disk_choices")(_no_choices)
method("virt.device.usb_choices")(_no_choices)
method("virt.device.pci_choices")(_no_choices)
method("virt.device.gpu_choices", takes(Param("gpu_type", OneOf(("PHYSICAL", "MDEV", "MIG", "SRIOV")))))(_no_choices)


@method("virt.volume.query", query.query_params)
async def volume_query(_call: Call, filters: list[Any], options: dict[str, Any]) -> Any:
    return query.apply([], filters, options)
