# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Egress policies: how they change, what they come to, and how they are kept. Deny wins, always."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core.egress_entry import Entry, parse, read
from ansible_collections.pixels.sandbox.plugins.module_utils.core.egress_policy import (
    MODES,
    Damaged,
    Effective,
    Policy,
    changed,
    covered_by,
    effective,
    from_data,
    to_data,
)
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import Invalid

Texts = Any  # a list, or None


def some(*texts: str) -> tuple[Entry, ...]:
    return tuple(sorted(read("x", text) for text in texts))


def texts(entries: tuple[Entry, ...]) -> list[str]:
    return [entry.text for entry in entries]


def given(values: Texts) -> tuple[Entry, ...] | None:
    return None if values is None else some(*values)


PRESET = some("api.ai.example", "forge.example", "forge.example:22", "raw.forge.example")


def policy(mode: str, allow: str = "", deny: str = "") -> Policy:
    return Policy(mode, some(*allow.split()), some(*deny.split()))


def show(result: Policy) -> tuple[str, str, str]:
    return result.mode, " ".join(texts(result.allow)), " ".join(texts(result.deny))


@pytest.mark.parametrize(
    ("before", "mode", "allow", "deny", "after"),
    [
        # Nothing said, nothing changed.
        (policy("agent", "a.example", "b.example"), None, None, None, ("agent", "a.example", "b.example")),
        (Policy(), None, None, None, ("unrestricted", "", "")),
        (Policy(), None, [], [], ("unrestricted", "", "")),
        # Only the mode: the lists stay.
        (policy("agent", "a.example", "b.example"), "allowlist", None, None, ("allowlist", "a.example", "b.example")),
        (policy("allowlist", "a.example", "b.example"), "learn", None, None, ("learn", "a.example", "b.example")),
        (Policy(), "agent", None, None, ("agent", "", "")),
        # Unrestricted keeps nothing.
        (policy("agent", "a.example", "b.example"), "unrestricted", None, None, ("unrestricted", "", "")),
        (policy("agent", "a.example", "b.example"), "unrestricted", [], None, ("unrestricted", "", "")),
        # Whole lists, sorted.
        (Policy(), "allowlist", ["b.io.example", "a.io.example"], ["d.example"], ("allowlist", "a.io.example b.io.example", "d.example")),
        (Policy(), "allowlist", ["b.example"], ["d.example", "c.example"], ("allowlist", "b.example", "c.example d.example")),
        (policy("agent", "a.example", "b.example"), None, ["c.example"], None, ("agent", "c.example", "b.example")),
        (policy("agent", "a.example", "b.example"), None, None, ["c.example"], ("agent", "a.example", "c.example")),
        (policy("agent", "a.example", "b.example"), None, [], [], ("agent", "", "")),
        # What is asked for now is not kept on the other list.
        (policy("agent", "", "a.example b.example"), None, ["a.example"], None, ("agent", "a.example", "b.example")),
        (policy("agent", "a.example b.example", ""), None, None, ["a.example"], ("agent", "b.example", "a.example")),
        # An entry of the preset is kept in a whole list.
        (Policy(), "agent", ["forge.example"], None, ("agent", "forge.example", "")),
    ],
)  # fmt: skip
def test_whole_lists(before: Policy, mode: str | None, allow: Texts, deny: Texts, after: tuple[str, str, str]) -> None:
    result = changed(before, PRESET, mode, given(allow), given(deny), False)
    assert show(result) == after
    assert changed(result, PRESET, mode, given(allow), given(deny), False) == result


@pytest.mark.parametrize(
    ("before", "mode", "allow", "deny", "after"),
    [
        (policy("agent", "a.example", "b.example"), None, None, None, ("agent", "a.example", "b.example")),
        (policy("agent", "a.example", "b.example"), None, [], [], ("agent", "a.example", "b.example")),
        (Policy(), "agent", ["a.example"], None, ("agent", "a.example", "")),
        (policy("allowlist", "b.example"), None, ["c.example", "a.example"], None, ("allowlist", "a.example b.example c.example", "")),
        # What the preset has need not be kept; without the preset it is.
        (policy("agent"), None, ["forge.example", "forge.example:22"], None, ("agent", "", "")),
        (policy("learn"), None, ["forge.example"], None, ("learn", "", "")),
        (policy("allowlist"), None, ["forge.example"], None, ("allowlist", "forge.example", "")),
        (policy("agent"), None, ["forge.example:2222"], None, ("agent", "forge.example:2222", "")),
        # Lifted.
        (policy("agent", "", "forge.example"), None, ["forge.example"], None, ("agent", "", "")),
        (policy("agent", "*.a.example", "x.a.example"), None, ["x.a.example"], None, ("agent", "x.a.example *.a.example", "")),
        # Denied: out of allow; on the list only where it would still be let through.
        (policy("allowlist", "a.example b.example"), None, None, ["a.example"], ("allowlist", "b.example", "")),
        (policy("allowlist"), None, None, ["a.example"], ("allowlist", "", "")),
        (policy("agent", "a.example"), None, None, ["a.example"], ("agent", "", "")),
        (policy("agent"), None, None, ["forge.example"], ("agent", "", "forge.example")),
        (policy("agent"), None, None, ["raw.forge.example"], ("agent", "", "raw.forge.example")),
        (policy("agent"), None, None, ["*.forge.example"], ("agent", "", "*.forge.example")),
        (policy("agent"), None, None, ["*.raw.forge.example"], ("agent", "", "")),
        (policy("agent"), None, None, ["forge.example:22"], ("agent", "", "forge.example:22")),
        (policy("agent"), None, None, ["forge.example:2222"], ("agent", "", "")),
        (policy("allowlist"), None, None, ["forge.example"], ("allowlist", "", "")),
        (policy("allowlist", "*.a.example"), None, None, ["x.a.example"], ("allowlist", "*.a.example", "x.a.example")),
        (policy("allowlist", "*.a.example"), None, None, ["*.x.a.example"], ("allowlist", "*.a.example", "*.x.a.example")),
        (policy("allowlist", "*.a.example"), None, None, ["a.example"], ("allowlist", "", "")),
        (policy("allowlist", "*.a.example a.example"), None, None, ["*.a.example"], ("allowlist", "a.example", "")),
        # With a name goes what is below it, and its ports.
        (policy("allowlist", "a.example x.a.example b.a.example:22 z.example"), None, None, ["a.example"], ("allowlist", "z.example", "")),
        (policy("allowlist", "a.example a.example:22"), None, None, ["a.example:22"], ("allowlist", "a.example", "")),
        (policy("allowlist", "10.0.0.0/8:22"), None, None, ["10.0.0.0/8:22"], ("allowlist", "", "")),
        (policy("allowlist", "10.1.0.0/16:22 10.1.0.0/16:23"), None, None, ["10.0.0.0/8:22"], ("allowlist", "10.1.0.0/16:23", "")),
        # While learning everything is let through.
        (policy("learn"), None, None, ["a.example", "b.example:22"], ("learn", "", "a.example b.example:22")),
        # Both at once.
        (policy("agent", "a.example"), "allowlist", ["b.example"], ["a.example"], ("allowlist", "b.example", "")),
        (policy("agent"), None, ["*.forge.example"], ["x.forge.example"], ("agent", "*.forge.example", "x.forge.example")),
    ],
)  # fmt: skip
def test_additions(before: Policy, mode: str | None, allow: Texts, deny: Texts, after: tuple[str, str, str]) -> None:
    result = changed(before, PRESET, mode, given(allow), given(deny), True)
    assert show(result) == after
    assert changed(result, PRESET, mode, given(allow), given(deny), True) == result


def test_a_mirror_is_denied_like_what_is_allowed() -> None:
    mirror = some("mirror.example", "packages.mirror.example")
    result = changed(policy("allowlist"), PRESET, None, None, some("mirror.example"), True, mirror)
    assert show(result) == ("allowlist", "", "mirror.example")
    assert effective(result, PRESET, mirror) == Effective()


@pytest.mark.parametrize(
    ("allow", "after"),
    [
        (["B.example.", {"cidr": "10.0.0.0/8", "port": 22}], "b.example 10.0.0.0/8:22"),
        ("b.example,c.example", "b.example c.example"),
        ([], ""),
        # Nothing said: an empty answer of a survey, as it is and as Ansible makes a list of it.
        ("", "a.example"),
        (" ", "a.example"),
        ([""], "a.example"),
    ],
)
def test_what_people_write(allow: Any, after: str) -> None:
    assert show(changed(policy("agent", "a.example"), PRESET, None, allow, None, False)) == ("agent", after, "")


def test_what_people_write_wrongly() -> None:
    with pytest.raises(Invalid, match=r"^allow: 'https://a\.example' is not possible; that is a URL"):
        changed(policy("agent"), PRESET, None, ["https://a.example"], None, False)
    with pytest.raises(Invalid, match="anybody can get a name below"):
        changed(policy("agent"), PRESET, None, ["*.github.io"], None, False)
    with pytest.raises(Invalid, match=r"^deny: '' is not possible"):
        changed(policy("agent"), PRESET, None, None, ["a.example", ""], False)
    # To deny it is safe.
    assert show(changed(policy("agent"), PRESET, None, None, ["*.github.io"], False)) == ("agent", "", "*.github.io")


@pytest.mark.parametrize("append", [False, True])
@pytest.mark.parametrize(
    ("before", "mode", "allow", "deny", "why"),
    [
        (policy("agent"), "open", None, None, "^mode: 'open' is not possible; it is one of unrestricted, agent, allowlist, learn"),
        (policy("agent"), None, ["a.example"], ["a.example"], "^deny: 'a.example' is not possible; it is in allow as well"),
        (Policy(), None, ["a.example"], None, "^allow: .*a list needs mode agent, allowlist or learn"),
        (policy("agent"), "unrestricted", None, ["10.0.0.0/8:22"], "^deny: .*a list needs mode agent, allowlist or learn"),
        (policy("agent"), None, ["10.0.0.0/8:22"], ["10.1.0.0/16:22"], r"^deny: .*it is a part of 10\.0\.0\.0/8:22, which is allowed"),
        (policy("agent", "", "10.1.0.0/16:22"), None, ["10.0.0.0/8:22"], None, r"^deny: .*it is a part of 10\.0\.0\.0/8:22"),
        (policy("agent", "[2001:db8::/32]:22"), None, None, ["[2001:db8::/64]:22"], r"^deny: .*it is a part of \[2001:db8::/32\]:22"),
    ],
)
def test_what_cannot_be(before: Policy, mode: str | None, allow: Texts, deny: Texts, why: str, append: bool) -> None:
    with pytest.raises(Invalid, match=why):
        changed(before, PRESET, mode, given(allow), given(deny), append)


def test_a_part_of_a_mirrors_range() -> None:
    mirror = some("10.0.0.0/8:80")
    with pytest.raises(Invalid, match="a part of a range cannot be denied"):
        changed(policy("allowlist"), (), None, None, some("10.1.0.0/16:80"), False, mirror)
    with pytest.raises(Invalid, match="a part of a range cannot be denied"):
        effective(policy("allowlist", "", "10.1.0.0/16:80"), (), mirror)


@pytest.mark.parametrize(
    ("denied", "allow"),
    [
        ("forge.example", "raw.forge.example"),
        ("forge.example", "new.forge.example:22"),
        ("forge.example", "*.forge.example"),
        ("*.forge.example", "raw.forge.example"),
        ("10.0.0.0/8:22", "10.1.0.0/16:22"),
    ],
)
def test_what_stays_denied_cannot_be_added_without_a_word(denied: str, allow: str) -> None:
    with pytest.raises(Invalid, match="since deny wins") as caught:
        changed(policy("agent", "", denied), PRESET, None, some(allow), None, True)
    assert denied in caught.value.message
    # In whole lists everybody sees both.
    assert show(changed(policy("agent", "", denied), PRESET, None, some(allow), None, False)) == ("agent", allow, denied)


def test_both_at_once_that_exclude_each_other() -> None:
    with pytest.raises(Invalid, match="since deny wins"):
        changed(policy("allowlist"), PRESET, None, some("x.a.example"), some("a.example"), True)


@pytest.mark.parametrize(
    ("asked", "reach"),
    [
        (Policy(), Effective()),
        (policy("allowlist"), Effective()),
        (
            policy("agent"),
            Effective(("api.ai.example", "forge.example", "raw.forge.example"), (), (), (("forge.example", 22),), ()),
        ),
        (policy("agent", "", "forge.example"), Effective(("api.ai.example",))),
        (policy("agent", "", "*.forge.example"), Effective(("api.ai.example", "forge.example"), (), (), (("forge.example", 22),))),
        (policy("agent", "", "forge.example:22"), Effective(("api.ai.example", "forge.example", "raw.forge.example"))),
        # Under a wildcard what is denied is named, and only there.
        (policy("allowlist", "*.a.example", "x.a.example z.example"), Effective((), (".a.example",), ("x.a.example",))),
        (policy("allowlist", "*.a.example", "*.x.a.example"), Effective((), (".a.example",), (".x.a.example",))),
        (policy("allowlist", "*.a.example", "x.a.example y.x.a.example *.x.a.example"), Effective((), (".a.example",), ("x.a.example",))),
        (policy("allowlist", "*.a.example x.a.example", "*.x.a.example"), Effective(("x.a.example",), (".a.example",), (".x.a.example",))),
        (policy("allowlist", "*.a.example *.x.a.example", "x.a.example"), Effective((), (".a.example",), ("x.a.example",))),
        # Gone altogether.
        (policy("allowlist", "*.a.example a.example", "a.example"), Effective()),
        (policy("allowlist", "*.a.example a.example", "*.a.example"), Effective(("a.example",))),
        (policy("allowlist", "*.b.a.example b.a.example:22", "a.example"), Effective()),
        (policy("allowlist", "*.a.example x.a.example", ""), Effective(("x.a.example",), (".a.example",))),
        # Ranges without overlaps, each port for itself.
        (
            policy("allowlist", "10.0.0.0/25:22 10.0.0.128/25:22 10.0.0.7/32:22 10.0.0.7/32:23 [2001:db8::/65]:22 [2001:db8::/64]:22"),
            Effective(ranges=(("10.0.0.0/24", 22), ("10.0.0.7/32", 23), ("2001:db8::/64", 22))),
        ),
        (policy("allowlist", "10.0.0.0/25:22 10.0.0.128/25:22", "10.0.0.0/25:22"), Effective(ranges=(("10.0.0.128/25", 22),))),
        (policy("allowlist", "10.0.0.0/25:22 10.0.0.0/25:23", "10.0.0.0/24:22"), Effective(ranges=(("10.0.0.0/25", 23),))),
        # While learning everything denied is named.
        (
            policy("learn", "", "z.example *.y.example forge.example a.z.example"),
            Effective(("api.ai.example",), (), (".y.example", "forge.example", "z.example")),
        ),
    ],
)  # fmt: skip
def test_what_it_comes_to(asked: Policy, reach: Effective) -> None:
    assert effective(asked, PRESET) == reach


def test_mirrors_are_let_through_in_every_restricted_mode_unless_denied() -> None:
    mirrors = some("mirror.example", "10.0.0.5/32:3142", "mirror.example:8080")
    for mode in MODES[1:]:
        reach = effective(policy(mode), (), mirrors)
        assert reach == Effective(("mirror.example",), (), (), (("mirror.example", 8080),), (("10.0.0.5/32", 3142),))
        reach = effective(policy(mode, "", "mirror.example 10.0.0.5/32:3142"), (), mirrors)
        assert (reach.exact, reach.ports, reach.ranges) == ((), (), ())
    assert effective(Policy(), (), mirrors) == Effective()


def test_the_lists_for_what_is_denied() -> None:
    reach = effective(policy("allowlist", "*.a.example", "x.a.example *.y.a.example"), ())
    assert reach.denied_names == ("x.a.example",)
    assert reach.denied_suffixes == (".x.a.example", ".y.a.example")


@pytest.mark.parametrize(
    ("text", "covered"),
    [
        ("forge.example", True),
        ("forge.example:22", True),
        ("forge.example:23", False),
        ("api.ai.example:22", False),
        ("x.forge.example", False),
        ("*.forge.example", False),
        ("x.a.example", True),
        ("y.x.a.example", True),
        ("a.example", False),
        ("xa.example", False),
        ("*.x.a.example", True),
        ("*.a.example", False),  # a part of it is denied
        ("no.a.example", False),
        ("y.no.a.example", False),
        ("*.no.a.example", False),
        ("half.a.example", True),
        ("y.half.a.example", False),
        ("10.0.0.0/8:22", True),
        ("10.1.0.0/16:22", True),
        ("10.0.0.0/7:22", False),
        ("10.1.0.0/16:23", False),
        ("[2001:db8::/64]:22", False),
        ("unknown.example", False),
    ],
)
def test_whether_something_is_let_through(text: str, covered: bool) -> None:
    asked = policy("agent", "*.a.example 10.0.0.0/8:22", "no.a.example *.half.a.example")
    assert covered_by(read("x", text), effective(asked, PRESET)) is covered


# Written down


def test_a_policy_as_data() -> None:
    asked = policy("agent", "a.example *.b.example c.example:22 10.0.0.0/8:22", "[2001:db8::/64]:443")
    data = to_data(asked)
    assert data == {
        "mode": "agent",
        "allow": ["a.example", "c.example:22", {"cidr": "10.0.0.0/8", "port": 22}, "*.b.example"],
        "deny": [{"cidr": "2001:db8::/64", "port": 443}],
    }
    assert from_data(json.loads(json.dumps(data))) == asked
    assert from_data({**data, "user": "somebody"}) == asked
    assert from_data(to_data(Policy())) == Policy()


def test_a_newer_list_of_suffixes_does_not_make_it_unreadable() -> None:
    with pytest.raises(Invalid):
        parse("allow", "*.github.io")
    assert from_data({"mode": "agent", "allow": ["*.github.io"], "deny": []}).allow == some("*.github.io")


@pytest.mark.parametrize(
    "change",
    [
        {"mode": None},
        {"mode": "open"},
        {"mode": ["agent"]},
        {"allow": None},
        {"allow": "a.example"},
        {"allow": {}},
        {"allow": [None]},
        {"allow": [""]},
        {"allow": ["A.example"]},
        {"allow": ["a.example."]},
        {"allow": ["10.0.0.0/8:22"]},
        {"allow": [{"cidr": "10.0.0.0/8", "port": "22"}]},
        {"allow": [{"cidr": "10.0.0.1/8", "port": 22}]},
        {"allow": ["a.example", "a.example"]},
        {"allow": ["c.example", "a.example"]},
        {"allow": ["b.example"]},
        {"deny": ["*"]},
        {"deny": 7},
        {"mode": "unrestricted"},
    ],
)
def test_damage_is_seen(change: dict[str, Any]) -> None:
    data = {"mode": "agent", "allow": ["a.example"], "deny": ["b.example"]}
    assert from_data(data) == policy("agent", "a.example", "b.example")
    with pytest.raises(Damaged, match="damaged"):
        from_data({**data, **change})


@pytest.mark.parametrize("data", [None, [], "agent", {}, {"mode": "agent"}, {"mode": "agent", "allow": []}, {"allow": [], "deny": []}])
def test_parts_that_are_missing(data: Any) -> None:
    with pytest.raises(Damaged):
        from_data(data)
