"""What the agent user can ask root for, over a real socket, with scripts in the place of apt, dpkg, journalctl and systemctl."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.pixels.sandbox.tests.unit.roles.egress.request_service import REQUEST, Service

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a container is a Linux")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path)
    yield made
    made.end()


def test_packages_are_installed_by_name_with_nothing_of_the_caller(service: Service) -> None:
    assert service.ask("install", "hello", "g++", "libstdc++6:amd64") == (0, "Setting up \xff\ndone\n")
    listed, simulated, installed, _finished = service.calls()
    assert listed == "apt-cache pkgnames"
    assert simulated.startswith("apt-get --simulate ") and simulated.replace("--simulate ", "") == installed
    options, _dashes, names = installed.partition(" install -- ")
    assert names == "hello g++ libstdc++6:amd64"
    assert {"--no-remove", "--no-install-recommends", "-oAPT::Get::AllowUnauthenticated=false"} <= set(options.split())
    environment = (service.place / "environment").read_text()
    assert "APT_CONFIG" not in environment and "DEBIAN_FRONTEND=noninteractive\n" in environment
    assert (service.place / "directory").read_text() == "/\n"


def test_lists_are_updated(service: Service) -> None:
    assert service.ask("update")[0] == 0
    assert [call.split()[-1] for call in service.calls()] == ["update", "finished"]


def test_the_status_of_apt_is_the_status_of_the_request(service: Service) -> None:
    service.status.write_text("42")
    assert service.ask("install", "hello")[0] == 42
    assert service.log.read_text().split(" ", 1)[1].startswith(f"uid={os.getuid()} exit=42 ms=")


def test_a_simulation_that_fails_is_shown_and_nothing_is_installed(service: Service) -> None:
    assert service.ask("install", "breaks") == (100, "E: broken\n")
    assert not any("--simulate" not in call for call in service.calls() if call.startswith("apt-get"))


def test_one_installation_at_a_time(service: Service) -> None:
    with open(service.tables["LOCK"], "w", encoding="ascii") as lock, service.connect() as connection:
        fcntl.flock(lock, fcntl.LOCK_EX)
        connection.sendall(b'["update"]\n')
        assert b"waiting" in connection.recv(1000)
        assert service.calls() == []
        # What needs no packages does not wait.
        assert service.ask("systemctl", "status", "pixels-devtools") == (3, "state\n")
        fcntl.flock(lock, fcntl.LOCK_UN)
        service.wait_for(lambda: "finished" in service.calls())


def test_the_wait_for_another_installation_ends(service: Service) -> None:
    service.tables["QUEUE_PATIENCE"] = 0.2
    with open(service.tables["LOCK"], "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        status, text = service.ask("update")
    assert status == 75 and "try again later" in text
    assert service.calls() == []


def test_whoever_goes_while_waiting_gets_nothing_installed(service: Service) -> None:
    with open(service.tables["LOCK"], "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with service.connect() as connection:
            connection.sendall(b'["update"]\n')
            connection.recv(1000)
        service.wait_for(lambda: "exit=143" in service.log.read_text())
    assert service.calls() == []


@pytest.mark.parametrize("how", ["the caller goes", "the service is told to stop"])
def test_an_installation_goes_on_to_its_end(service: Service, how: str) -> None:
    service.slow.touch()
    with service.connect() as connection:
        connection.sendall(b'["install", "hello"]\n')
        assert connection.recv(100).startswith(b"Setting up")
        if how != "the caller goes":
            service.started[-1].send_signal(signal.SIGTERM)
            time.sleep(0.1)
    service.wait_for(lambda: "exit=0" in service.log.read_text())
    assert service.calls()[-1] == "finished"


def test_whoever_does_not_read_holds_nothing_up(service: Service) -> None:
    service.tables["PACKAGE_PATIENCE"] = 0.2
    service.program("apt-get", f'case "$*" in *simulate*) ;; *) head -c 3000000 /dev/zero; echo finished >> {service.notes} ;; esac\n')
    with service.connect() as connection:
        connection.sendall(b'["install", "hello"]\n')
        service.wait_for(lambda: "finished" in service.calls())


def test_what_a_package_leaves_running_is_not_waited_for(service: Service) -> None:
    service.program("apt-get", 'case "$*" in *simulate*) ;; *) sleep 20 & echo done ;; esac\n')
    began = time.monotonic()
    assert service.ask("install", "hello") == (0, "done\n")
    assert time.monotonic() - began < 15


def test_an_interrupted_installation_is_completed_first(service: Service) -> None:
    (service.updates / "0001").touch()
    status, text = service.ask("install", "hello")
    assert status == 0 and "interrupted" in text and "configured\n" in text
    assert [call.split()[0] for call in service.calls()] == ["apt-cache", "dpkg", "apt-get", "apt-get", "finished"]


@pytest.mark.parametrize(
    ("words", "call"),
    [
        (["pixels-devtools"], "--unit=pixels-devtools.service --lines=1000"),
        (["pixels-devtools.service", "lines", "5"], "--unit=pixels-devtools.service --lines=5"),
        (["a@b.timer"], "--unit=a@b.timer --lines=1000"),
        (["egress-dns@front"], "--unit=egress-dns@front.service --lines=1000"),
        (["egress-request.socket"], "--unit=egress-request.socket --lines=1000"),
    ],
    ids=str,
)
def test_journals_are_read_by_unit(service: Service, words: list[str], call: str) -> None:
    assert service.ask("journal", *words) == (0, "journal\n")
    assert service.calls() == [f"journalctl --no-pager -q --output=short {call}"]


def test_following_a_journal_ends_with_the_connection(service: Service) -> None:
    with service.connect() as connection:
        connection.sendall(b'["journal", "pixels-devtools", "follow"]\n')
        assert connection.recv(100) == b"journal\n"
        service.wait_for((service.place / "pid").exists)
        pid = int((service.place / "pid").read_text())
        # Only to have nothing more to say is not to have gone.
        connection.shutdown(socket.SHUT_WR)
        time.sleep(0.3)
        assert os.path.exists(f"/proc/{pid}")
    service.wait_for(lambda: not os.path.exists(f"/proc/{pid}"))
    assert service.started[-1].wait(10) == 0
    assert "exit=143" in service.log.read_text()


@pytest.mark.parametrize("verb", ["status", "is-active", "start", "stop", "restart"])
def test_services_that_are_listed(service: Service, verb: str) -> None:
    assert service.ask("systemctl", verb, "pixels-devtools") == (3, "state\n")
    assert service.calls()[0].endswith(f" {verb} pixels-devtools.service")


def test_the_state_of_what_enforces_the_policy_can_be_seen(service: Service) -> None:
    assert service.ask("systemctl", "is-active", "egress-firewall") == (3, "state\n")


def test_a_failure_of_its_own_is_an_answer_and_not_more(service: Service) -> None:
    (service.place / "systemctl").unlink()
    status, text = service.ask("systemctl", "status", "pixels-devtools")
    assert status == 70 and str(service.place) not in text
    assert b"FileNotFoundError" in (service.place / "stderr").read_bytes()


def test_without_a_socket_it_says_who_starts_it() -> None:
    done = subprocess.run([sys.executable, "-I", str(REQUEST)], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert done.returncode == 2 and b"egress-request.socket" in done.stderr
