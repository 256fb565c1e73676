# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The action plugin `egress`: two visits to the container with a plan between them. The container answers from a list."""

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

from ansible_collections.pixels.sandbox.plugins.action import egress as action
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.egress_facts import after, asked, facts

INFO, CHANGE = "pixels.sandbox.egress_info", "pixels.sandbox.egress"
DONE = {"changed": True, "steps": ["files", "rules"], "invocation": {"module_args": {}}}
STALE = {"changed": False, "stale": True, "steps": []}
Run = Callable[..., dict[str, Any]]
Visit = tuple[str, dict[str, Any]]


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("PIXELS_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(action, "display", SimpleNamespace(warning=said.append))
    return said


@pytest.fixture
def visits() -> list[Visit]:
    """The modules that were run in the container, with their options."""
    return []


@pytest.fixture
def answers() -> list[dict[str, Any]]:
    """What the container says, one after the other."""
    return []


@pytest.fixture
def task(visits: list[Visit], answers: list[dict[str, Any]], warnings: list[str]) -> Run:
    def run(
        args: dict[str, Any], *given: dict[str, Any], check: bool = False, diff: bool = False, variables: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        answers[:] = given
        variables = {"inventory_hostname": "task1", **(variables or {})}
        plugin = action.ActionModule(
            task=SimpleNamespace(args=dict(args), async_val=0, check_mode=check, diff=diff, action="pixels.sandbox.egress", environment=[]),
            connection=MagicMock(),
            play_context=MagicMock(),
            loader=DataLoader(),
            templar=Templar(DataLoader(), variables=variables),
        )

        def execute(name: str, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
            visits.append((name, options))
            return dict(answers.pop(0))

        plugin._execute_module = execute
        return plugin.run(task_vars=variables)

    return run


def seen(found: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"changed": False, "egress": {}, "facts": facts() if found is None else found}


def test_look_plan_change(task: Run, visits: list[Visit]) -> None:
    result = task({"mode": "agent", "allow": ["a.example.org"]}, seen(), DONE)
    assert [name for name, _options in visits] == [INFO, CHANGE]
    assert visits[0][1] == {"user": "pixel", "denied": False}
    request = visits[1][1]["request"]
    assert request["expect"] == "" and request["policy"]["mode"] == "agent" and request["user"] == "pixel"
    assert (result["changed"], result["steps"], result["why"]) == (True, ["files", "rules"], [])
    assert result["egress"]["mode"] == "agent" and result["egress"]["allow"] == ["a.example.org"]
    assert "a.example.org" in result["egress"]["entries"]
    assert "request" not in str(result) and "invocation" not in result


def test_nothing_to_do_is_one_visit(task: Run, visits: list[Visit]) -> None:
    result = task({"mode": "agent"}, seen(after(asked(mode="agent"))))
    assert (result["changed"], result["steps"], [name for name, _options in visits]) == (False, [], [INFO])


class TestCheckMode:
    def test_nothing_is_sent(self, task: Run, visits: list[Visit]) -> None:
        result = task({"mode": "allowlist"}, seen(after(asked(mode="agent"))), check=True, diff=True)
        assert (result["changed"], result["egress"]["mode"], [name for name, _options in visits]) == (True, "allowlist", [INFO])
        assert result["diff"]["before"]["mode"] == "agent" and result["diff"]["after"]["mode"] == "allowlist"

    def test_d3_drift_is_a_change(self, task: Run) -> None:
        found = after(asked(mode="agent"), drift=["no rules are loaded"])
        result = task({"mode": "agent"}, seen(found), check=True, diff=True)
        assert result["changed"] and result["why"] == ["no rules are loaded"]
        assert result["diff"]["before"]["in_force"] == ["no rules are loaded"]

    def test_nobody_is_warned_of_what_does_not_happen(self, task: Run, warnings: list[str]) -> None:
        powerful = facts(user={"name": "pixel", "exists": True, "powers": ["group sudo"]})
        task({"mode": "agent"}, seen(powerful), check=True)
        assert warnings == []
        task({"mode": "agent"}, seen(powerful), DONE)
        assert len(warnings) == 1 and warnings[0].startswith("task1: pixel could become root before")


def test_d9_cut_alone_is_a_change(task: Run, visits: list[Visit]) -> None:
    found = after(asked(mode="agent"), old_workers=["7"])
    assert task({"cut": True}, seen(found), {"changed": True, "steps": ["cut"]})["steps"] == ["cut"]
    assert visits[1][1]["request"]["cut"] is True
    assert task({"cut": True}, seen(after(asked(mode="agent"))))["changed"] is False


def test_diff_only_where_it_is_asked_for_and_there_is_one(task: Run) -> None:
    assert "diff" not in task({"mode": "agent"}, seen(), DONE)
    assert "diff" not in task({"mode": "agent"}, seen(after(asked(mode="agent"))), diff=True)
    assert task({"mode": "agent"}, seen(), DONE, diff=True)["diff"]["before"] == {"mode": "unrestricted"}


class TestStale:
    def test_it_looks_again_and_plans_on_what_is_there_now(self, task: Run, visits: list[Visit]) -> None:
        first, second = after(asked(mode="allowlist")), after(asked(mode="allowlist", allow=["theirs.example.org"]))
        result = task({"allow": ["ours.example.org"], "append": True}, seen(first), STALE, seen(second), DONE)
        assert [name for name, _options in visits] == [INFO, CHANGE, INFO, CHANGE]
        assert [visit[1]["request"]["expect"] for visit in visits if visit[0] == CHANGE] == [first["digest"], second["digest"]]
        assert result["egress"]["allow"] == ["ours.example.org", "theirs.example.org"] and result["changed"]

    def test_others_have_done_it(self, task: Run) -> None:
        first, second = after(asked(mode="allowlist")), after(asked(mode="agent"))
        result = task({"mode": "agent"}, seen(first), STALE, seen(second))
        assert (result["changed"], result["egress"]["mode"]) == (False, "agent")

    def test_there_is_an_end_to_it(self, task: Run, answers: list[dict[str, Any]]) -> None:
        result = task({"mode": "agent"}, *[seen(), STALE] * action._TRIES)
        assert result["failed"] and "changed by others" in result["msg"] and answers == []


class TestFailures:
    @pytest.mark.parametrize(
        "answer",
        [
            {"failed": True, "msg": "only root can see what is in force; log in as root (ansible_user: root)"},
            {"unreachable": True, "msg": "no route"},
            {"failed": True, "msg": "MODULE FAILURE", "rc": 1},
        ],
    )
    def test_of_the_look(self, task: Run, visits: list[Visit], answer: dict[str, Any]) -> None:
        result = task({"mode": "agent"}, answer)
        assert {key: result[key] for key in answer} == answer and len(visits) == 1

    @pytest.mark.parametrize(
        "answer",
        [
            {"failed": True, "msg": "the container is locked", "locked": True, "log": ["x"], "steps": ["files"], "changed": False},
            {"unreachable": True, "msg": "no route"},
            {"failed": True, "msg": "MODULE FAILURE", "module_stdout": ""},
        ],
    )
    def test_of_the_change(self, task: Run, answer: dict[str, Any]) -> None:
        result = task({"mode": "agent"}, seen(), answer)
        assert {key: result[key] for key in answer} == answer
        assert "egress" not in result, "nothing is told of a policy that is not in force"

    def test_what_cannot_be_planned_sends_nothing(self, task: Run, visits: list[Visit]) -> None:
        result = task({"mode": "agent"}, seen(facts(dns_offered=[])))
        assert result["failed"] and "dns" in result["msg"] and [name for name, _options in visits] == [INFO]

    def test_user_who_stays_root_sends_nothing(self, task: Run, visits: list[Visit]) -> None:
        user = {"name": "pixel", "exists": True, "powers": ["primary group docker"], "unrevokable": ["primary group docker"]}
        result = task({"mode": "agent"}, seen(facts(user=user)))
        assert result["failed"] and "primary group docker" in result["msg"] and [name for name, _options in visits] == [INFO]

    @pytest.mark.parametrize(
        ("args", "words"),
        [
            ({"mode": "strict"}, "unrestricted, agent, allowlist, learn"),
            ({"mode": "agent", "bogus": 1}, "bogus"),
            ({"mode": "agent", "inbound": ["ssh"]}, "inbound"),
            ({"mode": "agent", "request": {"policy": None}}, "request"),
            ({"mode": "agent", "gateway": {"bridge": "br-px1"}}, "bridge"),
        ],
    )
    def test_of_the_options_before_any_visit(self, task: Run, visits: list[Visit], args: dict[str, Any], words: str) -> None:
        with pytest.raises(AnsibleActionFail, match=words):
            task(args, seen())
        assert visits == []


class TestOptions:
    def test_an_empty_answer_is_not_set(self, task: Run) -> None:
        found = after(asked(mode="agent", allow=["a.example.org"], inbound=[8000]))
        empty = dict.fromkeys(("mode", "allow", "deny", "user", "dns", "inbound", "units", "packages", "gateway", "cut"), "")
        result = task({**empty, "append": " ", "initial": ""}, seen(found))
        assert (result["changed"], result["egress"]["allow"]) == (False, ["a.example.org"])

    def test_empty_answer_leaves_name_servers_that_were_given(self, task: Run) -> None:
        found = after(asked(mode="agent", dns=["192.0.2.1"]), dns_offered=["192.0.2.54"])
        assert task({"dns": ""}, seen(found))["changed"] is False

    def test_texts_with_commas(self, task: Run, visits: list[Visit]) -> None:
        task({"mode": "allowlist", "allow": "b.example.org, a.example.org", "dns": "192.0.2.1,192.0.2.2", "inbound": "80"}, seen(), DONE)
        policy = visits[1][1]["request"]["policy"]
        assert (policy["allow"], policy["dns"], policy["inbound"]) == (
            ["a.example.org", "b.example.org"],
            ["192.0.2.1", "192.0.2.2"],
            [22, 80],
        )


class TestUser:
    def test_given(self, task: Run, visits: list[Visit]) -> None:
        result = task({"mode": "agent", "user": "worker"}, seen(), DONE)
        assert visits[0][1]["user"] == visits[1][1]["request"]["user"] == result["egress"]["user"] == "worker"

    def test_of_the_policy(self, task: Run, visits: list[Visit]) -> None:
        result = task({"mode": "learn"}, seen(after(asked(mode="agent", user="worker"))), DONE)
        assert visits[1][1]["request"]["user"] == result["egress"]["user"] == "worker"

    @pytest.mark.parametrize("options", [{}, {"mode": "agent"}, {"mode": "unrestricted"}])
    def test_it_is_told_whatever_there_is_to_do(self, task: Run, options: dict[str, Any]) -> None:
        result = task(options, seen(after(asked(mode="agent", user="worker"))), {"changed": True, "steps": ["released"]})
        assert result["egress"]["user"] == "worker"

    def test_of_the_configuration(self, task: Run, visits: list[Visit]) -> None:
        result = task({"mode": "agent"}, seen(), DONE, variables={"pixels_ssh_user": "coder"})
        assert visits[0][1]["user"] == visits[1][1]["request"]["user"] == result["egress"]["user"] == "coder"
