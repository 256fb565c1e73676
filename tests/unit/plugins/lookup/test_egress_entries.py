# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lookup `egress_entries`: what playbooks check before anything is made."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleLookupError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from ansible.template import Templar

RANGE = {"cidr": "192.0.2.0/28", "port": 8443}


def ask(*terms: Any, **options: Any) -> list[Any]:
    templar = Templar(loader=DataLoader(), variables={})
    plugin = lookup_loader.get("pixels.sandbox.egress_entries", loader=templar._loader, templar=templar)
    found: list[Any] = plugin.run(list(terms), variables={}, **options)
    return found


@pytest.mark.parametrize(
    ("terms", "entries"),
    [
        ((), []),
        (("",), []),
        ((" , ",), []),
        (([],), []),
        (("b.example.org,a.example.org", "a.example.org"), ["a.example.org", "b.example.org"]),
        ((["A.Example.org."], ["git.example.org:22", "*.example.org"]), ["a.example.org", "git.example.org:22", "*.example.org"]),
        ((RANGE,), [RANGE]),
        (("192.0.2.0/28:8443", [RANGE]), [RANGE]),
        (("[2001:db8::/64]:443",), [{"cidr": "2001:db8::/64", "port": 443}]),
        ((None, "a.example.org"), ["a.example.org"]),
    ],
)
def test_checked_sorted_and_each_once(terms: tuple[Any, ...], entries: list[Any]) -> None:
    assert ask(*terms) == entries


@pytest.mark.parametrize(
    ("term", "words"),
    [
        ("https://api.example.org/v1", "allow.*that is a URL; give the host name alone"),
        ("*.com", r"anybody can get a name below com"),
        ("a.example.org:443", "give a.example.org alone"),
        ("192.0.2.1", r"that is an address.*cidr: 192\.0\.2\.1/32"),
        ("*", "mode=unrestricted"),
        ("a.example.org,b", "a name needs a dot"),
        ({"cidr": "192.0.2.0/28"}, "exactly two keys, cidr and port"),
        (["a.example.org", 7], "an entry is a name"),
        (True, "it is a list of entries"),
    ],
)
def test_wrong_one_is_an_error_that_says_why(term: Any, words: str) -> None:
    with pytest.raises(AnsibleLookupError, match=words):
        ask(term)


def test_denial_takes_what_is_too_wide_to_allow() -> None:
    assert ask("*.com", denial=True) == ["*.com"]
    with pytest.raises(AnsibleLookupError, match=r"deny.*that is a URL"):
        ask("https://a.example.org", denial=True)
    with pytest.raises(AnsibleLookupError, match="anybody"):
        ask("*.com", denial=False)
