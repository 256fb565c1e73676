# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A conversation about ZFS with each version of the appliance; every test that takes part in it checks that nothing was left unsaid."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.nas.zfs import ZfsStorage
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.nas.zfs_talk import Talk


@pytest.fixture(params=["25.04.2.6", "25.10.6"])
def talk(request: pytest.FixtureRequest) -> Iterator[Talk]:
    scripted = Talk(request.param)
    yield scripted
    scripted.finish()


@pytest.fixture
def storage(talk: Talk) -> ZfsStorage:
    return talk.storage()
