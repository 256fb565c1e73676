# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A job's repository: made of the bundle that came along, and afterwards what the job has done in it, as a bundle again."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from typing import Any

from .wire import Failure

# What the job may have written into its configuration is not to run while its work is being packed.
_QUIET = ["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "gc.auto=0", "-c", "commit.gpgSign=false"]
# Where changes that nobody committed go: a commit of their own, on top of HEAD.
UNCOMMITTED = "refs/worker/uncommitted"
_AUTHOR = {
    f"GIT_{who}_{what}": text for who in ("AUTHOR", "COMMITTER") for what, text in (("NAME", "worker"), ("EMAIL", "worker@localhost"))
}
_PATIENCE = 300


def _run(repository: str | None, *words: str, env: dict[str, str] | None = None, stdin: bytes | None = None) -> subprocess.CompletedProcess:
    where = [] if repository is None else ["-C", repository]
    return subprocess.run(
        ["git", *_QUIET, *where, *words],
        env={**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C", **(env or {})},
        input=b"" if stdin is None else stdin,
        capture_output=True,
        check=False,
        timeout=_PATIENCE,
    )


def _said(done: subprocess.CompletedProcess) -> str:
    return done.stderr.decode("utf-8", "replace").strip()[-500:] or f"exit status {done.returncode}"


def clone(bundle: str, repository: str, wanted: dict[str, Any]) -> None:
    """A repository with the one branch, at the pinned commit. Of where it came from it knows what is no secret, or nothing."""
    if shutil.which("git") is None:
        raise Failure(
            "no_git", "there is no git in the container: install it in what the container is made of, or leave the repository out"
        )
    branch = wanted["branch"]
    steps: list[tuple[Any, ...]] = [
        (None, "init", "--quiet", repository),
        (repository, "symbolic-ref", "HEAD", f"refs/heads/{branch}"),
        (repository, "fetch", "--quiet", "--no-tags", "--update-head-ok", bundle, f"+{wanted['ref']}:refs/heads/{branch}"),
        (repository, "reset", "--quiet", "--hard", wanted["commit"]),
    ]
    if wanted["origin"]:
        steps.append((repository, "remote", "add", "origin", wanted["origin"]))
    if _run(None, "config", "--global", "user.email").returncode:
        steps += [(repository, "config", f"user.{key}", wanted["author"][key]) for key in ("name", "email")]
    for step in steps:
        done = _run(*step)
        if done.returncode:
            raise Failure("repository", f"git {step[1]} in the container failed: {_said(done)}")


def exclude(repository: str, names: list[str]) -> None:
    """What was handed over beside the repository is none of the job's work."""
    with open(os.path.join(repository, ".git", "info", "exclude"), "a") as stream:
        for name in names:
            escaped = "".join(f"\\{letter}" if letter in "\\*?[]!# " else letter for letter in name)
            stream.write(f"/{escaped}\n")


def look(repository: str, commit: str) -> dict[str, Any]:
    """Where the job has come to."""
    found: dict[str, Any] = {"commit": None, "branch": None, "commits": 0}
    head = _run(repository, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    if head.returncode:
        return found
    found["commit"] = head.stdout.decode().strip()
    branch = _run(repository, "symbolic-ref", "--quiet", "--short", "HEAD")
    found["branch"] = branch.stdout.decode("utf-8", "replace").strip() or None
    count = _run(repository, "rev-list", "--count", "HEAD", f"^{commit}")
    found["commits"] = int(count.stdout) if count.returncode == 0 else 0
    return found


def keep_uncommitted(repository: str, index: str, limit: int, notes: list[str]) -> str | None:
    """A commit of what differs from HEAD, new files included, in a reference of its own. Index, branches and files stay as they are.

    `index` is a path where a copy of the index can be until we are through.
    """
    env = {**_AUTHOR, "GIT_INDEX_FILE": index}
    try:
        # The job's own index knows which files have not changed; without it all of them are read.
        with contextlib.suppress(OSError):
            shutil.copyfile(os.path.join(repository, ".git", "index"), index)
        if not os.path.exists(index) and _run(repository, "read-tree", "HEAD", env=env).returncode:
            return None
        new = _run(repository, "ls-files", "--others", "--exclude-standard", "-z", env=env).stdout.split(b"\0")
        # Git lists the files of another repository as one directory, and keeps no more than the name of a commit of it.
        nested = [os.fsdecode(name) for name in new if name.endswith(b"/")]
        notes += [f"{name}: a repository of its own, its files are not part of this one" for name in nested]
        size = sum(_size(os.path.join(os.fsencode(repository), name)) for name in new if name)
        everything = size <= limit
        if not everything:
            notes.append(f"uncommitted new files: {size} bytes are more than the limit of {limit}")
        added = _run(repository, "add", "--all" if everything else "--update", "--ignore-errors", ".", env=env)
        if added.returncode:
            notes.append(f"some uncommitted changes: {_said(added)}")
        tree = _run(repository, "write-tree", env=env)
        if tree.returncode or tree.stdout == _run(repository, "rev-parse", "HEAD^{tree}").stdout:
            return None
        words = ["commit-tree", "-p", "HEAD", "-m", "What the worker had not committed", tree.stdout.decode().strip()]
        made = _run(repository, *words, env=env)
        commit = made.stdout.decode().strip()
        if made.returncode or _run(repository, "update-ref", UNCOMMITTED, commit).returncode:
            notes.append(f"uncommitted changes: {_said(made)}")
            return None
        return commit
    finally:
        if os.path.exists(index):
            os.unlink(index)


def _size(path: bytes) -> int:
    try:
        return os.lstat(path).st_size
    except OSError:
        return 0


def bundle(repository: str, commit: str, target: str, notes: list[str]) -> bool:
    """Everything that any reference has and the pushed commit has not; False when there is nothing."""
    new = _run(repository, "rev-list", "--max-count=1", "--all", "HEAD", f"^{commit}")
    if new.returncode:
        notes.append(f"the repository: {_said(new)}")
        return False
    if not new.stdout.strip():
        return False
    made = _run(repository, "bundle", "create", "--quiet", target, "--all", "HEAD", f"^{commit}")
    if made.returncode:
        notes.append(f"the repository: {_said(made)}")
        return False
    return True
