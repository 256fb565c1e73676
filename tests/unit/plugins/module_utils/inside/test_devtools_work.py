# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Programs that the installation runs: their output, their end, and the end of all of it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.inside import devtools_places as places
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.devtools_work import Stopped, Work
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.inside.devtools_box import Box


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path / "box")


def test_a_program_that_takes_too_long_is_ended_with_its_children(box: Box) -> None:
    code, said = Work(box, 60).run(["sh", "-c", "echo first; sleep 600 & sleep 600"], most=0.3)
    assert code == 124 and "first" in said and "has not ended within" in said


def test_what_a_service_keeps_open_is_not_waited_for(box: Box) -> None:
    code, said = Work(box, 60).run(["sh", "-c", "sleep 600 & echo done"])
    assert (code, said) == (0, "done\n")


def test_a_missing_program(box: Box) -> None:
    assert Work(box, 60).run(["no-such-program"])[0] == 127


def test_the_log_has_no_control_characters(box: Box) -> None:
    work = Work(box, 60)
    work.open_log()
    work.run(["printf", "a\\033[31mb\\n"])
    assert "a?[31mb\n" in (box.read(places.LOG) or "")


def test_who_knows_what_not_to_leave_half_done_is_told_of_the_end(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work(box, 60)
    before = signal.signal(signal.SIGTERM, work._asked)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    script = "import signal, sys, time; signal.signal(2, lambda *_: sys.exit(5)); time.sleep(60)"
    ended = []
    try:
        with pytest.raises(Stopped):
            with work.shielded():
                ended.append(work.run([sys.executable, "-c", script], polite=True)[0])
    finally:
        timer.join()
        signal.signal(signal.SIGTERM, before)
    assert ended == [5]


def test_a_package_is_installed_to_its_end(box: Box) -> None:
    work, ended = Work(box, 60), []
    with pytest.raises(Stopped):
        with work.shielded():
            work._asked()
            ended.append(True)
    assert ended
    with pytest.raises(Stopped):
        work._asked()
