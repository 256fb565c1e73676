# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long a container is to be kept."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import expiry
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import Invalid


@pytest.mark.parametrize(
    ("given", "text", "seconds"),
    [("90m", "90m", 5400), ("12h", "12h", 43200), (" 7D ", "7d", 604800), ("02w", "2w", 1209600), ("none", "none", None)],
)
def test_durations(given: str, text: str, seconds: int | None) -> None:
    assert expiry.duration(given) == text
    assert expiry.moment(text, 1000) == (None if seconds is None else 1000 + seconds)


@pytest.mark.parametrize("given", ["", "7", "7 d", "0d", "-1d", "1.5h", "7days", "99999d", True, 7])
def test_what_is_none(given: Any) -> None:
    with pytest.raises(Invalid, match="expires"):
        expiry.duration(given)


def test_the_longest_can_be_shown() -> None:
    assert expiry.shown(expiry.moment("9999w", 1795450451)) is not None
    assert expiry.shown(1795450451) == "2026-11-23T16:14:11Z"
    assert expiry.shown(None) is None
