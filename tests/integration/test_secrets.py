"""The API key is nowhere to be seen, however much is shown; and the options of a whole play come from `module_defaults`."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

from playbook import Playbooks
from running_lab import RunningLab

GROUP = "group/pixels.sandbox.pixels"


def _nowhere_else(lab: RunningLab) -> tuple[dict[str, str], dict[str, Any]]:
    """An environment that says nothing, and the defaults of a play that say it all."""
    unset = {name: "" for name in lab.env if name.startswith("PIXELS_TRUENAS_")}
    connection = {"host": lab.host, "api_key": lab.api_key, "ca_file": lab.env["PIXELS_TRUENAS_CA_FILE"]}
    return unset, {"module_defaults": {GROUP: connection}}


def test_d26_the_key_is_in_no_output_no_journal_and_no_file(playbook: Playbooks, lab: RunningLab, home: Path) -> None:
    """D26: as an option of the play, with all that Ansible can be made to say, in success, failure and with async."""
    env, play = _nowhere_else(lab)
    since = lab.mark()
    tasks: list[dict[str, Any]] = [
        {"name": "Make", "pixels.sandbox.container": {"name": "task1", "wait_for": "none"}},
        {"name": "Look", "pixels.sandbox.container_info": {"name": "task1", "connection": True}},
        {"name": "Refuse", "pixels.sandbox.container": {"name": "task1", "bogus": 1}, "ignore_errors": True},
        {"name": "Fail", "pixels.sandbox.container": {"name": "task2", "image": "no/such"}, "ignore_errors": True},
        {"name": "Apart", "pixels.sandbox.container_info": {"name": "task1"}, "async": 60, "poll": 1},
    ]
    # For the last two Ansible asks the list of accounts where the home directory is, not HOME.
    places = {"ANSIBLE_LOG_PATH": "ansible.log", "ANSIBLE_ASYNC_DIR": "async", "ANSIBLE_REMOTE_TMP": "tmp"}
    env |= {name: str(home / place) for name, place in places.items()}
    run = playbook.tasks(*tasks, play=play, env=env, diff=True)
    loud = playbook(str(home / "play.yml"), "-vvvvv", inventory=home / "hosts.json", env=env)
    for each in (run, loud):
        assert each.rc == 0 and len(each.of("container_info")) == 2, each.output
        assert lab.api_key not in each.output
        assert lab.api_key not in str([result.result for result in each.results])
    journal = (lab.directory / "journal.jsonl").read_text(encoding="utf-8")
    assert lab.logins(since) >= 2 and lab.api_key not in journal
    # The playbook itself holds it, of course, and so does what an async task runs from, until it has ended, for nobody else's eyes.
    assert stat.S_IMODE((home / "tmp").stat().st_mode) == 0o700
    files = [path for path in home.rglob("*") if home / "tmp" not in path.parents and path.is_file()]
    assert [path for path in files if lab.api_key.encode() in path.read_bytes()] == [home / "play.yml"]


def test_module_defaults_of_the_group_reach_every_module(playbook: Playbooks, lab: RunningLab) -> None:
    env, play = _nowhere_else(lab)
    tasks: list[dict[str, Any]] = [
        {"name": "Make", "pixels.sandbox.container": {"name": "task1", "wait_for": "none"}},
        {"name": "Look", "pixels.sandbox.container_info": {"name": "task1"}},
        {"name": "Open", "pixels.sandbox.ssh_access": {"name": "task1"}, "check_mode": True},
    ]
    run = playbook.tasks(*tasks, play=play, env=env).succeeded()
    assert run.last("container_info")["containers"][0]["status"] == "running"
    assert "host is not set" in playbook.tasks(tasks[1], env=env).failures()[0]
