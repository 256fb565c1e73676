"""Git on the control node: what is packed, what is refused, and where credentials do not get to."""

from __future__ import annotations

import os
import subprocess
import threading
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import repository
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError, Invalid


def git(where: Path, *words: str) -> str:
    identity = ["-c", "user.name=Author", "-c", "user.email=author@localhost", "-c", "init.defaultBranch=main"]
    return subprocess.run(["git", "-C", str(where), *identity, *words], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "my source"
    path.mkdir()
    git(path, "init", "--quiet")
    for text in ("one", "two"):
        (path / "file").write_text(text)
        git(path, "add", ".")
        git(path, "commit", "--quiet", "--message", text)
    git(path, "tag", "--annotate", "--message", "v1", "v1", "HEAD~1")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "folder"
    path.mkdir()
    return path


def pack(address: str, version: str | None, folder: Path, here: Path | None = None) -> repository.Packed:
    return repository.pack(repository.source_of(address, here or folder), version, folder)


@pytest.mark.parametrize("url", [False, True], ids=["path", "url"])
@pytest.mark.parametrize(("version", "expected"), [(None, "HEAD"), ("main", "HEAD"), ("v1", "HEAD~1"), ("v1~0", "HEAD~1")])
def test_versions(source: Path, folder: Path, version: str | None, expected: str, url: bool) -> None:
    packed = pack(source.as_uri() if url else str(source), version, folder)
    assert packed.commit == git(source, "rev-parse", expected)
    assert packed.origin is None
    copy = folder / "copy"
    subprocess.run(["git", "clone", "--quiet", "--branch", "base", str(packed.bundle), str(copy)], check=True, capture_output=True)
    assert git(copy, "rev-parse", "HEAD") == packed.commit
    assert repository.has(packed, "file") and not repository.has(packed, "other")


@pytest.mark.parametrize("url", [False, True], ids=["path", "url"])
def test_commits_by_their_number_short_or_long(source: Path, folder: Path, url: bool) -> None:
    commit = git(source, "rev-parse", "HEAD~1")
    for length in (40, 10):
        place = folder / str(length)
        place.mkdir()
        assert pack(source.as_uri() if url else str(source), commit[:length], place).commit == commit


def test_a_relative_path_and_what_is_not_committed(source: Path, folder: Path) -> None:
    (source / "file").write_text("three")
    packed = pack("my source", None, folder, here=source.parent)
    assert packed.commit == git(source, "rev-parse", "HEAD")


def test_a_subdirectory_is_its_repository(source: Path, folder: Path) -> None:
    (source / "sub").mkdir()
    assert pack(str(source / "sub"), None, folder).commit == git(source, "rev-parse", "HEAD")


@pytest.mark.parametrize("url", [False, True], ids=["path", "url"])
@pytest.mark.parametrize("version", ["no-such-thing", "0" * 40, "deadbeef"])
def test_no_such_commit(source: Path, folder: Path, version: str, url: bool) -> None:
    with pytest.raises(Invalid, match="no such commit"):
        pack(source.as_uri() if url else str(source), version, folder)


@pytest.mark.parametrize("version", ["--upload-pack=touch x", "a b", "-x"])
def test_a_version_is_no_option(source: Path, folder: Path, version: str) -> None:
    with pytest.raises(Invalid, match="version"):
        pack(str(source), version, folder)


def test_no_repository_there(folder: Path) -> None:
    with pytest.raises(Invalid, match="repository"):
        pack(str(folder / "nothing"), None, folder)
    (folder / "plain").mkdir()
    with pytest.raises(Invalid, match="git says"):
        pack(str(folder / "plain"), None, folder)
    with pytest.raises(CoreError, match="cannot be read"):
        pack((folder / "nothing").as_uri(), None, folder / "plain")


def test_a_shallow_clone_is_refused(source: Path, folder: Path) -> None:
    shallow = folder / "shallow"
    subprocess.run(["git", "clone", "--quiet", "--depth=1", source.as_uri(), str(shallow)], check=True, capture_output=True)
    with pytest.raises(Invalid, match="unshallow"):
        pack(str(shallow), None, folder)


def test_the_callers_own_git_variables_mean_nothing(source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", str(folder / "elsewhere"))
    assert pack(str(source), None, folder).commit


# Credentials


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:s3cret@git.example.com/a/b.git", "https://git.example.com/a/b.git"),
        ("https://t0ken@git.example.com:8443/a", "https://git.example.com:8443/a"),
        ("ssh://git:s3cret@git.example.com/a", "ssh://git@git.example.com/a"),
        ("ssh://git@git.example.com/a", "ssh://git@git.example.com/a"),
        ("git@git.example.com:a/b.git", "git@git.example.com:a/b.git"),
    ],
)
def test_what_anybody_may_see_of_a_url(url: str, shown: str, tmp_path: Path) -> None:
    source = repository.source_of(url, tmp_path)
    assert (source.shown, source.origin, source.address) == (shown, shown, shown)
    assert "s3cret" not in repr(source.shown)


class _Asking(BaseHTTPRequestHandler):
    seen: list[str]

    def do_GET(self) -> None:
        self.seen.append(self.headers.get("Authorization", ""))
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="test"')
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def asking() -> Iterator[tuple[str, list[str]]]:
    """An HTTP server that wants a password and is content with none."""
    _Asking.seen = []
    server = HTTPServer(("127.0.0.1", 0), _Asking)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_port}", _Asking.seen
    server.shutdown()
    server.server_close()


def test_credentials_reach_the_server_and_nothing_else(
    asking: tuple[str, list[str]], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither arguments of git, which process lists show, nor messages have them."""
    place, seen = asking
    log, tools = tmp_path / "argv", tmp_path / "tools"
    tools.mkdir()
    real = subprocess.run(["sh", "-c", "command -v git"], check=True, capture_output=True, text=True).stdout.strip()
    (tools / "git").write_text(f'#!/bin/sh\nprintf "%s " "$@" >> {log}\nexec {real} "$@"\n')
    (tools / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    with pytest.raises(CoreError) as failure:
        pack(f"http://me:s3%20cret@{place}/a.git", None, folder)
    assert f"Basic {b64encode(b'me:s3 cret').decode()}" in seen
    assert "cret" not in str(failure.value) and place in str(failure.value)
    assert place in log.read_text() and "cret" not in log.read_text()


# What comes back


def work(packed: repository.Packed, folder: Path) -> Path:
    copy = folder / "copy"
    subprocess.run(["git", "clone", "--quiet", "--branch", "base", str(packed.bundle), str(copy)], check=True, capture_output=True)
    (copy / "file").write_text("work")
    git(copy, "commit", "--quiet", "--all", "--message", "work")
    git(copy, "bundle", "create", str(folder / "work.bundle"), "--all", "HEAD", f"^{packed.commit}")
    return folder / "work.bundle"


def test_a_bundle_of_a_worker(source: Path, folder: Path) -> None:
    packed = pack(str(source), None, folder)
    verified = repository.verify(work(packed, folder), packed.repository)
    assert verified.problem is None
    assert set(verified.refs) == {"HEAD", "refs/heads/base"}


def test_bundles_that_are_none(source: Path, folder: Path, tmp_path: Path) -> None:
    packed = pack(str(source), None, folder)
    bundle = work(packed, folder)
    bad = tmp_path / "bad.bundle"
    for data in (b"", b"hello", b"# v2 git bundle\n", b"# v2 git bundle\n-" + b"0" * 40 + b" gone\n\n"):
        bad.write_bytes(data)
        found = repository.verify(bad, packed.repository)
        assert found.refs == {} and found.problem is not None, data
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "--quiet", "--bare")
    assert repository.verify(bundle, other).problem is not None


def test_a_bundle_with_more_references_than_anybody_reads_is_refused(source: Path, folder: Path) -> None:
    packed = pack(str(source), None, folder)
    line = f"{packed.commit} refs/heads/{'x' * 200}"
    bundle = folder / "hostile"
    with bundle.open("w") as stream:
        stream.write("# v2 git bundle\n")
        stream.writelines(f"{line}{number}\n" for number in range(30_000))
        stream.write("\n")
    verified = repository.verify(bundle, packed.repository)
    assert verified.refs == {} and "references" in str(verified.problem)


def test_credentials_in_a_url_come_before_those_that_git_has_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stored").write_text("https://other:theirs@git.example.com\n")
    (tmp_path / "config").write_text(f"[credential]\n\thelper = store --file {tmp_path}/stored\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    source = repository.source_of("https://me:mine@git.example.com/a.git", tmp_path)
    request = "protocol=https\nhost=git.example.com\npath=a.git\n\n"
    asked = subprocess.run(
        ["git", "credential", "fill"], input=request, env={**os.environ, **source.env}, check=True, capture_output=True, text=True
    )
    assert "username=me\npassword=mine\n" in asked.stdout
