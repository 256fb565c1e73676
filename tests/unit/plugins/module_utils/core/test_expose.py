"""Forwards: which port, which are there, and what is done about them, with a stand-in for ssh."""

from __future__ import annotations

import json
import socket
import stat
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import expose
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError
from ansible_collections.pixels.sandbox.plugins.module_utils.core.expose import Forward, Forwards, Taken, absent, local_port, present

# It does what ssh -f -N -M -S PATH -L ... does: it listens in both places, in the background, until its socket is gone.
MASTER = """
import os, socket, sys
path, port = sys.argv[1], int(sys.argv[2])
control, forward = socket.socket(socket.AF_UNIX), socket.socket()
forward.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
forward.bind(("127.0.0.1", port)); forward.listen()
control.bind(path); control.listen(); control.settimeout(0.05)
if os.fork():
    os._exit(0)
os.setsid()
while os.path.exists(path):
    try: control.accept()
    except OSError: pass
"""
WANTED = Forward("task1", "192.0.2.7", "pixel", 3000, 0)


def ssh(options: Sequence[str]) -> list[str]:
    where = options[options.index("-L") + 1].split(":")
    assert where[0] == "127.0.0.1" and where[2:] == ["localhost", "3000"]
    assert "ExitOnForwardFailure=yes" in options and "-f" in options
    return [sys.executable, "-c", MASTER, options[options.index("-S") + 1], where[1]]


def broken(options: Sequence[str]) -> list[str]:
    return ["sh", "-c", "echo Permission denied >&2; exit 255"]


@pytest.fixture
def forwards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forwards]:
    class Closing(Forwards):
        """The stand-in ends with its socket; nobody listens to `ssh -O exit` there."""

        def close(self, forward: Forward) -> None:
            self.socket(forward.container, forward.port).unlink()
            end = time.monotonic() + 20
            while not expose.is_free(forward.local_port):
                assert time.monotonic() < end
                time.sleep(0.02)
            self._forget(forward)

    found = Closing(tmp_path_factory.mktemp("f"))
    yield found
    for forward in found.known():
        found.close(forward)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_opened_once_and_listed_and_closed(forwards: Forwards) -> None:
    number = free_port()
    first = present(WANTED, number, forwards, ssh, check=False)
    assert first["changed"] and first["forward"]["url"] == f"http://127.0.0.1:{number}"
    for asked in (None, number):
        again = present(WANTED, asked, forwards, broken, check=False)
        assert not again["changed"] and again["forward"]["local_port"] == number
    assert [one.shown()["local_port"] for one in forwards.known()] == [number]
    assert stat.S_IMODE(forwards.socket("task1", 3000).stat().st_mode) & 0o7000 == 0
    assert absent(["task2"], None, forwards, check=False) == {"changed": False, "closed": []}
    assert absent(["task1"], 3001, forwards, check=False)["changed"] is False
    assert absent(["task1"], None, forwards, check=True)["changed"] is True and forwards.known()
    assert absent(["task1"], 3000, forwards, check=False)["changed"] is True
    assert forwards.known() == [] and list(forwards.place.iterdir()) == []
    assert absent(["task1"], 3000, forwards, check=False)["changed"] is False


def test_another_port_or_another_address_opens_it_anew(forwards: Forwards) -> None:
    number, other = free_port(), free_port()
    present(WANTED, number, forwards, ssh, check=False)
    moved = present(Forward("task1", "192.0.2.8", "pixel", 3000, 0), None, forwards, ssh, check=False)
    assert moved["changed"] and moved["forward"]["local_port"] == number
    assert present(WANTED, other, forwards, ssh, check=False)["forward"]["local_port"] == other
    assert len(forwards.known()) == 1


def test_a_wish_that_cannot_be_fulfilled_leaves_what_there_is(forwards: Forwards) -> None:
    number = free_port()
    present(WANTED, number, forwards, ssh, check=False)
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", 0))
        somebody.listen()
        with pytest.raises(Taken, match="is taken"):
            present(WANTED, somebody.getsockname()[1], forwards, ssh, check=False)
    assert [one.local_port for one in forwards.known()] == [number]


def test_check_mode_opens_nothing(forwards: Forwards) -> None:
    told = present(WANTED, None, forwards, broken, check=True)
    assert told["changed"] and told["forward"]["answers"] is None and list(forwards.place.iterdir()) == []


def test_a_failure_says_what_ssh_said_and_leaves_no_record(forwards: Forwards) -> None:
    with pytest.raises(CoreError, match="Permission denied"):
        present(WANTED, None, forwards, broken, check=False)
    assert forwards.known() == []


def test_remains_of_dead_ones_and_damaged_records(forwards: Forwards) -> None:
    dead = forwards._record("task1", 1)
    dead.write_text(json.dumps({"container": "task1", "address": "x", "user": "y", "port": 1, "local_port": 2}))
    (forwards.place / "fwd-0.json").write_text("{")
    (forwards.place / "fwd-1.json").write_text('{"surprise": 1}')
    assert forwards.known() == [] and not dead.exists()


def test_which_local_port() -> None:
    assert local_port(None, 3000, lambda port: True) == 3000
    assert local_port(8080, 3000, lambda port: True) == 8080
    assert local_port(None, 3000, lambda port: False) not in (3000, 0)
    assert local_port(None, 80, lambda port: True) >= 1024
    with pytest.raises(Taken, match="port 8080"):
        local_port(8080, 3000, lambda port: False)
    for port in (0, 65536, -1):
        with pytest.raises(CoreError, match="local_port"):
            expose.port_number("local_port", port)


def test_whether_somebody_listens_at_the_other_end() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        assert expose.answers(server.getsockname()[1])
    assert not expose.answers(free_port())


def test_a_place_that_is_too_long_for_a_socket(tmp_path: Path) -> None:
    with pytest.raises(CoreError, match="too long"):
        Forwards(tmp_path / ("x" * 100)).socket("task1", 3000)
