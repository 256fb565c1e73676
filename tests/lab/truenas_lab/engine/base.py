"""What the lab's API asks of an engine.

An engine knows instances the way Incus does (configuration keys, devices, network state); the API layer translates to and
from the shapes of the TrueNAS API. `incus.py` runs real containers, `memory.py` runs none.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..zfs.records import Present, Sizes, Step


class EngineError(Exception):
    """An operation failed; the text is what Incus says (`Instance not found`, `The instance is already stopped`)."""


class EngineNotFound(EngineError):
    """What was asked for does not exist."""


@dataclass
class EngineInstance:
    """One instance, in Incus's own words."""

    name: str
    status: str  # RUNNING, STOPPED, FROZEN, STARTING, STOPPING, ERROR, ...
    config: dict[str, str] = field(default_factory=dict)  # local configuration: limits.cpu, environment.X, user.autostart, image.os
    devices: dict[str, dict[str, str]] = field(default_factory=dict)  # local devices
    expanded_devices: dict[str, dict[str, str]] = field(default_factory=dict)  # with those of the profile
    pool: str = "default"  # name of the storage pool as TrueNAS calls it
    architecture: str = "x86_64"
    network: dict[str, dict[str, Any]] | None = None  # Incus state.network: {"eth0": {"addresses": [...], "hwaddr": ...}}
    raw: dict[str, Any] = field(default_factory=dict)  # the whole object as Incus answers it (extra.raw)


@dataclass
class EngineImage:
    """One image that `create` accepts."""

    alias: str  # the key in virt.instance.image_choices: debian/bookworm/default
    other_aliases: list[str]
    os: str
    release: str
    variant: str
    archs: list[str]
    label: str


class EngineShell(Protocol):
    """A terminal in an instance."""

    def read(self) -> AsyncIterator[bytes]: ...
    async def write(self, data: bytes) -> None: ...
    async def resize(self, columns: int, rows: int) -> None: ...
    async def close(self) -> None: ...


class Volumes(Protocol):
    """The data of an engine's pools. Who may do what is decided elsewhere; here it is done. Each raises EngineError."""

    costly: bool  # whether measuring takes time

    def measurable(self, pool: str) -> bool:
        """Whether measuring would begin at once."""

    async def present(self, pool: str) -> Present:
        """What there really is: never a guess, for what is missing here is forgotten."""

    async def carry_out(self, step: Step) -> None: ...

    async def sizes(self, pool: str) -> Sizes: ...

    async def tidy(self, pool: str, datasets: frozenset[int], snapshots: frozenset[int]) -> None:
        """Remove parked volumes and snapshots but for these: remains of a lab that was killed at work."""

    def load(self, pool: str) -> dict[str, Any] | None: ...
    def save(self, pool: str, data: dict[str, Any]) -> None: ...


OnPercent = Callable[[int, str], Awaitable[None]]
OnStatus = Callable[[str, str], None]  # instance name, new status (RUNNING or STOPPED): Incus's life-cycle events


class Engine(Protocol):
    """The operations. Each raises EngineError with Incus's text."""

    pools: list[str]  # names of the storage pools as TrueNAS shows them; the first is the global one
    bridge: str  # the managed bridge: incusbr0, or the lab's own
    subnet_v4: str  # gateway address with prefix length
    subnet_v6: str | None
    on_status: OnStatus | None

    @property
    def volumes(self) -> Volumes: ...

    async def start(self) -> None: ...
    async def close(self) -> None: ...
    async def images(self) -> list[EngineImage]: ...
    async def instances(self, *, state: bool = True) -> list[EngineInstance]: ...
    async def instance(self, name: str, *, state: bool = True) -> EngineInstance: ...

    async def create(
        self,
        name: str,
        image: str,
        config: dict[str, str],
        devices: dict[str, dict[str, str]],
        pool: str,
        on_percent: OnPercent | None = None,
    ) -> None: ...
    async def start_instance(self, name: str) -> None: ...
    async def stop_instance(self, name: str, *, timeout: int, force: bool) -> None: ...
    async def restart_instance(self, name: str, *, timeout: int, force: bool) -> None: ...
    async def update(self, name: str, config: dict[str, str], devices: dict[str, dict[str, str]]) -> None: ...
    async def delete(self, name: str) -> None: ...
    async def shell(self, name: str, command: str, *, console: bool = False) -> EngineShell: ...
