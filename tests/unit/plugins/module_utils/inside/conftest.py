# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Containers in directories; their accounts are theirs alone."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.inside import egress_apply, egress_look, egress_rights
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.inside.egress_box import Box

Boxes = Callable[[], Box]


@pytest.fixture
def scratch() -> Iterator[Path]:
    """In memory where that is possible: the tests of faults make hundreds of containers."""
    folder = Path(tempfile.mkdtemp(prefix="px-box-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def boxes(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Boxes]:
    """Makes containers; the accounts are those of the one that was made last."""
    made: list[Box] = []

    def make() -> Box:
        box = Box(scratch / f"box{len(made)}")
        made.append(box)
        return box

    def getpwnam(name: str) -> SimpleNamespace:
        if name not in made[-1].users:
            raise KeyError(name)
        return SimpleNamespace(pw_name=name, pw_uid=1000, pw_gid=1000)

    def getgrall() -> list[SimpleNamespace]:
        groups = sorted({group for groups in made[-1].users.values() for group in groups})
        return [SimpleNamespace(gr_name=group, gr_mem=[user for user, of in made[-1].users.items() if group in of]) for group in groups]

    def chown(_path: str, user: str, _group: str) -> None:
        if user not in made[-1].users:
            raise LookupError(f"no such user: {user}")

    temporary = scratch / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    accounts = SimpleNamespace(getpwnam=getpwnam)
    groups = SimpleNamespace(getgrall=getgrall, getgrgid=lambda _gid: SimpleNamespace(gr_name=made[-1].primary_group))
    for module in (egress_rights, egress_look):
        monkeypatch.setattr(module, "pwd", accounts)
        monkeypatch.setattr(module, "grp", groups)
    monkeypatch.setattr(egress_apply.shutil, "chown", chown)
    monkeypatch.setattr(egress_apply, "_WORKER", 0.05)
    before = os.umask(0o022)
    yield make
    os.umask(before)
    left = [path.name for path in temporary.iterdir()]
    if left and not any(box.killed for box in made):
        pytest.fail(f"left behind: {left}")


@pytest.fixture
def box(boxes: Boxes) -> Box:
    """One without a policy, with the programs."""
    return boxes().with_programs()


@pytest.fixture
def restricted(box: Box) -> Box:
    """One with a policy in force."""
    done = box.converge(mode="agent")
    if done.get("failed") or box.in_force():
        pytest.fail(f"the policy of the test is not in force: {done} {box.in_force()}")
    box.operations.clear()
    return box
