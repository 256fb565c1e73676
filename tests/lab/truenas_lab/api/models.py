"""What the methods of `virt.*` take, per API version."""

from __future__ import annotations

import re
from typing import Any

from .query import options_kind
from .schema import Bool, Dict, Field, Int, Kind, ListOf, Maybe, Model, OneOf, Param, Str, Tagged

LEAST_MEMORY = 32 * 1024**2
_ENV_KEY = re.compile(r"^\w[\w/]*$")
_MAC = re.compile(r"^([0-9A-Fa-f]{2}[:-]?){5}([0-9A-Fa-f]{2})$")
SINCE_25_10 = "v25.10"


def _env_key(key: str) -> str | None:
    if _ENV_KEY.match(key):
        return None
    return (
        "Assertion failed, ENV_KEY must not be empty, should start with alphanumeric characters, "
        "should not contain whitespaces, and can have _ and /"
    )


def _env_value(value: str) -> str | None:
    if value.strip():
        return None
    return "Assertion failed, ENV_VALUE must have at least one non-whitespace character to be considered valid"


def _memory(value: int) -> str | None:
    return "Value error, Value must be 32MiB or larger" if value < LEAST_MEMORY else None


def _mac(value: str) -> str | None:
    return None if _MAC.match(value) else "Assertion failed, MAC address is not valid."


def _disk_source(value: str) -> str | None:
    if not value.startswith("/"):
        return None
    if not value.startswith("/mnt/"):
        return "Value error, Only pool paths are allowed"
    if "/ix-apps" in value or value.startswith("/mnt/.ix-apps"):
        return "Value error, Invalid source"
    return None


_ENVIRONMENT = Maybe(Dict(_env_key, Str(rule=_env_value)))
_MEMORY = Maybe(Int(rule=_memory))
_NAMED = Maybe(Str(least=1))
_DISK_BUS = OneOf(("NVME", "VIRTIO-BLK", "VIRTIO-SCSI"))


def _device(tag: str, fields: dict[str, Field]) -> Model:
    common = {
        "name": Field(_NAMED, None),
        "description": Field(_NAMED, None),
        "readonly": Field(Bool(), False),
        "dev_type": Field(OneOf((tag,))),
    }
    return Model({**common, **fields}, name=tag)


_PORT = Field(Int(least=1, most=65535))
_PROTOCOL = Field(OneOf(("UDP", "TCP")))
_TEXT_OR_NULL = Field(Maybe(Str()), None)
_NAMED_OR_NULL = Field(_NAMED, None)
_ID_OR_NULL = Field(Maybe(Int(least=0, most=90000000)), None)
_PRIORITY = Field(Maybe(Int(least=0)), None)

_NIC: dict[str, Field] = {
    "network": _NAMED_OR_NULL,
    "nic_type": Field(Maybe(OneOf(("BRIDGED", "MACVLAN"))), None),
    "parent": _NAMED_OR_NULL,
}
_DEVICES: dict[str, dict[str, Field]] = {
    "DISK": {
        "source": Field(Maybe(Str(least=1, rule=_disk_source)), None),
        "destination": _TEXT_OR_NULL,
        "boot_priority": _PRIORITY,
        "io_bus": Field(Maybe(_DISK_BUS), None),
        "storage_pool": _NAMED_OR_NULL,
    },
    "GPU": {
        "gpu_type": Field(OneOf(("PHYSICAL", "MDEV", "MIG", "SRIOV"))),
        "id": _TEXT_OR_NULL,
        "gid": _ID_OR_NULL,
        "uid": _ID_OR_NULL,
        "mode": _TEXT_OR_NULL,
        "mdev": _NAMED_OR_NULL,
        "mig_uuid": _NAMED_OR_NULL,
        "pci": _NAMED_OR_NULL,
        "productid": _NAMED_OR_NULL,
        "vendorid": _NAMED_OR_NULL,
    },
    "PROXY": {"source_proto": _PROTOCOL, "source_port": _PORT, "dest_proto": _PROTOCOL, "dest_port": _PORT},
    "TPM": {"path": _TEXT_OR_NULL, "pathrm": _TEXT_OR_NULL},
    "USB": {"bus": Field(Maybe(Int()), None), "dev": Field(Maybe(Int()), None), "product_id": _TEXT_OR_NULL, "vendor_id": _TEXT_OR_NULL},
    "NIC": {**_NIC, "mac": Field(Maybe(Str(rule=_mac)), None)},
    "PCI": {"address": Field(Str(least=1))},
    "CDROM": {"source": Field(Str(least=1)), "boot_priority": _PRIORITY},
}


def device(api: str) -> Kind:
    fields = dict(_DEVICES)
    if api < SINCE_25_10:  # CDROM and the card's own mac came with 25.10
        fields["NIC"] = _NIC
        del fields["CDROM"]
    return Tagged("dev_type", {tag: _device(tag, items) for tag, items in fields.items()})


def _source_type(data: dict[str, Any]) -> str | None:
    if data.get("instance_type") == "CONTAINER" and data.get("source_type") not in (None, "IMAGE"):
        return 'Value error, Source type must be set to "IMAGE" when instance type is CONTAINER'
    return None


def create_params(api: str) -> tuple[Param, ...]:
    fields: dict[str, Field] = {
        "name": Field(Str(least=1, most=200)),
        "source_type": Field(OneOf(("IMAGE",)), "IMAGE"),
        "storage_pool": Field(_NAMED, None),
        "image": Field(Str(least=1, most=200)),
        "root_disk_size": Field(Int(least=5), 10),
        "root_disk_io_bus": Field(_DISK_BUS, "NVME"),
        "remote": Field(OneOf(("LINUX_CONTAINERS",)), "LINUX_CONTAINERS"),
        "instance_type": Field(OneOf(("CONTAINER",)), "CONTAINER"),
        "environment": Field(_ENVIRONMENT, None),
        "autostart": Field(Maybe(Bool()), True),
        "cpu": Field(Maybe(Str()), None),
        "devices": Field(Maybe(ListOf(device(api))), None),
        "memory": Field(_MEMORY, None),
        "privileged_mode": Field(Bool(), False),
    }
    if api < SINCE_25_10:
        for gone in ("root_disk_size", "root_disk_io_bus", "privileged_mode"):
            del fields[gone]
        fields["iso_volume"] = Field(_NAMED, None)
    if api < "v25.04.2":  # the models of before still knew virtual machines
        fields["source_type"] = Field(Maybe(OneOf(("IMAGE", "ZVOL", "ISO", "VOLUME"))), "IMAGE")
        fields["instance_type"] = Field(OneOf(("CONTAINER", "VM")), "CONTAINER")
    return (Param("virt_instance_create", Model(fields, rule=_source_type, name="VirtInstanceCreate")),)


def update_params(api: str) -> tuple[Param, ...]:
    kinds: dict[str, Kind] = {
        "environment": _ENVIRONMENT,
        "autostart": Maybe(Bool()),
        "cpu": Maybe(Str()),
        "memory": _MEMORY,
        "vnc_port": Maybe(Int(least=5900, most=65535)),
        "enable_vnc": Bool(),
        "vnc_password": _NAMED,
        "secure_boot": Bool(),
        "root_disk_size": Maybe(Int(least=5)),
        "root_disk_io_bus": Maybe(_DISK_BUS),
        "image_os": Maybe(Str()),
        "privileged_mode": Bool(),
    }
    if api < SINCE_25_10:
        for gone in ("image_os", "privileged_mode"):
            del kinds[gone]
    model = Model({name: Field(kind, optional=True) for name, kind in kinds.items()}, name="VirtInstanceUpdate")
    return Param("id", Str()), Param("virt_instance_update", model)


def id_params(_api: str) -> tuple[Param, ...]:
    return (Param("id", Str()),)


def get_params(api: str) -> tuple[Param, ...]:
    return Param("id", Str()), Param("options", options_kind(api), {})


def stop_params(_api: str) -> tuple[Param, ...]:
    fields = {"timeout": Field(Int(), -1), "force": Field(Bool(), False)}
    return Param("id", Str()), Param("stop_args", Model(fields, name="StopArgs"), {})


def stop_rule(arguments: list[Any]) -> str | None:
    options = arguments[1]
    if options["timeout"] == -1 and not options["force"]:
        return "Value error, Timeout should be set if force is disabled"
    return None


def device_params(api: str) -> tuple[Param, ...]:
    return Param("id", Str()), Param("device", device(api))
