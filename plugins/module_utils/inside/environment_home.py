# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is done in the user's home, by a child that has become the user for good before it looks at anything there.

The user may have put links where our files belong. The child has no more rights than the user, follows no link of ours, writes each file
beside its place and moves it there: a link in that place makes room for a file.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import pwd
import secrets
import stat
import subprocess
from collections.abc import Callable
from typing import Any

from .environment_startup import FILE, FOLDER, with_block
from .environment_text import MARK, MOST, differences, mark_shown, parse, render

# More than any start-up file has; what a link leads to may be anything.
_MOST = MOST


class HomeError(Exception):
    """What is wrong with the user's home, for people."""


def as_user(account: pwd.struct_passwd, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """`work` with the user's rights and nothing of ours: no root, no groups, no terminal, and no way back."""
    there, back = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(there)
            os.setsid()
            if os.geteuid() == 0:
                os.setgroups(os.getgrouplist(account.pw_name, account.pw_gid))
                os.setgid(account.pw_gid)
                os.setuid(account.pw_uid)
            os.umask(0o077)
            try:
                said = work()
            except HomeError as error:
                said = {"error": str(error)}
            except OSError as error:
                # The text of the error alone: a name in it is harmless, a value is never in it.
                said = {"error": f"{error.filename or account.pw_dir}: {error.strerror}"}
            _write_all(back, json.dumps(said).encode())
            status = 0
        finally:
            # Neither the handlers nor the buffers of the parent are ours to run.
            os._exit(status)
    os.close(back)
    with os.fdopen(there, "rb") as stream:
        answer = stream.read()
    _pid, status = os.waitpid(child, 0)
    if status != 0 or not answer:
        raise HomeError(f"what was to be done as {account.pw_name} in {account.pw_dir} came to an end unforeseen")
    said = json.loads(answer)
    if "error" in said:
        raise HomeError(said["error"])
    return dict(said)


def visit(home: str, uid: int, request: dict[str, Any]) -> dict[str, Any]:
    """Bring `variables` into their file and our lines into the start-up files `shells`; only look where `check` says so."""
    try:
        place = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise HomeError(f"there is no home {home}: {error.strerror}") from None
    try:
        if os.fstat(place).st_uid != uid:
            raise HomeError(f"the home {home} does not belong to the user")
        check = bool(request["check"])
        changes, written = _variables(place, request["variables"], check)
        files = [name for name in request["shells"] if _startup(place, name, check)]
        return {"changes": changes, "written": written, "files": files}
    finally:
        os.close(place)


def _variables(home: int, variables: dict[str, str], check: bool) -> tuple[list[dict[str, str]], bool]:
    """Which variables change, and whether the file is, or would be, written at all."""
    wanted = render(variables).encode("utf-8")
    folder = _folder(home)
    try:
        current, mode = (None, None) if folder is None else _read(folder, FILE, follow=False, ours=True)
        folder_mode = None if folder is None else stat.S_IMODE(os.fstat(folder).st_mode)
        in_the_way = folder is not None and mode is None and _exists(folder, FILE)
        known = None if current is None else parse(current.decode("utf-8", "replace"))
        changes = differences(known, variables)
        right = (current or b"") == wanted and not in_the_way and (not wanted or (mode == 0o600 and folder_mode == 0o700))
        if right or check:
            return changes, not right
        if not wanted:
            os.unlink(FILE, dir_fd=folder)
            return changes, True
        if folder is None:
            folder = _make_folder(home)
        os.fchmod(folder, 0o700)
        _replace(folder, FILE, wanted, 0o600)
        return changes, True
    finally:
        if folder is not None:
            os.close(folder)


def _folder(home: int) -> int | None:
    """Ours, where it is a real one."""
    try:
        return os.open(FOLDER, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=home)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENOTDIR):
            return None
        raise


def _make_folder(home: int) -> int:
    """Whatever else has that name was not made by us, and no program knows it."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(FOLDER, dir_fd=home)
    os.mkdir(FOLDER, 0o700, dir_fd=home)
    return os.open(FOLDER, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=home)


def _startup(home: int, name: str, check: bool) -> bool:
    """Our lines at the top of a start-up file. A link is replaced by a file with what the user could read through it."""
    content, mode = _read(home, name, follow=False)
    is_file = content is not None
    if content is None and _exists(home, name):
        content, mode = _read(home, name, follow=True)
        if content is None and not _is_link(home, name):
            raise HomeError(f"~/{name} is not a file; our lines belong into it")
    wanted = with_block(content or b"")
    if is_file and content == wanted:
        return False
    if not check:
        _replace(home, name, wanted, 0o644 if mode is None else mode)
    return True


def _read(folder: int, name: str, follow: bool, ours: bool = False) -> tuple[bytes | None, int | None]:
    """Content and mode of an ordinary file, else None and None. One of `ours` that is too large is none that we have written."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    try:
        descriptor = os.open(name, flags, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENXIO, errno.ENOTDIR) or (follow and error.errno == errno.EACCES):
            return None, None
        if error.errno == errno.EACCES:
            raise HomeError(f"{name} in the user's home cannot be read by the user") from None
        raise
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        return None, None
    with os.fdopen(descriptor, "rb") as stream:
        if found.st_size > _MOST:
            if follow or ours:
                return None, None
            raise HomeError(f"{name} in the user's home has more than {_MOST} bytes")
        return stream.read(_MOST + 1), stat.S_IMODE(found.st_mode)


def _exists(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _is_link(folder: int, name: str) -> bool:
    return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)


def _replace(folder: int, name: str, content: bytes, mode: int) -> None:
    """All at once. The new file belongs to the user, for it is the user who makes it."""
    temporary = f".{name}.{secrets.token_hex(8)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, 0o600, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fchmod(descriptor, mode & 0o777)
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def manager_lacks(account: pwd.struct_passwd, mark: str) -> dict[str, Any]:
    """Whether the user's own systemd runs with other variables than those of the mark. One that does not answer may well do."""
    if not os.path.exists(_manager(account)):
        return {"lacks": False}
    status, said = _systemctl(account, "show-environment")
    return {"lacks": status != 0 or mark_shown(said) != mark}


def renew_manager(account: pwd.struct_passwd) -> dict[str, Any]:
    """The user's own systemd begins anew with the environment it was started with: what is gone is not in it. Its units run on."""
    if not os.path.exists(_manager(account)):
        return {}
    before = mark_shown(_systemctl(account, "show-environment")[1])
    if before:
        # What was imported from a session would stay, and count more.
        _systemctl(account, "unset-environment", MARK, *before.split()[1:])
    status, said = _systemctl(account, "daemon-reexec")
    if status != 0:
        raise HomeError(f"the systemd of {account.pw_name} does not take the variables: {said.strip() or f'status {int(status)}'}")
    return {}


def _manager(account: pwd.struct_passwd) -> str:
    return f"/run/user/{int(account.pw_uid)}/systemd/private"


def _systemctl(account: pwd.struct_passwd, *words: str) -> tuple[int, str]:
    """Status and output; a program that is missing, or takes too long, has failed."""
    runtime = os.path.dirname(os.path.dirname(_manager(account)))
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": account.pw_dir, "XDG_RUNTIME_DIR": runtime, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["systemctl", "--user", *words],
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=60,
        )
    except subprocess.TimeoutExpired:
        return 124, f"systemctl --user {words[0]} has not ended within 60 s"
    except OSError as error:
        return 126, str(error)
    return done.returncode, done.stdout.decode("utf-8", "replace")
