# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The containers as hosts of OpenSSH: a configuration file of our own, for `ssh task1.px`, scp, rsync, git and editors.

An entry says what `ssh.py` says to Ansible. It belongs to an appliance. `task1.nas.px` always means that one; `task1.px` is the entry of
that name which came last, until that goes.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import known_hosts, naming, own_file, ssh
from .errors import CoreError
from .paths import config_dir

if TYPE_CHECKING:
    from ..nas.driver import Container
    from ..rpc.endpoint import Endpoint
    from .config import Config
    from .context import Context
    from .gateway import Ways

SUFFIX = "px"
# What single sessions bring along; the containers' SSH servers take variables of this name and no others.
SESSION_VARIABLES = "PIXELS_ENV_*"
# Whoever does not want the file sets it to false.
SWITCH = "PIXELS_SSH_CONFIG"

_HEAD = """\
# The containers of pixels.sandbox as hosts of OpenSSH. It is written anew when one comes, changes or goes; what is added here is lost.
# To use it:  ansible-playbook pixels.sandbox.ssh_config  puts an Include of it at the top of ~/.ssh/config.
"""
_OWNER = "# pixels: "
_LINE = re.compile(r"\s+(\S+)\s+(.*\S)")


def path() -> Path:
    """The file. It need not exist."""
    return config_dir() / "ssh_config"


@dataclass(frozen=True)
class Entry:
    """One container. `short` is whether it is the one that is meant by its name alone."""

    appliance: str
    name: str
    options: tuple[tuple[str, str], ...]
    short: bool = False

    @property
    def key(self) -> tuple[str, str]:
        return self.appliance, self.name

    @property
    def full_name(self) -> str:
        return f"{known_hosts.alias(self.appliance, self.name)}.{SUFFIX}"

    @property
    def short_name(self) -> str:
        return f"{self.name}.{SUFFIX}"

    def lines(self) -> list[str]:
        patterns = [self.short_name, self.full_name] if self.short else [self.full_name]
        return [f"{_OWNER}{self.appliance}", f"Host {' '.join(patterns)}", *(f"    {key} {value}" for key, value in self.options)]

    def option(self, name: str) -> str | None:
        return dict(self.options).get(name)


def entry(
    container: Container,
    config: Config,
    endpoint: Endpoint,
    *,
    user: str | None = None,
    key: str | None = None,
    through: Sequence[str] = (),
) -> Entry:
    """The entry of a container that has an address. `through` is the command that connects with one behind a gateway."""
    if container.address is None:
        raise ValueError(f"{container.name} has no address")
    name = naming.from_instance(container.name)
    options = {
        "HostName": container.address,
        "User": ssh.login_user(config, user),
        "IdentityFile": ssh.file_value(ssh.key_path(config, key)),
        **ssh.options(known_hosts.alias(endpoint.label, name)),
        "SendEnv": SESSION_VARIABLES,
    }
    if through:
        options["ProxyCommand"] = shlex.join(through)
    return Entry(endpoint.label, name, tuple(options.items()))


def parse(text: str) -> list[Entry]:
    """The entries of the file. What is none of ours in it is not kept."""
    found: dict[tuple[str, str], Entry] = {}
    for block in text.split(f"\n{_OWNER}")[1:]:
        owner, *lines = block.splitlines()
        patterns = lines[0].split()[1:] if lines and lines[0].startswith("Host ") else []
        if not patterns:
            continue
        name = patterns[-1].partition(".")[0]
        options = tuple((match[1], match[2]) for line in lines[1:] if (match := _LINE.fullmatch(line)))
        made = Entry(owner.strip(), name, options, short=len(patterns) > 1)
        if made.full_name == patterns[-1]:
            found[made.key] = made
    return list(found.values())


def render(entries: Iterable[Entry]) -> str:
    return _HEAD + "".join("\n" + "\n".join(entry.lines()) + "\n" for entry in entries)


def changed(before: Sequence[Entry], put: Iterable[Entry] = (), gone: Iterable[tuple[str, str]] = ()) -> list[Entry]:
    """The entries after a change: those that are new come last, and of a name the last new one has the short name."""
    left = set(gone)
    after = {item.key: item for item in before if item.key not in left}
    for item in put:
        known = after.get(item.key)
        if known is None:
            for other in [other for other in after.values() if other.name == item.name and other.short]:
                after[other.key] = replace(other, short=False)
        after[item.key] = replace(item, short=True if known is None else known.short)
    named = {item.name for item in after.values() if item.short}
    for item in reversed(list(after.values())):
        if item.name not in named:
            named.add(item.name)
            after[item.key] = replace(item, short=True)
    return list(after.values())


@dataclass(frozen=True)
class Change:
    """What the file was, and what it is then."""

    before: str
    after: str

    @property
    def changed(self) -> bool:
        return self.before != self.after


def update(change: Callable[[list[Entry]], list[Entry]], *, dry: bool = False) -> Change:
    """Read, change and replace the file as one step; `dry` only says what would come of it."""
    file = path()
    try:
        if dry or not file.parent.exists():
            before = _read(file)
            after = _text(change(parse(before)))
            if dry or after == before:
                return Change(before, after)
        # It may be there, and is the user's then.
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with own_file.locked(file):
            before = _read(file)
            after = _text(change(parse(before)))
            if after != before:
                if after:
                    own_file.replace(file, after.encode())
                else:
                    file.unlink()
            return Change(before, after)
    except OSError as error:
        raise CoreError(
            f"the SSH configuration of our containers cannot be kept in {file}: {error.strerror or error}", path=str(file)
        ) from error


def _text(entries: Sequence[Entry]) -> str:
    """Without entries there is no file."""
    return render(entries) if entries else ""


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


# What the rest of the collection calls: as a courtesy, of which nothing else depends.


def wanted() -> bool:
    return os.environ.get(SWITCH, "").strip().lower() not in ("0", "false", "no", "off")


def keep(ctx: Context, ways: Ways, container: Container | None, *, user: str | None = None, key: str | None = None) -> None:
    """The container has this address now. One that nobody can log in to yet gets no entry.

    Without `user` and `key` those of its entry stay, if it has one: it is still the same container.
    """
    if not wanted() or container is None or container.address is None:
        return
    endpoint, name = ctx.endpoint, naming.from_instance(container.name)
    if known_hosts.lookup(known_hosts.alias(endpoint.label, name)) is None:
        forget(ctx, [name])
        return
    found = container

    def work() -> None:
        made = entry(found, ctx.config, endpoint, user=user, key=key, through=ways.to(found))
        update(lambda before: changed(before, [made if user and key else as_before(made, before, user=user, key=key)]))

    _as_courtesy(ctx, work)


def as_before(made: Entry, before: Iterable[Entry], *, user: str | None = None, key: str | None = None) -> Entry:
    """With user and key as its entry has them, where nobody says otherwise."""
    known = next((item for item in before if item.key == made.key), None)
    if known is None:
        return made
    kept = {name: known.option(name) for name, given in (("User", user), ("IdentityFile", key)) if given is None}
    return replace(made, options=tuple((name, kept.get(name) or value) for name, value in made.options))


def forget(ctx: Context, names: Iterable[str]) -> None:
    """They are gone."""
    label = ctx.endpoint.label
    if wanted() and path().exists():
        _as_courtesy(ctx, lambda: update(lambda before: changed(before, gone=[(label, name) for name in names])))


def _as_courtesy(ctx: Context, work: Callable[[], Any]) -> None:
    try:
        work()
    except Exception as error:  # whatever it is, the container is as it should be
        ctx.warn(f"the SSH configuration of our containers is not current: {error}")
