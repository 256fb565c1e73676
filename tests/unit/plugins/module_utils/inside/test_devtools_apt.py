# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""apt with somebody else at work, with lists of another day, after a run that was cut off, and when there is nothing to be had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.inside import devtools_apt as apt
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.devtools_work import Work
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.egress_machine import Failed
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.inside.devtools_box import Box

LISTS_BUSY = "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 1 (apt-get)\n"
OLD_LISTS = "E: Unable to locate package git\n"
NO_MIRROR = "E: Failed to fetch http://mirror.example.org/x.deb  Could not connect\n"
CUT_OFF = "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem.\n"


class Played(Work):
    """What apt-get and dpkg say comes from lists, by their verbs; without an answer all is well, and the package is there."""

    def __init__(self, box: Box) -> None:
        super().__init__(box, 10_000)
        self.box = box
        self.answers: dict[str, list[tuple[int, str]]] = {}
        self.verbs: list[str] = []
        self.commands: list[list[str]] = []
        self.slept = 0.0

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.pause()

    def run(
        self,
        command: Sequence[str],
        most: float = 1e9,
        environment: Mapping[str, str] | None = None,
        account: tuple[int, int] | None = None,
        polite: bool = False,
    ) -> tuple[int, str]:
        verb = next(word for word in command if word in ("install", "update", "clean", "--configure"))
        verb = "--fix-broken" if "--fix-broken" in command else verb
        self.verbs.append(verb)
        self.commands.append(list(command))
        given = self.answers.get(verb) or []
        code, said = given.pop(0) if given else (0, "")
        if verb == "install" and code == 0:
            self.box.absent.clear()
        return code, said


@pytest.fixture
def work(tmp_path: Path) -> Played:
    box = Box(tmp_path / "box")
    box.absent.add("git")
    return Played(box)


def test_at_once_with_the_lists_that_there_are(work: Played) -> None:
    apt.install(work, ["git"])
    assert work.verbs == ["install", "clean"]
    command = work.commands[0]
    assert "-oDPkg::Lock::Timeout=600" in command and "-oDpkg::Options::=--force-confold" in command and command[-2:] == ["--", "git"]


def test_with_new_lists_where_these_are_old(work: Played) -> None:
    work.answers["install"] = [(100, OLD_LISTS)]
    apt.install(work, ["git"])
    assert work.verbs == ["install", "update", "install", "clean"]


def test_what_was_cut_off_is_completed_first(work: Played) -> None:
    work.box.put("/var/lib/dpkg/updates/0001", "")
    apt.install(work, ["git"])
    assert work.verbs == ["--configure", "install", "clean"]


def test_what_dpkg_complains_of_is_completed_first(work: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Box, "run", lambda _self, *command, **_options: (0, "half configured: tree" if command[1] == "--audit" else ""))
    work.answers["install"] = [(0, "")]
    apt.install(work, ["git"])
    assert work.verbs[0] == "--configure"


def test_what_is_broken_is_mended(work: Played) -> None:
    work.answers["install"] = [(100, CUT_OFF)]
    apt.install(work, ["git"])
    assert work.verbs == ["install", "--fix-broken", "update", "install", "clean"]


def test_whoever_holds_the_lists_is_waited_for(work: Played) -> None:
    work.answers["install"] = [(100, OLD_LISTS)]
    work.answers["update"] = [(100, LISTS_BUSY)] * 3
    apt.install(work, ["git"])
    assert work.verbs.count("update") == 4 and work.slept == 3 * apt.WAIT


def test_but_not_for_ever(work: Played) -> None:
    work.answers["install"] = [(100, LISTS_BUSY)] * 10_000
    with pytest.raises(Failed, match="Could not get lock"):
        apt.install(work, ["git"])
    assert work.slept <= 2 * apt.ATTEMPTS * (apt.LOCK + apt.WAIT) + apt.ATTEMPTS * apt.WAIT


def test_a_mirror_with_a_bad_moment(work: Played) -> None:
    work.answers["install"] = [(100, NO_MIRROR)] * 3
    work.answers["update"] = [(100, NO_MIRROR)]
    apt.install(work, ["git"])
    assert work.verbs == ["install", "update", "install", "install", "update", "install", "clean"]


def test_a_mirror_that_is_gone_is_a_failure_with_its_reason(work: Played) -> None:
    work.answers["install"] = [(100, NO_MIRROR)] * 50
    with pytest.raises(Failed, match=r"apt-get could not install git: Failed to fetch http://mirror\.example\.org") as caught:
        apt.install(work, ["git"])
    assert work.verbs.count("install") == 2 * apt.ATTEMPTS and "Could not connect" in caught.value.log


def test_a_package_that_there_is_not_is_not_tried_again(work: Played) -> None:
    work.answers["install"] = [(100, OLD_LISTS)] * 50
    with pytest.raises(Failed, match="Unable to locate package git"):
        apt.install(work, ["git"])
    assert work.verbs == ["install", "update", "install"]


def test_what_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "ii git:amd64\nrc old:amd64\niU half:amd64\nhi held:all\nii lib:i386\n"
    monkeypatch.setattr(Box, "run", lambda *_words, **_options: (1, said + "dpkg-query: no packages found matching no\n"))
    box = Box(tmp_path / "box")
    assert apt.missing(box, ["git", "git=1:2", "old", "half", "held", "lib:i386", "no"]) == ["old", "half", "no"]
    assert apt.missing(box, []) == []


class Dpkg(Box):
    """Answers as dpkg-query does: of the names that are asked for, or of all."""

    packages = {
        "mawk": "ii mawk:amd64 awk",
        "libglib2.0-0t64": "ii libglib2.0-0t64:amd64 libglib2.0-0 (= 2.80.0-6ubuntu3), libglib2.0-data:any (= 1)",
        "postfix": "rc postfix:amd64 mail-transport-agent",
        "git": "ii git:amd64 git-completion, git-core",
        "tree": "ii tree:amd64 ",
    }

    def run(self, *command: str, check: bool = True, timeout: float = 60.0, env: dict[str, str] | None = None) -> tuple[int, str]:
        self.calls.append(" ".join(command))
        wanted = command[3:] or tuple(self.packages)
        return 0, "".join(f"{self.packages[name]}\n" for name in wanted if name in self.packages)


def test_what_others_provide_is_there(tmp_path: Path) -> None:
    """Else a virtual package, and one that was renamed, would be brought for ever."""
    box = Dpkg(tmp_path / "box")
    assert apt.missing(box, ["awk", "libglib2.0-0", "libglib2.0-0:amd64", "libglib2.0-data", "git", "tree"]) == []
    assert apt.missing(box, ["awk:i386", "mail-transport-agent", "libglib2.0-0=2.80.0-6ubuntu3", "awk/stable"]) == [
        "awk:i386",
        "mail-transport-agent",
        "libglib2.0-0=2.80.0-6ubuntu3",
        "awk/stable",
    ]


def test_where_all_are_there_by_their_names_nothing_else_is_asked_for(tmp_path: Path) -> None:
    box = Dpkg(tmp_path / "box")
    assert apt.missing(box, ["git", "tree"]) == [] and len(box.calls) == 1
