# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The tools that can be installed, with their versions and checksums. It is data, in a file of the role `devtools`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ansible.module_utils.common.yaml import HAS_YAML, yaml_load

from ..inside.devtools_integrity import parse
from .egress_preset import preset_groups
from .errors import CoreError

FILE = Path(__file__).resolve().parents[3] / "roles" / "devtools" / "files" / "tools.yml"
VERSION = 1


class BadCatalogue(CoreError):
    """Without it nothing is known of what archives have to be."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"The list of developer tools, {path}, {why}. It is part of this collection: install that again")


@dataclass(frozen=True)
class Archive:
    """What a platform's version of a tool comes from."""

    package: str
    version: str
    suffix: str
    integrity: str
    programs: Mapping[str, str]


@dataclass(frozen=True)
class Tool:
    name: str
    version: str
    check: tuple[str, ...]
    needs: tuple[str, ...]
    links: Mapping[str, str]
    platforms: Mapping[str, Archive]

    def archive(self, keys: list[str]) -> Archive | None:
        """The first of these platforms that there is one for."""
        return next((self.platforms[key] for key in [*keys, "any"] if key in self.platforms), None)


@dataclass(frozen=True)
class Catalogue:
    packages: Mapping[str, tuple[str, ...]]
    links: Mapping[str, tuple[str, ...]]
    tools: Mapping[str, Tool]


def platforms(system: Mapping[str, Any]) -> list[str]:
    """The names of a system's kind in the list, the best first."""
    processor = system["processor"]
    if system["musl"]:
        return [f"{processor}-musl"]
    return ([] if system["avx2"] or processor != "x86_64" else [f"{processor}-baseline"]) + [processor]


def default_registry() -> str:
    """Where npm packages come from when nobody says anything else: the mode `agent` names the same host."""
    for title, entries in preset_groups():
        if title == "npm":
            for entry in entries:
                if entry.name.startswith("registry."):
                    return f"https://{entry.name}"
    raise CoreError("The preset of the mode agent has no npm registry; give npm_registry")


@lru_cache(maxsize=1)
def catalogue(path: Path = FILE) -> Catalogue:
    data = _load(path)
    try:
        if data["version"] != VERSION:
            raise ValueError(f"is of version {data['version']}, not {VERSION}")
        tools = [_tool(entry) for entry in data["tools"]]
        return Catalogue(
            packages={name: tuple(names) for name, names in data["packages"].items()},
            links={name: tuple(targets) for name, targets in data["links"].items()},
            tools={tool.name: tool for tool in tools},
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise BadCatalogue(path, f"is not as it should be ({error})") from error


def _tool(entry: Mapping[str, Any]) -> Tool:
    found = {}
    for key, value in entry["platforms"].items():
        parse(value["integrity"])
        found[key] = Archive(
            package=value["package"],
            version=str(value.get("version") or entry["version"]),
            suffix=value.get("suffix", ""),
            integrity=value["integrity"],
            programs=value.get("programs") or entry["programs"],
        )
    return Tool(
        name=entry["name"],
        version=str(entry["version"]),
        check=tuple(entry.get("check", ())),
        needs=tuple(entry.get("needs", ())),
        links=entry.get("links", {}),
        platforms=found,
    )


def _load(path: Path) -> Any:
    if not HAS_YAML:
        raise CoreError("The list of developer tools needs PyYAML on the control node, which comes with Ansible")
    try:
        return yaml_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadCatalogue(path, f"cannot be read ({error.strerror})") from error
    except Exception as error:  # PyYAML's own kinds, which cannot be named where it may be missing
        raise BadCatalogue(path, "is no YAML") from error
