"""`exec` in real containers: words, bytes, statuses, a lost connection, other users, a fleet."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playbook import Playbooks, PlayRun
from running_lab import RunningLab

FLEET = "runner[1:2]"
Run = Callable[..., PlayRun]


@pytest.fixture(scope="module", autouse=True)
def _fleet(playbook: Playbooks, real_lab: RunningLab) -> None:
    """Two containers for all tests of this file."""
    real_lab.reset()
    playbook("create", container=FLEET).succeeded()


@pytest.fixture(scope="module")
def tasks(playbook: Playbooks) -> Run:
    """Runs tasks in runner1, by way of the role `targets`."""

    def run(*tasks: dict[str, Any], **options: Any) -> PlayRun:
        find = {
            "name": "Find",
            "hosts": "localhost",
            "gather_facts": False,
            "roles": [{"role": "pixels.sandbox.targets", "targets_names": "runner1"}],
        }
        work = {"name": "Work", "hosts": "pixels_targets", "gather_facts": False, "tasks": list(tasks)}
        path = playbook.home / "work.yml"
        path.write_text(json.dumps([find, work]))
        return playbook(str(path), **options)

    return run


def execute(**options: Any) -> dict[str, Any]:
    return {"name": "Exec", "pixels.sandbox.exec": options, "ignore_errors": True}


def test_d23_words_arrive_exact(playbook: Playbooks) -> None:
    """D23: spaces, quotes, ``;``, ``$``, the empty word and newlines."""
    words = ["a b", "'", '"', ";", "$HOME", "$(id)", "`id`", "", "line\nbreak\n", "*", "~", "\\", "é日", "&& false", ""]
    run = playbook("exec", container="runner1", argv=["printf", "<%s>", *words]).succeeded()
    assert run.last("exec")["stdout"] == "".join(f"<{word}>" for word in words)


def test_d23_what_the_login_profile_puts_on_path_is_found(tasks: Run) -> None:
    """D23: a tool of the user's own is found, and what the profile says is not the tool's output."""
    install = "mkdir -p tools && printf '#!/bin/sh\\necho \"tool: $1\"\\n' > tools/mytool && chmod +x tools/mytool"
    profile = "printf '\\necho welcome\\nPATH=\"$HOME/tools:$PATH\"\\n' >> .profile"
    run = tasks(execute(argv=["sh", "-c", f"{install}; {profile}"]), execute(argv=["mytool", "a b"]), execute(argv=["mytool"], login=False))
    assert [(one["rc"], one["stdout"]) for one in run.of("exec")[1:]] == [(0, "tool: a b\n"), (127, "")]


def test_d24_statuses(tasks: Run) -> None:
    """D24: each as it was; 255 is not a lost connection."""
    statuses = [0, 1, 126, 127, 137, 255]
    run = tasks(*(execute(argv=["sh", "-c", f"echo out; echo err >&2; exit {status}"]) for status in statuses))
    assert [(one["rc"], one["stdout"], one["stderr"]) for one in run.of("exec")] == [(status, "out\n", "err\n") for status in statuses]


def test_d24_ten_mebibytes_there_and_back(playbook: Playbooks, tmp_path: Path) -> None:
    """D24: binary input and output are identical."""
    data = os.urandom(10 * 1024 * 1024)
    (tmp_path / "in").write_bytes(data)
    playbook("exec", container="runner1", cmd="cat", stdin_file=str(tmp_path / "in"), stdout_file=str(tmp_path / "out")).succeeded()
    assert (tmp_path / "out").read_bytes() == data


def test_d24_lost_connection_is_unreachable_and_not_a_status(playbook: Playbooks) -> None:
    """D24: the command ends its own SSH server process; nobody can know how it went on."""
    script = "p=$$; for _ in 1 2 3 4 5 6 7 8; do p=$(awk '/^PPid/ {print $2}' /proc/$p/status); case $(cat /proc/$p/comm) in sshd*)"
    script += " sudo kill -9 $p; sleep 60;; esac; done"
    run = playbook("exec", container="runner1", argv=["sh", "-c", script])
    assert run.rc == 4
    assert "whether it did its work is unknown" in run.output
    assert "rc" not in run.last("exec")


def test_a_key_that_is_not_let_in_is_put_in_place_and_the_command_runs_once(playbook: Playbooks, tmp_path: Path) -> None:
    """The user has the rights that it had, and no others."""
    shut = "rm /home/pixel/.ssh/authorized_keys; mv /etc/sudoers.d/pixels /root"
    playbook("exec", container="runner1", user="root", argv=["sh", "-c", shut]).succeeded()
    for master in (playbook.home / ".ansible" / "cp").glob("*"):
        master.unlink()
    (tmp_path / "in").write_text("from here")
    script = "cat; echo ran >>/tmp/ran; sudo -n true"
    run = playbook("exec", container="runner1", argv=["sh", "-c", script], stdin_file=str(tmp_path / "in"))
    assert run.rc == 2 and "Put the key in place through the API" in run.stdout
    assert (run.last("exec")["stdout"], run.last("exec")["rc"]) == ("from here", 1)
    assert playbook("exec", container="runner1", cmd="cat /tmp/ran").succeeded().last("exec")["stdout"] == "ran\n"
    playbook("exec", container="runner1", user="root", argv=["mv", "/root/pixels", "/etc/sudoers.d/pixels"]).succeeded()
    # A user that is not there is not made.
    run = playbook("exec", container="runner1", cmd="id", user="nobody-here")
    assert run.rc == 4 and "nobody-here@" in run.output and len(run.of("ssh_access", skipped=False)) == 1


def test_another_user(tasks: Run) -> None:
    run = tasks({**execute(cmd="id -un"), "become": True}, execute(cmd="id -un"))
    assert [one["stdout"] for one in run.of("exec")] == ["root\n", "pixel\n"]


def test_user_of_the_playbook(playbook: Playbooks) -> None:
    assert playbook("exec", container="runner1", cmd="id -un", user="root").succeeded().last("exec")["stdout"] == "root\n"


def test_async_and_time_limit(tasks: Run) -> None:
    run = tasks({**execute(cmd="sh -c 'exit 255'"), "async": 30, "poll": 1}, execute(cmd="sleep 600", timeout=1))
    assert run.of("exec")[0]["rc"] == 255
    assert run.of("exec")[-1]["timed_out"] is True


def test_one_container_is_seen_live_and_only_once(playbook: Playbooks) -> None:
    """As it comes, harmless to a terminal; the result has the bytes."""
    script = "echo first; sleep 0.5; echo second >&2; sleep 0.5; printf 'third \\033[2J \\001'; exit 3"
    run = playbook("exec", container="runner1", argv=["sh", "-c", script])
    assert run.rc == 2
    assert run.stdout.count("\nfirst\nsecond\nthird \N{REPLACEMENT CHARACTER}[2J \N{REPLACEMENT CHARACTER}\n") == 1
    found = run.last("exec")
    assert (found["rc"], found["stdout"], found["stderr"], found["live"]) == (3, "first\nthird \x1b[2J \x01", "second\n", True)
    apart = playbook("exec", container="runner1", argv=["sh", "-c", script], live=False)
    assert apart.stdout.count("first") == 1 and "live" not in apart.last("exec")


def test_d26_variables_of_the_session_are_in_no_list_of_processes_and_no_output(playbook: Playbooks, home: Path) -> None:
    """D26: looked at on both ends while the command runs, with all that Ansible can be made to say."""
    secret = "s3cret-of-the-session"
    env = {"FORWARDED": secret, "PIXELS_ENV": '{"FORWARDED": {"forward": true}, "ONLY": {"value": "only-here", "session_only": true}}'}
    look = "import glob, os\nfor p in glob.glob('/proc/[0-9]*/cmdline'):\n  try: w = open(p, 'rb').read()\n  except OSError: continue\n"
    look += "  assert os.environb[b'FORWARDED'] not in w, 'seen'\nprint(len(os.environ['FORWARDED']), os.environ['ONLY'])"
    seen = []
    with subprocess.Popen(["sh", "-c", "while ps axww -o args=; do sleep 0.05; done"], stdout=subprocess.PIPE, text=True) as watcher:
        try:
            run = playbook("exec", "-vvvvv", container="runner1", argv=["python3", "-c", look], env=env).succeeded()
        finally:
            watcher.kill()
        seen = watcher.stdout.readlines() if watcher.stdout is not None else []
    assert run.last("exec")["stdout"] == f"{len(secret)} only-here\n"
    assert secret not in run.output and secret not in str([item.result for item in run.results])
    assert any("runner1" in line for line in seen) and not any(secret in line for line in seen)
    assert playbook("exec", container="runner1", cmd="sh -c 'echo [$FORWARDED]'", forward=False, env=env).last("exec")["stdout"] == "[]\n"


def test_fleet_is_shown_container_by_container(playbook: Playbooks) -> None:
    run = playbook("exec", container=FLEET, argv=["sh", "-c", "hostname; test $(hostname) != px-runner2"])
    assert run.rc == 2
    assert "--- runner1: exit status 0 ---\npx-runner1\n" in run.stdout
    assert "--- runner2: exit status 1 ---\npx-runner2\n" in run.stdout


def test_stopped_container_is_named(playbook: Playbooks) -> None:
    playbook("stop", container="runner2").succeeded()
    run = playbook("exec", container=FLEET, cmd="true")
    assert "runner2 is stopped" in run.failures()[-1]
    playbook("start", container="runner2").succeeded()
    playbook("exec", container=FLEET, cmd="true").succeeded()


def test_d31_destroy_takes_all_with_it(playbook: Playbooks, real_lab: RunningLab, home: Path) -> None:
    """D31: without a terminal, really; the pinned host keys go too."""
    playbook("destroy", container=FLEET).succeeded()
    assert real_lab.instances() == {}
    assert "runner" not in (home / ".local" / "state" / "pixels" / "known_hosts").read_text()
    assert playbook("destroy", container=FLEET).succeeded().changed == 0
