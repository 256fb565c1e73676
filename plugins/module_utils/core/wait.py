# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waiting until a container can be reached: its address, then an SSH server there. No event announces either, so both are asked for."""

from __future__ import annotations

import socket
import time

from ..nas.driver import Container, Driver
from .apply import Watch
from .errors import CoreError

SSH_PORT = 22
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 0.5


def wait_for(driver: Driver, instance: str, what: str, timeout: float, watch: Watch, port: int = SSH_PORT) -> Container:
    """The container once it has its address and, where `what` is ssh rather than address, answers there.

    Raises with what is known of it when that never happens.
    """
    end = time.monotonic() + timeout
    pause = _FIRST_PAUSE
    problem = "it has no address"
    while True:
        container = driver.get(instance)
        if container is None:
            raise CoreError(f"{instance}: it vanished while we waited for {what}")
        if container.stopped:
            raise CoreError(f"{instance}: it stopped while we waited for {what}", status=container.status)
        if container.address is not None:
            if what == "address":
                return container
            refusal = ssh_refusal(container.address, port, max(0.2, min(2.0, end - time.monotonic())))
            if refusal is None:
                return container
            problem = f"no SSH server answers at {container.address} port {port}: {refusal}"
        if time.monotonic() >= end:
            raise CoreError(_timeout_text(instance, what, timeout, problem, container), status=container.status, address=container.address)
        watch.doing("waiting for its address" if container.address is None else f"waiting for SSH at {container.address}")
        watch.pause(pause)
        pause = min(pause * 1.3, _LONGEST_PAUSE)


def _timeout_text(instance: str, what: str, timeout: float, problem: str, container: Container) -> str:
    text = f"{instance}: waited {timeout:.0f} s for {what}, {problem}; its status is {container.status}"
    if container.address is None and container.nic is not None:
        nic = container.nic
        where = f"{nic.nic_type} on {nic.parent}" if nic.nic_type else "the appliance's own network"
        text += f" and its network card is {where}: is there a DHCP server, and does the image ask it?"
    elif what == "ssh" and container.address is not None:
        text += ". Most images come without an SSH server: pixels.sandbox.ssh_access installs one"
    return text


def ssh_refusal(address: str, port: int = SSH_PORT, timeout: float = 2.0) -> str | None:
    """Why no SSH server answers there; None when one does."""
    try:
        with socket.create_connection((address, port), timeout=timeout) as connection:
            connection.settimeout(timeout)
            banner = connection.recv(64)
    except OSError as error:
        return error.strerror or str(error) or type(error).__name__
    return None if banner.startswith(b"SSH-") else "what answers there is not SSH"
