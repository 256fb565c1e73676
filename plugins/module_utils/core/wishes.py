# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the options of a task and the configuration to one wish for each container, checked, in the words of the drivers.

Everything that can be refused without asking the appliance is refused here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean

from ..nas.driver import INSIDE, Nic
from . import container_labels, expiry, naming, units
from .context import Context
from .egress_policy import MODES
from .errors import CoreError, Invalid
from .front import given_options, is_unset
from .identity_scrub import CATEGORIES
from .wanted import Defaults, Source, Wanted

LONGEST_OWNER = 200


def from_context(ctx: Context) -> list[Wanted]:
    """One for each name."""
    params = ctx.params
    names = naming.expand(params["name"])
    task = {key: params.get(key) for key in CHECKS}
    _exclusive(task)
    own = _by_name(params.get("vars_by_name") or {}, names)
    stop_timeout = params["stop_timeout"]
    if not 0 <= stop_timeout <= 290:
        raise Invalid("stop_timeout", stop_timeout, "0 to 290 seconds; the appliance cuts longer ones")
    if stop_timeout == 0 and not params["force"]:
        raise Invalid("stop_timeout", 0, "without force it takes at least one second")
    nic = nic_of({key: params.get(key) for key in ("network", "nic_type", "parent")})
    inside = inside_of(params.get("inside"))
    via = via_of(params.get("via"), names)
    defaults = defaults_of(ctx)
    now = int(time.time())
    return [
        Wanted(
            name=name,
            state=params["state"],
            defaults=defaults,
            nic=nic,
            inside=inside,
            via=via,
            create=params["create"],
            new=params["new"],
            adopt=params["adopt"],
            recreate=params["recreate"],
            dependents=params["dependents"],
            stop_timeout=stop_timeout,
            force=params["force"],
            now=now,
            **_checked(name, _merged(task, own.get(name, {}))),
        )
        for name in names
    ]


def _merged(task: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """A container's own values come before the task's. What it is made of is one question, whichever of the two options answers it."""
    merged = {**task, **own}
    for key, other in (("image", "from"), ("from", "image")):
        if key in own and other not in own:
            merged[other] = None
    if own.get("image") is not None:
        merged["scrub"] = own.get("scrub")
    return merged


def _by_name(values: Mapping[Any, Any], names: list[str]) -> dict[str, dict[str, Any]]:
    """vars_by_name with its ranges spread out. What comes later in it overrides what came before."""
    found: dict[str, dict[str, Any]] = {}
    for pattern, options in values.items():
        if not isinstance(options, Mapping):
            raise Invalid("vars_by_name", pattern, "below each name there are options, as in {cpu: 4}")
        unknown = sorted(str(key) for key in options if key not in CHECKS)
        if unknown:
            raise Invalid("vars_by_name", unknown[0], f"one container can have of its own: {', '.join(sorted(CHECKS))}")
        _exclusive(options)
        for name in naming.expand(pattern):
            if name not in names:
                raise Invalid("vars_by_name", name, "the task does not name such a container")
            found.setdefault(name, {}).update(given_options(options))
    return found


def _exclusive(options: Mapping[str, Any]) -> None:
    if not is_unset(options.get("image")) and not is_unset(options.get("from")):
        raise CoreError("image and from exclude each other: a clone is made of what its source was made of", option="from")


def _checked(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options as Wanted takes them."""
    values = {key: None if is_unset(options.get(key)) else check(options[key]) for key, check in CHECKS.items()}
    source: Source | None = values.pop("from")
    if source is not None and source.name == name:
        raise Invalid("from", source.text, f"{name} cannot be a clone of itself")
    if values["scrub"] is not None and source is None:
        raise Invalid("scrub", options["scrub"], "it is about what a clone does not keep of its source, so it goes with from")
    return {"source": source, **values}


def image_name(value: Any) -> str:
    """As images are called in choices and in catalogues; the variant `default` is the one that is meant anyway."""
    text = str(value).strip()
    if not text or len(text) > 200 or any(character.isspace() for character in text) or ":" in text:
        raise Invalid("image", value, "an image is named as in debian/12 or ubuntu/24.04, or by the fingerprint of one on the appliance")
    return text


def _environment(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise Invalid("environment", value, "it has a value for each name")
    return units.environment_texts(value)


def _autostart(value: Any) -> bool:
    try:
        return bool(boolean(value))
    except TypeError:
        raise Invalid("autostart", value, "it is true or false") from None


def _owner(value: Any) -> str:
    if not isinstance(value, str) or len(value) > LONGEST_OWNER or not value.isprintable():
        raise Invalid("owner", value, f"an owner is a text of {LONGEST_OWNER} printable characters at most")
    return value


def _egress(value: Any) -> str:
    if value not in MODES:
        raise Invalid("egress", value, f"allowed are {', '.join(MODES)}")
    return str(value)


def scrub_text(value: Any) -> str:
    """The categories in the order of their table."""
    wanted = [value] if isinstance(value, str) else list(value)
    unknown = [entry for entry in wanted if entry not in CATEGORIES]
    if unknown:
        raise Invalid("scrub", unknown[0], f"allowed are {', '.join(CATEGORIES)}, and an empty list")
    return ",".join(category for category in CATEGORIES if category in wanted)


# What one container can have of its own, and how each is checked.
CHECKS: dict[str, Callable[[Any], Any]] = {
    "autostart": _autostart,
    "cpu": units.cpu_text,
    "egress": _egress,
    "environment": _environment,
    "expires": expiry.duration,
    "from": Source.parse,
    "image": image_name,
    "labels": container_labels.check,
    "memory": units.memory_mib,
    "owner": _owner,
    "pool": str,
    "scrub": scrub_text,
}


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


def inside_of(parent: Any) -> Nic | None:
    """A gateway's second card."""
    return None if is_unset(parent) else Nic(nic_type="bridged", parent=str(parent), name=INSIDE)


def via_of(value: Any, names: list[str]) -> str | None:
    """The gateway's name, checked; where its bridge is has to be looked up."""
    if is_unset(value):
        return None
    name = naming.check(str(value).strip())
    if name in names:
        raise Invalid("via", name, f"{name} cannot be behind itself")
    return name
