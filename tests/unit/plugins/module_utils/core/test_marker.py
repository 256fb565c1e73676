# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The mark: what it says comes back as it was, and a damaged one still marks."""

from __future__ import annotations

import json

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import marker
from ansible_collections.pixels.sandbox.plugins.module_utils.core.marker import KEY, Marker

FULL = Marker(
    image="debian/12", owner='a "quoted" owner', id="0123456789abcdef", name="px-w1", source="base:ready", making="1a2b3c4d-1-2-3",
    expires=1795450451, lasts="7d", scrub="", labels={"team": "web", "a.b": "ä \"quoted\" text"}, egress="agent",
)  # fmt: skip


def test_there_and_back() -> None:
    assert marker.read(marker.with_marker({"A": "b"}, FULL)) == FULL
    assert marker.without(marker.with_marker({"A": "b"}, FULL)) == {"A": "b"}


def test_the_text_is_compact_and_sorted() -> None:
    """The service in the container reads it with a few lines of shell."""
    text = FULL.text()
    assert list(json.loads(text)) == sorted(json.loads(text))
    assert ": " not in text and ", " not in text
    assert Marker().text() == "{}"


def test_the_longest_fits_into_what_the_appliance_takes() -> None:
    longest = Marker(
        "i" * 200,
        "o" * 200,
        "0" * 16,
        "px-" + "n" * 60,
        "s" * 60 + ":" + "l" * 63,
        "1" * 60,
        10**11,
        "9999w",
        "a" * 60,
        egress="unrestricted",
    )
    assert len(longest.text()) <= 1024


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "7",
        '{"image": 7, "expires": "x", "id": null, "egress": ["agent"]}',
        '{"labels": {"a": "b"}}',
        '{"labels": "["}',
        '{"labels": "[]"}',
        '{"labels": "{\\"a\\": 1}"}',
    ],
)
def test_a_damaged_mark_still_marks(text: str) -> None:
    assert marker.read({KEY: text}) == Marker()


def test_none() -> None:
    assert marker.read({"A": "b"}) is None


def test_identities_differ() -> None:
    made = {marker.new_id() for _number in range(100)}
    assert len(made) == 100
    assert all(len(ident) == 16 and int(ident, 16) >= 0 for ident in made)
