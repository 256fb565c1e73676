# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Definitions of bases: what may be in one, what builds on what, and what makes it another one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import base_definition
from ansible_collections.pixels.sandbox.plugins.module_utils.core.base_definition import Definition, Definitions, made_of, read, shipped
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError, Invalid

TOOLS = {"node": "24.1.0", "codex": "0.60.0"}


def written(folder: Path, text: str, name: str = "web") -> Path:
    path = folder / f"{name}.yml"
    path.write_text(text)
    return path


def test_all_of_it(tmp_path: Path) -> None:
    text = """
description: >
  For the
  web.
from: debian/12
devtools: [node]
packages: [tree, libfoo=1.2]
npm: ["@scope/tool@1.2.3"]
script: |
  echo 1
script_user: agent
role: acme.boxes.settings
egress: agent
allow: [git.example.org:22, {cidr: 192.168.20.5/32, port: 8443}]
tests:
  - tree --version | head -1
"""
    assert read(written(tmp_path, text), "web") == Definition(
        "web",
        image="debian/12",
        devtools=("node",),
        packages=("tree", "libfoo=1.2"),
        npm=("@scope/tool@1.2.3",),
        script="#!/bin/sh -e\necho 1\n",
        script_user="agent",
        role="acme.boxes.settings",
        tests=("tree --version | head -1",),
        description="For the web.",
        egress="agent",
        allow=("git.example.org:22", "192.168.20.5/32:8443"),
    )


def test_next_to_nothing(tmp_path: Path) -> None:
    definition = read(written(tmp_path, "devtools: all\n"), "web")
    assert definition == Definition("web", devtools=None)
    assert definition.made_of is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "values by name"),
        ("- a", "values by name"),
        ("{", "no YAML"),
        ("pakages: [a]", "'pakages' is unknown"),
        ("devtools: node", "list, or all"),
        ("packages: tree", "it is a list"),
        ("packages: ['tree; reboot']", "one name"),
        ("packages: ['-o']", "one name"),
        ("npm: ['']", "one name"),
        ("script: [a]", "it is a text"),
        ("tests: [1]", "it is a text"),
        ("script_user: pixel", "root or agent"),
        ("egress: some", "allowed are unrestricted, agent"),
        ("egress: [agent]", "it is a text"),
        ("{egress: agent, allow: example.org}", "it is a list"),
        ("{egress: agent, allow: ['http://x']}", "allow"),
        ("allow: [example.org]", "it goes with egress=agent, allowlist, learn"),
        ("{egress: unrestricted, allow: [example.org]}", "it goes with"),
        ("from: Dev", "an image as in"),
        ("from: 'dev:'", "a checkpoint of it"),
    ],
)
def test_what_is_wrong_is_told_with_the_file(tmp_path: Path, text: str, told: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(CoreError, match=told) as caught:
        read(path, "web")
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "image", "source", "parent"),
    [
        ("", None, None, None),
        ("ubuntu/24.04", "ubuntu/24.04", None, None),
        ("0123456789abcdef", "0123456789abcdef", None, None),
        ("box:ready", None, "box:ready", None),
        ("dev", None, None, "dev"),
    ],
)
def test_what_it_is_made_of(text: str, image: str | None, source: str | None, parent: str | None) -> None:
    found = made_of(Definition("web", image="other/1"), text)
    assert (found.image, found.source, found.parent) == (image, source, parent)


def test_a_script_with_an_interpreter_of_its_own_keeps_it() -> None:
    assert base_definition.script("#!/usr/bin/python3\n1\n") == "#!/usr/bin/python3\n1\n"
    assert base_definition.script(" \n") == ""


def test_whatever_makes_another_base_of_it_changes_the_digest() -> None:
    plain = Definition("web", devtools=("node",), tests=("true",))
    others = [
        replace(plain, image="debian/13"),
        replace(plain, parent="dev"),
        replace(plain, devtools=None),
        replace(plain, packages=("tree",)),
        replace(plain, npm=("a@1",)),
        replace(plain, script="#!/bin/sh\n"),
        replace(plain, script_user="agent"),
        replace(plain, role="r"),
        replace(plain, tests=("false",)),
        replace(plain, egress="agent"),
        replace(plain, allow=("example.org",)),
    ]
    digests = [entry.digest("debian/12", TOOLS) for entry in [plain, *others]]
    digests += [plain.digest("debian/11", TOOLS), plain.digest("debian/12", {**TOOLS, "node": "25.0.0"})]
    assert len(set(digests)) == len(digests)
    assert replace(plain, description="other").digest("debian/12", TOOLS) == digests[0]
    assert replace(plain, image="debian/12").digest("x/1", TOOLS) == digests[0]
    assert plain.digest("debian/12", {**TOOLS, "codex": "1.0.0"}) == digests[0], "a tool that it does not have"


class TestChain:
    def test_in_the_order_of_building(self, tmp_path: Path) -> None:
        written(tmp_path, "from: lower", "middle")
        written(tmp_path, "", "lower").write_text("packages: [a]")
        known = Definitions([written(tmp_path, "from: middle", "upper")])
        assert [entry.base for entry in known.chain(known.get("upper"))] == ["lower", "middle", "upper"]

    def test_what_lies_beside_counts_before_what_is_shipped(self, tmp_path: Path) -> None:
        written(tmp_path, "packages: [mine]", "dev")
        known = Definitions([written(tmp_path, "from: dev", "web")])
        assert known.get("dev").packages == ("mine",)
        assert Definitions().get("dev").packages == ()

    def test_a_circle(self, tmp_path: Path) -> None:
        written(tmp_path, "from: b", "a")
        known = Definitions([written(tmp_path, "from: a", "b")])
        with pytest.raises(CoreError, match="circle"):
            known.chain(known.get("b"))

    def test_one_that_is_not_there(self, tmp_path: Path) -> None:
        known = Definitions([written(tmp_path, "from: nothing", "web")])
        with pytest.raises(Invalid, match="there are dev, node, python"):
            known.chain(known.get("web"))


def test_the_shipped_ones_are_good() -> None:
    known = Definitions()
    assert shipped() == ["dev", "node", "python"]
    for base in shipped():
        definition = known.get(base)
        assert definition.description and definition.tests
        assert known.chain(definition)[0].base == "dev"
    assert known.get("dev").devtools is None


def test_the_tools_and_their_versions_are_known() -> None:
    """They are in a file of the role that installs them."""
    assert {"node", "claude-code", "codex", "opencode"} <= set(base_definition.tool_versions())
