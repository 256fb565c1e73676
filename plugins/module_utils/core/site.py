# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The promise of the module `site`: on each appliance there are the containers that the inventory declares for it, as it declares them.

A container belongs to a site by its label, which says the site's name. What somebody else has made is neither taken over nor, ever,
destroyed. Who is to go is known before anything is done, and goes in the same task.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..nas.driver import Container
from . import changes, fleet, marker, naming, site_view
from .config import Config
from .container import SPEC, converge
from .context import Context
from .errors import CoreError, Invalid
from .site_appliances import Account, elsewhere, grouped, look
from .site_declaration import DISCOVERED, LABEL, Member, Site, gone, member, unknown

ARGUMENTS: dict[str, dict[str, Any]] = {
    "group": {"type": "str", "default": "pixels"},
    "owner": {"type": "str"},
    "prune": {"type": "bool", "default": False},
    "takeover": {"type": "bool", "default": False},
    "bare": {"type": "bool", "default": False},
    "recreate": {"type": "bool", "default": False},
    "dependents": {"type": "str", "choices": ["fail", "promote"], "default": "fail"},
    "concurrency": {"type": "int", "default": 4},
    "wait_timeout": {"type": "int", "default": 120},
}

# Makes the context of a task for the appliance that a configuration names.
Opener = Callable[[Config, dict[str, Any]], Context]


@dataclass(frozen=True)
class Host:
    """One host as the inventory has it: its variables that begin as ours do, and the configuration that holds for it."""

    name: str
    variables: Mapping[str, Any]
    config: Config


def site_of(params: Mapping[str, Any], *, limited: bool) -> Site:
    """The options, checked."""
    if not 1 <= params["concurrency"] <= 64:
        raise Invalid("concurrency", params["concurrency"], "1 to 64 containers at a time")
    if params["wait_timeout"] < 1:
        raise Invalid("wait_timeout", params["wait_timeout"], "it takes at least one second")
    if params["prune"] and limited:
        raise CoreError(
            "prune=true and --limit exclude each other: what is outside of the limit would look as if nobody wanted it. Nothing was changed"
        )
    if params["prune"] and not params["owner"]:
        raise CoreError(
            "prune=true needs the name of the site, or it could be somebody else's that goes: set site_owner in group_vars. Nothing was"
            " changed"
        )
    name = str(params["owner"] or params["group"]).strip()
    if len(name) > 100 or not name.isprintable():
        raise Invalid("owner", name, "the name of a site has 100 printable characters at most")
    return Site(name, recreate=params["recreate"], dependents=params["dependents"], bare=params["bare"])


def members_of(hosts: Sequence[Host], site: Site) -> list[Member]:
    """All declarations; raises with whatever is wrong with any of them."""
    found, wrong = [], []
    for host in hosts:
        wrong += unknown(host.name, list(host.variables))
        if DISCOVERED in host.variables:
            continue
        try:
            found.append(member(host.name, host.variables, host.config, site))
        except CoreError as error:
            wrong += error.result.get("wrong", [f"{host.name}: {error}"])
    if wrong:
        raise CoreError("\n".join([*wrong, "Nothing was changed."]), wrong=wrong)
    return found


def run(hosts: Sequence[Host], params: dict[str, Any], opener: Opener, *, limited: bool) -> dict[str, Any]:
    """See the docstring of this file. `limited`: not all of the site's hosts are among these."""
    site = site_of(params, limited=limited)
    members = members_of(hosts, site)
    options = {
        **{key: rule.get("default") for key, rule in SPEC.arguments.items()},
        **{key: params[key] for key in ("concurrency", "dependents", "wait_timeout")},
    }
    appliances = grouped(members, [opener(host.config, options) for host in hosts])
    accounts = [account for appliance in appliances for account in appliance.accounts.values()]
    entries: list[dict[str, Any]] = []
    diffs: list[dict[str, Any]] = []
    pruned: list[str] = []
    undeclared: list[str] = []
    try:
        look(appliances)
        kept = elsewhere(appliances)
        for appliance in appliances:
            first = next(iter(appliance.seen), None)
            for account in appliance.accounts.values():
                # One account sees to what is to go.
                declared = kept | appliance.members.keys() if account is first and not limited else None
                work = _Work(account, site, params, declared)
                try:
                    done = work.done()
                except Exception as error:
                    changes.note(account.ctx, {"failed": account.error is None})
                    # Of several appliances one may be down; of a single one that is the end of the task.
                    if len(accounts) == 1:
                        raise
                    entries += [_failure(found, error) for found in account.members.values()]
                    continue
                changes.note(account.ctx, done)
                entries += map(site_view.entry, done["containers"])
                diffs += map(site_view.diff, done.get("diff", []))
                pruned += work.pruned
                undeclared += work.undeclared
    finally:
        for account in accounts:
            account.ctx.close()
    # A single container is no different from several here.
    result = fleet.collect(entries, pruned=pruned, undeclared=undeclared, site=site.name)
    result.pop("container", None)
    result["hosts"] = {entry["host"]: _host(entry, members) for entry in entries if entry["host"] is not None}
    if any(account.ctx.diff for account in accounts):
        result["diff"] = diffs
    return result


class _Work:
    """One account of an appliance; `declared` are all names that are to stay there, None when that is not to be decided here."""

    def __init__(self, account: Account, site: Site, params: Mapping[str, Any], declared: set[str] | None) -> None:
        self.account = account
        self.ctx = account.ctx
        self.members = account.members
        self.site = site
        self.params = params
        self.declared = declared
        self.pruned: list[str] = []
        self.undeclared: list[str] = []

    def done(self) -> dict[str, Any]:
        if self.account.error is not None:
            raise self.account.error
        there = self.account.there
        refused = {name: error for name, found in self.members.items() if (error := self._others(name, there.get(name))) is not None}
        wishes = {name: found.wanted for name, found in self.members.items() if name not in refused}
        going = self._undeclared(there)
        if self.params["prune"]:
            wishes |= {name: gone(name, self.ctx.config, self.site) for name in going}
        else:
            self.undeclared = going
        result = converge(self.ctx, wishes) if wishes else {"containers": []}
        by_name = {entry["name"]: entry for entry in result["containers"]}
        by_name.update({name: fleet.failure(name, naming.to_instance(name), error) for name, error in refused.items()})
        if self.params["prune"]:
            self.pruned = [name for name in going if not by_name[name].get("failed")]
        order = [*self.members, *(going if self.params["prune"] else [])]
        hosts = {name: found.host for name, found in self.members.items()}
        return {**result, "containers": [{**by_name[name], "host": hosts.get(name)} for name in order]}

    def _others(self, name: str, current: Container | None) -> CoreError | None:
        """Why a container of that name is not ours to change."""
        mark = None if current is None else marker.read(current.environment)
        if mark is None or self.params["takeover"] or mark.labels.get(LABEL) == self.site.name:
            return None
        whose = f"of the site {mark.labels[LABEL]}" if LABEL in mark.labels else f"{mark.owner}'s" if mark.owner else ""
        if not whose:
            return None
        return CoreError(f"{name}: it exists and is {whose}; takeover=true makes it one of {self.site.name}", owner=mark.owner)

    def _undeclared(self, there: Mapping[str, Container]) -> list[str]:
        """Those of this site that nobody wants any more."""
        if self.declared is None:
            return []
        found = []
        for name, container in sorted(there.items()):
            mark = marker.read(container.environment)
            if mark is not None and mark.labels.get(LABEL) == self.site.name and name not in self.declared:
                found.append(name)
        return found


def _failure(found: Member, error: Exception) -> dict[str, Any]:
    return {**fleet.failure(found.name, found.wanted.instance, error), "host": found.host}


def _host(entry: Mapping[str, Any], members: Sequence[Member]) -> dict[str, Any]:
    """What a play in the host needs to know."""
    found = next(candidate for candidate in members if candidate.host == entry["host"])
    return {
        "name": found.name,
        "state": found.wanted.state,
        "status": entry.get("status"),
        "address": entry.get("address"),
        "actions": entry["actions"],
        "via": found.wanted.via or entry.get("via") or "",
        "failed": bool(entry.get("failed")),
        "msg": str(entry.get("msg", "")),
        **found.inside,
    }
