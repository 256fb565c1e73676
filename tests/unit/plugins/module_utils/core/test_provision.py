# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Following the installation of the tools, with processes of this machine in the place of a container."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import job, provision
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import Invalid
from ansible_collections.pixels.sandbox.plugins.module_utils.core.fleet import Herald
from ansible_collections.pixels.sandbox.plugins.module_utils.core.job_link import Inside, Lost, NotReached, Refused
from ansible_collections.pixels.sandbox.plugins.module_utils.core.job_stream import TooLate

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a container is a Linux")

# What stands for systemctl: it says what is in a file.
SYSTEMCTL = '#!/bin/sh\ncat "$(dirname "$0")/unit"\n'
WORKS, IDLE, EXITED, GONE = (
    f"LoadState={load}\nActiveState={active}\nSubState={sub}\nResult={result}\nJob=0\nSystemState=running\n"
    for load, active, sub, result in (
        ("loaded", "activating", "start", "success"),
        ("loaded", "failed", "failed", "signal"),
        ("loaded", "active", "exited", "success"),
        ("not-found", "inactive", "dead", "success"),
    )
)


class Box:
    """A container: a directory with a state, a log and a service."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.connections = 0
        self.shown: list[str] = []
        self.away = False
        # What cuts the first connections off: a command that the program is run under.
        self.under: list[str] = []
        (home / "bin").mkdir()
        (home / "bin" / "systemctl").write_text(SYSTEMCTL)
        (home / "bin" / "systemctl").chmod(0o755)
        self.service(WORKS)
        self.reach = job.Reach(self.command, sys.executable, silence=20)
        self.places = {"state": str(home / "state.json"), "log": str(home / "log"), "unit": "tools.service"}

    def command(self, line: str, _fresh: bool) -> Sequence[str]:
        self.connections += 1
        if self.away:
            return ["sh", "-c", "echo 'ssh: no route to host' >&2; exit 255"]
        under = self.under.pop(0) if self.under else ""
        path = f"{self.home / 'bin'}:{os.environ['PATH']}"
        return ["env", "-i", f"HOME={self.home}", f"PATH={path}", "sh", "-c", f"echo welcome\n{under} {line.removeprefix('exec ')}"]

    def service(self, text: str) -> None:
        (self.home / "bin" / "unit").write_text(text)

    def write(self, status: str, *steps: tuple[str, str], text: str | None = None) -> None:
        entries = [
            {"name": name, "status": kind, "exit": {"done": 0, "failed": 7}.get(kind), "started": 10, "ended": 12, "message": ""}
            for name, kind in steps
        ]
        value = {"version": 1, "status": status, "digest": "d", "attempt": 1, "boot": "b", "steps": entries}
        (self.home / "new").write_text(json.dumps(value) if text is None else text)
        os.replace(self.home / "new", self.home / "state.json")

    def follower(self, show: bool = True, away: float = 20.0) -> provision.Follower:
        herald = Herald(self.shown.append)
        return provision.Follower(self.reach, "task1", herald, self.shown.append if show else None, self.places, away)

    def run(self, monkeypatch: pytest.MonkeyPatch, **options: Any) -> dict[str, Any]:
        monkeypatch.setattr(provision, "_PLACES", self.places)
        params = {name: rule.get("default") for name, rule in provision.ARGUMENTS.items()}
        return provision.run({**params, **options}, self.reach, "task1", self.shown.append)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def soon(seconds: float = 20.0) -> float:
    return time.monotonic() + seconds


def test_one_look(box: Box) -> None:
    box.write("running", ("packages", "done"), ("codex", "running"))
    found = box.follower().look(soon())
    assert (found["status"], box.connections) == ("running", 1)
    assert [(step["name"], step["status"], step["exit"]) for step in found["steps"]] == [
        ("packages", "done", 0),
        ("codex", "running", None),
    ]


def test_nobody_has_asked_for_tools(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    box.service(GONE)
    assert box.run(monkeypatch, wait=True)["provision"]["status"] == "none"


def test_transitions_come_over_one_connection_and_each_is_shown_once(box: Box) -> None:
    box.write("running", ("packages", "done"), ("codex", "running"), ("settings", "pending"))
    follower = box.follower()

    def work() -> None:
        while follower.seen is None:
            time.sleep(0.01)
        box.write("running", ("packages", "done"), ("codex", "done"), ("settings", "running"))
        while follower.seen["steps"][1]["status"] != "done":
            time.sleep(0.01)
        box.service(EXITED)
        box.write("done", ("packages", "done"), ("codex", "done"), ("settings", "done"))

    worker = threading.Thread(target=work)
    worker.start()
    # Far less than the time after which it would look without being woken, were that what woke it each time.
    assert follower.follow(soon())["status"] == "done"
    worker.join()
    assert (box.shown, box.connections) == (["task1: codex done (2 s)", "task1: settings done (2 s)"], 1)


def test_a_failed_step_fails_with_the_end_of_the_log(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    box.service(IDLE)
    box.write("failed", ("packages", "done"), ("codex", "failed"))
    (box.home / "log").write_text("npm ERR! \x1b[31mno\n")
    with pytest.raises(provision.Unfinished) as caught:
        box.run(monkeypatch, wait=True)
    assert "at the step codex (exit status 7)" in str(caught.value)
    assert str(caught.value).endswith("end of the log:\nnpm ERR! \N{REPLACEMENT CHARACTER}[31mno")
    assert caught.value.result["provision"]["status"] == "failed"
    assert box.run(monkeypatch)["provision"]["status"] == "failed", "one that only looks does not fail"


def test_a_killed_service_is_noticed_though_it_writes_nothing(box: Box) -> None:
    box.write("running", ("codex", "running"))
    follower = box.follower()

    def kill() -> None:
        while follower.seen is None:
            time.sleep(0.01)
        box.service(IDLE)

    worker = threading.Thread(target=kill)
    worker.start()
    found = follower.follow(soon(60))
    worker.join()
    assert found["status"] == "failed" and "killed" in found["message"]


def test_it_waits_no_longer_than_it_may(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    box.write("running", ("codex", "running"))
    with pytest.raises(provision.Unfinished, match=r"after 1 s \(timeout\): installing codex"):
        box.run(monkeypatch, wait=True, timeout=1)


def test_garbage_is_an_error(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    box.write("", text='{"version": 1, "status": "do')
    with pytest.raises(Inside, match="damaged, or written half") as caught:
        box.run(monkeypatch, wait=True)
    assert caught.value.reason == "state"


def test_a_connection_that_breaks_is_made_again(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provision, "_PAUSES", (0.01,))
    box.write("running", ("codex", "running"))
    box.under = ["timeout -s KILL 3", "timeout -s KILL 3"]
    follower = box.follower()

    def end() -> None:
        while box.connections < 3:
            time.sleep(0.01)
        box.service(EXITED)
        box.write("done", ("codex", "done"))

    worker = threading.Thread(target=end)
    worker.start()
    assert follower.follow(soon(30))["status"] == "done"
    worker.join()
    assert box.connections == 3 and box.shown == ["task1: codex done (2 s)"]


def test_a_container_that_was_never_there_is_not_waited_for(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provision, "_PAUSES", (0.01, 0.01))
    box.away = True
    with pytest.raises(NotReached, match="no route to host"):
        box.follower().follow(soon())
    assert box.connections == 3


def test_one_that_stays_away_is_lost_and_one_whose_time_is_over_is_late(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provision, "_PAUSES", (0.01,))
    for away, limit, kind in ((0.3, 30.0, Lost), (60.0, 0.3, TooLate)):
        box.away = False
        box.write("running", ("codex", "running"))
        follower = box.follower(away=away)
        follower.look(soon())
        box.away = True
        with pytest.raises(kind) as caught:
            follower.follow(soon(limit))
        assert caught.value.__class__ is kind


@pytest.mark.parametrize(
    "said", [{}, {"status": "well"}, {"status": "done"}, {"status": "done", "steps": [1]}, {"status": ["done"], "steps": []}]
)
def test_what_is_no_state_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        provision.clean(said)


def test_a_hostile_state_is_made_harmless() -> None:
    step = {"name": "a\x1b]0;x\x07" * 100, "status": "done", "exit": 1 << 60, "seconds": -1, "message": None}
    found = provision.clean({"status": "done", "steps": [step] * 1000, "message": "\x1b[2J", "log": "x" * 100_000})
    assert len(found["steps"]) == 200 and len(found["log"]) == 8000
    assert "\x1b" not in json.dumps(found, ensure_ascii=False)
    assert (found["steps"][0]["exit"], found["steps"][0]["seconds"], found["steps"][0]["message"]) == (None, None, "")


def test_no_time_at_all_is_refused(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Invalid, match="timeout"):
        box.run(monkeypatch, timeout=0)
