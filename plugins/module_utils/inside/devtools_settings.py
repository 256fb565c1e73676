# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Settings that go with the tools: where programs are found, that the agents do not update themselves, and which registries are used."""

from __future__ import annotations

import re
from typing import Any

from . import devtools_places as places
from .egress_machine import Machine

_PROFILE = """\
# Written by pixels.sandbox.devtools.
# What is installed here is brought up to date from outside, version by version.
export DISABLE_AUTOUPDATER=1
export OPENCODE_DISABLE_AUTOUPDATE=1
# Node.js trusts whom the system trusts, which may have a certificate of yours.
export NODE_USE_SYSTEM_CA=1
# mise: nobody is there to answer.
export MISE_YES=1
if [ -n "${HOME:-}" ] && [ "$HOME" != / ]; then
  for pixels_path in "$HOME/.local/share/mise/shims" "$HOME/.local/bin"; do
    case ":$PATH:" in
      *":$pixels_path:"*) ;;
      *) PATH="$pixels_path:$PATH" ;;
    esac
  done
  unset pixels_path
  export PATH
fi
"""
_CODEX = "# Written by pixels.sandbox.devtools.\ncheck_for_update_on_startup = false\n"
_MARK = "pixels.sandbox.devtools"
_BEGIN, _END = f"# BEGIN {_MARK}", f"# END {_MARK}"
# Somebody else's line, for as long as ours stands for it.
_ASIDE = f"# {_MARK} has put this aside: "


def lacks(machine: Machine, wanted: dict[str, Any]) -> list[str]:
    """The files that are not as they should be."""
    return [name for name, content in _files(machine, wanted).items() if machine.read(name) != content]


def bring(machine: Machine, wanted: dict[str, Any]) -> str:
    changed = []
    for name, content in _files(machine, wanted).items():
        if machine.read(name) != content:
            machine.write(name, content)
            changed.append(name)
    return ", ".join(changed) or "all as they should be"


def _files(machine: Machine, wanted: dict[str, Any]) -> dict[str, str]:
    files = {
        places.PROFILE: _PROFILE,
        places.NPMRC: npmrc(machine.read(places.NPMRC) or "", wanted["npm_registry"], machine.exists(places.CERTIFICATES)),
        places.PIP_CONF: pip_conf(machine.read(places.PIP_CONF) or "", wanted["pypi_index"]),
    }
    codex = machine.read(places.CODEX_CONFIG)
    if codex is None or codex.startswith(_CODEX.splitlines()[0]):
        files[places.CODEX_CONFIG] = _CODEX
    # Nothing to say, and nobody has such a file: then there is to be none.
    return {name: content for name, content in files.items() if content or machine.read(name) is not None}


def npmrc(text: str, registry: str | None, system_trust: bool) -> str:
    """npm reads from top to bottom, and the last value counts: ours is below what others have written."""
    kept = without_ours(text)
    trust = system_trust and not re.search(r"^[ \t]*(ca|cafile|ca\[\])[ \t]*=", kept, re.MULTILINE)
    ours = ["prefix=${HOME}/.local", registry and f"registry={registry}", trust and f"cafile={places.CERTIFICATES}"]
    lines = [_BEGIN, *(line for line in ours if line), _END]
    return "\n".join([*([kept.rstrip("\n")] if kept.strip() else []), *lines]) + "\n"


def registry_in(text: str) -> str | None:
    """The registry that somebody else has written there."""
    found = re.findall(r"^[ \t]*registry[ \t]*=[ \t]*(\S+)", without_ours(text), re.MULTILINE)
    return found[-1].strip("\"'") if found else None


def without_ours(text: str) -> str:
    return re.sub(rf"^{re.escape(_BEGIN)}\n.*?^{re.escape(_END)}\n?", "", text, flags=re.MULTILINE | re.DOTALL)


def pip_conf(text: str, index: str | None) -> str:
    """pip takes a section and a setting once only, so ours goes into the section that there is, and theirs aside."""
    lines = [line.replace(_ASIDE, "", 1) for line in without_ours(text).splitlines()]
    if index is None:
        return "".join(f"{line}\n" for line in lines)
    section, found, result = "", False, []
    ours = [_BEGIN, f"index-url = {index}", _END]
    for line in lines:
        header = re.match(r"\s*\[([^\]]+)\]", line)
        if header:
            section = header.group(1).strip()
        is_index = section == "global" and re.match(r"index[-_]url\s*[=:]", line.strip())
        result.append(_ASIDE + line if is_index else line)
        if header and section == "global" and not found:
            result += ours
            found = True
    if not found:
        result += ["[global]", *ours]
    return "".join(f"{line}\n" for line in result)
