"""The playbook exec and the role targets. An sshd on loopback answers in place of the containers, which the memory engine does not have."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback_sshd import SSHD, LoopbackSshd, loopback_sshd
from playbook import Playbooks, PlayRun
from running_lab import RunningLab

needs_sshd = pytest.mark.skipif(SSHD is None, reason="no sshd on this machine (package openssh-server)")


@pytest.fixture(scope="module")
def sshd() -> Iterator[LoopbackSshd]:
    # Sockets of shared connections lie in it, so its path is short.
    directory = Path(tempfile.mkdtemp(prefix="px-ssh-"))
    with loopback_sshd(directory) as running:
        yield running
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def execute(playbook: Playbooks, sshd: LoopbackSshd) -> Any:
    """Runs the playbook as if the containers were at the sshd."""

    def run(*options: str, **variables: Any) -> PlayRun:
        redirect = ["-e", json.dumps(sshd.hostvars())]
        return playbook("exec", *redirect, *options, **variables)

    return run


@pytest.fixture
def workers(playbook: Playbooks) -> None:
    playbook("create", container="worker[01:02]", provision=False).succeeded()


@needs_sshd
def test_output_is_shown_plainly(execute: Any, workers: None) -> None:
    run = execute("-e", "name=worker01", "-e", "cmd=printf '%s\\n' two 'words  here' $HOME").succeeded()
    assert "\ntwo\nwords  here\n$HOME\n" in run.stdout
    assert run.last("exec")["cmd"] == ["printf", "%s\\n", "two", "words  here", "$HOME"]


@needs_sshd
def test_d23_words_of_a_list_arrive_exact(execute: Any, workers: None) -> None:
    """D23: also through the playbook."""
    words = ["a b", "", "'\";$(id)", "line\nbreak", "*"]
    run = execute(container="worker01", argv=["printf", "<%s>", *words]).succeeded()
    assert run.last("exec")["stdout"] == "".join(f"<{word}>" for word in words)


@needs_sshd
@pytest.mark.parametrize("status", [1, 255])
def test_d24_exit_status_is_shown_and_fails_the_play(status: int, execute: Any, workers: None) -> None:
    """D24: 255 is a status, not a lost connection."""
    run = execute(container="worker01", argv=["sh", "-c", f"echo before; sleep 0.5; echo oops >&2; exit {status}"])
    assert run.rc == 2
    assert run.failures()[-1] == f"exit status {status}"
    assert "\nbefore\noops\n" in run.stdout


@needs_sshd
def test_fleet_has_a_block_for_each_and_one_failure_stops_nobody(execute: Any, workers: None, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    script = f"if mkdir {flag} 2>/dev/null; then echo first; else echo second; exit 3; fi"
    run = execute("-e", "ansible_control_path=none", container="worker01,worker02", argv=["sh", "-c", script])
    assert run.rc == 2
    assert sorted(result["rc"] for result in run.of("exec")) == [0, 3]
    for name in ("worker01", "worker02"):
        assert f"--- {name}: exit status " in run.stdout
    assert [message for message in run.failures() if "exit status" in message] == ["exit status 3"]


@needs_sshd
def test_files(execute: Any, workers: None, tmp_path: Path) -> None:
    data = os.urandom(100_000)
    (tmp_path / "in").write_bytes(data)
    execute(container="worker01", cmd="cat", stdin_file=str(tmp_path / "in"), stdout_file=f"{tmp_path}/{{name}}.out").succeeded()
    assert (tmp_path / "worker01.out").read_bytes() == data


@needs_sshd
def test_check_mode_runs_nothing(execute: Any, workers: None, tmp_path: Path) -> None:
    run = execute("--check", container="worker01", argv=["touch", str(tmp_path / "ran")]).succeeded()
    assert run.changed == 0
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "variables", [{}, {"cmd": ""}, {"cmd": "ls", "argv": ["ls"]}, {"argv": "ls -la"}], ids=["none", "empty", "both", "text"]
)
def test_without_one_command_the_error_says_how_to_give_it(variables: dict[str, Any], playbook: Playbooks, lab: RunningLab) -> None:
    since = lab.mark()
    run = playbook("exec", container="task1", **variables)
    assert run.rc == 2
    assert "cmd='ls -la'" in run.failures()[-1] and '{"argv": ["ls", "-la"]}' in run.failures()[-1]
    assert lab.journal(since, kind="connect") == []


def test_targets_names_what_is_missing_or_stopped(playbook: Playbooks, workers: None) -> None:
    playbook("stop", container="worker02").succeeded()
    run = playbook("exec", container="worker[01:03]", cmd="true")
    assert run.rc == 2
    assert "worker03 does not exist, worker02 is stopped." in run.failures()[-1]
    assert run.of("exec") == []


def test_targets_gives_hosts_all_that_ssh_needs(playbook: Playbooks, workers: None, home: Path) -> None:
    """D25: the pinned key under its alias and no other; no DNS name, no question."""
    play = [
        {
            "name": "Find",
            "hosts": "localhost",
            "gather_facts": False,
            "roles": [
                {"role": "pixels.sandbox.targets", "targets_names": "worker[01:02]", "targets_group": "mine", "targets_user": "root"}
            ],
        },
        {
            "name": "Look",
            "hosts": "mine",
            "gather_facts": False,
            "tasks": [{"name": "Look", "ansible.builtin.debug": {"msg": "{{ hostvars[inventory_hostname] }}"}}],
        },
    ]
    path = home / "targets.yml"
    path.write_text(json.dumps(play))
    run = playbook(str(path)).succeeded()
    found = {item.host: item.result["msg"] for item in run.results if item.action == "ansible.builtin.debug"}
    assert sorted(found) == ["worker01", "worker02"]
    variables = found["worker01"]
    assert (variables["ansible_connection"], variables["ansible_user"], variables["ansible_pipelining"]) == ("ssh", "root", True)
    assert variables["ansible_host"] != found["worker02"]["ansible_host"]
    assert "StrictHostKeyChecking=yes" in variables["ansible_ssh_common_args"]
    assert "HostKeyAlias=worker01." in variables["ansible_ssh_common_args"]
