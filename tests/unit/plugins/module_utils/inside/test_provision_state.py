# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the state of the tools' installation means, from the file and the service."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.inside import provision_state
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.provision_state import Damaged, Unit, View, judge, look, read, tail

NAME = "tools.service"
IDLE, WORKS = Unit(loaded=True), Unit(loaded=True, active="activating", sub="start")
EXITED = Unit(loaded=True, active="active", sub="exited")
CRASHED = Unit(loaded=True, active="failed", sub="failed", result="signal")
RETRIES = Unit(loaded=True, active="activating", sub="auto-restart", result="exit-code")
BOOTS = Unit(loaded=True, system="starting")
QUEUED = Unit(loaded=True, queued=True)
MUTE = Unit(known=False)


def step(name: str, status: str = "pending", **more: Any) -> dict[str, Any]:
    return {"name": name, "status": status, "exit": None, "started": None, "ended": None, "message": "", **more}


def state(status: str, *steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"version": 1, "status": status, "digest": "d", "attempt": 1, "boot": "b1", "steps": list(steps), **more}


RUNNING = state("running", step("packages", "done", started=10, ended=14.5, exit=0), step("codex", "running", started=15))


def judged(found: dict[str, Any] | None, service: Unit, boot: str = "b1") -> View:
    return judge(found, service, NAME, boot, 20.0)


@pytest.mark.parametrize(
    ("found", "service", "status", "sure"),
    [
        (None, Unit(), "none", True),
        (None, WORKS, "pending", True),
        (None, QUEUED, "pending", True),
        (None, BOOTS, "pending", True),
        (None, CRASHED, "failed", True),
        (None, IDLE, "failed", False),
        (RUNNING, WORKS, "running", True),
        (RUNNING, BOOTS, "pending", True),
        (RUNNING, QUEUED, "pending", True),
        (RUNNING, RETRIES, "pending", True),
        (RUNNING, IDLE, "failed", False),
        (RUNNING, EXITED, "failed", False),
        (RUNNING, CRASHED, "failed", False),
        (RUNNING, Unit(), "failed", False),
        (RUNNING, MUTE, "running", True),
        (state("pending"), WORKS, "pending", True),
        (state("pending"), IDLE, "failed", False),
        (state("done"), EXITED, "done", True),
        (state("done"), IDLE, "done", True),
        (state("done"), WORKS, "done", False),
        (state("done"), QUEUED, "done", False),
        (state("failed"), CRASHED, "failed", True),
        (state("failed"), WORKS, "failed", False),
        (state("failed"), RETRIES, "running", True),
    ],
)
def test_the_file_counts_as_far_as_the_service_bears_it_out(found: Any, service: Unit, status: str, sure: bool) -> None:
    view = judged(found, service)
    assert (view.status, view.sure) == (status, sure)


def test_a_crashed_service_in_a_container_that_starts_is_not_waited_for() -> None:
    assert judged(RUNNING, CRASHED._replace(system="starting")).status == "failed"


def test_it_says_how_the_service_was_lost() -> None:
    assert "(signal)" in judged(RUNNING, CRASHED).message and "killed" in judged(RUNNING, CRASHED).message
    assert "restarted in the middle" in judged(RUNNING, IDLE, boot="b2").message
    assert "there is no tools.service" in judged(RUNNING, Unit()).message


def test_what_was_cut_off_is_no_step_that_runs() -> None:
    assert [(entry["name"], entry["status"]) for entry in judged(RUNNING, CRASHED).steps] == [("packages", "done"), ("codex", "failed")]


def test_seconds_are_those_of_the_step_or_as_long_as_it_takes_already() -> None:
    assert [entry["seconds"] for entry in judged(RUNNING, WORKS).steps] == [4.5, 5.0]
    odd = state("running", step("a", "running", started="yesterday"), step("b", "done", started=9, ended=3), step("c"))
    assert [entry["seconds"] for entry in judged(odd, WORKS).steps] == [None, 0.0, None]


def test_a_failure_says_what_its_step_says() -> None:
    assert judged(state("failed", step("codex", "failed", exit=7, message="npm said no")), CRASHED).message == "npm said no"


def test_no_file_and_no_systemd_is_not_none() -> None:
    with pytest.raises(Damaged, match="systemd does not answer"):
        judged(None, MUTE)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "\0" * 100,
        json.dumps(state("done"))[:-5],
        "[]",
        "null",
        json.dumps({**state("done"), "version": 2}),
        json.dumps(state("finished")),
        json.dumps({**state("done"), "steps": None}),
        json.dumps({**state("done"), "steps": ["x"]}),
        json.dumps(state("done", {"name": 1, "status": "done"})),
        json.dumps(state("done", step("a", "done"), step("b", "running"))),
        "[" * 100_000,
    ],
)
def test_garbage_is_an_error_and_never_done(text: str, tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text(text)
    with pytest.raises(Damaged, match=r"state\.json"):
        read(str(tmp_path / "state.json"))


def test_no_file_is_none_and_one_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    assert read(str(tmp_path / "state.json")) is None
    (tmp_path / "state.json").mkdir()
    with pytest.raises(Damaged, match="cannot be read"):
        read(str(tmp_path / "state.json"))


class TestLook:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = tmp_path / "state.json"
        path.write_text(json.dumps(RUNNING))
        return path

    def test_a_service_that_ends_before_it_is_through_writing_is_looked_at_again(self, path: Path) -> None:
        def pause(_seconds: float) -> None:
            path.write_text(json.dumps(state("done", step("codex", "done"))))

        assert look(str(path), NAME, lambda _name: EXITED, pause).status == "done"

    def test_one_that_stays_away_has_failed(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(provision_state, "MOMENT", 0.01)
        assert look(str(path), NAME, lambda _name: CRASHED).status == "failed"

    def test_garbage_gets_the_same_moment(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path.write_text("{")
        done = json.dumps(state("done"))
        assert look(str(path), NAME, lambda _name: IDLE, lambda _seconds: path.write_text(done) and None).status == "done"
        path.write_text("{")
        monkeypatch.setattr(provision_state, "MOMENT", 0.01)
        with pytest.raises(Damaged):
            look(str(path), NAME, lambda _name: IDLE)


def test_the_end_of_a_log_begins_with_a_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert tail(str(log)) == ""
    log.write_text("one\ntwo\n")
    assert tail(str(log)) == "one\ntwo\n"
    log.write_text("x" * 50 + "\nlast line\n")
    assert tail(str(log), 20) == "last line\n"
