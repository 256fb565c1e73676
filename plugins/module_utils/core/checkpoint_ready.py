# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A restored container is there again when it can be reached as before: its address, its host key, its SSH server.

The host key came back with the rest of its data, and may be an older one than the one that was pinned. It is read through the API.
"""

from __future__ import annotations

import secrets
import shlex
from dataclasses import dataclass

from ..nas.driver import Container, Driver
from . import known_hosts
from .access_script import read_marked
from .apply import Watch
from .errors import CoreError
from .wait import Lookout

SCRIPT_TIMEOUT = 60.0

_SCRIPT = """
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
key=
[ ! -x /usr/sbin/sshd ] || key=$(ssh-keygen -y -P '' -f /etc/ssh/ssh_host_ed25519_key 2>/dev/null)
printf '%s {"host_key": "%s"}\\n' "$mark" "$(printf %s "$key" | tr -d '\\000-\\037"\\\\')"
"""


@dataclass(frozen=True)
class Ready:
    container: Container
    host_key: str | None = None  # None: it was not opened to SSH, or has no SSH server any more
    key_changed: bool = False


def make_ready(
    driver: Driver, lookout: Lookout, container: Container, alias: str, wait_for: str | None, timeout: float, watch: Watch
) -> Ready:
    """`wait_for` None is whatever it could do before: ssh where its key is pinned, else address."""
    pinned = known_hosts.lookup(alias)
    if wait_for == "none":
        found = driver.get(container.name) or container
    else:
        found = lookout.wait_for(container.name, "address", timeout, watch)
    key, changed = None, False
    if pinned is not None:
        watch.doing("reading its host key")
        key = host_key(driver, found)
        changed = _pin(found, alias, key)
    if wait_for == "ssh" or (wait_for is None and key is not None):
        found = lookout.wait_for(container.name, "ssh", timeout, watch)
    return Ready(found, key, changed)


def host_key(driver: Driver, container: Container) -> str | None:
    """The key of its SSH server, through the API; None where it has none."""
    mark = f"pixels:{secrets.token_hex(8)}"
    done = driver.run_script(container.name, f"mark={shlex.quote(mark)}\n{_SCRIPT}", timeout=SCRIPT_TIMEOUT)
    said, log = read_marked(done.output, mark)
    found = dict(said)
    if "host_key" not in found:
        raise CoreError(f"{container.name}: the script that reads its host key ended with status {done.status} and said:\n{log}")
    return known_hosts.parse_key(str(found["host_key"])) if found["host_key"] else None


def _pin(container: Container, alias: str, key: str | None) -> bool:
    if key is None:
        return known_hosts.remove([alias])
    appliance = alias.partition(".")[2]
    others = [other for other in known_hosts.holders(key) if other != alias and other.partition(".")[2] == appliance]
    if others:
        names = ", ".join(sorted(other.partition(".")[0] for other in others))
        raise CoreError(
            f"{container.name}: the restored host key is that of {names}, and is not pinned a second time;"
            " pixels.sandbox.ssh_access makes a new one"
        )
    return known_hosts.pin(alias, key)
