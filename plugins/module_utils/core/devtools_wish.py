# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is asked for of a container's developer tools, as the container is told: names, archives, and what they have to be. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from ..inside.devtools_integrity import from_hex, parse
from .devtools_catalogue import Archive, Catalogue, Tool, platforms
from .errors import Invalid

_PACKAGES = "packages"
_LEAST, _MOST = 60, 86400
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+-]{0,99}")
_NPM = re.compile(r"(@[a-z0-9][a-z0-9._~-]*/)?[a-z0-9][a-z0-9._~-]*")
_DISTRIBUTION = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9.+:_-]{0,199}(=[a-zA-Z0-9][a-zA-Z0-9.+:~_-]*)?")
_OVERRIDES = ("version", "integrity", "sha256", "url", "package", "programs")


def wish_of(
    params: Mapping[str, Any], system: Mapping[str, Any], catalogue: Catalogue, registry: str, user: str
) -> tuple[dict[str, Any], list[str]]:
    """The wish without its digest, and what to warn of."""
    if not _LEAST <= params["timeout"] <= _MOST:
        raise Invalid("timeout", params["timeout"], f"it is a number of seconds from {_LEAST} to {_MOST}")
    base = url_of("npm_registry", registry).rstrip("/")
    overrides = _overrides(params["tools"], catalogue)
    names, asked = _chosen(params["install"], overrides, catalogue)
    tools, warnings = [], []
    for name in names:
        tool, override = catalogue.tools[name], overrides.get(name, {})
        archive = tool.archive(platforms(system))
        if archive is None and not override.get("url"):
            if name in asked:
                raise Invalid("install", name, f"there is none for {_kind(system)}; give a url and a sha256 of your own in tools")
            warnings.append(f"{name} is left out: there is none for {_kind(system)}")
            continue
        tools.append(_tool(tool, archive, override, base))
    _needed(tools, catalogue)
    manager = system["manager"]
    own = catalogue.packages[manager] if overrides.get(_PACKAGES, True) is not False else ()
    return {
        "version": 1,
        "timeout": params["timeout"],
        "user": user,
        "packages": {
            "manager": manager,
            "names": sorted({*own, *_packages(params["packages"])}),
            "links": {name: list(targets) for name, targets in catalogue.links.items()},
        },
        "tools": tools,
        "npm": _npm(params["npm"], base, tools),
        "settings": {
            "npm_registry": base + "/" if params["npm_registry"] else None,
            "pypi_index": url_of("pypi_index", params["pypi_index"]) if params["pypi_index"] else None,
        },
    }, warnings


def url_of(option: str, text: str, *, file: bool = False) -> str:
    """A URL that can be, without anybody's password in it: what is kept of it everybody may read."""
    try:
        parts = urlsplit(text.strip())
        fine = parts.scheme in ("https", "http") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        parts, fine = urlsplit(""), False
    allowed = "it is an http or https URL, such as https://mirror.example.org/npm/"
    if not fine or re.search(r"[\s\x00-\x1f\x7f\"'\\]", text.strip()):
        raise Invalid(option, text, allowed)
    if parts.username or parts.password:
        raise Invalid(
            option, f"{parts.scheme}://...@{parts.hostname}", "a name and a password do not belong into it: all users could read them"
        )
    if not file and (parts.query or parts.fragment):
        raise Invalid(option, text, allowed)
    return text.strip()


def _overrides(given: Mapping[str, Any] | None, catalogue: Catalogue) -> dict[str, Any]:
    known = [_PACKAGES, *catalogue.tools]
    found: dict[str, Any] = {}
    for name, value in (given or {}).items():
        if name not in known:
            raise Invalid("tools", name, f"known are {', '.join(known)}; other programs come by npm or packages")
        if value is False or (isinstance(value, str) and value.lower() in ("false", "no")):
            found[name] = False
        elif value is True or value in (None, ""):
            continue
        elif name == _PACKAGES or not isinstance(value, Mapping):
            raise Invalid("tools", {name: value}, "it is false, or for a tool a dictionary, such as {claude-code: {version: 2.1.300}}")
        else:
            found[name] = _override(name, value)
    return found


def _override(name: str, value: Mapping[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(value) - set(_OVERRIDES))
    if unknown:
        raise Invalid("tools", {name: dict(value)}, f"{', '.join(unknown)} is not known; allowed are {', '.join(_OVERRIDES)}")
    found = {key: entry for key, entry in value.items() if entry not in (None, "")}
    if "version" in found:
        found["version"] = _version("tools", name, str(found["version"]))
    for key in ("integrity", "sha256"):
        if key in found:
            try:
                found["integrity"] = from_hex(str(found[key])) if key == "sha256" else str(found[key])
                parse(found["integrity"])
            except ValueError as error:
                raise Invalid("tools", {name: {key: found[key]}}, str(error)) from None
    if "url" in found:
        url_of("tools", str(found["url"]), file=True)
        if "integrity" not in found:
            raise Invalid("tools", {name: {"url": found["url"]}}, "what comes from a url of its own needs sha256 or integrity beside it")
        if "version" not in found:
            raise Invalid("tools", {name: {"url": found["url"]}}, "what comes from a url of its own needs version beside it")
    if "package" in found and not _NPM.fullmatch(str(found["package"])):
        raise Invalid("tools", {name: {"package": found["package"]}}, "it is the name of an npm package")
    _check_programs(name, found.get("programs"))
    return found


def _check_programs(name: str, programs: Any) -> None:
    if programs is None:
        return
    fine = isinstance(programs, Mapping) and all(
        re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]*", str(program)) and not {"", ".", ".."} & set(str(place).split("/"))
        for program, place in programs.items()
    )
    if not fine or not programs:
        raise Invalid("tools", {name: {"programs": programs}}, "it has names, and paths in the archive, such as {mise: bin/mise}")


def _version(option: str, name: str, text: str) -> str:
    if not _VERSION.fullmatch(text):
        raise Invalid(option, f"{name}@{text}", "a version is exact, such as 1.2.3: what is installed is to be the same the next time")
    return text


def _chosen(install: Sequence[str] | None, overrides: Mapping[str, Any], catalogue: Catalogue) -> tuple[list[str], set[str]]:
    """What to install, in the order of the list, and which of it was asked for by name."""
    asked = {name.strip() for name in install or () if name.strip()}
    unknown = sorted(asked - set(catalogue.tools))
    if unknown:
        raise Invalid("install", ", ".join(unknown), f"known are {', '.join(catalogue.tools)}")
    wanted = asked if install is not None else set(catalogue.tools)
    return [name for name in catalogue.tools if name in wanted and overrides.get(name) is not False], asked


def _needed(tools: Sequence[Mapping[str, Any]], catalogue: Catalogue) -> None:
    there = {tool["name"] for tool in tools}
    for name in there:
        lacking = [need for need in catalogue.tools[name].needs if need not in there]
        if lacking:
            raise Invalid("install", name, f"it is of no use without {', '.join(lacking)}")


def _tool(tool: Tool, archive: Archive | None, override: Mapping[str, Any], base: str) -> dict[str, Any]:
    version = override.get("version") or (archive.version if archive else tool.version)
    package = override.get("package") or (archive.package if archive else "")
    # A checksum belongs to a version and a package; another one has another.
    pinned = archive.integrity if archive and (version, package) == (archive.version, archive.package) else None
    integrity = override.get("integrity") or (None if override.get("url") else pinned)
    full = version + (archive.suffix if archive and not override.get("url") else "")
    url = override.get("url") or f"{base}/{package}/-/{package.rpartition('/')[2]}-{full}.tgz"
    if integrity is None and not base.startswith("https://"):
        raise Invalid("tools", {tool.name: dict(override)}, f"it needs its integrity: what {base} says is not protected on its way")
    programs = override.get("programs") or (archive.programs if archive else next(iter(tool.platforms.values())).programs)
    path = urlsplit(url).path
    return {
        "name": tool.name,
        "version": version,
        "package": package,
        "package_version": full,
        "url": url,
        "integrity": integrity,
        "ask": None if integrity else f"{base}/{quote(package, safe='@')}/{quote(full, safe='')}",
        "programs": dict(programs),
        "check": list(tool.check),
        "links": dict(tool.links),
        "single": bool(override.get("url")) and not re.search(r"\.(tgz|tar|tar\.(gz|xz|bz2))$", path),
    }


def _npm(given: Sequence[str] | None, base: str, tools: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    taken = {_PACKAGES, "settings", *(tool["name"] for tool in tools)}
    parts = urlsplit(base)
    for text in given or ():
        if not text.strip():
            continue
        name, at, version = text.strip().rpartition("@")
        if not at or not name or not _NPM.fullmatch(name):
            raise Invalid("npm", text, "it is the name and the exact version of a package, such as typescript@5.9.3")
        if name in taken or name in found:
            raise Invalid("npm", text, f"{name} is there already; for another version of a tool use tools")
        found[name] = {
            "name": name,
            "version": _version("npm", name, version),
            "registry": base + "/",
            "host": parts.hostname,
            "port": parts.port or (443 if parts.scheme == "https" else 80),
        }
    return list(found.values())


def _packages(given: Sequence[str] | None) -> list[str]:
    names = [name.strip() for name in given or () if name.strip()]
    for name in names:
        if not _DISTRIBUTION.fullmatch(name):
            raise Invalid("packages", name, "it is the name of a package of the distribution")
    return names


def _kind(system: Mapping[str, Any]) -> str:
    return f"{system['processor']}{' with musl' if system['musl'] else ''}"
