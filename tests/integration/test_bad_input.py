"""What is wrong in the request is said clearly, with what is allowed, before anything is changed."""

from __future__ import annotations

import socket

import pytest
from playbook import Playbooks, PlayRun
from running_lab import RunningLab


def _create(playbook: Playbooks, *, env: dict[str, str] | None = None, **options: object) -> PlayRun:
    task = {"name": "Container", "pixels.sandbox.container": {"name": "task1", "wait_for": "none", **options}}
    return playbook.tasks(task, env=env)


def _refused(run: PlayRun, *words: str) -> str:
    assert run.rc == 2 and run.failed == 1, run.output
    (message,) = run.failures()
    for word in words:
        assert word in message, message
    return message


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "Task_1"}, ("Task_1", "lower-case")),
        ({"name": "../etc"}, ("../etc", "lower-case")),
        ({"image": "no/such/image"}, ("no/such/image",)),
        ({"memory": "16MiB"}, ("memory", "32")),
        ({"memory": "lots"}, ("memory", "lots")),
        ({"cpu": "none at all"}, ("cpu",)),
        ({"state": "running"}, ("running", "started")),
    ],
    ids=["name", "path", "image", "little-memory", "memory", "cpu", "state"],
)
def test_bad_option(options: dict[str, str], words: tuple[str, ...], playbook: Playbooks, lab: RunningLab) -> None:
    since = lab.mark()
    _refused(_create(playbook, **options), *words)
    assert lab.changes(since) == []
    assert lab.instances() == {}


def test_unreachable_host_is_named(playbook: Playbooks) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    _refused(_create(playbook, env={"PIXELS_TRUENAS_HOST": f"127.0.0.1:{port}", "PIXELS_TRUENAS_PORT": ""}), str(port))


def test_plain_socket_to_another_host_is_refused_before_anything_is_sent(playbook: Playbooks, lab: RunningLab) -> None:
    message = _refused(_create(playbook, env={"PIXELS_TRUENAS_HOST": "ws://192.0.2.1:80", "PIXELS_TRUENAS_PORT": ""}), "wss://")
    assert lab.api_key not in message


@pytest.mark.parametrize("kind", ["wrong", "expired", "revoked"])
def test_bad_key(kind: str, playbook: Playbooks, lab: RunningLab) -> None:
    key = "1-" + "x" * 64 if kind == "wrong" else lab.state(new_key={"name": kind, kind: True})["new_key"]
    since = lab.mark()
    run = _create(playbook, env={"PIXELS_TRUENAS_API_KEY": key, "PIXELS_TRUENAS_API_KEY_FILE": ""})
    _refused(run, "key")
    assert key not in run.output
    assert lab.changes(since) == []
    assert lab.instances() == {}


def test_d28_uninitialised_virtualisation_is_no_absence(playbook: Playbooks, lab: RunningLab) -> None:
    """D28: an empty list from an appliance whose Incus does not run does not mean that the container is gone."""
    playbook.tasks({"name": "Make", "pixels.sandbox.container": {"name": "task1", "wait_for": "none"}}).succeeded()
    lab.state(virt_state="LOCKED")
    try:
        _refused(_create(playbook, state="absent"), "LOCKED")
    finally:
        lab.state(virt_state="INITIALIZED")
    assert "px-task1" in lab.instances()


@pytest.mark.parametrize(
    "details",
    [{"errno": 13}, {"errno": 110}, {"code": -32601}],
    ids=["EACCES", "ETIMEDOUT", "unknown method"],
)
def test_d28_no_error_reads_as_absent(details: dict[str, int], playbook: Playbooks, lab: RunningLab) -> None:
    """D28: 401, a time-out, an unknown method: a failure, never absent."""
    playbook.tasks({"name": "Make", "pixels.sandbox.container": {"name": "task1", "wait_for": "none"}}).succeeded()
    since = lab.mark()
    with lab.broken("virt.instance.*", "refuse", times=None, **details):
        run = _create(playbook, state="absent")
    assert run.failed == 1, run.output
    assert [method for method in lab.changes(since) if method == "virt.instance.delete"] == []
    assert "px-task1" in lab.instances()


@pytest.mark.parametrize("details", [{"code": -32000}, {"errno": 16}], ids=["too many calls", "EBUSY"])
def test_d28_busy_appliance_is_asked_again(details: dict[str, int], playbook: Playbooks, lab: RunningLab) -> None:
    """D28: what passes is waited for; it is neither an absence nor a failure."""
    playbook.tasks({"name": "Make", "pixels.sandbox.container": {"name": "task1", "wait_for": "none"}}).succeeded()
    with lab.broken("virt.instance.query", "refuse", times=2, **details):
        again = _create(playbook).succeeded()
        assert lab.faults()[0]["used"] == 2
    assert again.changed == 0
