# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What holds for all unit tests: the home directory of whoever runs them is none of their business."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _no_ssh_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIXELS_SSH_CONFIG", "false")
