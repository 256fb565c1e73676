# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is written in a home that nobody should trust."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.inside.environment_home import (
    HomeError,
    as_user,
    manager_lacks,
    renew_manager,
    visit,
)
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.environment_startup import BLOCK
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.environment_text import MOST, mark_of, parse, render
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.inside.nasty_values import NASTY


@pytest.fixture
def home(tmp_path: Path) -> Path:
    place = tmp_path / "home"
    place.mkdir()
    return place


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    place = tmp_path / "outside"
    place.mkdir()
    (place / "file").write_text("precious\n")
    return place


def bring(home: Path, variables: dict[str, str], *, check: bool = False) -> dict[str, Any]:
    return visit(str(home), os.getuid(), {"variables": variables, "shells": [".bashrc"], "check": check})


def kept(home: Path) -> dict[str, str] | None:
    return parse((home / ".pixels" / "environment").read_bytes().decode())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def snapshot(place: Path) -> dict[str, Any]:
    return {str(path): (path.lstat().st_mode, path.lstat().st_mtime_ns) for path in sorted(place.rglob("*"))}


def test_the_variables_are_for_their_user_alone(home: Path) -> None:
    old = os.umask(0)
    try:
        said = bring(home, NASTY)
    finally:
        os.umask(old)
    assert kept(home) == NASTY
    assert (mode(home / ".pixels"), mode(home / ".pixels" / "environment")) == (0o700, 0o600)
    assert said["written"] and said["files"] == [".bashrc"] and {change["change"] for change in said["changes"]} == {"added"}
    assert (home / ".bashrc").read_text() == BLOCK


def test_a_second_time_nothing_is_to_do(home: Path) -> None:
    bring(home, {"A": "a"})
    before = snapshot(home)
    assert bring(home, {"A": "a"}) == {"changes": [], "written": False, "files": []}
    assert snapshot(home) == before


def test_check_mode_tells_and_touches_nothing(home: Path) -> None:
    said = bring(home, {"A": "a"}, check=True)
    assert said == {"changes": [{"name": "A", "change": "added"}], "written": True, "files": [".bashrc"]}
    assert list(home.iterdir()) == []


def test_what_is_gone_goes_and_the_last_one_takes_the_file_with_it(home: Path) -> None:
    bring(home, {"A": "a", "B": "b"})
    assert bring(home, {"B": "b"})["changes"] == [{"name": "A", "change": "removed"}]
    assert kept(home) == {"B": "b"}
    assert bring(home, {})["changes"] == [{"name": "B", "change": "removed"}]
    assert not (home / ".pixels" / "environment").exists()
    assert bring(home, {})["written"] is False


@pytest.mark.parametrize("bits", [0o644, 0o640, 0o400])
def test_a_mode_that_is_not_right_is_put_right(home: Path, bits: int) -> None:
    bring(home, {"A": "a"})
    (home / ".pixels" / "environment").chmod(bits)
    assert bring(home, {"A": "a"})["written"]
    assert mode(home / ".pixels" / "environment") == 0o600


def test_links_in_the_place_of_ours_make_room(home: Path, outside: Path) -> None:
    before = snapshot(outside)
    (home / ".pixels").symlink_to(outside)
    bring(home, {"A": "a"})
    assert kept(home) == {"A": "a"} and not (home / ".pixels").is_symlink()
    (home / ".pixels" / "environment").unlink()
    (home / ".pixels" / "environment").symlink_to(outside / "file")
    bring(home, {"A": "a"})
    assert kept(home) == {"A": "a"}
    (home / ".pixels" / "environment").unlink()
    (home / ".pixels" / "environment").symlink_to(outside / "file")
    bring(home, {})
    assert not (home / ".pixels" / "environment").is_symlink()
    assert snapshot(outside) == before and (outside / "file").read_text() == "precious\n"


def test_a_start_up_file_that_is_a_link_becomes_a_file_with_what_was_behind_it(home: Path, outside: Path) -> None:
    before = snapshot(outside)
    (home / ".bashrc").symlink_to(outside / "file")
    bring(home, {})
    assert not (home / ".bashrc").is_symlink() and (home / ".bashrc").read_text() == BLOCK + "precious\n"
    assert snapshot(outside) == before


@pytest.mark.parametrize("target", ["/dev/zero", "/nonexistent/x", "/", ".bashrc"])
def test_a_start_up_file_that_leads_to_no_file_becomes_ours(home: Path, target: str) -> None:
    (home / ".bashrc").symlink_to(target)
    bring(home, {})
    assert (home / ".bashrc").read_text() == BLOCK


def test_a_pipe_and_a_directory_are_named_and_not_waited_for(home: Path) -> None:
    os.mkfifo(home / ".bashrc")
    with pytest.raises(HomeError, match=r"~/\.bashrc is not a file"):
        bring(home, {})
    (home / ".bashrc").unlink()
    bring(home, {"A": "a"})
    (home / ".pixels" / "environment").unlink()
    os.mkfifo(home / ".pixels" / "environment")
    assert bring(home, {"A": "a"})["written"] and kept(home) == {"A": "a"}


def test_a_start_up_file_keeps_its_mode(home: Path) -> None:
    (home / ".bashrc").write_bytes(b"mine\n")
    (home / ".bashrc").chmod(0o600)
    bring(home, {})
    assert mode(home / ".bashrc") == 0o600


def test_a_home_of_somebody_else_or_none(home: Path) -> None:
    with pytest.raises(HomeError, match="does not belong"):
        visit(str(home), os.getuid() + 1, {"variables": {}, "shells": [], "check": False})
    with pytest.raises(HomeError, match="there is no home"):
        bring(home / "none", {})


def test_nothing_is_left_beside_a_file_that_cannot_be_written(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: Any, **_options: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "rename", full)
    with pytest.raises(OSError, match="No space"):
        bring(home, {"A": "a"})
    assert [path.name for path in home.rglob("*")] == [".pixels"]


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming somebody else takes root")
def test_the_child_is_the_user_for_good(home: Path) -> None:
    account = pwd.struct_passwd(("nobody", "x", 65534, 65534, "", str(home), "/bin/sh"))
    for folder in (home, *home.parents):
        if folder.stat().st_mode & 0o001 == 0:
            folder.chmod(folder.stat().st_mode | 0o055)
    os.chown(home, 65534, 65534)

    def look() -> dict[str, Any]:
        try:
            os.setuid(0)
            back = True
        except PermissionError:
            back = False
        return {"ids": [*os.getresuid(), *os.getresgid()], "groups": os.getgroups(), "back": back, "own": os.getsid(0) == os.getpid()}

    said = as_user(account, look)
    assert said == {"ids": [65534] * 6, "groups": [65534], "back": False, "own": True}
    as_user(account, lambda: visit(str(home), 65534, {"variables": {"A": "a"}, "shells": [".bashrc"], "check": False}))
    assert {path.stat().st_uid for path in home.rglob("*")} == {65534}
    assert (home / ".pixels" / "environment").read_text() == render({"A": "a"})


def test_a_child_that_dies_or_fails_is_a_failure(home: Path) -> None:
    account = pwd.struct_passwd((pwd.getpwuid(os.getuid()).pw_name, "x", os.getuid(), os.getgid(), "", str(home), "/bin/sh"))
    with pytest.raises(HomeError, match="unforeseen"):
        as_user(account, lambda: os._exit(0))
    with pytest.raises(HomeError, match="unforeseen"):
        as_user(account, lambda: {"not": object()})
    with pytest.raises(HomeError, match="there is no home"):
        as_user(account, lambda: visit("/nonexistent", 0, {}))


@pytest.mark.parametrize("variables", [{}, {"A": "a"}])
def test_a_file_of_ours_that_is_too_large_is_not_read_and_makes_room(home: Path, variables: dict[str, str]) -> None:
    bring(home, {"A": "a"})
    (home / ".pixels" / "environment").write_bytes(b"x" * (MOST + 1))
    ahead = bring(home, variables, check=True)
    assert bring(home, variables) == ahead and ahead["written"]
    assert (kept(home) if variables else (home / ".pixels" / "environment").exists()) == (variables or False)
    assert not bring(home, variables)["written"]


class Asked:
    """A manager that answers as it is told; `words` has what it was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, place: Path, **answers: tuple[int, str]) -> None:
        where = "ansible_collections.pixels.sandbox.plugins.module_utils.inside.environment_home"
        self.answers = answers
        self.words: list[str] = []
        place.touch()
        monkeypatch.setattr(f"{where}._manager", lambda _account: str(place))
        monkeypatch.setattr(f"{where}._systemctl", self.answer)

    def answer(self, _account: pwd.struct_passwd, *words: str) -> tuple[int, str]:
        self.words.append(" ".join(words))
        return self.answers.get(words[0].replace("-", "_"), (0, ""))


def agent() -> pwd.struct_passwd:
    return pwd.struct_passwd(("agent", "x", 65533, 65533, "", "/nonexistent", "/bin/sh"))


@pytest.mark.parametrize("shown", ["$'{}'", '"{}"', "{}"])
def test_the_manager_is_asked_for_the_mark_of_its_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shown: str) -> None:
    mark = mark_of({"A": "a", "B": "b"})
    said = "HOME=/nonexistent\nPIXELS_ENVIRONMENT=" + shown.format(mark) + "\nA=a\n"
    Asked(monkeypatch, tmp_path / "private", show_environment=(0, said))
    assert manager_lacks(agent(), mark) == {"lacks": False}
    assert manager_lacks(agent(), "") == {"lacks": True}
    assert manager_lacks(agent(), mark_of({"A": "a", "B": "another"})) == {"lacks": True}


def test_a_manager_that_does_not_answer_is_not_known_to_have_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Asked(monkeypatch, tmp_path / "private", show_environment=(1, "Failed to connect to bus"))
    assert manager_lacks(agent(), "") == {"lacks": True}


def test_without_a_manager_there_is_nothing_to_renew() -> None:
    assert manager_lacks(agent(), mark_of({"A": "a"})) == {"lacks": False} and renew_manager(agent()) == {}


def test_what_the_manager_was_given_by_a_session_goes_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said = f"PIXELS_ENVIRONMENT=$'{mark_of({'A': 'a', 'B': 'b'})}'\nA=a\n"
    manager = Asked(monkeypatch, tmp_path / "private", show_environment=(0, said))
    assert renew_manager(agent()) == {}
    assert manager.words == ["show-environment", "unset-environment PIXELS_ENVIRONMENT A B", "daemon-reexec"]


def test_a_manager_that_does_not_begin_anew_is_a_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Asked(monkeypatch, tmp_path / "private", daemon_reexec=(124, "systemctl --user daemon-reexec has not ended within 60 s"))
    with pytest.raises(HomeError, match=r"the systemd of agent does not take the variables: .* has not ended"):
        renew_manager(agent())
