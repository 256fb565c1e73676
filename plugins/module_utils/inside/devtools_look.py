# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a container is and has, for the plan of its developer tools. Changes nothing."""

from __future__ import annotations

import glob
import os
import platform
import re
import shlex
from typing import Any

from . import devtools_places as places
from . import devtools_settings as settings
from .devtools_packages import manager
from .devtools_program import steps, wish_of
from .devtools_state import is_of
from .egress_machine import Machine, fingerprint

_REGISTRY = ("NPM_CONFIG_REGISTRY", "npm_config_registry")


def look(machine: Machine) -> dict[str, Any]:
    """Everything that a plan needs."""
    wish = wish_of(machine)
    state = machine.read_json(places.STATE)
    return {
        "system": system(machine),
        "registry": registry(machine),
        "wish": wish,
        "state": state,
        "known": bool(wish and is_of(state, wish["digest"])),
        "lacks": [name for step in steps(machine, wish, None) for name in step.lacks()] if wish else [],
        "files": {name: machine.fingerprint(name) for name in own_files(machine)},
        "active": machine.systemctl("-q", "is-active", places.UNIT, check=False)[0] == 0,
        "enabled": machine.systemctl("-q", "is-enabled", places.UNIT, check=False)[0] == 0,
    }


def own_files(machine: Machine) -> list[str]:
    """The program and its unit, as far as they are there."""
    found = machine.listed(places.PROGRAM) + machine.listed(places.PROGRAM + "/inside") + [places.UNIT_FILE]
    return [name for name in found if os.path.isfile(machine.path(name))]


def system(machine: Machine) -> dict[str, Any]:
    values: dict[str, str] = {}
    for line in (machine.read("/etc/os-release") or "").splitlines():
        key, equals, value = line.partition("=")
        if equals:
            values[key] = "".join(shlex.split(value))
    flags = re.search(r"^flags\s*:(.*)$", machine.read("/proc/cpuinfo") or "", re.MULTILINE)
    return {
        "name": values.get("PRETTY_NAME") or "an unknown system",
        "systemd": machine.read("/proc/1/comm") in (None, "systemd\n"),
        "processor": {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine()),
        "musl": bool(glob.glob(machine.path("/lib/ld-musl-*"))) and not glob.glob(machine.path("/lib*/ld-linux-*")),
        # Where the processor does not say, it is taken for a recent one.
        "avx2": flags is None or "avx2" in flags.group(1).split(),
        "manager": manager(machine),
    }


def registry(machine: Machine) -> str | None:
    """The npm registry that the container's own settings name, as npm weighs them."""
    found = {}
    for line in (machine.read(places.ENVIRONMENT) or "").splitlines():
        name, equals, value = line.strip().partition("=")
        if equals:
            found[name.replace("export ", "").strip()] = value.strip("\"' ")
    for name in _REGISTRY:
        text = os.environ.get(name) or found.get(name)
        if text:
            return text
    return settings.registry_in(machine.read(places.NPMRC) or "")


def marked(content: str, mode: int) -> str:
    """A file as `look` would find it."""
    return fingerprint(content.encode("utf-8"), mode)
