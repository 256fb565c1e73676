# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Labels of containers against the lab without containers: set, kept, changed, shown, and chosen by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playbook import Playbooks, PlayRun
from running_lab import RunningLab


def test_from_none_to_some_and_back(container: Callable[..., PlayRun], lab: RunningLab, journal_changes: Callable[[], list[str]]) -> None:
    made = container(name="task1", labels={"team": "web", "ticket": 4711}).succeeded().last("container")["container"]
    assert made["labels"] == {"team": "web", "ticket": "4711"}
    before = journal_changes()
    assert container(name="task1", labels={"ticket": "4711", "team": "web"}).succeeded().changed == 0
    assert container(name="task1").succeeded().changed == 0, "what is not given is unchanged"
    would = container(name="task1", labels={"team": "ops"}, check=True, diff=True).succeeded()
    difference = would.last("container")["diff"][0]
    assert (would.changed, difference["before"]["labels"], difference["after"]["labels"]) == (1, made["labels"], {"team": "ops"})
    assert journal_changes() == before
    assert container(name="task1", labels={"team": "ops"}, memory="1GiB").succeeded().last("container")["container"]["labels"] == {
        "team": "ops"
    }
    assert container(name="task1", labels={}).succeeded().last("container")["container"]["labels"] == {}
    assert container(name="task1", labels={}).succeeded().changed == 0


def test_of_single_containers_and_not_of_clones(playbook: Playbooks, container: Callable[..., PlayRun]) -> None:
    container(name="a,b", labels={"team": "web"}, vars_by_name={"b": {"labels": {"team": "ops"}}}).succeeded()
    playbook.tasks({"name": "Take", "pixels.sandbox.checkpoint": {"container": "a", "label": "ready"}}).succeeded()
    container(name="c", state="present", **{"from": "a:ready"}).succeeded()

    def found(**options: Any) -> dict[str, Any]:
        run = playbook.tasks({"name": "Look", "pixels.sandbox.container_info": options}).succeeded()
        return {entry["name"]: entry["labels"] for entry in run.last("container_info")["containers"]}

    assert found() == {"a": {"team": "web"}, "b": {"team": "ops"}, "c": {}}
    assert list(found(labels={"team": "web"})) == ["a"]
    listed = playbook("list", labels=True).succeeded().stdout
    assert "LABELS" in listed and "team=web" in listed
    assert "LABELS" not in playbook("list").succeeded().stdout


def test_bad_ones_are_refused_before_anything(container: Callable[..., PlayRun], journal_changes: Callable[[], list[str]]) -> None:
    for labels, told in (({"Team": "web"}, "lower-case"), ({"a": "x\ny"}, "control characters"), ({"a": "v" * 256}, "255 characters")):
        run = container(name="task1", labels=labels)
        assert run.rc == 2 and told in run.failures()[-1], run.output
    assert journal_changes() == []
