"""`system.*`, `network.*`, `interface.*`, `pool.query`, `api_key.*`: the little that clients of containers look at."""

from __future__ import annotations

import os
import time
from errno import ENOENT
from typing import Any

from . import query
from .errors import CallError
from .jobs import date
from .keys import Key
from .registry import Call, method, takes
from .schema import Anything, Bool, Dict, Field, Int, ListOf, Maybe, Model, OneOf, Param, Str


@method("system.version")
async def version(call: Call) -> str:
    return f"TrueNAS-{call.lab.settings.release}"


@method("system.version_short")
async def version_short(call: Call) -> str:
    return call.lab.settings.release


@method("system.product_type")
async def product_type(_call: Call) -> str:
    return "COMMUNITY_EDITION"


@method("system.ready")
async def ready(_call: Call) -> bool:
    return True


@method("system.state")
async def state(_call: Call) -> str:
    return "READY"


@method("system.boot_id", no_auth=True)
async def boot_id(call: Call) -> str:
    return call.lab.boot_id


@method("system.host_id")
async def host_id(_call: Call) -> str:
    return "0" * 64


@method("system.info")
async def info(call: Call) -> dict[str, Any]:
    settings, up = call.lab.settings, time.time() - call.lab.booted
    minutes, seconds = divmod(up, 60)
    return {
        "version": settings.release,
        "buildtime": {"$date": 1767225600000},
        "hostname": settings.hostname,
        "physmem": settings.physical_memory,
        "model": "Lab CPU",
        "cores": settings.cores,
        "physical_cores": settings.cores,
        "loadavg": list(os.getloadavg()),
        "uptime": f"{int(minutes) // 60}:{int(minutes) % 60:02d}:{seconds:09.6f}",
        "uptime_seconds": up,
        "system_serial": None,
        "system_product": None,
        "system_product_version": None,
        "license": None,
        "boottime": date(call.lab.booted),
        "datetime": date(time.time()),
        "timezone": "UTC",
        "system_manufacturer": None,
        "ecc_memory": False,
    }


# -- network ----------------------------------------------------------------------------------------------------


@method("network.general.summary")
async def summary(call: Call) -> dict[str, Any]:
    settings, engine = call.lab.settings, call.lab.engine
    ips: dict[str, Any] = {name: {"IPV4": ["192.0.2.5/24"], "IPV6": []} for name in settings.interfaces[:1]}
    if engine.bridge and engine.subnet_v4:
        ips[engine.bridge] = {"IPV4": [engine.subnet_v4], "IPV6": [engine.subnet_v6] if engine.subnet_v6 else []}
    return {"ips": ips, "default_routes": [settings.default_route] if settings.default_route else [], "nameservers": []}


_CHOICES = Model(
    {
        "bridge_members": Field(Bool(), False),
        "lag_ports": Field(Bool(), False),
        "vlan_parent": Field(Bool(), True),
        "exclude": Field(ListOf(Anything()), ["epair", "tap", "vnet"]),
        "exclude_types": Field(ListOf(OneOf(("BRIDGE", "LINK_AGGREGATION", "PHYSICAL", "UNKNOWN", "VLAN"))), []),
        "include": Field(ListOf(Str()), []),
    },
    name="InterfaceChoicesOptions",
)


def _interfaces(call: Call) -> dict[str, str]:
    found = dict.fromkeys(call.lab.settings.interfaces, "PHYSICAL")
    found.update(dict.fromkeys(call.lab.settings.bridges, "BRIDGE"))
    return found


@method("interface.choices", takes(Param("options", _CHOICES, {})))
async def interface_choices(call: Call, options: dict[str, Any]) -> dict[str, str]:
    return {
        name: name for name, kind in _interfaces(call).items() if kind not in options["exclude_types"] and name not in options["exclude"]
    }


@method("interface.query", query.query_params)
async def interface_query(call: Call, filters: list[Any], options: dict[str, Any]) -> Any:
    first = call.lab.settings.interfaces[:1]
    found = []
    for name, kind in _interfaces(call).items():
        addresses = [{"type": "INET", "address": "192.0.2.5", "netmask": 24, "broadcast": "192.0.2.255"}] if name in first else []
        found.append(
            {
                "id": name,
                "name": name,
                "fake": False,
                "type": kind,
                "state": {"name": name, "orig_name": name, "mtu": 1500, "link_state": "LINK_STATE_UP", "aliases": addresses},
                "aliases": [{key: item[key] for key in ("type", "address", "netmask")} for item in addresses],
                "ipv4_dhcp": False,
                "ipv6_auto": False,
                "description": "",
                "mtu": None,
                **({"bridge_members": call.lab.settings.bridge_members.get(name, [])} if kind == "BRIDGE" else {}),
            }
        )
    return query.apply(found, filters, options)


@method("pool.query", query.query_params)
async def pool_query(call: Call, filters: list[Any], options: dict[str, Any]) -> Any:
    found = [
        {
            "id": number,
            "name": name,
            "guid": str(10**18 + number),
            "status": "ONLINE",
            "path": f"/mnt/{name}",
            "healthy": True,
            "warning": False,
            "size": 64 * 1024**3,
            "allocated": 4 * 1024**3,
            "free": 60 * 1024**3,
        }
        for number, name in enumerate(call.lab.engine.pools, 1)
    ]
    return query.apply(found, filters, options)


# -- keys -------------------------------------------------------------------------------------------------------


def _key_entry(key: Key) -> dict[str, Any]:
    return {
        "id": key.ident,
        "name": key.name,
        "username": key.username,
        "user_identifier": "LOCAL",
        "keyhash": "********",
        "created_at": date(key.created),
        "expires_at": date(key.expires),
        "local": True,
        "revoked": key.revoked,
        "revoked_reason": key.revoked_reason,
    }


@method("api_key.query", query.query_params)
async def key_query(call: Call, filters: list[Any], options: dict[str, Any]) -> Any:
    return query.apply([_key_entry(key) for key in call.lab.keys.all()], filters, options)


_DATE = Maybe(Model({"$date": Field(Int())}, name="datetime"))
_KEY_CREATE = Model(
    {"name": Field(Str(least=1, most=200)), "username": Field(Str(least=1)), "expires_at": Field(_DATE, None)}, name="ApiKeyCreate"
)
_KEYS_PER_USER = 10


@method("api_key.create", takes(Param("api_key_create", _KEY_CREATE)), changes=True)
async def key_create(call: Call, data: dict[str, Any]) -> dict[str, Any]:
    if len([key for key in call.lab.keys.all() if key.username == data["username"]]) >= _KEYS_PER_USER:
        raise CallError(f"User {data['username']} has too many API keys")
    expires = data["expires_at"]["$date"] / 1000 if data["expires_at"] else None
    text = call.lab.keys.create(data["name"], username=data["username"], expires=expires)
    created = call.lab.keys.find(text)
    assert created is not None
    return {**_key_entry(created), "key": text}


@method("api_key.delete", takes(Param("id", Int())), changes=True)
async def key_delete(call: Call, ident: int) -> bool:
    if call.lab.keys.get(ident) is None:
        raise CallError(f"API key {ident} does not exist", ENOENT)
    call.lab.keys.delete(ident)
    return True


@method(
    "filesystem.file_receive",
    takes(Param("path", Str()), Param("content", Str(most=2048000)), Param("options", Dict(), {})),
    changes=True,
    private=True,
)
async def file_receive(_call: Call, _path: str, _content: str, _options: dict[str, Any]) -> bool:
    """Exists for its message size only: the lab writes nothing to the machine that it runs on."""
    raise CallError("The lab has no file system to write to")
