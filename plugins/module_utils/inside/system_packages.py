# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A package of the distribution, by whichever package manager there is."""

from __future__ import annotations

import time

from .egress_machine import Failed, Machine

_TIMEOUT = 600.0
_APT = (
    "apt-get",
    "-q",
    "-y",
    "-oDPkg::Lock::Timeout=300",
    "-oDpkg::Use-Pty=0",
    "-oAcquire::Retries=3",
    "-oAPT::Update::Error-Mode=any",
    "-oDpkg::Options::=--force-confdef",
    "-oDpkg::Options::=--force-confold",
)
_INSTALL = {
    "apt": (*_APT, "--no-install-recommends", "install"),
    "dnf": ("dnf", "-q", "-y", "--setopt=install_weak_deps=False", "install"),
    "apk": ("apk", "add", "--no-cache", "--wait", "300"),
}
_PROGRAMS = {"apt": "/usr/bin/apt-get", "dnf": "/usr/bin/dnf", "apk": "/sbin/apk"}


def manager(machine: Machine) -> str:
    """`apt`, `dnf`, `apk`, or empty."""
    return next((name for name, place in _PROGRAMS.items() if machine.exists(place)), "")


def install(machine: Machine, package: str, what: str) -> None:
    """`what` it is for, for the message."""
    kind = manager(machine)
    if not kind:
        raise Failed(f"{what} needs the package {package}, and there is none of the package managers apt, dnf and apk to install it with")
    status, log = machine.run(*_INSTALL[kind], package, check=False, timeout=_TIMEOUT)
    # What the lists of apt say may be of another day, or they may be empty. It has no patience for a lock of theirs.
    for attempt in range(3 if kind == "apt" else 0):
        if status == 0:
            break
        time.sleep(3 * attempt)
        machine.run(*_APT, "update", check=False, timeout=_TIMEOUT)
        status, log = machine.run(*_INSTALL[kind], package, check=False, timeout=_TIMEOUT)
    if status != 0:
        raise Failed(
            f"{what} needs the package {package}, which {kind} could not install; is its mirror reachable from the container?", log
        )
