# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was denied, or in mode `learn` let through, from the logs of the proxy, the resolver and the packet filter.

The agent decides what stands in these logs, so a line that does not look as it should is passed over, and there is an end to the number
of different ones.
"""

from __future__ import annotations

import calendar
import ipaddress
import os
import re
import time
from collections.abc import Iterator, Sequence
from typing import Any

from . import egress_places as places
from .egress_machine import Machine

_MOST = 20000
_NAME = re.compile(r"[a-z0-9._-]{1,253}")
_STAMP = re.compile(r"([A-Z][a-z]{2}) +(\d{1,2}) (\d\d):(\d\d):(\d\d) ")
_MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}
_PROXY = re.compile(r"ts=(\d{1,12}) proxy=(tls|http|tcp) .*?name=(\S*) orig=(\S*) .*verdict=([a-z-]+)(?: |$)")
# From the line's beginning: a name may have blanks, and look like the rest of a line.
_DNS = r".{15} dnsmasq\[\d+\]: (\d+) \S+ "
_QUESTION = re.compile(_DNS + r"config (\S+) is NXDOMAIN$")
_QUERY = re.compile(_DNS + r"query\[(?:A|AAAA)\] (\S+) from \S+$")
_REPLY = re.compile(_DNS + r"(?:reply|cached|forwarded-reply) \S+ is ([0-9a-fA-F.:]+)$")
_PACKET = re.compile(r"egress-(deny|learn|fwd|in) .*?DST=(\S+) .*?PROTO=(\S+)(.*)$")

Key = tuple[Any, ...]


class _Tally:
    """How often something was seen, when first and when last."""

    def __init__(self) -> None:
        self.found: dict[Key, list[int]] = {}

    def add(self, key: Key, when: int) -> None:
        entry = self.found.get(key)
        if entry is None:
            self.found[key] = [1, when, when]
            if len(self.found) > 2 * _MOST:
                latest = sorted(self.found.items(), key=lambda item: -item[1][2])[:_MOST]
                self.found = dict(latest)
            return
        entry[0] += 1
        entry[1] = min(entry[1], when)
        entry[2] = max(entry[2], when)

    def latest_first(self) -> list[tuple[Key, dict[str, int]]]:
        ordered = sorted(self.found.items(), key=lambda item: (-item[1][2], str(item[0])))
        return [(key, {"count": count, "first": first, "last": last}) for key, (count, first, last) in ordered]


def denied(machine: Machine) -> list[dict[str, Any]]:
    """By name or address, the latest first."""
    tally = _Tally()
    for when, _kind, protocol, name, port, verdict in _connections(machine):
        if verdict.startswith("deny-"):
            address, at = _split(port)
            tally.add((name or None, None if name else address, at, protocol, verdict), when)
    for when, line in _lines(machine, "dns.log"):
        question = _QUESTION.match(line)
        name = question.group(2).lower() if question else ""
        if question and _NAME.fullmatch(name):
            tally.add((name, None, None, "dns", "nxdomain"), when)
    for when, kind, address, protocol, port in _packets(machine):
        if kind != "learn":
            tally.add((None, address, port, protocol, "rejected"), when)
    shape = ("name", "address", "port", "protocol", "reason")
    return [{**dict(zip(shape, key)), **times} for key, times in tally.latest_first() if not _is_proof(key)]


def _is_proof(key: Key) -> bool:
    """Our own attempts say nothing about the agent, and neither do programs that look their own host up, as the real sudo does."""
    looked_up = key[3] == "dns" and key[0] in (*places.PROOF_LOOK_UPS, os.uname().nodename.lower())
    return looked_up or key[0] == places.PROOF_NAME or key[1:3] == (places.PROOF_ADDRESS, places.PROOF_PORT)


def learned(machine: Machine, listed: Sequence[str] = ()) -> list[dict[str, Any]]:
    """What was let through though it is not listed, as entries that would list it; without what is `listed` by now."""
    tally = _Tally()
    names = dict(_answers(machine))
    for when, _kind, _protocol, name, port, verdict in _connections(machine):
        if verdict == "learn":
            address, at = _split(port)
            tally.add(("name", name) if _LISTABLE.fullmatch(name) else ("range", address, at), when)
    for when, kind, address, protocol, at in _packets(machine):
        if kind == "learn" and protocol == "tcp" and at:
            tally.add(("port", names[address], at) if _LISTABLE.fullmatch(names.get(address, "")) else ("range", address, at), when)
    wanted = [(key, times) for key, times in tally.latest_first() if all(key) and _is_possible(key) and not _is_listed(key, listed)]
    return [{"entry": _entry(key), **times} for key, times in wanted]


_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_LISTABLE = re.compile(rf"(?=.{{1,253}}$)(?:{_LABEL}\.)+(?!\d+$|0x[0-9a-f]*$|localhost$){_LABEL}")


# Stand for names with ports, and IPv4 addresses in the spelling of IPv6: no entry can be for them.
_NO_RANGES = (ipaddress.ip_network("198.18.0.0/15"), ipaddress.ip_network("::ffff:0:0/96"))


def _is_possible(key: Key) -> bool:
    if key[0] != "range":
        return True
    try:
        address = ipaddress.ip_address(key[1])
    except ValueError:
        return False
    return not any(address in network for network in _NO_RANGES)


def _is_listed(key: Key, listed: Sequence[str]) -> bool:
    entry = _entry(key)
    if isinstance(entry, dict):
        return (f"[{entry['cidr']}]:{entry['port']}" if ":" in entry["cidr"] else f"{entry['cidr']}:{entry['port']}") in listed
    wildcards = tuple(text[1:] for text in listed if text.startswith("*."))
    return entry in listed or (key[0] == "name" and bool(wildcards) and entry.endswith(wildcards))


def _entry(key: Key) -> Any:
    if key[0] == "name":
        return key[1]
    if key[0] == "port":
        return f"{key[1]}:{int(key[2])}"
    return {"cidr": f"{key[1]}/{(128 if ':' in key[1] else 32)}", "port": key[2]}


def _connections(machine: Machine) -> Iterator[tuple[int, str, str, str, str, str]]:
    for _when, line in _lines(machine, "proxy.log", stamped=False):
        found = _PROXY.match(line)
        if found:
            name = "" if found.group(3) in ("-", "?") else found.group(3)
            if not name or _NAME.fullmatch(name):
                yield int(found.group(1)), "proxy", found.group(2), name, found.group(4), found.group(5)


def _packets(machine: Machine) -> Iterator[tuple[int, str, str, str, Any]]:
    for when, line in _lines(machine, "denied.log"):
        found = _PACKET.search(line)
        if found:
            port = re.search(r"\bDPT=(\d{1,5})\b", found.group(4))
            protocol = {"58": "icmpv6"}.get(found.group(3), found.group(3).lower())
            yield when, found.group(1), found.group(2), protocol, int(port.group(1)) if port else None


def _answers(machine: Machine) -> Iterator[tuple[str, str]]:
    """Which name an address was given for, the latest last."""
    asked: dict[str, str] = {}
    for _when, line in _lines(machine, "dns.log"):
        query, reply = _QUERY.match(line), _REPLY.match(line)
        if query:
            asked[query.group(1)] = query.group(2).lower()
        elif reply and reply.group(1) in asked:
            yield reply.group(2), asked[reply.group(1)]


def _split(text: str) -> tuple[str, Any]:
    address, _colon, port = text.rpartition(":")
    return address, int(port) if re.fullmatch("[0-9]{1,5}", port) else None


def _lines(machine: Machine, name: str, stamped: bool = True) -> Iterator[tuple[int, str]]:
    """With the time of each, as far as it has one; the oldest first."""
    for part in ("%s.2", "%s.1", "%s"):
        path = machine.path(f"{places.LOGS}/{part % name}")
        if os.path.islink(path) or not os.path.isfile(path):
            continue
        with open(path, encoding="utf-8", errors="replace") as stream:
            for line in stream:
                when = _time(line) if stamped else 0
                if when is not None:
                    yield when, line.rstrip("\n")


_now = time.time


def _time(line: str) -> int | None:
    """These stamps have no year: it is the one in which they are not in the future."""
    found = _STAMP.match(line)
    if not found or found.group(1) not in _MONTHS:
        return None
    month, day, hour, minute, second = _MONTHS[found.group(1)], *(int(text) for text in found.groups()[1:])
    now = _now()
    year = time.localtime(now).tm_year
    for candidate in (year, year - 1):
        try:
            when = int(time.mktime((candidate, month, day, hour, minute, second, 0, 0, -1)))
        except (OverflowError, ValueError):
            return None
        if when <= now + 86400:
            return when
    return int(calendar.timegm((year - 1, month, day, hour, minute, second, 0, 0, 0)))
