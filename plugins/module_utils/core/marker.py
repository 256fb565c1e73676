# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The mark of ownership: an environment variable of the container, kept by the appliance.

A container of our prefix without it belongs to somebody else and is never touched. It also remembers the image that was asked
for, which the appliance itself tells only in the words of the image.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

KEY = "PIXELS_SANDBOX"


@dataclass(frozen=True)
class Marker:
    """What the mark says. `image` is None for an adopted container."""

    image: str | None = None
    owner: str | None = None

    def text(self) -> str:
        values = {key: value for key, value in (("image", self.image), ("owner", self.owner)) if value is not None}
        return json.dumps(values, separators=(",", ":"), sort_keys=True)


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
    image, owner = values.get("image"), values.get("owner")
    return Marker(image if isinstance(image, str) else None, owner if isinstance(owner, str) else None)


def without(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment as its user knows it."""
    return {key: value for key, value in environment.items() if key != KEY}


def with_marker(environment: Mapping[str, str], marker: Marker) -> dict[str, str]:
    """The environment as the appliance is to keep it: it replaces the whole set at every change, so the mark goes along each time."""
    return {**without(environment), KEY: marker.text()}
