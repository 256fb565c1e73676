# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How OpenSSH is told to reach a container: as variables of an Ansible host, and as the command that a person types.

Both say the same: this key of ours and no other, the host key that we have pinned and no other, no question ever.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import known_hosts, naming

if TYPE_CHECKING:
    from ..nas.driver import Container
    from ..rpc.endpoint import Endpoint
    from .config import Config

PYTHON = "/usr/bin/python3"
# A machine that is gone or frozen says nothing, and TCP would wait for it for hours.
ALIVE = {"ServerAliveInterval": "15", "ServerAliveCountMax": "3"}


def key_path(config: Config, key: str | None = None) -> Path:
    """Our private key."""
    return Path(os.path.expanduser(str(key or config.get("ssh.key"))))


def login_user(config: Config, user: str | None = None) -> str:
    return str(user or config.get("ssh.user"))


def options(alias: str) -> dict[str, str]:
    """What both ways share. UpdateHostKeys and CheckHostIP would write lines of their own into our file."""
    return {
        "HostKeyAlias": alias,
        "UserKnownHostsFile": file_value(known_hosts.path()),
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "HostKeyAlgorithms": known_hosts.KEY_TYPE,
        "UpdateHostKeys": "no",
        "CheckHostIP": "no",
        "IdentitiesOnly": "yes",
        **ALIVE,
    }


def file_value(path: Path) -> str:
    """A path as the value of an option: OpenSSH splits it at blanks and expands what begins with a percent sign."""
    text = str(path).replace("%", "%%")
    if not any(character.isspace() or character in "\"'\\" for character in text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def words(settings: Mapping[str, str]) -> list[str]:
    """Options as ssh is given them."""
    return [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]


def jump_command(gateway: Container, config: Config, endpoint: Endpoint, *, key: str | None = None) -> list[str]:
    """The command that connects with what is behind a gateway, where %h and %p say; a percent sign of its own is doubled.

    Root's login and nobody else's may open that one connection. It asks for nothing else, no agent, no terminal and no command.
    """
    if gateway.address is None:
        raise ValueError(f"{gateway.name} has no address")
    alias = known_hosts.alias(endpoint.label, naming.from_instance(gateway.name))
    alone = ["-o", "BatchMode=yes", "-o", "ControlMaster=no", "-o", "ControlPath=none", "-o", "ConnectTimeout=10"]
    identity = str(key_path(config, key)).replace("%", "%%")
    own = ["ssh", *alone, "-i", identity, *words(options(alias)), f"root@{gateway.address}"]
    return [own[0], "-W", "%h:%p", *(word.replace("%", "%%") for word in own[1:])]


def _proxy(through: Sequence[str]) -> list[str]:
    return ["-o", f"ProxyCommand={shlex.join(through)}"] if through else []


def connection_vars(
    container: Container,
    config: Config,
    endpoint: Endpoint,
    *,
    user: str | None = None,
    key: str | None = None,
    through: Sequence[str] = (),
) -> dict[str, Any]:
    """The variables with which a container is a host of Ansible. Without an address there is no `ansible_host`.

    `through` is the command that connects with one behind a gateway.
    """
    alias = known_hosts.alias(endpoint.label, naming.from_instance(container.name))
    variables: dict[str, Any] = {
        "ansible_connection": "ssh",
        "ansible_user": login_user(config, user),
        "ansible_ssh_private_key_file": str(key_path(config, key)),
        "ansible_ssh_common_args": shlex.join([*words(options(alias)), *_proxy(through)]),
        "ansible_pipelining": True,
        "ansible_python_interpreter": PYTHON,
    }
    if container.address is not None:
        variables["ansible_host"] = container.address
    return variables


def ssh_command(
    container: Container,
    config: Config,
    endpoint: Endpoint,
    *,
    user: str | None = None,
    key: str | None = None,
    batch: bool = False,
    through: Sequence[str] = (),
) -> list[str]:
    """The same as a command; `batch` is for one that no person sits in front of, which neither asks nor shares a connection."""
    if container.address is None:
        raise ValueError(f"{container.name} has no address")
    alias = known_hosts.alias(endpoint.label, naming.from_instance(container.name))
    alone = ["-o", "BatchMode=yes", "-o", "ControlMaster=no", "-o", "ControlPath=none", "-T"] if batch else []
    identity = str(key_path(config, key)).replace("%", "%%")
    return ["ssh", *alone, "-i", identity, *words(options(alias)), *_proxy(through), f"{login_user(config, user)}@{container.address}"]


def ssh_line(
    container: Container,
    config: Config,
    endpoint: Endpoint,
    *,
    user: str | None = None,
    key: str | None = None,
    through: Sequence[str] = (),
) -> str:
    """The command as a person types it; what to run there can be written behind it."""
    return shlex.join(ssh_command(container, config, endpoint, user=user, key=key, through=through))
