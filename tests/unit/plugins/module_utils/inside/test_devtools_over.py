# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What systemd runs after the service has ended, and how the service is put into a container and started."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.inside import devtools_places as places
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.devtools_look import look, registry
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.devtools_place import place
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.devtools_program import over, run
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.devtools_state import State, digest_of, fresh
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.egress_machine import Failed
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.inside.devtools_box import Box, wish_for


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path / "box")


class TestOver:
    """What systemd runs after the service has ended."""

    def running(self, box: Box) -> None:
        wish = box.want(wish_for())
        state = State(box, wish)
        state.start()
        state.begin("packages")

    @pytest.mark.parametrize(
        ("how", "said"),
        [("signal", r"unexpectedly \(signal\)"), ("timeout", "the time"), ("oom-kill", "not enough memory"), ("success", "stopped")],
    )
    def test_what_did_not_end_by_itself_has_failed(self, box: Box, monkeypatch: pytest.MonkeyPatch, how: str, said: str) -> None:
        monkeypatch.setenv("SERVICE_RESULT", how)
        self.running(box)
        assert over(box) == 0
        assert box.state()["status"] == "failed" and re.search(said, box.state()["steps"][0]["message"])

    @pytest.mark.parametrize("why", ["shutdown", "restart", "start"])
    def test_but_not_what_goes_on_in_a_moment(self, box: Box, why: str) -> None:
        self.running(box)
        box.system = "stopping" if why == "shutdown" else "running"
        box.jobs = "" if why == "shutdown" else f"17 pixels-devtools.service {why} waiting\n"
        over(box)
        assert box.state()["status"] == "running"

    def test_nor_what_has_ended(self, box: Box) -> None:
        box.want(wish_for())
        run(box, listen=False)
        over(box)
        assert box.state()["status"] == "done"


def request_for(start: bool = True, **files: str) -> dict[str, Any]:
    wish = wish_for()
    wish["digest"] = digest_of(wish)
    texts = {places.UNIT_FILE: "[Unit]\n", f"{places.PROGRAM}/__main__.py": "main", **files}
    return {"do": "place", "files": {name: {"content": text, "mode": "0644"} for name, text in texts.items()}, "wish": wish, "start": start}


class TestPlace:
    def test_all_of_it_and_the_service_is_started_last(self, box: Box) -> None:
        assert place(box, request_for()) == {"steps": ["program", "wish", "start"]}
        assert box.state()["status"] == "pending" and (box.read_json(places.WISH) or {})["packages"]["names"] == ["git"]
        calls = [call for call in box.calls if call.startswith("systemctl")]
        assert calls[0] == "systemctl daemon-reload" and calls[-1] == f"systemctl restart --no-block {places.UNIT}"

    def test_whoever_waits_does_not_take_a_former_end_for_this_one(self, box: Box) -> None:
        """D21."""
        wish = box.want(wish_for(packages=("other",)))
        box.write_json(places.STATE, {**fresh(wish), "status": "done"})
        place(box, request_for())
        assert box.state()["status"] == "pending" and box.state()["digest"] != wish["digest"]

    def test_attempts_at_the_same_are_counted(self, box: Box) -> None:
        request = request_for()
        place(box, request)
        box.write_json(places.STATE, {**box.state(), "attempt": 3, "status": "failed"})
        place(box, request)
        assert (box.state()["attempt"], box.state()["status"]) == (3, "pending")

    def test_another_program_alone_starts_nothing(self, box: Box) -> None:
        place(box, request_for())
        box.put(f"{places.PROGRAM}/inside/old.py", "")
        box.calls.clear()
        assert place(box, request_for(start=False)) == {"steps": ["program"]}
        assert not box.exists(f"{places.PROGRAM}/inside/old.py") and not any("restart" in call for call in box.calls)

    def test_a_service_that_cannot_be_started_is_a_failure(self, box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
        def systemctl(*words: str, check: bool = True) -> tuple[int, str]:
            if "restart" in words:
                raise Failed("systemctl restart ended with status 1", "the reason")
            return 0, ""

        monkeypatch.setattr(box, "systemctl", systemctl)
        assert place(box, request_for()) == {
            "failed": True,
            "msg": "systemctl restart ended with status 1",
            "log": ["the reason"],
            "steps": [],
        }


class TestLook:
    def test_at_nothing(self, box: Box) -> None:
        found = look(box)
        assert (found["wish"], found["state"], found["known"], found["lacks"], found["files"]) == (None, None, False, [], {})

    def test_at_what_was_placed(self, box: Box) -> None:
        request = request_for()
        place(box, request)
        found = look(box)
        assert found["known"] and set(found["files"]) == set(request["files"]) and found["lacks"]
        run(box, listen=False)
        assert look(box)["lacks"] == []

    @pytest.mark.parametrize("system", ["", "musl", "both"])
    def test_the_c_library(self, box: Box, system: str) -> None:
        if system:
            box.put("/lib/ld-musl-x86_64.so.1", "")
        if system == "both":
            box.put("/lib64/ld-linux-x86-64.so.2", "")
        assert look(box)["system"]["musl"] is (system == "musl")

    def test_the_processor(self, box: Box) -> None:
        assert look(box)["system"]["avx2"]
        for flags, found in (("fpu avx avx2", True), ("fpu avx", False)):
            box.put("/proc/cpuinfo", f"processor\t: 0\nflags\t\t: {flags}\n")
            assert look(box)["system"]["avx2"] is found

    def test_openrc(self, box: Box) -> None:
        box.put("/proc/1/comm", "init\n")
        assert not look(box)["system"]["systemd"]

    def test_the_registry(self, box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in list(os.environ):
            if name.lower() == "npm_config_registry":
                monkeypatch.delenv(name)
        assert registry(box) is None
        box.put(places.NPMRC, "registry=https://a.example.org/\n")
        assert registry(box) == "https://a.example.org/"
        box.put(places.ENVIRONMENT, 'NPM_CONFIG_REGISTRY="https://b.example.org/"\n')
        assert registry(box) == "https://b.example.org/"
