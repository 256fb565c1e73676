# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module and the playbook `ssh_config`, and what keeps their file up to date, against the lab without containers."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from playbook import Playbooks
from running_lab import RunningLab

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 42 + "{}"
FOREIGN = b"# mine\nHost *\n\tUser me\n# no end"


@pytest.fixture
def file(home: Path) -> Path:
    return home / ".config" / "pixels" / "ssh_config"


@pytest.fixture
def own(home: Path) -> Path:
    path = home / ".ssh" / "config"
    path.write_bytes(FOREIGN)
    path.chmod(0o644)
    return path


def place(lab: RunningLab) -> str:
    return lab.host.replace(":", "_")


def pin(home: Path, lab: RunningLab, *names: str) -> None:
    """As if they had been opened to SSH, which the lab without containers cannot."""
    path = home / ".local" / "state" / "pixels" / "known_hosts"
    path.parent.mkdir(parents=True, exist_ok=True)
    letters = "ABCDEFGHIJ"
    path.write_text("".join(f"{name}.{place(lab)} {KEY.format(letters[number])}\n" for number, name in enumerate(names)))


def hosts(file: Path) -> list[list[str]]:
    return [line.split()[1:] for line in file.read_text().splitlines() if line.startswith("Host ")] if file.exists() else []


@pytest.fixture
def containers(playbook: Playbooks, home: Path, lab: RunningLab) -> None:
    playbook("create", container="task[1:3]", provision=False).succeeded()
    pin(home, lab, "task1", "task2")


def test_all_that_are_open_are_hosts_and_the_rest_is_named(
    playbook: Playbooks, containers: None, lab: RunningLab, file: Path, own: Path
) -> None:
    predicted = playbook("ssh_config", check=True, diff=True).succeeded()
    assert predicted.changed == 1 and not file.exists() and own.read_bytes() == FOREIGN
    assert "+Host task1.px" in predicted.stdout and "+Include" in predicted.stdout
    run = playbook("ssh_config").succeeded()
    assert run.changed == 1 and run.last("ssh_config")["hosts"] == [
        {"name": name, "host": f"{name}.px", "full_host": f"{name}.{place(lab)}.px"} for name in ("task1", "task2")
    ]
    assert "task3 is left out: it was not opened to SSH" in run.stdout
    assert hosts(file) == [["task1.px", f"task1.{place(lab)}.px"], ["task2.px", f"task2.{place(lab)}.px"]]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert own.read_bytes() == f"Include {file}\n\n".encode() + FOREIGN and stat.S_IMODE(own.stat().st_mode) == 0o644
    again = playbook("ssh_config", check=True).succeeded()
    assert again.changed == 0 and playbook("ssh_config").succeeded().changed == 0


def test_those_that_are_gone_go_and_those_of_other_appliances_stay(playbook: Playbooks, containers: None, file: Path) -> None:
    playbook("ssh_config", include=False).succeeded()
    other = "\n# pixels: other\nHost task1.other.px\n    HostName 10.0.0.1\n"
    gone = "\n# pixels: {0}\nHost ghost.px ghost.{1}.px\n    HostName 10.0.0.2\n"
    label = playbook("ssh_config", include=False).last("ssh_config")["hosts"][0]["full_host"].removeprefix("task1.").removesuffix(".px")
    file.write_text(file.read_text() + other + gone.format(label.replace("_", ":"), label))
    run = playbook("ssh_config", include=False).succeeded()
    assert (run.changed, run.last("ssh_config")["removed"]) == (1, ["ghost"])
    assert ["task1.other.px"] in hosts(file) and not [found for found in hosts(file) if "ghost.px" in found]


def test_absent_takes_away_what_is_ours_and_no_more(playbook: Playbooks, containers: None, file: Path, own: Path) -> None:
    playbook("ssh_config").succeeded()
    assert playbook("ssh_config", container="task2", state="absent").succeeded().changed == 1
    assert [found[0] for found in hosts(file)] == ["task1.px"] and own.read_bytes() != FOREIGN
    assert playbook("ssh_config", state="absent").succeeded().changed == 1
    assert not file.exists() and own.read_bytes() == FOREIGN
    assert playbook("ssh_config", state="absent").succeeded().changed == 0


def test_a_container_that_is_not_there_is_an_error(playbook: Playbooks, containers: None, file: Path) -> None:
    run = playbook("ssh_config", container="task1,task9")
    assert run.rc == 2 and "task9: there is no such container" in run.failures()[-1]
    assert not file.exists()


def test_starts_restores_and_destroys_keep_it_current(
    playbook: Playbooks, containers: None, file: Path, lab: RunningLab, own: Path
) -> None:
    """D31: nobody has to ask for it, and nothing is left in the end."""
    playbook("stop", container="task1").succeeded()
    playbook("start", container="task1", wait_for="address").succeeded()
    assert [found[0] for found in hosts(file)] == ["task1.px"]
    address = str(playbook("list").last("container_info")["containers"][0]["address"])
    assert f"    HostName {address}\n" in file.read_text()
    file.write_text(file.read_text().replace(address, "10.99.99.99"))
    assert playbook("start", container="task1", wait_for="address").succeeded().changed == 0
    assert f"    HostName {address}\n" in file.read_text()
    playbook("destroy", container="task1").succeeded()
    assert not file.exists() and own.read_bytes() == FOREIGN


def test_a_place_that_is_no_directory_is_a_warning(playbook: Playbooks, containers: None, file: Path) -> None:
    file.mkdir(parents=True)
    assert "not current" in playbook("start", container="task1", wait_for="address").succeeded().output


def test_it_can_be_switched_off(playbook: Playbooks, containers: None, file: Path) -> None:
    playbook("start", container="task1", wait_for="address", env={"PIXELS_SSH_CONFIG": "false"}).succeeded()
    assert not file.exists()


def test_ten_hosts_at_the_same_time_leave_ten_entries(playbook: Playbooks, home: Path, lab: RunningLab, file: Path) -> None:
    playbook("create", container="many[01:10]", provision=False).succeeded()
    pin(home, lab, *(f"many{number:02}" for number in range(1, 11)))
    task = {"name": "Start", "pixels.sandbox.container": {"name": "{{ inventory_hostname }}", "create": False}}
    names = [f"many{number:02}" for number in range(1, 11)]
    playbook.tasks(task, hosts=names, forks=10).succeeded()
    assert sorted(found[0] for found in hosts(file)) == [f"{name}.px" for name in names]
