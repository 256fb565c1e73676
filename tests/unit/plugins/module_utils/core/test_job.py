"""Jobs, with processes of this machine in the place of a container: what is sent runs, and what it leaves comes home."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import job, repository
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError, Invalid
from ansible_collections.pixels.sandbox.plugins.module_utils.core.job_link import Inside, Lost, NotReached

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a container is a Linux")

START: dict[str, Any] = {name: rule.get("default") for name, rule in job.START_ARGUMENTS.items()}
GATHER: dict[str, Any] = {name: rule.get("default") for name, rule in job.GATHER_ARGUMENTS.items()}


def git(where: Path, *words: str) -> str:
    identity = ["-c", "user.name=Author", "-c", "user.email=author@localhost", "-c", "init.defaultBranch=main"]
    return subprocess.run(["git", "-C", str(where), *identity, *words], check=True, capture_output=True, text=True).stdout.strip()


class Box:
    """What plays the container: a home directory and a shell."""

    def __init__(self, home: Path, results: Path) -> None:
        self.home = home
        self.results = results
        self.connections = 0
        # What the shell does before it runs what it was sent.
        self.before = ""
        self.reach = job.Reach(self.command, sys.executable, silence=20, pauses=(0.01, 0.01))

    def command(self, line: str, _fresh: bool) -> Sequence[str]:
        self.connections += 1
        return ["env", "-i", f"HOME={self.home}", f"PATH={os.environ['PATH']}", "sh", "-c", f"{self.before}\n{line}"]

    def start(self, *argv: str, **options: Any) -> dict[str, Any]:
        return job.start({**START, "name": "j1", "argv": list(argv), **options}, self.reach, "worker01")

    def gather(self, **options: Any) -> dict[str, Any]:
        return job.gather({**GATHER, "name": "j1", "dest": str(self.results / "worker01"), **options}, self.reach, "worker01")

    def run(self, *argv: str, collect: Sequence[str] = (), **options: Any) -> dict[str, Any]:
        self.start(*argv, **options)
        return self.gather(collect=list(collect), repository=options.get("repository"))

    def result(self, name: str) -> str:
        return (self.results / "worker01" / name).read_text()


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    (tmp_path / "home").mkdir()
    yield Box(tmp_path / "home", tmp_path / "results")
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").resolve().is_relative_to(tmp_path):
                os.kill(int(process.name), signal.SIGKILL)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.mkdir()
    git(path, "init", "--quiet")
    (path / "README").write_text("first\n")
    git(path, "add", ".")
    git(path, "commit", "--quiet", "--message", "first")
    (path / "README").write_text("second\n")
    git(path, "commit", "--quiet", "--all", "--message", "second")
    return path


def packed(source: Path, tmp_path: Path, version: str | None = None) -> dict[str, Any]:
    folder = tmp_path / "packed"
    folder.mkdir()
    return dict(repository.pack(repository.source_of(str(source), tmp_path), version, folder).as_dict())


def sh(script: str) -> tuple[str, str, str]:
    return ("sh", "-c", script)


def test_what_a_job_says_and_how_it_ends(box: Box) -> None:
    result = box.run(*sh("echo out; echo err >&2; exit 7"))
    assert (result["status"], result["exit_status"], result["timed_out"]) == ("failed", 7, False)
    assert (box.result("stdout.log"), box.result("stderr.log")) == ("out\n", "err\n")
    assert json.loads(box.result("result.json")) == {key: value for key, value in result.items() if key not in ("changed", "dest")}
    assert result["seconds"] >= 0 and result["started"].endswith("Z")


@pytest.mark.parametrize("login", [True, False])
def test_words_environment_and_task_arrive_as_they_are(box: Box, login: bool) -> None:
    words = ["a b", "'", '"', "$HOME", "", "line\nbreak", "é"]
    program = "import json, os, sys; print(json.dumps([sys.argv[1:], os.environ['TOKEN'], sys.stdin.read(), os.getcwd()]))"
    result = box.run(sys.executable, "-c", program, *words, login=login, environment={"TOKEN": "x 'y'\n$z"}, task="do é\n{{ it }}")
    assert result["status"] == "done", box.result("stderr.log")
    repository_path = str(box.home / "work" / "j1" / "repository")
    assert json.loads(box.result("stdout.log")) == [words, "x 'y'\n$z", "do é\n{{ it }}", repository_path]


def test_the_login_profile_counts_and_its_chatter_does_not(box: Box) -> None:
    (box.home / ".profile").write_text("echo welcome; echo hm >&2; cat; PATH=$HOME/tools:$PATH\n")
    (box.home / "tools").mkdir()
    (box.home / "tools" / "agent").write_text("#!/bin/sh\ncat\n")
    (box.home / "tools" / "agent").chmod(0o755)
    assert box.run("agent", task="the task")["status"] == "done"
    assert (box.result("stdout.log"), box.result("stderr.log")) == ("the task", "")


AWKWARD = {
    "TOKEN": "of the 'run'\n$z `id` \\ \"\n",
    "EMPTY": "",
    "IFS": "abc",
    "HOME": "/no/such/home",
    "BASH_ENV": "/no/such/file",
    "PATH": f"/opt/tools:{os.environ['PATH']}",
}


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_variables_of_the_run_count_more_than_what_is_kept_in_the_container(
    box: Box, shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = 'for name in TOKEN EMPTY BASH_ENV; do export "$name=of the base"; done'
    profile = f'set -u\nSEEN="[${{TOKEN-}}]"\n{stored}\nexport SEEN PATH="/base:$PATH"\n'
    (box.home / ".profile").write_text(profile)
    if shell == "sh":
        (tmp_path / "bin").mkdir()
        for name in ("sh", "env", "python3", "cat", "id"):
            (tmp_path / "bin" / name).symlink_to(shutil.which(name) or "")
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    program = "import json, os; print(json.dumps(dict(os.environ)))"
    result = box.run(sys.executable, "-c", program, environment=AWKWARD)
    assert result["status"] == "done", box.result("stderr.log")
    found = json.loads(box.result("stdout.log"))
    assert {name: found[name] for name in AWKWARD} == AWKWARD
    assert found["SEEN"] == "[]" and box.result("stderr.log") == ""
    assert not [name for name in found if name.startswith("_px_")]


@pytest.mark.parametrize("login", [True, False])
def test_variables_are_in_no_list_of_processes(box: Box, login: bool) -> None:
    look = (
        "import glob, os, pathlib\n"
        "for path in glob.glob('/proc/[0-9]*/cmdline'):\n"
        "    try: words = pathlib.Path(path).read_bytes()\n"
        "    except OSError: continue\n"
        "    assert os.environb[b'TOKEN'] not in words, words\n"
    )
    result = box.run(sys.executable, "-c", look, login=login, environment={"TOKEN": "s3cret-value-of-this-test"})
    assert result["status"] == "done", box.result("stderr.log")


def test_a_profile_that_ends_the_shell_is_no_end_of_the_command(box: Box) -> None:
    (box.home / ".profile").write_text("exit 0\n")
    result = box.run("true")
    assert result["status"] == "not_started" and "login profile" in result["error"]


@pytest.mark.parametrize("login", [True, False])
def test_a_program_that_is_not_there(box: Box, login: bool) -> None:
    assert box.run("no-such-program", login=login)["exit_status"] == 127


def test_a_signal_is_a_status_as_in_a_shell(box: Box) -> None:
    assert box.run(*sh("kill -KILL $$"))["exit_status"] == 137


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_time_limit_ends_all_of_it(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also what ignores SIGTERM, what has a session of its own, and what has lost its parent."""
    monkeypatch.setattr(job, "GRACE", 1)
    script = """
    trap '' TERM
    setsid sh -c 'trap "" TERM; echo $$ >> pids; while :; do sleep 100; done' &
    (setsid sh -c 'echo $$ >> pids; exec sleep 100' &)
    echo $$ >> pids
    while :; do sleep 100; done
    """
    result = box.run(*sh(script), time_limit=3, login=False, collect=["pids"])
    assert (result["status"], result["exit_status"], result["timed_out"]) == ("timed_out", 124, True)
    pids = [int(pid) for pid in box.result("files/pids").split()]
    assert len(pids) == 3 and not any(alive(pid) for pid in pids)


def test_a_command_that_ends_at_sigterm_has_run_into_its_limit_all_the_same(box: Box) -> None:
    result = box.run(*sh("trap 'echo bye; exit 0' TERM; sleep 100 & wait"), time_limit=6, login=False)
    assert result["timed_out"] and result["exit_status"] == 124
    assert box.result("stdout.log") == "bye\n"


def test_what_a_command_leaves_running_ends_with_it(box: Box) -> None:
    result = box.run(*sh("setsid sleep 100 & echo $! > pid"), collect=["pid"])
    assert result["status"] == "done"
    assert not alive(int(box.result("files/pid")))


def test_a_job_is_started_once(box: Box) -> None:
    started = [box.start(*sh("echo x >> count"))["changed"], box.start(*sh("echo x >> count"))["changed"]]
    box.gather()
    started.append(box.start(*sh("echo x >> count"))["changed"])
    assert started == [True, False, False]
    assert (box.home / "work/j1/repository/count").read_text() == "x\n"


def test_a_setting_up_that_was_cut_off_begins_anew(box: Box, source: Path, tmp_path: Path) -> None:
    repo = packed(source, tmp_path)
    with pytest.raises((Inside, CoreError)):
        box.start("cat", "README", repository={**repo, "commit": "0" * 40})
    assert box.start("cat", "README", repository=repo)["changed"]
    assert box.gather()["status"] == "done" and box.result("stdout.log") == "second\n"


def test_a_job_that_is_not_there(box: Box) -> None:
    result = box.gather()
    assert result["status"] == "failed" and "there is no job j1" in result["error"]
    assert json.loads(box.result("result.json"))["status"] == "failed"


def test_a_killed_supervisor_is_a_lost_job(box: Box) -> None:
    box.start(*sh("echo $PPID > ppid; exec sleep 100"), login=False)
    ppid = box.home / "work/j1/repository/ppid"
    while not ppid.exists() or not ppid.read_text().strip():
        time.sleep(0.01)
    os.kill(int(ppid.read_text()), signal.SIGKILL)
    result = box.gather()
    assert result["status"] == "lost" and "cut off" in result["error"]


# The repository


def test_a_repository_at_its_pinned_commit(box: Box, source: Path, tmp_path: Path) -> None:
    first = git(source, "rev-parse", "HEAD~1")
    repo = packed(source, tmp_path, first)
    result = box.run(*sh("cat README; git status --porcelain; git symbolic-ref --short HEAD; git remote"), repository=repo, task="t")
    assert box.result("stdout.log") == "first\nworker01\n"
    assert (result["commit_before"], result["commit_after"], result["commits"]) == (first, first, 0)
    assert result["bundle"] is None and result["uncommitted"] is None


def test_what_was_committed_and_what_was_not_comes_home(box: Box, source: Path, tmp_path: Path) -> None:
    repo = packed(source, tmp_path)
    script = """
    echo mine > committed; git add committed; git commit --quiet --message work; git tag v1
    git checkout --quiet -b other; echo b > other; git add other; git commit --quiet --message other; git checkout --quiet worker01
    echo changed >> README; echo new > new; git add README; echo ignored > ignored; echo ignored > .gitignore
    """
    result = box.run(*sh(script), repository=repo)
    assert result["status"] == "done", box.result("stderr.log")
    assert result["commits"] == 1 and result["branch"] == "worker01" and result["uncommitted"]
    assert {"refs/heads/worker01", "refs/heads/other", "refs/tags/v1", "refs/worker/uncommitted", "HEAD"} == set(result["refs"])
    assert "HEAD" in result["refs"] and "refs/heads/base" not in result["refs"]
    git(source, "fetch", "--quiet", str(box.results / "worker01/repository.bundle"), "+refs/*:refs/w/*")
    assert git(source, "show", "refs/w/heads/worker01:committed") == "mine"
    assert git(source, "show", "refs/w/worker/uncommitted:README") == "second\nchanged"
    names = git(source, "ls-tree", "--name-only", "refs/w/worker/uncommitted").split()
    assert sorted(names) == [".gitignore", "README", "committed", "new"]
    # The job's own repository is as it was left.
    assert "M  README" in git(box.home / "work/j1/repository", "status", "--porcelain")


def test_what_was_handed_over_is_none_of_the_work(box: Box, source: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.env").write_text("A=1\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "run.sh").write_text("echo ran\n")
    (tmp_path / "folder" / "run.sh").chmod(0o755)
    files = [{"src": str(tmp_path / "secret.env"), "dest": ".env"}, {"src": str(tmp_path / "folder"), "dest": "tools/x [1]"}]
    result = box.run(*sh("cat .env; './tools/x [1]/run.sh'"), repository=packed(source, tmp_path), files=files, task="t")
    assert box.result("stdout.log") == "A=1\nran\n"
    assert result["uncommitted"] is None and result["bundle"] is None


def test_no_git_is_said_before_anything_runs(box: Box, source: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "bash", "env"):
        (tools / name).symlink_to(shutil.which(name) or "")
    box.before = f"PATH={tools}"
    with pytest.raises(Inside, match="no git in the container"):
        box.start(*sh("touch ran"), repository=packed(source, tmp_path))
    assert not (box.home / "work/j1/repository/ran").exists()


# What is collected


def test_patterns(box: Box) -> None:
    script = "mkdir -p out/deep .hidden; echo 1 > out/a.json; echo 2 > out/deep/b.json; echo 3 > c.txt; echo 4 > .hidden/d"
    result = box.run(*sh(f"{script}; ln -s c.txt link"), collect=["out/**/*.json", "out", "*.txt", ".hidden", "link", "absent.*"])
    assert [entry["path"] for entry in result["files"]] == ["out/a.json", "out/deep/b.json", "c.txt", ".hidden/d"]
    assert box.result("files/out/deep/b.json") == "2\n"
    assert result["left_out"] == ["files/link: it is no regular file", "absent.*: there is no such file"]


def test_what_is_too_much_is_left_out_and_said(box: Box) -> None:
    box.start(*sh("head -c 5000 /dev/zero > big; head -c 4000 /dev/zero | tr '\\0' x; echo small > small"))
    result = box.gather(collect=["big", "small"], max_bytes=4096, max_log=100)
    assert [entry["path"] for entry in result["files"]] == ["small"]
    assert box.result("stdout.log") == "x" * 100
    assert any(note.startswith("files/big: 5000 bytes") for note in result["left_out"])
    assert "stdout.log: only its end" in result["left_out"]


def test_results_of_before_are_replaced_only_when_that_is_wanted(box: Box) -> None:
    box.run(*sh("echo one"))
    with pytest.raises(Invalid, match="overwrite"):
        box.gather()
    (box.results / "worker01" / "old").write_text("")
    assert box.gather(overwrite=True)["status"] == "done"
    assert sorted(path.name for path in box.results.iterdir()) == ["worker01"]
    assert not (box.results / "worker01" / "old").exists()


# The connection


def test_a_connection_that_breaks_is_made_again(box: Box) -> None:
    box.start(*sh("until test -e go; do sleep 0.05; done; echo done"))
    once = box.home / "once"
    # The first connection dies behind the first word of the program.
    box.before = f"if [ ! -e {once} ]; then touch {once}; (sleep 1; kill -9 $$) & fi; touch {box.home}/work/j1/repository/seen"
    box.reach = replace(box.reach, pauses=(0.01, 0.01, 0.01))
    original = box.command

    def command(line: str, fresh: bool) -> Sequence[str]:
        if fresh:
            (box.home / "work/j1/repository/go").touch()
        return original(line, fresh)

    box.reach = replace(box.reach, command=command)
    assert box.gather()["status"] == "done"
    assert box.connections == 3


def test_a_container_that_is_gone_is_lost(box: Box) -> None:
    box.start("true")
    box.before = "echo no route >&2; exit 255"
    result = box.gather()
    assert result["status"] == "lost" and "no route" in result["error"]
    assert box.connections == 1 + 3
    assert json.loads(box.result("result.json"))["status"] == "lost"


def test_a_start_that_is_not_answered_raises(box: Box) -> None:
    box.before = "exit 255"
    with pytest.raises(NotReached, match="255"):
        box.start("true")


def test_silence_is_a_lost_connection(box: Box) -> None:
    box.start("true")
    box.before = "exec sleep 100"
    box.reach = replace(box.reach, silence=0.2)
    assert "nothing has come" in box.gather()["error"]


def test_a_job_without_an_end_is_not_waited_for_for_ever(box: Box) -> None:
    box.start(*sh("exec sleep 100"), login=False)
    result = box.gather(timeout=1)
    assert result["status"] == "lost" and "the time for it is over" in result["error"]
    assert box.connections == 2


def test_a_start_that_is_never_answered_is_not_waited_for_for_ever(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signs of life are all that comes."""
    monkeypatch.setattr(job, "_HANDOVER", 1.0)
    hostile = """
import json, sys, time
print("pixels-job:" + json.loads(sys.stdin.buffer.readline())["request"]["marker"], flush=True)
while True:
    print(json.dumps({"beat": 1}), flush=True)
    time.sleep(0.05)
"""
    box.reach = replace(box.reach, command=lambda _line, _fresh: [sys.executable, "-c", hostile])
    with pytest.raises(Lost, match="the time for it is over"):
        box.start("true")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "../x"}, "name"),
        ({"argv": []}, "empty"),
        ({"time_limit": 0}, "time_limit"),
        ({"environment": {"A B": "1"}}, "environment"),
        ({"environment": {"UID": "1"}}, "environment: UID cannot be set"),
        ({"environment": {"A": "x" * 200_000}}, "environment: A is too long"),
        ({"environment": {"TOKEN=s3cret": ""}}, "environment: 'TOKEN' cannot be"),
        ({"task": "t", "task_name": "../t"}, "task_name"),
        ({"files": [{"src": "/etc/hostname", "dest": "/etc/x"}]}, "files"),
        ({"files": [{"src": "/no/such/file", "dest": "x"}]}, "/no/such/file"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_bad_options_are_refused_before_anything_is_sent(box: Box, options: dict[str, Any], message: str) -> None:
    with pytest.raises(CoreError, match=message):
        box.start(*options.pop("argv", ["true"]), **options)
    assert box.connections == 0


# What is handed over beside the repository


def test_work_beside_the_files_that_were_handed_over_comes_home(box: Box, source: Path, tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "given").write_text("ours")
    pack = packed(source, tmp_path)
    files = [{"src": str(tmp_path / "tools"), "dest": "src"}]
    result = box.run(*sh("echo new >src/new"), repository=pack, files=files)
    git(source, "fetch", "--quiet", str(box.results / "worker01" / "repository.bundle"), "+refs/*:refs/w/*")
    changed = git(source, "diff", "--name-only", "HEAD", "refs/w/worker/uncommitted")
    assert result["uncommitted"] and changed == "src/new"


def test_a_repository_within_the_repository_is_named(box: Box, source: Path, tmp_path: Path) -> None:
    commit = "git -c user.name=a -c user.email=a@b commit --quiet --allow-empty --message x"
    script = f"echo new >new; git init --quiet sub; cd sub; {commit}; echo lost >file"
    result = box.run(*sh(script), repository=packed(source, tmp_path))
    assert result["uncommitted"] and result["left_out"] == ["sub/: a repository of its own, its files are not part of this one"]


def test_a_file_that_a_link_leads_to_is_handed_over(box: Box, tmp_path: Path) -> None:
    (tmp_path / "real").write_text("settings")
    (tmp_path / "link").symlink_to("real")
    assert box.run("cat", "settings", files=[{"src": str(tmp_path / "link"), "dest": "settings"}])["status"] == "done"
    assert box.result("stdout.log") == "settings"
