# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The line in the user's own ~/.ssh/config that has OpenSSH read ours. Nothing else in there is ours, and nothing else is touched."""

from __future__ import annotations

import os
import re
import shlex
import stat
from fnmatch import fnmatchcase
from pathlib import Path

from . import own_file
from .errors import CoreError

_LINE = re.compile(r"([A-Za-z]+)(?:\s*=\s*|\s+)(.*)")


def path() -> Path:
    return Path(os.path.expanduser("~")) / ".ssh" / "config"


def included(text: bytes, file: Path) -> bool:
    """Whether the file is read for every host: an Include below a Host or Match is not."""
    for line in text.splitlines():
        words = _words(line)
        if words and words[0] in ("host", "match"):
            return False
        if line.strip() == line_for(file).strip() or (words and words[0] == "include" and any(_means(word, file) for word in words[1:])):
            return True
    return False


def _words(line: bytes) -> list[str]:
    """As OpenSSH takes them: a keyword, blanks or an equals sign, and words that may be quoted."""
    found = _LINE.fullmatch(line.decode("utf-8", "surrogateescape").strip())
    if found is None:
        return []
    try:
        return [found[1].lower(), *shlex.split(found[2])]
    except ValueError:
        return [found[1].lower()]


def _means(word: str, file: Path) -> bool:
    wanted = os.path.expanduser(word)
    if not os.path.isabs(wanted):
        wanted = str(path().parent / wanted)
    return fnmatchcase(str(file), os.path.normpath(wanted))


def line_for(file: Path) -> bytes:
    text = str(file)
    # What begins a pattern in an Include is an ordinary letter in a path.
    for special in "\\*?[":
        text = text.replace(special, f"\\{special}")
    quoted = f'"{text}"' if any(character.isspace() for character in text) else text
    return b"Include " + os.fsencode(quoted) + b"\n"


def with_include(text: bytes, file: Path) -> bytes:
    """At the top, where no Host is open yet."""
    return text if included(text, file) else line_for(file) + (b"\n" + text if text else b"")


def without_include(text: bytes, file: Path) -> bytes:
    """Without the line that we write, wherever it stands; one that somebody has written in another way is theirs."""
    line = line_for(file)
    if text.startswith(line):
        return text[len(line) :].removeprefix(b"\n")
    return b"".join(entry for entry in text.splitlines(keepends=True) if entry != line)


def update(file: Path, lock: Path, *, present: bool, dry: bool = False) -> tuple[str, str]:
    """What the user's configuration was, and what it is then. A link stays one, and a mode stays as it is."""
    own = path()
    try:
        target = own.resolve() if own.is_symlink() else own
        if dry:
            before, after = _change(target, file, present)
        else:
            lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with own_file.locked(lock):
                before, after = _change(target, file, present)
                if after != before:
                    _write(target, after)
    except OSError as error:
        raise CoreError(f"{own} cannot be read or written: {error.strerror or error}", path=str(own)) from error
    return before.decode("utf-8", "replace"), after.decode("utf-8", "replace")


def _change(target: Path, file: Path, present: bool) -> tuple[bytes, bytes]:
    try:
        before = target.read_bytes()
    except FileNotFoundError:
        before = b""
    return before, with_include(before, file) if present else without_include(before, file)


def _write(target: Path, data: bytes) -> None:
    try:
        found = target.stat()
    except FileNotFoundError:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        own_file.replace(target, data)
        return
    own_file.replace(target, data, stat.S_IMODE(found.st_mode))
    if (found.st_uid, found.st_gid) != (os.geteuid(), os.getegid()):
        os.chown(target, found.st_uid, found.st_gid)
