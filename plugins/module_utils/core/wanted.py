# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the user wants of a container, taken from options and configuration, checked, in the words of the drivers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..nas.driver import Container, ContainerSpec, Nic
from . import marker, naming, units
from .context import Context
from .errors import CoreError, Invalid

STATES = ("present", "started", "stopped", "restarted", "absent")
LONGEST_OWNER = 200


@dataclass(frozen=True)
class Defaults:
    """What a new container gets where the task says nothing."""

    image: str
    cpu: str | None = None
    memory: int | None = None
    pool: str | None = None
    nic: Nic | None = None
    autostart: bool = True


@dataclass(frozen=True)
class Wanted:
    """None is "leave it as it is": an existing container converges to what the user has set, and to nothing else."""

    name: str
    state: str
    defaults: Defaults
    image: str | None = None
    cpu: str | None = None
    memory: int | None = None
    pool: str | None = None
    environment: Mapping[str, str] | None = None
    autostart: bool | None = None
    nic: Nic | None = None
    owner: str | None = None
    create: bool = True
    adopt: bool = False
    recreate: bool = False
    stop_timeout: int = 30
    force: bool = True
    # Filled in by the driver before anything is touched; what a create is made of.
    spec: ContainerSpec | None = field(default=None, compare=False)

    @property
    def instance(self) -> str:
        return naming.to_instance(self.name)

    def new_spec(self) -> ContainerSpec:
        """The container to make where there is none."""
        image = self.image or self.defaults.image
        mark = marker.Marker(image=image, owner=self.owner)
        return ContainerSpec(
            name=self.instance,
            image=image,
            cpu=self.cpu or self.defaults.cpu,
            memory=self.memory or self.defaults.memory,
            pool=self.pool or self.defaults.pool,
            environment=marker.with_marker(self.environment or {}, mark),
            autostart=self.defaults.autostart if self.autostart is None else self.autostart,
            nic=self.nic or self.defaults.nic,
        )

    def spec_in_place_of(self, current: Container) -> ContainerSpec:
        """The container to make where one is to go: what the user has not set stays as it was."""
        mark = marker.read(current.environment) or marker.Marker()
        image = self.image or mark.image
        if image is None:
            raise CoreError(f"{self.name}: nobody knows of which image it was made; recreate needs the option image")
        environment = marker.without(current.environment) if self.environment is None else self.environment
        return ContainerSpec(
            name=self.instance,
            image=image,
            cpu=self.cpu or current.cpu,
            memory=self.memory or current.memory,
            pool=self.pool or current.pool,
            environment=marker.with_marker(environment, marker.Marker(image=image, owner=self.owner or mark.owner)),
            autostart=current.autostart if self.autostart is None else self.autostart,
            nic=self.nic or current.nic,
        )

    def as_if(self, state: str) -> Wanted:
        return replace(self, state=state)


def from_context(ctx: Context) -> list[Wanted]:
    """One for each name; everything that can be refused without asking the appliance is refused here."""
    params = ctx.params
    names = naming.expand(params["name"])
    given = {key: params.get(key) for key in ("image", "cpu", "memory", "pool", "environment", "autostart", "owner")}
    if given["image"] is not None:
        given["image"] = image_name(given["image"])
    if given["cpu"] is not None:
        given["cpu"] = units.cpu_text(given["cpu"])
    if given["memory"] is not None:
        given["memory"] = units.memory_mib(given["memory"])
    if given["environment"] is not None:
        given["environment"] = units.environment_texts(given["environment"])
    owner = given["owner"]
    if owner is not None and (len(owner) > LONGEST_OWNER or not owner.isprintable()):
        raise Invalid("owner", owner, f"an owner is a text of {LONGEST_OWNER} printable characters at most")
    stop_timeout = params["stop_timeout"]
    if not 0 <= stop_timeout <= 290:
        raise Invalid("stop_timeout", stop_timeout, "0 to 290 seconds; the appliance cuts longer ones")
    if stop_timeout == 0 and not params["force"]:
        raise Invalid("stop_timeout", 0, "without force it takes at least one second")
    defaults = defaults_of(ctx)
    return [
        Wanted(
            name=name,
            state=params["state"],
            defaults=defaults,
            nic=nic_of({key: params.get(key) for key in ("network", "nic_type", "parent")}),
            create=params["create"],
            adopt=params["adopt"],
            recreate=params["recreate"],
            stop_timeout=stop_timeout,
            force=params["force"],
            **given,
        )
        for name in names
    ]


def defaults_of(ctx: Context) -> Defaults:
    get = ctx.config.get
    cpu, memory = get("defaults.cpu"), get("defaults.memory")
    nic = nic_of({key: get(f"defaults.{key}") for key in ("network", "nic_type", "parent")}, "defaults.")
    return Defaults(
        image=image_name(get("defaults.image")),
        cpu=None if cpu in (None, "") else units.cpu_text(cpu),
        memory=None if memory in (None, "") else units.memory_mib(memory),
        pool=get("defaults.pool") or None,
        nic=nic,
    )


def image_name(value: Any) -> str:
    """As images are called in choices and in catalogues; the variant `default` is the one that is meant anyway."""
    text = str(value).strip()
    if not text or len(text) > 200 or any(character.isspace() for character in text) or ":" in text:
        raise Invalid("image", value, "an image is named as in debian/12 or ubuntu/24.04, or by the fingerprint of one on the appliance")
    return text


def nic_of(wish: Mapping[str, Any], prefix: str = "") -> Nic | None:
    """The network card that the three options ask for; None when none is set."""
    network, kind, parent = (wish.get(key) or None for key in ("network", "nic_type", "parent"))
    if network is None and kind is None and parent is None:
        return None
    if network is not None and (kind is not None or parent is not None):
        raise CoreError(f"{prefix}network and {prefix}nic_type or {prefix}parent exclude each other: a network of the appliance, or a card")
    if network is not None:
        return Nic(network=str(network))
    kind = str(kind or "macvlan").lower()
    if kind not in ("macvlan", "bridged"):
        raise Invalid(f"{prefix}nic_type", kind, "allowed are macvlan and bridged")
    return Nic(nic_type=kind, parent=None if parent is None else str(parent))
