"""An engine without containers: instances are records, booting is a matter of time, the terminal is emulated.

It serves tests of the API. It answers with Incus's own texts where a client meets them.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import json
import re
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from .base import EngineError, EngineImage, EngineInstance, EngineNotFound, EngineShell, OnPercent, OnStatus
from .memory_volumes import MemoryVolumes
from .terminal import Canned, Terminal

_NAME = re.compile(r"^[-A-Za-z0-9]+$")
_CPU_COUNT = re.compile(r"^\d+$")
_CPU_SET = re.compile(r"^\d+(-\d+)?(,\d+(-\d+)?)*$")
_IDMAP = [
    {"Isuid": True, "Isgid": False, "Hostid": 1000000, "Nsid": 0, "Maprange": 1000000000},
    {"Isuid": False, "Isgid": True, "Hostid": 1000000, "Nsid": 0, "Maprange": 1000000000},
]
_CODES = {"RUNNING": 103, "STOPPED": 102, "FROZEN": 110, "ERROR": 112, "STARTING": 106, "STOPPING": 107}


@dataclass
class Record:
    name: str
    image: str
    config: dict[str, str]
    devices: dict[str, dict[str, str]]
    pool: str
    status: str = "STOPPED"
    started: float = 0.0
    number: int = 2  # the last part of its address
    created: float = field(default_factory=time.time)


def _check_name(name: str) -> None:
    if "/" in name:
        raise EngineError('The character "/" is reserved for snapshots')
    prefix = "Invalid instance name: "
    if not 1 <= len(name) <= 63:
        raise EngineError(f"{prefix}Name must be 1-63 characters long")
    if name.isdigit():
        raise EngineError(f"{prefix}Name must not be a number")
    if name.startswith("-"):
        raise EngineError(f'{prefix}Name must not start with "-" character')
    if name.endswith("-"):
        raise EngineError(f'{prefix}Name must not end with "-" character')
    if not _NAME.match(name):
        raise EngineError(f"{prefix}Name can only contain alphanumeric and hyphen characters")


def _check_cpu(limit: str | None) -> None:
    if limit is None:
        return
    if _CPU_COUNT.match(limit) and int(limit) == 0:
        raise EngineError("Invalid cpuset value: 0")
    if not _CPU_SET.match(limit):
        raise EngineError("Invalid CPU limit syntax")


def default_images() -> list[EngineImage]:
    return [
        EngineImage(
            "debian/bookworm/default",
            ["debian/bookworm", "debian/12/default", "debian/12"],
            "Debian",
            "bookworm",
            "default",
            ["amd64"],
            "Debian bookworm (amd64, default)",
        ),
        EngineImage(
            "debian/trixie/default",
            ["debian/trixie", "debian/13/default", "debian/13"],
            "Debian",
            "trixie",
            "default",
            ["amd64"],
            "Debian trixie (amd64, default)",
        ),
        EngineImage(
            "debian/bookworm/cloud", ["debian/12/cloud"], "Debian", "bookworm", "cloud", ["amd64"], "Debian bookworm (amd64, cloud)"
        ),
        EngineImage(
            "ubuntu/noble/default",
            ["ubuntu/noble", "ubuntu/24.04/default", "ubuntu/24.04"],
            "Ubuntu",
            "noble",
            "default",
            ["amd64"],
            "Ubuntu noble (amd64, default)",
        ),
        EngineImage("alpine/3.22/default", ["alpine/3.22"], "Alpine", "3.22", "default", ["amd64"], "Alpine 3.22 (amd64, default)"),
    ]


class MemoryEngine:
    """The switches are attributes; `change` sets them by name (POST /_lab/state {"engine": {...}})."""

    def __init__(self, *, pools: list[str] | None = None, address_delay: float = 0.2, operation_delay: float = 0.0) -> None:
        self.pools = pools or ["tank"]
        self.volumes = MemoryVolumes()
        self.bridge = "incusbr0"
        self.subnet_v4 = "10.97.0.1/24"
        self.subnet_v6: str | None = None
        self.on_status: OnStatus | None = None
        self.address_delay = address_delay  # from start to the first address
        self.operation_delay = operation_delay  # what starting, stopping, creating takes
        self.query_delay = 0.0
        self.docker_bridge = False  # a docker0 with an address of its own in every running instance
        self.deaf: list[str] = []  # guests that do not react to a shutdown request
        self.parents = ["eth0", "incusbr0"]  # host interfaces that a MACVLAN card may sit on
        self.pulls = 0  # progress reports while an image is fetched for the first time
        self.image_details = True  # public images say more about themselves than home-made ones
        self.canned: list[Canned] = []  # answers of the emulated terminal
        self.scripts: list[dict[str, str]] = []  # what it was asked to run: {"instance", "script"}
        self._images = default_images()
        self._cached: set[str] = set()
        self._records: dict[str, Record] = {}
        self._number = 1

    def change(self, values: dict[str, Any]) -> None:
        known = {
            "address_delay",
            "operation_delay",
            "query_delay",
            "docker_bridge",
            "deaf",
            "parents",
            "pulls",
            "canned",
            "subnet_v6",
            "status",
        }
        if unknown := set(values) - known:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}")
        for name, value in values.items():
            if name == "canned":
                self.canned = [Canned(**item) for item in value]
            elif name == "status":  # {"px-a": "FROZEN"}: as if it had happened by itself
                for instance, status in value.items():
                    self._get(instance).status = status
            else:
                setattr(self, name, value)

    # -- looking ------------------------------------------------------------------------------------------------
    async def start(self) -> None:
        return None

    async def close(self) -> None:
        return None

    async def images(self) -> list[EngineImage]:
        return list(self._images)

    async def instances(self, *, state: bool = True) -> list[EngineInstance]:
        if self.query_delay:
            await asyncio.sleep(self.query_delay)
        return [self._shown(record, state=state) for record in self._records.values()]

    async def instance(self, name: str, *, state: bool = True) -> EngineInstance:
        if self.query_delay:
            await asyncio.sleep(self.query_delay)
        return self._shown(self._get(name), state=state)

    def _get(self, name: str) -> Record:
        record = self._records.get(name)
        if record is None:
            raise EngineNotFound(f'Failed to fetch instance "{name}" in project "default": Instance not found')
        return record

    def _network(self, record: Record) -> dict[str, dict[str, Any]] | None:
        if record.status != "RUNNING":
            return None
        up = time.monotonic() - record.started >= self.address_delay
        subnet = ipaddress.ip_interface(self.subnet_v4).network
        network: dict[str, dict[str, Any]] = {}

        def interface(name: str, kind: str, addresses: list[tuple[str, str, int, str]], hwaddr: str) -> None:
            network[name] = {
                "addresses": [
                    {"family": family, "address": text, "netmask": str(mask), "scope": scope} for family, text, mask, scope in addresses
                ],
                "counters": {"bytes_received": 0, "bytes_sent": 0, "packets_received": 0, "packets_sent": 0},
                "hwaddr": hwaddr,
                "host_name": "" if kind == "loopback" else f"veth{record.number:08x}",
                "mtu": 1500,
                "state": "up",
                "type": kind,
            }

        if self.docker_bridge and up:
            interface("docker0", "broadcast", [("inet", "172.17.0.1", 16, "global")], "02:42:00:00:00:01")
        cards = sorted(name for name, device in self._expanded(record).items() if device.get("type") == "nic")
        for index, name in enumerate(cards):
            addresses = [("inet6", f"fe80::216:3eff:fe00:{record.number:x}", 64, "link")]
            if up:
                address = str(subnet.network_address + record.number + 100 * index)
                addresses.insert(0, ("inet", address, subnet.prefixlen, "global"))
                if self.subnet_v6:
                    base = ipaddress.ip_interface(self.subnet_v6).network
                    addresses.append(("inet6", str(base.network_address + record.number), base.prefixlen, "global"))
            interface(name, "broadcast", addresses, f"00:16:3e:00:{index:02x}:{record.number:02x}")
        interface("lo", "loopback", [("inet", "127.0.0.1", 8, "local"), ("inet6", "::1", 128, "local")], "")
        return network

    def _expanded(self, record: Record) -> dict[str, dict[str, str]]:
        profile = {
            "eth0": {"name": "eth0", "network": self.bridge, "type": "nic"},
            "root": {"path": "/", "pool": record.pool, "type": "disk"},
        }
        return {**profile, **record.devices}

    def _shown(self, record: Record, *, state: bool) -> EngineInstance:
        network = self._network(record) if state else None
        status = record.status.capitalize()
        raw: dict[str, Any] = {
            "architecture": "x86_64",
            "config": dict(record.config),
            "devices": {name: dict(device) for name, device in record.devices.items()},
            "ephemeral": False,
            "profiles": ["default"],
            "stateful": False,
            "description": "",
            "created_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "expanded_config": dict(record.config),
            "expanded_devices": self._expanded(record),
            "name": record.name,
            "status": status,
            "status_code": _CODES.get(record.status, 0),
            "last_used_at": "1970-01-01T00:00:00Z",
            "location": "none",
            "type": "container",
            "project": "default",
            "backups": None,
            "state": {
                "status": status,
                "status_code": _CODES.get(record.status, 0),
                "disk": {},
                "memory": {"usage": 0, "usage_peak": 0, "total": 0, "swap_usage": 0, "swap_usage_peak": 0},
                "network": network,
                "pid": 4711 if record.status == "RUNNING" else 0,
                "processes": 10 if record.status == "RUNNING" else -1,
                "cpu": {"usage": 0, "allocated_time": 0},
                "started_at": "0001-01-01T00:00:00Z",
                "os_info": None,
            }
            if state
            else None,
            "snapshots": None,
        }
        devices = {name: dict(device) for name, device in record.devices.items()}
        return EngineInstance(
            record.name, record.status, dict(record.config), devices, self._expanded(record), record.pool, "x86_64", network, raw
        )

    # -- changing -----------------------------------------------------------------------------------------------
    async def create(
        self,
        name: str,
        image: str,
        config: dict[str, str],
        devices: dict[str, dict[str, str]],
        pool: str,
        on_percent: OnPercent | None = None,
    ) -> None:
        _check_name(name)
        found = next((item for item in self._images if image in (item.alias, *item.other_aliases)), None)
        if found is None:
            raise EngineError("Failed getting remote image info: Failed getting image: The requested image couldn't be found")
        try:
            _check_cpu(config.get("limits.cpu"))
        except EngineError as exc:
            raise EngineError(f"Failed creating instance record: {exc}") from exc
        for step in range(0 if found.alias in self._cached else self.pulls):
            if on_percent is not None:
                await on_percent(0, f"metadata: {100 * (step + 1) // self.pulls}% (30.00MB/s)")
            await asyncio.sleep(0)
        self._cached.add(found.alias)
        await asyncio.sleep(self.operation_delay)
        if name in self._records:
            raise EngineError(
                f'Failed creating instance record: Add instance info to the database: This "instances" entry already exists: {name}'
            )
        own = {key: dict(value) for key, value in devices.items()}
        own.setdefault("root", {"path": "/", "pool": pool, "type": "disk"})
        self.volumes.make(pool, name, hashlib.sha256(found.alias.encode()).hexdigest())
        self._number += 1
        ident = str(uuid.uuid4())
        local = {
            **config,
            "image.os": found.os,
            "image.release": found.release,
            "image.description": found.label,
            "volatile.uuid": ident,
            "volatile.uuid.generation": ident,
        }
        if self.image_details:
            local |= {
                "image.architecture": found.archs[0],
                "image.serial": "20260101_05:24",
                "image.type": "squashfs",
                "image.variant": found.variant,
            }
        self._records[name] = Record(name, image, local, own, pool, number=self._number)

    async def start_instance(self, name: str) -> None:
        record = self._get(name)
        if record.status == "RUNNING":
            raise EngineError("The instance is already running")
        if not self.volumes.exists(record.pool, name):
            raise EngineError(
                f"Failed to mount storage volume: cannot open '{record.pool}/.ix-virt/containers/{name}': dataset does not exist"
            )
        record.config["volatile.idmap.current"] = json.dumps(_IDMAP)
        self._check_cards(record)
        await asyncio.sleep(self.operation_delay)
        self._turn(record, "RUNNING")

    def _check_cards(self, record: Record) -> None:
        on_bridge: dict[str, str] = {}
        for name, device in self._expanded(record).items():
            if device.get("type") != "nic":
                continue
            if device.get("nictype") == "macvlan" and device.get("parent") not in self.parents:
                raise EngineError(f"Failed to start device \"{name}\": Parent device '{device.get('parent')}' doesn't exist")
            bridge = device.get("network") or (device.get("parent") if device.get("nictype") == "bridged" else None)
            if bridge == self.bridge and bridge in on_bridge:
                raise EngineError(
                    f'Failed start validation for device "{on_bridge[bridge]}": Instance DNS name "{record.name}" conflict between '
                    f'"{on_bridge[bridge]}" and "{name}" because both are connected to same network.'
                )
            if bridge:
                on_bridge[bridge] = name

    def _turn(self, record: Record, status: str) -> None:
        record.status = status
        record.started = time.monotonic()
        record.config["volatile.last_state.power"] = status
        if self.on_status is not None:
            self.on_status(record.name, status)

    async def stop_instance(self, name: str, *, timeout: int, force: bool) -> None:
        record = self._get(name)
        if record.status == "STOPPED":
            raise EngineError("The instance is already stopped")
        await asyncio.sleep(self.operation_delay)
        if not force and name in self.deaf:
            raise EngineError('Failed shutting down instance, status is "Running": context deadline exceeded')
        self._turn(record, "STOPPED")

    async def restart_instance(self, name: str, *, timeout: int, force: bool) -> None:
        await self.stop_instance(name, timeout=timeout, force=force)
        await self.start_instance(name)

    async def update(self, name: str, config: dict[str, str], devices: dict[str, dict[str, str]]) -> None:
        record = self._get(name)
        _check_cpu(config.get("limits.cpu"))
        await asyncio.sleep(self.operation_delay)
        trial = Record(name, record.image, dict(config), {key: dict(value) for key, value in devices.items()}, record.pool)
        if record.status == "RUNNING" and trial.devices != record.devices:
            self._check_cards(trial)
        record.config, record.devices = trial.config, trial.devices

    async def delete(self, name: str) -> None:
        record = self._get(name)
        if record.status != "STOPPED":
            raise EngineError("The instance is currently running, stop it first or pass --force")
        await asyncio.sleep(self.operation_delay)
        if self._records.pop(name, None) is not None:
            self.volumes.forget(record.pool, name)

    async def shell(self, name: str, command: str, *, console: bool = False) -> EngineShell:
        record = self._get(name)
        if record.status != "RUNNING":
            raise EngineError("Instance is not running")
        if command not in ("/bin/sh", "sh", "/bin/bash", "bash", "/bin/login"):
            raise EngineError("Command not found")
        return Terminal(self, name)
