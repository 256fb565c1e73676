# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rights of the user between the policy's coming and going: none is left while it is in force, and none is lost whatever happens."""

from __future__ import annotations

import json

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError
from ansible_collections.pixels.sandbox.plugins.module_utils.inside import egress_places as places
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.inside.egress_box import LOCKED_TABLE, USER, Box, Killed

OWN = "/etc/sudoers.d/pixels"
ITSELF = f"{USER} ALL=(ALL) ALL\n"


def _has_all_back(box: Box) -> bool:
    return box.users[USER] == {"audio", "sudo"} and box.read(OWN) == f"{USER} ALL=(ALL:ALL) NOPASSWD: ALL\n"


class TestGivenBack:
    @pytest.mark.parametrize("at", [("run", "gpasswd", "-d"), ("remove", OWN)], ids=["group", "file"])
    def test_after_a_run_that_was_cut_off_while_it_took_them(self, box: Box, at: tuple[str, ...]) -> None:
        plan = box.plan(mode="agent")
        box.kill_at(*at)
        with pytest.raises(Killed):
            box.converge_planned(plan)
        box.calm().converge(mode="agent")
        assert not _has_all_back(box)
        box.converge(mode="unrestricted")
        assert _has_all_back(box)

    def test_after_a_failure_while_they_were_taken(self, box: Box) -> None:
        box.trouble = lambda _number, operation: 1 if operation[1] == "gpasswd" else None
        assert box.converge(mode="agent")["failed"]
        box.calm().converge(mode="agent")
        box.converge(mode="unrestricted")
        assert _has_all_back(box)

    def test_after_a_failure_without_a_second_attempt(self, box: Box) -> None:
        box.trouble = lambda _number, operation: 1 if operation[1] == "gpasswd" else None
        assert box.converge(mode="agent")["failed"]
        box.calm().converge(mode="unrestricted")
        assert _has_all_back(box)

    def test_what_was_taken_first_and_what_was_taken_later(self, restricted: Box) -> None:
        restricted.users[USER].add("docker")
        restricted.write("/etc/sudoers.d/later", f"{USER} ALL=(ALL) ALL\n")
        restricted.converge(mode="agent")
        assert restricted.users[USER] == {"audio"}
        restricted.converge(mode="unrestricted")
        assert restricted.users[USER] == {"audio", "sudo", "docker"}
        assert restricted.exists(OWN) and restricted.exists("/etc/sudoers.d/later")

    def test_file_as_it_was_at_first(self, restricted: Box) -> None:
        restricted.write(OWN, f"{USER} ALL=(root) /usr/bin/id\n")
        restricted.converge(mode="agent")
        restricted.converge(mode="unrestricted")
        assert _has_all_back(restricted)

    def test_each_user_has_its_own_back(self, box: Box) -> None:
        box.users["worker"] = {"docker"}
        box.converge(mode="agent")
        box.converge(user="worker")
        assert box.users["worker"] == set()
        box.converge(mode="unrestricted")
        assert _has_all_back(box) and box.users["worker"] == {"docker"}

    def test_what_is_to_be_taken_is_written_down_before_it_is_taken(self, box: Box) -> None:
        box.converge(mode="agent")
        texts = [" ".join(operation) for operation in box.operations]
        kept = [index for index, text in enumerate(texts) if text == f"write {places.PREVIOUS}"]
        assert kept[-1] < min(texts.index(f"remove {OWN}"), texts.index(f"run gpasswd -d {USER} sudo"))


class TestNotToBeTaken:
    """The operator has to mend it: before anything is touched where there is no policy, and locked where there is one."""

    @pytest.fixture(params=["sudoers itself", "primary group", "sudo's list"])
    def way(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    def _open(self, box: Box, way: str) -> str:
        """Gives it to the user; how it is told."""
        if way == "sudoers itself":
            box.write("/etc/sudoers", ITSELF)
            return "/etc/sudoers itself"
        if way == "primary group":
            box.primary_group = "docker"
            return "primary group docker"
        box.listed_by_sudo.add(USER)
        return f"what `sudo -l -U {USER}` lists"

    def _mend(self, box: Box) -> None:
        box.write("/etc/sudoers", "root ALL=(ALL:ALL) ALL\n")
        box.primary_group = "group1000"
        box.listed_by_sudo.clear()

    def test_refused_before_anything_is_touched(self, box: Box, way: str) -> None:
        box.users[USER] = {"audio"}
        box.remove(OWN)
        told = self._open(box, way)
        box.forget()
        with pytest.raises(CoreError, match=r"cannot be taken away here: .*; mend that first") as refusal:
            box.converge(mode="agent")
        assert told in str(refusal.value)
        assert box.changes() == [] and not box.exists(places.POLICY)

    def test_in_force_it_is_drift_and_the_next_run_locks(self, restricted: Box, way: str) -> None:
        told = self._open(restricted, way)
        (seen,) = restricted.plan(mode="agent").why
        assert seen.startswith(f"{USER} can become root: ") and told in seen
        done = restricted.converge(mode="agent")
        assert done["failed"] and done["locked"] and told in done["msg"] and restricted.table == LOCKED_TABLE
        self._mend(restricted)
        assert restricted.converge(mode="agent").get("failed") is None
        assert restricted.in_force() == []

    def test_way_that_shows_when_the_others_are_gone_locks(self, box: Box) -> None:
        box.listed_by_sudo.add(USER)
        done = box.converge(mode="agent")
        assert done["failed"] and done["locked"] and box.table == LOCKED_TABLE
        assert done["msg"].startswith(f"{USER} can still become root: what `sudo -l -U {USER}` lists")
        assert not box.exists(places.STATE) and box.read(places.NOLOGIN) == places.NOT_AT_ALL
        self._mend(box)
        assert box.converge(mode="agent").get("failed") is None
        assert box.in_force() == []
        assert json.loads(box.read(places.PREVIOUS) or "")["rights"]["groups"] == ["sudo"]

    def test_what_was_taken_before_it_locked_comes_back(self, box: Box) -> None:
        box.listed_by_sudo.add(USER)
        assert box.converge(mode="agent")["failed"] and box.users[USER] == {"audio"}
        box.converge(mode="unrestricted")
        assert _has_all_back(box)
