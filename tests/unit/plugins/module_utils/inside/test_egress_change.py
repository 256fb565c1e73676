# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A change of a policy that is in force: validated as a whole, and then only what it is about is touched."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.inside import egress_places as places
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.egress_apply import restrict
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.inside.egress_box import LOCKED_TABLE, USER, Box, Killed

LOADED = f"run {places.LOAD}"
RELOADED = f"run systemctl reload-or-restart {places.PROXY}"
HUP = f"run systemctl kill -s HUP {places.BACK} {places.FRONT}"
DNS_RESTARTED = f"run systemctl restart {places.BACK} {places.FRONT}"


def _acted(box: Box) -> list[str]:
    """What was done besides files and checks."""
    checks = ("run nft -c", "run /usr/sbin/haproxy -c", "run /usr/sbin/dnsmasq --test", "write ", "remove ")
    return [text for text in box.changes() if not text.startswith(checks)]


class TestOnlyWhatHasChanged:
    @pytest.mark.parametrize(
        ("options", "acts", "steps"),
        [
            ({"allow": ["two.example.org"]}, [HUP, RELOADED], ["files", "resolver", "proxy"]),
            ({"allow": ["*.example.org"]}, [HUP, RELOADED], ["files", "resolver", "proxy"]),
            ({"deny": ["crates.io"]}, [HUP, RELOADED], ["files", "resolver", "proxy"]),
            (
                {"allow": [{"cidr": "192.0.2.0/28", "port": 8443}]},
                [LOADED, f"run systemctl start {places.FIREWALL}"],
                ["files", "rules"],
            ),
            ({"inbound": [8000]}, [LOADED, f"run systemctl start {places.FIREWALL}"], ["files", "rules"]),
            ({"dns": ["192.0.2.54"]}, [LOADED, f"run systemctl start {places.FIREWALL}", HUP], ["files", "rules", "resolver"]),
            ({"packages": False}, [], ["files"]),
            ({"units": ["app"]}, [], ["files"]),
        ],
        ids=["name", "wildcard", "deny", "range", "inbound", "dns", "packages", "units"],
    )
    def test_change(self, restricted: Box, options: dict[str, Any], acts: list[str], steps: list[str]) -> None:
        done = restricted.converge(mode="agent", **options)
        assert (_acted(restricted), done["steps"], done.get("failed")) == (acts, steps, None)
        assert restricted.in_force() == []
        assert restricted.converge(mode="agent", **options) == {"steps": [], "unchanged": True}

    def test_mode_changes_rules_resolver_and_proxy_and_ends_what_went_through_that(self, restricted: Box) -> None:
        (old,) = restricted.workers
        restricted.converge(mode="learn")
        loaded = [LOADED, f"run systemctl start {places.FIREWALL}"]
        assert _acted(restricted) == [*loaded, DNS_RESTARTED, RELOADED, f"run kill -TERM {old}"]
        assert restricted.in_force() == []

    def test_nobody_is_logged_out(self, restricted: Box) -> None:
        restricted.sessions = True
        restricted.converge(mode="allowlist")
        assert restricted.sessions and ("write", places.NOLOGIN) not in restricted.operations

    def test_the_firewall_unit_is_never_restarted(self, restricted: Box) -> None:
        """The network would go with it."""
        restricted.converge(mode="learn", inbound=[8000])
        restricted.table = None
        restricted.converge(mode="learn")
        assert not any(call.startswith("systemctl restart") and places.FIREWALL in call for call in restricted.calls())

    def test_new_policy_is_written_when_it_is_in_force(self, restricted: Box) -> None:
        restricted.converge(mode="allowlist")
        texts = [" ".join(operation) for operation in restricted.operations]
        assert texts.index(f"write {places.POLICY}") > texts.index(RELOADED)


class TestValidation:
    @pytest.mark.parametrize("what", ["nft -c", "haproxy -c"])
    def test_what_is_not_valid_touches_nothing(self, restricted: Box, what: str) -> None:
        before = {name: restricted.fingerprint(name) for name in json.loads(restricted.read(places.STATE) or "")["files"]}
        restricted.broken.add(what)
        done = restricted.converge(mode="allowlist", allow=["two.example.org"], cut=True)
        assert done["failed"] and done["msg"].startswith("the new policy is not valid, the old one is still in force: ")
        assert done["steps"] == [] and done["log"]
        assert _acted(restricted) == [] and not [name for kind, name, *_rest in restricted.operations if kind != "run"]
        assert before == {name: restricted.fingerprint(name) for name in before}
        restricted.broken.clear()
        assert restricted.in_force() == []
        assert restricted.plan(mode="agent").changed is False


class TestFullDisk:
    """Whoever may fill it must not be able to have the container locked by the next change, nor to keep a policy half written."""

    OLD = "the new policy cannot be written, the old one is still in force: "

    def test_no_room_to_check_it(self, restricted: Box, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_arguments: Any) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "chmod", full)
        plan = restricted.plan(mode="allowlist", allow=["two.example.org"])
        restricted.forget()
        done = restricted.converge_planned(plan)
        assert done["failed"] and done["msg"].startswith(self.OLD) and "No space left" in done["msg"] and done["steps"] == []
        assert restricted.operations == [] and restricted.in_force() == []
        assert [path.name for path in Path(restricted.path("/run")).iterdir() if path.name.startswith("egress-")] == []

    def test_no_room_for_what_is_under_way(self, restricted: Box) -> None:
        restricted.trouble = lambda _number, operation: 1 if operation == ("write", places.STATE) else None
        done = restricted.converge(mode="allowlist", allow=["two.example.org"])
        assert done["failed"] and done["msg"].startswith(self.OLD) and _acted(restricted) == []
        assert restricted.calm().in_force() == [] and restricted.plan(mode="agent").changed is False

    def test_it_is_checked_where_root_alone_can_write(self, restricted: Box) -> None:
        restricted.converge(mode="allowlist")
        (checked,) = [call.split()[-1] for call in restricted.calls() if call.startswith("nft -c") and call.endswith("/egress.nft")]
        assert checked.startswith(restricted.path("/run/egress-")) and not Path(checked).parent.exists()


class TestCut:
    def test_former_worker_ends_when_the_new_one_serves(self, restricted: Box) -> None:
        (old,) = restricted.workers
        done = restricted.converge(mode="agent", deny=["crates.io"], cut=True)
        assert restricted.workers == [str(int(old) + 1)]
        assert "cut" in done["steps"]
        calls = restricted.calls()
        assert calls.index(f"kill -TERM {old}") > calls.index(f"systemctl reload-or-restart {places.PROXY}")

    def test_without_it_both_go_on(self, restricted: Box) -> None:
        restricted.converge(mode="agent", deny=["crates.io"])
        assert len(restricted.workers) == 2
        assert not any(call.startswith("kill ") for call in restricted.calls())

    def test_nothing_else_changes(self, restricted: Box) -> None:
        """They were left by a change without it."""
        (old,) = restricted.workers
        restricted.converge(mode="agent", deny=["crates.io"])
        (_old, new) = restricted.workers
        done = restricted.converge(mode="agent", deny=["crates.io"], cut=True)
        assert (done["steps"], _acted(restricted), restricted.workers) == (["cut"], [f"run kill -TERM {old}"], [new])
        assert restricted.in_force() == []
        assert restricted.converge(mode="agent", deny=["crates.io"], cut=True) == {"steps": [], "unchanged": True}

    def test_change_that_is_not_about_the_proxy(self, restricted: Box) -> None:
        """What the newest worker has was made under the same lists."""
        (old,) = restricted.workers
        restricted.converge(mode="agent", deny=["crates.io"])
        (_old, new) = restricted.workers
        done = restricted.converge(mode="agent", inbound=[8000], cut=True)
        assert "cut" in done["steps"] and restricted.workers == [new] and old != new

    def test_newest_worker_stays(self, restricted: Box) -> None:
        only = list(restricted.workers)
        done = restricted.converge(mode="agent", inbound=[8000], cut=True)
        assert restricted.workers == only and "cut" not in done["steps"]

    def test_every_old_worker_ends(self, restricted: Box) -> None:
        for names in (["a.example.org"], ["b.example.org"], ["c.example.org"]):
            restricted.converge(mode="agent", allow=names)
        assert len(restricted.workers) == 4
        newest = restricted.workers[-1]
        restricted.converge(mode="agent", cut=True)
        assert restricted.workers == [newest]

    def test_worker_that_has_ended_by_itself_is_no_failure(self, restricted: Box, monkeypatch: pytest.MonkeyPatch) -> None:
        restricted.converge(mode="agent", deny=["crates.io"])
        monkeypatch.setattr(restricted, "_run_kill", lambda _words: (1, "No such process"))
        assert restricted.converge(mode="agent", cut=True).get("failed") is None

    def test_proxy_without_a_new_worker_locks(self, restricted: Box, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(restricted, "_run_pgrep", lambda _words: (0, "100\n"))
        done = restricted.converge(mode="agent", deny=["crates.io"])
        assert done["failed"] and done["locked"] and "has not taken its new lists" in done["msg"]
        assert (restricted.table, restricted.exists(places.STATE)) == (LOCKED_TABLE, False)


class TestStateComesFirst:
    """Cut off in the middle, the next run has to tell everybody of what may not have been told."""

    def test_before_any_file(self, restricted: Box) -> None:
        restricted.converge(mode="agent", allow=["two.example.org"])
        written = [name for kind, name, *_rest in restricted.operations if kind == "write"]
        assert written[0] == written[-1] == places.STATE
        assert written.index(f"{places.SETTINGS}/exact.lst") > 0

    def test_what_is_to_change_counts_as_not_told(self, restricted: Box) -> None:
        exact = f"{places.SETTINGS}/exact.lst"
        before = (restricted.read_json(places.STATE) or {})["files"]
        plan = restricted.plan(mode="agent", allow=["two.example.org"])
        restricted.kill_at("write", exact)
        with pytest.raises(Killed):
            restricted.converge_planned(plan)
        after = (restricted.read_json(places.STATE) or {})["files"]
        changed = {name for name, mark in after.items() if mark != before[name]}
        assert exact in changed and {after[name] for name in changed} == {""} and set(after) == set(before)
        assert places.RULES not in changed, "others are as they were"

    def test_the_same_as_before_is_told_again(self, restricted: Box) -> None:
        """The proxy may have read the lists of the run that was cut off."""
        plan = restricted.plan(mode="agent", allow=["two.example.org"])
        restricted.kill_at("write", places.POLICY)
        with pytest.raises(Killed):
            restricted.converge_planned(plan)
        assert "two.example.org" in restricted.known[places.PROXY]["exact.lst"]
        restricted.calm()
        assert "proxy" in restricted.converge(mode="agent")["steps"]
        assert restricted.in_force() == [] and "two.example.org" not in restricted.known[places.PROXY]["exact.lst"]


class TestRulesThatAreNotLoaded:
    def test_lock_that_was_loaded_instead_is_a_failure(self, restricted: Box) -> None:
        restricted.broken.add("nft -f")
        done = restricted.converge(mode="learn")
        assert done["failed"] and done["locked"] and done["msg"].startswith("the rules of the policy cannot be loaded; ")
        assert done["log"] == ["the rules of the policy cannot be loaded; locking the container"]
        assert (restricted.table, restricted.exists(places.STATE)) == (LOCKED_TABLE, False)

    def test_the_next_run_mends_it(self, restricted: Box) -> None:
        restricted.broken.add("nft -f")
        assert restricted.converge(mode="learn")["failed"]
        restricted.broken.clear()
        assert restricted.converge(mode="learn").get("failed") is None
        assert restricted.in_force() == []


class TestDriftIsMended:
    def _mended(self, box: Box) -> dict[str, Any]:
        assert box.plan(mode="agent").changed
        done = box.converge(mode="agent")
        assert (done.get("failed"), box.in_force(), box.plan(mode="agent").why) == (None, [], [])
        return done

    def test_d3_rules_that_were_flushed(self, restricted: Box) -> None:
        restricted.table = None
        assert self._mended(restricted)["steps"] == ["rules"]

    def test_rules_that_somebody_added_to(self, restricted: Box) -> None:
        restricted.table = (restricted.table or "") + "accept"
        self._mended(restricted)

    def test_list_that_somebody_added_to(self, restricted: Box) -> None:
        name = f"{places.SETTINGS}/exact.lst"
        restricted.write(name, (restricted.read(name) or "") + "evil.example\n")
        restricted._started("reload-or-restart", places.PROXY)
        assert self._mended(restricted)["steps"] == ["files", "proxy"]
        assert "evil.example" not in (restricted.read(name) or "")

    def test_file_that_others_may_write(self, restricted: Box) -> None:
        restricted.write(places.LOAD, restricted.read(places.LOAD) or "", 0o777)
        self._mended(restricted)

    @pytest.mark.parametrize("unit", [unit for unit in places.SERVICES if unit != places.FIREWALL])
    def test_service_that_was_stopped_and_disabled(self, restricted: Box, unit: str) -> None:
        restricted.active.discard(unit)
        restricted.enabled.discard(unit)
        assert self._mended(restricted)["steps"] == ["services"]

    @pytest.mark.parametrize("unit", places.SERVICES)
    def test_unit_that_does_not_start_at_boot(self, restricted: Box, unit: str) -> None:
        restricted.enabled.discard(unit)
        self._mended(restricted)

    def test_units_that_run_and_do_not_start_at_boot_do_not_lock_the_container(self, restricted: Box) -> None:
        restricted.enabled.difference_update(places.SERVICES)
        self._mended(restricted)
        assert restricted.table != LOCKED_TABLE

    def test_firewall_unit_that_was_stopped(self, restricted: Box) -> None:
        restricted.active.discard(places.FIREWALL)
        self._mended(restricted)

    @pytest.mark.parametrize("text", [places.NOT_YET, places.NOT_AT_ALL], ids=["not yet", "not at all"])
    def test_logins_that_stay_closed(self, restricted: Box, text: str) -> None:
        restricted.write(places.NOLOGIN, text)
        self._mended(restricted)

    def test_resolv_conf_that_leads_elsewhere(self, restricted: Box) -> None:
        restricted.write(places.RESOLV, "nameserver 192.0.2.99\n")
        assert self._mended(restricted)["steps"] == ["resolver"]

    def test_user_who_has_become_powerful_again_is_logged_out_too(self, restricted: Box) -> None:
        restricted.sessions = True
        restricted.users[USER].add("docker")
        assert "rights" in self._mended(restricted)["steps"]
        assert restricted.users[USER] == {"audio"} and restricted.sessions is False

    def test_drop_in_of_ssh_that_is_gone(self, restricted: Box) -> None:
        restricted.remove(f"{places.UNITS}/ssh.service.d/egress.conf")
        restricted.unit_files = restricted.confined = False
        assert "logins" in self._mended(restricted)["steps"]

    def test_file_that_is_no_longer_ours_goes(self, restricted: Box) -> None:
        restricted.write(f"{places.SETTINGS}/cidr-of-a-former-version.lst", "0.0.0.0/0\n")
        self._mended(restricted)
        assert not restricted.exists(f"{places.SETTINGS}/cidr-of-a-former-version.lst")


def test_d7_what_one_mode_had_is_gone_in_the_next(restricted: Box) -> None:
    """D7: agent to allowlist leaves nothing of the preset."""
    restricted.converge(mode="agent", allow=[{"cidr": "192.0.2.0/28", "port": 8443}])
    restricted.converge(mode="allowlist", allow=["only.example.org"])
    assert restricted.read(f"{places.SETTINGS}/exact.lst") == "only.example.org\n"
    assert restricted.read(f"{places.SETTINGS}/suffix.lst") == restricted.read(f"{places.SETTINGS}/tcp.map") == ""
    assert "192.0.2.0/28" not in (restricted.read(places.RULES) or "") and restricted.in_force() == []


def test_d9_concurrent_changes_lose_nothing(restricted: Box) -> None:
    """D9: two who add at the same time: the second is told to look again, and then both are there."""
    first = restricted.plan(allow=["first.example.org"], append=True)
    second = restricted.plan(allow=["second.example.org"], append=True)
    assert restrict(restricted, first.request).get("stale") is None
    assert restrict(restricted, second.request) == {"stale": True, "steps": []}
    restricted.converge(allow=["second.example.org"], append=True)
    assert json.loads(restricted.read(places.POLICY) or "")["allow"] == ["first.example.org", "second.example.org"]
