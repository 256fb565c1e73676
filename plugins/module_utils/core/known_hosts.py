# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The host keys of our containers, in a known_hosts file of our own: one line a container, under an alias instead of an address.

A key gets in here only after it was read through the API, and OpenSSH is told to look nowhere else and to accept nothing new. Addresses
come and go and names may mean nothing to any DNS, so neither is in the file: `ssh -o HostKeyAlias=` connects the two.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from . import own_file
from .errors import CoreError
from .paths import private_dir, state_dir

KEY_TYPE = "ssh-ed25519"
# The blob of an Ed25519 key: its type and its 32 bytes, each after a length.
_BLOB_START = b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20"
_BLOB_LENGTH = len(_BLOB_START) + 32


def path() -> Path:
    """The file. It need not exist."""
    return state_dir() / "known_hosts"


def alias(endpoint_label: str, name: str) -> str:
    """The name under which the key of a container (`task1`) of an appliance (`nas:444`) is kept: `task1.nas_444`.

    In lower case and without anything that is special in a known_hosts file.
    """
    plain = endpoint_label.lower()
    safe = plain.replace(":", "_")
    if not re.fullmatch(r"[a-z0-9._-]+", safe):
        digest = hashlib.sha256(plain.encode()).hexdigest()[:12]
        safe = f"{re.sub(r'[^a-z0-9._-]+', '_', safe).strip('_')}-{digest}"
    return f"{name.lower()}.{safe}"


def parse_key(line: str) -> str:
    """`ssh-ed25519 AAAA...` from a public key line; its comment is dropped. Raises for anything else.

    The line comes out of a container, whose root may be anybody.
    """
    words = line.split()
    if len(words) >= 2 and words[0] == KEY_TYPE:
        with contextlib.suppress(binascii.Error, ValueError):
            blob = base64.b64decode(words[1], validate=True)
            if len(blob) == _BLOB_LENGTH and blob.startswith(_BLOB_START):
                return f"{words[0]} {words[1]}"
    raise CoreError(f"a host key of the type {KEY_TYPE} was expected, and this is none: {line[:120]!r}")


def fingerprint(key: str) -> str:
    """As `ssh-keygen -l` shows it."""
    digest = hashlib.sha256(base64.b64decode(key.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def lookup(alias: str) -> str | None:
    """The key that is pinned there."""
    return _keys(_read()).get(alias)


def holders(key: str) -> list[str]:
    """The aliases under which this key is pinned."""
    wanted = parse_key(key)
    return [alias for alias, pinned in _keys(_read()).items() if pinned == wanted]


def pinned(endpoint_label: str) -> dict[str, str]:
    """All that is pinned for the containers (`task1`) of an appliance, with the keys."""
    place = alias(endpoint_label, "")
    found = ((entry.removesuffix(place), key) for entry, key in _keys(_read()).items() if entry.endswith(place))
    # The name of a container has no dot; a longer name before that place belongs to another appliance, called sub.nas.
    return {name: key for name, key in found if name and "." not in name}


def pin(alias: str, key: str) -> bool:
    """Let this be the only key of that alias; returns whether that is new."""
    if not re.fullmatch(r"[a-z0-9._-]+", alias):
        raise ValueError(f"{alias!r} cannot be an alias")
    line = f"{alias} {parse_key(key)}"

    def change(lines: list[str]) -> list[str]:
        mine = [entry for entry in lines if _alias_of(entry) == alias]
        if mine == [line]:
            return lines
        return [entry for entry in lines if _alias_of(entry) != alias] + [line]

    return _rewrite(change)


def remove(aliases: Iterable[str]) -> bool:
    """Forget them; returns whether any was there."""
    gone = set(aliases)
    if not gone or not path().exists():
        return False
    return _rewrite(lambda lines: [entry for entry in lines if _alias_of(entry) not in gone])


def _alias_of(line: str) -> str | None:
    words = line.split(maxsplit=1)
    return words[0] if words and not words[0].startswith("#") else None


def _keys(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        words = line.split()
        if len(words) >= 3 and not words[0].startswith("#"):
            found[words[0]] = f"{words[1]} {words[2]}"
    return found


def _read() -> list[str]:
    try:
        return path().read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []


def _rewrite(change: Callable[[list[str]], list[str]]) -> bool:
    """Read, change and replace the file as one step: others write to it at the same time, and OpenSSH reads it at any time."""
    file = path()
    try:
        private_dir(file.parent)
        with own_file.locked(file):
            before = _read()
            after = change(before)
            if after == before:
                return False
            own_file.replace(file, "".join(f"{line}\n" for line in after).encode())
            return True
    except OSError as error:
        raise CoreError(f"the host keys of our containers cannot be kept in {file}: {error.strerror or error}", path=str(file)) from error
