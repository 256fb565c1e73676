# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asking whether an SSH server answers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core.knock import Door, Knocker

BANNER = b"SSH-2.0-OpenSSH_9.2\r\n"


@contextmanager
def listening(serve: Callable[[socket.socket], object]) -> Iterator[Door]:
    """Something on loopback that treats everybody so."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def work() -> None:
            while True:
                try:
                    connection, _peer = listener.accept()
                except OSError:
                    return
                with connection:
                    serve(connection)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        try:
            yield Door("127.0.0.1", listener.getsockname()[1])
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(timeout=5)


@contextmanager
def saying(*parts: bytes) -> Iterator[Door]:
    with listening(lambda connection: [connection.sendall(part) for part in parts]) as door:
        yield door


def nobody() -> Door:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return Door("127.0.0.1", listener.getsockname()[1])


def test_a_server_answers() -> None:
    with saying(BANNER) as door, Knocker() as knocker:
        assert knocker.knock({door}, 10) == {door}
        assert not knocker.refusals


def test_many_at_once() -> None:
    """Those that answer do not wait for the others."""
    silent = threading.Event()
    with saying(BANNER) as one, saying(BANNER) as two, listening(lambda _connection: silent.wait(20)) as mute, Knocker() as knocker:
        doors = {one, two, mute, nobody()}
        opened: set[Door] = set()
        while len(opened) < 2:
            opened |= knocker.knock(doors - opened, 10)
        silent.set()
    assert opened == {one, two}


@pytest.mark.parametrize(
    ("said", "reason"),
    [(b"220 ftp\r\n", "what answers there is not SSH"), (b"", "it hangs up without a word"), (b"S", "what answers there is not SSH")],
)
def test_something_else_answers(said: bytes, reason: str) -> None:
    with saying(said) as door, Knocker() as knocker:
        assert knocker.knock({door}, 0.3) == set()
        assert knocker.refusals == {door: reason}


def test_nobody_answers() -> None:
    door = nobody()
    with Knocker() as knocker:
        assert knocker.knock({door}, 0.3) == set()
        assert "refused" in knocker.refusals[door]


def test_one_that_begins_to_listen_later() -> None:
    door = nobody()
    with Knocker() as knocker:
        assert knocker.knock({door}, 0) == set()
        with socket.create_server(("127.0.0.1", door.port)) as listener:
            thread = threading.Thread(target=lambda: listener.accept()[0].sendall(BANNER), daemon=True)
            thread.start()
            assert knocker.knock({door}, 10) == {door}
            thread.join(timeout=5)


def test_a_slow_server_is_asked_once() -> None:
    """To ask anew would only make it slower."""
    asked: list[socket.socket] = []
    speak = threading.Event()

    def serve(connection: socket.socket) -> None:
        asked.append(connection)
        speak.wait(20)
        connection.sendall(BANNER)

    with listening(serve) as door, Knocker() as knocker:
        assert knocker.knock({door}, 0.3) == set()
        speak.set()
        assert knocker.knock({door}, 10) == {door}
        assert len(asked) == 1


def test_a_door_that_is_not_asked_for_any_more_is_left() -> None:
    gone = threading.Event()

    def serve(connection: socket.socket) -> None:
        if connection.recv(1) == b"":
            gone.set()

    with listening(serve) as door, Knocker() as knocker:
        knocker.knock({door}, 0.2)
        knocker.knock({nobody()}, 0)
        assert gone.wait(10)


def test_an_address_that_is_none() -> None:
    with Knocker() as knocker:
        assert knocker.knock({Door("not-an-address")}, 0) == set()
        assert knocker.refusals
