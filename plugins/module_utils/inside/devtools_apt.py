# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""apt as it has to be handled: somebody else may be at work, a former run may have been cut off, and mirrors have bad days."""

from __future__ import annotations

import os
from collections.abc import Sequence

from .devtools_work import Work
from .egress_machine import Failed, Machine, end_of

_UPDATES = "/var/lib/dpkg/updates"
# Seconds: for somebody else's lock; for one call; between attempts.
LOCK, CALL, WAIT = 600.0, 1500.0, 5.0
ATTEMPTS = 3
_ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_SUSPEND": "1", "APT_LISTCHANGES_FRONTEND": "none"}
_KEEP = ("--force-confdef", "--force-confold")
# What apt says where another one holds a lock that it does not wait for itself, in LC_ALL=C.
_BUSY = ("Could not get lock", "Unable to acquire the dpkg frontend lock", "Unable to lock", "is another process using it")
_BROKEN = ("dpkg was interrupted", "unmet dependencies", "Unmet dependencies", "--fix-broken", "dpkg --configure -a")
# With lists that were just fetched it stays like that.
_HOPELESS = ("Unable to locate package", "has no installation candidate", "No space left on device")


def missing(machine: Machine, names: Sequence[str]) -> list[str]:
    """Those that are not completely installed. Of a virtual or renamed package apt brings what provides it, and dpkg knows only that;
    a version is asked of the package itself.
    """
    if not names:
        return []
    plain = [name.partition("=")[0].partition("/")[0] for name in names]
    installed, _provided = _installed(machine, *plain)
    left = [name for name, bare in zip(names, plain) if bare not in installed]
    if not set(left) & set(plain):
        return left
    _all, provided = _installed(machine)
    return [name for name in left if name not in provided]


def _installed(machine: Machine, *names: str) -> tuple[set[str], set[str]]:
    """What is completely installed, of these or of all, by its names, and the names of what it provides."""
    installed, provided = set(), set()
    command = ("dpkg-query", "-W", "-f=${db:Status-Abbrev}${Package}:${Architecture} ${Provides}\n", *names)
    for line in machine.run(*command, check=False)[1].splitlines():
        if not line.startswith(("ii ", "hi ")):
            continue
        whole, _blank, provides = line[3:].strip().partition(" ")
        package, _colon, architecture = whole.partition(":")
        installed |= {package, whole}
        # As in "awk, libglib2.0-0 (= 2.80.0-6)".
        for name in (one.partition("(")[0].strip().partition(":")[0] for one in provides.split(",")):
            provided |= {name, f"{name}:{architecture}"}
    return installed, provided


def is_half_done(machine: Machine) -> bool:
    """A run of dpkg was cut off."""
    return bool(machine.listed(_UPDATES)) or bool(machine.run("dpkg", "--audit", check=False)[1].strip())


def install(work: Work, names: Sequence[str]) -> None:
    """Brings the packages, or raises Failed with the end of what was said."""
    machine = work.machine
    # Slim images leave it out, and some packages stay half configured without it.
    os.makedirs(machine.path("/usr/share/man/man1"), exist_ok=True)
    status, log = 0, ""
    for attempt in range(ATTEMPTS):
        if attempt:
            work.sleep(WAIT)
        if is_half_done(machine):
            work.say("an earlier installation was cut off: completing it first")
            _call(work, ["dpkg", *_KEEP, "--configure", "-a"])
        status, log = _apt(work, "--no-install-recommends", "install", "--", *names)
        if status == 0:
            break
        if any(text in log for text in _BROKEN):
            _apt(work, "--fix-broken", "install")
        # What the lists say may be of another day, or nobody has fetched any.
        fetched = _update(work)
        status, log = _apt(work, "--no-install-recommends", "install", "--", *names)
        if status == 0 or (fetched and any(text in log for text in _HOPELESS)):
            break
    if status != 0:
        reason = _reason(log)
        raise Failed(f"apt-get could not install {', '.join(missing(machine, names) or names)}: {reason}", "\n".join(end_of(log)))
    _apt(work, "clean")


def _reason(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line[2:].strip() for line in lines if line.startswith("E:")]
    return "; ".join(errors[:3]) or (lines[-1] if lines else "it said nothing")


def _update(work: Work) -> bool:
    status, log = _apt(work, "update")
    if status != 0:
        work.say(f"the package lists could not all be fetched, going on with what there is: {_reason(log)}")
    return status == 0


def _apt(work: Work, *arguments: str) -> tuple[int, str]:
    patience = int(max(5, work.left(LOCK)))
    command = [
        "apt-get",
        "-q",
        "-y",
        f"-oDPkg::Lock::Timeout={patience}",
        "-oDpkg::Use-Pty=0",
        "-oAcquire::Retries=3",
        "-oAcquire::http::Timeout=30",
        "-oAcquire::https::Timeout=30",
        "-oAPT::Update::Error-Mode=any",
        *(f"-oDpkg::Options::={option}" for option in _KEEP),
        # The appliance's file system keeps the order of writes, so a crash loses the end and nothing else.
        "-oDpkg::Options::=--force-unsafe-io",
        *arguments,
    ]
    return _call(work, command)


def _call(work: Work, command: list[str]) -> tuple[int, str]:
    """Once more for as long as another one holds a lock; those of the package lists apt does not wait for."""
    end = work.left(LOCK)
    waited = 0.0
    while True:
        with work.shielded():
            # apt-get that is waiting or fetching ends when it is told to, and takes no notice of that while dpkg is at work.
            status, said = work.run(command, most=CALL, environment=_ENVIRONMENT, polite=command[0] == "apt-get")
        work.pause()
        if status == 0 or waited >= end or not any(text in said for text in _BUSY):
            return status, said
        if not waited:
            work.note("another package manager is at work: waiting for it")
        work.sleep(WAIT)
        waited += WAIT
