"""`pixels.sandbox.exec` over Ansible's own SSH connection, to an sshd on loopback that plays the container."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from loopback_sshd import SSHD, LoopbackSshd, loopback_sshd
from playbook import ROOT

pytestmark = pytest.mark.skipif(SSHD is None, reason="no sshd on this machine (package openssh-server)")


@dataclass(frozen=True)
class Box:
    """The loopback sshd as an inventory host."""

    sshd: LoopbackSshd

    @property
    def directory(self) -> Path:
        return self.sshd.directory

    def play(self, *tasks: dict[str, Any], name: str = "results", **hostvars: Any) -> tuple[subprocess.CompletedProcess[str], Any]:
        """Run tasks on the box; each may register `found`, which comes back."""
        directory = self.directory
        target = directory / f"{name}.json"
        target.unlink(missing_ok=True)
        written = {
            "name": "Keep what was found",
            "ansible.builtin.copy": {"dest": str(target), "content": "{{ found | default({}) | to_json }}", "mode": "0600"},
            "delegate_to": "localhost",
        }
        play = {"name": "Exec", "hosts": "box", "gather_facts": False, "tasks": [*tasks, written]}
        (directory / "play.yml").write_text(json.dumps([play]))
        host = {**self.sshd.hostvars(), **hostvars}
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        (directory / "hosts.json").write_text(json.dumps({"all": {"hosts": {"box": host, "localhost": local}}}))
        done = subprocess.run(
            [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(directory / "hosts.json"), str(directory / "play.yml")],
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        return done, json.loads(target.read_text()) if target.exists() else None


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    # Sockets of shared connections lie in it, so its path is short.
    directory = Path(tempfile.mkdtemp(prefix="px-ssh-"))
    with loopback_sshd(directory) as sshd:
        yield Box(sshd)
    shutil.rmtree(directory, ignore_errors=True)


def execute(**options: Any) -> dict[str, Any]:
    return {"name": "Exec", "pixels.sandbox.exec": options, "register": "found", "failed_when": False}


WORDS = ["two words", "'", '"', ";", "$HOME", "$(id)", "", "line\nbreak\n", "*", "~", "\\", "é日", "-n", "&& false", ""]


def test_d23_words_arrive_exact_over_ssh(box: Box) -> None:
    """D23: argv over SSH is what was given."""
    program = "import json, sys; print(json.dumps(sys.argv[1:]), end='')"
    done, found = box.play(execute(argv=[sys.executable, "-c", program, *WORDS]))
    assert done.returncode == 0, done.stdout
    assert json.loads(found["stdout"]) == WORDS
    assert found["cmd"] == [sys.executable, "-c", program, *WORDS]
    assert found["stderr"] == ""


def test_d24_every_status_over_ssh(box: Box) -> None:
    """D24: 255 is a status like any other; streams stay apart."""
    statuses = [0, 1, 126, 127, 137, 255]
    tasks = [
        {
            "name": "Exec",
            "pixels.sandbox.exec": {"argv": ["sh", "-c", "echo out; echo err >&2; exit {{ item }}"]},
            "loop": statuses,
            "register": "found",
            "ignore_errors": True,
        }
    ]
    _done, found = box.play(*tasks)
    assert [(one["rc"], one["stdout"], one["stderr"]) for one in found["results"]] == [(status, "out\n", "err\n") for status in statuses]
    assert [one["failed"] for one in found["results"]] == [status != 0 for status in statuses]
    assert {one["msg"] for one in found["results"] if one["rc"]} == {"non-zero return code"}


def test_d24_ten_mebibytes_there_and_back(box: Box) -> None:
    """D24: binary input and output are identical, even when a program answers while it is still being fed."""
    data = os.urandom(10 * 1024 * 1024)
    source, target = box.directory / "in.bin", box.directory / "out.bin"
    source.write_bytes(data)
    done, found = box.play(execute(argv=["cat"], stdin_file=str(source), stdout_file=str(target)))
    assert done.returncode == 0, done.stdout
    assert hashlib.sha256(target.read_bytes()).hexdigest() == hashlib.sha256(data).hexdigest()
    assert (found["stdout"], found["rc"], found["stdout_file"]) == ("", 0, str(target))


def test_d24_no_connection_is_unreachable(box: Box) -> None:
    """D24: transport failure is unreachable and has no rc."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        closed = probe.getsockname()[1]
    done, _found = box.play({"name": "Exec", "pixels.sandbox.exec": {"cmd": "true"}}, ansible_port=closed)
    assert done.returncode == 4
    assert "UNREACHABLE" in done.stdout


def test_d24_connection_lost_on_the_way_is_unreachable_and_nothing_runs_twice(box: Box) -> None:
    """D24: the outcome is unknown and said to be so; the command has run once, however many retries are configured."""
    count = box.directory / "count"
    count.unlink(missing_ok=True)
    # The command ends the sshd process that serves it: the parent of the login shell.
    script = f"echo ran >> {count}; p=$$; for _ in 1 2 3 4 5 6; do p=$(ps -o ppid= -p $p | tr -d ' ');"
    script += ' case $(ps -o comm= -p "$p") in sshd*) kill -9 "$p"; sleep 60;; esac; done'
    done, _found = box.play({"name": "Exec", "pixels.sandbox.exec": {"argv": ["sh", "-c", script]}}, ansible_ssh_retries=3)
    assert done.returncode == 4, done.stdout
    assert "whether it did its work is unknown" in done.stdout, done.stdout
    assert count.read_text() == "ran\n"


def test_d25_wrong_host_key_is_unreachable(box: Box) -> None:
    """D25: a changed host key is refused."""
    other = box.directory / "other_known_hosts"
    other.write_text(f"[127.0.0.1]:{box.sshd.port} {(box.directory / 'key.pub').read_text()}")
    options = f"-o UserKnownHostsFile={other} -o StrictHostKeyChecking=yes -F none"
    done, _found = box.play(
        {"name": "Exec", "pixels.sandbox.exec": {"cmd": "true"}}, ansible_ssh_common_args=options, ansible_control_path="none"
    )
    assert done.returncode == 4
    assert "Host key verification failed" in done.stdout


def test_check_mode_runs_nothing(box: Box) -> None:
    ran = box.directory / "ran"
    done, found = box.play({**execute(argv=["touch", str(ran)]), "check_mode": True})
    assert done.returncode == 0, done.stdout
    assert found["skipped"] and not found["changed"]
    assert not ran.exists()


def test_async_is_the_module_on_the_other_side(box: Box) -> None:
    done, found = box.play({**execute(argv=["sh", "-c", "cat; exit 255"], stdin="é $x"), "async": 20, "poll": 1})
    assert done.returncode == 0, done.stdout
    assert (found["rc"], found["stdout"]) == (255, "é $x")


def test_timeout_and_chdir(box: Box) -> None:
    done, found = box.play(
        {
            "name": "Exec",
            "pixels.sandbox.exec": {"cmd": "{{ item.cmd }}", "timeout": "{{ item.limit | default(omit) }}", "chdir": "{{ item.dir }}"},
            "loop": [{"cmd": "sleep 600", "limit": 1, "dir": "/"}, {"cmd": "pwd", "dir": "/usr"}, {"cmd": "pwd", "dir": "/no/where"}],
            "register": "found",
            "ignore_errors": True,
        }
    )
    late, where, nowhere = found["results"]
    assert late["failed"] and late["timed_out"] and late["rc"] == 124, done.stdout
    assert where["stdout"] == "/usr\n"
    assert nowhere["failed"] and nowhere["rc"] is None and "/no/where" in nowhere["msg"]


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user without a password needs root")
def test_become(box: Box) -> None:
    become = {"become": True, "become_method": "ansible.builtin.su", "become_user": "nobody"}
    flags = {"vars": {"ansible_become_flags": "-s /bin/sh"}}
    done, found = box.play({**execute(argv=["sh", "-c", "id -un; cat"], stdin="input", login=False), **become, **flags})
    assert (found["stdout"], found["rc"]) == ("nobody\ninput", 0), done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user without a password needs root")
def test_failed_become_is_a_failure_that_says_so(box: Box) -> None:
    become = {"become": True, "become_method": "ansible.builtin.su", "become_user": "no-such-user"}
    done, _found = box.play({"name": "Exec", "pixels.sandbox.exec": {"cmd": "id"}, **become})
    assert done.returncode == 2
    assert "no-such-user" in done.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "one of the following is required: argv, cmd"),
        ({"cmd": "a", "argv": ["a"]}, "mutually exclusive"),
        ({"cmd": "echo 'open"}, "balance the quotes"),
        ({"cmd": "cat", "stdin_file": "/no/such/file"}, "stdin_file: /no/such/file"),
        ({"cmd": "cat", "stdout_file": "/no/such/place/file"}, "stdout_file: /no/such/place"),
    ],
    ids=["none", "both", "quotes", "stdin_file", "stdout_file"],
)
def test_bad_options_are_refused(options: dict[str, Any], message: str, box: Box) -> None:
    done, _found = box.play({"name": "Exec", "pixels.sandbox.exec": options}, ansible_host="192.0.2.1")
    assert done.returncode == 2
    assert message in done.stdout
