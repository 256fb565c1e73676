"""The lab's commands, without containers."""

from __future__ import annotations

import json
import os
import signal
import ssl
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from truenas_lab import cli, handover
from truenas_lab.handover import Handover
from truenas_lab.host.errors import HostError
from truenas_lab.host.processes import wait_for_end


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "lab"
    yield path
    cli.main(["destroy", "--dir", str(path)])


def up(directory: Path, *options: str) -> Handover:
    assert cli.main(["up", "--dir", str(directory), "--engine", "memory", *options]) == 0
    found = Handover.load(directory)
    assert found is not None
    assert found.running
    return found


def versions(lab: Handover) -> list[str]:
    context = ssl.create_default_context(cafile=lab.ca_file)
    with urllib.request.urlopen(lab.url.replace("wss:", "https:") + "/api/versions", context=context, timeout=10) as answer:
        return list(json.loads(answer.read()))


def test_up_twice_is_one_server(directory: Path) -> None:
    first, second = up(directory), up(directory)
    assert (first.pid, first.port) == (second.pid, second.port)
    assert versions(second)[-1] == "v25.10.5"


def test_what_it_hands_over(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lab = up(directory)
    for name in ("env", "lab.json", "api-key", "control-token", "journal.jsonl", "logs/server.log"):
        assert stat.S_IMODE((directory / name).stat().st_mode) == 0o600, name
    key = (directory / "api-key").read_text().strip()
    script = f". {directory}/env; env -0"
    output = subprocess.run(["sh", "-c", script], env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True).stdout
    shown = dict(line.split("=", 1) for line in output.split("\0") if "=" in line)
    assert shown["PIXELS_TRUENAS_API_KEY"] == key
    assert shown["PIXELS_TRUENAS_HOST"] == "127.0.0.1"
    assert shown["PIXELS_TRUENAS_PORT"] == str(lab.port)
    assert shown["PIXELS_TRUENAS_CA_FILE"] == str(directory / "tls" / "ca.pem")
    assert shown["PIXELS_DEFAULT_IMAGE"] == "debian/12"
    assert shown["PIXELS_PROVISION_ENABLED"] == "false", "an entry in memory cannot be opened to SSH"
    assert "INCUS_DIR" not in shown
    assert key not in capsys.readouterr().out
    assert key not in (directory / "lab.json").read_text()
    command = Path(f"/proc/{lab.pid}/cmdline").read_bytes() + Path(f"/proc/{lab.pid}/environ").read_bytes()
    assert key.encode() not in command


def test_the_exit_status_tells_the_state(directory: Path) -> None:
    status = ["status", "--dir", str(directory)]
    assert cli.main(status) == cli.NO_LAB
    up(directory)
    assert cli.main(status) == 0
    assert cli.main(["down", "--dir", str(directory)]) == 0
    assert cli.main(status) == cli.NOT_RUNNING
    assert cli.main(["down", "--dir", str(directory)]) == 0


def test_down_leaves_no_process_and_up_finds_the_same_address(directory: Path) -> None:
    first = up(directory)
    cli.main(["down", "--dir", str(directory)])
    assert not first.running
    second = up(directory)
    assert second.pid != first.pid
    assert second.port == first.port


def test_another_release_is_another_server_on_the_same_port(directory: Path) -> None:
    first = up(directory)
    second = up(directory, "--version", "25.04")
    assert not first.running
    assert second.port == first.port
    assert versions(second)[-1] == "v25.04.2"
    assert up(directory).version == "25.04"  # as before, when nothing else is asked for


def test_a_killed_server_is_replaced(directory: Path) -> None:
    first = up(directory)
    os.kill(first.pid, signal.SIGKILL)
    assert wait_for_end([first.server], 10) == []
    assert cli.main(["status", "--dir", str(directory)]) == cli.NOT_RUNNING
    assert up(directory).port == first.port


def test_a_number_used_again_is_not_our_server(directory: Path) -> None:
    up(directory)
    cli.main(["down", "--dir", str(directory)])
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        data = json.loads((directory / "lab.json").read_text())
        (directory / "lab.json").write_text(json.dumps({**data, "pid": stranger.pid}))
        assert cli.main(["down", "--dir", str(directory)]) == 0
        assert stranger.poll() is None
        stranger.communicate()


def test_a_revoked_key_is_replaced(directory: Path) -> None:
    lab = up(directory)
    before = (directory / "api-key").read_text()
    context = ssl.create_default_context(cafile=lab.ca_file)
    token = Path(lab.control_token_file).read_text().strip()
    url = lab.url.replace("wss:", "https:") + "/_lab/state"
    body = json.dumps({"revoke": before.strip()}).encode()
    with urllib.request.urlopen(urllib.request.Request(url, body, {"X-Lab-Token": token}), context=context, timeout=10) as answer:
        assert answer.status == 200
    up(directory)
    after = (directory / "api-key").read_text()
    assert after != before
    assert after.strip() in (directory / "env").read_text()


def test_a_port_in_use_is_an_error_that_says_so(directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lab = up(directory)
    other = tmp_path / "other"
    assert cli.main(["up", "--dir", str(other), "--engine", "memory", "--port", str(lab.port)]) == 1
    assert "address already in use" in capsys.readouterr().err
    cli.main(["destroy", "--dir", str(other)])
    assert not other.exists()


def test_two_labs_side_by_side(directory: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    first, second = up(directory), up(other, "--version", "25.04")
    assert first.port != second.port
    cli.main(["destroy", "--dir", str(other)])
    assert not second.running
    assert versions(first)


def test_a_directory_of_somebody_else_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "precious").write_text("mine")
    assert cli.main(["up", "--dir", str(tmp_path), "--engine", "memory"]) == 1
    assert "already holds logs" in capsys.readouterr().err
    assert cli.main(["destroy", "--dir", str(tmp_path)]) == 0
    assert (tmp_path / "logs" / "precious").read_text() == "mine"


def test_destroy_removes_what_the_lab_made_and_nothing_else(directory: Path) -> None:
    up(directory)
    (directory / "notes").write_text("mine")
    assert cli.main(["destroy", "--dir", str(directory)]) == 0
    assert [path.name for path in directory.iterdir()] == ["notes"]


def test_the_cache_is_kept_when_asked(directory: Path) -> None:
    up(directory)
    (directory / handover.CACHE).mkdir()
    cli.main(["destroy", "--dir", str(directory), "--keep-cache"])
    assert {path.name for path in directory.iterdir()} == {handover.CACHE, handover.MARKER}


def test_without_root_real_containers_are_refused_before_anything_is_done(
    directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert cli.main(["up", "--dir", str(directory), "--engine", "incus"]) == 1
    error = capsys.readouterr().err
    assert "root" in error
    assert "--engine memory" in error
    assert Handover.load(directory) is None
    with pytest.raises(HostError):
        cli.packages.ensure(lambda text: None, directory / "log")


def test_auto_goes_on_without_containers_and_says_so(
    directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert cli.main(["up", "--dir", str(directory), "--engine", "auto"]) == 0
    assert "Going on without real containers" in capsys.readouterr().err
    lab = Handover.load(directory)
    assert lab is not None
    assert lab.engine == "memory"
