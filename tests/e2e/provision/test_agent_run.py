# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One agent without a terminal: what it is told, what comes home, and what becomes of its container. A script plays the agent."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from killing import Killer
from playbook import Playbooks, PlayRun
from running_lab import RunningLab

BASE = "agentbase"
POLICY = "/etc/egress/policy.json"
SECRET = "s3cr3t-forwarded-77ad"
# It does what its task says in its first word, and tells by its environment whether it has the key without showing it.
AGENT = r"""#!/bin/sh
printf '%s\n' "$@" >argv.seen
cat >task.seen
[ "$MODEL_KEY" = EXPECTED ] && [ "$STORED" = everywhere ] && [ "$DISABLE_AUTOUPDATER" = 1 ] && echo has-its-key
case $(cut -d' ' -f1 task.seen) in
  hang) echo partial >report.md; sleep 600 ;;
  fail) echo no >&2; exit 7 ;;
esac
echo done >report.md
echo work >work
git add work
git commit -qm "The agent's work"
echo rest >rest
"""


def incus(lab: RunningLab, *words: str, check: bool = True, stdin: str | None = None) -> str:
    """Behind the back of everything that is tested."""
    environment = {"INCUS_DIR": lab.env["INCUS_DIR"], "PATH": "/usr/bin:/bin:/usr/sbin:/sbin:/opt/incus/bin", "HOME": "/root"}
    done = subprocess.run(["incus", *words], env=environment, input=stdin or "", capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0 or not check, done.stderr
    return done.stdout


def git(where: Path, *words: str) -> str:
    identity = ["-c", "user.name=Author", "-c", "user.email=author@localhost", "-c", "init.defaultBranch=main"]
    return subprocess.run(["git", "-C", str(where), *identity, *words], check=True, capture_output=True, text=True).stdout.strip()


class Runs:
    """The playbook with what all of these tests have in common."""

    def __init__(self, playbook: Playbooks, lab: RunningLab, folder: Path) -> None:
        self.playbook, self.lab, self.folder = playbook, lab, folder
        self.repository = folder / "source"
        self.repository.mkdir()
        git(self.repository, "init", "--quiet")
        (self.repository / "README").write_text("A project.\n")
        git(self.repository, "add", ".")
        git(self.repository, "commit", "--quiet", "--message", "first")
        self.commit = git(self.repository, "rev-parse", "HEAD")
        self.env = {
            "MODEL_KEY": SECRET,
            "PIXELS_ENV": json.dumps({"MODEL_KEY": {"forward": True}, "STORED": "everywhere", "ABSENT_KEY": {"forward": True}}),
        }

    def options(self, task: str, results: str, **more: Any) -> dict[str, Any]:
        common = {
            "agent": "claude",
            "task_text": task,
            "repository": str(self.repository),
            "results": str(self.folder / results),
            "collect": "report.md,*.seen",
        }
        return {**common, **more}

    def __call__(self, task: str, results: str, *flags: str, **more: Any) -> PlayRun:
        return self.playbook("agent_run", *flags, env=self.env, **self.options(task, results, **more))

    def record(self, results: str, name: str) -> dict[str, Any]:
        return dict(json.loads((self.folder / results / name / "result.json").read_text()))

    def labels(self, name: str) -> list[str]:
        dataset = self.lab.dataset(f"px-{name}")
        return [snapshot.partition("@pixels-")[2] for snapshot in self.lab.snapshots() if snapshot.startswith(f"{dataset}@pixels-")]


@pytest.fixture(scope="module")
def runs(playbook: Playbooks, real_lab: RunningLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """With a base that has git and the agent, and keeps another value of a variable than the runs bring."""
    real_lab.reset()
    playbook("create", container=BASE, memory="512MiB", env={"PIXELS_ENV": '{"STORED": "in the base"}'}).succeeded()
    install = "apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends git"
    playbook("exec", container=BASE, user="root", argv=["sh", "-c", install]).succeeded()
    agent = "cat >/usr/local/bin/claude; chmod 755 /usr/local/bin/claude; sync"
    incus(real_lab, "exec", f"px-{BASE}", "--", "sh", "-c", agent, stdin=AGENT.replace("EXPECTED", SECRET))
    playbook("checkpoint_create", container=BASE, label="ready").succeeded()
    playbook("stop", container=BASE).succeeded()
    yield Runs(playbook, real_lab, tmp_path_factory.mktemp("runs"))
    playbook("destroy", container=f"kept,lost,{BASE}")


def test_its_work_comes_home_and_it_is_gone(runs: Runs) -> None:
    """With the policy for agents, because nothing else was said; and its key is in no output and no file."""
    before = set(runs.lab.datasets()) | set(runs.lab.snapshots())
    run = runs("make it 'so'", "done", "-vvv", name="r1", model="large", **{"from": f"{BASE}:ready"}).succeeded()
    assert [result["egress"]["mode"] for result in run.of("egress")] == ["agent"]
    record, home = runs.record("done", "r1"), runs.folder / "done" / "r1"
    assert (record["status"], record["exit_status"], record["commits"], record["commit_before"]) == ("done", 0, 1, runs.commit)
    assert (home / "files" / "task.seen").read_text() == "make it 'so'\n"
    assert (home / "files" / "report.md").read_text() == "done\n"
    words = (home / "files" / "argv.seen").read_text().split()
    assert words == ["--print", "--permission-mode", "bypassPermissions", "--output-format", "text", "--model", "large"]
    assert (home / "stdout.log").read_text() == "has-its-key\n", (home / "stderr.log").read_text()
    git(runs.repository, "fetch", "--quiet", str(home / "repository.bundle"), "+refs/*:refs/r1/*")
    assert git(runs.repository, "show", "refs/r1/heads/r1:work") == "work"
    assert git(runs.repository, "show", "refs/r1/worker/uncommitted:rest") == "rest"
    assert "r1 goes, and a checkpoint would go with it" in run.stdout
    assert "Not set on this machine, so not passed on: ABSENT_KEY" in run.stdout
    assert SECRET not in run.output
    assert set(runs.lab.datasets()) | set(runs.lab.snapshots()) == before


def test_at_its_time_limit_it_is_ended_and_kept_with_a_checkpoint(runs: Runs) -> None:
    run = runs("hang on", "late", name="kept", time_limit=4, keep="failed", egress="unrestricted", **{"from": f"{BASE}:ready"})
    assert run.rc == 2 and "timed_out" in run.failures()[-1]
    assert runs.record("late", "kept")["status"] == "timed_out"
    assert (runs.folder / "late" / "kept" / "files" / "report.md").read_text() == "partial\n"
    assert len(runs.labels("kept")) == 1 and runs.labels("kept")[0].startswith("run-")
    assert "kept stays, with the checkpoint run-" in run.stdout
    assert incus(runs.lab, "exec", "px-kept", "--", "pgrep", "-f", "sleep 600", check=False) == ""
    assert incus(runs.lab, "exec", "px-kept", "--", "grep", "-rlsF", SECRET, "/home", "/etc", "/root", "/var", "/tmp", check=False) == ""


def test_in_a_container_that_exists_it_works_and_leaves_it(runs: Runs) -> None:
    run = runs("fail now", "failed", container="kept", checkpoint=False)
    assert run.rc == 2 and "failed: the command ended with exit status 7" in run.failures()[-1]
    assert runs.record("failed", "kept")["status"] == "failed"
    assert (runs.folder / "failed" / "kept" / "stderr.log").read_text() == "no\n"
    assert run.of("egress") == [] and len(runs.labels("kept")) == 1
    assert runs.lab.instances()["px-kept"]["status"] == "RUNNING"
    runs("go", "again", container="kept", egress="agent").succeeded()
    assert runs.record("again", "kept")["status"] == "done"
    assert incus(runs.lab, "exec", "px-kept", "--", "ls", POLICY) == f"{POLICY}\n"
    assert len(runs.labels("kept")) == 2


def test_a_container_without_the_agent_is_told_before_it_starts(runs: Runs) -> None:
    run = runs("go", "absent", container="kept", agent="codex", checkpoint=False)
    assert run.rc == 2 and "not_started: there is no codex in kept" in run.failures()[-1]
    assert runs.record("absent", "kept")["status"] == "not_started"
    assert run.of("job") == []


def test_one_that_is_lost_before_it_begins_is_named_and_goes(runs: Runs) -> None:
    """Opened to SSH it was, and then nobody answers."""
    options = runs.options("go", "early", name="early", **{"from": f"{BASE}:ready"})
    run = runs.playbook("agent_run", env={**runs.env, "ANSIBLE_REMOTE_PORT": "1"}, **options)
    assert run.rc == 2 and run.failures()[-1].startswith("lost: ") and "Connection refused" in run.failures()[-1], run.output
    assert runs.record("early", "early")["status"] == "lost"
    assert run.of("job") == [] and "px-early" not in runs.lab.instances()


def test_one_that_is_lost_in_the_middle_is_named_and_goes(runs: Runs) -> None:
    """A clone of a restricted one, which was to be open."""
    source = f"kept:{sorted(runs.labels('kept'))[-1]}"
    options = runs.options("hang on", "lost", name="lost", egress="unrestricted", time_limit=500, **{"from": source})
    playbooks = Playbooks(runs.playbook.home, {**runs.playbook.env, **runs.env})
    running = Killer(playbooks, "agent_run", options)
    try:
        until = time.monotonic() + 300
        # Its source has been here before, and has left its files.
        while not incus(runs.lab, "exec", "px-lost", "--", "pgrep", "-f", "sleep 600", check=False):
            assert running.running and time.monotonic() < until, running.output()
            time.sleep(0.3)
        assert incus(runs.lab, "exec", "px-lost", "--", "ls", POLICY, check=False) == ""
        assert '"egress":"unrestricted"' in runs.lab.instances()["px-lost"]["environment"]["PIXELS_SANDBOX"]
        incus(runs.lab, "stop", "--force", "px-lost")
        while running.running:
            assert time.monotonic() < until, running.output()
            time.sleep(0.3)
    finally:
        running.kill()
    assert "lost: " in running.output() and "its container is stopped" in running.output()
    assert runs.record("lost", "lost")["status"] == "lost"
    assert "px-lost" not in runs.lab.instances()
