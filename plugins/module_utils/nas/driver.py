# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the collection asks of an appliance, in one set of words for every version of TrueNAS.

Two families stand behind it: `virt.*` (25.04, 25.10; Incus) and `container.*` (26 and later; LXC). They differ in what an id
is, whether a create starts, how network cards are attached, whether an address is reported and whether a stop that came back has stopped;
a driver hides all that. After each of these methods returned, what it promises is true; when it cannot tell, it raises.

Names here are those on the appliance (`px-task1`). Errors are the types of `rpc.errors` and of `errors.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from .errors import DriverError, NotReady, Refused, Unsupported

if TYPE_CHECKING:
    from ..rpc.api import OnProgress
    from ..rpc.shell import ShellResult
    from .storage import Storage

__all__ = [
    "INSIDE",
    "Address",
    "Container",
    "ContainerId",
    "ContainerSpec",
    "Driver",
    "DriverError",
    "Image",
    "Nic",
    "NotReady",
    "Refused",
    "Unsupported",
]

# The appliance's own handle: the name up to 25.10, a number from 26 on. Nobody above the driver looks into it.
ContainerId: TypeAlias = "str | int"

# Anything that is neither of these two is passed on in lower case: starting, stopping, frozen, error, unknown, ...
RUNNING = "running"
STOPPED = "stopped"


@dataclass(frozen=True)
class Address:
    """An address inside a container; `interface` is None where the appliance does not tell."""

    family: Literal["inet", "inet6"]
    address: str
    interface: str | None = None


@dataclass(frozen=True)
class Nic:
    """A network card: `macvlan` or `bridged` with its parent, or, without these, a network that the appliance manages."""

    nic_type: str | None = None
    parent: str | None = None
    network: str | None = None
    name: str = "eth0"


# The device of a gateway's second card. Nobody else calls one so, and the appliance numbers the interface inside: eth1.
INSIDE = "inside"

# The network that the appliance gives to a container for which nothing was asked.
DEFAULT_NETWORK = Nic(network="default")


@dataclass(frozen=True)
class Container:
    """A container as it is now."""

    id: ContainerId
    name: str
    status: str
    cpu: str | None = None
    memory: int | None = None  # MiB; None is no limit
    pool: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    autostart: bool = False
    image: Mapping[str, str | None] = field(default_factory=dict)  # what the image says of itself: os, release, variant, ...
    nic: Nic | None = None  # its first network card; None: the appliance does not show it to us
    inside: Nic | None = None  # the second card of a gateway
    cards: int | None = None  # how many network cards it has; None: the appliance does not show it to us
    addresses: tuple[Address, ...] = ()
    address: str | None = None  # the one to connect to
    started_at: str | None = None  # differs after each start; None where the appliance does not tell
    created_at: str | None = None  # as the appliance writes it: 2026-11-23T07:15:18.221158849Z
    never_started: bool | None = None  # None where the appliance does not tell
    base_image: str | None = None  # the fingerprint of the image that it was made of; the image need not be there any more

    @property
    def running(self) -> bool:
        return self.status == RUNNING

    @property
    def stopped(self) -> bool:
        return self.status == STOPPED


@dataclass(frozen=True)
class ContainerSpec:
    """A container to be made."""

    name: str
    image: str
    cpu: str | None = None
    memory: int | None = None  # MiB
    pool: str | None = None  # None: the appliance's own choice
    environment: Mapping[str, str] = field(default_factory=dict)
    autostart: bool = True  # at the boot of the appliance; whether to start it now is an argument of create
    nic: Nic | None = None  # None: the driver's choice, made by check_spec
    inside: Nic | None = None  # a second card, on a bridge where nobody else is
    image_name: str | None = None  # for a clone whose `image` is a fingerprint: what to take when the appliance has no such image any more


@dataclass(frozen=True)
class Image:
    """An image that a container can be made of."""

    name: str
    os: str
    release: str
    variant: str
    label: str


class Driver(Protocol):
    """The operations. Safe to use from several threads."""

    version: str  # 25.10.6
    endpoint: Any  # the rpc Endpoint that it talks to
    storage: Storage  # its ZFS

    def boot_id(self) -> str:
        """What no other system has, and this one only until it is booted again."""

    def preflight(self) -> None:
        """Raise unless the appliance can run containers."""

    def list(self, prefix: str = "", *, pattern: str = "", statuses: Collection[str] = ()) -> Sequence[Container]:
        """All containers whose name begins so, or those of them whose name matches the regular expression from its start, and with one of
        the statuses. Empty only when there are none: a service that is not up raises."""

    def get(self, name: str) -> Container | None:
        """One container; None only when it is proven not to exist."""

    def several(self, names: Collection[str]) -> Sequence[Container]:
        """Those of these that there are, with one call, in any order."""

    def pools(self) -> Sequence[str]:
        """The pools that containers may lie on."""

    def images(self) -> Sequence[Image]:
        """The images on offer."""

    def check_spec(self, spec: ContainerSpec) -> ContainerSpec:
        """The same with what was left open filled in (network, pool); raises for what the appliance is known to refuse. Only reads."""

    def create(self, spec: ContainerSpec, *, start: bool = True, on_progress: OnProgress | None = None) -> None:
        """Make it; it is running afterwards if `start`, else stopped. A failure may leave a part of it behind."""

    def clone(self, spec: ContainerSpec, snapshot: str, *, on_progress: OnProgress | None = None) -> None:
        """Make a container of that spec whose data is a clone of the snapshot. It is stopped afterwards, and whatever the spec says it does
        not start with the appliance yet. A failure may leave a part of it behind, which has never been started."""

    def start(self, container: Container, *, on_progress: OnProgress | None = None) -> None:
        """Start a stopped one."""

    def stop(self, container: Container, *, timeout: int = 30, force: bool = True) -> None:
        """Ask it to shut down, wait so many seconds, then with `force` cut its power. It is stopped when this returns."""

    def restart(self, container: Container, *, timeout: int = 30, force: bool = True) -> None:
        """Stop as above, then start."""

    def update(self, container: Container, changes: Mapping[str, Any]) -> None:
        """Change cpu, memory (MiB), environment (the whole set), autostart or inside, running or not. None takes a limit away."""

    def delete(self, container: Container) -> None:
        """Remove it with its data and its snapshots, running or not; that it was gone already is fine."""

    def run_script(self, name: str, script: str, timeout: float = 300.0) -> ShellResult:
        """Run a shell script as root in a running container, without SSH."""
