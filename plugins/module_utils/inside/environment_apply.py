# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gives a user variables: root puts the start-up files and the setting of sshd in place, a child that is the user does the rest."""

from __future__ import annotations

import os
import pwd
from typing import Any

from .egress_machine import Failed, Machine, fingerprint
from .environment_home import HomeError, as_user, manager_lacks, renew_manager, visit
from .environment_startup import (
    ACCEPT,
    FILE,
    FOLDER,
    GENERATOR,
    GENERATOR_PLACE,
    PROFILE,
    PROFILE_PLACE,
    SSHD,
    SSHD_MAIN,
    SSHD_PENDING,
    SSHD_PLACE,
)
from .environment_text import MOST, mark_of, name_problem, render, value_problem

ARGUMENTS: dict[str, dict[str, Any]] = {
    "user": {"type": "str", "required": True},
    "vars": {"type": "dict", "default": {}, "no_log": True},
}

_FILES = ((PROFILE_PLACE, PROFILE, 0o644), (GENERATOR_PLACE, GENERATOR, 0o755))
# A process gets no variable that is longer.
_MOST = 128 * 1024 - 1


def checked(variables: dict[str, Any]) -> dict[str, str]:
    """The variables, all of them possible; a value is in no message."""
    for name, value in variables.items():
        problem = name_problem(name)
        if problem:
            raise Failed(f"vars: {name!r} {'is no name of a variable; ' if ' name has ' in problem else ''}{problem}")
        if not isinstance(value, str):
            raise Failed(f"vars: {name} is a {type(value).__name__}; allowed is a text, in quotes")
        problem = value_problem(value)
        if problem:
            raise Failed(f"vars: {name} is a text {problem}")
        length = len(name) + 1 + len(value.encode("utf-8"))
        if length > _MOST:
            raise Failed(f"vars: {name} has {length} bytes, and a program can be given {_MOST} in one variable; put it into a file")
    size = len(render(dict(variables)).encode("utf-8"))
    if size > MOST:
        how = "with a backslash before each quote, dollar and backslash"
        raise Failed(f"vars: {size} bytes in all, written down {how}, are more than there can be ({MOST}); put some of it into files")
    return dict(variables)


def account_of(user: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(user)
    except KeyError:
        raise Failed(f"user: there is no user {user} here") from None


def startup_files(shell: str) -> list[str]:
    """Those in the home. Any user may call bash, zsh reads a file of its own in all its forms."""
    return [".bashrc", ".zshenv"] if os.path.basename(shell) == "zsh" else [".bashrc"]


def left_out(shell: str) -> list[str]:
    """What is not reached with this login shell, in words."""
    name = os.path.basename(shell)
    if name in ("bash", "rbash", "zsh"):
        return []
    if name in ("sh", "dash", "ash", "ksh", "mksh", "busybox"):
        return [f"the login shell {shell} reads nothing for `ssh host command`: there is no variable there; a login shell has them"]
    return [f"the login shell {shell} is not known to read /etc/profile or ~/.bashrc: its sessions may have no variable; bash and zsh do"]


def apply(machine: Machine, params: dict[str, Any], check: bool) -> dict[str, Any]:
    """All of it is looked at before anything is changed."""
    variables = checked(params["vars"])
    account = account_of(params["user"])
    request = {"variables": variables, "shells": startup_files(account.pw_shell), "check": True}
    try:
        found = as_user(account, lambda: visit(account.pw_dir, account.pw_uid, request))
        files = [name for name, content, mode in _FILES if _differs(machine, name, content, mode)]
        sshd = not lets_in(machine)
        in_home = [f"{account.pw_dir.rstrip('/')}/{name}" for name in found["files"]]
        store = f"{account.pw_dir.rstrip('/')}/{FOLDER}/{FILE}"
        changed = files + ([SSHD_PLACE] if sshd else []) + in_home + ([store] if found["written"] else [])
        renew = as_user(account, lambda: manager_lacks(account, mark_of(variables)))["lacks"]
        if not check:
            for name, content, mode in _FILES:
                if name in files:
                    machine.write(name, content, mode)
            if sshd:
                let_in(machine)
            if found["files"] or found["written"]:
                found = as_user(account, lambda: visit(account.pw_dir, account.pw_uid, {**request, "check": False}))
            if renew:
                as_user(account, lambda: renew_manager(account))
    except HomeError as error:
        raise Failed(str(error)) from None
    return {
        "changed": bool(changed) or renew,
        "user": params["user"],
        "path": store,
        "names": sorted(variables),
        "changes": found["changes"],
        "files": changed,
        "renewed": renew,
        "left_out": left_out(account.pw_shell),
    }


def diff_of(result: dict[str, Any]) -> list[dict[str, str]]:
    """Names and nothing else."""
    kind = {change["name"]: change["change"] for change in result["changes"]}
    before = sorted({*result["names"], *kind} - {name for name, what in kind.items() if what == "added"})
    after = [f"{name} (another value)" if kind.get(name) == "changed" else name for name in result["names"]]
    texts = [{"before_header": result["path"], "after_header": result["path"], "before": _lines(before), "after": _lines(after)}]
    others = [name for name in result["files"] if name != result["path"]]
    texts += [
        {"before_header": name, "after_header": name, "before": "", "after": "(as pixels.sandbox.environment has it)\n"} for name in others
    ]
    return [text for text in texts if text["before"] != text["after"]]


def _lines(names: list[str]) -> str:
    return "".join(f"{name}\n" for name in names)


def _differs(machine: Machine, name: str, content: str, mode: int) -> bool:
    return machine.fingerprint(name) != fingerprint(content.encode("utf-8"), mode)


# The SSH server


def lets_in(machine: Machine) -> bool:
    """Whether nothing is left to be done. The one that runs may not have read its files yet, where a former run was cut off."""
    return not _sshd(machine) or (accepts(machine) and not machine.exists(SSHD_PENDING))


def accepts(machine: Machine) -> bool:
    """Whether sshd takes what a session brings, as its files are now; true as well where there is no sshd."""
    if not _sshd(machine):
        return True
    status, said = machine.run(_sshd(machine), "-T", check=False)
    if status != 0:
        raise Failed("sshd does not take its own settings as they are (sshd -T); they have to be put right first", said)
    return any(line.split() == ACCEPT.lower().split() for line in (line.strip().lower() for line in said.splitlines()))


def _sshd(machine: Machine) -> str:
    return next((place for place in ("/usr/sbin/sshd", "/usr/bin/sshd") if machine.exists(place)), "")


def let_in(machine: Machine) -> None:
    """In a file of our own where the main one reads that, else at the top of the main one. What sshd refuses, and what it cannot be told
    to read, is taken back.
    """
    before = machine.read(SSHD_PLACE)
    main = machine.read(SSHD_MAIN)
    mode = 0o644 if main is None else os.stat(machine.path(SSHD_MAIN)).st_mode & 0o777
    machine.write(SSHD_PENDING, "")
    machine.write(SSHD_PLACE, SSHD)
    try:
        if not accepts(machine):
            machine.write(SSHD_MAIN, SSHD + (main or ""), mode)
        status, said = machine.run(_sshd(machine), "-t", check=False)
        if status != 0 or not accepts(machine):
            raise Failed(f"sshd does not take the setting {ACCEPT}", said)
        _reload(machine)
    except Failed:
        if before is None:
            machine.remove(SSHD_PLACE)
        else:
            machine.write(SSHD_PLACE, before)
        if main is not None:
            machine.write(SSHD_MAIN, main, mode)
        raise
    machine.remove(SSHD_PENDING)


def _reload(machine: Machine) -> None:
    """The connections that there are go on as they began. An sshd that does not run, or is started for each connection, needs nothing."""
    if machine.exists("/run/systemd/system"):
        for unit in ("ssh.service", "sshd.service"):
            if machine.systemctl("-q", "is-active", unit, check=False)[0] == 0:
                machine.systemctl("reload", unit)
                return
    elif machine.exists("/sbin/rc-service") and machine.run("rc-service", "-q", "sshd", "status", check=False)[0] == 0:
        machine.run("rc-service", "sshd", "reload")
