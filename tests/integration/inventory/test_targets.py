"""Playbooks that log in take containers from the inventory where that knows them, and ask the appliance for all others."""

from __future__ import annotations

import json
from typing import Any

import pytest
from leftovers import known_hosts
from playbook import Playbooks
from running_lab import RunningLab

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKFC8SY3hTDsM8FnqOYrSTPTUkbLxWWJxs2OEIO2D6pv"
TARGETS = {"ansible.builtin.include_role": {"name": "pixels.sandbox.targets"}}
SHOW: dict[str, Any] = {
    "ansible.builtin.debug": {
        "msg": "{{ groups.pixels_targets | map('extract', hostvars, 'ansible_user') | list }} {{ groups.pixels_targets }}"
    }
}


@pytest.fixture
def two(playbook: Playbooks, lab: RunningLab) -> None:
    playbook("create", container="one,two", provision=False).succeeded()
    file = known_hosts(playbook.home)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{name}.{lab.host.replace(':', '_')} {KEY}\n" for name in ("one", "two")))


def run(playbook: Playbooks, lab: RunningLab, names: Any, **more: Any) -> tuple[str, int]:
    """What was shown, and how often the appliance was asked beyond the inventory's own call."""
    source = playbook.home / "fleet.pixels.yml"
    source.write_text("plugin: pixels.sandbox.pixels\n")
    since = lab.mark()
    variables = {"targets_names": names, "targets_user": "me", "targets_inventory": True, **more}
    play = {"name": "Find them", "hosts": "localhost", "gather_facts": False, "tasks": [{**TARGETS, "vars": variables}, SHOW]}
    path = playbook.home / "find.yml"
    path.write_text(json.dumps([play]))
    done = playbook(str(path), inventory=source).succeeded()
    (shown,) = [result["msg"] for result in done.of("ansible.builtin.debug")]
    return shown, len(lab.journal(since, method="virt.instance.query")) - 1


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize("names", ["one, two", ["one", "two"]], ids=["commas", "list"])
def test_those_that_run_are_taken_as_they_are(playbook: Playbooks, lab: RunningLab, names: Any) -> None:
    assert run(playbook, lab, names) == ("['me', 'me'] ['one', 'two']", 0)


@pytest.mark.usefixtures("two")
def test_the_appliance_is_asked_where_that_is_not_wanted_or_for_a_range(playbook: Playbooks, lab: RunningLab) -> None:
    playbook("create", container="w[1:2]", provision=False).succeeded()
    assert run(playbook, lab, "one,two", targets_inventory=False)[1] > 0
    shown, asked = run(playbook, lab, "w[1:2]")
    assert shown == "['me', 'me'] ['w1', 'w2']" and asked > 0


@pytest.mark.usefixtures("two")
def test_one_without_a_pinned_key_is_asked_for(playbook: Playbooks, lab: RunningLab) -> None:
    known_hosts(playbook.home).write_text("")
    assert run(playbook, lab, "one")[1] > 0
