"""One login for each appliance and run, whoever asks: the inventory, the tasks, and tasks for several appliances in one play."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from leftovers import known_hosts
from playbook import Playbooks
from running_lab import RunningLab

if TYPE_CHECKING:
    from conftest import Inventory

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKFC8SY3hTDsM8FnqOYrSTPTUkbLxWWJxs2OEIO2D6pv"
LOOK = {"name": "Look", "pixels.sandbox.container_info": {}}


@pytest.fixture(scope="module")
def second() -> Iterator[RunningLab]:
    """Another appliance."""
    directory = Path(tempfile.mkdtemp(prefix="px-lab-"))
    lab = RunningLab.start(directory / "lab", version="25.04")
    yield lab
    lab.destroy()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def nowhere(lab: RunningLab, home: Path) -> Playbooks:
    """Somebody whose environment names no appliance."""
    return Playbooks(home, {name: value for name, value in lab.env.items() if not name.startswith("PIXELS_TRUENAS_")})


@pytest.fixture
def profiles(lab: RunningLab, second: RunningLab, home: Path) -> Path:
    """A configuration file with a profile for each."""
    lines = ['[truenas]\nusername = "root"\n']
    for name, each in (("home", lab), ("office", second)):
        key = home / f"key-{name}"
        key.write_text(each.api_key, encoding="utf-8")
        key.chmod(0o600)
        ca_file = each.directory / "tls" / "ca.pem"
        lines.append(f'[profiles.{name}.truenas]\nhost = "{each.host}"\napi_key_file = "{key}"\nca_file = "{ca_file}"\n')
    path = home / ".config" / "pixels" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text("".join(lines), encoding="utf-8")
    path.chmod(0o600)
    return path


def _play(home: Path, *tasks: dict[str, Any], hosts: str = "all") -> str:
    path = home / "play.yml"
    path.write_text(json.dumps([{"name": "Play", "hosts": hosts, "gather_facts": False, "tasks": tasks}]), encoding="utf-8")
    return str(path)


def test_the_play_has_the_login_of_its_inventory(
    inventory: Inventory, fleet: None, playbook: Playbooks, lab: RunningLab, home: Path
) -> None:
    source = inventory.source(status=["running"])
    since = lab.mark()
    run = playbook(_play(home, LOOK, LOOK, hosts="pixels_running"), "--forks", "10", inventory=source).succeeded()
    assert len(run.of("container_info")) == 6
    assert lab.logins(since) == 1
    # The counter-test: without reuse it is one for the inventory and one for each task and host.
    since = lab.mark()
    playbook(_play(home, LOOK, hosts="pixels_running"), inventory=source, env={"PIXELS_TRUENAS_SESSION_REUSE": "never"}).succeeded()
    assert lab.logins(since) == 4


def test_two_appliances_in_one_play(nowhere: Playbooks, lab: RunningLab, second: RunningLab, home: Path) -> None:
    """Hosts that are appliances: each with what it takes to log in, and with one login."""
    second.reset()
    hosts = {
        name: {
            "pixels_truenas_host": each.host,
            "pixels_truenas_api_key": each.api_key,
            "pixels_truenas_ca_file": str(each.directory / "tls" / "ca.pem"),
        }
        for name, each in (("nas1", lab), ("nas2", second))
    }
    source = home / "appliances.json"
    source.write_text(json.dumps({"all": {"hosts": hosts}}), encoding="utf-8")
    make = {"name": "Make", "pixels.sandbox.container": {"name": "{{ inventory_hostname }}-box", "wait_for": "none"}}
    marks = lab.mark(), second.mark()
    run = nowhere(_play(home, make, LOOK, LOOK), "--forks", "10", inventory=source).succeeded()
    assert (lab.logins(marks[0]), second.logins(marks[1])) == (1, 1)
    assert (sorted(lab.instances()), sorted(second.instances())) == (["px-nas1-box"], ["px-nas2-box"])
    assert {host: run.of("container_info", host=host)[-1]["version"][:5] for host in hosts} == {"nas1": "25.10", "nas2": "25.04"}
    for each in (lab, second):
        assert each.api_key not in run.output


def test_profiles_in_every_way_of_choosing(nowhere: Playbooks, second: RunningLab, profiles: Path, home: Path) -> None:
    task = _play(home, {**LOOK, "delegate_to": "localhost"})
    source = home / "hosts.json"

    def version(*options: str, env: dict[str, str] | None = None, **variables: str) -> str:
        source.write_text(json.dumps({"all": {"hosts": {"any": variables}}}), encoding="utf-8")
        return str(nowhere(task, *options, inventory=source, env=env).succeeded().last("container_info")["version"])[:5]

    assert version("-e", "pixels_profile=office") == "25.04"
    assert version("-e", "profile=home", env={"PIXELS_PROFILE": "office"}) == "25.10"
    assert version(env={"PIXELS_PROFILE": "office"}) == "25.04"
    assert version(pixels_profile="home", env={"PIXELS_PROFILE": "office"}) == "25.10"
    # Where it is no extra variable, a word of that name may be about anything.
    assert version(profile="default", pixels_profile="office") == "25.04"
    wrong = nowhere("list", profile="hoem")
    assert wrong.rc != 0 and "did you mean home? there are: home, office" in wrong.failures()[0]
    nothing = nowhere("list")
    assert nothing.rc != 0 and "host is not set" in nothing.failures()[0]


def test_a_task_with_async_has_the_profile_too(nowhere: Playbooks, second: RunningLab, profiles: Path) -> None:
    task = {**LOOK, "async": 60, "poll": 1, "vars": {"pixels_profile": "office"}}
    run = nowhere.tasks(task, env={"ANSIBLE_ASYNC_DIR": str(profiles.parent / "async")}).succeeded()
    assert run.of("container_info")[0]["version"].startswith("25.04")


def test_containers_of_two_appliances_in_one_inventory(
    inventory: Inventory, nowhere: Playbooks, lab: RunningLab, second: RunningLab, profiles: Path, home: Path
) -> None:
    """The hosts carry the profile, so that tasks for them find their appliance."""
    second.reset()
    for each in (lab, second):
        each.state(foreign={"name": "px-box", "environment": {"PIXELS_SANDBOX": "{}"}, "start": each is lab})
    folder = home / "appliances"
    folder.mkdir()
    for name in ("home", "office"):
        inventory.source(f"appliances/{name}", profile=name, host_suffix=f".{name}", group_prefix=name)
    marks = lab.mark(), second.mark()
    look = {"name": "Look", "pixels.sandbox.container_info": {"name": "{{ pixels_name }}"}}
    run = nowhere(_play(home, look), inventory=folder).succeeded()
    assert (lab.logins(marks[0]), second.logins(marks[1])) == (1, 1)
    assert {item.host: item.result["containers"][0]["status"] for item in run.results} == {"box.home": "running", "box.office": "stopped"}


@pytest.fixture
def boxes(lab: RunningLab, second: RunningLab, home: Path) -> None:
    """A box that runs on each, which this machine has logged in to."""
    second.reset()
    file = known_hosts(home)
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for each in (lab, second):
        each.state(foreign={"name": "px-box", "environment": {"PIXELS_SANDBOX": "{}"}, "start": True})
        lines.append(f"box.{each.host.replace(':', '_')} {KEY}\n")
    file.write_text("".join(lines), encoding="utf-8")


@pytest.mark.usefixtures("boxes", "profiles")
def test_who_names_an_appliance_is_not_given_the_container_of_another(
    inventory: Inventory, nowhere: Playbooks, lab: RunningLab, second: RunningLab, home: Path
) -> None:
    source = inventory.source(profile="home")
    show = {"ansible.builtin.debug": {"msg": "{{ hostvars.box.ansible_ssh_common_args }}"}}
    role = {"ansible.builtin.include_role": {"name": "pixels.sandbox.targets"}}
    play = _play(home, {**role, "vars": {"targets_names": "box", "targets_inventory": True}}, show, hosts="localhost")

    def reached(*options: str, env: dict[str, str] | None = None) -> tuple[str, list[int]]:
        """Whose box it is, and how often each appliance was asked, with the inventory's own call."""
        marks = lab.mark(), second.mark()
        run = nowhere(play, *options, inventory=source, env=env).succeeded()
        (said,) = [result["msg"] for result in run.of("ansible.builtin.debug")]
        (whose,) = [name for name, each in (("home", lab), ("office", second)) if f"box.{each.host.replace(':', '_')}" in said]
        return whose, [len(each.journal(mark, method="virt.instance.query")) for each, mark in zip((lab, second), marks, strict=True)]

    assert reached() == ("home", [1, 0])
    assert reached("-e", "profile=home") == ("home", [1, 0])
    assert reached(env={"PIXELS_PROFILE": "home"}) == ("home", [1, 0])
    # The environment does not outrank the file of the inventory, and the tasks go where it says.
    for whose, asked in (reached("-e", "profile=office"), reached(env={"PIXELS_PROFILE": "office"})):
        assert whose == "office" and asked[1] > 0
    since = second.mark()
    assert nowhere("console", "--tags", "container", inventory=source, container="box").rc == 0 and second.journal(since) == []
    nowhere("console", "--tags", "container", inventory=source, container="box", profile="office")
    assert second.journal(since, method="virt.instance.query")


@pytest.mark.usefixtures("boxes", "profiles")
def test_without_a_suffix_two_appliances_are_not_merged(inventory: Inventory, home: Path, lab: RunningLab) -> None:
    folder = home / "appliances"
    folder.mkdir()
    for name in ("home", "office"):
        inventory.source(f"appliances/{name}", profile=name)
    env = {"PIXELS_TRUENAS_" + name: "" for name in ("HOST", "API_KEY", "API_KEY_FILE", "CA_FILE", "PORT", "USERNAME")}
    listed = inventory(source=folder, env={**env, "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "false"})
    assert listed.hosts["box"]["pixels_appliance"] == f"wss://{lab.host}" and listed.hosts["box"]["pixels_profile"] == "home"
    assert "host_suffix" in listed.stderr
    assert inventory(source=folder, env={**env, "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true"}).rc != 0
