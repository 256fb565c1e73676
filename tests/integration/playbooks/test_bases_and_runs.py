# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""base_build, base_list and agent_run where no container is needed: what is refused, what is planned, and what is listed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playbook import Playbooks
from running_lab import RunningLab


def written(folder: Path, text: str, name: str = "web") -> str:
    path = folder / f"{name}.yml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "which base? There are dev, node, python"),
        ({"base": "", "definition": ""}, "which base?"),
        ({"base": "nothing"}, "no such definition; there are dev, node, python"),
        ({"base": "../x"}, "base"),
        ({"base": "dev", "name": "a" * 56}, "55 characters"),
        ({"base": "dev", "name": "Dev"}, "name"),
        ({"base": "python", "name": "dev"}, "builds on one of that name"),
        ({"base": "dev", "label": "a b"}, "label"),
        ({"base": "dev", "image": "debian/12", "from": "dev"}, "mutually exclusive"),
        ({"base": "dev", "from": "dev"}, "circle"),
        ({"base": "dev", "script": "/nowhere"}, "No such file"),
        ({"base": "dev", "egress": "some"}, "allowed are"),
        ({"base": "dev", "allow": "http://x"}, "allow"),
        ({"base": "dev", "allow": "example.org"}, "it goes with egress=agent"),
        ({"base": "dev", "allow": "example.org", "egress": "unrestricted"}, "it goes with egress=agent"),
        ({"definition": "/nowhere/web.yml"}, "cannot be read"),
    ],
)
def test_a_base_that_cannot_be_is_refused_before_anything(given: dict[str, Any], told: str, playbook: Playbooks, lab: RunningLab) -> None:
    since = lab.mark()
    run = playbook("base_build", **given)
    assert run.rc == 2 and told in run.failures()[-1], run.output
    assert lab.changes(since) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("pakages: [x]", "'pakages' is unknown"),
        ("devtools: [emacs]", "wants the tool emacs; there are"),
        ("from: nothing", "no such definition"),
        ("egress: some", "allowed are"),
        ("allow: [example.org]", "it goes with egress=agent"),
    ],
)
def test_so_is_a_definition_with_a_mistake(text: str, told: str, playbook: Playbooks, lab: RunningLab, tmp_path: Path) -> None:
    since = lab.mark()
    run = playbook("base_build", definition=written(tmp_path, text))
    assert run.rc == 2 and told in run.failures()[-1], run.output
    assert lab.changes(since) == []


def test_what_it_builds_on_is_in_the_plan(playbook: Playbooks, lab: RunningLab) -> None:
    since = lab.mark()
    run = playbook("base_build", base="python", image="", label="", check=True).succeeded()
    plan = run.last("base_info")["plan"]
    assert [line for line in plan if not line.startswith(" ")] == [
        "dev: missing; build (there is none)",
        "python: missing; build (there is none)",
    ]
    assert "  make python of dev:ready" in plan
    assert lab.changes(since) == []


def test_one_that_is_no_base_is_left_alone(playbook: Playbooks, lab: RunningLab, tmp_path: Path) -> None:
    playbook("create", container="web", provision=False).succeeded()
    since = lab.mark()
    run = playbook("base_build", definition=written(tmp_path, "packages: [tree]"))
    assert run.rc == 2 and "web exists and is no base, so it is left alone" in run.failures()[-1]
    assert lab.changes(since) == []


def test_the_list(playbook: Playbooks, lab: RunningLab, tmp_path: Path) -> None:
    assert "No bases." in playbook("base_list").succeeded().stdout
    file = written(tmp_path, "from: debian/12")
    own = playbook("base_build", definition=file, check=True).last("base_info")["steps"][0]["labels_published"]["definition"]
    labels = {"good": own, "old": "0123456789abcdef"}
    for name, digest in labels.items():
        options = {"name": name, "state": "present", "labels": {"base": "web", "definition": digest, "checkpoint": "ready"}}
        playbook.tasks(
            {"name": "Make", "pixels.sandbox.container": options},
            {"name": "Take", "pixels.sandbox.checkpoint": {"container": name, "label": "ready"}},
        ).succeeded()
    options = {"name": "half", "state": "present", "labels": {"base": "web", "building": own}}
    playbook.tasks(
        {"name": "Make", "pixels.sandbox.container": options},
        {"name": "Clone", "pixels.sandbox.container": {"name": "c1", "from": "good:ready", "state": "present"}},
    ).succeeded()
    run = playbook("base_list", definition=file).succeeded()
    lines = [re.split(r"\s{2,}", line.strip()) for line in run.stdout.splitlines()]
    assert ["BASE", "FROM", "CHECKPOINT", "CREATED", "SIZE", "CLONES", "STATE"] in lines, run.stdout
    rows = {line[0]: line for line in lines}
    assert rows["web (good)"][1:3] == ["debian/12", "ready"] and rows["web (good)"][-2:] == ["1", "published"]
    assert rows["web (old)"][-2:] == ["0", "definition changed"]
    assert rows["web (half)"][-1] == "half-built"
    assert "c1" not in rows


def test_a_policy_that_was_given_once_is_kept(playbook: Playbooks, lab: RunningLab, tmp_path: Path) -> None:
    """A base of a restricted policy and another image than its definition's, as base_build leaves it."""
    file = written(tmp_path, "packages: [tree]")
    given: dict[str, Any] = {"egress": "allowlist", "allow": "git.example.org:22,192.168.20.5/32:8443", "image": "debian/13"}
    labels = playbook("base_build", definition=file, check=True, **given).last("base_info")["steps"][0]["labels_published"]
    assert (labels["egress"], labels["allow"], labels["from"]) == ("allowlist", given["allow"], "debian/13")
    web = {"name": "web", "state": "present", "egress": "allowlist"}
    playbook.tasks(
        {"name": "Make", "pixels.sandbox.container": {**web, "labels": labels}},
        {"name": "Take", "pixels.sandbox.checkpoint": {"container": "web", "label": "ready"}},
    ).succeeded()
    since = lab.mark()
    listed = playbook("base_list", definition=file).succeeded().last("base_info")["bases"][0]
    assert (listed["state"], listed["from"]) == ("published", "debian/13")
    assert "nothing to do" in playbook("base_build", definition=file, check=True).succeeded().stdout
    run = playbook("base_build", definition=file, rebuild=True, check=True).succeeded()
    assert "put in force: egress allowlist, and allow git.example.org:22, 192.168.20.5/32:8443, as before" in run.stdout
    assert lab.changes(since) == []
    # Nobody knows of a policy that was given to it later.
    bare = {key: text for key, text in labels.items() if key not in ("egress", "allow")}
    playbook.tasks({"name": "Forget", "pixels.sandbox.container": {**web, "labels": bare}}).succeeded()
    run = playbook("base_build", definition=file, rebuild=True)
    assert run.rc == 2 and "web is restricted (egress=allowlist), and nothing says what the new one may reach" in run.failures()[-1]
    run = playbook("base_build", definition=written(tmp_path, "egress: agent"), rebuild=True, check=True).succeeded()
    assert run.last("base_info")["steps"][0]["egress"] == "agent"


BOTH = {"agent": "claude", "task_text": "go", "from": "base:ready"}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "Which agent? Give -e agent=NAME, one of claude, codex, opencode"),
        ({**BOTH, "cmd": "true"}, "one of the three"),
        ({**BOTH, "agent": "clod"}, "agent=clod? There are claude, codex, opencode"),
        ({**BOTH, "task_text": ""}, "Which task?"),
        ({**BOTH, "task": "x.md"}, "either a file, task, or a text"),
        ({**BOTH, "task_text": "", "task": "/nowhere/task.md"}, "file that can be read"),
        ({**BOTH, "from": ""}, "Where? Give from=dev:ready"),
        ({**BOTH, "container": "box"}, "Where?"),
        ({**BOTH, "from": "", "container": "box"}, "there is no such container"),
        ({**BOTH, "from": "", "container": "box", "name": "x"}, "name is for a new container"),
        ({**BOTH, "from": "", "container": "box", "keep": "never"}, "keep is for a new container"),
        ({**BOTH, "keep": "sometimes"}, "keep is never, failed or always"),
        ({**BOTH, "time_limit": "soon"}, "time_limit is a number"),
        ({**BOTH, "egress": "none"}, "egress is unrestricted"),
        ({**BOTH, "allow": "http://x"}, "allow"),
        ({**BOTH, "user": "root"}, "claude refuses to work so as root"),
        ({**BOTH, "agent_args": "--verbose"}, "a list of words"),
        ({"argv": ["x"], "from": "base:ready", "model": "large"}, "model and agent_args go with agent"),
        ({**BOTH, "name": ["a", "b"]}, "for many there is fleet.yml"),
        ({**BOTH, "name": "A"}, "name"),
        ({**BOTH, "repository": "/nowhere"}, "repository"),
        ({**BOTH, "collect": "../x"}, "collect"),
        ({**BOTH, "name": "w1"}, "from=base:ready"),
    ],
)  # fmt: skip
def test_a_run_that_cannot_be_is_refused_before_anything(given: dict[str, Any], told: str, playbook: Playbooks, lab: RunningLab) -> None:
    since = lab.mark()
    run = playbook("agent_run", cwd=playbook.home, **given)
    assert run.rc == 2 and told in run.failures()[-1], run.output
    assert lab.changes(since) == []
    assert list(playbook.home.glob("agent-run-*")) == []


def test_a_run_in_check_mode_says_what_it_would_do(playbook: Playbooks, lab: RunningLab) -> None:
    playbook("create", container="base", provision=False).succeeded()
    playbook("checkpoint_create", container="base", label="ready").succeeded()
    since = lab.mark()
    run = playbook("agent_run", check=True, name="w1", results="out", **BOTH).succeeded()
    assert "Would make w1 of base:ready" in run.stdout
    assert "Would run: claude --print --permission-mode bypassPermissions" in run.stdout
    run = playbook("agent_run", check=True, results="out", **{**BOTH, "from": "", "container": "base", "agent": "codex"}).succeeded()
    assert "Would start base if need be" in run.stdout
    assert lab.changes(since) == []
