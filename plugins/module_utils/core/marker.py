# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The mark of ownership: an environment variable of the container, kept by the appliance.

A container of our prefix without it belongs to somebody else and is never touched. It also remembers what the appliance has no field
for, and as a part of the environment of the container's first process it tells the container itself which one it is.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

KEY = "PIXELS_SANDBOX"


@dataclass(frozen=True)
class Marker:
    """What the mark says. Everything but `id` may be missing, and in an adopted container that too."""

    image: str | None = None  # what was asked for; the appliance itself tells only the words of the image
    owner: str | None = None
    id: str | None = None  # its identity: new whenever a container is made, whatever it is made of
    name: str | None = None  # of the instance
    source: str | None = None  # base:ready or base: what it is a clone of, as it was asked for
    making: str | None = None  # the lease of whoever is making it; it has never been started
    expires: int | None = None  # seconds since 1970
    lasts: str | None = None  # for how long it was to be kept, as it was asked for
    via: str | None = None  # the gateway that it is behind
    scrub: str | None = None  # which of the source's traces the container is to remove: None is all, "" none
    labels: Mapping[str, str] = field(default_factory=dict)  # texts that its user has put on it
    egress: str | None = None  # the mode of the egress policy that we last put in force in it

    def text(self) -> str:
        values = {key: getattr(self, name) for key, name, _kind in _FIELDS}
        # A text of its own: the service in the container, which reads the mark with a few lines of shell, passes over texts and numbers.
        values["labels"] = json.dumps(dict(self.labels), separators=(",", ":"), sort_keys=True) if self.labels else None
        return json.dumps({key: value for key, value in values.items() if value is not None}, separators=(",", ":"), sort_keys=True)


# The keys, in which field they go, and what they have to be.
_FIELDS: tuple[tuple[str, str, type], ...] = (
    ("image", "image", str),
    ("owner", "owner", str),
    ("id", "id", str),
    ("name", "name", str),
    ("from", "source", str),
    ("making", "making", str),
    ("expires", "expires", int),
    ("lasts", "lasts", str),
    ("scrub", "scrub", str),
    ("via", "via", str),
    ("egress", "egress", str),
)


def new_id() -> str:
    """An identity that no other container has."""
    return secrets.token_hex(8)


def read(environment: Mapping[str, str]) -> Marker | None:
    """The mark, or None where there is none. A damaged one still marks."""
    text = environment.get(KEY)
    if text is None:
        return None
    try:
        values = json.loads(text)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        return Marker()
    known: dict[str, Any] = {name: values[key] for key, name, kind in _FIELDS if _is(values.get(key), kind)}
    return Marker(**known, labels=_texts(values.get("labels")))


def _is(value: Any, kind: type) -> bool:
    """To JSON true is no number."""
    return isinstance(value, kind) and not isinstance(value, bool)


def _texts(value: Any) -> dict[str, str]:
    """What of it is texts by name."""
    try:
        found = json.loads(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    return {key: text for key, text in found.items() if isinstance(text, str)} if isinstance(found, dict) else {}


def without(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment as its user knows it."""
    return {key: value for key, value in environment.items() if key != KEY}


def with_marker(environment: Mapping[str, str], marker: Marker) -> dict[str, str]:
    """The environment as the appliance is to keep it: it replaces the whole set at every change, so the mark goes along each time."""
    return {**without(environment), KEY: marker.text()}
