"""What people and agents type after `sudo`, and what comes of it where the agent user has no root."""

from __future__ import annotations

import getpass
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.tests.unit.roles.egress.request_service import ROLE, load

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a container is a Linux")

SUDO = ROLE / "files" / "sudo"
DRIVER = """\
import importlib.machinery, importlib.util, os, sys
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("sudo", sys.argv[1])
module = importlib.util.module_from_spec(importlib.util.spec_from_loader("sudo", loader))
loader.exec_module(module)
module.REQUESTS, module.RULES, module.REAL_SUDO = sys.argv[2], sys.argv[3], "/nonexistent"
raise SystemExit(module.main(sys.argv[4:]))
"""

shim = load(SUDO)

REQUESTS = {
    "apt-get install -y X": ["install", "X"],
    "apt install X": ["install", "X"],
    "apt-get update": ["update"],
    "apt-get -qq update": ["update"],
    "apt update -y": ["update"],
    "DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends X Y": ["install", "X", "Y"],
    "apt-get install -yq --no-install-suggests --fix-missing X": ["install", "X"],
    "apt-get -y -q=2 --quiet --assume-yes --yes install -- X": ["install", "X"],
    "safe-apt install X": ["install", "X"],
    "safe-apt update": ["update"],
    "-n apt-get update": ["update"],
    "-E apt-get update": ["update"],
    "-H apt-get update": ["update"],
    "-nEH A=1 B= apt-get update": ["update"],
    "--non-interactive --preserve-env=PATH apt-get update": ["update"],
    "-u root apt-get install -y X": ["install", "X"],
    "-uroot -nu root --user=root --user root apt-get update": ["update"],
    "-- apt install X": ["install", "X"],
    "/usr/bin/apt-get install -y g++": ["install", "g++"],
    "/usr/local/bin/safe-apt install X": ["install", "X"],
    # What is no name is refused by who decides.
    "apt-get install -y X=1 Y- Z^": ["install", "X=1", "Y-", "Z^"],
    "journalctl -fu UNIT": ["journal", "UNIT", "follow"],
    "journalctl -u UNIT -f": ["journal", "UNIT", "follow"],
    "journalctl -u UNIT -n 50": ["journal", "UNIT", "lines", "50"],
    "journalctl -uUNIT -n50 --no-pager": ["journal", "UNIT", "lines", "50"],
    "journalctl --unit=UNIT --lines=50 --follow": ["journal", "UNIT", "lines", "50", "follow"],
    "journalctl --unit UNIT --lines 50 -q": ["journal", "UNIT", "lines", "50"],
    "journalctl --no-pager -xeu UNIT": ["journal", "UNIT"],
    "journalctl -n -u UNIT": ["journal", "UNIT", "lines", "10"],
    "journalctl -n 9999 -u UNIT": ["journal", "UNIT", "lines", "9999"],
    "systemctl status UNIT": ["systemctl", "status", "UNIT"],
    "systemctl --no-pager -l status UNIT": ["systemctl", "status", "UNIT"],
    "systemctl start UNIT": ["systemctl", "start", "UNIT"],
    "systemctl stop UNIT": ["systemctl", "stop", "UNIT"],
    "systemctl restart UNIT": ["systemctl", "restart", "UNIT"],
    "/bin/systemctl is-active UNIT": ["systemctl", "is-active", "UNIT"],
    "service UNIT restart": ["systemctl", "restart", "UNIT"],
}

DIRECT = {
    "dpkg-query -W hello": ["dpkg-query", "-W", "hello"],
    "dpkg -l": ["dpkg", "-l"],
    "dpkg -s hello": ["dpkg", "-s", "hello"],
    "dpkg -L hello": ["dpkg", "-L", "hello"],
    "/usr/bin/dpkg --print-architecture": ["dpkg", "--print-architecture"],
    "apt-cache policy hello": ["apt-cache", "policy", "hello"],
    "apt list --installed": ["apt", "list", "--installed"],
    "apt-get -s install X": ["apt-get", "-s", "install", "X"],
    "apt search X": ["apt", "search", "X"],
    "systemctl list-units --failed": ["systemctl", "list-units", "--failed"],
}

REFUSED = {
    "id": "root",
    "true": "root",
    "-v": "root",
    "-n true": "root",
    "-i": "root",
    "-s": "root",
    "-su": "root",
    "su": "root",
    "su -": "root",
    "bash": "root",
    "bash -c id": "root",
    "sh": "root",
    "-e /etc/passwd": "root",
    "/home/agent/apt-get update": "root",
    "./apt-get update": "root",
    "tee /etc/egress/policy.json": "root",
    "-u nobody apt-get update": "another user",
    "apt-get install -y ./x.deb": "root",
    "apt install /tmp/x.deb": "root",
    "apt-get install X/bookworm-backports": "root",
    "apt-get -o APT::Update::Pre-Invoke::=id update": "commands",
    "apt-get update -oAPT::Update::Pre-Invoke::=id": "commands",
    "apt-get update -qoAPT::Update::Pre-Invoke::=id": "commands",
    "apt-get update -yo APT::Update::Pre-Invoke::=id": "commands",
    "apt-get --option=A=b update": "commands",
    "apt-get -c /tmp/x update": "commands",
    "apt-get -c/tmp/x update": "commands",
    "apt-get --config-file=/tmp/x update": "commands",
    "apt-get -t sid install X": "release",
    "apt-get remove X": "never removed",
    "apt-get purge X": "never removed",
    "apt-get autoremove": "never removed",
    "apt-get upgrade": "operator",
    "apt-get -y dist-upgrade": "operator",
    "apt-get install --reinstall X": "-y, -q",
    "apt-get clean": "only update and install",
    "apt-get": "only update and install",
    "dpkg -i x.deb": "by name",
    "dpkg --configure -a": "by name",
    "dpkg": "by name",
    "journalctl": "name one",
    "journalctl -f": "name one",
    "journalctl -u A -u B": "name one",
    "journalctl -u A --cursor-file=/etc/x": "only -u",
    "journalctl -u A --since today": "only -u",
    "journalctl -u A -D /tmp": "only -u",
    "journalctl -u A x": "only -u",
    "systemctl enable --now /home/agent/evil.service": "options",
    "systemctl daemon-reload": "one unit",
    "systemctl restart A B": "one unit",
    "systemctl start": "one unit",
    "nft flush ruleset": "read",
    "nft list tables ; flush ruleset": "read",
    "nft list ruleset -f x": "read",
}


@pytest.mark.parametrize(("typed", "words"), REQUESTS.items(), ids=REQUESTS.keys())
def test_what_is_asked_for(typed: str, words: list[str]) -> None:
    assert shim.understand(shlex.split(typed)) == ("request", words)


@pytest.mark.parametrize(("typed", "words"), DIRECT.items(), ids=DIRECT.keys())
def test_what_needs_no_root_is_run_as_it_is(typed: str, words: list[str]) -> None:
    assert shim.understand(shlex.split(typed)) == ("exec", words)


@pytest.mark.parametrize(("typed", "reason"), REFUSED.items(), ids=REFUSED.keys())
def test_what_is_refused_and_why(typed: str, reason: str) -> None:
    with pytest.raises(shim.Refused) as refusal:
        shim.understand(shlex.split(typed))
    assert refusal.value.what and reason in refusal.value.why


@pytest.mark.skipif(os.getuid() == 0, reason="root asks as root")
def test_to_become_oneself_is_no_change() -> None:
    assert shim.understand(["-u", getpass.getuser(), "id", "-u"]) == ("exec", ["id", "-u"])


def test_the_rules_have_a_socket_of_their_own() -> None:
    assert shim.understand(["nft", "list", "ruleset"]).kind == "rules"
    assert shim.understand(["-n", "/usr/sbin/nft", "list", "ruleset"]).kind == "rules"


class Root:
    """The other side of the two sockets, which answers once."""

    def __init__(self, place: Path) -> None:
        self.requests = place / "request.sock"
        self.rules = place / "rules.sock"
        self.heard = b""
        self.closed = threading.Event()

    def answers(self, path: Path, answer: Callable[[socket.socket], None], reads: bool = True) -> threading.Thread:
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(path))
        listening.listen()

        def serve() -> None:
            with listening, listening.accept()[0] as connection:
                while reads and not self.heard.endswith(b"\n"):
                    self.heard += connection.recv(65536)
                answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        return thread

    def command(self, *typed: str) -> list[str]:
        return [sys.executable, "-I", "-c", DRIVER, str(SUDO), str(self.requests), str(self.rules), *typed]

    def run(self, *typed: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(self.command(*typed), stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=30)


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(tmp_path)


@pytest.mark.parametrize("status", [0, 3, 100, 255])
def test_its_status_is_the_request_s_and_its_output_unchanged(root: Root, status: int) -> None:
    said = b"\xff\x00\r\n\x1eexit 7\nno mark \x1e" + b"x" * 200000 + b"\x1eex"
    root.answers(root.requests, lambda connection: connection.sendall(said + b"\x1eexit %d\n" % status))
    done = root.run("-E", "apt-get", "install", "-y", "hello")
    assert (done.returncode, done.stdout, done.stderr) == (status, said, b"")
    assert root.heard == b'["install", "hello"]\n'


def test_a_mark_in_pieces_is_a_mark(root: Root) -> None:
    def answer(connection: socket.socket) -> None:
        for byte in b"ab\n\x1eexit 12\n":
            connection.sendall(bytes([byte]))
            time.sleep(0.01)

    root.answers(root.requests, answer)
    done = root.run("apt-get", "update")
    assert (done.returncode, done.stdout) == (12, b"ab\n")


def test_output_comes_at_once_and_interrupting_ends_the_connection(root: Root) -> None:
    def answer(connection: socket.socket) -> None:
        connection.sendall(b"line\n")
        if connection.recv(1) == b"":
            root.closed.set()

    root.answers(root.requests, answer)
    command = root.command("journalctl", "-fu", "x")
    # Whoever runs these tests in the background has them ignore the signal, and what they start with them.
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    ) as process:
        if process.stdout is None or process.stderr is None:
            raise OSError("no pipe")
        assert process.stdout.read(5) == b"line\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert b"Traceback" not in process.stderr.read()
    assert root.closed.wait(20)


@pytest.mark.parametrize("talks", [True, False], ids=["more comes", "no more comes"])
def test_a_reader_that_has_enough_ends_it_without_a_word(root: Root, talks: bool) -> None:
    def answer(connection: socket.socket) -> None:
        connection.sendall(b"line\n")
        try:
            while talks:
                connection.sendall(b"line\n" * 1000)
            if connection.recv(1) == b"":
                root.closed.set()
        except OSError:
            root.closed.set()

    root.answers(root.requests, answer)
    with subprocess.Popen(root.command("journalctl", "-fu", "x"), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        if process.stdout is None or process.stderr is None:
            raise OSError("no pipe")
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(20) == 141
        assert process.stderr.read() == b""
    assert root.closed.wait(20)


def test_an_answer_without_an_end_is_a_failure(root: Root) -> None:
    root.answers(root.requests, lambda connection: connection.sendall(b"half\n"))
    done = root.run("apt-get", "update")
    assert (done.returncode, done.stdout) == (1, b"half\n")
    assert b"no end" in done.stderr


def test_a_request_that_is_too_long_is_not_sent(root: Root) -> None:
    done = root.run("apt-get", "install", *["hello"] * 20000)
    assert done.returncode == 1 and b"too long" in done.stderr


def test_without_the_socket_it_says_so(root: Root) -> None:
    done = root.run("apt-get", "update")
    assert done.returncode == 1 and b"cannot be reached" in done.stderr and b"Traceback" not in done.stderr


@pytest.mark.parametrize("text", [b"table inet egress {\n}\n", b""])
def test_the_rules_are_read_without_saying_anything(root: Root, text: bytes) -> None:
    root.answers(root.rules, lambda connection: connection.sendall(text), reads=False)
    done = root.run("nft", "list", "ruleset")
    assert done.stdout == text
    assert done.returncode == (0 if text else 1)


def test_a_refusal_says_what_and_why_and_what_works(root: Root) -> None:
    done = root.run("-n", "id")
    assert done.returncode == 1 and done.stdout == b""
    assert b"'id' is refused" in done.stderr and b"egress policy" in done.stderr and b"sudo apt-get install NAME" in done.stderr


@pytest.mark.parametrize(("typed", "status"), [("-l", 0), ("-n -l", 0), ("--help", 0), ("-V", 0), ("-k", 0), ("", 1)])
def test_questions_about_itself(root: Root, typed: str, status: int) -> None:
    done = root.run(*typed.split())
    assert done.returncode == status
    if typed != "-k":
        assert b"sudo apt-get update" in (done.stdout if status == 0 else done.stderr)


def test_a_program_that_only_reads_is_run(root: Root, tmp_path: Path) -> None:
    fake = tmp_path / "apt-cache"
    fake.write_text('#!/bin/sh\necho "$@"; exit 5\n')
    fake.chmod(0o755)
    environment: dict[str, Any] = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(root.command("apt-cache", "policy", "a b"), env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (5, b"policy a b\n")


@pytest.mark.skipif(not os.access("/usr/bin/python3", os.X_OK), reason="there is no /usr/bin/python3")
def test_it_starts_as_the_program_that_it_is(tmp_path: Path) -> None:
    """By sh and Python alike, apart from the directory and the environment of whoever calls it."""
    copy = tmp_path / "sudo"
    text = SUDO.read_text(encoding="utf-8").replace('REAL_SUDO = "/usr/bin/sudo"', 'REAL_SUDO = "/nonexistent"')
    copy.write_text(text, encoding="utf-8")
    copy.chmod(0o755)
    (tmp_path / "json.py").write_text("raise SystemExit(99)\n")
    done = subprocess.run([str(copy), "-n", "id"], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, check=False)
    assert done.returncode == 1 and b"'id' is refused" in done.stderr
