# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From what is seen in a container and what is wanted, what there is to do: pure, so everything is tried."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core.egress_preset import agent_preset
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError, Invalid
from ansible_collections.pixels.sandbox.plugins.module_utils.inside import egress_places as places
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.egress_facts import GATEWAY, RANGES, USER, after, asked, facts

EXACT = f"{places.SETTINGS}/exact.lst"


def lines(made: Any, name: str) -> list[str]:
    found: list[str] = made.request["files"][f"{places.SETTINGS}/{name}"]["content"].splitlines()
    return found


class TestModes:
    def test_agent_is_the_preset_and_what_is_allowed(self) -> None:
        made = asked(mode="agent", allow=["a.example.org"])
        preset = {entry.name for entry in agent_preset() if entry.kind == "name"}
        assert made.changed and made.mode == "agent"
        assert set(lines(made, "exact.lst")) == preset | {"a.example.org"}
        assert made.request["policy"]["allow"] == ["a.example.org"]

    def test_allowlist_is_what_is_allowed_alone(self) -> None:
        made = asked(mode="allowlist", allow=["a.example.org", "*.b.example.org", "c.example.org:22", *RANGES])
        assert (lines(made, "exact.lst"), lines(made, "suffix.lst")) == (["a.example.org"], [".b.example.org"])
        assert [line.split()[1] for line in lines(made, "tcp.map")] == ["c.example.org"]
        assert made.entries == ["a.example.org", "*.b.example.org", "c.example.org:22", "192.0.2.0/28:8443", "[2001:db8::/64]:443"]

    def test_allowlist_of_nothing(self) -> None:
        made = asked(mode="allowlist")
        assert made.entries == [] and made.changed

    def test_learn_lists_what_agent_does(self) -> None:
        assert asked(mode="learn").entries == asked(mode="agent").entries
        assert asked(mode="learn").request["policy"]["mode"] == "learn"

    def test_unrestricted_stays_unrestricted(self) -> None:
        for options in ({}, {"mode": "unrestricted"}):
            made = asked(**options)
            assert (made.changed, made.mode, made.request["policy"]) == (False, "unrestricted", None)

    def test_unrestricted_again(self) -> None:
        made = asked(after(asked(mode="agent", user="worker")), mode="unrestricted")
        assert made.changed and made.request == {"expect": made.request["expect"], "policy": None, "user": "worker"}
        assert made.before["mode"] == "agent" and made.after == {"mode": "unrestricted"}

    @pytest.mark.parametrize(
        "name", [EXACT, places.LOAD, f"{places.UNITS}/{places.PROXY}", f"{places.UNITS}/ssh.service.d/egress.conf", places.SYSUSERS]
    )
    def test_remains_without_a_policy_go_too(self, name: str) -> None:
        assert asked(facts(files={name: "644:0"}), mode="unrestricted").changed

    def test_sudo_of_somebody_else_is_no_remains(self) -> None:
        assert not asked(facts(files={places.SUDO: "755:0"}), mode="unrestricted").changed

    @pytest.mark.parametrize("mode", ["", "strict", "Agent", "none"])
    def test_others_are_none(self, mode: str) -> None:
        with pytest.raises(Invalid, match="unrestricted, agent, allowlist, learn"):
            asked(mode=mode)

    @pytest.mark.parametrize("option", ["allow", "deny"])
    def test_list_without_a_policy(self, option: str) -> None:
        with pytest.raises(Invalid, match="a list needs mode agent, allowlist or learn"):
            asked(**{option: ["a.example.org"]})


class TestIdempotence:
    @pytest.mark.parametrize("mode", ["agent", "allowlist", "learn"])
    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"allow": ["a.example.org", "*.b.example.org", "c.example.org:22", *RANGES], "deny": ["x.b.example.org", "crates.io"]},
            {"dns": ["192.0.2.1", "2001:db8::1"], "inbound": [80, 8000], "units": ["app", "b@1.timer"], "packages": False},
            {"gateway": GATEWAY},
        ],
        ids=["plain", "lists", "more", "gateway"],
    )
    def test_what_was_done_is_not_done_again(self, mode: str, options: dict[str, Any]) -> None:
        first = asked(mode=mode, **options)
        for again in ({"mode": mode, **options}, {"mode": mode}, {}):
            second = asked(after(first), **again)
            assert (second.changed, second.why, second.before) == (False, [], second.after)
            assert second.request["policy"] == first.request["policy"]

    def test_order_and_repetition_of_what_is_given_do_not_matter(self) -> None:
        first = asked(mode="agent", allow=["b.example.org", "a.example.org"], inbound=[8000, 80], units=["b", "a"])
        second = asked(
            after(first), mode="agent", allow="a.example.org,b.example.org,A.example.org.", inbound=[80, 8000, 22], units=["a", "b", "a"]
        )
        assert second.changed is False

    def test_what_is_not_given_stays(self) -> None:
        options = {"allow": ["a.example.org"], "deny": ["crates.io"], "inbound": [8000], "units": ["app"], "packages": False}
        made = asked(after(asked(mode="agent", **options)), mode="learn")
        policy = made.request["policy"]
        assert made.changed and {key: policy[key] for key in options} == {**options, "inbound": [22, 8000], "units": ["app.service"]}

    @pytest.mark.parametrize("empty", [[], ""])
    def test_empty_list_and_no_answer(self, empty: Any) -> None:
        made = asked(after(asked(mode="agent", allow=["a.example.org"])), allow=empty)
        assert made.request["policy"]["allow"] == ([] if empty == [] else ["a.example.org"])


def test_wish_that_changes_no_file_is_a_change() -> None:
    first = asked(mode="allowlist", allow=["a.example.org"])
    second = asked(after(first), deny=["b.example.org"])
    assert second.request["files"] == first.request["files"]
    assert second.changed and asked(after(second), deny=["b.example.org"]).changed is False


class TestDrift:
    def test_what_the_look_has_seen_is_to_be_mended(self) -> None:
        made = asked(after(asked(mode="agent"), drift=["no rules are loaded"]), mode="agent")
        assert made.changed and made.why == ["no rules are loaded"]
        assert made.before["in_force"] == ["no rules are loaded"] and made.after["in_force"] is True

    @pytest.mark.parametrize("mark", ["", "644:0", None])
    def test_file_that_is_different_or_missing(self, mark: str | None) -> None:
        seen = after(asked(mode="agent"))
        seen["files"][places.SUDO] = mark
        if mark is None:
            del seen["files"][places.SUDO]
        made = asked(seen, mode="agent")
        assert made.changed and made.why == [f"files that are not as they should be: {places.SUDO}"]

    @pytest.mark.parametrize(
        ("name", "gone"),
        [
            (f"{places.SETTINGS}/cidr.lst", True),
            (f"{places.PROGRAMS}/old", True),
            (f"{places.UNITS}/egress-old.service", True),
            (places.POLICY, False),
            (places.STATE, False),
            (places.PREVIOUS, False),
        ],
    )
    def test_file_that_is_no_longer_ours(self, name: str, gone: bool) -> None:
        made = asked(after(asked(mode="agent"), files={**after(asked(mode="agent"))["files"], name: "644:0"}), mode="agent")
        assert (made.changed, made.request["gone"]) == (gone, [name] if gone else [])

    def test_nothing_is_explained_where_nothing_was(self) -> None:
        assert asked(mode="agent").why == []

    def test_damaged_policy_is_not_guessed_at(self) -> None:
        for policy in ({}, {"mode": "agent"}, {"mode": "open", "allow": [], "deny": []}):
            with pytest.raises(CoreError, match="is damaged"):
                asked(facts(policy=policy, digest="x"), mode="agent")

    @pytest.mark.parametrize("policy", [{}, {"mode": "agent"}, {"mode": "open", "allow": [], "deny": []}])
    def test_damaged_policy_need_not_be_understood_to_be_taken_away(self, policy: dict[str, Any]) -> None:
        made = asked(facts(policy=policy, digest="x"), mode="unrestricted")
        assert (made.changed, made.request["policy"], made.request["expect"], made.request["user"]) == (True, None, "x", USER)
        with pytest.raises(CoreError, match="is damaged"):
            asked(facts(policy=policy, digest="x"), mode="unrestricted", initial=True)


class TestRefusals:
    @pytest.mark.parametrize("mode", ["agent", "allowlist", "learn"])
    def test_system_that_cannot_hold_a_policy(self, mode: str) -> None:
        system = {**facts()["system"], "supported": False, "name": "Alpine Linux v3.20"}
        with pytest.raises(
            CoreError, match=r"Alpine Linux v3\.20 cannot be restricted from within: that takes Debian 12 or newer, or Ubuntu 22\.04"
        ):
            asked(facts(system=system), mode=mode)
        assert asked(facts(system=system), mode="unrestricted").changed is False

    def test_root(self) -> None:
        with pytest.raises(Invalid, match="root cannot be restricted"):
            asked(mode="agent", user="root")
        powers = {"powers": ["/etc/sudoers of sudo"], "unrevokable": ["a line in /etc/sudoers itself"]}
        with pytest.raises(Invalid, match="root cannot be restricted"):
            asked(facts(user={"name": "root", "exists": True, **powers}), mode="agent", user="root")

    def test_user_whose_rights_cannot_be_taken_away(self) -> None:
        ways = ["a line in /etc/sudoers itself", "primary group docker"]
        user = {"name": USER, "exists": True, "powers": ["group sudo", *ways], "unrevokable": ways}
        with pytest.raises(
            CoreError, match=f"{USER} can become root in a way that cannot be taken away here: {', '.join(ways)}; mend that"
        ):
            asked(facts(user=user), mode="agent")
        assert asked(facts(user=user), mode="unrestricted").changed is False
        assert asked(facts(user={**user, "unrevokable": []}), mode="agent").changed

    def test_where_there_is_a_policy_it_has_to_be_enforced_all_the_same(self) -> None:
        """A refusal would leave the container as it is; the change locks it."""
        user = {"name": USER, "exists": True, "powers": ["primary group docker"], "unrevokable": ["primary group docker"]}
        seen = after(asked(mode="agent"), user=user, drift=[f"{USER} can become root: primary group docker"])
        assert asked(seen, mode="agent").changed
        assert asked(seen, mode="unrestricted").changed

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"allow": ["https://a.example.org/x"]}, "that is a URL"),
            ({"allow": ["*.com"]}, "anybody can get a name below com"),
            ({"allow": ["a.example.org:443"]}, "give a.example.org alone"),
            ({"allow": ["192.0.2.1"]}, "that is an address"),
            ({"allow": ["a.example.org"], "deny": ["a.example.org"]}, "an entry is in one of the two"),
            ({"dns": ["dns.example.org"]}, "a name server is given by its address"),
            ({"inbound": [0]}, "from 1 to 65535"),
            ({"inbound": [65536]}, "from 1 to 65535"),
            ({"units": ["../x.service"]}, "a unit is given by its name"),
            ({"units": ["-x.service"]}, "a unit is given by its name"),
            ({"units": ["a b"]}, "a unit is given by its name"),
            ({"gateway": {**GATEWAY, "address": "10.99.0.1"}}, "8 addresses or more"),
            ({"gateway": {**GATEWAY, "address": "10.99.0.0/24"}}, "one of a host"),
            ({"gateway": {**GATEWAY, "address": "10.99.0.255/24"}}, "one of a host"),
            ({"gateway": {**GATEWAY, "address": "fd00::1/64"}}, "IPv4"),
            ({"gateway": {**GATEWAY, "address": "inside"}}, "such as 10.99.0.1/24"),
            ({"gateway": {**GATEWAY, "dhcp": ["10.98.0.1", "10.99.0.5"]}}, "both in 10.99.0.0/24"),
            ({"gateway": {**GATEWAY, "dhcp": ["10.99.0.5"]}}, "both in 10.99.0.0/24"),
            ({"gateway": {**GATEWAY, "dhcp": ["fd00::1", "fd00::2"]}}, "both in 10.99.0.0/24"),
        ],
    )
    def test_wrong_value_is_named_with_what_is_allowed(self, options: dict[str, Any], words: str) -> None:
        with pytest.raises(Invalid, match=words) as error:
            asked(mode="agent", **options)
        assert next(iter(options)) in str(error.value) or "deny" in str(error.value)


class TestResolvers:
    def test_given(self) -> None:
        made = asked(mode="agent", dns=["192.0.2.1", " 192.0.2.1 ", "", "2001:DB8::1"])
        assert made.request["policy"]["dns"] == ["192.0.2.1", "2001:db8::1"]

    def test_offered(self) -> None:
        assert asked(mode="agent").request["policy"]["dns"] == ["192.0.2.53"]

    def test_none_is_offered_any_more(self) -> None:
        made = asked(after(asked(mode="agent"), dns_offered=[]), mode="agent")
        assert (made.changed, made.request["policy"]["dns"]) == (False, ["192.0.2.53"])

    @pytest.mark.parametrize("offered", [[], ["192.0.2.53"], ["192.0.2.1"], ["192.0.2.54", "192.0.2.1"]])
    def test_given_ones_stay_whatever_is_offered(self, offered: list[str]) -> None:
        seen = after(asked(mode="agent", dns=["192.0.2.1"]), dns_offered=offered)
        made = asked(seen, mode="agent")
        assert (made.changed, made.request["policy"]["dns"], made.request["policy"]["dns_given"]) == (False, ["192.0.2.1"], True)

    def test_those_of_the_network_go_with_the_network(self) -> None:
        made = asked(after(asked(mode="agent"), dns_offered=["192.0.2.54"]), mode="agent")
        assert (made.changed, made.request["policy"]["dns"], made.request["policy"]["dns_given"]) == (True, ["192.0.2.54"], False)

    def test_empty_list_is_those_of_the_network_again(self) -> None:
        seen = after(asked(mode="agent", dns=["192.0.2.1"]), dns_offered=["192.0.2.54"])
        made = asked(seen, mode="agent", dns=[])
        assert (made.request["policy"]["dns"], made.request["policy"]["dns_given"]) == (["192.0.2.54"], False)
        assert asked(after(made, dns_offered=["192.0.2.55"])).request["policy"]["dns"] == ["192.0.2.55"]

    def test_given_ones_are_held_even_when_they_are_those_of_the_network(self) -> None:
        first = asked(after(asked(mode="agent"), dns_offered=["192.0.2.53"]), dns=["192.0.2.53"])
        assert first.changed and first.request["policy"]["dns_given"] is True
        assert asked(after(first, dns_offered=["192.0.2.54"])).request["policy"]["dns"] == ["192.0.2.53"]

    def test_none_at_all(self) -> None:
        with pytest.raises(Invalid, match="offers no name server"):
            asked(facts(dns_offered=[]), mode="agent")


class TestInitial:
    def test_container_without_a_policy_gets_it(self) -> None:
        assert asked(mode="agent", allow=["a.example.org"], initial=True).request["policy"]["allow"] == ["a.example.org"]

    def test_one_that_has_one_keeps_it(self) -> None:
        seen = after(asked(mode="allowlist", allow=["a.example.org"]))
        made = asked(seen, mode="agent", allow=["b.example.org"], deny=["c.example.org"], append=True, initial=True)
        assert made.changed is False and made.mode == "allowlist"

    def test_drift_is_mended_all_the_same(self) -> None:
        seen = after(asked(mode="allowlist", allow=["a.example.org"]), drift=["no rules are loaded"])
        made = asked(seen, mode="agent", initial=True)
        assert (made.changed, made.mode) == (True, "allowlist")


class TestAlso:
    """What somebody has asked for by name is never passed over, whatever policy there is."""

    def test_new_policy_has_both(self) -> None:
        made = asked(mode="agent", allow=["a.example.org"], allow_also=["b.example.org"], initial=True)
        assert made.request["policy"]["allow"] == ["a.example.org", "b.example.org"]

    @pytest.mark.parametrize("options", [{"mode": "agent", "initial": True}, {}], ids=["initial", "nothing else"])
    def test_policy_that_there_is_gets_it(self, options: dict[str, Any]) -> None:
        seen = after(asked(mode="allowlist", allow=["a.example.org"], deny=["d.example.org"]))
        made = asked(seen, allow_also=["b.example.org"], **options)
        policy = made.request["policy"]
        assert (made.mode, policy["allow"], policy["deny"]) == ("allowlist", ["a.example.org", "b.example.org"], ["d.example.org"])
        again = asked(after(made), allow_also="b.example.org", **options)
        assert again.changed is False

    def test_what_is_configured_is_not_added_to_it(self) -> None:
        seen = after(asked(mode="allowlist"))
        made = asked(seen, mode="agent", allow=["configured.example.org"], allow_also=["b.example.org"], append=True, initial=True)
        assert made.request["policy"]["allow"] == ["b.example.org"]

    def test_besides_a_list_that_is_replaced(self) -> None:
        seen = after(asked(mode="allowlist", allow=["a.example.org"]))
        assert asked(seen, allow=["c.example.org"], allow_also=["b.example.org"]).request["policy"]["allow"] == [
            "b.example.org",
            "c.example.org",
        ]

    @pytest.mark.parametrize("options", [{}, {"mode": "unrestricted"}, {"initial": True}], ids=["nothing", "unrestricted", "initial"])
    def test_unrestricted_container_has_no_list(self, options: dict[str, Any]) -> None:
        with pytest.raises(
            Invalid, match="the container is unrestricted and may reach everything; for a list give mode agent, allowlist or"
        ):
            asked(allow_also=["a.example.org"], **options)

    @pytest.mark.parametrize("nothing", [None, "", [], [""]])
    def test_nothing_is_nothing(self, nothing: Any) -> None:
        assert asked(allow_also=nothing).changed is False
        assert asked(after(asked(mode="agent")), allow_also=nothing).changed is False

    def test_denied_is_said(self) -> None:
        with pytest.raises(Invalid, match=r"it stays denied by example\.org"):
            asked(after(asked(mode="agent", deny=["example.org"])), allow_also=["a.example.org"])


class TestAppend:
    def test_added_and_taken_away(self) -> None:
        seen = after(asked(mode="allowlist", allow=["a.example.org", "b.example.org"]))
        made = asked(seen, allow=["c.example.org"], deny=["a.example.org"], append=True)
        assert made.request["policy"]["allow"] == ["b.example.org", "c.example.org"] and made.mode == "allowlist"

    def test_allowed_already(self) -> None:
        seen = after(asked(mode="agent", allow=["a.example.org"]))
        assert asked(seen, allow=["a.example.org"], append=True).changed is False
        preset = next(entry.text for entry in agent_preset() if entry.kind == "name")
        assert asked(seen, allow=[preset], append=True).changed is False

    def test_name_of_the_preset_is_denied(self) -> None:
        seen = after(asked(mode="agent"))
        made = asked(seen, deny=["crates.io"], append=True)
        assert made.changed and "crates.io" not in lines(made, "exact.lst")
        assert asked(after(made), deny=["crates.io"], append=True).changed is False

    def test_unrestricted_container_has_nothing_to_add_to(self) -> None:
        with pytest.raises(Invalid, match="a list needs mode"):
            asked(allow=["a.example.org"], append=True)


class TestCut:
    """Connections made under an older policy are to end, also when nothing else changes."""

    @pytest.mark.parametrize(("cut", "old", "changed"), [(True, ["7"], True), (True, [], False), (False, ["7"], False)])
    def test_it_is_a_change_where_there_are_any(self, cut: bool, old: list[str], changed: bool) -> None:
        made = asked(after(asked(mode="agent"), old_workers=old), mode="agent", cut=cut)
        assert (made.changed, made.request["cut"], made.why) == (changed, cut, [])
        assert made.before == made.after

    @pytest.mark.parametrize(
        ("before", "then", "cut"),
        [
            ("learn", {"mode": "allowlist"}, True),
            ("learn", {"mode": "agent"}, True),
            ("agent", {"mode": "allowlist"}, True),
            ("allowlist", {"mode": "learn"}, True),
            ("agent", {"mode": "agent"}, False),
            ("agent", {"mode": "agent", "allow": ["b.example.org"]}, False),
            ("agent", {"deny": ["crates.io"], "append": True}, False),
            ("agent", {"allow_also": ["b.example.org"], "mode": "learn", "initial": True}, False),
            (None, {"mode": "agent"}, False),
        ],
    )
    def test_those_of_another_mode_end(self, before: str | None, then: dict[str, Any], cut: bool) -> None:
        seen = facts() if before is None else after(asked(mode=before, allow=["a.example.org"]), old_workers=["7"])
        assert asked(seen, **then).request["cut"] is cut

    def test_release_needs_none(self) -> None:
        assert asked(facts(old_workers=[]), mode="unrestricted", cut=True).changed is False


def test_user_who_had_root_is_warned_about() -> None:
    seen = facts(user={"name": USER, "exists": True, "powers": ["group sudo"]})
    (warning,) = asked(seen, mode="agent").warnings
    assert USER in warning and "checkpoint" in warning
    assert asked(mode="agent").warnings == []
    assert asked({**after(asked(mode="agent")), "user": seen["user"]}, mode="agent").warnings == []


def test_request_is_for_what_was_seen() -> None:
    first = asked(mode="agent")
    assert first.request["expect"] == ""
    seen = after(first)
    assert asked(seen, mode="agent", cut=True).request["expect"] == seen["digest"] != ""
    assert (first.request["cut"], asked(seen, mode="agent", cut=True).request["cut"]) == (False, True)
