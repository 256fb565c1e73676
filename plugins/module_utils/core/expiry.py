# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""For how long a container is to be kept: a text such as 7d, and the moment that it leads to.

The mark keeps both. The text is what a second run is compared with: the same play again moves no moment.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from .errors import Invalid

NEVER = "none"
_SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_DURATION = re.compile(r"0*([1-9][0-9]{0,3})([mhdw])")
_ALLOWED = "a number of minutes, hours, days or weeks, as in 90m, 12h, 7d or 2w, or none"


def duration(value: Any) -> str:
    """The one form in which durations are compared; `none` is one without an end."""
    text = str(value).strip().lower()
    if text == NEVER:
        return NEVER
    match = _DURATION.fullmatch(text)
    if isinstance(value, bool) or match is None:
        raise Invalid("expires", value, _ALLOWED)
    return match[1] + match[2]


def moment(text: str, now: int) -> int | None:
    """When that is over, in seconds since 1970; None is never."""
    return None if text == NEVER else now + int(text[:-1]) * _SECONDS[text[-1]]


def shown(expires: int | None) -> str | None:
    """2026-11-23T15:33:01Z"""
    return None if expires is None else datetime.fromtimestamp(expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
