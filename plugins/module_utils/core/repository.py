# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Git on the control node: a repository at a pinned commit becomes one bundle for all workers, and what they bring home is verified.

Where it comes from is the user's business and uses the user's git configuration. Credentials in a URL go to git through its
environment, never in an argument, and no container gets to see them.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from .errors import CoreError, Invalid
from .job_link import text

REF = "refs/heads/base"
_FETCH = 600.0
_LOCAL = 120.0
# So many references of a worker are listed; a bundle can have more.
_REFS = 1000
# Git keeps them all in memory, and so do we: longer than this the list of them, at the beginning of a bundle, is a trap.
_LONGEST_LIST = 4 << 20
_SCP = re.compile(r"(?:[^@/:\s]+@)?[^/:\s]+:(?!//).+")
_FULL = re.compile(r"[0-9a-f]{40}")
_HELPER = '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" "$PIXELS_GIT_USER" "$PIXELS_GIT_PASSWORD"; }; f'
# For bundles of strangers: no configuration of ours decides what git does with them.
_BARE_ENV = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}


@dataclass(frozen=True)
class Source:
    """Where a repository is. `shown` is without credentials; `origin` is what a worker may know of it."""

    address: str
    shown: str
    origin: str | None
    env: Mapping[str, str]
    local: Path | None = None


@dataclass(frozen=True)
class Packed:
    """A commit with its history, as a bundle, and a bare repository of it to verify others against."""

    bundle: Path
    repository: Path
    commit: str
    origin: str | None
    ref: str = REF

    def as_dict(self) -> dict[str, object]:
        return {
            "bundle": str(self.bundle),
            "repository": str(self.repository),
            "commit": self.commit,
            "origin": self.origin,
            "ref": self.ref,
        }


def source_of(repository: str, here: Path) -> Source:
    """A path, or what git takes for a URL; raises for what is neither."""
    path = here / os.path.expanduser(repository)
    if "://" not in repository and (path.exists() or not _SCP.fullmatch(repository)):
        if not path.is_dir():
            raise Invalid("repository", repository, "it has to be a directory on the control node, or a URL")
        return Source(str(path), str(path), None, {}, path)
    if "://" not in repository:
        return Source(repository, repository, repository, {})
    if repository.startswith("-") or any(character.isspace() for character in repository):
        raise Invalid("repository", without_credentials(repository), "a URL has no blanks")
    return _of_url(repository)


def without_credentials(url: str) -> str:
    """A URL as anybody may see it. Behind ssh the user's name is a part of the address; elsewhere a name alone can be a token."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    if parts.scheme in ("ssh", "git+ssh", "ssh+git") and at:
        host = f"{user.partition(':')[0]}@{host}"
    return urlunsplit((parts.scheme, host, parts.path, parts.query, ""))


def _of_url(url: str) -> Source:
    shown = without_credentials(url)
    parts = urlsplit(url)
    user, _colon, password = parts.netloc.rpartition("@")[0].partition(":")
    if parts.scheme == "file":
        return Source(url, shown, None, {})
    if parts.scheme not in ("http", "https") or not user:
        return Source(shown, shown, shown, {})
    place = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], "", "", ""))
    env = {
        "GIT_CONFIG_COUNT": "2",
        # The empty one makes git forget all that would be asked before ours, or keep what ours says.
        "GIT_CONFIG_KEY_0": f"credential.{place}.helper",
        "GIT_CONFIG_VALUE_0": "",
        "GIT_CONFIG_KEY_1": f"credential.{place}.helper",
        "GIT_CONFIG_VALUE_1": _HELPER,
        "PIXELS_GIT_USER": unquote(user),
        "PIXELS_GIT_PASSWORD": unquote(password),
    }
    return Source(shown, shown, shown, env)


def pack(source: Source, version: str | None, folder: Path) -> Packed:
    """The bundle of a version (any name that git knows; HEAD without one), made in `folder`. Raises when there is no such commit."""
    wanted = version or "HEAD"
    if wanted.startswith("-") or any(ord(character) < 33 for character in wanted):
        raise Invalid("version", version, "it is a commit, a branch or a tag")
    bare = folder / "repository.git"
    _git("init", "--quiet", "--bare", str(bare))
    commit = _of_path(source.local, wanted, bare) if source.local is not None else _of_remote(source, wanted, bare)
    _git("update-ref", REF, commit, at=bare)
    bundle = folder / "repository.bundle"
    done = _try("bundle", "create", "--quiet", str(bundle), REF, at=bare)
    if done.returncode:
        raise CoreError(f"repository: {source.shown} cannot be packed: {_said(done)}")
    return Packed(bundle, bare, commit, source.origin)


def _of_path(path: Path, wanted: str, bare: Path) -> str:
    inside = _try("rev-parse", "--git-path", "objects", "--is-shallow-repository", at=path)
    if inside.returncode:
        raise Invalid("repository", str(path), f"git says: {_said(inside)}")
    objects, shallow = inside.stdout.decode(errors="surrogateescape").rstrip("\n").rsplit("\n", 1)
    if shallow == "true":
        raise Invalid("repository", str(path), "a shallow clone has no history to hand over; complete it with git fetch --unshallow")
    # Nothing is copied: the objects are looked up where they are.
    (bare / "objects" / "info" / "alternates").write_bytes(os.fsencode(os.path.realpath(path / objects)) + b"\n")
    return _resolve(path, wanted, str(path))


def _of_remote(source: Source, wanted: str, bare: Path) -> str:
    """The one commit, where the other end gives it by name; else everything, to look for it there."""
    fetch = ("fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--", source.address)
    one = _try(*fetch, f"+{wanted}:{REF}", at=bare, env=source.env, timeout=_FETCH)
    if one.returncode == 0:
        return _resolve(bare, REF, source.shown)
    everything = _try(*fetch, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*", at=bare, env=source.env, timeout=_FETCH)
    if everything.returncode:
        raise CoreError(f"repository: {source.shown} cannot be read: {_said(everything)}")
    return _resolve(bare, wanted, source.shown)


def _resolve(repository: Path, wanted: str, shown: str) -> str:
    found = _try("rev-parse", "--verify", "--quiet", "--end-of-options", f"{wanted}^{{commit}}", at=repository)
    if found.returncode:
        raise Invalid("version", wanted, f"{shown} has no such commit, branch or tag")
    return found.stdout.decode().strip()


def has(packed: Packed, path: str) -> bool:
    """Whether the commit has a file or folder of that name."""
    return _try("cat-file", "-e", f"{packed.commit}:{path}", at=packed.repository).returncode == 0


@dataclass(frozen=True)
class Verified:
    """What a bundle from a container is good for: its references, or why it is good for nothing."""

    refs: dict[str, str]
    problem: str | None = None


def verify(bundle: Path, repository: Path) -> Verified:
    """Whether it is a bundle that can be fetched from, by who has the pinned commit. Nothing of it is unpacked."""
    with bundle.open("rb") as stream:
        if b"\n\n" not in stream.read(_LONGEST_LIST):
            return Verified({}, f"its list of references has more than {_LONGEST_LIST} bytes, or no end")
    checked = _try("bundle", "verify", "--quiet", str(bundle), at=repository, env=_BARE_ENV)
    if checked.returncode:
        return Verified({}, f"git bundle verify: {text(_said(checked))}")
    listed = _try("bundle", "list-heads", str(bundle), at=repository, env=_BARE_ENV)
    if listed.returncode:
        return Verified({}, f"git bundle list-heads: {text(_said(listed))}")
    lines = (line.partition(" ") for line in listed.stdout.decode("utf-8", "replace").splitlines()[:_REFS])
    refs = {text(name): commit for commit, _blank, name in lines if _FULL.fullmatch(commit)}
    return Verified(refs, None if refs else "the bundle has no references")


def _try(
    *words: str, at: Path | None = None, env: Mapping[str, str] | None = None, timeout: float = _LOCAL
) -> subprocess.CompletedProcess[bytes]:
    # The caller's own repository must not be taken for the one that is meant.
    environment = {name: value for name, value in os.environ.items() if name not in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")}
    environment.update({"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C", "GIT_SSH_COMMAND": _ssh(), **(env or {})})
    command = ["git", "-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0", *([] if at is None else ["-C", str(at)]), *words]
    try:
        return subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=timeout)
    except FileNotFoundError:
        raise CoreError("git is not installed on the control node, and a repository needs it") from None
    except subprocess.TimeoutExpired:
        raise CoreError(f"git {words[0]} has not ended within {timeout:.0f} s") from None


def _ssh() -> str:
    """Nobody is there to answer a question."""
    return os.environ.get("GIT_SSH_COMMAND") or os.environ.get("GIT_SSH") or "ssh -o BatchMode=yes"


def _git(*words: str, at: Path | None = None) -> None:
    done = _try(*words, at=at)
    if done.returncode:
        raise CoreError(f"git {words[0]}: {_said(done)}")


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    lines: Sequence[str] = [line for line in done.stderr.decode("utf-8", "replace").strip().splitlines() if line.strip()]
    return "; ".join(lines[-3:]) or f"exit status {done.returncode}"
