# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a container may reach: how a policy changes by what is asked for, and what it comes to.

Deny wins. To deny a name is to deny it and everything below it, on every port; `*.name` everything below it alone; name:port and ranges
take away just that.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import egress_entry
from .egress_entry import NAME, PORT, RANGE, WILDCARD, Entry
from .errors import CoreError, Invalid

UNRESTRICTED, AGENT, ALLOWLIST, LEARN = "unrestricted", "agent", "allowlist", "learn"
MODES = (UNRESTRICTED, AGENT, ALLOWLIST, LEARN)
# The modes to which the preset belongs.
WITH_PRESET = (AGENT, LEARN)


class Damaged(CoreError):
    """A stored policy is not what was stored."""

    def __init__(self, why: str) -> None:
        super().__init__(f"The stored egress policy is damaged: {why}. Give mode, allow and deny anew")


@dataclass(frozen=True)
class Policy:
    """What was asked for; the lists are sorted, and nothing is in both."""

    mode: str = UNRESTRICTED
    allow: tuple[Entry, ...] = ()
    deny: tuple[Entry, ...] = ()


@dataclass(frozen=True)
class Effective:
    """What it comes to, everything sorted.

    A suffix ".example.org" stands for all names below, not for example.org itself. In `denied`, which wins over `suffixes`, a name
    stands for itself and all names below, and one with a dot at its front for those below alone.
    """

    exact: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    ports: tuple[tuple[str, int], ...] = ()
    ranges: tuple[tuple[str, int], ...] = ()

    @property
    def denied_names(self) -> tuple[str, ...]:
        """The names that are denied themselves."""
        return tuple(name for name in self.denied if not name.startswith("."))

    @property
    def denied_suffixes(self) -> tuple[str, ...]:
        """The suffixes, with their dots, of all names that are denied because they are below one."""
        return tuple(sorted(name if name.startswith(".") else f".{name}" for name in self.denied))


def changed(
    current: Policy,
    preset: Sequence[Entry],
    mode: str | None,
    allow: Sequence[Any] | None,
    deny: Sequence[Any] | None,
    append: bool,
    mirrors: Sequence[Entry] = (),
) -> Policy:
    """The policy that is asked for, by entries or by what people write for them. What is not given stays as it is, also when the mode
    changes from one restricted one to another."""
    wanted = current.mode if mode is None else mode
    if wanted not in MODES:
        raise Invalid("mode", wanted, f"it is one of {', '.join(MODES)}")
    allow, deny = _given("allow", allow), _given("deny", deny)
    for entry in sorted(set(allow or ()) & set(deny or ())):
        raise Invalid("deny", entry.value, "it is in allow as well; an entry is in one of the two")
    if wanted == UNRESTRICTED:
        for option, given in (("allow", allow), ("deny", deny)):
            if given:
                raise Invalid(option, [entry.value for entry in given], f"a list needs mode {AGENT}, {ALLOWLIST} or {LEARN}")
        return Policy()
    old = current if current.mode != UNRESTRICTED else Policy()
    own = frozenset(preset) if wanted in WITH_PRESET else frozenset()
    if append:
        lists = _appended(old, own, frozenset(mirrors), set(allow or ()), set(deny or ()), wanted == LEARN)
    else:
        lists = _replaced(old, allow, deny)
    result = Policy(wanted, tuple(sorted(lists[0])), tuple(sorted(lists[1])))
    _no_part_of_a_range(_allowed(result, preset, mirrors), result.deny)
    return result


def _given(option: str, values: Sequence[Any] | None) -> tuple[Entry, ...] | None:
    """The empty answer of a survey, which Ansible makes a list of one empty text, says nothing; an empty list says that there is none."""
    if values is None or (isinstance(values, str) and not values.strip()) or list(values) == [""]:
        return None
    if not isinstance(values, str) and all(isinstance(value, Entry) for value in values):
        return tuple(values)
    return egress_entry.parse_list(option, values, denial=option == "deny")


def _replaced(old: Policy, allow: Sequence[Entry] | None, deny: Sequence[Entry] | None) -> tuple[set[Entry], set[Entry]]:
    """What is given is the whole list. What it names goes from the other list where that is kept, or it would say both."""
    new_allow = set(old.allow) - set(deny or ()) if allow is None else set(allow)
    new_deny = set(old.deny) - set(allow or ()) if deny is None else set(deny)
    return new_allow, new_deny


def _appended(
    old: Policy, preset: frozenset[Entry], mirrors: frozenset[Entry], allow: set[Entry], deny: set[Entry], learning: bool
) -> tuple[set[Entry], set[Entry]]:
    new_allow = {entry for entry in old.allow if not _denied(entry, deny)} | (allow - preset)
    # Only what would still be let through needs to be on the list. While learning that is everything.
    through = new_allow | preset | mirrors
    needed = {entry for entry in deny if learning or any(_touches(entry, other) for other in through)}
    new_deny = (set(old.deny) - allow) | needed
    for entry in sorted(allow):
        for by in sorted(new_deny):
            if _covers(by, entry):
                why = f"it stays denied by {by.text}, since deny wins; {by.text} has to be taken off the deny list first"
                raise Invalid("allow", entry.value, why)
    return new_allow, new_deny


def effective(policy: Policy, preset: Sequence[Entry], mirrors: Sequence[Entry] = ()) -> Effective:
    """What may be reached in a restricted mode. In mode `learn` more is let through; then all denied names are named."""
    if policy.mode == UNRESTRICTED:
        return Effective()
    allowed = _allowed(policy, preset, mirrors)
    _no_part_of_a_range(allowed, policy.deny)
    left = [entry for entry in allowed if not _denied(entry, policy.deny)]
    wildcards = {entry.name for entry in left if entry.kind == WILDCARD}
    denied = [
        entry
        for entry in policy.deny
        if entry.kind in (NAME, WILDCARD) and (policy.mode == LEARN or any(_below(entry.name, name) for name in wildcards))
    ]
    return Effective(
        exact=tuple(sorted({entry.name for entry in left if entry.kind == NAME})),
        suffixes=tuple(sorted(f".{name}" for name in wildcards)),
        denied=tuple(
            sorted(
                entry.name if entry.kind == NAME else f".{entry.name}"
                for entry in denied
                if not any(_covers(other, entry) for other in denied if other != entry)
            )
        ),
        ports=tuple(sorted({(entry.name, entry.port) for entry in left if entry.kind == PORT})),
        ranges=_collapsed(entry for entry in left if entry.kind == RANGE),
    )


def covered_by(entry: Entry, reach: Effective) -> bool:
    """Whether all of what an entry stands for is let through."""
    if entry.kind == PORT:
        return (entry.name, entry.port) in reach.ports
    if entry.kind == RANGE:
        return any(_inside(entry, Entry(RANGE, "", port, cidr)) for cidr, port in reach.ranges)
    denied = [Entry(WILDCARD, name[1:]) if name.startswith(".") else Entry(NAME, name) for name in reach.denied]
    if any(_touches(other, entry) for other in denied):
        return False
    wildcards = [Entry(WILDCARD, suffix[1:]) for suffix in reach.suffixes]
    return (entry.kind == NAME and entry.name in reach.exact) or any(_covers(wildcard, entry) for wildcard in wildcards)


def to_data(policy: Policy) -> dict[str, Any]:
    """For JSON."""
    return {
        "mode": policy.mode,
        "allow": [entry.value for entry in policy.allow],
        "deny": [entry.value for entry in policy.deny],
    }


def from_data(data: object) -> Policy:
    """What `to_data` made of a policy. Keys of others may stand beside its own; everything else that differs is damage."""
    if not isinstance(data, Mapping):
        raise Damaged("it is no mapping")
    for key in ("mode", "allow", "deny"):
        if key not in data:
            raise Damaged(f"{key} is missing")
    if data["mode"] not in MODES:
        raise Damaged(f"mode is {data['mode']!r}")
    policy = Policy(data["mode"], _stored("allow", data["allow"]), _stored("deny", data["deny"]))
    if set(policy.allow) & set(policy.deny):
        raise Damaged("an entry is in both lists")
    if policy.mode == UNRESTRICTED and (policy.allow or policy.deny):
        raise Damaged(f"mode {UNRESTRICTED} has a list")
    return policy


def _stored(key: str, values: object) -> tuple[Entry, ...]:
    if not isinstance(values, (list, tuple)):
        raise Damaged(f"{key} is no list")
    try:
        entries = tuple(egress_entry.read(key, value) for value in values)
    except Invalid as error:
        raise Damaged(error.message) from error
    if [entry.value for entry in entries] != list(values) or list(entries) != sorted(set(entries)):
        raise Damaged(f"{key} is not as it was written")
    return entries


def _allowed(policy: Policy, preset: Sequence[Entry], mirrors: Sequence[Entry]) -> set[Entry]:
    return {*policy.allow, *mirrors, *(preset if policy.mode in WITH_PRESET else ())}


def _below(name: str, parent: str) -> bool:
    return name.endswith(f".{parent}")


def _at_or_below(name: str, parent: str) -> bool:
    return name == parent or _below(name, parent)


def _denied(entry: Entry, deny: Iterable[Entry]) -> bool:
    return any(_covers(by, entry) for by in deny)


def _covers(by: Entry, entry: Entry) -> bool:
    """Whether a denial takes away all that an entry stands for."""
    if by.kind == RANGE:
        return _inside(entry, by)
    if by.kind == PORT or entry.kind == RANGE:
        return entry == by
    if by.kind == WILDCARD and entry.kind != WILDCARD:
        return _below(entry.name, by.name)
    return _at_or_below(entry.name, by.name)


def _touches(by: Entry, entry: Entry) -> bool:
    """Whether a denial takes away something of what an entry stands for."""
    inside = by.kind in (NAME, WILDCARD) and entry.kind == WILDCARD and _below(by.name, entry.name)
    return inside or _covers(by, entry) or _inside(by, entry)


def _inside(entry: Entry, outer: Entry) -> bool:
    """Whether a range lies in another one, or is the same."""
    if entry.kind != RANGE or outer.kind != RANGE or entry.port != outer.port:
        return False
    inner, around = ipaddress.ip_network(entry.cidr), ipaddress.ip_network(outer.cidr)
    if isinstance(inner, ipaddress.IPv4Network):
        return isinstance(around, ipaddress.IPv4Network) and inner.subnet_of(around)
    return isinstance(around, ipaddress.IPv6Network) and inner.subnet_of(around)


def _no_part_of_a_range(allowed: Iterable[Entry], deny: Sequence[Entry]) -> None:
    """A part of an allowed range cannot be denied: the rules know whole ranges only, and it would be let through."""
    ranges = [entry for entry in deny if entry.kind == RANGE]
    for entry in sorted(allowed):
        for part in ranges:
            if _inside(part, entry) and not _denied(entry, ranges):
                why = f"it is a part of {entry.text}, which is allowed, and a part of a range cannot be denied; allow smaller ranges"
                raise Invalid("deny", part.value, why)


def _collapsed(entries: Iterable[Entry]) -> tuple[tuple[str, int], ...]:
    """Without overlaps, which the firewall's sets do not take."""
    v4: dict[int, list[ipaddress.IPv4Network]] = {}
    v6: dict[int, list[ipaddress.IPv6Network]] = {}
    for entry in entries:
        network = ipaddress.ip_network(entry.cidr)
        if isinstance(network, ipaddress.IPv4Network):
            v4.setdefault(entry.port, []).append(network)
        else:
            v6.setdefault(entry.port, []).append(network)
    found = [(str(network), port) for port, networks in v4.items() for network in ipaddress.collapse_addresses(networks)]
    found += [(str(network), port) for port, networks in v6.items() for network in ipaddress.collapse_addresses(networks)]
    return tuple(sorted(found))
