# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Unrestricted again: everything is as before, and a run that was cut off is completed by the next."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.inside import egress_places as places
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.egress_release import release
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.inside.egress_box import USER, Box, Killed

Boxes = Callable[[], Box]


def _files(box: Box) -> dict[str, str]:
    """All files and links with their content, but those that belong to nobody's settings."""
    found = {}
    for folder, _folders, names in os.walk(box.root):
        for name in names:
            path = Path(folder, name)
            relative = f"/{path.relative_to(box.root)}"
            if relative not in (places.LOCK, places.LOCKED):
                found[relative] = f"-> {os.readlink(path)}" if path.is_symlink() else path.read_text()
    return found


def _seen(box: Box) -> dict[str, Any]:
    units = {"active": set(box.active), "enabled": set(box.enabled), "masked": set(box.masked)}
    return {"files": _files(box), "users": {name: set(groups) for name, groups in box.users.items()}, **units}


def _lived_in(box: Box) -> Box:
    """With what somebody has made of it before there was a policy."""
    box.with_programs().write(places.SUDO, "#!/bin/sh\n# theirs\n", 0o755)
    box.masked.add("nftables.service")
    return box


def _remains(box: Box) -> list[str]:
    ours = [name for name in _files(box) if "egress" in name]
    folders = [name for name in (places.SETTINGS, places.PROGRAMS, places.LOGS) if box.exists(name)]
    tables = [] if box.table is None else ["rules"]
    return ours + folders + tables + sorted(unit for unit in box.active | box.enabled if unit.startswith("egress"))


def test_everything_is_as_before(boxes: Boxes) -> None:
    box = _lived_in(boxes())
    before = _seen(box)
    box.converge(mode="agent", allow=["git.example.org:22"])
    box.converge(mode="learn")
    assert box.converge(mode="unrestricted") == {"steps": ["released"]}
    assert _seen(box) == before
    assert _remains(box) == []
    assert box.confined is False
    assert box.converge(mode="unrestricted") == {"steps": [], "unchanged": True}


def test_directories_of_drop_ins_go_when_nobody_else_uses_them(restricted: Box) -> None:
    restricted._put(f"{places.UNITS}/cron.service.d/theirs.conf", "")
    restricted.converge(mode="unrestricted")
    left = [unit for unit in places.NETWORK + places.CONFINED if restricted.exists(f"{places.UNITS}/{unit}.d")]
    assert left == ["cron.service"]


def test_the_policy_s_own_file_goes_last(restricted: Box) -> None:
    restricted.converge(mode="unrestricted")
    assert restricted.operations[-1] == ("remove", places.POLICY)


def test_the_policy_counts_as_not_in_force_from_the_first_step_on(restricted: Box) -> None:
    restricted.converge(mode="unrestricted")
    changing = [operation for operation in restricted.operations if operation[0] != "run"]
    assert changing[0] == ("remove", places.STATE)


def test_stale_plan_changes_nothing(restricted: Box) -> None:
    request = restricted.plan(mode="unrestricted").request
    restricted.converge(mode="allowlist")
    restricted.operations.clear()
    assert release(restricted, request) == {"stale": True, "steps": []}
    assert restricted.changes() == [] and restricted.in_force() == []


def test_resolv_conf_that_was_a_file_is_one_again(box: Box) -> None:
    box.remove(places.RESOLV)
    box.write(places.RESOLV, "nameserver 192.0.2.77\nsearch lan\n")
    box.converge(mode="agent")
    box.converge(mode="unrestricted")
    assert box.read(places.RESOLV) == "nameserver 192.0.2.77\nsearch lan\n"


def test_service_that_ran_before_runs_again_and_one_that_did_not_does_not(box: Box) -> None:
    box._put("/usr/lib/systemd/system/haproxy.service", "")
    box.enabled |= {"nftables.service"}
    box.active |= {"nftables.service"}
    box.converge(mode="agent")
    box.enabled |= {"haproxy.service"}
    box.converge(mode="unrestricted")
    assert {"nftables.service", "systemd-resolved.service"} <= box.active & box.enabled
    assert "haproxy.service" not in box.active | box.enabled


def test_user_who_came_after_the_policy_gets_what_users_of_open_containers_have(box: Box) -> None:
    del box.users[USER]
    box.remove("/etc/sudoers.d/pixels")
    box.converge(mode="agent")
    box.users[USER] = {"audio"}
    box.converge(mode="unrestricted")
    assert box.read("/etc/sudoers.d/pixels") == f"{USER} ALL=(ALL:ALL) NOPASSWD: ALL\n"


def test_user_who_had_no_rights_gets_none(box: Box) -> None:
    box.users[USER] = {"audio"}
    box.remove("/etc/sudoers.d/pixels")
    box.converge(mode="agent")
    box.converge(mode="unrestricted")
    assert box.users[USER] == {"audio"} and not box.exists("/etc/sudoers.d/pixels")


def test_container_that_was_locked_by_routes_is_let_go(restricted: Box) -> None:
    restricted._put(places.LOCKED, "")
    restricted.converge(mode="unrestricted")
    assert not restricted.exists(places.LOCKED)
    assert "/usr/local/lib/pixels/egress/load unlock" in restricted.calls()


def test_policy_that_never_came_into_force_goes_too(boxes: Boxes) -> None:
    box = boxes().with_programs()
    before = _seen(box)
    box.broken.add(places.PROXY)
    assert box.converge(mode="agent")["failed"]
    box.broken.clear()
    assert box.converge(mode="unrestricted") == {"steps": ["released"]}
    assert (_seen(box), _remains(box)) == (before, [])


@pytest.mark.parametrize("how", ["fails", "is cut off"])
def test_release_that_breaks_off_anywhere_is_completed_by_the_next(boxes: Boxes, how: str) -> None:
    first = _lived_in(boxes())
    before = _seen(first)
    first.converge(mode="agent")
    first.converge(mode="unrestricted")
    problems = []
    for at, operation in enumerate(first.operations):
        box = _lived_in(boxes())
        box.converge(mode="agent")
        plan = box.plan(mode="unrestricted")
        box.forget()
        if how == "fails":
            box.trouble = lambda number, _operation, at=at: 1 if number == at else None
            done = box.converge_planned(plan)
            ended = not done.get("failed")
        else:
            box.trouble = lambda number, _operation, at=at, box=box: box.killing() if number == at else None
            with pytest.raises(Killed):
                box.converge_planned(plan)
            ended = False
        wrong = [] if ended or box.exists(places.POLICY) else ["the policy is forgotten"]
        again = box.calm().converge(mode="unrestricted")
        wrong += [str(again["msg"])] if again.get("failed") else []
        wrong += [f"other {key}" for key, value in _seen(box).items() if value != before[key]] + _remains(box)
        problems += [f"{at} {' '.join(operation)}: {text}" for text in wrong]
    assert not problems, "\n".join(problems)


def test_user_who_could_not_become_root_cannot_after_a_release_that_was_cut_off_at_its_end(box: Box) -> None:
    box.users[USER] = {"audio"}
    box.remove("/etc/sudoers.d/pixels")
    box.converge(mode="agent")
    plan = box.plan(mode="unrestricted")
    box.kill_at("remove", places.POLICY)
    with pytest.raises(Killed):
        box.converge_planned(plan)
    box.calm().converge(mode="unrestricted")
    assert box.users[USER] == {"audio"} and not box.exists("/etc/sudoers.d/pixels")


class TestParts:
    """Of a policy that was never whole, or is no longer."""

    def test_damaged_policy(self, restricted: Box) -> None:
        restricted.write(places.POLICY, "{")
        assert restricted.converge(mode="unrestricted") == {"steps": ["released"]}
        assert _remains(restricted) == []

    def test_remains_without_a_directory_of_settings(self, box: Box) -> None:
        box.write(f"{places.UNITS}/ssh.service.d/egress.conf", "")
        assert box.converge(mode="unrestricted") == {"steps": ["released"]}
        assert _remains(box) == []

    def test_half_made_policy_leaves_nothing_enabled(self, box: Box) -> None:
        plan = box.plan(mode="agent")
        box.kill_at("write", places.NOLOGIN)
        with pytest.raises(Killed):
            box.converge_planned(plan)
        assert places.FIREWALL in box.enabled
        box.calm().converge(mode="unrestricted")
        assert _remains(box) == []


class TestWhatSomebodyElseHasMade:
    def test_sudo_comes_back(self, box: Box) -> None:
        box.write(places.SUDO, "#!/bin/sh\n# theirs\n", 0o755)
        box.converge(mode="agent")
        assert "theirs" not in (box.read(places.SUDO) or "")
        box.converge(mode="unrestricted")
        assert box.read(places.SUDO) == "#!/bin/sh\n# theirs\n"
        assert box.fingerprint(places.SUDO).startswith("755:")

    def test_login_that_they_have_closed_stays_closed(self, restricted: Box) -> None:
        restricted.write(places.NOLOGIN, "Back at noon.\n")
        restricted.converge(mode="unrestricted")
        assert restricted.read(places.NOLOGIN) == "Back at noon.\n"

    @pytest.mark.parametrize("text", [places.NOT_YET, places.NOT_AT_ALL], ids=["not yet", "not at all"])
    def test_login_that_we_have_closed_is_open(self, restricted: Box, text: str) -> None:
        restricted.write(places.NOLOGIN, text)
        restricted.converge(mode="unrestricted")
        assert not restricted.exists(places.NOLOGIN)

    def test_our_own_is_not_taken_for_theirs(self, restricted: Box) -> None:
        """As a run finds it that was cut off and has no good memory of what there was."""
        restricted.remove(places.STATE)
        restricted.write(places.PREVIOUS, "{")
        restricted.converge(mode="agent")
        assert restricted.converge(mode="unrestricted") == {"steps": ["released"]}
        assert not restricted.exists(places.SUDO) and restricted.masked == set()

    def test_all_units_were_masked(self, box: Box) -> None:
        box.masked |= set(places.MASKED)
        box.converge(mode="agent")
        assert box.converge(mode="unrestricted") == {"steps": ["released"]}
        assert box.masked == set(places.MASKED)

    def test_unit_that_was_masked_stays_masked(self, box: Box) -> None:
        box.masked.add("nftables.service")
        box.converge(mode="agent")
        assert set(places.MASKED) <= box.masked
        box.converge(mode="unrestricted")
        assert box.masked == {"nftables.service"}

    def test_what_a_second_attempt_finds_masked_was_masked_by_the_first(self, box: Box) -> None:
        box.masked.add("nftables.service")
        box.broken.add(places.PROXY)
        assert box.converge(mode="agent")["failed"] and set(places.MASKED) <= box.masked
        box.broken.clear()
        box.converge(mode="agent")
        box.converge(mode="unrestricted")
        assert box.masked == {"nftables.service"}
