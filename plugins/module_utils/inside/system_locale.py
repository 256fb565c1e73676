# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The locale: made where it is missing, and the default of new sessions."""

from __future__ import annotations

import os
import re

from .egress_machine import Failed, Machine
from .system_packages import install, manager

SUPPORTED = "/usr/share/i18n/SUPPORTED"
WANTED = "/etc/locale.gen"
DEBIAN = "/etc/default/locale"
OTHERS = "/etc/locale.conf"
_NAME = re.compile(r"(C|POSIX|[a-z]{2,3}(_[A-Z]{2})?)(\.[A-Za-z0-9-]+)?(@[a-z]+)?")
_LANG = re.compile(r"""LANG=["']?([^"'\s]*)["']?\s*""")


def place(machine: Machine) -> str:
    """Where the default is; on newer releases of Debian the one is a link to the other."""
    name = DEBIAN if manager(machine) == "apt" else OTHERS
    return os.path.realpath(machine.path(name))[len(os.path.realpath(machine.root)) if machine.root else 0 :]


def current_locale(machine: Machine) -> str:
    found = [_LANG.fullmatch(line) for line in (machine.read(place(machine)) or "").splitlines()]
    return next((match.group(1) for match in found if match), "")


def plain(name: str) -> str:
    """As `locale -a` writes it, so that UTF-8 and utf8 are one."""
    stem, dot, rest = name.partition(".")
    charset, at, kind = rest.partition("@")
    return stem + dot + charset.replace("-", "").lower() + at + kind


def check_locale(machine: Machine, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise Failed(f"locale: {name!r} is no name of a locale; they are like C.UTF-8 or de_DE.UTF-8")
    if not is_there(machine, name) and machine.exists(SUPPORTED):
        _charset(machine, name)


def is_there(machine: Machine, name: str) -> bool:
    status, said = machine.run("locale", "-a", check=False)
    there = {plain(line.strip()) for line in said.splitlines()} if status == 0 else set()
    return plain(name) in there | {"C", "POSIX"}


def _charset(machine: Machine, name: str) -> tuple[str, str]:
    """The name as the distribution writes it, and its character set; an error for one that it does not have."""
    lines = [line.split() for line in (machine.read(SUPPORTED) or "").splitlines()]
    known = {plain(words[0]): (words[0], words[1]) for words in lines if len(words) == 2}
    if plain(name) in known:
        return known[plain(name)]
    language = name[:2]
    near = sorted(entry for entry, charset in known.values() if entry.startswith(language) and charset == "UTF-8")[:8]
    hint = f"with this language there are {', '.join(near)}" if near else f"{SUPPORTED} in the container lists them"
    raise Failed(f"locale: the distribution has no locale {name}; {hint}")


def set_locale(machine: Machine, name: str, check: bool) -> list[str]:
    steps = []
    if not is_there(machine, name):
        steps.append("locales")
        if not check:
            _make(machine, name)
    file = place(machine)
    lines = (machine.read(file) or "").splitlines()
    others = [line for line in lines if not line.startswith("LANG=")]
    wanted = "".join(f"{line}\n" for line in [f"LANG={name}", *others])
    if current_locale(machine) == name and sum(line.startswith("LANG=") for line in lines) == 1:
        return steps
    if not check:
        machine.write(file, wanted)
    return [*steps, "locale"]


def _make(machine: Machine, name: str) -> None:
    kind = manager(machine)
    if kind == "apt":
        if not machine.exists("/usr/sbin/locale-gen"):
            install(machine, "locales", f"the locale {name}")
        entry = " ".join(_charset(machine, name))
        lines = (machine.read(WANTED) or "").splitlines()
        if entry not in lines:
            machine.write(WANTED, "".join(f"{line}\n" for line in [*lines, entry]))
        machine.run("locale-gen", "--keep-existing", timeout=300.0)
    elif kind == "dnf":
        install(machine, f"glibc-langpack-{re.split('[_.@]', name)[0]}", f"the locale {name}")
    else:
        raise Failed(f"locale: {name} is not there, and it is not known how to make locales on this distribution; C.UTF-8 needs none")
    if not is_there(machine, name):
        raise Failed(f"locale: {name} was to be made, and yet `locale -a` does not have it")
