"""The playbooks create, start, stop, destroy and list, run as a person runs them, against the lab without containers."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from playbook import BIN, ROOT, Playbooks
from running_lab import RunningLab

COMMANDS = ["create", "start", "stop", "destroy", "exec"]


def test_from_create_to_destroy(playbook: Playbooks, lab: RunningLab) -> None:
    made = playbook("create", name="task1", provision=False, cpu="1", memory="1GiB").succeeded()
    assert made.changed == 1
    entry = lab.instances()["px-task1"]
    assert (entry["status"], entry["cpu"], entry["memory"]) == ("RUNNING", "1", 1024**3)

    assert playbook("create", name="task1", provision=False, cpu="1", memory="1GiB").succeeded().changed == 0
    assert playbook("create", name="task1", provision=False, memory=2048).succeeded().changed == 1
    assert lab.instances()["px-task1"]["memory"] == 2 * 1024**3

    stopped = playbook("stop", name="task1").succeeded()
    assert stopped.changed == 1 and "Stopped: task1\n" in stopped.stdout
    assert playbook("stop", name="task1").succeeded().changed == 0
    assert lab.instances()["px-task1"]["status"] == "STOPPED"

    assert playbook("start", name="task1").succeeded().changed == 1
    assert playbook("start", name="task1").succeeded().changed == 0
    assert lab.instances()["px-task1"]["status"] == "RUNNING"

    assert playbook("destroy", name="task1").succeeded().changed == 1
    assert lab.instances() == {}


def test_d31_destroy_without_a_terminal_destroys_and_twice_is_fine(playbook: Playbooks, lab: RunningLab) -> None:
    """D31: there is no prompt, the container is gone, and a second time nothing changes."""
    playbook("create", name="task1", provision=False).succeeded()
    assert playbook("destroy", name="task1").succeeded().changed == 1
    assert lab.instances() == {}
    assert playbook("destroy", name="task1").succeeded().changed == 0


@pytest.mark.parametrize(
    "names", ["worker[01:03]", "worker01,worker02,worker03", ["worker01", "worker[02:03]"]], ids=["range", "commas", "list"]
)
def test_fleet(names: str | list[str], playbook: Playbooks, lab: RunningLab) -> None:
    wanted = ["px-worker01", "px-worker02", "px-worker03"]
    assert playbook("create", container=names, provision=False).succeeded().of("container")[0]["changed"]
    assert sorted(lab.instances()) == wanted
    playbook("destroy", container=names).succeeded()
    assert lab.instances() == {}


def test_one_of_a_fleet_that_fails_is_told_and_the_others_are_made(playbook: Playbooks, lab: RunningLab) -> None:
    lab.state(foreign={"name": "px-worker02"})
    run = playbook("create", container="worker[01:03]", provision=False)
    assert run.rc == 2
    assert "worker02" in run.failures()[-1]
    assert "worker01" not in run.failures()[-1]
    status = {name: entry["status"] for name, entry in lab.instances().items()}
    assert status == {"px-worker01": "RUNNING", "px-worker02": "STOPPED", "px-worker03": "RUNNING"}


def test_create_ends_by_saying_how_to_clean_up(playbook: Playbooks) -> None:
    run = playbook("create", name="task1", provision=False).succeeded()
    assert re.search(r"pixels\.sandbox\.destroy -e container=task1", run.stdout), run.stdout
    assert "ssh " not in run.stdout, "a bare container has no SSH server to send anybody to"


def test_list(playbook: Playbooks) -> None:
    assert "No containers." in playbook("list").succeeded().stdout
    playbook("create", container="task1,task2", provision=False, cpu="1", memory="1GiB").succeeded()
    playbook("stop", name="task2").succeeded()
    run = playbook("list").succeeded()
    assert run.changed == 0
    lines = [re.split(r"\s{2,}", line.strip()) for line in run.stdout.splitlines()]
    assert ["NAME", "STATUS", "ADDRESS", "IMAGE", "CPU", "MEMORY"] in lines, run.stdout
    rows = {line[0]: line for line in lines if line[0] in ("task1", "task2")}
    assert rows["task1"][1] == "running" and re.fullmatch(r"[\d.]+", rows["task1"][2])
    assert rows["task2"][1] == "stopped"
    only = playbook("list", name="task1").succeeded().stdout
    assert "task1" in only and "task2" not in only
    assert "Not there: " not in only
    assert "Not there: task3, task4\n" in playbook("list", container="task1,task3,task4").succeeded().stdout


@pytest.mark.parametrize(
    ("command", "variables"),
    [*((command, {}) for command in COMMANDS), ("create", {"name": "", "container": ""}), ("destroy", {"name": ""})],
)
def test_without_a_name_nothing_happens_and_the_error_says_what_to_give(
    command: str, variables: dict[str, str], playbook: Playbooks, lab: RunningLab
) -> None:
    since = lab.mark()
    run = playbook(command, **variables, cmd="true")
    assert run.rc == 2
    assert "-e name=" in run.failures()[-1]
    assert lab.journal(since, kind="connect") == []


@pytest.mark.parametrize(
    ("command", "name"),
    [("create", "Task1"), ("create", "a" * 61), ("create", "px-task1"), ("start", "a_b"), ("stop", "-a"), ("destroy", "w[3:1]")],
)
def test_impossible_names_are_refused_before_anything(command: str, name: str, playbook: Playbooks, lab: RunningLab) -> None:
    since = lab.mark()
    run = playbook(command, container=name)
    assert run.rc == 2
    assert "name" in run.failures()[-1]
    assert lab.changes(since) == []


@pytest.mark.parametrize("command", ["start", "stop"])
def test_starting_and_stopping_what_does_not_exist_fails_and_makes_nothing(command: str, playbook: Playbooks, lab: RunningLab) -> None:
    run = playbook(command, name="nobody")
    assert run.rc == 2
    assert "nobody" in run.failures()[-1]
    assert lab.instances() == {}


@pytest.mark.parametrize("command", ["create", "start", "stop", "destroy"])
def test_check_mode_sends_no_changing_call(command: str, playbook: Playbooks, lab: RunningLab) -> None:
    if command != "create":
        playbook("create", name="task1", provision=False).succeeded()
    if command == "start":
        playbook("stop", name="task1").succeeded()
    since = lab.mark()
    assert playbook(command, name="task1", check=True).succeeded().changed >= 1
    assert lab.changes(since) == []


def test_key_value_variables_and_empty_ones(playbook: Playbooks, lab: RunningLab) -> None:
    """As typed on a command line: everything is text."""
    given = [
        "-e",
        "name=task1",
        "-e",
        "container=",
        "-e",
        "provision=false",
        "-e",
        "autostart=false",
        "-e",
        "cpu=1",
        "-e",
        "memory=1GiB",
        "-e",
        "image=",
        "-e",
        "pool=",
        "-e",
        "user=",
    ]
    playbook("create", *given).succeeded()
    entry = lab.instances()["px-task1"]
    assert (entry["autostart"], entry["cpu"], entry["memory"]) == (False, "1", 1024**3)


def test_provisioning_can_be_off_in_the_configuration(playbook: Playbooks, lab: RunningLab) -> None:
    run = playbook("create", name="task1", env={"PIXELS_PROVISION_ENABLED": "false"}).succeeded()
    assert [result["skip_reason"] for result in run.of("ssh_access")] == ["Conditional result was False"]


def test_by_full_name_from_anywhere(playbook: Playbooks, lab: RunningLab, tmp_path: Path) -> None:
    env = {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections")}
    playbook("pixels.sandbox.create", "-e", "name=task1", "-e", "provision=false", env=env, cwd=tmp_path).succeeded()
    playbook("pixels.sandbox.destroy", "-e", "name=task1", env=env, cwd=tmp_path).succeeded()
    assert lab.instances() == {}


def test_no_warning_but_the_one_about_the_reserved_word(playbook: Playbooks) -> None:
    run = playbook("create", container="task1", provision=False).succeeded()
    assert "WARNING" not in run.output and "DEPRECATION" not in run.output, run.output
    named = playbook("list", name="task1").succeeded()
    assert re.findall(r"\[WARNING\]: (.*)", named.output) == ["Found variable using reserved name 'name'."]


@pytest.mark.parametrize("path", sorted((ROOT / "playbooks").glob("*.yml")), ids=lambda path: path.stem)
def test_every_playbook_documents_itself_and_parses(path: Path) -> None:
    head = path.read_text().split("\n- name:", 1)[0]
    assert f"pixels.sandbox.{path.stem}" in head and "Variables" in head
    done = subprocess.run(
        [str(BIN / "ansible-playbook"), "--syntax-check", str(path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_phases_by_tag(playbook: Playbooks, lab: RunningLab) -> None:
    playbook("create", "--tags", "container", name="task1").succeeded()
    assert lab.instances()["px-task1"]["status"] == "RUNNING"
    assert "task1" in playbook("start", "--tags", "report", name="task1").succeeded().stdout
    for command in ("create", "destroy"):
        playbook(command, "--tags", "report", name="task1").succeeded()
    playbook("destroy", "--skip-tags", "report", name="task1").succeeded()
    assert lab.instances() == {}


@pytest.mark.parametrize(
    ("given", "word"),
    [({"egress": "agent"}, "egress=agent"), ({"egress": "agent", "from": "base:ready"}, "egress=agent"), ({"console": True}, "console")],
    ids=["egress", "egress of a clone", "console"],
)
def test_what_cannot_be_done_is_refused_and_not_left_out(given: dict[str, object], word: str, playbook: Playbooks, lab: RunningLab) -> None:
    """D17: an option is applied or refused. A container that was to be restricted must not come up open."""
    run = playbook("create", container="task1", provision=False, **given)
    assert run.rc == 2
    assert word in run.failures()[0]
    assert lab.instances() == {}


def test_restricted_by_configuration_is_refused_too(playbook: Playbooks, lab: RunningLab) -> None:
    run = playbook("create", container="task1", provision=False, env={"PIXELS_NETWORK_EGRESS": "agent"})
    assert run.rc == 2
    assert "egress=agent of the configuration" in run.failures()[0]
    assert lab.instances() == {}


def test_without_a_key_to_get_in_with_nothing_is_made(playbook: Playbooks, lab: RunningLab) -> None:
    for key in (playbook.home / ".ssh").iterdir():
        key.unlink()
    run = playbook("create", container="task1", provision=True)
    assert run.rc == 2
    assert "ssh-keygen" in run.failures()[0]
    assert lab.instances() == {}
