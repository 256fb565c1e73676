# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a command travels to a container and its exact result comes back.

SSH joins an argument list into one string for the user's shell, mixes its own messages into standard error and has only one
number for "the command ended with 255" and "the connection broke". So the command line that SSH carries is a constant script,
the argument list travels as the first line of standard input (out of sight of process lists and free of length limits), and the
streams carry a random marker where the command's own output begins and, on standard error, where it ended and with what status.
No marker: the command never ran, or nobody knows how it ended.

Variables travel with the argument list. The shells are given them under other names (`inside/variables.py`).

Pure: nothing here runs anything.
"""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from ..inside.variables import REVEAL

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Bash does not let anybody set these, and the last prefix is that of the script below.
_TAKEN = frozenset({"BASHOPTS", "BASH_VERSINFO", "EUID", "PPID", "SHELLOPTS", "UID"})
_OWN = "_px_"
# What the kernel takes for one variable, less its name here and there.
_LONGEST = (1 << 17) - 300


class CommandError(ValueError):
    """The command cannot be sent as it was given."""


@dataclass(frozen=True)
class Command:
    """What is to run: an argument list as execve(2) takes it, never a line for a shell."""

    argv: tuple[str, ...]
    chdir: str | None = None
    stdin: bytes | None = field(default=None, repr=False)
    login: bool = True
    timeout: int | None = None
    env: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for name, value in self.env.items():
            problem = variable_problem(name, value)
            if problem:
                raise CommandError(f"env: {problem}")
        if not self.argv:
            raise CommandError("the command is empty: give at least the program's name")
        if not self.argv[0]:
            raise CommandError("the first word of the command is the program's name and cannot be empty")
        if any("\0" in word for word in (*self.argv, self.chdir or "")):
            raise CommandError("a command cannot hold NUL characters: the kernel ends every argument there (use stdin for binary data)")
        if self.timeout is not None and self.timeout < 1:
            raise CommandError(f"timeout is {self.timeout}, it must be at least 1 second")


def variable_problem(name: object, value: str) -> str:
    """Why it cannot be a variable; empty for one that can. It never holds a value, nor what stands behind an equals sign: that is one."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        shown = str(name).partition("=")[0][:60]
        return f"{shown!r} cannot be the name of a variable; it has letters, digits and underscores, and no digit first"
    if name in _TAKEN or name.startswith(_OWN):
        return f"{name} cannot be set, a shell keeps it for itself"
    if "\0" in value:
        return f"the value of {name} holds a NUL character, and the kernel ends every variable there"
    if len(name) > 200 or len(value.encode("utf-8", "surrogateescape")) > _LONGEST:
        return f"{name[:60]} is too long; a name may have 200 bytes and a value {_LONGEST}"
    return ""


def split(line: str) -> tuple[str, ...]:
    """The words of a line as a person would type them: quotes and backslashes group, nothing is expanded."""
    try:
        return tuple(shlex.split(line))
    except ValueError as exc:
        raise CommandError(f"cmd cannot be split into words ({exc}): balance the quotes, or give the words as the list argv") from exc


class Fate(Enum):
    """How far the command came."""

    ENDED = "it ran and ended"
    TIMED_OUT = "it was stopped at its time limit"
    NO_DIRECTORY = "the directory of chdir cannot be entered"
    NO_STDIN = "its standard input could not be stored in the container"
    NO_SHELL = "the login profile ended the shell before the command"
    NO_TIMER = "the container has no timeout program"
    NOT_STARTED = "no shell answered"
    LOST = "the connection was lost while it ran"


@dataclass(frozen=True)
class Outcome:
    fate: Fate
    status: int | None
    stdout: bytes
    stderr: bytes


# The login profile runs before this: with an empty standard input that it cannot eat, and its chatter lies before the marker.
# Names are prefixed because an assignment to a name that is exported already would change the command's environment.
_INNER = r"""
_px_mark=$1 _px_dir=$2
shift 2
case $_px_dir in
  '') ;;
  '~') cd ;;
  '~/'*) CDPATH= cd -- "$HOME/${_px_dir#??}" ;;
  /*) CDPATH= cd -- "$_px_dir" ;;
  *) CDPATH= cd -- "./$_px_dir" ;;
esac >/dev/null || { printf '%s chdir\n' "$_px_mark" >&2; exit 1; }
@REVEAL@printf '%s begin\n' "$_px_mark"
printf '%s begin\n' "$_px_mark" >&2
exec -- "$@" <&3 3<&-
""".replace("@REVEAL@", REVEAL.lstrip())

# timeout(1) signals its whole process group, this shell included; it must outlive the command to let it end by itself,
# and then stay silent: the status of a command that was told to end is not its answer.
_TIMED = r"""
_px_mark=$1 _px_late=
trap '_px_late=1' TERM
shift
(exec "$@" 2>&4 4>&-)
_px_status=$?
[ -n "$_px_late" ] || printf '%s end %s\n' "$_px_mark" "$_px_status" >&4
"""

# The shell's own stderr is closed to it, or it would add "Killed" to that of a command which dies by a signal.
# Standard input is stored and counted first: a connection that breaks half-way must not feed a truncated file to the command,
# and a sender that writes all before it reads anything cannot be blocked by the command's output. Small input stays in memory.
_SCRIPT = r"""
IFS= read -r _px_header || exit 0
_px_nl=$(printf '\nx')
_px_nl=${_px_nl%x}
eval "set -- $_px_header"
_px_mark=$1 _px_login=$2 _px_limit=$3 _px_size=$4 _px_dir=$5 _px_count=$6
shift 6
export _px_names=
while [ "$_px_count" -gt 0 ]; do
  export "_px_v_$1=$2"
  _px_names="$_px_names$1 "
  _px_count=$((_px_count - 1))
  shift 2
done
_px_store() {
  _px_tmp=${TMPDIR:-/tmp}
  [ "$_px_size" -gt 1048576 ] || [ ! -w /dev/shm ] || _px_tmp=/dev/shm
  _px_file=$(mktemp "$_px_tmp/pixels.XXXXXXXXXX") || return 1
  if cat >"$_px_file" && [ "$(wc -c <"$_px_file")" -eq "$_px_size" ]; then exec 3<"$_px_file"; _px_rc=0; else _px_rc=1; fi
  rm -f -- "$_px_file"
  return "$_px_rc"
}
if [ -z "$_px_size" ]; then exec 3</dev/null
elif ! _px_store; then printf '%s stdin\n' "$_px_mark" >&2; exit 0
fi
exec </dev/null
if [ -z "$_px_login" ]; then set -- sh -c "$_px_plain" sh "$_px_mark" "$_px_dir" "$@"
elif command -v bash >/dev/null 2>&1; then set -- bash -lc "$_px_inner" bash "$_px_mark" "$_px_dir" "$@"
else set -- sh -lc "$_px_plain" sh "$_px_mark" "$_px_dir" "$@"
fi
exec 4>&2 2>/dev/null
if [ -z "$_px_limit" ]; then
  (exec "$@" 2>&4 4>&-)
  printf '%s end %s\n' "$_px_mark" "$?" >&4
else
  timeout -k 10 "$_px_limit" sh -c "$_px_timed" sh "$_px_mark" "$@"
  printf '%s limit %s\n' "$_px_mark" "$?" >&4
fi
exit 0
"""

_PARTS = {
    "_px_inner": _INNER,
    "_px_plain": _INNER.replace("exec -- ", "exec "),  # dash takes -- for the program's name
    "_px_timed": _TIMED,
}

#: The same for every command, so that process lists and debug output show nothing of it.
REMOTE_LINE = "/bin/sh -c " + shlex.quote("".join(f"{name}={shlex.quote(part)}\n" for name, part in _PARTS.items()) + _SCRIPT)


def quote(word: str) -> bytes:
    """One word for ``eval`` in a POSIX shell, on a single line whatever it holds."""
    raw = word.encode("utf-8", "surrogateescape")
    return b"'" + raw.replace(b"'", b"'\\''").replace(b"\n", b"'\"$_px_nl\"'") + b"'"


@dataclass(frozen=True)
class Parcel:
    """A command made ready for the journey: the line for SSH and the bytes for its standard input."""

    marker: str
    data: bytes = field(repr=False)
    line: str = REMOTE_LINE

    def begun(self, text: str) -> bool:
        """Whether the command had started, to judge by whatever was seen of its standard error."""
        return f"{self.marker} begin" in text

    def read(self, stdout: bytes, stderr: bytes) -> Outcome:
        """What became of the command, from all that came back."""
        begin = f"{self.marker} begin\n".encode()
        before, begun, after = stderr.partition(begin)
        words, own_stderr = self._words(after if begun else before)
        if begun:
            stdout = stdout.partition(begin)[2]
        if begun and "end" in words:
            return Outcome(Fate.ENDED, words["end"], stdout, own_stderr)
        if words.get("limit") in (124, 137):
            return Outcome(Fate.TIMED_OUT, 124, stdout, own_stderr)
        if begun:
            # With a limit, the shell around the command may have been killed along with it: timeout(1) still knows the status.
            return Outcome(Fate.ENDED if "limit" in words else Fate.LOST, words.get("limit"), stdout, own_stderr)
        for word, fate in (("chdir", Fate.NO_DIRECTORY), ("stdin", Fate.NO_STDIN), ("end", Fate.NO_SHELL), ("limit", Fate.NO_TIMER)):
            if word in words:
                return Outcome(fate, words[word], stdout, own_stderr)
        return Outcome(Fate.NOT_STARTED, None, stdout, own_stderr)

    def _words(self, stderr: bytes) -> tuple[dict[str, int | None], bytes]:
        """The wrapper's remarks on standard error, and standard error without them."""
        own, *remarks = stderr.split(self.marker.encode() + b" ")
        words: dict[str, int | None] = {}
        for remark in remarks:
            line, _newline, rest = remark.partition(b"\n")
            word, _space, number = line.decode("ascii", "replace").partition(" ")
            words[word] = int(number) if number.isdigit() else None
            own += rest
        return words, own


def pack(command: Command) -> Parcel:
    """Make a command ready; every parcel has its own random marker, which no output can hold by accident."""
    marker = f"pixels-{secrets.token_hex(16)}"
    size = "" if command.stdin is None else str(len(command.stdin))
    settings = (marker, "1" if command.login else "", str(command.timeout or ""), size, command.chdir or "", str(len(command.env)))
    variables = (part for variable in command.env.items() for part in variable)
    header = b" ".join(quote(word) for word in (*settings, *variables, *command.argv))
    return Parcel(marker, header + b"\n" + (command.stdin or b""))
