# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The proof that a clone has an identity of its own, and its host key, read through the API.

A clone makes its identity itself, before its network comes up (`identity_shell.py`); one look into it is all that is left to do. Where
its source was never prepared for that, the service is put into the clone now and the clone is restarted. That is the one case in which a
network has come up with the machine-id of the source, once.
"""

from __future__ import annotations

import re
import secrets
import shlex
import time
from dataclasses import dataclass

from ..nas.driver import Container, Driver
from . import known_hosts, naming
from .access_script import read_marked
from .apply import Watch
from .errors import CoreError
from .identity_install import BASE, INSTALL, LOG_FILE, OPENRC_PLACE, PLACE, STAMP_FILE, UNIT_LINK, UNIT_PLACE, variables
from .identity_scrub import CATEGORIES
from .wait import wait_for

__all__ = ["CATEGORIES", "Identity", "prove"]

TIMEOUT = 180.0
# How long a look waits for the service, which ends within its own time limit of 120 s whatever happens.
_PATIENCE = 125

_HEAD = """
set -u
umask 022
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH LC_ALL=C
"""

# Says how it stands: own, failed, missing (no service in the way that we install it), or bare (nothing that could run one). Early at a
# boot nobody answers systemctl yet.
_LOOK = rf"""
stamp() {{ own=''; [ ! -f {STAMP_FILE} ] || read -r own <{STAMP_FILE}; [ "$own" = "$PX_ID" ]; }}
state() {{
  if stamp; then echo own
  elif with_systemd; then
    if [ ! -x {PLACE} ] || [ ! -f {UNIT_PLACE} ] || [ ! -h {UNIT_LINK} ]; then echo missing; return; fi
    case $(systemctl show -p ActiveState --value pixels-identity.service 2>/dev/null) in
      failed) echo failed ;;
      active) if stamp; then echo own; else echo failed; fi ;;
      *) case $(systemctl is-system-running 2>/dev/null) in running | degraded) echo failed ;; *) echo waiting ;; esac ;;
    esac
  elif has rc-update; then
    if [ -x {PLACE} ] && [ -f {OPENRC_PLACE} ]; then echo failed; else echo missing; fi
  else echo bare
  fi
}}
look() {{
  # The stamp tells soonest and costs nothing; how the service stands is asked now and then, as a booting machine has little to spare.
  end=$(($(date +%s) + PX_PATIENCE)) tries=0
  while :; do
    if stamp; then found=own; elif [ $((tries % 8)) = 0 ]; then found=$(state); fi
    if [ "$found" != waiting ] || [ "$(date +%s)" -ge "$end" ]; then break; fi
    tries=$((tries + 1))
    sleep 0.1
  done
  machine='' public=''
  if [ "$found" = own ]; then
    [ ! -f /etc/machine-id ] || read -r machine </etc/machine-id
    if [ -x /usr/sbin/sshd ]; then public=$(ssh-keygen -y -P '' -f /etc/ssh/ssh_host_ed25519_key 2>/dev/null); fi
  elif [ -f {LOG_FILE} ]; then tail -n 20 {LOG_FILE}
  fi
  printf '%s {{"state": "%s", "machine_id": "%s"}}\n' "$PX_MARK" "$found" "$(printf %s "$machine" | tr -d -c 0-9a-f)"
  printf '%s {{"host_key": "%s"}}\n' "$PX_MARK" "$(printf %s "$public" | tr -d '\000-\037"\\')"
}}
"""


@dataclass(frozen=True)
class Identity:
    """Who a container is."""

    host_key: str | None  # None: it has no SSH server
    machine_id: str
    renewed: bool = False  # it had to be made from here, with a restart: the address is another one now
    container: Container | None = None  # as it is after that restart
    note: str | None = None  # what the user should know of it


@dataclass(frozen=True)
class _Look:
    state: str
    machine_id: str
    host_key: str
    log: str


def prove(driver: Driver, container: Container, marker_id: str, watch: Watch, *, timeout: float = TIMEOUT) -> Identity:
    """The identity of a running clone whose marker has that id; raises when it is not its own.

    It need not have its address yet. Its host key is for `known_hosts.pin`, which is the caller's.
    """
    end = time.monotonic() + timeout
    watch.doing("looking at its identity")
    look = _run(driver, container, marker_id, "look\n", end)
    if look.state == "own":
        return _checked(driver, container, look)
    if look.state == "bare":
        return _renewed_live(driver, container, marker_id, watch, end)
    watch.doing("giving it an identity of its own")
    if look.state == "missing":
        look = _run(driver, container, marker_id, _install(), end)
    if look.state != "missing":  # a second try is worth a restart: what stood in the way may be gone
        watch.check()
        driver.restart(container)
        look = _run(driver, container, marker_id, "look\n", end)
    if look.state != "own":
        raise _failure(container, look)
    identity = _checked(driver, container, look)
    now = wait_for(driver, container.name, "address", max(1.0, end - time.monotonic()), watch)
    note = "its source had no service for this, so its network came up once with the machine-id of the source"
    return Identity(identity.host_key, identity.machine_id, renewed=True, container=now, note=note)


def _renewed_live(driver: Driver, container: Container, marker_id: str, watch: Watch, end: float) -> Identity:
    """Where nothing runs services at boot there are none that would hold on to what they have read."""
    watch.doing("giving it an identity of its own")
    look = _run(driver, container, marker_id, f"install_identity\n{PLACE}\nlook\n", end)
    if look.state != "own":
        raise _failure(container, look)
    identity = _checked(driver, container, look)
    note = "neither systemd nor OpenRC runs it, so its identity was made while it was running: its own clones will need that as well"
    return Identity(identity.host_key, identity.machine_id, renewed=True, container=container, note=note)


def _install() -> str:
    return 'if install_identity; then printf \'%s {"state": "installed"}\\n\' "$PX_MARK"; else look; fi\n'


def _run(driver: Driver, container: Container, marker_id: str, what: str, end: float) -> _Look:
    mark = f"pixels:{secrets.token_hex(8)}"
    left = max(5.0, end - time.monotonic())
    values = {"PX_MARK": mark, "PX_ID": marker_id, "PX_PATIENCE": str(int(min(_PATIENCE, left)))}
    functions = BASE + _LOOK
    if "install_identity" in what:
        values |= variables()
        functions += INSTALL
    script = "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items()) + _HEAD + functions + what
    done = driver.run_script(container.name, script, timeout=left + 5)
    said, log = read_marked(done.output, mark)
    found = {key: str(value) for key, value in said}
    if "state" not in found:
        raise CoreError(f"{container.name}: the look at its identity ended with status {done.status} and without a result{_end_of(log)}")
    return _Look(found["state"], found.get("machine_id", ""), found.get("host_key", ""), log)


def _checked(driver: Driver, container: Container, look: _Look) -> Identity:
    if not re.fullmatch("[0-9a-f]{32}", look.machine_id):
        raise CoreError(f"{container.name}: it has no proper machine-id")
    if not look.host_key:
        return Identity(None, look.machine_id)
    key = known_hosts.parse_key(look.host_key)
    # The service is part of what was cloned; who was root there could have changed it.
    mine = known_hosts.alias(driver.endpoint.label, naming.from_instance(container.name))
    others = [other for other in known_hosts.holders(key) if other != mine and other.partition(".")[2] == mine.partition(".")[2]]
    if others:
        names = ", ".join(sorted(other.partition(".")[0] for other in others))
        raise CoreError(
            f"{container.name}: it says that it has an identity of its own, and yet its host key is that of {names}:"
            f" the script {PLACE} of its source has been tampered with",
            host_key=key,
        )
    return Identity(key, look.machine_id)


def _failure(container: Container, look: _Look) -> CoreError:
    if look.state == "missing":
        reason = "the service that gives a clone its identity cannot be installed in it"
    else:
        reason = "it has not got an identity of its own, and its network and SSH stay down until it has"
    return CoreError(f"{container.name}: {reason}{_end_of(look.log)}", reason=reason, log=look.log.splitlines())


def _end_of(log: str) -> str:
    return f"\nend of the log:\n{log}" if log else ""
