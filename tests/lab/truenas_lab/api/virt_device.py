"""Devices of instances: `virt.instance.device_*`, and the checks that create shares with them."""

from __future__ import annotations

from errno import EINVAL, ENOENT
from typing import Any

from ..engine.base import EngineError, EngineInstance
from . import models
from .errors import CallError, FieldError, PlainError, ValidationErrors
from .registry import Call, method, takes
from .schema import Param, Str

_PREFIXES = {"NIC": "eth", "DISK": "disk", "PROXY": "proxy", "USB": "usb", "GPU": "gpu", "TPM": "tpm", "PCI": "pci", "CDROM": "ix_cdrom"}
_SYSTEM_PORTS = {22: "SSH Service", 80: "WebUI Service", 443: "WebUI Service", 6000: "System"}


# -- between the two vocabularies -------------------------------------------------------------------------------


def to_incus(device: dict[str, Any]) -> dict[str, str]:
    kind = device["dev_type"]
    if kind == "NIC":
        result = {"type": "nic"}
        if device.get("network"):
            result["network"] = device["network"]
        if device.get("nic_type") is None:
            # The middleware does this to a missing nic_type, whatever else is given.
            raise PlainError("AttributeError", "'NoneType' object has no attribute 'lower'")
        result["nictype"] = device["nic_type"].lower()
        if device.get("parent"):
            result["parent"] = device["parent"]
        if device.get("mac"):
            result["hwaddr"] = device["mac"].lower()
        return result
    if kind == "PROXY":
        return {
            "type": "proxy",
            "listen": f"{device['source_proto'].lower()}:0.0.0.0:{device['source_port']}",
            "connect": f"{device['dest_proto'].lower()}:0.0.0.0:{device['dest_port']}",
        }
    if kind == "DISK":
        result = {"type": "disk", "path": device["destination"] or ""}
        if device.get("source"):
            result["source"] = device["source"]
        return result
    raise CallError(f"Device type {kind} is not available on this system")


def _address(text: str) -> tuple[str, int]:
    protocol, _host, port = text.split(":", 2)
    return protocol.upper(), int(port)


def from_incus(name: str, device: dict[str, str], *, readonly: bool, pools: list[str]) -> dict[str, Any] | None:
    common: dict[str, Any] = {"name": name, "description": None, "readonly": readonly}
    kind = device.get("type")
    if kind == "nic":
        nic_type = device["nictype"].upper() if "nictype" in device else None
        common["description"] = device.get("network")
        return common | {
            "dev_type": "NIC",
            "network": device.get("network"),
            "nic_type": nic_type,
            "parent": device.get("parent"),
            "mac": device.get("hwaddr"),
        }
    if kind == "disk":
        common["description"] = f"{device.get('source')} -> {device.get('path')}"
        pool = device.get("pool")
        return common | {
            "dev_type": "DISK",
            "source": device.get("source"),
            "destination": device.get("path"),
            "boot_priority": None,
            "io_bus": None,
            "storage_pool": pool if pool is None or pool in pools else pools[0],
        }
    if kind == "proxy":
        source, destination = _address(device["listen"]), _address(device["connect"])
        common["description"] = f"{source[0]}/{source[1]} -> {destination[0]}/{destination[1]}"
        return common | {
            "dev_type": "PROXY",
            "source_proto": source[0],
            "source_port": source[1],
            "dest_proto": destination[0],
            "dest_port": destination[1],
        }
    return None


def _listed(instance: EngineInstance, pools: list[str], api: str) -> list[dict[str, Any]]:
    """The instance's own devices and, `readonly`, those of its profile."""
    found = []
    for name, device in {**instance.expanded_devices, **instance.devices}.items():
        # The root disk is the instance's own affair even where the profile brings it.
        readonly = name not in instance.devices and device.get("path") != "/"
        shown = from_incus(name, device, readonly=readonly, pools=pools)
        if shown is not None:
            if api < models.SINCE_25_10:
                shown.pop("mac", None)
            found.append(shown)
    return found


# -- checks -----------------------------------------------------------------------------------------------------


def unique_names(devices: list[dict[str, Any]], taken: set[str]) -> list[dict[str, Any]]:
    """Give a name to those that have none. Only the instance's own names count: an unnamed card takes the profile's `eth0`."""
    used = taken | {device["name"] for device in devices if device.get("name")}
    named = []
    for device in devices:
        name = device.get("name")
        if not name:
            number = 0
            while (name := f"{_PREFIXES[device['dev_type']]}{number}") in used:
                number += 1
            used.add(name)
        named.append({**device, "name": name})
    return named


def bridges(call: Call) -> list[str]:
    engine_bridge = [call.lab.engine.bridge] if call.lab.engine.bridge else []
    return sorted({*engine_bridge, *call.lab.settings.bridges})


async def _used_ports(call: Call, without: tuple[str, str] | None = None) -> dict[int, str]:
    used = {port: f"{service}" for port, service in _SYSTEM_PORTS.items()}
    for instance in await call.lab.instances(state=False):
        for name, device in instance.devices.items():
            if device.get("type") == "proxy" and (instance.name, name) != without:
                used[_address(device["listen"])[1]] = f"Virtualization Device ('{instance.name}' instance)"
    return used


async def check_devices(call: Call, devices: list[dict[str, Any]], prefix: str, without: tuple[str, str] | None = None) -> None:
    """What the method bodies say about devices beyond their models."""
    errors: list[FieldError] = []
    proxies: list[tuple[tuple[str, int], tuple[str, int]]] = []
    for device in devices:
        kind = device["dev_type"]
        if kind != "CDROM" and device["name"].startswith("ix_cdrom"):
            errors.append((f"{prefix}.name", "Device name must not start with 'ix_cdrom' prefix", EINVAL))
        elif kind == "NIC":
            if device.get("nic_type") == "BRIDGED" and device.get("parent") and device["parent"] not in bridges(call):
                errors.append((prefix, "Invalid parent interface", EINVAL))
        elif kind == "PROXY":
            source, destination = (device["source_proto"], device["source_port"]), (device["dest_proto"], device["dest_port"])
            if source in [item[0] for item in proxies]:
                errors.append((f"{prefix}.source_port", "Source proto/port already in use.", EINVAL))
            if destination in [item[1] for item in proxies]:
                errors.append((f"{prefix}.dest_port", "Destination proto/port already in use.", EINVAL))
            proxies.append((source, destination))
            user = (await _used_ports(call, without)).get(source[1])
            if user:
                text = f'The port is being used by following services:\n1) "0.0.0.0:{source[1]}" used by {user}'
                errors.append((prefix, text, EINVAL))
        elif kind == "DISK":
            errors += _disk_errors(device, prefix)
        elif kind == "CDROM":
            errors.append((prefix, "Specified source path does not exist", EINVAL))
            errors.append((prefix, "Container instance type is not supported", EINVAL))
    if errors:
        raise ValidationErrors(errors)


def _disk_errors(device: dict[str, Any], prefix: str) -> list[FieldError]:
    """The lab has no data sets to mount: every path is a missing one."""
    if not device.get("source"):
        return [(prefix, "Source is required.", EINVAL)]
    if device.get("destination"):
        raise CallError(f"Path {device['source']} not found", ENOENT)
    return [
        (prefix, "Source path does not exist.", EINVAL),
        (prefix, "Destination is required for filesystem paths.", EINVAL),
    ]


# -- methods ----------------------------------------------------------------------------------------------------


async def _store(call: Call, instance: EngineInstance, devices: dict[str, dict[str, str]]) -> None:
    for name, device in devices.items():
        if device.get("type") == "nic" and "network" in device and "nictype" in device:
            raise CallError(
                f'Invalid devices: Device validation failed for "{name}": '
                'Cannot use "nictype" property in conjunction with "network" property'
            )
    try:
        await call.lab.engine.update(instance.name, instance.config, devices)
    except EngineError as exc:
        raise CallError(str(exc)) from exc


@method("virt.instance.device_list", models.id_params)
async def device_list(call: Call, name: str) -> list[dict[str, Any]]:
    return _listed(await call.lab.instance(name, state=False), call.lab.engine.pools, call.api)


@method("virt.instance.device_add", models.device_params, changes=True)
async def device_add(call: Call, name: str, device: dict[str, Any]) -> bool:
    instance = await call.lab.instance(name, state=False)
    device = unique_names([device], set(instance.devices))[0]
    await check_devices(call, [device], "virt_device_add", (name, device["name"]))
    await _store(call, instance, {**instance.devices, device["name"]: to_incus(device)})
    return True


@method("virt.instance.device_update", models.device_params, changes=True)
async def device_update(call: Call, name: str, device: dict[str, Any]) -> bool:
    instance = await call.lab.instance(name, state=False)
    if device.get("name") not in instance.devices:
        raise CallError("Device does not exist.", ENOENT)
    await check_devices(call, [device], "virt_device_update", (name, device["name"]))
    await _store(call, instance, {**instance.devices, device["name"]: to_incus(device)})
    return True


@method("virt.instance.device_delete", takes(Param("id", Str()), Param("name", Str())), changes=True)
async def device_delete(call: Call, name: str, device: str) -> bool:
    instance = await call.lab.instance(name, state=False)
    if device not in instance.devices:
        raise CallError("Device not found.", ENOENT)
    await _store(call, instance, {key: value for key, value in instance.devices.items() if key != device})
    return True


@method(
    "virt.instance.set_bootable_disk",
    takes(Param("id", Str(least=1)), Param("disk", Str(least=1))),
    releases=("25.10",),
    api_since="v25.10",
    changes=True,
)
async def set_bootable_disk(call: Call, name: str, _disk: str) -> bool:
    await call.lab.instance(name, state=False)
    raise CallError("Setting disk to bootable is only valid for VM instances.")
