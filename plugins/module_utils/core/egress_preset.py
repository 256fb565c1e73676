# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The preset of the mode `agent`: what a coding agent needs for its work. It is data, in a file of the role, with reasons."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from ansible.module_utils.common.yaml import HAS_YAML, yaml_load

from . import egress_entry
from .egress_entry import Entry
from .errors import CoreError, Invalid

FILE = Path(__file__).resolve().parents[3] / "roles" / "egress" / "files" / "agent.yml"
VERSION = 1


class BadPreset(CoreError):
    """Without the preset the mode would let through something else than it says."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"The preset of the mode agent, {path}, {why}. It is part of this collection: install that again")


def agent_preset() -> tuple[Entry, ...]:
    """All its entries, sorted, each once."""
    return tuple(sorted({entry for _title, entries in _groups(FILE) for entry in entries}))


def preset_groups() -> list[tuple[str, tuple[Entry, ...]]]:
    """Its groups for people: title and entries, in the order of the file."""
    return list(_groups(FILE))


@lru_cache(maxsize=1)
def _groups(path: Path) -> tuple[tuple[str, tuple[Entry, ...]], ...]:
    data = _load(path)
    if not isinstance(data, dict) or data.get("version") != VERSION or not isinstance(data.get("groups"), list) or not data["groups"]:
        raise BadPreset(path, f"is not of version {VERSION} with its list of groups")
    return tuple(_group(path, group) for group in data["groups"])


def _group(path: Path, group: Any) -> tuple[str, tuple[Entry, ...]]:
    if not isinstance(group, dict) or set(group) != {"title", "why", "entries"} or not isinstance(group["entries"], list):
        raise BadPreset(path, "has a group that is not of title, why and entries")
    try:
        return str(group["title"]), tuple(egress_entry.parse("entries", value) for value in group["entries"])
    except Invalid as error:
        raise BadPreset(path, f"has an entry that cannot be: {error.message}") from error


def _load(path: Path) -> Any:
    if not HAS_YAML:
        raise CoreError("The preset of the mode agent needs PyYAML on the control node, which comes with Ansible")
    try:
        return yaml_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadPreset(path, f"cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise BadPreset(path, "is not UTF-8") from error
    except Exception as error:  # PyYAML's own kinds, which cannot be named where it may be missing
        raise BadPreset(path, "is no YAML") from error
