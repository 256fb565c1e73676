# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Entries of an egress policy: what is one, in which spelling, and what those are told whose is none."""

from __future__ import annotations

import random
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import egress_suffix
from ansible_collections.pixels.sandbox.plugins.module_utils.core.egress_entry import Entry, parse, parse_list, read
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import Invalid

NAME = Entry("name", "api.example.org")


@pytest.mark.parametrize(
    ("given", "entry", "value"),
    [
        ("api.example.org", NAME, "api.example.org"),
        ("API.Example.ORG", NAME, "api.example.org"),
        ("api.example.org.", NAME, "api.example.org"),
        ("  api.example.org\n", NAME, "api.example.org"),
        ("bücher.example", Entry("name", "xn--bcher-kva.example"), "xn--bcher-kva.example"),
        ("BÜCHER.example", Entry("name", "xn--bcher-kva.example"), "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", Entry("name", "xn--bcher-kva.example"), "xn--bcher-kva.example"),
        ("api。example。org", NAME, "api.example.org"),
        ("a--b.3com.example", Entry("name", "a--b.3com.example"), "a--b.3com.example"),
        ("*.example.org", Entry("wildcard", "example.org"), "*.example.org"),
        ("*.Example.org.", Entry("wildcard", "example.org"), "*.example.org"),
        ("*.bücher.example", Entry("wildcard", "xn--bcher-kva.example"), "*.xn--bcher-kva.example"),
        ("git.example.org:22", Entry("port", "git.example.org", 22), "git.example.org:22"),
        ("GIT.example.org.:65535", Entry("port", "git.example.org", 65535), "git.example.org:65535"),
        ("192.168.20.5/32:8443", Entry("range", "", 8443, "192.168.20.5/32"), {"cidr": "192.168.20.5/32", "port": 8443}),
        ("[2001:db8::/64]:443", Entry("range", "", 443, "2001:db8::/64"), {"cidr": "2001:db8::/64", "port": 443}),
        ("[192.168.20.0/24]:80", Entry("range", "", 80, "192.168.20.0/24"), {"cidr": "192.168.20.0/24", "port": 80}),
        ({"cidr": "10.0.0.0/8", "port": 22}, Entry("range", "", 22, "10.0.0.0/8"), {"cidr": "10.0.0.0/8", "port": 22}),
        ({"cidr": "10.0.0.0/8", "port": "22"}, Entry("range", "", 22, "10.0.0.0/8"), {"cidr": "10.0.0.0/8", "port": 22}),
        ({"port": 1, "cidr": "2001:DB8:0:0::/64"}, Entry("range", "", 1, "2001:db8::/64"), {"cidr": "2001:db8::/64", "port": 1}),
    ],
)
def test_what_is_an_entry(given: Any, entry: Entry, value: Any) -> None:
    assert parse("allow", given) == entry
    assert entry.value == value
    # Both spellings that we write are read as the same.
    assert parse("allow", entry.text) == parse("allow", entry.value) == entry


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        (NAME, "api.example.org"),
        (Entry("wildcard", "example.org"), "*.example.org"),
        (Entry("port", "git.example.org", 22), "git.example.org:22"),
        (Entry("range", "", 8443, "192.168.20.5/32"), "192.168.20.5/32:8443"),
        (Entry("range", "", 443, "2001:db8::/64"), "[2001:db8::/64]:443"),
    ],
)
def test_the_spelling_of_a_command_line(entry: Entry, text: str) -> None:
    assert entry.text == text


def test_the_longest_name() -> None:
    name = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 61])
    assert len(name) == 253
    assert parse("allow", name).name == name
    for longer in (name + "d", "a" * 64 + ".example"):
        with pytest.raises(Invalid, match="253 characters"):
            parse("allow", longer)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("", "an entry is a name"),
        ("  ", "an entry is a name"),
        (None, "an entry is a name"),
        (True, "an entry is a name"),
        (443, "an entry is a name"),
        (["a.example.org"], "an entry is a name"),
        ("https://api.example.org", "URL; give the host name alone"),
        ("https://192.0.2.1/", "URL; give the host name alone"),
        ("api.example.org/v1", "slash in it; give the host name alone"),
        ("*.example.org/v1", "slash in it; give the host name alone"),
        ("a_b.example.org", "letters, digits and inner hyphens"),
        ("-a.example.org", "letters, digits and inner hyphens"),
        ("a-.example.org", "letters, digits and inner hyphens"),
        ("a b.example.org", "letters, digits and inner hyphens"),
        ("a\n.example.org", "letters, digits and inner hyphens"),
        ("a\0.example.org", "letters, digits and inner hyphens"),
        ("a..example.org", "letters, digits and inner hyphens"),
        (".example.org", "letters, digits and inner hyphens"),
        ("example.org..", "letters, digits and inner hyphens"),
        (".", "letters, digits and inner hyphens"),
        ("user@example.org", "letters, digits and inner hyphens"),
        ("a.example.org,b.example.org", "letters, digits and inner hyphens"),
        ("a.example.org;accept", "letters, digits and inner hyphens"),
        ("\u0661\u0662.example.org\u0000", "cannot be a name in DNS|letters, digits"),
        ("a\u200bb..example", "cannot be a name in DNS"),
        ("straße.example", "two ways"),
        ("ΣΑΣς.example", "two ways"),
        ("host", "needs a dot"),
        ("host:22", "needs a dot"),
        ("localhost", "own addresses"),
        ("LOCALHOST.", "own addresses"),
        ("db.localhost", "own addresses"),
        ("*.localhost", "own addresses"),
        ("localhost:5432", "own addresses"),
        ("192.0.2.1", r"\{cidr: 192\.0\.2\.1/32, port: PORT\}"),
        ("192.0.2.1.", r"\{cidr: 192\.0\.2\.1/32, port: PORT\}"),
        ("192.0.2.1:22", r"\{cidr: 192\.0\.2\.1/32, port: 22\}"),
        ("192.0.2.1.:22", r"\{cidr: 192\.0\.2\.1/32"),
        ("１９２.０.２.１", r"\{cidr: 192\.0\.2\.1/32"),
        ("::1", r"\{cidr: ::1/128"),
        ("fe80::1%eth0", r"\{cidr: fe80::1/128"),
        ("[2001:db8::1]:443", r"\{cidr: 2001:db8::1/128, port: 443\}"),
        ("[2001:db8::1]", r"\{cidr: 2001:db8::1/128, port: PORT\}"),
        ("*.192.0.2.1", r"\{cidr: 192\.0\.2\.1/32"),
        ("127.1", "reads like an address"),
        ("2130706433", "reads like an address"),
        ("0x7f000001", "reads like an address"),
        ("a.0x7f", "reads like an address"),
        ("192.168.1.256", "reads like an address"),
        ("example.1", "reads like an address"),
        ("*", "mode=unrestricted"),
        ("*.", "letters, digits and inner hyphens"),
        ("**.example.org", "at the front"),
        ("*.*.example.org", "at the front"),
        ("*example.org", "at the front"),
        ("a.*.example.org", "at the front"),
        ("example.*", "at the front"),
        ("*.example.org:22", "a wildcard has no port"),
        ("*:22", "at the front"),
        ("git.example.org:443", "means 443 and 80; give git.example.org alone"),
        ("git.example.org:80", "means 443 and 80; give git.example.org alone"),
        ("git.example.org:0", "1 to 65535"),
        ("git.example.org:65536", "1 to 65535"),
        ("git.example.org:-1", "1 to 65535"),
        ("git.example.org:022", "1 to 65535"),
        ("git.example.org:٢٢", "1 to 65535"),
        ("git.example.org:ssh", "1 to 65535"),
        ("git.example.org:", "1 to 65535"),
        (":22", "an entry is a name"),
        ("a:b:22", "an entry is a name"),
        ("192.168.20.5/32", "a range needs a port"),
        ("[2001:db8::/64]", "a range needs a port"),
        ("2001:db8::/64", "needs brackets and a port"),
        ("2001:db8::/64:443", "needs brackets and a port"),
        ("[2001:db8::/64:443", "an entry is a name"),
        ("[2001:db8::/64]443", "an entry is a name"),
        ("[]:443", "a range has an address"),
        ("192.168.20.5/24:22", "the network is 192.168.20.0/24, the address alone 192.168.20.5/32"),
        ("[2001:db8::1/64]:22", "the network is 2001:db8::/64"),
        ("192.168.20.5/33:22", "a range has an address"),
        ("192.168.20.0/255.255.255.0:22", "a range has an address"),
        ("192.168.20/24:22", "a range has an address"),
        ("192.168.20.999/32:22", "a range has an address"),
        ("[fe80::%eth0/64]:22", "a range has an address"),
        ("0.0.0.0/0:22", "every address there is"),
        ("[::/0]:22", "every address there is"),
        ("[::ffff:10.0.0.0/104]:22", "in the spelling of IPv6"),
        ("[::ffff:a00:0/104]:22", "in the spelling of IPv6"),
        ("[::/1]:22", "in the spelling of IPv6"),
        ("198.18.5.0/24:22", "in use for names with ports"),
        ("198.0.0.0/8:22", "in use for names with ports"),
        ({}, "exactly two keys"),
        ({"cidr": "10.0.0.0/8"}, "exactly two keys"),
        ({"port": 22}, "exactly two keys"),
        ({"cidr": "10.0.0.0/8", "port": 22, "proto": "tcp"}, "exactly two keys"),
        ({"name": "a.example.org", "port": 22}, "exactly two keys"),
        ({"cidr": "10.0.0.0/8", "port": True}, "1 to 65535"),
        ({"cidr": "10.0.0.0/8", "port": None}, "1 to 65535"),
        ({"cidr": "10.0.0.0/8", "port": 22.0}, "1 to 65535"),
        ({"cidr": "10.0.0.0/8", "port": "22-23"}, "1 to 65535"),
        ({"cidr": "10.0.0.1", "port": 22}, "a range has an address"),
        ({"cidr": "", "port": 22}, "a range has an address"),
        ({"cidr": None, "port": 22}, "a range has an address"),
        ({"cidr": 167772160, "port": 22}, "a range has an address"),
        ({"cidr": "api.example.org/32", "port": 22}, "a range has an address"),
    ],
)
def test_what_is_none_is_refused_with_what_is_allowed(given: Any, why: str) -> None:
    with pytest.raises(Invalid, match=why) as caught:
        parse("egress_allow", given)
    assert caught.value.message.startswith(f"egress_allow: {given!r} is not possible; ")
    assert caught.value.result == {"option": "egress_allow"}


def test_a_long_value_is_shown_in_part() -> None:
    with pytest.raises(Invalid) as caught:
        parse("allow", "x" * 5000)
    assert len(caught.value.message) < 1000


@pytest.mark.parametrize("name", ["com", "co.uk", "github.io", "example", "s3.amazonaws.com", "xn--p1ai"])
def test_wildcards_below_which_anybody_gets_a_name(name: str) -> None:
    with pytest.raises(Invalid, match="anybody can get a name below") as caught:
        parse("allow", f"*.{name}")
    assert "list the host names" in caught.value.message
    # To deny it is safe, and so is a policy that has been judged already.
    assert parse("deny", f"*.{name}", denial=True) == read("allow", f"*.{name}") == Entry("wildcard", name)
    assert parse_list("deny", [f"*.{name}"], denial=True) == (Entry("wildcard", name),)


def test_the_list_of_suffixes_is_for_wildcards_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(name: str) -> bool:
        raise AssertionError(name)

    monkeypatch.setattr(egress_suffix, "anybody_below", never)
    parse_list("allow", ["api.example.org", "git.example.org:22", {"cidr": "10.0.0.0/8", "port": 22}])
    with pytest.raises(AssertionError, match=r"^example\.org$"):
        parse("allow", "*.example.org")


@pytest.mark.parametrize(
    ("given", "texts"),
    [
        (None, []),
        ("", []),
        (" ", []),
        (" , ,", []),
        ([], []),
        ((), []),
        ("b.example.org, a.example.org,,", ["a.example.org", "b.example.org"]),
        (["b.example.org", "A.example.org."], ["a.example.org", "b.example.org"]),
        (["a.example.org", "A.EXAMPLE.ORG", "a.example.org."], ["a.example.org"]),
        ("10.0.0.0/8:22,[2001:db8::/64]:443", ["10.0.0.0/8:22", "[2001:db8::/64]:443"]),
        ([{"cidr": "10.0.0.0/8", "port": 22}, "10.0.0.0/8:22"], ["10.0.0.0/8:22"]),
        (("*.b.example", "a.b.example", "b.example:22"), ["a.b.example", "b.example:22", "*.b.example"]),
    ],
)
def test_lists(given: Any, texts: list[str]) -> None:
    assert [entry.text for entry in parse_list("allow", given)] == texts


@pytest.mark.parametrize(
    "given", [[""], [None], [" "], ["a.example.org", ""], [["a.example.org"]], ["a.example.org,b.example.org"], 7, True, "a.example.org,x"]
)
def test_lists_with_something_else_are_refused(given: Any) -> None:
    with pytest.raises(Invalid, match=r"^deny: "):
        parse_list("deny", given)


def test_one_range_alone_is_no_list() -> None:
    with pytest.raises(Invalid, match="a list of entries"):
        parse_list("allow", {"cidr": "10.0.0.0/8", "port": 22})


def test_the_kinds_of_ansible_are_shown_as_people_wrote_them() -> None:
    class Tagged(str):
        def __repr__(self) -> str:
            return "Tagged!"

    with pytest.raises(Invalid, match=r"^allow: 'a_b' is not") as caught:
        parse("allow", Tagged("a_b"))
    assert "Tagged" not in caught.value.message
    assert not isinstance(parse("allow", Tagged("a.example.org")).name, Tagged)


def test_whatever_is_accepted_is_in_one_spelling() -> None:
    """Random texts near the border: none ends in anything but an entry or a refusal, and entries are read as themselves."""
    chance = random.Random(7)
    pieces = [
        "a",
        "B",
        "0",
        "22",
        "443",
        ".",
        ".",
        ":",
        "*",
        "/",
        "[",
        "]",
        "-",
        "_",
        "x",
        "com",
        "example",
        "::",
        "10.0.0.0",
        "ü",
        "%",
        " ",
    ]
    accepted = 0
    for _turn in range(20000):
        text = "".join(chance.choices(pieces, k=chance.randint(1, 7)))
        try:
            entry = parse("allow", text)
        except Invalid:
            continue
        accepted += 1
        assert parse("allow", entry.text) == parse("allow", entry.value) == entry
        assert entry.text == entry.text.lower() and entry.text.isascii() and " " not in entry.text
    assert accepted > 100
