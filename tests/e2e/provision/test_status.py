# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How far the tools are, from nothing to the end and with all that gets in between. A service of the test's own stands for theirs."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from playbook import Playbooks, PlayRun
from running_lab import RunningLab

# Takes its steps, and at one of them does once what the file says.
SERVICE = """\
import json, os, sys, time
place, log = "/var/lib/pixels/devtools", "/var/log/pixels/devtools.log"
for path in (place, os.path.dirname(log)):
    os.makedirs(path, exist_ok=True)
boot = open("/proc/sys/kernel/random/boot_id").read().strip()
steps = [dict(name=n, status="pending", exit=None, started=None, ended=None, message="") for n in ("packages", "mise", "settings")]
state = dict(version=1, status="running", digest="d", attempt=1, started=time.time(), ended=None, boot=boot, steps=steps)
def write():
    with open(place + "/new", "w") as stream:
        json.dump(state, stream)
    os.replace(place + "/new", place + "/state.json")
write()
for step in steps:
    step.update(status="running", started=time.time())
    write()
    time.sleep(1)
    if step["name"] == "mise" and os.path.exists("/root/at-mise"):
        do = open("/root/at-mise").read()
        os.unlink("/root/at-mise")
        open(log, "a").write("at mise: " + do + "\\n")
        if do == "fail":
            step.update(status="failed", exit=7, ended=time.time(), message="it did not want to")
            state.update(status="failed", ended=time.time())
            write()
            sys.exit(1)
        os.system(do)
        time.sleep(3)
    step.update(status="done", exit=0, ended=time.time())
    write()
state.update(status="done", ended=time.time())
write()
"""
UNIT = "[Service]\nType=exec\nExecStart=/usr/bin/python3 /root/service.py\n[Install]\nWantedBy=multi-user.target\n"
Begin = Callable[..., PlayRun]


@pytest.fixture(scope="module", autouse=True)
def _container(playbook: Playbooks, real_lab: RunningLab) -> None:
    real_lab.reset()
    playbook("create", container="tools").succeeded()


@pytest.fixture
def root(playbook: Playbooks) -> Begin:
    """A script in the container, as root."""

    def run(script: str) -> PlayRun:
        return playbook("exec", container="tools", user="root", argv=["sh", "-ec", script]).succeeded()

    return run


@pytest.fixture
def followed(playbook: Playbooks, root: Begin) -> Begin:
    """The service is started with something that it is to do at the step mise, and followed to the end."""

    def run(do: str = "true") -> PlayRun:
        root(f"printf %s {shlex.quote(do)} >/root/at-mise; systemctl restart --no-block pixels-devtools")
        return playbook("status", container="tools", follow=True, follow_timeout=120)

    return run


def status(run: PlayRun) -> str:
    return str(run.last("provision_info")["provision"]["status"])


def test_nobody_has_asked_for_tools(playbook: Playbooks) -> None:
    run = playbook("status", container="tools", follow=True).succeeded()
    assert status(run) == "none" and "tools: no tools were asked for" in run.stdout


def test_d22_each_step_is_shown_as_it_ends_and_the_table_in_the_end(
    playbook: Playbooks, root: Begin, followed: Begin, tmp_path: Path
) -> None:
    for name, text in (("root/service.py", SERVICE), ("etc/systemd/system/pixels-devtools.service", UNIT)):
        (tmp_path / "file").write_text(text)
        playbook("exec", container="tools", user="root", argv=["sh", "-c", f"cat >/{name}"], stdin_file=str(tmp_path / "file")).succeeded()
    root("systemctl daemon-reload; systemctl enable -q pixels-devtools")
    run = followed().succeeded()
    assert [line for line in run.stdout.splitlines() if line.startswith("tools: mise done")]
    assert "STEP      STATUS  EXIT  SECONDS\npackages  done       0" in run.stdout and status(run) == "done"
    # Any user may ask, and a second look costs nothing and changes nothing.
    assert playbook("status", container="tools").succeeded().changed == 0


def test_d22_a_failed_step_ends_it_with_the_step_and_the_log(playbook: Playbooks, followed: Begin) -> None:
    run = followed("fail")
    assert run.rc == 2
    assert "at the step mise (exit status 7): it did not want to" in run.failures()[-1]
    assert run.failures()[-1].endswith("at mise: fail")
    assert ["mise", "failed", "7"] in [line.split()[:3] for line in run.stdout.splitlines()]
    assert status(playbook("status", container="tools").succeeded()) == "failed"


def test_a_killed_service_does_not_run_for_ever(playbook: Playbooks, followed: Begin) -> None:
    run = followed("kill -9 $PPID")
    assert run.rc == 2 and "does not run any more (signal)" in run.failures()[-1]
    assert status(playbook("status", container="tools").succeeded()) == "failed"


def test_an_ssh_server_that_goes_and_comes_is_waited_for(followed: Begin) -> None:
    run = followed("systemctl kill --kill-whom=all -s KILL ssh; pkill -KILL sshd; sleep 1; systemctl restart ssh").succeeded()
    assert status(run) == "done"


def test_a_container_that_is_restarted_in_the_middle_goes_on(followed: Begin) -> None:
    run = followed("systemctl reboot").succeeded()
    assert status(run) == "done"


def test_garbage_is_an_error(playbook: Playbooks, root: Begin) -> None:
    root('printf \'{"version": 1, "status": "do\' >/var/lib/pixels/devtools/state.json')
    for follow in (False, True):
        run = playbook("status", container="tools", follow=follow)
        assert run.rc == 2 and "damaged, or written half" in run.failures()[-1]


def test_a_container_that_is_not_there_is_named(playbook: Playbooks) -> None:
    playbook("destroy", container="tools").succeeded()
    run = playbook("status", container="tools", follow=True)
    assert run.rc == 2 and "tools does not exist" in run.failures()[-1]
