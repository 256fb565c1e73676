# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The programs that hold an egress policy, from the distribution's packages."""

from __future__ import annotations

import os

from . import egress_places as places
from .egress_machine import Failed, Machine

_TIMEOUT = 600
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
    # A locked container lets only root out, and apt downloads as somebody else.
    "-oAPT::Sandbox::User=root",
)


def missing(machine: Machine) -> list[str]:
    return [package for program, package in places.PACKAGES.items() if not machine.exists(program)]


def install(machine: Machine, servers: list[str]) -> list[str]:
    """Their own services are masked first, so that none of them runs for a moment. What was done."""
    machine.systemctl("-q", "mask", *[unit for unit in places.MASKED if not unit.startswith("systemd-resolved")])
    packages = missing(machine)
    if not packages:
        return []
    _let_root_out(machine, servers)
    # Slim images leave it out, and some packages that an agent may want (Java's) stay half configured without it.
    os.makedirs(machine.path("/usr/share/man/man1"), exist_ok=True)
    machine.run("dpkg", "--force-confdef", "--force-confold", "--configure", "-a", timeout=_TIMEOUT)
    # What the lists say first may be of another day.
    status, log = machine.run(*_APT, "--no-install-recommends", "install", *packages, check=False, timeout=_TIMEOUT)
    if status != 0:
        _status, said = machine.run(*_APT, "update", check=False, timeout=_TIMEOUT)
        status, log = machine.run(*_APT, "--no-install-recommends", "install", *packages, check=False, timeout=_TIMEOUT)
        if status != 0:
            raise Failed(f"the packages {', '.join(packages)} cannot be installed", said + "\n" + log)
    left = missing(machine)
    if left:
        raise Failed(f"the packages {', '.join(left)} are installed, and yet their programs are not there")
    return ["packages"]


def _let_root_out(machine: Machine, servers: list[str]) -> None:
    """A former attempt may have left the container locked and without a resolver: root alone gets out, and asks the network's own."""
    if machine.run("nft", "list", "table", *places.TABLE, check=False)[0] != 0 and not machine.exists(places.LOCKED):
        return
    machine.run(places.LOAD, "repair")
    if servers:
        machine.write(places.RESOLV, "".join(f"nameserver {server}\n" for server in servers))
