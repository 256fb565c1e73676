# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Time zone, locale and name servers of the machine that this runs on. All of it is checked before any of it is touched."""

from __future__ import annotations

import ipaddress
import subprocess
from typing import Any

from .egress_machine import Failed, Machine
from .egress_places import POLICY
from .system_locale import check_locale, current_locale, set_locale
from .system_zone import check_zone, current_zone, set_zone

ARGUMENTS: dict[str, dict[str, Any]] = {
    "timezone": {"type": "str", "default": ""},
    "locale": {"type": "str", "default": ""},
    "dns": {"type": "list", "elements": "str", "default": []},
}


def addresses(servers: list[str]) -> list[str]:
    found = []
    for text in servers:
        try:
            found.append(str(ipaddress.ip_address(text.strip())))
        except ValueError:
            raise Failed(f"dns: {text!r} is no address; a name server is given by its address") from None
    return found


def apply(machine: Machine, params: dict[str, Any], check: bool, dns_script: Any) -> dict[str, Any]:
    """`dns_script(servers, look)` is the shell script that sets them, or only says what it would do."""
    zone, locale = params["timezone"].strip(), params["locale"].strip()
    servers = addresses(params["dns"])
    # An egress policy has a resolver of its own, and whoever asks another one is not answered.
    left_out = ["dns"] if servers and machine.exists(POLICY) else []
    before = {"timezone": current_zone(machine), "locale": current_locale(machine)}
    if zone:
        check_zone(machine, zone)
    if locale:
        check_locale(machine, locale)
    steps = []
    if servers and not left_out and _dns(dns_script(servers, check)):
        steps.append("dns")
    if zone:
        steps += set_zone(machine, zone, check)
    if locale:
        steps += set_locale(machine, locale, check)
    after = {"timezone": zone or before["timezone"], "locale": locale or before["locale"]}
    return {"changed": bool(steps), "steps": steps, "before": before, **after, "dns": [] if left_out else servers, "left_out": left_out}


def _dns(script: str) -> list[str]:
    try:
        done = subprocess.run(
            ["/bin/sh", "-s"],
            input=script.encode(),
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
            cwd="/",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=120,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(f"the name servers cannot be set: {error}") from None
    said = done.stdout.decode("utf-8", "replace")
    lines = said.splitlines()
    if done.returncode != 0:
        reasons = [line[6:] for line in lines if line.startswith("error ")]
        raise Failed(f"dns: {reasons[0] if reasons else 'the name servers cannot be set'}", said)
    return [line[8:] for line in lines if line.startswith("changed ")]


def diff_of(result: dict[str, Any]) -> dict[str, Any]:
    after = {name: result[name] for name in ("timezone", "locale")}
    before = dict(result["before"])
    if "dns" in result["steps"]:
        before["dns"], after["dns"] = "(others)", result["dns"]
    return {"before": before, "after": after}
