# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is asked for, as the container is told, and what cannot be asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import devtools_catalogue
from ansible_collections.pixels.sandbox.plugins.module_utils.core.devtools_catalogue import BadCatalogue, catalogue, default_registry
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import Invalid
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.devtools_integrity import parse
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.devtools_facts import DEFAULT, asked, facts, wished

SHA = "ab" * 32


def tool(name: str, **options: Any) -> dict[str, Any]:
    return next(found for found in wished(**options)["tools"] if found["name"] == name)


class TestCatalogue:
    def test_every_archive_is_pinned(self) -> None:
        for entry in catalogue().tools.values():
            assert entry.platforms
            for archive in entry.platforms.values():
                assert parse(archive.integrity)[0] == "sha512" and archive.version and archive.programs
        assert set(catalogue().tools) == {"mise", "node", "npm", "claude-code", "codex", "opencode"}

    def test_no_two_put_the_same_name_on_the_path(self) -> None:
        names = [program for entry in wished()["tools"] for program in entry["programs"]] + list(wished()["packages"]["links"])
        assert sorted(names) == sorted({"mise", "node", "npm", "npx", "claude", "codex", "opencode", "fd", "rg"})

    def test_the_registry_is_the_one_that_agents_reach(self) -> None:
        assert default_registry().startswith("https://registry.")

    @pytest.mark.parametrize("text", ["", "[", "version: 2", "version: 1", "version: 1\ntools: [{name: a}]"])
    def test_damage(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "tools.yml"
        path.write_text(text)
        with pytest.raises(BadCatalogue):
            catalogue.__wrapped__(path)
        with pytest.raises(BadCatalogue):
            catalogue.__wrapped__(tmp_path / "missing.yml")
        assert devtools_catalogue.FILE.is_file()


class TestPlatforms:
    def test_where_archives_come_from(self) -> None:
        claude = tool("claude-code")
        assert claude["url"].startswith(f"{DEFAULT}/@anthropic-ai/claude-code-linux-x64/-/claude-code-linux-x64-2.") and claude["integrity"]
        assert tool("codex")["url"].endswith(f"/@openai/codex/-/codex-{tool('codex')['version']}-linux-x64.tgz")
        assert tool("npm")["url"].endswith(f"/npm/-/npm-{tool('npm')['version']}.tgz")

    def test_processors(self) -> None:
        arm = {"processor": "aarch64"}
        assert "linux-arm64" in tool("claude-code", system=arm)["url"] and "aarch64" in tool("codex", system=arm)["programs"]["codex"]
        assert (
            "baseline" in tool("opencode", system={"avx2": False})["url"] and "baseline" not in tool("node", system={"avx2": False})["url"]
        )
        assert "musl" in tool("claude-code", system={"musl": True}, tools={"npm": False})["url"]

    def test_what_there_is_not_is_left_out_with_a_warning_and_refused_by_name(self) -> None:
        made = asked(facts(system={"processor": "aarch64"}))
        assert made.warnings == ["mise is left out: there is none for aarch64"] and "mise" not in made.after["tools"]
        with pytest.raises(Invalid, match="there is none for aarch64"):
            asked(facts(system={"processor": "aarch64"}), install=["mise"])
        own = {"mise": {"url": "https://a.example.org/mise", "version": "1.2.3", "sha256": SHA}}
        assert tool("mise", system={"processor": "aarch64"}, tools=own)["programs"] == {"mise": "bin/mise"}


class TestChoice:
    def test_in_their_order(self) -> None:
        assert [found["name"] for found in wished(install=["npm", "node"])["tools"]] == ["node", "npm"]
        assert wished(install=[])["tools"] == [] and "git" in wished(install=[])["packages"]["names"]

    @pytest.mark.parametrize("no", [False, "false", "no"])
    def test_left_out(self, no: Any) -> None:
        assert "codex" not in [found["name"] for found in wished(tools={"codex": no})["tools"]]
        assert wished(tools={"packages": no}, packages=["tree"])["packages"]["names"] == ["tree"]

    def test_more(self) -> None:
        wish = wished(packages=["tree", " git "], npm=["typescript@5.9.3", "@scope/tool@1.0.0-rc.1"])
        assert {"tree", "git", "ripgrep"} <= set(wish["packages"]["names"])
        assert [(extra["name"], extra["version"]) for extra in wish["npm"]] == [("typescript", "5.9.3"), ("@scope/tool", "1.0.0-rc.1")]


class TestRegistry:
    def test_the_order(self) -> None:
        def registry(**options: Any) -> str:
            found = facts(registry=options.pop("own", None))
            return str(asked(found, **options).request["wish"]["tools"][0]["url"]).partition("/@")[0]

        assert registry() == DEFAULT and registry(own="https://own.example.org/npm/") == "https://own.example.org/npm"
        assert registry(own="https://own.example.org", npm_registry="https://given.example.org/") == "https://given.example.org"

    def test_what_was_given_is_for_npm_too(self) -> None:
        assert wished()["settings"] == {"npm_registry": None, "pypi_index": None}
        given = wished(npm_registry="https://given.example.org/npm", pypi_index="https://given.example.org/simple/")["settings"]
        assert given == {"npm_registry": "https://given.example.org/npm/", "pypi_index": "https://given.example.org/simple/"}


class TestOverrides:
    def test_another_version_asks_the_registry(self) -> None:
        found = tool("codex", tools={"codex": {"version": "0.172.0"}})
        assert found["url"].endswith("codex-0.172.0-linux-x64.tgz") and found["integrity"] is None
        assert found["ask"] == f"{DEFAULT}/@openai%2Fcodex/0.172.0-linux-x64"

    def test_the_same_version_stays_pinned(self) -> None:
        assert tool("codex", tools={"codex": {"version": tool("codex")["version"]}}) == tool("codex")

    def test_another_version_with_its_checksum(self) -> None:
        found = tool("codex", tools={"codex": {"version": "0.172.0", "sha256": SHA}})
        assert found["integrity"].startswith("sha256-") and found["ask"] is None

    def test_a_mirror_without_tls_serves_what_is_pinned_and_nothing_else(self) -> None:
        assert tool("codex", npm_registry="http://192.0.2.1:4873/")["url"].startswith("http://192.0.2.1:4873/@openai/")
        with pytest.raises(Invalid, match="it needs its integrity"):
            wished(npm_registry="http://192.0.2.1:4873/", tools={"codex": {"version": "0.172.0"}})

    @pytest.mark.parametrize(
        ("url", "single"), [("x/mise", True), ("x/mise.tar.gz", False), ("x/mise.tgz?a=b", False), ("x/mise.tar.xz", False)]
    )
    def test_a_place_of_its_own(self, url: str, single: bool) -> None:
        given = {"url": f"https://a.example.org/{url}", "version": "1.2.3", "sha256": SHA}
        found = tool("mise", tools={"mise": given})
        assert (found["url"], found["version"], found["single"]) == (given["url"], "1.2.3", single)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown tool": ({"install": ["emacs"]}, "known are mise, node"),
    "an unknown override": ({"tools": {"emacs": {"version": "1"}}}, "known are packages, mise"),
    "an unknown key": ({"tools": {"mise": {"verison": "1"}}}, "verison is not known"),
    "a text for a tool": ({"tools": {"mise": "1.2.3"}}, "a dictionary"),
    "a version for packages": ({"tools": {"packages": {"version": "1"}}}, "a dictionary"),
    "a range": ({"tools": {"mise": {"version": "^1"}}}, "a version is exact"),
    "the latest": ({"tools": {"mise": {"version": "latest"}}}, "a version is exact"),
    "a path as a version": ({"tools": {"mise": {"version": "1/../../x"}}}, "a version is exact"),
    "a bad checksum": ({"tools": {"mise": {"version": "1.0", "sha256": "xyz"}}}, "64 hexadecimal"),
    "a weak checksum": ({"tools": {"mise": {"version": "1.0", "integrity": "sha1-abc"}}}, "allowed is one of sha512"),
    "a url without a checksum": ({"tools": {"mise": {"url": "https://a.example.org/x", "version": "1.0"}}}, "needs sha256 or integrity"),
    "a url without a version": ({"tools": {"mise": {"url": "https://a.example.org/x", "sha256": SHA}}}, "needs version"),
    "another scheme": ({"tools": {"mise": {"url": "file:///etc/passwd", "version": "1", "sha256": SHA}}}, "http or https"),
    "a program outside": ({"tools": {"mise": {"programs": {"mise": "../x"}}}}, "paths in the archive"),
    "a program elsewhere": ({"tools": {"mise": {"programs": {"../mise": "x"}}}}, "paths in the archive"),
    "npm without node": ({"install": ["npm"]}, "no use without node"),
    "npm without a version": ({"npm": ["typescript"]}, "exact version"),
    "npm by a range": ({"npm": ["typescript@^5"]}, "a version is exact"),
    "npm from elsewhere": ({"npm": ["x@https://a.example.org/x.tgz"]}, "a version is exact"),
    "an option for npm": ({"npm": ["--global@1.0"]}, "the name and the exact version"),
    "npm twice": ({"npm": ["a@1.0", "a@2.0"]}, "is there already"),
    "npm a tool": ({"npm": ["codex@1.0"]}, "is there already"),
    "an option for apt": ({"packages": ["-o=x"]}, "a package of the distribution"),
    "a file for apt": ({"packages": ["./x.deb"]}, "a package of the distribution"),
    "no url": ({"npm_registry": "npm.example.org"}, "http or https URL"),
    "a password": ({"npm_registry": "https://me:secret@npm.example.org/"}, "all users could read"),
    "two lines": ({"pypi_index": "https://a.example.org/\nextra-index-url=x"}, "http or https URL"),
    "no time": ({"timeout": 1}, "from 60 to"),
}


@pytest.mark.parametrize("name", list(BAD))
def test_what_cannot_be(name: str) -> None:
    options, said = BAD[name]
    with pytest.raises(Invalid, match=said) as caught:
        wished(**options)
    assert "secret" not in caught.value.message
