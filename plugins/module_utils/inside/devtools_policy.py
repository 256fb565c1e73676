# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the container's egress policy is what keeps a host from being reached: then the message can say what to do about it."""

from __future__ import annotations

import ipaddress

from .egress_machine import Machine

_SETTINGS = "/etc/egress"


def refusal(machine: Machine, host: str, port: int) -> str | None:
    """Why this host cannot be reached, if that is the policy's doing; None where there is no policy, or the host is let through."""
    policy = machine.read_json(f"{_SETTINGS}/policy.json")
    if policy is None:
        return None
    host = host.lower().rstrip(".")
    if _is_denied(machine, host):
        return f"the egress policy of this container denies {host}"
    if policy.get("mode") == "learn" or _is_listed(machine, host, port):
        return None
    entry = host if port in (80, 443) else f"{host}:{port}"
    return f"the egress policy of this container does not allow {entry}; network_allow with -e domain={entry} lets it through"


def _lines(machine: Machine, name: str) -> list[str]:
    return (machine.read(f"{_SETTINGS}/{name}") or "").split()


def _is_denied(machine: Machine, host: str) -> bool:
    return host in _lines(machine, "denied.lst") or host.endswith(tuple(_lines(machine, "denied-suffix.lst")))


def _is_listed(machine: Machine, host: str, port: int) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        # Which ranges are let through the rules know; nothing is claimed of them here.
        return True
    if port in (80, 443):
        return host in _lines(machine, "exact.lst") or host.endswith(tuple(_lines(machine, "suffix.lst")))
    # tcp.map has ADDRESS:PORT NAME in each line.
    words = _lines(machine, "tcp.map")
    return any(place.endswith(f":{port}") and name == host for place, name in zip(words[::2], words[1::2]))
