# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""On which appliances the hosts of a site are. All of them are looked at before anything is done.

What no host declares is to go, so all hosts of an appliance have to be known as such: by whichever account it is reached, and under one
name. Two names of one appliance would each take the other's containers for nobody's, so that is an error. It is found out by the system's
boot id, which no two systems have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..nas.driver import Container
from . import naming
from .context import Context
from .errors import CoreError
from .site_declaration import Member


@dataclass
class Account:
    """One way to reach an appliance, and those of its hosts that are reached so, by the container's name."""

    ctx: Context
    members: dict[str, Member] = field(default_factory=dict)
    there: dict[str, Container] = field(default_factory=dict)
    error: Exception | None = None  # why it could not be looked at


@dataclass
class Appliance:
    """One address."""

    url: str
    accounts: dict[tuple[str, ...], Account] = field(default_factory=dict)

    @property
    def members(self) -> dict[str, Member]:
        return {name: found for account in self.accounts.values() for name, found in account.members.items()}

    @property
    def seen(self) -> list[Account]:
        return [account for account in self.accounts.values() if account.error is None]


def grouped(members: Sequence[Member], contexts: Sequence[Context]) -> list[Appliance]:
    """Each once, however many hosts name it; raises where two hosts are to be the same container."""
    found: dict[str, Appliance] = {}
    taken: dict[tuple[str, str], str] = {}
    wrong = []
    for member, ctx in zip(members, contexts, strict=True):
        try:
            endpoint = ctx.endpoint
        except CoreError as error:
            wrong.append(f"{member.host}: {error}")
            continue
        appliance = found.setdefault(endpoint.url, Appliance(endpoint.url))
        other = taken.setdefault((endpoint.url, member.name), member.host)
        if other != member.host:
            wrong.append(f"{member.host}: pixels_name: {other} is the container {member.name} already")
        appliance.accounts.setdefault(endpoint.fingerprint(), Account(ctx)).members[member.name] = member
    if wrong:
        raise CoreError("\n".join([*wrong, "Nothing was changed."]), wrong=wrong)
    return list(found.values())


def look(appliances: Sequence[Appliance]) -> None:
    """What is there. One that is down does not keep the others from their turn; raises where two are the same."""
    systems: dict[str, Appliance] = {}
    for appliance in appliances:
        for account in appliance.accounts.values():
            try:
                driver = account.ctx.driver()
                account.there = {naming.from_instance(found.name): found for found in driver.list(naming.PREFIX)}
                system = driver.boot_id() if len(appliances) > 1 else ""
            except Exception as error:
                account.error = error
                continue
            other = systems.setdefault(system, appliance)
            if other is not appliance:
                raise CoreError(
                    f"{_told(other)} and {_told(appliance)} are the same appliance, and each would take the containers of the other for"
                    " nobody's: give all hosts of an appliance the same pixels_truenas_host. Nothing was changed"
                )


def _told(appliance: Appliance) -> str:
    hosts = [member.host for member in appliance.members.values()]
    more = f" and {len(hosts) - 3} more" if len(hosts) > 3 else ""
    return f"{appliance.url} (of {', '.join(hosts[:3])}{more})"


def elsewhere(appliances: Sequence[Appliance]) -> set[str]:
    """What the hosts of appliances declare that could not be looked at. One of those may be another name for one that could."""
    return {name for appliance in appliances if not appliance.seen for name in appliance.members}
