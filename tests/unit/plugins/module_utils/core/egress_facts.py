# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the look into a container gives, and what asking for a policy looks like."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.pixels.sandbox.plugins.module_utils.core.egress_plan import ARGUMENTS, Plan, plan
from ansible_collections.pixels.sandbox.plugins.module_utils.core.egress_preset import agent_preset
from ansible_collections.pixels.sandbox.plugins.module_utils.inside import egress_places as places
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.egress_machine import digest, fingerprint

USER = "pixel"
RANGES = [{"cidr": "192.0.2.0/28", "port": 8443}, {"cidr": "2001:db8::/64", "port": 443}]
GATEWAY = {"interface": "eth1", "address": "10.99.0.1/24", "dhcp": ["10.99.0.10", "10.99.0.99"]}


def facts(**changes: Any) -> dict[str, Any]:
    """Of a container that is as it was made."""
    return {
        "system": {"name": "Debian 12", "id": "debian", "version": "12", "supported": True, "multiarch": "x86_64-linux-gnu"},
        "user": {"name": USER, "exists": True, "powers": [], "unrevokable": []},
        "policy": None,
        "digest": "",
        "state": None,
        "files": {},
        "dns_offered": ["192.0.2.53"],
        "package_hosts": [],
        "resolv": "nameserver 192.0.2.53\n",
        "dnsmasq": "2.90",
        "table": "",
        "interfaces": {"eth0": ["192.0.2.10/24"], "eth1": []},
        "old_workers": [],
        "drift": [],
        **changes,
    }


def asked(given: Mapping[str, Any] | None = None, /, user: str = USER, **options: Any) -> Plan:
    params = {name: options.pop(name, spec.get("default")) for name, spec in ARGUMENTS.items()}
    if options:
        raise TypeError(f"no such options: {', '.join(options)}")
    return plan(params, facts() if given is None else given, agent_preset(), user)


def after(made: Plan, **changes: Any) -> dict[str, Any]:
    """What is seen once a plan has been carried out; the policy has been through JSON."""
    policy = json.loads(json.dumps(made.request["policy"]))
    text = json.dumps(policy, indent=1, sort_keys=True) + "\n"
    marks = {
        name: fingerprint(file["content"].encode("utf-8", "surrogateescape"), int(file["mode"], 8))
        for name, file in made.request["files"].items()
    }
    kept = dict.fromkeys((places.POLICY, places.STATE, places.PREVIOUS), "600:0")
    return facts(
        **{"policy": policy, "digest": digest(text), "state": {"files": marks}, "files": {**marks, **kept}, "dns_offered": [], **changes}
    )
