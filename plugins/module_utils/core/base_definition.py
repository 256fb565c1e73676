# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a base is made of: a definition, which is data in a file, read and checked on the control node before anything is made.

The definitions of the collection are files of the role `base`. A file of one's own counts before one of these with the same name, and so
do the definitions beside it, for what it builds on.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ansible.module_utils.common.yaml import HAS_YAML, yaml_load

from . import naming
from .egress_entry import parse_list
from .egress_policy import MODES, UNRESTRICTED
from .errors import CoreError, Invalid
from .wanted import Source

ROLES = Path(__file__).resolve().parents[3] / "roles"
FOLDER = ROLES / "base" / "files"
TOOLS = ROLES / "devtools" / "files" / "tools.yml"
ALL = "all"
KEYS = ("allow", "description", "devtools", "egress", "from", "npm", "packages", "role", "script", "script_user", "tests")
# Container and checkpoint of a replacement have names of their own.
LONGEST_NAME = 55
_FINGERPRINT = re.compile(r"[0-9a-f]{12,64}")
_WORD = re.compile(r"[A-Za-z0-9@/][A-Za-z0-9@/+.:_~^=-]*")


@dataclass(frozen=True)
class Definition:
    """One base. Of `image`, `source` and `parent` one at most is set; none is the image of the configuration."""

    base: str
    image: str | None = None
    source: str | None = None  # a checkpoint of a container, base:ready
    parent: str | None = None  # another base
    devtools: tuple[str, ...] | None = ()  # None is all of them
    packages: tuple[str, ...] = ()
    npm: tuple[str, ...] = ()
    script: str = ""
    script_user: str = "root"
    role: str = ""
    tests: tuple[str, ...] = ()
    description: str = ""
    egress: str = ""
    allow: tuple[str, ...] = ()

    @property
    def made_of(self) -> str | None:
        """As people write it."""
        return self.parent or self.source or self.image

    def digest(self, image: str, versions: Mapping[str, str]) -> str:
        """Changes with whatever makes another base of it. `image` is the one that counts where it names none; `versions` are the tools'."""
        tools = sorted(versions) if self.devtools is None else self.devtools
        parts = {
            "from": self.made_of or image,
            "devtools": {tool: versions.get(tool) for tool in tools},
            **{key: getattr(self, key) for key in ("packages", "npm", "script", "script_user", "role", "tests", "egress", "allow")},
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


class Definitions:
    """Those of the collection, and beside them those of a directory of the user's."""

    def __init__(self, files: Sequence[Path] = ()) -> None:
        self.files = {file.stem: file for file in files}
        self.folders = [*dict.fromkeys(file.parent for file in files), FOLDER]

    def has(self, base: str) -> bool:
        return self._path(base) is not None

    def get(self, base: str) -> Definition:
        path = self._path(base)
        if path is None:
            there = ", ".join(shipped())
            raise Invalid("base", base, f"there is no such definition; there are {there}, and a file of your own: definition=FILE.yml")
        return read(path, base)

    def _path(self, base: str) -> Path | None:
        beside = (folder / f"{base}.yml" for folder in self.folders)
        return self.files.get(base) or next((path for path in beside if path.is_file()), None)

    def chain(self, wanted: Definition) -> list[Definition]:
        """The base and what it builds on, in the order in which they are built."""
        found = [wanted]
        while (parent := found[0].parent) is not None:
            if parent in (entry.base for entry in found):
                raise CoreError(f"the bases build on each other in a circle: {' on '.join([parent, *(entry.base for entry in found)])}")
            found.insert(0, self.get(parent))
        return found


def shipped() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.yml"))


def tool_versions() -> dict[str, str]:
    """The tools that the role devtools installs, and which version of each."""
    data = _load(TOOLS)
    tools = data.get("tools") if isinstance(data, Mapping) else None
    if not isinstance(tools, list) or not all(isinstance(tool, Mapping) and {"name", "version"} <= set(tool) for tool in tools):
        raise CoreError(f"{TOOLS} has no list of tools with their versions. It is part of this collection: install that again")
    return {str(tool["name"]): str(tool["version"]) for tool in tools}


def read(path: Path, base: str) -> Definition:
    data = _load(path)
    if not isinstance(data, Mapping):
        raise CoreError(f"{path}: a definition has values by name: {', '.join(KEYS)}")
    unknown = [str(key) for key in data if key not in KEYS]
    if unknown:
        raise CoreError(f"{path}: {unknown[0]!r} is unknown; a definition has {', '.join(KEYS)}")
    try:
        return reaching(replace(made_of(Definition(base_name(base)), data.get("from")), **_values(data)))
    except Invalid as error:
        raise CoreError(f"{path}: {error.message}", **error.result) from None


def base_name(value: Any) -> str:
    name = naming.check(str(value))
    if len(name) > LONGEST_NAME:
        raise Invalid("base", value, f"the name of a base has {LONGEST_NAME} characters at most")
    return name


def made_of(definition: Definition, value: Any) -> Definition:
    """With what it builds on: debian/12 or a fingerprint is an image, box:ready a checkpoint, and dev the base of that name."""
    text = "" if value is None else str(value).strip()
    bare = replace(definition, image=None, source=None, parent=None)
    if not text:
        return bare
    if ":" in text:
        return replace(bare, source=Source.parse(text).text)
    if "/" in text or _FINGERPRINT.fullmatch(text):
        return replace(bare, image=text)
    try:
        return replace(bare, parent=base_name(text))
    except Invalid:
        raise Invalid("from", value, "an image as in debian/12, a checkpoint as in box:ready, or the name of a base") from None


def reaching(definition: Definition) -> Definition:
    """The definition itself; raises where what it may reach makes no sense."""
    if definition.egress not in ("", *MODES):
        raise Invalid("egress", definition.egress, f"allowed are {', '.join(MODES)}")
    if definition.allow and definition.egress in ("", UNRESTRICTED):
        restricted = ", ".join(mode for mode in MODES if mode != UNRESTRICTED)
        raise Invalid("allow", ", ".join(definition.allow), f"it goes with egress={restricted}")
    return definition


def entries(value: Any) -> tuple[str, ...]:
    """What it may reach, each entry as on a command line."""
    return tuple(entry.text for entry in parse_list("allow", value))


def _values(data: Mapping[str, Any]) -> dict[str, Any]:
    user = str(data.get("script_user") or "root")
    if user not in ("root", "agent"):
        raise Invalid("script_user", user, "root or agent")
    return {
        "devtools": None if data.get("devtools") == ALL else _words("devtools", data.get("devtools")),
        "packages": _words("packages", data.get("packages")),
        "npm": _words("npm", data.get("npm")),
        "script": script(_text("script", data.get("script"))),
        "script_user": user,
        "role": _text("role", data.get("role")).strip(),
        "tests": tuple(_text("tests", entry) for entry in _list("tests", data.get("tests"))),
        "egress": _text("egress", data.get("egress")).strip(),
        "allow": entries(_list("allow", data.get("allow"))),
        "description": " ".join(_text("description", data.get("description")).split()),
    }


def script(text: str) -> str:
    """With an interpreter: a shell that ends at the first command that fails, where it names none."""
    return "" if not text.strip() else text if text.startswith("#!") else f"#!/bin/sh -e\n{text}"


def _text(key: str, value: Any) -> str:
    if value is not None and not isinstance(value, str):
        raise Invalid(key, value, "it is a text")
    return value or ""


def _list(key: str, value: Any) -> list[Any]:
    if value is not None and not isinstance(value, list):
        raise Invalid(key, value, f"it is a list{', or all' if key == 'devtools' else ''}")
    return value or []


def _words(key: str, value: Any) -> tuple[str, ...]:
    words = tuple(str(entry) for entry in _list(key, value))
    for word in words:
        if not _WORD.fullmatch(word):
            raise Invalid(key, word, "each is one name, with a version where there are some")
    return words


def _load(path: Path) -> Any:
    if not HAS_YAML:
        raise CoreError("definitions of bases need PyYAML on the control node, which comes with Ansible")
    try:
        return yaml_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CoreError(f"{path}: it cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise CoreError(f"{path}: it is not UTF-8") from error
    except Exception as error:  # PyYAML's own kinds, which cannot be named where it may be missing
        raise CoreError(f"{path}: it is no YAML") from error
