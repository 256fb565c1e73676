# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From what is to what is wanted: which steps it takes, and what it will look like. Pure: it sees no appliance and changes nothing.

The table FIELDS says of each setting how it is compared and whether it can change in place; steps, errors and diffs all come from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from ..nas.driver import INSIDE, Container, ContainerSpec, Nic
from . import container_labels, expiry, lease, marker, naming
from .errors import CoreError, Foreign, NeedsRecreate
from .identity_scrub import CATEGORIES
from .view import show_nic, view, view_spec
from .wanted import Source, Wanted

# On its way from one state to another: to be waited for, not planned upon.
# Unknown is what the appliance says while the first process of a container comes or goes.
TRANSITIONAL = frozenset({"starting", "stopping", "freezing", "thawed", "aborting", "unknown"})


@dataclass(frozen=True)
class Create:
    spec: ContainerSpec
    start: bool
    verb = "created"


@dataclass(frozen=True)
class Clone:
    """`spec` is None until the source has been looked up, and `snapshot` while that of the present state is still to be taken."""

    source: Source
    spec: ContainerSpec | None = None
    snapshot: str | None = None
    verb = "cloned"


@dataclass(frozen=True)
class Complete:
    """Of one that was made in more than one step: until here its mark says that it is half-made, and it has never been started."""

    spec: ContainerSpec
    verb = ""  # not a change of its own


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


Step: TypeAlias = "Create | Clone | Complete | Update | Start | Stop | Restart | Delete"


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
        """What is made in it."""
        return next((step.spec for step in self.steps if isinstance(step, (Create, Clone))), None)

    @property
    def clones(self) -> Source | None:
        """What something is cloned from in it."""
        return next((step.source for step in self.steps if isinstance(step, Clone)), None)

    @property
    def deletes(self) -> bool:
        return any(isinstance(step, Delete) for step in self.steps)

    @property
    def verbs(self) -> list[str]:
        return [step.verb for step in self.steps if step.verb]


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
    if current is None and wanted.name == INSIDE:
        return False
    if current is None:
        raise CoreError("the appliance does not show its containers' network cards to this account; it needs VIRT_INSTANCE_WRITE")
    if wanted.network is not None:
        return current.nic_type is None
    return current.nic_type == wanted.nic_type and wanted.parent in (None, current.parent)


def _mark(container: Container) -> marker.Marker:
    return marker.read(container.environment) or marker.Marker()


def _wanted_source(wanted: Wanted) -> str | None:
    return None if wanted.source is None else wanted.source.text


def _scrubbed(container: Container) -> str:
    scrub = _mark(container).scrub
    return ",".join(CATEGORIES) if scrub is None else scrub


FIELDS = (
    Field("image", _image_now, lambda wanted: wanted.image, _same_image, in_place=False),
    Field("from", lambda container: _mark(container).source, _wanted_source, in_place=False),
    Field("scrub", _scrubbed, lambda wanted: wanted.scrub, in_place=False),
    Field("cpu", lambda container: container.cpu, lambda wanted: wanted.cpu),
    Field("memory", lambda container: container.memory, lambda wanted: wanted.memory),
    Field("pool", lambda container: container.pool, lambda wanted: wanted.pool, in_place=False),
    Field("environment", lambda container: marker.without(container.environment), lambda wanted: wanted.environment),
    Field("autostart", lambda container: container.autostart, lambda wanted: wanted.autostart),
    Field("network", lambda container: container.nic, lambda wanted: wanted.nic, _same_nic, in_place=False),
    Field("via", lambda container: _mark(container).via, lambda wanted: wanted.via, in_place=False),
    Field("inside", lambda container: container.inside, lambda wanted: wanted.inside, _same_nic),
    Field("owner", lambda container: _mark(container).owner, lambda wanted: wanted.owner),
    Field("labels", lambda container: dict(_mark(container).labels), lambda wanted: wanted.labels),
    Field("egress", lambda container: _mark(container).egress, lambda wanted: wanted.egress),
    Field("expires", lambda container: _mark(container).lasts or expiry.NEVER, lambda wanted: wanted.expires),
)


def is_ours(container: Container) -> bool:
    return marker.read(container.environment) is not None


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
    if _mark(current).making is not None:
        return _plan_half_made(current, wanted)
    if wanted.new and _mark(current).id != wanted.id:
        raise CoreError(f"{wanted.name}: it exists already, and this task takes none that it has not made itself (new=true)", exists=True)
    differing = differences(current, wanted)
    fixed = [entry for entry in differing if not entry.in_place]
    if fixed and not wanted.recreate:
        raise NeedsRecreate(wanted.name, {entry.name: (_shown(entry.current(current)), _shown(entry.wanted(wanted))) for entry in fixed})
    if fixed:
        started = wanted.state in ("started", "restarted") or (wanted.state == "present" and current.running)
        return _anew(before, wanted.in_place_of(current), current, started)
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
    return _made({}, wanted, None, wanted.state in ("started", "restarted"))


def _plan_half_made(current: Container, wanted: Wanted) -> Change:
    """Somebody has begun to make it. As long as it has never been started there is nothing in it to be lost."""
    token = _mark(current).making or ""
    started = wanted.state in ("started", "restarted")
    if (current.running or current.never_started is False) and not wanted.recreate:
        raise CoreError(
            f"{wanted.name}: {'it runs' if current.running else 'it has run'} although it is half-made: somebody has started it on the"
            " appliance, as a copy of its source that has not got an identity of its own. recreate=true destroys it and makes it anew",
            needs_recreate=["making"],
        )
    if wanted.made and wanted.spec is not None and not current.running:
        return Change(view(current), view_spec(wanted.spec, started), (Complete(wanted.spec), *([Start()] if started else [])))
    if not lease.is_over(token) and not lease.is_mine(token):
        raise CoreError(f"{wanted.name}: it is being made at this moment, by another run; try again when that is through", busy=True)
    if not wanted.create:
        raise CoreError(
            f"{wanted.name}: it is half-made, an earlier run was cut off; make it once more, or destroy it with state=absent", missing=True
        )
    # Made anew as if it were not there, but of what it was to be made of.
    return _anew(view(current), wanted.in_place_of(current), None, started)


def _anew(before: dict[str, Any], wanted: Wanted, current: Container | None, started: bool) -> Change:
    change = _made(before, wanted, current, started)
    return replace(change, steps=(Delete(), *change.steps))


def _made(before: dict[str, Any], wanted: Wanted, current: Container | None, started: bool) -> Change:
    """The steps that make it; `current` is the container in whose place it comes, where settings are taken over from that."""
    spec = wanted.spec
    if spec is None and (wanted.source is None or wanted.origin is not None):
        spec = wanted.new_spec() if current is None else wanted.spec_in_place_of(current)
    steps: list[Step]
    if wanted.source is not None:
        steps = [Clone(wanted.source, spec, None if wanted.origin is None else wanted.origin.snapshot)]
        if spec is not None:
            steps.append(Complete(spec))
        if started:
            steps.append(Start())
    else:
        if spec is None:
            raise RuntimeError(f"{wanted.name}: made of nothing")
        steps = [Create(spec, started)]
        if in_two_steps(steps[0]):
            steps.append(Complete(spec))
    return Change(before, {} if spec is None else view_spec(spec, started), tuple(steps))


def in_two_steps(step: Step) -> bool:
    """Whether it takes a `Complete` until what it makes is as it should be. The appliance's autostart also means "start it now"."""
    return isinstance(step, Clone) or (isinstance(step, Create) and not step.start and step.spec.autostart)


def _changes(current: Container, wanted: Wanted, differing: list[Field]) -> tuple[dict[str, Any], Container]:
    """What one update has to say, and the container after it."""
    names = {entry.name for entry in differing}
    changes: dict[str, Any] = {name: getattr(wanted, name) for name in ("cpu", "memory", "autostart", "inside") if name in names}
    mark = marker.read(current.environment)
    if mark is None or names & {"environment", "owner", "expires", "labels", "egress"}:
        environment = marker.without(current.environment) if wanted.environment is None else wanted.environment
        new = replace(mark or marker.Marker(), **(wanted.expiry() if "expires" in names else {}))
        labels = new.labels if wanted.labels is None else wanted.labels
        new = container_labels.fitting(replace(new, owner=wanted.owner or new.owner, labels=labels, egress=wanted.egress or new.egress))
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
