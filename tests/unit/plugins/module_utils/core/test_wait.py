# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waiting for an address and for SSH."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core.apply import Cancelled, Watch
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError
from ansible_collections.pixels.sandbox.plugins.module_utils.core.wait import ssh_refusal, wait_for
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.driver import Container
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.errors import ConnectionFailed
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.fake_driver import FakeDriver, ours


class Looks(FakeDriver):
    """Shows a container as it is at each look; the last one stays."""

    def __init__(self, *looks: Container | None) -> None:
        super().__init__()
        self.looks = list(looks)

    def get(self, name: str) -> Container | None:
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]


@contextmanager
def server(banner: bytes) -> Iterator[int]:
    """Something on loopback that says this to everybody."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _peer = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(banner)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(timeout=5)


NO_ADDRESS = replace(ours("task1"), address=None)
LOCAL = replace(ours("task1"), address="127.0.0.1")


def test_a_late_address() -> None:
    """D21: it comes some looks after the start."""
    assert wait_for(Looks(NO_ADDRESS, NO_ADDRESS, ours("task1")), "px-task1", "address", 10, Watch()).address == "10.0.0.5"


def test_no_address_says_what_is_known() -> None:
    with pytest.raises(CoreError, match=r"no address; its status is running.*macvlan on enp1s0.*DHCP") as caught:
        wait_for(Looks(NO_ADDRESS), "px-task1", "address", 0, Watch())
    assert caught.value.result["status"] == "running"


def test_one_that_stops_is_not_waited_for() -> None:
    with pytest.raises(CoreError, match="stopped while we waited"):
        wait_for(Looks(NO_ADDRESS, ours("task1", "stopped")), "px-task1", "address", 10, Watch())


def test_one_that_vanishes_is_not_waited_for() -> None:
    with pytest.raises(CoreError, match="vanished"):
        wait_for(Looks(NO_ADDRESS, None), "px-task1", "address", 10, Watch())


def test_a_failed_look_is_a_failure() -> None:
    driver = FakeDriver(NO_ADDRESS)
    driver.fail("get", ConnectionFailed("gone"))
    with pytest.raises(ConnectionFailed):
        wait_for(driver, "px-task1", "address", 10, Watch())


def test_an_interrupt_ends_it() -> None:
    watch = Watch()
    watch.cancelled.set()
    with pytest.raises(Cancelled):
        wait_for(Looks(NO_ADDRESS), "px-task1", "address", 10, watch)


def test_ssh_answers() -> None:
    with server(b"SSH-2.0-OpenSSH_9.2\r\n") as port:
        assert wait_for(Looks(NO_ADDRESS, LOCAL), "px-task1", "ssh", 10, Watch(), port=port) == LOCAL


def test_something_else_answers() -> None:
    with server(b"220 ftp\r\n") as port:
        assert ssh_refusal("127.0.0.1", port) == "what answers there is not SSH"


def test_nothing_answers() -> None:
    with server(b"") as port:
        pass
    with pytest.raises(CoreError, match=r"no SSH server answers at 127\.0\.0\.1 port .*refused.*ssh_access installs one"):
        wait_for(Looks(LOCAL), "px-task1", "ssh", 0, Watch(), port=port)
