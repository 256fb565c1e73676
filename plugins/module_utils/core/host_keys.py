# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The promise of the module `host_keys`: this machine knows the host keys of containers that another one has opened to SSH.

Each is read through the API, which is what makes it worth believing, and pinned here. In the container nothing changes: this is a look, and
check mode does the same, since without it nothing could be looked at over SSH.
"""

from __future__ import annotations

import secrets
import shlex
import threading
from typing import Any

from ..nas.driver import Container
from . import fleet, known_hosts, naming
from .access_script import read_marked
from .context import Context
from .errors import CoreError, Foreign, Invalid
from .front import Spec
from .plan import is_ours

SPEC = Spec(
    arguments={
        "name": {"type": "list", "elements": "str", "required": True, "aliases": ["container"]},
        "timeout": {"type": "int", "default": 60},
        "concurrency": {"type": "int", "default": 4},
    }
)
# sshd makes all of its keys at once; this one is what we pin everywhere.
_SCRIPT = r"""PX_MARK={mark}
key=/etc/ssh/ssh_host_ed25519_key.pub
[ ! -r "$key" ] || read -r kind blob rest <"$key"
printf '%s {{"host_key": "%s"}}\n' "$PX_MARK" "${{kind:+$kind $blob}}"
"""


def run(ctx: Context) -> dict[str, Any]:
    params = ctx.params
    names = naming.expand(params["name"])
    if not 1 <= params["concurrency"] <= 64:
        raise Invalid("concurrency", params["concurrency"], "1 to 64 containers at a time")
    if params["timeout"] < 5:
        raise Invalid("timeout", params["timeout"], "it takes at least five seconds")
    there = {container.name: container for container in ctx.driver().list(naming.PREFIX)}

    def one(name: str) -> dict[str, Any]:
        return _pinned(ctx, name, there.get(naming.to_instance(name)))

    outcomes = fleet.in_parallel(names, one, params["concurrency"], threading.Event())
    entries = [
        fleet.failure(name, naming.to_instance(name), outcome) if isinstance(outcome, Exception) else outcome
        for name, outcome in outcomes.items()
    ]
    return fleet.collect(entries)


def _pinned(ctx: Context, name: str, container: Container | None) -> dict[str, Any]:
    instance = naming.to_instance(name)
    if container is None:
        raise CoreError(f"{name}: there is no such container ({instance})", missing=True)
    if not is_ours(container):
        raise Foreign(name, instance)
    alias = known_hosts.alias(ctx.endpoint.label, name)
    before = known_hosts.lookup(alias)
    key = before if before is not None or not container.running else _read(ctx, name, instance)
    if before is None and key is not None:
        known_hosts.pin(alias, key)
    return {
        "name": name,
        "instance": instance,
        # In the container and for others nothing is different.
        "changed": False,
        "pinned": before is None and key is not None,
        "host_key": key,
        "fingerprint": None if key is None else known_hosts.fingerprint(key),
    }


def _read(ctx: Context, name: str, instance: str) -> str | None:
    """None where there is no SSH server: nobody has opened it yet."""
    mark = f"pixels:{secrets.token_hex(8)}"
    done = ctx.driver().run_script(instance, _SCRIPT.format(mark=shlex.quote(mark)), timeout=float(ctx.params["timeout"]))
    said, log = read_marked(done.output, mark)
    found = dict(said)
    if done.status != 0 or "host_key" not in found:
        raise CoreError(f"{name}: its host key cannot be read; the script ended with status {done.status}: {log or 'it said nothing'}")
    if not found["host_key"]:
        return None
    key = known_hosts.parse_key(str(found["host_key"]))
    ours = known_hosts.alias(ctx.endpoint.label, name)
    others = [other for other in known_hosts.holders(key) if other != ours and other.partition(".")[2] == ours.partition(".")[2]]
    if others:
        shown = ", ".join(other.partition(".")[0] for other in others)
        raise CoreError(
            f"{name}: it has the same host key as {shown}, so neither could be told from the other"
            "; pixels.sandbox.ssh_access gives it one of its own",
            same=others,
        )
    return key
