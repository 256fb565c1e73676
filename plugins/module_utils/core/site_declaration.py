# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an inventory declares of one host, checked: the container that there is to be, and what is to be in it.

The variables are those of the host, whatever else the inventory says of it. A name of ours that means nothing is an error: a setting
that is misspelt would else be one that is not made, in silence.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from . import naming
from .config import VARIABLES, Config
from .container import SPEC
from .context import Context
from .egress_entry import parse_list
from .egress_policy import MODES
from .errors import CoreError, Invalid
from .front import is_unset
from .wanted import Wanted
from .wishes import from_context

PREFIX = "pixels_"
LABEL = "site"
# A variable that the inventory plugin gives to every container that it finds.
DISCOVERED = "pixels_instance"
STATES = ("started", "stopped")

# Of the container, and what it is to be in the words of the module.
OF_CONTAINER = (
    *("image", "from", "scrub", "cpu", "memory", "pool", "environment", "autostart"),
    *("network", "nic_type", "parent", "via", "owner", "labels", "expires"),
)
# Of what is in it.
OF_INSIDE: dict[str, dict[str, Any]] = {
    "egress": {"type": "str", "choices": list(MODES)},
    "allow": {"type": "raw"},
    "deny": {"type": "raw"},
    "user": {"type": "str"},
    "timezone": {"type": "str"},
    "locale": {"type": "str"},
    "devtools": {"type": "bool"},
}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "name": {"type": "str"},
    "state": {"type": "str", "choices": list(STATES)},
    **{name: SPEC.arguments[name] for name in OF_CONTAINER},
    **OF_INSIDE,
}
DECLARED: frozenset[str] = frozenset(PREFIX + name for name in ARGUMENTS)
# The results that playbooks leave to workflows. AWX gives them to all jobs that follow, as extra variables, where they declare nothing.
RESULTS: frozenset[str] = frozenset(
    PREFIX + name
    for name in (
        *("addresses", "awx", "base", "base_actions", "bases", "checkpoint", "checkpoint_labels", "checkpoint_list", "console"),
        *("deleted", "destroyed", "egress_policies", "exit_status", "fleet", "freed", "kept", "learned", "left", "missing", "names"),
        *("provision", "pruned", "results", "run", "sessions", "settings", "ssh_hosts", "stopped", "undeclared", "unknown", "urls"),
    )
)

_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_ZONE = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+)*")
_LOCALE = re.compile(r"[A-Za-z0-9_@.-]+")


@dataclass(frozen=True)
class Site:
    """What holds for all of a run."""

    name: str
    recreate: bool = False
    dependents: str = "fail"
    bare: bool = False  # nothing is put into them in this run

    @property
    def owner(self) -> str:
        return f"site:{self.name}"


@dataclass(frozen=True)
class Member:
    """One host of the inventory."""

    host: str
    wanted: Wanted
    inside: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.wanted.name


def unknown(host: str, names: list[str]) -> list[str]:
    """What is wrong with the names of a host's variables."""
    if DISCOVERED in names:
        where = "in an inventory of its own, and the playbook is given that one alone"
        return [f"{host}: the inventory plugin pixels has found it, and says how it is; how it is to be is declared {where}"]
    wrong = []
    for name in sorted(names):
        if name.startswith(PREFIX) and name not in DECLARED | VARIABLES:
            near = difflib.get_close_matches(name, sorted(DECLARED | VARIABLES), n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; allowed are {', '.join(sorted(DECLARED))}, and the settings"
            wrong.append(f"{host}: there is no variable {name}{hint}")
    return wrong


def member(host: str, variables: Mapping[str, Any], config: Config, site: Site) -> Member:
    """The host's declaration; raises with all that is wrong with it, each with the host's name."""
    values, wrong = _values(host, variables)
    wrong += _contradictions(host, values, config, site)
    wanted: Wanted | None = None
    try:
        wanted = _wanted(values.get("name") or host, values, config, site)
    except CoreError as error:
        wrong.append(f"{host}: {PREFIX}{error.message}" if getattr(error, "result", {}).get("option") else f"{host}: {error.message}")
    inside: dict[str, Any] = {}
    try:
        inside = _inside(values, config)
    except CoreError as error:
        wrong.append(f"{host}: {PREFIX}{error.message}")
    if wrong or wanted is None:
        raise CoreError("\n".join(dict.fromkeys(wrong)), wrong=wrong)
    return Member(host, wanted, inside)


def _values(host: str, variables: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The variables as their types have them, one by one: each error names its variable."""
    values: dict[str, Any] = {}
    wrong = []
    for name, rule in ARGUMENTS.items():
        given = variables.get(PREFIX + name)
        if is_unset(given):
            continue
        if rule["type"] == "str" and isinstance(given, (Mapping, list, tuple, bool)):
            quoted = (
                "; YAML takes words such as off and yes for true and false, unless they are in quotes" if isinstance(given, bool) else ""
            )
            wrong.append(f"{host}: {PREFIX}{name} has to be a text{quoted}")
            continue
        if rule["type"] == "list" and isinstance(given, str):
            given = [] if given == "none" else [part.strip() for part in given.split(",")]
        rule = {key: rule[key] for key in ("type", "elements", "choices") if key in rule}
        validated = ArgumentSpecValidator({name: rule}).validate({name: given})
        if validated.error_messages:
            wrong.append(f"{host}: {PREFIX}{name}: {validated.error_messages[0]}")
        else:
            values[name] = validated.validated_parameters[name]
    return values, wrong


def _contradictions(host: str, values: Mapping[str, Any], config: Config, site: Site) -> list[str]:
    wrong = []
    for name in ("network", "nic_type", "parent"):
        if "via" in values and name in values:
            wrong.append(f"{host}: {PREFIX}via and {PREFIX}{name} exclude each other: the gateway decides on the network")
    mode = values.get("egress", "")
    if mode in ("", "unrestricted"):
        wrong += [
            f"{host}: {PREFIX}{name} needs {PREFIX}egress: agent, allowlist or learn; without it nothing is decided"
            for name in ("allow", "deny")
            if name in values
        ]
    elif (values.get("user") or config.get("ssh.user")) == "root":
        wrong.append(
            f"{host}: the user of a restricted container cannot be root, who could undo the policy; {PREFIX}user gives another one"
        )
    mode = mode or ("" if "via" in values else config.get("network.egress") or "")
    if mode not in ("", "unrestricted") and site.bare:
        # It might be a clone of one that can be logged in to.
        why = "the policy is put in force over SSH, and neither provision=false nor tags may leave that out"
        wrong.append(f"{host}: egress {mode} needs a container that is provisioned: {why}")
    return wrong


def _wanted(name: str, values: Mapping[str, Any], config: Config, site: Site) -> Wanted:
    naming.check(name)
    labels = {**(values.get("labels") or {}), LABEL: site.name}
    own = {key: values[key] for key in OF_CONTAINER if key in values}
    (wanted,) = from_context(
        Context(
            params={
                **{key: rule.get("default") for key, rule in SPEC.arguments.items()},
                "owner": site.owner,
                **own,
                "labels": labels,
                "name": [name],
                "state": values.get("state", "started"),
                "recreate": site.recreate,
                "dependents": site.dependents,
            },
            config=config,
        )
    )
    return wanted


def gone(name: str, config: Config, site: Site) -> Wanted:
    """The wish that a container be no more."""
    params = {key: rule.get("default") for key, rule in SPEC.arguments.items()}
    (wanted,) = from_context(Context(params={**params, "name": [name], "state": "absent", "dependents": site.dependents}, config=config))
    return wanted


def _inside(values: Mapping[str, Any], config: Config) -> dict[str, Any]:
    """For the roles, with nothing left open."""
    user = values.get("user") or str(config.get("ssh.user"))
    if not _USER.fullmatch(user):
        raise Invalid("user", user, "a user has 1 to 32 lower-case letters, digits, _ and -, and begins with a letter or _")
    timezone, locale = values.get("timezone", ""), values.get("locale", "")
    if timezone and not _ZONE.fullmatch(timezone):
        raise Invalid("timezone", timezone, "a time zone is called as in Europe/Berlin or UTC")
    if locale and not _LOCALE.fullmatch(locale):
        raise Invalid("locale", locale, "a locale is called as in de_DE.UTF-8 or C.UTF-8")
    devtools = values.get("devtools")
    return {
        "egress": values.get("egress", ""),
        "allow": [entry.value for entry in parse_list("allow", values.get("allow") or [])],
        "deny": [entry.value for entry in parse_list("deny", values.get("deny") or [], True)],
        "user": user,
        "timezone": timezone,
        "locale": locale,
        "devtools": bool(config.get("provision.devtools") if devtools is None else devtools),
    }
