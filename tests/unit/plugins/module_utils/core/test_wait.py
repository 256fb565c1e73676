# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waiting for an address and for SSH."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core.apply import Cancelled, Watch
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError
from ansible_collections.pixels.sandbox.plugins.module_utils.core.wait import Lookout, wait_for
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


def test_nothing_answers() -> None:
    with server(b"") as port:
        pass
    with pytest.raises(CoreError, match=r"no SSH server answers at 127\.0\.0\.1 port .*refused.*ssh_access installs one"):
        wait_for(Looks(LOCAL), "px-task1", "ssh", 0, Watch(), port=port)


class Fleet(FakeDriver):
    """Five without addresses, looked at together; the first look waits for `open`, so that all of them are waiting by then."""

    def __init__(self) -> None:
        super().__init__(*(replace(ours(f"w{number}"), address=None) for number in range(5)))
        self.open = threading.Event()
        self.looks = 0
        self.at_look: Callable[[int], None] = lambda number: None

    def _look(self) -> None:
        self.open.wait(10)
        self.looks += 1
        self.at_look(self.looks)

    def several(self, names: Collection[str]) -> list[Container]:
        self._look()
        found: list[Container] = super().several(names)
        return found

    def get(self, name: str) -> Container | None:
        self._look()
        return super().get(name)

    def give(self, *names: str) -> None:
        for name in names or tuple(self.containers):
            self.containers[name] = replace(self.containers[name], address="10.0.0.5")


@contextmanager
def waiting(driver: Fleet, *, timeout: float = 20, watches: dict[str, Watch] | None = None) -> Iterator[dict[str, Future[Container]]]:
    """A thread for each, all of them waiting before the first look."""
    lookout = Lookout(driver)
    names = list(driver.containers)
    with ThreadPoolExecutor(len(names)) as pool:
        futures = {name: pool.submit(lookout.wait_for, name, "address", timeout, (watches or {}).get(name) or Watch()) for name in names}
        while len(lookout._wishes) < len(names):
            pass
        driver.open.set()
        yield futures


def test_one_look_for_all() -> None:
    driver = Fleet()
    driver.at_look = lambda number: driver.give() if number == 3 else None
    with waiting(driver) as futures:
        assert {future.result(20).address for future in futures.values()} == {"10.0.0.5"}
    assert driver.looks == 3
    assert driver.calls[-1] == ("several", *driver.containers)


def test_each_goes_as_soon_as_it_can_and_another_one_looks() -> None:
    driver = Fleet()
    names = list(driver.containers)
    driver.at_look = lambda number: driver.give(names[number - 1]) if 1 <= number <= len(names) else None
    with waiting(driver) as futures:
        assert all(future.result(20) for future in futures.values())
    assert driver.looks == len(names)


def test_one_that_vanishes_is_nobody_elses_failure() -> None:
    driver = Fleet()

    def at_look(number: int) -> None:
        if number == 2:
            del driver.containers["px-w3"]
            driver.give()

    driver.at_look = at_look
    with waiting(driver) as futures:
        with pytest.raises(CoreError, match="px-w3: it vanished"):
            futures.pop("px-w3").result(20)
        assert all(future.result(20) for future in futures.values())


def test_a_failed_look_is_everybodys_failure_and_each_has_its_own() -> None:
    driver = Fleet()
    driver.fail("get", ConnectionFailed("gone"), times=5)
    driver.fail("several", ConnectionFailed("gone"), times=5)
    with waiting(driver) as futures:
        errors = [future.exception(20) for future in futures.values()]
    assert {str(error) for error in errors} == {"gone"}
    assert all(isinstance(error, ConnectionFailed) for error in errors)
    assert len({id(error) for error in errors}) == len(errors)


def test_the_time_of_each_is_its_own() -> None:
    driver = Fleet()
    lookout = Lookout(driver)
    driver.open.set()
    with ThreadPoolExecutor(1) as pool:
        patient = pool.submit(lookout.wait_for, "px-w0", "address", 20, Watch())
        with pytest.raises(CoreError, match="px-w1: waited 0 s for address"):
            lookout.wait_for("px-w1", "address", 0, Watch())
        driver.give("px-w0")
        assert patient.result(20).address == "10.0.0.5"


def test_an_interrupt_of_one_leaves_the_looking_to_another() -> None:
    driver = Fleet()
    watches = {name: Watch() for name in driver.containers}

    def at_look(number: int) -> None:
        if number == 1:
            watches["px-w0"].cancelled.set()
        elif number == 4:
            driver.give()

    driver.at_look = at_look
    with waiting(driver, watches=watches) as futures:
        with pytest.raises(Cancelled):
            futures.pop("px-w0").result(20)
        assert all(future.result(20) for future in futures.values())


def test_an_interrupt_of_the_task_ends_them_all() -> None:
    driver = Fleet()
    cancelled = threading.Event()
    driver.at_look = lambda number: cancelled.set() if number == 2 else None
    with waiting(driver, watches={name: Watch(cancelled=cancelled) for name in driver.containers}) as futures:
        assert {type(future.exception(20)) for future in futures.values()} == {Cancelled}


def test_one_that_waits_for_ssh_is_looked_after() -> None:
    """It may stop while nobody answers there."""
    with server(b"") as port:
        pass
    with pytest.raises(CoreError, match="stopped while we waited for ssh"):
        wait_for(Looks(LOCAL, ours("task1", "stopped")), "px-task1", "ssh", 20, Watch(), port=port)
