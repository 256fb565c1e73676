# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The authorized_keys of several accounts of the machine that this runs on.

It runs in containers, with whatever Python 3 they have, so nothing newer than 3.8 is used. Files of an account are touched with the
rights of that account, root's own with root's: a link that a user has planted leads no further than the user could go alone. No
link is followed anyway; one that is in the way makes room.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import stat
import tempfile
from collections.abc import Iterator
from typing import Any, NamedTuple

ARGUMENTS: dict[str, dict[str, Any]] = {
    "users": {"type": "list", "elements": "str", "required": True},
    "keys": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "key": {"type": "str", "required": True, "no_log": False},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "users": {"type": "list", "elements": "str"},
        },
        "no_log": False,
    },
    "exclusive": {"type": "bool", "default": False},
}

_KEY = re.compile(r"(?:^|\s)((?:ssh-|ecdsa-sha2-|sk-)[\w@.-]+)\s+(AAAA[A-Za-z0-9+/=]+)(?=\s|$)")


class KeysError(Exception):
    """What was wrong, for the user."""


class Wish(NamedTuple):
    """The lines that an account's file should have and should not have."""

    present: list[str]
    absent: list[str]
    exclusive: bool


class Line(NamedTuple):
    """One line: which key it lets in, and with which options. The comment says nothing."""

    identity: tuple[str, str]
    options: str


def parse(line: str) -> Line | None:
    """None for what is no key: remarks, empty lines, damage."""
    text = line.strip()
    found = None if text.startswith("#") else _KEY.search(text)
    return None if found is None else Line((found.group(1), found.group(2)), text[: found.start(1)].strip())


def wish(params: dict[str, Any], user: str) -> Wish:
    """What the task asks of one account; the last word on a key counts."""
    lines: dict[tuple[str, str], tuple[str, str]] = {}
    for entry in params["keys"]:
        text = entry["key"].strip()
        parsed = parse(text)
        if parsed is None or "\n" in text:
            raise KeysError(f"keys: {text[:60]!r} is no public key; expected is one line as in a .pub file, options in front are possible")
        if entry["users"] is not None and user not in entry["users"]:
            continue
        lines.pop(parsed.identity, None)
        lines[parsed.identity] = (entry["state"], text)
    return Wish(
        [text for state, text in lines.values() if state == "present"],
        [text for state, text in lines.values() if state == "absent"],
        params["exclusive"],
    )


def merge(before: list[str], wanted: Wish) -> list[str]:
    """The lines as they should be. What is right already keeps its place and its comment."""
    present = {parsed.identity: (parsed.options, text) for text in wanted.present if (parsed := parse(text))}
    absent = {parsed.identity for text in wanted.absent if (parsed := parse(text))}
    after: list[str] = []
    for line in before:
        parsed = parse(line)
        if parsed is None:
            after.append(line)
        elif parsed.identity in present:
            options, text = present.pop(parsed.identity)
            after.append(line if parsed.options == options else text)
        elif parsed.identity not in absent and not wanted.exclusive and not _is_wanted(parsed, wanted):
            after.append(line)
    return after + [text for _options, text in present.values()]


def _is_wanted(parsed: Line, wanted: Wish) -> bool:
    """A second line with a key that we have seen to already: the first one would win, so it serves nobody."""
    return any(other is not None and other.identity == parsed.identity for other in map(parse, wanted.present))


@contextlib.contextmanager
def acting_as(account: pwd.struct_passwd) -> Iterator[None]:
    """With the rights of that account, where we are root."""
    if os.geteuid() != 0 or account.pw_uid == 0:
        yield
        return
    groups = os.getgroups()
    os.setgroups([account.pw_gid])
    os.setegid(account.pw_gid)
    os.seteuid(account.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def _mode(path: str) -> int | None:
    """Its mode, kind included, without following a link; None when it does not exist."""
    try:
        return os.lstat(path).st_mode
    except FileNotFoundError:
        return None


def account_of(user: str) -> pwd.struct_passwd:
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        raise KeysError(f"users: there is no user {user} here") from None
    if os.geteuid() not in (0, account.pw_uid):
        raise KeysError(f"users: the keys of {user} can be written by {user} and by root only; use become")
    return account


def converge(user: str, wanted: Wish, check_mode: bool) -> dict[str, Any]:
    """Bring one account's file there; what it was and what it is (or would be) comes back."""
    account = account_of(user)
    folder = os.path.join(account.pw_dir, ".ssh")
    path = os.path.join(folder, "authorized_keys")
    try:
        with acting_as(account):
            return _converge(user, folder, path, wanted, check_mode)
    except OSError as error:
        raise KeysError(f"{user}: {error.filename or path}: {error.strerror}") from error


def _converge(user: str, folder: str, path: str, wanted: Wish, check_mode: bool) -> dict[str, Any]:
    folder_mode = _mode(folder)
    folder_is_real = folder_mode is not None and stat.S_ISDIR(folder_mode)
    file_mode = _mode(path) if folder_is_real else None
    file_is_real = file_mode is not None and stat.S_ISREG(file_mode)
    if file_mode is not None and not file_is_real and not stat.S_ISLNK(file_mode):
        raise KeysError(f"{user}: {path} is neither a file nor a link")
    before: list[str] = []
    if file_is_real:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            before = stream.read().splitlines()
    after = merge(before, wanted)
    # Without keys there is no need for a file, but one that is there stays.
    is_needed = bool(after) or file_mode is not None
    content_changed = after != before or (is_needed and not file_is_real)
    modes_changed = (folder_is_real and stat.S_IMODE(folder_mode or 0) != 0o700) or (file_is_real and stat.S_IMODE(file_mode or 0) != 0o600)
    changed = content_changed or modes_changed
    if changed and not check_mode:
        _make_folder(folder, folder_mode)
        if content_changed:
            _write(path, after)
        else:
            os.chmod(path, 0o600)
    return {
        "user": user,
        "path": path,
        "changed": changed,
        "keys": sum(parse(line) is not None for line in after),
        "before": _text(before),
        "after": _text(after),
    }


def _make_folder(folder: str, mode: int | None) -> None:
    if mode is not None and stat.S_ISLNK(mode):
        os.unlink(folder)
        mode = None
    if mode is None:
        os.mkdir(folder, 0o700)
    os.chmod(folder, 0o700)


def _write(path: str, lines: list[str]) -> None:
    """All at once; what stood in its place, be it a link, is gone then."""
    descriptor, temporary = tempfile.mkstemp(prefix=".authorized_keys.", dir=os.path.dirname(path))
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as stream:
            stream.write(_text(lines))
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def _text(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def run(params: dict[str, Any], check_mode: bool = False) -> dict[str, Any]:
    """All accounts; nothing is written before every one of them has been found fit."""
    users = list(dict.fromkeys(params["users"]))
    wishes = {user: wish(params, user) for user in users}
    for entry in params["keys"]:
        strangers = [user for user in entry["users"] or [] if user not in users]
        if strangers:
            raise KeysError(f"keys: {', '.join(strangers)} cannot be in the users of a key without being in users")
    if params["exclusive"]:
        without = [user for user in users if not wishes[user].present]
        if without:
            raise KeysError(f"exclusive: nobody could log in as {', '.join(without)} any more, for which no key is present")
    for user in users:
        converge(user, wishes[user], True)
    accounts = [converge(user, wishes[user], check_mode) for user in users]
    return {
        "changed": any(account["changed"] for account in accounts),
        "accounts": [{key: account[key] for key in ("user", "path", "changed", "keys")} for account in accounts],
        "diff": [
            {"before_header": account["path"], "after_header": account["path"], "before": account["before"], "after": account["after"]}
            for account in accounts
            if account["changed"]
        ],
    }
