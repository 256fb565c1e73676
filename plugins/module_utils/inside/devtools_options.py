# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of the module `devtools`, for the plan on the control node and for the module in the container."""

from __future__ import annotations

from typing import Any

ARGUMENTS: dict[str, dict[str, Any]] = {
    "install": {"type": "list", "elements": "str"},
    "tools": {"type": "dict"},
    "packages": {"type": "list", "elements": "str"},
    "npm": {"type": "list", "elements": "str"},
    "npm_registry": {"type": "str"},
    "pypi_index": {"type": "str"},
    "timeout": {"type": "int", "default": 1800},
    "user": {"type": "str"},
}
