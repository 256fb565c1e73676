# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The promise of the module `ssh_config`: the containers are hosts of OpenSSH, and those that are gone are not."""

from __future__ import annotations

from typing import Any

from ..nas.driver import Container
from . import known_hosts, naming, ssh_config, ssh_include
from .context import Context
from .errors import CoreError
from .front import Spec
from .gateway import Unreachable, Ways
from .plan import is_ours
from .ssh_config import Change, Entry

SPEC = Spec(
    arguments={
        "name": {"type": "list", "elements": "str", "aliases": ["container"]},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "include": {"type": "bool", "default": True},
    },
)


def run(ctx: Context) -> dict[str, Any]:
    names = naming.expand(ctx.params["name"]) if ctx.params["name"] else None
    label = ctx.endpoint.label
    left_out: dict[str, str] = {}
    if ctx.params["state"] == "absent":
        change = ssh_config.update(lambda before: _without(before, label, names), dry=ctx.check_mode)
    else:
        made, gone, left_out = _look(ctx, names)

        def present(before: list[Entry]) -> list[Entry]:
            known = [item.key for item in before if item.appliance == label]
            entries = [ssh_config.as_before(item, before) for item in made]
            # Without names all is known that there is; with names, of those that were asked for.
            over = [key for key in known if key[1] in gone or (names is None and key[1] not in left_out and not _made(made, key))]
            return ssh_config.changed(before, entries, over)

        change = ssh_config.update(present, dry=ctx.check_mode)
    included = _include(ctx, change, names)
    return _result(ctx, change, included, label, left_out)


def _made(made: list[Entry], key: tuple[str, str]) -> bool:
    return any(item.key == key for item in made)


def _without(before: list[Entry], label: str, names: list[str] | None) -> list[Entry]:
    return ssh_config.changed(
        before, gone=[item.key for item in before if item.appliance == label and (names is None or item.name in names)]
    )


def _look(ctx: Context, names: list[str] | None) -> tuple[list[Entry], set[str], dict[str, str]]:
    """The entries that can be made, the names of which nobody can log in any more, and those that have none for now and why.

    An entry of a container that is stopped stays: it will be right again, or be written anew when that is started.
    """
    containers = {naming.from_instance(item.name): item for item in ctx.driver().list(naming.PREFIX) if is_ours(item)}
    missing = [name for name in names or [] if name not in containers]
    if missing:
        raise CoreError(f"{', '.join(missing)}: there is no such container; pixels.sandbox.container makes it", missing=missing)
    ways = Ways(ctx.driver(), ctx.config, ctx.endpoint, known={item.name: item for item in containers.values()})
    made, gone, left_out = [], set(), {}
    for name in names if names is not None else sorted(containers):
        if known_hosts.lookup(known_hosts.alias(ctx.endpoint.label, name)) is None:
            gone.add(name)
            left_out[name] = "it was not opened to SSH from here; pixels.sandbox.ssh_access does that"
            continue
        found = _entry(ctx, ways, containers[name])
        if isinstance(found, str):
            left_out[name] = found
        else:
            made.append(found)
    return made, gone, left_out


def _entry(ctx: Context, ways: Ways, container: Container) -> Entry | str:
    if container.address is None:
        return f"it is {container.status}" if not container.running else "it has no address"
    try:
        return ssh_config.entry(container, ctx.config, ctx.endpoint, through=ways.to(container))
    except Unreachable as error:
        return str(error)


def _include(ctx: Context, change: Change, names: list[str] | None) -> tuple[str, str] | None:
    """The user's own configuration before and after. The line goes when all is taken away and nothing is left to include."""
    present = ctx.params["state"] == "present"
    if not ctx.params["include"] or (not present and (names is not None or change.after)):
        return None
    # One lock for both files: a user's directory is no place for another one.
    return ssh_include.update(ssh_config.path(), ssh_config.path(), present=present, dry=ctx.check_mode)


def _result(ctx: Context, change: Change, included: tuple[str, str] | None, label: str, left_out: dict[str, str]) -> dict[str, Any]:
    after, before = ssh_config.parse(change.after), ssh_config.parse(change.before)
    keys = {item.key for item in after}
    result: dict[str, Any] = {
        "changed": change.changed or (included is not None and included[0] != included[1]),
        "path": str(ssh_config.path()),
        "hosts": [
            {"name": item.name, "host": item.short_name if item.short else item.full_name, "full_host": item.full_name}
            for item in after
            if item.appliance == label
        ],
        "removed": [item.name for item in before if item.appliance == label and item.key not in keys],
        "left_out": [{"name": name, "reason": reason} for name, reason in left_out.items()],
    }
    if ctx.diff:
        files = [(ssh_config.path(), change.before, change.after)]
        files += [(ssh_include.path(), *included)] if included is not None else []
        result["diff"] = [
            {"before_header": str(file), "after_header": str(file), "before": old, "after": new} for file, old, new in files if old != new
        ]
    return result
