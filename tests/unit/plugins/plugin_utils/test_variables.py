# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible's variables that are settings, and the short word for a profile that counts only where somebody has typed it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from ansible_collections.pixels.sandbox.plugins.plugin_utils import variables


@pytest.fixture
def ours(monkeypatch: pytest.MonkeyPatch) -> Any:
    def call(extra: dict[str, Any], **others: Any) -> dict[str, Any]:
        monkeypatch.setattr(variables, "load_extra_vars", lambda loader: extra)
        known = {**others, **extra}
        return variables.ours(known, Templar(loader=DataLoader(), variables=known), DataLoader())

    return call


def test_ours_and_no_others_with_templates_resolved(ours: Any) -> None:
    found = ours({}, pixels_truenas_host=trust_as_template("{{ nas }}.example"), nas="one", pixels_status="running", profile="other")
    assert found == {"pixels_truenas_host": "one.example"}


@pytest.mark.parametrize(
    ("extra", "profile"),
    [
        ({"profile": "home"}, "home"),
        ({"profile": trust_as_template("{{ where }}"), "where": "home"}, "home"),
        ({"profile": "home", "pixels_profile": "office"}, "office"),
        ({"profile": "home", "pixels_profile": ""}, "home"),
        ({"profile": " "}, "of the host"),
        ({}, "of the host"),
    ],
)
def test_the_short_word_is_an_extra_variable_like_the_long_one(ours: Any, extra: dict[str, Any], profile: str) -> None:
    assert ours(extra, **{"pixels_profile": "of the host", **extra})["pixels_profile"] == profile
