# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names: what the user says, what the appliance knows, lists and ranges."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import Invalid
from ansible_collections.pixels.sandbox.plugins.module_utils.core.naming import check, expand, from_instance, to_instance


def test_there_and_back() -> None:
    assert to_instance("task1") == "px-task1"
    assert from_instance("px-task1") == "task1"


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("task1", ["task1"]),
        (["b", "a"], ["b", "a"]),
        ("a,b , c", ["a", "b", "c"]),
        (["a,b", "c"], ["a", "b", "c"]),
        (["a", "a"], ["a"]),
        ("worker[01:03]", ["worker01", "worker02", "worker03"]),
        ("w[8:10]", ["w8", "w9", "w10"]),
        ("w[1:9:4]", ["w1", "w5", "w9"]),
        ("box-[a:c]", ["box-a", "box-b", "box-c"]),
        ("r[1:2]c[1:2]", ["r1c1", "r1c2", "r2c1", "r2c2"]),
        (["w[1:2]", "w[2:3]"], ["w1", "w2", "w3"]),
        (7, ["7"]),
    ],
)
def test_expansion(given: Any, names: list[str]) -> None:
    assert expand(given) == names


def test_twenty() -> None:
    names = expand("worker[01:20]")
    assert (len(names), names[0], names[-1]) == (20, "worker01", "worker20")


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "Task",
        "a_b",
        "-a",
        "a-",
        "a.b",
        "a/b",
        "../etc",
        "a b",
        "x" * 61,
        "px-a",
        "ä",
        "w[3:1]",
        "w[a:3]",
        "w[1:2",
        "w[01:3]",
        "w[1:9:0]",
        None,
        [],
        [True],
        [None],
        ["a\nb"],
        "w[1:100000000]",
    ],
)
def test_odd_names_are_refused_with_what_is_allowed(name: Any) -> None:
    with pytest.raises(Invalid, match="name"):
        expand(name)


def test_the_longest_fits_a_dns_label() -> None:
    assert len(to_instance(check("x" * 60))) == 63
