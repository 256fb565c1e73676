# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The action plugin `devtools`: a look, a plan, and a second visit only where there is something to do."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from ansible_collections.pixels.sandbox.plugins.action import devtools as action
from ansible_collections.pixels.sandbox.plugins.module_utils.core.devtools_catalogue import default_registry
from ansible_collections.pixels.sandbox.plugins.plugin_utils import variables as plugin_variables
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.devtools_facts import DEFAULT, after, asked, facts

DONE = {"changed": True, "steps": ["program", "wish", "start"], "invocation": {"module_args": {}}}
Run = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("PIXELS_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(action, "default_registry", lambda: DEFAULT)


@pytest.fixture
def visits() -> list[dict[str, Any]]:
    """The requests that were made of the container."""
    return []


@pytest.fixture
def task(visits: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> Run:
    def run(
        args: dict[str, Any], *given: dict[str, Any], check: bool = False, diff: bool = False, variables: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        answers = list(given)
        variables = {"inventory_hostname": "task1", **(variables or {})}
        plugin = action.ActionModule(
            task=SimpleNamespace(
                args=dict(args), async_val=0, check_mode=check, diff=diff, action="pixels.sandbox.devtools", environment=[]
            ),
            connection=MagicMock(),
            play_context=MagicMock(),
            loader=DataLoader(),
            templar=Templar(DataLoader(), variables=variables),
        )

        def execute(name: str, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
            assert name == "pixels.sandbox.devtools"
            visits.append(options["request"])
            return dict(answers.pop(0))

        plugin._execute_module = execute
        return plugin.run(task_vars=variables)

    return run


def seen(found: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"changed": False, "facts": facts() if found is None else found}


def doings(visits: list[dict[str, Any]]) -> list[str]:
    return [visit["do"] for visit in visits]


def test_look_plan_place(task: Run, visits: list[dict[str, Any]]) -> None:
    result = task({"packages": ["tree"]}, seen(), DONE)
    assert doings(visits) == ["look", "place"] and visits[1]["start"]
    assert (result["changed"], result["steps"], result["devtools"]["status"]) == (True, DONE["steps"], "pending")
    assert "tree" in result["devtools"]["packages"] and result["devtools"]["tools"]["node"]
    assert "request" not in str(result) and "invocation" not in result


@pytest.mark.parametrize("status", ["running", "done"])
def test_nothing_to_do_is_one_visit(task: Run, visits: list[dict[str, Any]], status: str) -> None:
    result = task({}, seen(after(asked(), status)))
    assert (result["changed"], result["devtools"]["status"], doings(visits)) == (False, status, ["look"])


def test_check_mode_sends_nothing(task: Run, visits: list[dict[str, Any]]) -> None:
    result = task({"install": ["node"]}, seen(after(asked())), check=True, diff=True)
    assert result["changed"] and doings(visits) == ["look"]
    assert "codex" in result["diff"]["before"]["tools"] and result["diff"]["after"]["tools"].keys() == {"node"}


def test_an_empty_answer_of_a_survey_is_none(task: Run) -> None:
    result = task({"install": "", "npm_registry": "", "tools": "", "user": "", "timeout": ""}, seen(after(asked())))
    assert not result["changed"]


def test_the_account_is_the_configured_one(task: Run, visits: list[dict[str, Any]]) -> None:
    task({}, seen(), DONE, variables={"pixels_ssh_user": "coder"})
    assert visits[1]["wish"]["user"] == "coder"
    task({"user": "other"}, seen(), DONE, variables={"pixels_ssh_user": "coder"})
    assert visits[3]["wish"]["user"] == "other"


class TestFailures:
    def test_what_cannot_be_is_refused_before_the_container_is_touched(self, task: Run, visits: list[dict[str, Any]]) -> None:
        result = task({"install": ["emacs"]}, seen())
        assert result["failed"] and "known are mise" in result["msg"] and doings(visits) == ["look"]
        with pytest.raises(AnsibleActionFail):
            task({"timeout": "long"}, seen())

    def test_a_container_that_is_not_reached(self, task: Run) -> None:
        assert task({}, {"unreachable": True, "msg": "no route"}) == {"unreachable": True, "msg": "no route"}

    def test_a_module_that_fails(self, task: Run) -> None:
        result = task({}, seen(), {"failed": True, "msg": "systemctl restart ended with status 1", "log": ["x"]})
        assert result["failed"] and result["log"] == ["x"] and "devtools" not in result


def test_the_default_registry_is_read_here() -> None:
    assert default_registry().startswith("https://")


def test_the_profile_of_the_command_line_reaches_it(task: Run, visits: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """As with -e profile=, which is no variable of ours by its name."""
    config = Path(os.environ["HOME"]) / ".config" / "pixels" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('[profiles.home.ssh]\nuser = "somebody"\n')
    config.chmod(0o600)
    monkeypatch.setattr(plugin_variables, "load_extra_vars", lambda loader: {"profile": "home"})
    task({}, seen(), DONE)
    assert visits[1]["wish"]["user"] == "somebody"
