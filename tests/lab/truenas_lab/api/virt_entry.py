"""An instance as `virt.instance.query` shows it, made from what the engine knows in Incus's words."""

from __future__ import annotations

import json
from typing import Any

from ..engine.base import EngineInstance

_IMAGE_KEYS = ("architecture", "description", "os", "release", "serial", "type", "variant", "secureboot")
_UNITS = {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "TiB": 1024**4, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_FAMILIES = {"inet": "INET", "inet6": "INET6"}
SINCE_PRIVILEGED = "v25.10"


def memory_bytes(limit: str | None) -> int | None:
    if not limit:
        return None
    for unit, factor in _UNITS.items():
        if limit.endswith(unit):
            return int(limit.removesuffix(unit)) * factor
    return int(limit.removesuffix("B"))


def aliases(network: dict[str, dict[str, Any]] | None) -> list[dict[str, Any]]:
    """Global addresses of every interface in the container, docker bridges included."""
    found: list[dict[str, Any]] = []
    for details in (network or {}).values():
        for address in details.get("addresses", []):
            if address.get("scope") != "global":
                continue
            netmask = address.get("netmask")
            found.append(
                {"type": _FAMILIES[address["family"]], "address": address["address"], "netmask": int(netmask) if netmask else None}
            )
    return found


def _idmap(text: str | None) -> dict[str, Any] | None:
    """The mapping of the last start, if there was one."""
    mapping: dict[str, Any] = {}
    for item in json.loads(text or "[]"):
        shown = {"hostid": item["Hostid"], "maprange": item["Maprange"], "nsid": item["Nsid"]}
        for kind in ("uid", "gid"):
            if item[f"Is{kind}"]:
                mapping[kind] = shown
    return mapping or None


def entry(instance: EngineInstance, *, raw: bool = False) -> dict[str, Any]:
    config = instance.config
    status = "STOPPED" if instance.status == "STOPPED" else instance.status
    image: dict[str, Any] = {key: config.get(f"image.{key}") for key in _IMAGE_KEYS}
    if image["secureboot"] is not None:
        image["secureboot"] = image["secureboot"] == "true"
    unprivileged = config.get("security.privileged") != "true"
    return {
        "id": instance.name,
        "name": instance.name,
        "type": "CONTAINER",
        "status": status,
        "cpu": config.get("limits.cpu"),
        "memory": memory_bytes(config.get("limits.memory")),
        "autostart": config.get("user.autostart") == "true",
        "environment": {key.removeprefix("environment."): value for key, value in config.items() if key.startswith("environment.")},
        "aliases": aliases(instance.network),
        "image": image,
        "userns_idmap": _idmap(config.get("volatile.idmap.current")),
        "raw": instance.raw if raw else None,
        "vnc_enabled": False,
        "vnc_port": None,
        "vnc_password": None,
        "secure_boot": None,
        "privileged_mode": not unprivileged,
        "root_disk_size": None,
        "root_disk_io_bus": None,
        "storage_pool": instance.pool,
    }


def older(value: Any, api: str) -> Any:
    """The same in the model of an API version: `privileged_mode` came with 25.10."""
    if api >= SINCE_PRIVILEGED:
        return value
    if isinstance(value, list):
        return [older(item, api) for item in value]
    if isinstance(value, dict) and "privileged_mode" in value:
        return {key: item for key, item in value.items() if key != "privileged_mode"}
    return value


def covered(result: Any) -> Any:
    """A job's result as `core.get_jobs` shows it to outside callers: secret fields hidden."""
    if isinstance(result, dict) and "vnc_password" in result:
        return {**result, "raw": "********", "vnc_password": "********"}
    return result
