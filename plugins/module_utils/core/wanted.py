# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the user wants of one container, and what it would be made of: of an image, or as a clone of another container."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from ..nas.driver import Container, ContainerSpec, Nic
from . import container_labels, expiry, labels, marker, naming
from .errors import CoreError, Invalid

STATES = ("present", "started", "stopped", "restarted", "absent")


@dataclass(frozen=True)
class Source:
    """What a clone is made of: a checkpoint of a container, or, without a label, its present state."""

    name: str
    label: str | None = None

    @property
    def instance(self) -> str:
        return naming.to_instance(self.name)

    @property
    def text(self) -> str:
        return self.name if self.label is None else f"{self.name}:{self.label}"

    @classmethod
    def parse(cls, value: Any) -> Source:
        """base:ready or base"""
        name, colon, label = str(value).strip().partition(":")
        try:
            return cls(naming.check(name), labels.check(label) if colon else None)
        except Invalid as error:
            reason = error.message.partition("; ")[2]
            raise Invalid("from", value, f"a container and a checkpoint of it, as in base:ready, or a container alone; {reason}") from None


@dataclass(frozen=True)
class Origin:
    """A source as it was found on the appliance."""

    container: Container
    # The snapshot to clone. None while the one of the present state has not been taken yet.
    snapshot: str | None = None

    @property
    def mark(self) -> marker.Marker:
        return marker.read(self.container.environment) or marker.Marker()


class Basis(Protocol):
    """Where the settings come from that the user has not made: defaults, the source of a clone, or the container that is replaced."""

    @property
    def cpu(self) -> str | None: ...
    @property
    def memory(self) -> int | None: ...
    @property
    def pool(self) -> str | None: ...
    @property
    def environment(self) -> Mapping[str, str]: ...
    @property
    def autostart(self) -> bool: ...
    @property
    def nic(self) -> Nic | None: ...
    @property
    def inside(self) -> Nic | None: ...


@dataclass(frozen=True)
class Defaults:
    """What a new container gets where the task says nothing."""

    image: str
    cpu: str | None = None
    memory: int | None = None
    pool: str | None = None
    nic: Nic | None = None
    inside: Nic | None = None
    autostart: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Wanted:
    """None is "leave it as it is": an existing container converges to what the user has set, and to nothing else."""

    name: str
    state: str
    defaults: Defaults
    image: str | None = None
    source: Source | None = None
    cpu: str | None = None
    memory: int | None = None
    pool: str | None = None
    environment: Mapping[str, str] | None = None
    autostart: bool | None = None
    nic: Nic | None = None
    inside: Nic | None = None
    via: str | None = None  # the gateway; `nic` is then on its bridge
    owner: str | None = None
    expires: str | None = None  # as in expiry.duration
    scrub: str | None = None  # as in the mark, but written out: all categories are all of their names
    labels: Mapping[str, str] | None = None
    egress: str | None = None  # what to note; nothing comes into force by it
    create: bool = True
    new: bool = False  # one that exists is somebody else's
    adopt: bool = False
    recreate: bool = False
    dependents: str = "fail"
    stop_timeout: int = 30
    force: bool = True
    now: int = field(default=0, compare=False)
    # Its identity, should it be made.
    id: str = field(default_factory=marker.new_id, compare=False)
    # Filled in before anything is touched: where the clone's source is, and what a create is made of, completed by the driver.
    origin: Origin | None = field(default=None, compare=False)
    spec: ContainerSpec | None = field(default=None, compare=False)
    # This very task has made it, and only the completion is missing.
    made: bool = field(default=False, compare=False)

    @property
    def instance(self) -> str:
        return naming.to_instance(self.name)

    def new_spec(self) -> ContainerSpec:
        """The container to make where there is none."""
        if self.source is None:
            image = self.image or self.defaults.image
            return self._spec(self.defaults, image, self._mark(image))
        return self._clone_spec(None)

    def spec_in_place_of(self, current: Container) -> ContainerSpec:
        """The container to make where one is to go; see in_place_of."""
        if self.source is not None:
            return self._clone_spec(current)
        if self.image is None:
            raise CoreError(f"{self.name}: nobody knows of which image it was made; recreate needs the option image or from")
        return self._spec(current, self.image, self._mark(self.image))

    def in_place_of(self, current: Container) -> Wanted:
        """The same wish for a container that is made anew: it is made of what it was made of, where the user does not say otherwise."""
        mark = marker.read(current.environment) or marker.Marker()
        source = self.source
        if source is None and self.image is None and mark.source is not None:
            source = Source.parse(mark.source)
        return replace(
            self,
            source=source,
            image=None if source is not None else self.image or mark.image,
            owner=self.owner or mark.owner,
            via=self._via(mark),
            expires=self.expires or mark.lasts,
            scrub=mark.scrub if self.scrub is None and source is not None else self.scrub,
            labels=mark.labels if self.labels is None else self.labels,
        )

    def _clone_spec(self, current: Container | None) -> ContainerSpec:
        """A clone is set up like its source. Its data lies where the source's does, or it would not be a clone."""
        if self.origin is None or self.source is None:
            raise RuntimeError(f"{self.name}: its source was not looked up")
        source = self.origin.container
        if self.nic is None and source.nic is None:
            raise CoreError("the appliance does not show its containers' network cards to this account; it needs VIRT_INSTANCE_WRITE")
        if self.pool is not None and self.pool != source.pool:
            raise CoreError(
                f"{self.name}: pool={self.pool} is not possible; {self.source.name} lies on {source.pool}, and a clone lies where"
                " its source does",
                option="pool",
                allowed=[source.pool],
            )
        basis = replace(current or source, pool=source.pool)
        if current is None:
            # Of a gateway's cards its clone has the first: nobody else is to be on the bridge of the other one.
            basis = replace(basis, autostart=self.defaults.autostart, inside=None)
        named = self.origin.mark.image
        # The very image that the source was made of is the one that the appliance need not fetch, as long as it keeps it.
        mark = replace(
            self._mark(named),
            via=self._via(self.origin.mark) if current is None else self.via,
            # The policy is in its data.
            egress=self.egress or self.origin.mark.egress,
        )
        spec = self._spec(basis, source.base_image or named or self.defaults.image, mark)
        return replace(spec, image_name=named or self.defaults.image)

    def _spec(self, basis: Basis, image: str, mark: marker.Marker) -> ContainerSpec:
        environment = basis.environment if self.environment is None else self.environment
        return ContainerSpec(
            name=self.instance,
            image=image,
            cpu=self.cpu or basis.cpu,
            memory=self.memory or basis.memory,
            pool=self.pool or basis.pool,
            environment=marker.with_marker(environment, mark),
            autostart=basis.autostart if self.autostart is None else self.autostart,
            nic=self.nic or basis.nic,
            inside=self.inside or basis.inside,
        )

    def _via(self, mark: marker.Marker) -> str | None:
        """With the network card of another container its gateway comes along."""
        return self.via or (mark.via if self.nic is None else None)

    def _mark(self, image: str | None) -> marker.Marker:
        mark = marker.Marker(
            image=image,
            owner=self.owner,
            id=self.id,
            name=self.instance,
            source=None if self.source is None else self.source.text,
            via=self.via,
            scrub=None if self.source is None else self.scrub,
            labels=self.labels or {},
            egress=self.egress,
            **self.expiry(),
        )
        return container_labels.fitting(mark)

    def expiry(self) -> dict[str, Any]:
        """The two fields of the mark that say how long it is kept."""
        if self.expires is None or self.expires == expiry.NEVER:
            return {"expires": None, "lasts": None}
        return {"expires": expiry.moment(self.expires, self.now), "lasts": self.expires}

    def as_if(self, state: str) -> Wanted:
        return replace(self, state=state)
