# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The note of a container's egress policy against the lab without containers: by the module, and by the tasks of the playbooks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from playbook import ROOT, Playbooks, PlayRun
from running_lab import RunningLab

Container = Callable[..., PlayRun]
INFO = {"name": "Look", "pixels.sandbox.container_info": {}}
PROVEN: dict[str, Any] = {"checks": [], "failed": False}


def noted(playbook: Playbooks) -> dict[str, str | None]:
    return {entry["name"]: entry["egress"] for entry in playbook.tasks(INFO).succeeded().last("container_info")["containers"]}


def test_noted_kept_and_changed(
    container: Container, playbook: Playbooks, lab: RunningLab, journal_changes: Callable[[], list[str]]
) -> None:
    made = container(name="a,b,c", vars_by_name={"b": {"egress": "agent"}}).succeeded().last("container")["containers"]
    assert [entry["egress"] for entry in made] == [None, "agent", None]
    before = journal_changes()
    assert container(name="b", egress="agent").succeeded().changed == 0
    assert container(name="a,b,c", egress="").succeeded().changed == 0, "what is not given is unchanged"
    would = container(name="b", egress="learn", check=True, diff=True).succeeded()
    difference = would.last("container")["diff"][0]
    assert (would.changed, difference["before"]["egress"], difference["after"]["egress"]) == (1, "agent", "learn")
    assert journal_changes() == before
    change = container(name="b", egress="learn", state="present").succeeded().last("container")["container"]
    assert (change["actions"], change["egress"], change["status"]) == (["updated"], "learn", "running")
    assert len(journal_changes()) == len(before) + 1
    assert noted(playbook) == {"a": None, "b": "learn", "c": None}
    wrong = container(name="b", egress="open")
    assert wrong.rc == 2 and "unrestricted, agent, allowlist, learn" in wrong.failures()[-1]


def test_a_clone_has_that_of_its_source(container: Container, playbook: Playbooks) -> None:
    container(name="base", egress="allowlist").succeeded()
    container(name="a,b", vars_by_name={"b": {"egress": "unrestricted"}}, **{"from": "base"}).succeeded()
    assert noted(playbook) == {"base": "allowlist", "a": "allowlist", "b": "unrestricted"}
    assert container(name="a,b", **{"from": "base"}).succeeded().changed == 0


def _named(plays: list[dict[str, Any]], start: str) -> dict[str, Any]:
    """The play with that task, and nothing else of it."""
    ((play, task),) = [(play, task) for play in plays for task in play["tasks"] if task["name"].startswith(start)]
    return {**play, "tasks": [task]}


def _run(playbook: Playbooks, name: str, facts: dict[str, dict[str, Any]], *options: str, check: bool = False, **extra: Any) -> PlayRun:
    """The playbook's own task that notes, after containers have become hosts that have these facts. No container is reached."""
    plays = yaml.safe_load((ROOT / "playbooks" / f"{name}.yml").read_text(encoding="utf-8"))
    look = {**INFO, "register": {"create": "create_result", "network_set": "targets_found"}.get(name, "found")}
    hosts: list[dict[str, Any]] = [look]
    if name == "gateway":
        hosts.append({"name": "Result", "ansible.builtin.set_fact": {"gateway_made": {"container": "{{ found.containers[0] }}"}}})
    group = {"gateway": "pixels_gateway"}.get(name, "policed")
    hosts += [
        {
            "name": "Host",
            "ansible.builtin.add_host": {"name": host, "groups": [group], "ansible_connection": "local"},
            "changed_when": False,
        }
        for host in facts
    ]
    given = [
        {"name": "Facts", "ansible.builtin.set_fact": each, "when": f"inventory_hostname == '{host}'"}
        for host, each in facts.items()
        if each
    ]
    common = {"gather_facts": False}
    path: Path = playbook.home / "note.yml"
    text = [
        {"name": "Look", "hosts": "localhost", "tasks": hosts, **common},
        {"name": "Given", "hosts": group, "tasks": given, **common},
        _named(plays, "Note in "),
    ]
    path.write_text(json.dumps(text), encoding="utf-8")
    return playbook(str(path), *options, check=check, **extra).succeeded()


def policy(mode: str, proof: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"egress_result": {"egress": {"mode": mode}}, **({} if proof is None else {"egress_proof": proof})}


FACTS = {
    "proven": policy("agent", PROVEN),
    "same": policy("allowlist", PROVEN),
    "open": policy("unrestricted"),
    "refuted": policy("agent", {"checks": [], "failed": True, "msg": "it does not hold"}),
    "unproven": policy("agent"),
    "untouched": {},
}


@pytest.mark.parametrize(
    ("name", "options"), [("create", {"egress": "agent"}), ("network_set", {"mode": "agent"})], ids=["create", "network_set"]
)
def test_the_playbooks_note_what_is_proven_in_one_task(
    name: str, options: dict[str, Any], container: Container, playbook: Playbooks, journal_changes: Callable[[], list[str]]
) -> None:
    own = {"same": {"egress": "allowlist"}, "refuted": {"egress": "learn"}}
    container(name=",".join(FACTS), vars_by_name=own).succeeded()
    before = journal_changes()
    options["container"] = ",".join(FACTS)
    assert _done(_run(playbook, name, FACTS, check=True, **options)) == ["skipped"]
    assert journal_changes() == before
    assert _done(_run(playbook, name, FACTS, **options)) == ["ok"]
    assert noted(playbook) == {
        "proven": "agent",
        "same": "allowlist",
        "open": "unrestricted",
        "refuted": "learn",
        "unproven": None,
        "untouched": None,
    }
    assert len(journal_changes()) == len(before) + 2
    assert _done(_run(playbook, name, FACTS, **options)) == ["skipped"]


def test_without_the_proof_that_nobody_wanted(container: Container, playbook: Playbooks) -> None:
    container(name="unproven").succeeded()
    facts = {"unproven": FACTS["unproven"]}
    assert _done(_run(playbook, "network_set", facts, container="unproven", mode="agent", prove=False)) == ["ok"]
    assert noted(playbook) == {"unproven": "agent"}


def test_a_create_that_decides_nothing_notes_nothing(container: Container, playbook: Playbooks) -> None:
    """What an earlier play of the same run has left on a host of that name is about another container."""
    container(name="proven").succeeded()
    assert _done(_run(playbook, "create", {"proven": FACTS["proven"]}, container="proven")) == ["skipped"]


def test_a_gateway(container: Container, playbook: Playbooks, lab: RunningLab, journal_changes: Callable[[], list[str]]) -> None:
    lab.state(bridges=["br-px1"])
    container(name="gw1", inside="br-px1").succeeded()
    before = journal_changes()
    facts = {"gw1": policy("allowlist", PROVEN)}
    assert _done(_run(playbook, "gateway", facts, container="gw1", check=True)) == ["skipped"]
    assert journal_changes() == before
    assert _done(_run(playbook, "gateway", facts, container="gw1")) == ["ok"]
    assert noted(playbook) == {"gw1": "allowlist"}
    assert _done(_run(playbook, "gateway", facts, container="gw1")) == ["skipped"]


def _done(run: PlayRun) -> list[str]:
    """What became of the tasks `container`."""
    return [item.status for item in run.results if item.action == "pixels.sandbox.container"]
