# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From what is to what is wanted: which steps it takes, and what it will look like. Pure: it sees no appliance and changes nothing.

The table FIELDS says of each setting how it is compared and whether it can change in place; steps, errors and diffs all come from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from ..nas.driver import Container, ContainerSpec, Nic
from . import marker, naming
from .errors import CoreError, Foreign, NeedsRecreate
from .wanted import Wanted

# On its way from one state to another: to be waited for, not planned upon.
TRANSITIONAL = frozenset({"starting", "stopping", "freezing", "thawed", "aborting"})


@dataclass(frozen=True)
class Create:
    spec: ContainerSpec
    start: bool
    verb = "created"


@dataclass(frozen=True)
class Update:
    changes: Mapping[str, Any]
    verb = "updated"


@dataclass(frozen=True)
class Start:
    verb = "started"


@dataclass(frozen=True)
class Stop:
    verb = "stopped"


@dataclass(frozen=True)
class Restart:
    verb = "restarted"


@dataclass(frozen=True)
class Delete:
    verb = "destroyed"


Step: TypeAlias = "Create | Update | Start | Stop | Restart | Delete"


@dataclass(frozen=True)
class Change:
    """What will happen. `before` and `after` are what a diff shows; an absent container is an empty one."""

    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()

    @property
    def changed(self) -> bool:
        return bool(self.steps)

    @property
    def spec(self) -> ContainerSpec | None:
        """What a create in it is made of."""
        return next((step.spec for step in self.steps if isinstance(step, Create)), None)


@dataclass(frozen=True)
class Field:
    """One setting: where it is now, what is wanted, whether they are the same, and how it is shown and changed."""

    name: str
    current: Callable[[Container], Any]
    wanted: Callable[[Wanted], Any]
    same: Callable[[Any, Any], bool] = lambda current, wanted: current == wanted
    in_place: bool = True


def _image_now(container: Container) -> Any:
    mark = marker.read(container.environment)
    if mark is not None and mark.image is not None:
        return mark.image
    # Adopted: only what the image says of itself is known.
    return (str(container.image.get("os") or "").lower(),)


def _same_image(current: Any, wanted: str) -> bool:
    if isinstance(current, tuple):
        return current[0] in ("", wanted.split("/")[0].lower())
    return current.removesuffix("/default") == wanted.removesuffix("/default")


def _same_nic(current: Nic | None, wanted: Nic) -> bool:
    if current is None:
        raise CoreError("the appliance does not show its containers' network cards to this account; it needs VIRT_INSTANCE_WRITE")
    if wanted.network is not None:
        return current.nic_type is None
    return current.nic_type == wanted.nic_type and wanted.parent in (None, current.parent)


FIELDS = (
    Field("image", _image_now, lambda wanted: wanted.image, _same_image, in_place=False),
    Field("cpu", lambda container: container.cpu, lambda wanted: wanted.cpu),
    Field("memory", lambda container: container.memory, lambda wanted: wanted.memory),
    Field("pool", lambda container: container.pool, lambda wanted: wanted.pool, in_place=False),
    Field("environment", lambda container: marker.without(container.environment), lambda wanted: wanted.environment),
    Field("autostart", lambda container: container.autostart, lambda wanted: wanted.autostart),
    Field("network", lambda container: container.nic, lambda wanted: wanted.nic, _same_nic, in_place=False),
    Field("owner", lambda container: (marker.read(container.environment) or marker.Marker()).owner, lambda wanted: wanted.owner),
)


def is_ours(container: Container) -> bool:
    return marker.read(container.environment) is not None


def show_nic(nic: Nic | None) -> dict[str, str] | None:
    if nic is None:
        return None
    if nic.nic_type is None:
        return {"network": nic.network or "default"}
    return {"nic_type": nic.nic_type, "parent": nic.parent or "auto"}


def view(container: Container | None) -> dict[str, Any]:
    """A container as results and diffs show it."""
    if container is None:
        return {}
    mark = marker.read(container.environment) or marker.Marker()
    return {
        "status": container.status,
        "image": mark.image or image_text(container.image),
        "cpu": container.cpu,
        "memory": container.memory,
        "pool": container.pool,
        "environment": marker.without(container.environment),
        "autostart": container.autostart,
        "network": show_nic(container.nic),
        "owner": mark.owner,
    }


def image_text(image: Mapping[str, str | None]) -> str | None:
    """debian/bookworm, from what the image says of itself."""
    parts = [str(image[key]).lower() for key in ("os", "release") if image.get(key)]
    return "/".join(parts) or None


def view_spec(spec: ContainerSpec, started: bool) -> dict[str, Any]:
    mark = marker.read(spec.environment) or marker.Marker()
    return {
        "status": "running" if started else "stopped",
        "image": spec.image,
        "cpu": spec.cpu,
        "memory": spec.memory,
        "pool": spec.pool,
        "environment": marker.without(spec.environment),
        "autostart": spec.autostart,
        "network": show_nic(spec.nic),
        "owner": mark.owner,
    }


def differences(current: Container, wanted: Wanted) -> list[Field]:
    """The settings that the user has set and that are otherwise."""
    return [entry for entry in FIELDS if entry.wanted(wanted) is not None and not entry.same(entry.current(current), entry.wanted(wanted))]


def plan(current: Container | None, wanted: Wanted) -> Change:
    """The steps from here to there; none when it is there. Raises where there is no way, before anything is touched."""
    if current is None:
        return _plan_missing(wanted)
    if not is_ours(current) and not wanted.adopt:
        raise Foreign(wanted.name, current.name)
    before = view(current)
    if wanted.state == "absent":
        return Change(before, {}, (Delete(),))
    differing = differences(current, wanted)
    fixed = [entry for entry in differing if not entry.in_place]
    if fixed and not wanted.recreate:
        raise NeedsRecreate(wanted.name, {entry.name: (_shown(entry.current(current)), _shown(entry.wanted(wanted))) for entry in fixed})
    if fixed:
        spec = wanted.spec or wanted.spec_in_place_of(current)
        started = wanted.state in ("started", "restarted") or (wanted.state == "present" and current.running)
        return Change(before, view_spec(spec, started), (Delete(), Create(spec, started)))
    changes, target = _changes(current, wanted, differing)
    steps = [*([Update(changes)] if changes else []), *_power(current, wanted)]
    if wanted.state in ("started", "restarted"):
        target = replace(target, status="running")
    elif wanted.state == "stopped":
        target = replace(target, status="stopped")
    return Change(before, view(target), tuple(steps))


def _shown(value: Any) -> Any:
    if isinstance(value, Nic):
        return show_nic(value)
    return value[0] if isinstance(value, tuple) else value


def _plan_missing(wanted: Wanted) -> Change:
    if wanted.state == "absent":
        return Change()
    if not wanted.create:
        raise CoreError(f"{wanted.name}: there is no such container ({naming.to_instance(wanted.name)}), and none is made", missing=True)
    spec = wanted.spec or wanted.new_spec()
    started = wanted.state in ("started", "restarted")
    return Change({}, view_spec(spec, started), (Create(spec, started),))


def _changes(current: Container, wanted: Wanted, differing: list[Field]) -> tuple[dict[str, Any], Container]:
    """What one update has to say, and the container after it."""
    names = {entry.name for entry in differing}
    changes: dict[str, Any] = {name: getattr(wanted, name) for name in ("cpu", "memory", "autostart") if name in names}
    mark = marker.read(current.environment)
    if mark is None or names & {"environment", "owner"}:
        environment = marker.without(current.environment) if wanted.environment is None else wanted.environment
        new = marker.Marker(image=None if mark is None else mark.image, owner=wanted.owner or (None if mark is None else mark.owner))
        changes["environment"] = marker.with_marker(environment, new)
    return changes, replace(current, **changes)


def _power(current: Container, wanted: Wanted) -> list[Step]:
    if wanted.state == "restarted":
        return [Restart()]
    if wanted.state == "stopped":
        return [] if current.stopped else [Stop()]
    if wanted.state == "started" and not current.running:
        if not current.stopped:
            raise CoreError(
                f"{wanted.name}: it is {current.status}, and the appliance starts only what is stopped;"
                " state=restarted cuts its power and starts it, state=stopped only cuts it",
                status=current.status,
            )
        return [Start()]
    return []
