# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of the module `ssh_access`, checked, as what the rest of it works with. All that can be wrong here is told before anything
is touched.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Any

from . import naming, ssh, ssh_key
from .access_script import Recipe
from .context import Context
from .errors import Invalid

ARGUMENTS: dict[str, dict[str, Any]] = {
    "name": {"type": "list", "elements": "str", "required": True, "aliases": ["container"]},
    "user": {"type": "str"},
    "uid": {"type": "int", "default": 1000},
    "gid": {"type": "int"},
    "replace_user": {"type": "bool", "default": False},
    "public_key": {"type": "str"},
    "private_key": {"type": "path"},
    "python": {"type": "bool", "default": True},
    "sudo": {"type": "bool"},
    "dns": {"type": "list", "elements": "str"},
    "timeout": {"type": "int", "default": 600},
    "concurrency": {"type": "int", "default": 4},
}

_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
# 65534 is nobody, and an unprivileged container has no more.
_MOST_ID = 65533


@dataclass(frozen=True)
class Options:
    names: list[str]
    recipe: Recipe
    key: str  # path of the private key
    timeout: float
    concurrency: int


def options_of(ctx: Context) -> Options:
    params, config = ctx.params, ctx.config
    names = naming.expand(params["name"])
    user = ssh.login_user(config, params["user"])
    if not _USER.fullmatch(user):
        raise Invalid("user", user, "a user has 1 to 32 lower-case letters, digits, _ and -, and begins with a letter or _")
    uid, gid = (0, 0) if user == "root" else _ids(params["uid"], params["gid"])
    if params["timeout"] < 30:
        raise Invalid("timeout", params["timeout"], "it takes at least 30 seconds")
    if not 1 <= params["concurrency"] <= 64:
        raise Invalid("concurrency", params["concurrency"], "1 to 64 containers at a time")
    key = ssh.key_path(config, params["private_key"])
    recipe = Recipe(
        user=user,
        uid=uid,
        gid=gid,
        public_key=ssh_key.public_key(params["public_key"], key),
        python=params["python"],
        sudo=params["sudo"],
        replace_user=params["replace_user"],
        dns=tuple(_address(entry) for entry in _dns(ctx)),
    )
    return Options(names, recipe, str(key), float(params["timeout"]), params["concurrency"])


def _ids(uid: int, gid: int | None) -> tuple[int, int]:
    gid = uid if gid is None else gid
    for option, value in (("uid", uid), ("gid", gid)):
        if not 1 <= value <= _MOST_ID:
            raise Invalid(option, value, f"allowed are 1 to {_MOST_ID}")
    return uid, gid


def _dns(ctx: Context) -> list[str]:
    given = ctx.params["dns"]
    return list(ctx.config.get("defaults.dns") or []) if given is None else given


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(str(text).strip()))
    except ValueError:
        raise Invalid("dns", text, "a name server is given by its address") from None
