# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Labels of containers: texts by name, kept in the mark, for people and playbooks to know them by.

The mark is one text of the appliance's, and has room for a thousand characters, beside labels for much else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .egress_policy import MODES
from .errors import Invalid
from .marker import Marker

LONGEST_VALUE = 255
LONGEST_TOTAL = 512
# What the appliance takes as the value of a variable, less the lease that the mark has while a container is being made.
LONGEST_MARK = 1024 - 80
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
_NAMES = "the name of a label has 1 to 63 lower-case letters, digits, underscores, dots and hyphens, and begins with a letter or digit"


def check(value: Any) -> dict[str, str]:
    """As they are kept. YAML's numbers and booleans become texts."""
    if not isinstance(value, Mapping):
        raise Invalid("labels", value, "they are texts by name, as in {team: web}")
    found = {_name(key): _text(str(key), entry) for key, entry in value.items()}
    size = len(json.dumps(found, separators=(",", ":"))) if found else 0
    if size > LONGEST_TOTAL:
        raise Invalid("labels", f"{size} characters", f"the labels of a container have {LONGEST_TOTAL} characters together at most")
    return dict(sorted(found.items()))


def _name(key: Any) -> str:
    name = "" if isinstance(key, bool) else str(key)
    if not _NAME.fullmatch(name):
        raise Invalid("labels", key, _NAMES)
    return name


def _text(name: str, entry: Any) -> str:
    if isinstance(entry, bool):
        text = "true" if entry else "false"
    elif isinstance(entry, (str, int, float)):
        text = str(entry)
    else:
        raise Invalid("labels", name, "the value of a label is a text")
    if len(text) > LONGEST_VALUE or any(ord(character) < 32 or 127 <= ord(character) < 160 for character in text):
        raise Invalid("labels", name, f"the value of a label has {LONGEST_VALUE} characters at most, and no control characters")
    return text


def fitting(mark: Marker) -> Marker:
    """The mark itself; raises where its labels make it too long. There is always room for an egress policy to be noted later."""
    over = len(replace(mark, egress=max(MODES, key=len)).text()) - LONGEST_MARK
    if mark.labels and over > 0:
        raise Invalid(
            "labels",
            ", ".join(mark.labels),
            f"{over} characters too many, with what else is kept in the container's mark, such as its owner",
        )
    return mark


def have(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Whether all of these are among the labels."""
    return all(labels.get(name) == text for name, text in wanted.items())
