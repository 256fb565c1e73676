"""Containers as hosts: groups, variables, what is asked of the appliance, and what must not be in the answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playbook import Playbooks
from running_lab import RunningLab

if TYPE_CHECKING:
    from conftest import Inventory

GRAPH = """\
@all:
  |--@ungrouped:
  |--@pixels:
  |  |--@pixels_running:
  |  |  |--copy
  |  |  |--worker1
  |  |  |--worker2
  |  |--@pixels_stopped:
  |  |  |--box
  |  |--@pixels_image_debian_12:
  |  |  |--box
  |  |  |--copy
  |  |  |--worker1
  |  |  |--worker2
  |  |--@pixels_label_keep:
  |  |  |--box
  |  |--@pixels_label_team_ML_ops:
  |  |  |--box
  |  |--@pixels_from_worker1_ready:
  |  |  |--copy
  |  |--@pixels_egress_agent:
  |  |  |--copy
  |  |  |--worker1
  |  |--@pixels_owner_nightly:
  |  |  |--worker1
  |  |  |--worker2
  |  |--box
  |  |--copy
  |  |--worker1
  |  |--worker2
"""


def test_groups_with_one_call_and_one_login(inventory: Inventory, fleet: None, lab: RunningLab) -> None:
    since = lab.mark()
    listed = inventory("--graph")
    assert listed.stdout == GRAPH, listed.output
    calls = [line["method"] for line in lab.journal(since) if not line["method"].startswith(("auth.", "core."))]
    assert calls == ["system.version", "virt.instance.query"]
    assert lab.logins(since) == 1


def test_the_graph_is_the_one_of_the_documentation() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "inventory.md").read_text(encoding="utf-8")
    assert GRAPH in page


def test_variables_are_those_of_container_info(inventory: Inventory, fleet: None, playbook: Playbooks, lab: RunningLab) -> None:
    info = {"name": "Look", "pixels.sandbox.container_info": {"connection": True}}
    told = {entry["name"]: entry for entry in playbook.tasks(info).succeeded().last("container_info")["containers"]}
    hosts = inventory(checkpoints=True).hosts
    assert sorted(hosts) == sorted(told) == ["box", "copy", "worker1", "worker2"]
    for name, host in hosts.items():
        connection = {key: value for key, value in host.items() if key.startswith("ansible_")}
        assert connection == told[name]["hostvars"]
        facts = {key.removeprefix("pixels_"): value for key, value in host.items() if key.startswith("pixels_")}
        points = facts.pop("checkpoints")
        assert facts.pop("appliance") == f"wss://{lab.host}"
        assert facts == {key: told[name][key] for key in facts}
        assert [point["label"] for point in points] == (["ready"] if name == "worker1" else [])
    assert "ansible_host" not in hosts["box"] and hosts["box"]["pixels_status"] == "stopped"
    assert hosts["worker1"]["pixels_checkpoints"][0]["dependents"] == ["copy"]
    assert hosts["copy"]["pixels_from"] == "worker1:ready" and hosts["box"]["pixels_labels"] == {"team": "ML ops", "keep": ""}
    assert {name: host["pixels_egress"] for name, host in hosts.items()} == {
        "box": None,
        "copy": "agent",
        "worker1": "agent",
        "worker2": None,
    }


def test_neither_the_key_nor_a_container_s_environment_is_in_it(inventory: Inventory, fleet: None, lab: RunningLab, home: Path) -> None:
    options: dict[str, Any] = {"api_key": "{{ lookup('env', 'ELSEWHERE') }}", "host": lab.host, "cache": True}
    options |= {"cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(home / "cache")}
    env = {"ELSEWHERE": lab.api_key, "PIXELS_TRUENAS_API_KEY": "", "PIXELS_TRUENAS_HOST": ""}
    listed = inventory("--list", "-vvvvv", env=env, **options)
    assert "worker1" in listed.stdout and listed.rc == 0, listed.output
    cached = "".join(path.read_text(encoding="utf-8") for path in (home / "cache").iterdir())
    assert "px-worker1" in cached
    for text in (listed.output, cached):
        assert lab.api_key not in text and "hush-hush-hush" not in text
    assert inventory(env=env, **options).hosts["box"]["pixels_truenas_host"] == lab.host


def test_the_appliance_does_the_choosing(inventory: Inventory, fleet: None, lab: RunningLab) -> None:
    since = lab.mark()
    assert sorted(inventory(name=["worker*", "c[a:b]", "box"], status=["running"]).hosts) == ["worker1", "worker2"]
    (query,) = lab.journal(since, method="virt.instance.query")
    assert query["params"][0] == [["name", "^", "px-"], ["name", "~", "px-(?:worker.*|ca|cb|box)$"], ["status", "in", ["RUNNING"]]]
    assert sorted(inventory(name=["?o?", "c*y"]).hosts) == ["box", "copy"]
    assert sorted(inventory(owner="nightly").hosts) == ["worker1", "worker2"]
    assert inventory(name=["nobody"]).hosts == {}


def test_constructed(inventory: Inventory, fleet: None) -> None:
    listed = inventory(
        group_prefix="home",
        host_suffix=".home",
        strict=True,
        leading_separator=False,
        compose={"gigabytes": "pixels_memory // 1024", "ansible_user": "'root'"},
        groups={"mine": "pixels_owner == 'nightly'"},
        keyed_groups=[{"key": "pixels_pool"}, {"key": "pixels_labels", "prefix": "l"}],
    )
    assert listed.group("mine") == ["worker1.home", "worker2.home"]
    assert listed.group("home_stopped") == ["box.home"] and len(listed.group("tank")) == 4
    assert listed.hosts["box.home"]["gigabytes"] == 2 and listed.hosts["box.home"]["ansible_user"] == "root"
    assert listed.group("l_team_ML ops") == ["box.home"] or listed.group("l_team_ML_ops") == ["box.home"]
    wrong = inventory(strict=True, compose={"x": "no_such_variable"}, env={"ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true"})
    assert wrong.rc != 0 and "no_such_variable" in wrong.output


def test_what_the_appliance_says_is_no_template(inventory: Inventory, playbook: Playbooks, lab: RunningLab, home: Path) -> None:
    evil = "{{ lookup('pipe', 'touch " + str(home / "pwned") + "') }}"
    lab.state(foreign={"name": "px-task1", "environment": {"PIXELS_SANDBOX": json.dumps({"owner": evil})}})
    options = {"keyed_groups": [{"key": "pixels_owner", "prefix": "o"}], "compose": {"same": "pixels_owner"}}
    host = inventory(**options).hosts["task1"]
    assert host["same"] == host["pixels_owner"] == evil
    show = {"name": "Show", "ansible.builtin.debug": {"msg": "{{ pixels_owner }} {{ same }}"}}
    play = home / "show.yml"
    play.write_text(json.dumps([{"name": "Show", "hosts": "pixels", "gather_facts": False, "tasks": [show]}]), encoding="utf-8")
    run = playbook(str(play), inventory=inventory.source(**options)).succeeded()
    assert run.of("ansible.builtin.debug")[0]["msg"] == f"{evil} {evil}"
    assert not (home / "pwned").exists()


def test_one_without_our_mark_and_one_called_localhost_are_no_hosts(inventory: Inventory, lab: RunningLab) -> None:
    lab.state(foreign={"name": "px-theirs"})
    lab.state(foreign={"name": "px-localhost", "environment": {"PIXELS_SANDBOX": "{}"}})
    listed = inventory()
    assert listed.hosts == {}
    assert "the container localhost is not made a host" in listed.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": ["Bad_Name"]}, "name: 'Bad_Name' is not possible"),
        ({"name": ["a[1:2]*"]}, "no range"),
        ({"group_prefix": "1-x"}, "group_prefix: '1-x' is not possible"),
        ({"settings": {"pixels_ssh_usr": "x"}}, "did you mean pixels_ssh_user?"),
        ({"profile": "home"}, "there is no profile 'home'"),
        ({"ca_file": "/no/such"}, "/no/such cannot be read"),
    ],
)
def test_bad_options_say_what_is_allowed_and_ask_nothing(inventory: Inventory, lab: RunningLab, options: Any, message: str) -> None:
    since = lab.mark()
    listed = inventory(env={"ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true"}, **options)
    assert listed.rc != 0 and message in " ".join(listed.output.split()), listed.output
    assert lab.journal(since) == []


def test_an_appliance_that_cannot_be_asked_is_an_error_and_no_empty_inventory(inventory: Inventory, fleet: None, lab: RunningLab) -> None:
    strict = {"ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true"}
    refused = inventory(env={**strict, "PIXELS_TRUENAS_API_KEY": "1-" + "x" * 64})
    assert refused.rc != 0 and "ey" in refused.output and "x" * 64 not in refused.output
    unreachable = inventory(env={**strict, "PIXELS_TRUENAS_PORT": "9"})
    assert unreachable.rc != 0 and "127.0.0.1:9" in unreachable.output
    with lab.broken("virt.instance.query", "refuse", times=None):
        assert inventory(env=strict).rc != 0
    lab.state(virt_state="ERROR")
    down = inventory(name=["nobody"], env=strict)
    assert down.rc != 0 and "ERROR" in down.output
    # In a checkout its ansible.cfg has the switch. Without it Ansible makes a warning of it that says the same.
    assert inventory(env={"PIXELS_TRUENAS_PORT": "9"}).rc != 0
    soft = inventory(env={"PIXELS_TRUENAS_PORT": "9", "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "false"})
    assert soft.rc == 0 and "127.0.0.1:9" in soft.stderr


def test_without_a_file(inventory: Inventory, fleet: None, home: Path, lab: RunningLab) -> None:
    enabled = {"ANSIBLE_INVENTORY_ENABLED": "pixels.sandbox.pixels,ansible.builtin.host_list"}
    assert len(inventory(source="@pixels", env=enabled).hosts) == 4
    config = home / ".config" / "pixels" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f'[profiles.home.truenas]\nhost = "{lab.host}"\n')
    found = inventory(source="@pixels:home", env={**enabled, "PIXELS_TRUENAS_HOST": "", "PIXELS_TRUENAS_PORT": ""})
    assert {host["pixels_profile"] for host in found.hosts.values()} == {"home"}
    wrong = inventory(source="@pixels:hoem", env={**enabled, "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true"})
    assert wrong.rc != 0 and "did you mean home?" in wrong.output


def test_extra_variables_rank_above_the_environment_and_options_above_both(inventory: Inventory, fleet: None, lab: RunningLab) -> None:
    strict = {"ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true"}
    assert len(inventory("--list", "-e", f"pixels_truenas_host={lab.host}", env={"PIXELS_TRUENAS_HOST": "127.0.0.1:9"}).hosts) == 4
    wrong = inventory("--list", "-e", "pixels_truenas_host=127.0.0.1:9", env=strict)
    assert wrong.rc != 0 and "127.0.0.1:9" in wrong.output
    assert len(inventory("--list", "-e", "pixels_truenas_host=127.0.0.1:9", "-e", f"nas={lab.host}", host="{{ nas }}").hosts) == 4
