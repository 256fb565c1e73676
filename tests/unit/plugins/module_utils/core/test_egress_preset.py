# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The preset of the mode agent: the file as it is shipped, and what happens when it is not what it should be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ansible_collections.pixels.sandbox.plugins.module_utils.core import egress_preset, egress_suffix
from ansible_collections.pixels.sandbox.plugins.module_utils.core.egress_entry import parse
from ansible_collections.pixels.sandbox.plugins.module_utils.core.egress_policy import Policy, covered_by, effective
from ansible_collections.pixels.sandbox.plugins.module_utils.core.egress_preset import BadPreset, agent_preset, preset_groups

GROUPS = {
    "Anthropic", "OpenAI", "Google", "npm", "PyPI", "crates.io", "Go", "GitHub", "GitLab", "mise", "Node.js", "Ubuntu", "Debian",
}  # fmt: skip
GROUP = "- {title: One, why: Because., entries: [a.example.org]}"


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    egress_preset._groups.cache_clear()
    yield
    egress_preset._groups.cache_clear()


def test_the_groups() -> None:
    groups = preset_groups()
    titles = [title for title, _entries in groups]
    assert set(titles) >= GROUPS
    assert len(titles) == len(set(titles))
    assert all(entries for _title, entries in groups)


def test_every_group_says_why_and_every_entry_is_in_its_one_spelling() -> None:
    data = yaml.safe_load(egress_preset.FILE.read_text(encoding="utf-8"))
    for group in data["groups"]:
        assert group["why"].strip().endswith(".")
        assert group["entries"] == sorted(group["entries"])
        assert [parse("entries", value).value for value in group["entries"]] == group["entries"]


def test_no_entry_twice_and_all_of_them() -> None:
    entries = [entry for _title, group in preset_groups() for entry in group]
    assert len(entries) == len(set(entries))
    assert agent_preset() == tuple(sorted(entries))


def test_no_ranges_and_no_name_that_belongs_to_everybody() -> None:
    for entry in agent_preset():
        assert entry.kind in ("name", "port"), entry.text
        assert not egress_suffix.anybody_below(entry.name), entry.text


@pytest.mark.parametrize("text", ["github.com:22", "gitlab.com:22"])
def test_the_forges_by_ssh(text: str) -> None:
    assert parse("entries", text) in agent_preset()


def test_no_other_ports() -> None:
    assert {entry.port for entry in agent_preset()} == {0, 22}


@pytest.mark.parametrize(
    "host",
    [
        "storage.googleapis.com",
        "www.googleapis.com",
        "s3.amazonaws.com",
        "bucket.s3.amazonaws.com",
        "tenant.blob.core.windows.net",
        "anybody.githubusercontent.com",
        "anybody.github.io",
    ],
)
def test_storage_that_anybody_can_rent_is_not_reached(host: str) -> None:
    assert not covered_by(parse("host", host), effective(Policy("agent"), agent_preset()))


def _use(path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text(text, encoding="utf-8")
    monkeypatch.setattr(egress_preset, "FILE", path)


def test_titles_and_entries_in_the_order_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = ("- {title: B, why: x, entries: [b.example.org, a.example.org]}", "- {title: A, why: x, entries: [b.example.org]}")
    text = "\n".join(["version: 1", "groups:", *groups])
    _use(tmp_path / "preset.yml", text, monkeypatch)
    one, other = parse("x", "a.example.org"), parse("x", "b.example.org")
    assert preset_groups() == [("B", (other, one)), ("A", (other,))]
    assert agent_preset() == (one, other)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is not of version 1"),
        ("[]", "is not of version 1"),
        (f"version: 2\ngroups:\n{GROUP}\n", "is not of version 1"),
        (f"groups:\n{GROUP}\n", "is not of version 1"),
        ("version: 1\ngroups: []\n", "is not of version 1"),
        ("version: 1\ngroups: {}\n", "is not of version 1"),
        ("version: 1\ngroups: [a.example.org]\n", "has a group that is not of"),
        ("version: 1\ngroups: [{title: One, entries: [a.example.org]}]\n", "has a group that is not of"),
        ("version: 1\ngroups: [{title: One, why: x, entries: a.example.org}]\n", "has a group that is not of"),
        ("version: 1\ngroups: [{title: One, why: x, entries: ['*.com']}]\n", "anybody can get a name below com"),
        ("version: 1\ngroups: [{title: One, why: x, entries: [null]}]\n", "an entry that cannot be"),
        ("version: [\n", "is no YAML"),
        ("version: !!python/object:os.system x\n", "is no YAML"),
    ],
)
def test_a_file_that_is_not_right_is_an_error(text: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "preset.yml"
    _use(path, text, monkeypatch)
    for get in (agent_preset, preset_groups):
        with pytest.raises(BadPreset, match=why) as caught:
            get()
        assert str(path) in caught.value.message


def test_a_file_that_is_missing_or_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(egress_preset, "FILE", tmp_path / "none")
    with pytest.raises(BadPreset, match="cannot be read"):
        agent_preset()
    (tmp_path / "none").write_bytes(b"\xff\xfe")
    with pytest.raises(BadPreset, match="not UTF-8"):
        agent_preset()
