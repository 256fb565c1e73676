# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waiting until containers can be reached: their addresses, then an SSH server there. No event announces either, so both are asked for.

An appliance that is asked for one container looks at all of them, so a fleet whose members each ask for themselves keeps it from what
they wait for. One `Lookout` a task asks once for all that are being waited for, and less often where looking costs much.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..nas.driver import Container, Driver
from .apply import Watch
from .errors import CoreError
from .knock import SSH_PORT, Door, Knocker

__all__ = ["SSH_PORT", "Lookout", "wait_for"]

# The pause between two looks: not less than the first, not more than the last, and in between a few times what a look costs, and a
# small part of the time that the latest comer has waited.
_SHORTEST, _LONGEST = 0.1, 0.5
_OF_COST, _OF_WAITING = 4.0, 0.05
# Those that have an address and wait for SSH are looked at as well: they may stop, or get another address.
_LOOK_AGAIN = 1.0
# However short the time-out is, a server that listens is heard.
_LEAST_FOR_SSH = 0.2


def wait_for(driver: Driver, instance: str, what: str, timeout: float, watch: Watch, port: int = SSH_PORT) -> Container:
    """The same for a single container. A task with several has one `Lookout` and asks that."""
    return Lookout(driver).wait_for(instance, what, timeout, watch, port)


@dataclass(eq=False)
class _Wish:
    """One that is waited for, and what came of it."""

    instance: str
    what: str
    timeout: float
    watch: Watch
    port: int
    since: float
    end: float
    container: Container | None = None
    outcome: Container | Exception | None = None
    way: Door | None = None
    obstacle: str | None = None  # why nobody can knock there yet

    @property
    def door(self) -> Door | None:
        """Where its SSH server is to answer."""
        return self.way if self.what == "ssh" and self.outcome is None else None


def _direct(container: Container, port: int) -> Door:
    return Door(str(container.address), port)


class Lookout:
    """One a task. Each thread waits for its own container; whichever of them is there first looks for all, until it has what it wants."""

    def __init__(self, driver: Driver, door_of: Callable[[Container, int], Door] = _direct) -> None:
        self._driver = driver
        self._door_of = door_of
        self._news = threading.Condition()
        self._wishes: list[_Wish] = []
        self._led = False
        self._looked_at = -_LOOK_AGAIN
        self._cost = 0.0

    def wait_for(self, instance: str, what: str, timeout: float, watch: Watch, port: int = SSH_PORT) -> Container:
        """The container once it has its address and, where `what` is ssh rather than address, answers there.

        Raises with what is known of it when that never happens. To be called from as many threads as there are containers.
        """
        now = time.monotonic()
        wish = _Wish(instance, what, timeout, watch, port, now, now + timeout)
        with self._news:
            self._wishes.append(wish)
        try:
            while self._is_to_lead(wish):
                self._lead(wish)
        finally:
            with self._news:
                self._wishes.remove(wish)
        if isinstance(wish.outcome, Container):
            return wish.outcome
        if wish.outcome is None:
            raise AssertionError("nobody has looked")
        raise wish.outcome

    def _is_to_lead(self, wish: _Wish) -> bool:
        """Wait until the wish has its outcome, or nobody looks any more."""
        with self._news:
            self._news.wait_for(lambda: wish.outcome is not None or not self._led)
            if wish.outcome is not None:
                return False
            self._led = True
            return True

    def _lead(self, own: _Wish) -> None:
        """Look for all until our own wish is settled. An interrupt ends only ours; the next one then notices by itself."""
        try:
            with Knocker() as knocker:
                while own.outcome is None:
                    own.watch.check()
                    self._round(own, knocker)
        finally:
            with self._news:
                self._led = False
                self._news.notify_all()

    def _round(self, own: _Wish, knocker: Knocker) -> None:
        """A look if it is time for one; then to the doors where an SSH server is to answer, until it is time for the next."""
        with self._news:
            wishes = list(self._wishes)
        if time.monotonic() >= self._due(wishes):
            self._look(wishes)
        if own.outcome is not None:
            return
        wishes = [wish for wish in wishes if wish.outcome is None]
        until = min([self._due(wishes), *(wish.end for wish in wishes if wish.container is not None)])
        pause = max(0.0, min(_LONGEST, until - time.monotonic()))
        doors = {wish.door for wish in wishes if wish.door is not None}
        if doors:
            answered = knocker.knock(doors, pause)
            for wish in wishes:
                if wish.door in answered:
                    self._settle(wish, wish.container)
        self._expire(wishes, knocker)
        if own.outcome is None and not doors:
            own.watch.pause(pause)

    def _due(self, wishes: list[_Wish]) -> float:
        """When to look next: the latest comer decides how soon."""
        now = time.monotonic()
        waiting = [now - wish.since for wish in wishes if wish.door is None]
        if not waiting:
            return self._looked_at + _LOOK_AGAIN
        return self._looked_at + min(_LONGEST, max(_SHORTEST, _OF_COST * self._cost, _OF_WAITING * min(waiting)))

    def _look(self, wishes: list[_Wish]) -> None:
        """At all of them with one call."""
        began = time.monotonic()
        try:
            found = self._ask({wish.instance for wish in wishes})
        except Exception as error:  # of the look that all of them needed
            for wish in wishes:
                self._settle(wish, _twin(error))
            return
        self._looked_at = time.monotonic()
        self._cost = self._looked_at - began
        for wish in wishes:
            self._judge(wish, found.get(wish.instance))

    def _ask(self, instances: Iterable[str]) -> dict[str, Container]:
        names = set(instances)
        if len(names) > 1:
            return {container.name: container for container in self._driver.several(names)}
        (name,) = names
        found = self._driver.get(name)
        return {} if found is None else {name: found}

    def _judge(self, wish: _Wish, container: Container | None) -> None:
        had_address = wish.container is not None and wish.container.address is not None
        wish.container, wish.way, wish.obstacle = container, None, None
        if container is None:
            self._settle(wish, CoreError(f"{wish.instance}: it vanished while we waited for {wish.what}"))
        elif container.stopped:
            text = f"{wish.instance}: it stopped while we waited for {wish.what}"
            self._settle(wish, CoreError(text, status=container.status))
        elif container.address is None:
            wish.watch.doing("waiting for its address")
        elif wish.what == "address":
            self._settle(wish, container)
        else:
            try:
                wish.way = self._door_of(container, wish.port)
            except CoreError as error:  # its gateway may be on its way
                wish.obstacle = error.message
                wish.watch.doing("waiting for its gateway")
                return
            wish.watch.doing(f"waiting for SSH at {container.address}")
            if not had_address:
                wish.end = max(wish.end, time.monotonic() + _LEAST_FOR_SSH)

    def _expire(self, wishes: list[_Wish], knocker: Knocker) -> None:
        now = time.monotonic()
        for wish in wishes:
            if wish.outcome is None and now >= wish.end and wish.container is not None:
                container = wish.container
                refusal = None if wish.door is None else knocker.refusals.get(wish.door, "it says nothing")
                text = _timeout_text(wish, container, refusal)
                self._settle(wish, CoreError(text, status=container.status, address=container.address))

    def _settle(self, wish: _Wish, outcome: Container | Exception | None) -> None:
        with self._news:
            wish.outcome = outcome
            self._news.notify_all()


def _twin(error: Exception) -> Exception:
    """An exception for another thread: what one of them notes on it is not the other's."""
    twin = type(error).__new__(type(error), *error.args)
    twin.__dict__.update(error.__dict__)
    twin.__cause__ = error
    return twin


def _timeout_text(wish: _Wish, container: Container, refusal: str | None) -> str:
    text = f"{wish.instance}: waited {wish.timeout:.0f} s for {wish.what}, "
    if wish.obstacle is not None:
        return text + wish.obstacle
    if refusal is None:
        text += f"it has no address; its status is {container.status}"
        if container.nic is not None:
            nic = container.nic
            where = f"{nic.nic_type} on {nic.parent}" if nic.nic_type else "the appliance's own network"
            text += f" and its network card is {where}: is there a DHCP server, and does the image ask it?"
        return text
    text += f"no SSH server answers at {container.address} port {wish.port}: {refusal}; its status is {container.status}"
    return text + ". Most images come without an SSH server: pixels.sandbox.ssh_access installs one"
