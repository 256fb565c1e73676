# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From options to one wish for each container: what is refused before anything is asked, and whose option counts."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError, Invalid
from ansible_collections.pixels.sandbox.plugins.module_utils.core.identity_scrub import CATEGORIES
from ansible_collections.pixels.sandbox.plugins.module_utils.core.wanted import Source, Wanted
from ansible_collections.pixels.sandbox.plugins.module_utils.core.wishes import CHECKS, from_context
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.fake_driver import FakeDriver, context


def wishes(**options: Any) -> dict[str, Wanted]:
    driver = FakeDriver()
    found = {wanted.name: wanted for wanted in from_context(context(driver, **options))}
    assert driver.calls == []
    return found


class TestFrom:
    @pytest.mark.parametrize(
        ("text", "source"),
        [
            ("base:ready", Source("base", "ready")),
            ("base", Source("base")),
            (" base:20261123-153301-123456 ", Source("base", "20261123-153301-123456")),
            ("base:v1.2_3", Source("base", "v1.2_3")),
        ],
    )
    def test_what_it_can_be(self, text: str, source: Source) -> None:
        (wanted,) = wishes(name="w1", **{"from": text}).values()
        assert wanted.source == source
        assert source.text == text.strip()

    @pytest.mark.parametrize(
        "text", ["Base", "base:", ":ready", "base:ready:x", "base:-x", "px-base:ready", "base:" + "x" * 64, "base/ready", "tank/base@x"]
    )
    def test_d14_what_it_cannot_be(self, text: str) -> None:
        """D14: an odd label is refused before anything is asked or made."""
        with pytest.raises(Invalid, match="from"):
            wishes(name="w1", **{"from": text})

    def test_not_of_itself(self) -> None:
        with pytest.raises(Invalid, match="base cannot be a clone of itself"):
            wishes(name="w1,base", **{"from": "base:ready"})

    def test_d17_not_together_with_an_image(self) -> None:
        with pytest.raises(CoreError, match="image and from exclude each other"):
            wishes(name="w1", image="debian/12", **{"from": "base"})
        with pytest.raises(CoreError, match="image and from exclude each other"):
            wishes(name="w1", vars_by_name={"w1": {"image": "debian/12", "from": "base"}})
        assert wishes(name="w1", image=" ", **{"from": "base"})["w1"].image is None


class TestScrub:
    @pytest.mark.parametrize(
        ("given", "text"),
        [(None, None), ([], ""), (["logins", "history"], "history,logins"), (list(CATEGORIES), ",".join(CATEGORIES))],
    )
    def test_categories(self, given: list[str] | None, text: str | None) -> None:
        assert wishes(name="w1", scrub=given, **{"from": "base"})["w1"].scrub == text

    def test_an_unknown_one(self) -> None:
        with pytest.raises(Invalid, match="allowed are history, logins"):
            wishes(name="w1", vars_by_name={"w1": {"scrub": ["everything"], "from": "base"}})

    def test_d17_only_for_clones(self) -> None:
        with pytest.raises(Invalid, match="it goes with from"):
            wishes(name="w1", scrub=[])


class TestVarsByName:
    def test_each_option_can_be_there(self) -> None:
        own: dict[str, Any] = {
            "cpu": 4, "memory": "1GiB", "environment": {"A": 1}, "owner": "me", "autostart": "false", "expires": "7d", "pool": "fast",
            "from": "base:ready", "scrub": "logins", "labels": {"team": "red"}, "egress": "learn",
        }  # fmt: skip
        assert set(own) | {"image"} == set(CHECKS)
        found = wishes(name="a,b", vars_by_name={"a": own})
        wanted = found["a"]
        assert (wanted.cpu, wanted.memory, wanted.environment, wanted.owner, wanted.autostart) == ("4", 1024, {"A": "1"}, "me", False)
        assert (wanted.expires, wanted.pool, wanted.source, wanted.scrub) == ("7d", "fast", Source("base", "ready"), "logins")
        assert (wanted.labels, found["b"].labels) == ({"team": "red"}, None)
        assert (wanted.egress, found["b"].egress) == ("learn", None)
        assert (found["b"].cpu, found["b"].source) == (None, None)
        assert wishes(name="a", vars_by_name={"a": {"image": "debian/13"}})["a"].image == "debian/13"

    def test_ranges_and_what_comes_later(self) -> None:
        found = wishes(name="w[1:4]", cpu="1", vars_by_name={"w[2:4]": {"cpu": 2, "owner": "x"}, "w3": {"cpu": 3}, "w4": {"cpu": ""}})
        assert [(wanted.cpu, wanted.owner) for wanted in found.values()] == [("1", None), ("2", "x"), ("3", "x"), ("2", "x")]

    @pytest.mark.parametrize(
        ("task", "own", "image", "source"),
        [
            ({"from": "base"}, {"image": "debian/13"}, "debian/13", None),
            ({"image": "debian/13"}, {"from": "base"}, None, Source("base")),
            ({"from": "base"}, {"from": "other:x"}, None, Source("other", "x")),
            ({"from": "base", "scrub": []}, {"image": "debian/13"}, "debian/13", None),
        ],
    )
    def test_what_it_is_made_of_is_one_question(self, task: dict[str, Any], own: dict[str, Any], image: Any, source: Any) -> None:
        wanted = wishes(name="a", vars_by_name={"a": own}, **task)["a"]
        assert (wanted.image, wanted.source) == (image, source)

    @pytest.mark.parametrize(
        ("values", "said"),
        [
            ({"w9": {"cpu": 1}}, "does not name such a container"),
            ({"w[1:9]": {"cpu": 1}}, "does not name such a container"),
            ({"w1": {"cpus": 1}}, "autostart, cpu, egress, environment"),
            ({"w1": {"state": "absent"}}, "autostart, cpu, egress, environment"),
            ({"w1": 7}, "there are options"),
            ({"w1": None}, "there are options"),
            ({"W1": {}}, "lower-case"),
            ({"w1": {"cpu": "lots"}}, "number of processors"),
            ({"w1": {"memory": 1}}, "MiB"),
            ({"w1": {"environment": "A=b"}}, "a value for each name"),
            ({"w1": {"autostart": "perhaps"}}, "true or false"),
            ({"w1": {"owner": 7}}, "printable"),
            ({"w1": {"expires": "soon"}}, "minutes, hours"),
            ({"w1": {"egress": "open"}}, "allowed are unrestricted, agent, allowlist, learn"),
            ({"w1": {"egress": ["agent"]}}, "allowed are unrestricted, agent, allowlist, learn"),
            ({"w1": {"from": "w1"}}, "clone of itself"),
        ],
    )
    def test_what_is_refused(self, values: dict[str, Any], said: str) -> None:
        with pytest.raises(Invalid, match=said):
            wishes(name="w[1:2]", vars_by_name=values)


def test_each_container_has_an_identity_of_its_own() -> None:
    assert len({wanted.id for wanted in wishes(name="w[01:20]").values()}) == 20
