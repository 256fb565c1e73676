"""Twenty clones of a base with git at work, each with a repository and a task; one is killed; the results come home, nothing is left."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playbook import BIN, ROOT, Playbooks, PlayRun, clean_environment
from running_lab import RunningLab

BASE = "fleetbase"
WORKERS = [f"worker{number:02}" for number in range(1, 21)]
VICTIM = "worker07"
# What plays the agent: it reads its task, works in the repository, and leaves what it found and what it is.
AGENT = r"""#!/bin/sh
set -eu
cat > task.seen
printf '{"worker": "%s", "commit": "%s"}\n' "$WORKER_NAME" "$(git rev-parse HEAD)" > result.json
for file in machine-id hostname ssh/ssh_host_ed25519_key.pub; do cat "/etc/$file"; done > identity
hostname -I >> identity
echo "$WORKER_NAME was here" > work
git add work
git commit --quiet --message "Work of $WORKER_NAME"
echo "not committed" > more
echo "$WORKER_NAME on standard error" >&2
mkdir out; echo done > out/log.txt
touch /tmp/ready; while [ "$WORKER_NAME" = VICTIM ]; do sleep 600; done
"""
TASK = "Worker {{ worker_number }} of {{ worker_count }}, {{ worker_name }}: {{ part | default('nothing special') }}\n"


def incus(lab: RunningLab, *words: str) -> str:
    """Behind the back of everything that is tested."""
    environment = {"INCUS_DIR": lab.env["INCUS_DIR"], "PATH": "/usr/bin:/bin:/usr/sbin:/sbin:/opt/incus/bin", "HOME": "/root"}
    done = subprocess.run(
        ["incus", *words], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@dataclass
class Story:
    """One fleet of twenty, and what was seen while it worked."""

    run: PlayRun
    results: Path
    repository: Path
    commit: str
    since: int
    before: set[str] = field(default_factory=set)

    def record(self, worker: str) -> dict[str, Any]:
        return dict(json.loads((self.results / worker / "result.json").read_text()))

    def file(self, worker: str, name: str) -> str:
        return (self.results / worker / name).read_text()


def git(where: Path, *words: str) -> str:
    identity = ["-c", "user.name=Author", "-c", "user.email=author@localhost", "-c", "init.defaultBranch=main"]
    return subprocess.run(["git", "-C", str(where), *identity, *words], check=True, capture_output=True, text=True).stdout.strip()


def snapshots(lab: RunningLab) -> set[str]:
    return {entry["id"] for entry in lab.ask("pool.snapshot.query", [], {"select": ["id"]})}


def datasets(lab: RunningLab) -> set[str]:
    return {entry["id"] for entry in lab.ask("pool.dataset.query", [], {"extra": {"retrieve_children": False, "flat": True}})}


@pytest.fixture(scope="module")
def base(playbook: Playbooks, real_lab: RunningLab) -> None:
    """A container with git in it, and a checkpoint of that."""
    real_lab.reset()
    playbook("create", container=BASE, memory="512MiB").succeeded()
    install = "apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends git"
    playbook("exec", container=BASE, user="root", argv=["sh", "-c", install]).succeeded()
    playbook("checkpoint_create", container=BASE, label="ready").succeeded()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a commit that is pinned and one behind it that nobody is to see."""
    path = tmp_path_factory.mktemp("source")
    git(path, "init", "--quiet")
    (path / "agent.sh").write_text(AGENT.replace("VICTIM", VICTIM))
    (path / "agent.sh").chmod(0o755)
    git(path, "add", ".")
    git(path, "commit", "--quiet", "--message", "pinned")
    git(path, "tag", "pinned")
    (path / "later").write_text("too late")
    git(path, "add", ".")
    git(path, "commit", "--quiet", "--message", "later")
    return path


Started = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture(scope="module")
def start(playbook: Playbooks) -> Started:
    """ansible-playbook at work on a fleet, while the test does something else."""

    def started(**extra: Any) -> subprocess.Popen[bytes]:
        words = [word for key, value in extra.items() for word in ("-e", json.dumps({key: value}))]
        return subprocess.Popen(
            [str(BIN / "ansible-playbook"), str(ROOT / "playbooks" / "fleet.yml"), *words],
            cwd=ROOT,
            env=clean_environment(playbook.home, **playbook.env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    return started


def until_ready(lab: RunningLab, container: str, running: subprocess.Popen[bytes], timeout: float = 300) -> None:
    """Until the agent in a container has done its work."""
    until = time.monotonic() + timeout
    while time.monotonic() < until and running.poll() is None:
        with contextlib.suppress(AssertionError):
            incus(lab, "exec", f"px-{container}", "--", "test", "-e", "/tmp/ready")
            return
        time.sleep(0.3)
    raise AssertionError(f"{container} never came so far")


@pytest.fixture(scope="module")
def story(base: None, start: Started, repository: Path, playbook: Playbooks, real_lab: RunningLab, tmp_path_factory: Any) -> Story:
    results = tmp_path_factory.mktemp("fleet") / "results"
    task = tmp_path_factory.mktemp("task") / "task.md"
    task.write_text(TASK)
    since, before = real_lab.mark(), snapshots(real_lab) | datasets(real_lab)
    running = start(
        container="worker[01:20]",
        **{"from": f"{BASE}:ready"},
        repository=str(repository),
        version="pinned",
        task_file=str(task),
        vars_by_name={"worker[01:10]": {"part": "the api"}},
        command="./agent.sh",
        time_limit=600,
        collect=["result.json", "task.seen", "identity", "out"],
        results=str(results),
    )
    try:
        until_ready(real_lab, VICTIM, running)
        incus(real_lab, "stop", "--force", f"px-{VICTIM}")
        output = running.communicate(timeout=500)[0].decode()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
    return Story(PlayRun(running.returncode, output, ""), results, repository, git(repository, "rev-parse", "pinned"), since, before)


def test_nineteen_are_done_and_one_is_named(story: Story) -> None:
    statuses = {worker: story.record(worker)["status"] for worker in WORKERS}
    assert statuses == {worker: "lost" if worker == VICTIM else "done" for worker in WORKERS}, story.run.output
    assert story.run.rc == 2
    assert f"1 of 20 workers failed: {VICTIM} (lost)" in story.run.output
    assert "its container is stopped" in story.record(VICTIM)["error"]


def test_each_had_its_own_task_and_the_pinned_commit(story: Story) -> None:
    for number, worker in enumerate(WORKERS, 1):
        if worker == VICTIM:
            continue
        part = "the api" if number <= 10 else "nothing special"
        assert story.file(worker, "files/task.seen") == f"Worker {number} of 20, {worker}: {part}\n"
        assert json.loads(story.file(worker, "files/result.json")) == {"worker": worker, "commit": story.commit}
        record = story.record(worker)
        assert (record["commit_before"], record["commits"], record["branch"], record["exit_status"]) == (story.commit, 1, worker, 0)


def test_logs_and_files_came_home(story: Story) -> None:
    for worker in set(WORKERS) - {VICTIM}:
        assert story.file(worker, "stderr.log") == f"{worker} on standard error\n"
        assert story.file(worker, "files/out/log.txt") == "done\n"
        assert {entry["path"] for entry in story.record(worker)["files"]} == {"result.json", "task.seen", "identity", "out/log.txt"}


def test_the_work_of_all_can_be_fetched_into_the_repository(story: Story) -> None:
    for worker in set(WORKERS) - {VICTIM}:
        bundle = story.results / worker / "repository.bundle"
        git(story.repository, "bundle", "verify", "--quiet", str(bundle))
        git(story.repository, "fetch", "--quiet", str(bundle), f"+refs/*:refs/{worker}/*")
        assert git(story.repository, "show", f"refs/{worker}/heads/{worker}:work") == f"{worker} was here"
        assert git(story.repository, "show", f"refs/{worker}/worker/uncommitted:more") == "not committed"
        assert git(story.repository, "rev-parse", f"refs/{worker}/heads/{worker}~1") == story.commit


def test_every_worker_is_somebody_else(story: Story) -> None:
    """19 machine-ids, host names, host keys and addresses."""
    identities = [story.file(worker, "files/identity").splitlines() for worker in WORKERS if worker != VICTIM]
    columns = list(zip(*identities, strict=True))
    assert len(columns) == 4
    assert [len(set(column)) for column in columns] == [19, 19, 19, 19]


def test_no_login_storm(story: Story, real_lab: RunningLab) -> None:
    assert real_lab.logins(story.since) <= 2


def test_nothing_is_left(story: Story, real_lab: RunningLab, home: Path) -> None:
    assert set(real_lab.instances()) == {f"px-{BASE}"}
    assert snapshots(real_lab) | datasets(real_lab) == story.before
    known_hosts = (home / ".local" / "state" / "pixels" / "known_hosts").read_text()
    assert "worker" not in known_hosts and BASE in known_hosts


def test_a_second_create_of_twenty_changes_nothing(base: None, playbook: Playbooks, real_lab: RunningLab) -> None:
    wanted: dict[str, Any] = {"container": "worker[01:20]", "from": f"{BASE}:ready"}
    first = playbook("create", **wanted).succeeded()
    assert len(first.last("container")["containers"]) == 20
    since = real_lab.mark()
    assert playbook("create", **wanted).succeeded().changed == 0
    assert real_lab.changes(since) == []
    playbook("destroy", container="worker[01:20]").succeeded()
    assert set(real_lab.instances()) == {f"px-{BASE}"}


def test_an_interrupted_fleet_is_taken_over_by_the_next(
    base: None, start: Started, playbook: Playbooks, real_lab: RunningLab, repository: Path, tmp_path: Path
) -> None:
    """Ctrl-C, while the agents are at work: Ansible then runs nothing more, and the containers stay until the same is run again."""
    fleet: dict[str, Any] = {"container": [VICTIM, "worker08"], "from": f"{BASE}:ready", "repository": str(repository), "version": "pinned"}
    fleet |= {"results": str(tmp_path / "out"), "collect": "identity", "overwrite": True}
    running = start(**fleet, command="./agent.sh")
    try:
        until_ready(real_lab, VICTIM, running)
        os.kill(running.pid, signal.SIGINT)
        running.communicate(timeout=60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
    assert set(real_lab.instances()) == {f"px-{name}" for name in (BASE, VICTIM, "worker08")}
    run = playbook("fleet", **fleet, command="cp /etc/hostname identity").succeeded()
    assert "Destroy what an earlier run has left" in run.stdout
    assert {path.name for path in (tmp_path / "out").iterdir()} == {VICTIM, "worker08"}
    assert set(real_lab.instances()) == {f"px-{BASE}"}


def test_failures_of_single_workers(base: None, playbook: Playbooks, real_lab: RunningLab, tmp_path: Path, repository: Path) -> None:
    """A time limit, an exit status, a task that cannot be templated, and one of an image without git; all stay."""
    (tmp_path / "task.md").write_text("{{ part }}")
    by_name: dict[str, dict[str, Any]] = {
        "late": {"part": "sleep 600 & echo begun; sleep 600", "time_limit": 3},
        "wrong": {"part": "exit 7"},
        "vague": {},
        "nogit": {"part": "true", "image": real_lab.env["PIXELS_DEFAULT_IMAGE"]},
    }
    run = playbook(
        "fleet",
        container=["late", "wrong", "vague", "nogit"],
        **{"from": f"{BASE}:ready"},
        repository=str(repository),
        argv=["sh", "-c", "exec sh task.md"],
        task_file=str(tmp_path / "task.md"),
        vars_by_name=by_name,
        results=str(tmp_path / "out"),
        keep="failed",
    )
    records = {name: json.loads((tmp_path / "out" / name / "result.json").read_text()) for name in by_name}
    assert run.rc == 2
    assert [(one["status"], one["exit_status"]) for one in records.values()] == [
        ("timed_out", 124),
        ("failed", 7),
        ("not_started", None),
        ("not_started", None),
    ]
    assert "part" in records["vague"]["error"] and "there is no git in the container" in records["nogit"]["error"]
    assert (tmp_path / "out" / "late" / "stdout.log").read_text() == "begun\n"
    assert "Kept: late, wrong, vague, nogit" in run.output
    assert "sleep 600" not in incus(real_lab, "exec", "px-late", "--", "ps", "ax")
    playbook("destroy", container="late,wrong,vague,nogit").succeeded()
    assert set(real_lab.instances()) == {f"px-{BASE}"}


def test_a_fleet_without_a_base(playbook: Playbooks, real_lab: RunningLab, tmp_path: Path) -> None:
    """Of an image, without a repository; the environment reaches the command, and the user is the one that was asked for."""
    run = playbook(
        "fleet",
        *("-e", json.dumps({"env": {"TOKEN": "a b"}})),
        container="plain",
        argv=["sh", "-c", 'echo "$TOKEN $MODEL $KEY $WORKER_NAME $(id -un)"'],
        user="agent",
        egress="unrestricted",
        results=str(tmp_path / "out"),
        env={"PIXELS_ENV": '{"MODEL": "small", "KEY": {"forward": true}}', "KEY": "k3y"},
    ).succeeded()
    assert (tmp_path / "out" / "plain" / "stdout.log").read_text() == "a b small k3y plain agent\n"
    assert "plain   done" in run.stdout
    assert [done["egress"]["mode"] for done in run.of("egress")] == ["unrestricted"]
