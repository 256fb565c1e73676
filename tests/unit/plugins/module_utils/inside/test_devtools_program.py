# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The service, step by step: what it leaves when all goes well, when something fails, and when it is cut off anywhere."""

from __future__ import annotations

import os
import re
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.inside import devtools_download as downloading
from ansible_collections.pixels.sandbox.plugins.module_utils.inside import devtools_places as places
from ansible_collections.pixels.sandbox.plugins.module_utils.inside import devtools_program as program
from ansible_collections.pixels.sandbox.plugins.module_utils.inside import devtools_tool as tools
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.devtools_look import look
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.devtools_program import run
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.devtools_state import State
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.devtools_work import Stopped
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.inside.devtools_box import (
    SCRIPT,
    Box,
    Registry,
    archive,
    serving,
    sri,
    status,
    tool,
    wish_for,
)

GOOD = archive(("package/bin/demo", SCRIPT), ("package/README.md", b"read me"))
NEWER = archive(("package/bin/demo", SCRIPT.replace(b"1.0.0", b"2.0.0")))


class Cut(BaseException):
    """The plug was pulled."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloading, "FIRST_WAIT", 0.001)
    # Nobody else gets into the directories of a test, and few could become somebody else.
    monkeypatch.setattr(tools, "account_of", lambda _user: None)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path / "box")


@pytest.fixture
def registry() -> Iterator[Registry]:
    with serving() as made:
        made.files.update({"/demo.tgz": GOOD, "/newer.tgz": NEWER})
        yield made


@pytest.fixture
def demo(registry: Registry) -> dict[str, Any]:
    return tool(registry.url + "/demo.tgz", GOOD)


def go(box: Box) -> int:
    return run(box, listen=False)


def statuses(box: Box) -> dict[str, str]:
    return {step["name"]: step["status"] for step in box.state()["steps"]}


def failed(box: Box) -> str:
    return str(next(step["message"] for step in box.state()["steps"] if step["status"] == "failed"))


def installed(box: Box, name: str = "demo") -> bytes:
    link = box.linked(name)
    assert link.startswith(places.TOOLS)
    return Path(box.path(link)).read_bytes()


def leftovers(box: Box) -> list[str]:
    folder = Path(box.path(places.TOOLS))
    return [str(path) for path in folder.rglob(".new-*")] + box.listed(places.DOWNLOADS)


def test_from_nothing(box: Box, demo: dict[str, Any]) -> None:
    box.want(wish_for(demo))
    assert go(box) == 0
    state = box.state()
    assert (state["status"], state["attempt"]) == ("done", 1) and statuses(box) == dict.fromkeys(["packages", "demo", "settings"], "done")
    assert all(step["exit"] == 0 and step["started"] <= step["ended"] for step in state["steps"])
    assert installed(box) == SCRIPT and (box.linked("fd"), box.linked("rg")) == ("/usr/bin/fdfind", "/usr/bin/rg")
    assert leftovers(box) == [] and "demo: 1.0.0" in (box.read(places.LOG) or "")
    for name in (places.STATE, places.LOG, places.PROFILE):
        assert os.stat(box.path(name)).st_mode & 0o777 == 0o644, name


def test_a_second_run_asks_nobody_and_writes_nothing(box: Box, registry: Registry, demo: dict[str, Any]) -> None:
    """D27."""
    box.want(wish_for(demo))
    go(box)
    before, asked = box.state(), len(registry.asked)
    box.calls.clear()
    assert go(box) == 0
    assert box.state() == before and len(registry.asked) == asked
    assert {call.split()[0] for call in box.calls} <= {"dpkg-query"}


def test_another_version_takes_the_place_of_the_first(box: Box, registry: Registry, demo: dict[str, Any]) -> None:
    box.want(wish_for(demo))
    go(box)
    box.want(wish_for(tool(registry.url + "/newer.tgz", NEWER, version="2.0.0")))
    assert go(box) == 0
    assert b"2.0.0" in installed(box) and len(box.listed(places.TOOLS + "/demo")) == 1


def test_what_is_not_wanted_any_more_goes(box: Box, demo: dict[str, Any]) -> None:
    box.want(wish_for(demo))
    go(box)
    box.put("/usr/local/bin/theirs", "")
    box.want(wish_for())
    assert go(box) == 0
    assert sorted(os.listdir(box.path(places.BIN))) == ["fd", "rg", "theirs"] and box.listed(places.TOOLS) == []


class TestMending:
    @pytest.mark.parametrize("loss", ["link", "program", "tree", "mark", "profile", "size", "link elsewhere"])
    def test_what_is_missing_is_brought_again(self, box: Box, demo: dict[str, Any], loss: str) -> None:
        box.want(wish_for(demo))
        go(box)
        link = Path(box.path(places.BIN + "/demo"))
        path = Path(box.path(str(link.readlink())))
        if loss == "link":
            link.unlink()
        elif loss == "program":
            path.unlink()
        elif loss == "tree":
            tools.shutil.rmtree(path.parents[1])
        elif loss == "mark":
            (path.parents[1] / places.MARK).write_text("{")
        elif loss == "profile":
            Path(box.path(places.PROFILE)).write_text("")
        elif loss == "size":
            path.write_bytes(b"")
        else:
            link.unlink()
            link.symlink_to(places.TOOLS + "/demo/0.9-x/bin/demo")
        assert look(box)["lacks"]
        assert go(box) == 0
        assert installed(box) == SCRIPT and box.state()["attempt"] == 2 and look(box)["lacks"] == []

    def test_cut_off_anywhere_the_next_run_comes_to_the_same_end(
        self, tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Every write, link and rename, one after the other, is the last that happens."""
        wished = [
            tool(registry.url + "/demo.tgz", GOOD),
            tool(registry.url + "/newer.tgz", NEWER, name="other", programs={"o": "bin/demo"}),
        ]
        # Reading all certificates each time would take most of the time.
        monkeypatch.setattr(downloading, "_opener", urllib.request.build_opener)
        reached = 0
        for cut in range(400):
            box = Box(tmp_path / str(cut))
            box.want(wish_for(*wished))
            with monkeypatch.context() as patched:
                fuse = _Fuse(cut)
                for name in ("symlink", "replace", "rename", "mkdir", "chmod"):
                    patched.setattr(os, name, fuse.before(getattr(os, name)))
                try:
                    ended = go(box)
                except Cut:
                    ended = None
            if ended is not None:
                break
            reached += 1
            assert go(box) == 0
            assert installed(box) == SCRIPT and box.state()["status"] == "done" and leftovers(box) == [], f"cut off at {cut}"
        assert reached > 20


class _Fuse:
    def __init__(self, left: int) -> None:
        self.left = left

    def before(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            self.left -= 1
            if self.left < 0:
                raise Cut
            return function(*args, **options)

        return call


class TestFailing:
    def test_another_archive_than_promised_changes_nothing(self, box: Box, registry: Registry, demo: dict[str, Any]) -> None:
        registry.files["/demo.tgz"] = NEWER
        box.want(wish_for(demo))
        assert go(box) == 1
        assert "is not what it has to be, and was not unpacked" in failed(box) and not box.exists(places.BIN + "/demo")
        assert statuses(box) == {"packages": "done", "demo": "failed", "settings": "pending"} and leftovers(box) == []
        assert box.listed(places.TOOLS + "/demo") == []
        registry.files["/demo.tgz"] = GOOD
        assert go(box) == 0 and installed(box) == SCRIPT

    def test_half_of_it_from_another_day_is_fetched_anew(self, box: Box, registry: Registry, demo: dict[str, Any]) -> None:
        box.put(f"{places.DOWNLOADS}/demo-{tools.integrity.short(demo['integrity'])}", b"from another day")
        box.want(wish_for(demo))
        assert go(box) == 0 and installed(box) == SCRIPT
        assert [span for _path, span in registry.asked] == ["bytes=16-", None]

    def test_the_former_version_stays_while_the_next_one_fails(self, box: Box, registry: Registry, demo: dict[str, Any]) -> None:
        box.want(wish_for(demo))
        go(box)
        box.want(wish_for(tool(registry.url + "/gone.tgz", NEWER, version="2.0.0")))
        assert go(box) == 1
        assert installed(box) == SCRIPT and "answers 404" in failed(box)

    def test_somebody_elses_program_is_not_touched_nor_anything_fetched_for_it(
        self, box: Box, registry: Registry, demo: dict[str, Any]
    ) -> None:
        box.put(places.BIN + "/demo", "theirs")
        box.want(wish_for(demo))
        assert go(box) == 1
        assert f"{places.BIN}/demo is somebody else's" in failed(box) and box.read(places.BIN + "/demo") == "theirs"
        assert registry.asked == []

    def test_somebody_elses_link_neither(self, box: Box, demo: dict[str, Any]) -> None:
        Path(box.path(places.BIN + "/demo")).symlink_to("/opt/demo")
        box.want(wish_for(demo))
        assert go(box) == 1 and box.linked("demo") == "/opt/demo"

    @pytest.mark.parametrize(
        ("script", "said"),
        [
            (b"#!/bin/sh\necho broken >&2; exit 3\n", "status 3: broken"),
            (b"\x7fELF of another processor", "status 126: .*Exec format error"),
        ],
    )
    def test_a_program_that_does_not_run(self, box: Box, registry: Registry, script: bytes, said: str) -> None:
        data = archive(("package/bin/demo", script))
        registry.files["/demo.tgz"] = data
        box.want(wish_for(tool(registry.url + "/demo.tgz", data, check=["--version"])))
        assert go(box) == 1
        assert re.search(f"demo --version ended with {said}", failed(box)) and not box.exists(places.BIN + "/demo")
        assert not box.exists(places.TRIED)

    def test_an_archive_without_the_program(self, box: Box, registry: Registry) -> None:
        data = archive(("package/README.md", b""))
        registry.files["/demo.tgz"] = data
        box.want(wish_for(tool(registry.url + "/demo.tgz", data)))
        assert go(box) == 1 and "has no bin/demo, which demo should be" in failed(box)

    def test_what_nobody_expected_is_a_failure_with_its_reason(
        self, box: Box, demo: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_words: Any) -> None:
            raise OSError(28, "No space left on device", "/x")

        monkeypatch.setattr(tools, "unpack", full)
        box.want(wish_for(demo))
        assert go(box) == 1 and "No space left on device" in failed(box) and leftovers(box)[0].startswith(places.DOWNLOADS)

    def test_the_time_is_over(self, box: Box, demo: dict[str, Any]) -> None:
        box.want({**wish_for(demo), "timeout": 0})
        assert go(box) == 1
        step = box.state()["steps"][0]
        assert (step["status"], step["exit"]) == ("failed", 124) and "is over" in step["message"]

    @pytest.mark.parametrize("damage", [None, "", "{", '{"version": 1}', '{"version": 1, "digest": "x"}'])
    def test_without_a_wish_there_is_nothing_to_do(self, box: Box, damage: str | None, capsys: pytest.CaptureFixture[str]) -> None:
        if damage is not None:
            box.put(places.WISH, damage)
        assert go(box) == 1 and "run the playbook or the module again" in capsys.readouterr().err


class TestUnpinned:
    def test_the_registry_is_asked_once_and_held_to_it(self, box: Box, registry: Registry) -> None:
        registry.json("/demo/1.0.0", {"dist": {"integrity": sri(GOOD)}})
        wished = tool(registry.url + "/demo.tgz", None, ask=registry.url + "/demo/1.0.0")
        box.want(wish_for(wished))
        assert go(box) == 0 and installed(box) == SCRIPT
        # The next time it may say what it wants.
        registry.json("/demo/1.0.0", {"dist": {"integrity": sri(NEWER)}})
        registry.files["/demo.tgz"] = NEWER
        tools.shutil.rmtree(box.path(places.TOOLS))
        assert go(box) == 1 and "is not what it has to be" in failed(box)

    @pytest.mark.parametrize("answer", [{}, {"dist": {}}, {"dist": {"shasum": "abc"}}, {"dist": {"integrity": "sha1-x"}}, []])
    def test_a_registry_that_does_not_say(self, box: Box, registry: Registry, answer: Any) -> None:
        registry.json("/demo/1.0.0", answer)
        box.want(wish_for(tool(registry.url + "/demo.tgz", None, ask=registry.url + "/demo/1.0.0")))
        assert go(box) == 1 and "has no integrity of sha512" in failed(box)


class TestState:
    def test_a_failure_is_kept_and_the_next_attempt_counted(self, box: Box, registry: Registry, demo: dict[str, Any]) -> None:
        registry.faults = [status(404)]
        box.want(wish_for(demo))
        assert go(box) == 1 and box.state()["ended"] and box.state()["attempt"] == 1
        assert go(box) == 0 and box.state()["attempt"] == 2

    def test_another_wish_meanwhile_ends_it_and_is_not_overwritten(
        self, box: Box, demo: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        box.want(wish_for(demo))

        def meanwhile(*_words: Any) -> str:
            box.want(wish_for())
            return ""

        monkeypatch.setattr(program.devtools_packages, "bring", meanwhile)
        box.absent.add("git")
        assert go(box) == 0
        state = box.state()
        assert state["digest"] == (box.read_json(places.WISH) or {})["digest"] and state["status"] == "pending"

    def test_asked_to_end_it_is_pending_and_goes_on_later(self, box: Box, demo: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        box.want(wish_for(demo))

        def stop(*_words: Any) -> None:
            raise Stopped

        with monkeypatch.context() as patched:
            patched.setattr(tools, "unpack", stop)
            assert go(box) == 0
        assert statuses(box) == {"packages": "done", "demo": "pending", "settings": "pending"} and box.state()["status"] == "pending"
        assert go(box) == 0 and installed(box) == SCRIPT

    def test_a_damaged_state_is_begun_anew(self, box: Box, demo: dict[str, Any]) -> None:
        wish = box.want(wish_for(demo))
        for text in ("{", "[]", '{"version": 1}', f'{{"version": 1, "digest": "{wish["digest"]}", "steps": [{{}}]}}'):
            box.put(places.STATE, text)
            assert State(box, wish).data["status"] == "pending"
        assert go(box) == 0 and box.state()["status"] == "done"

    def test_what_it_waits_for_shows(self, box: Box, registry: Registry, demo: dict[str, Any]) -> None:
        seen = []

        def busy(request: Any) -> None:
            seen.append(box.state()["steps"][1])
            status(503)(request)

        registry.faults = [busy, busy]
        box.want(wish_for(demo))
        assert go(box) == 0
        assert [step["status"] for step in seen] == ["running"] * 2 and "answers 503" in seen[1]["message"]


def test_a_single_program_needs_no_archive(box: Box, registry: Registry) -> None:
    registry.files["/demo"] = SCRIPT
    box.want(wish_for(tool(registry.url + "/demo", SCRIPT, single=True, check=["--version"])))
    assert go(box) == 0 and installed(box) == SCRIPT


def test_links_to_settings_outside(box: Box, registry: Registry) -> None:
    box.want(wish_for(tool(registry.url + "/demo.tgz", GOOD, links={"etc/npmrc": "/etc/npmrc"})))
    assert go(box) == 0
    assert (Path(box.path(box.linked("demo"))).parents[1] / "etc/npmrc").readlink() == Path("/etc/npmrc")
