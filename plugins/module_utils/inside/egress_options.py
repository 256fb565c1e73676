# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of the module `egress`, for the plan on the control node and for the module in the container."""

from __future__ import annotations

from typing import Any

ARGUMENTS: dict[str, dict[str, Any]] = {
    "mode": {"type": "str", "choices": ["unrestricted", "agent", "allowlist", "learn"]},
    "allow": {"type": "list", "elements": "raw"},
    "allow_also": {"type": "list", "elements": "raw"},
    "deny": {"type": "list", "elements": "raw"},
    "append": {"type": "bool", "default": False},
    "initial": {"type": "bool", "default": False},
    "cut": {"type": "bool", "default": False},
    "user": {"type": "str"},
    "dns": {"type": "list", "elements": "str"},
    "inbound": {"type": "list", "elements": "int"},
    "units": {"type": "list", "elements": "str"},
    "packages": {"type": "bool"},
    "gateway": {
        "type": "dict",
        "options": {
            "interface": {"type": "str"},
            "address": {"type": "str"},
            "dhcp": {"type": "list", "elements": "str"},
        },
    },
}
