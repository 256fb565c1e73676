# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The packages of the distribution, by the package manager that there is, and names on the path for what it calls otherwise."""

from __future__ import annotations

from typing import Any

from . import devtools_apt
from .devtools_tool import link, wrong_link
from .devtools_work import Work
from .egress_machine import Failed, Machine, end_of

MANAGERS = {"apt": "/usr/bin/apt-get", "dnf": "/usr/bin/dnf", "apk": "/sbin/apk"}
# Seconds for a network that is only just coming up.
ROUTE = 60.0
_CALL = 1500.0


def manager(machine: Machine) -> str | None:
    return next((name for name, program in MANAGERS.items() if machine.exists(program)), None)


def missing(machine: Machine, wanted: dict[str, Any]) -> list[str]:
    names = wanted["names"]
    if wanted["manager"] == "apt":
        return devtools_apt.missing(machine, names)
    query = ("rpm", "-q", "--whatprovides") if wanted["manager"] == "dnf" else ("apk", "info", "-e")
    return [name for name in names if machine.run(*query, name, check=False)[0] != 0]


def links_of(machine: Machine, wanted: dict[str, Any]) -> dict[str, str]:
    """Name, and the program that there is for it."""
    found = {name: [target for target in targets if machine.exists(target)] for name, targets in wanted["links"].items()}
    return {name: targets[0] for name, targets in found.items() if targets}


def lacks(machine: Machine, wanted: dict[str, Any]) -> list[str]:
    """What is not as it should be; nothing where there is nothing to do."""
    left = missing(machine, wanted)
    return left or [name for name, target in links_of(machine, wanted).items() if wrong_link(machine, name, target)]


def bring(work: Work, wanted: dict[str, Any]) -> str:
    """What was done, in a few words."""
    machine = work.machine
    left = missing(machine, wanted)
    if left:
        work.say(f"installing {' '.join(left)}")
        _wait_for_route(work)
        if wanted["manager"] == "apt":
            devtools_apt.install(work, left)
        else:
            _install(work, wanted["manager"], left)
    for name, target in links_of(machine, wanted).items():
        link(machine, name, target)
    return f"{len(left)} packages" if left else "all there already"


def _install(work: Work, name: str, names: list[str]) -> None:
    command = ["dnf", "-q", "-y", "--setopt=install_weak_deps=False", "install"]
    if name == "apk":
        command = ["apk", "add", "--no-cache", "--wait", str(int(work.left(600)))]
    with work.shielded():
        status, said = work.run([*command, *names], most=_CALL)
    if status != 0:
        log = end_of(said)
        raise Failed(f"{name} could not install {', '.join(names)}: {log[-1] if log else 'it said nothing'}", "\n".join(log))


def _wait_for_route(work: Work) -> None:
    """A network that is only just coming up. Without one what comes next says what it lacks."""
    tries = 0.0
    while not _has_route(work.machine) and tries < ROUTE:
        if not tries:
            work.note("there is no default route yet: waiting for the network")
        work.sleep(0.5)
        tries += 0.5


def _has_route(machine: Machine) -> bool:
    for line in (machine.read("/proc/net/route") or "").splitlines():
        if line.split()[1:2] == ["00000000"]:
            return True
    routes = (machine.read("/proc/net/ipv6_route") or "").splitlines()
    return any(line.startswith("0" * 32 + " 00 ") and not line.endswith(" lo") for line in routes)
