# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The promise of the module `container_info`: which containers there are, and how they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..nas.driver import Container
from . import container_labels, known_hosts, marker, naming, ssh
from .context import Context
from .front import Spec
from .gateway import Unreachable, Ways
from .plan import is_ours
from .view import view

SPEC = Spec(
    arguments={
        "name": {"type": "list", "elements": "str", "aliases": ["container"]},
        "status": {"type": "list", "elements": "str"},
        "owner": {"type": "str"},
        "labels": {"type": "dict"},
        "all": {"type": "bool", "default": False},
        "connection": {"type": "bool", "default": False},
    },
)


def run(ctx: Context) -> dict[str, Any]:
    params = ctx.params
    names = naming.expand(params["name"]) if params["name"] else None
    labelled = container_labels.check(params["labels"] or {})
    statuses = {status.lower() for status in params["status"] or []}
    entries = []
    existing = set()
    every = sorted(ctx.driver().list(naming.PREFIX), key=lambda found: found.name)
    ways = Ways(ctx.driver(), ctx.config, ctx.endpoint, known={container.name: container for container in every})
    for container in every:
        name = naming.from_instance(container.name)
        owned = is_ours(container)
        mark = marker.read(container.environment) or marker.Marker()
        if not owned and not params["all"]:
            continue
        existing.add(name)
        if (
            (names is not None and name not in names)
            or (statuses and container.status not in statuses)
            or (params["owner"] is not None and mark.owner != params["owner"])
            or not container_labels.have(mark.labels, labelled)
        ):
            continue
        addresses = [{"address": entry.address, "family": entry.family, "interface": entry.interface} for entry in container.addresses]
        entries.append(
            {
                "name": name,
                "instance": container.name,
                "owned": owned,
                "half_made": mark.making is not None,
                **view(container),
                "address": container.address,
                "addresses": addresses,
                "os": {key: value for key, value in container.image.items() if key in ("os", "release", "variant") and value},
                **(_connection(ctx, ways, container) if params["connection"] else {}),
            }
        )
    missing = [name for name in names or [] if name not in existing]
    return {"changed": False, "containers": entries, "missing": missing, "version": ctx.driver().version}


def _connection(ctx: Context, ways: Ways, container: Container) -> dict[str, Any]:
    """How SSH gets in, for a play that makes a host of the container and for a person. Not at all where its gateway is not up."""
    alias = known_hosts.alias(ctx.endpoint.label, naming.from_instance(container.name))
    through: tuple[str, ...] = ()
    try:
        through = ways.to(container)
    except Unreachable:
        container = replace(container, address=None)
    return {
        "hostvars": ssh.connection_vars(container, ctx.config, ctx.endpoint, through=through),
        "ssh": None if container.address is None else ssh.ssh_line(container, ctx.config, ctx.endpoint, through=through),
        "pinned": known_hosts.lookup(alias) is not None,
    }
