# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The name servers of a container, as shell functions: for the first access, when there may be no Python, and for the module `system`.

They stand behind `identity_install.BASE`. With PX_LOOK set nothing is changed, and what would be is told all the same.
"""

from __future__ import annotations

import shlex

from .identity_install import BASE

# What ssh_access has done, remembered for each user: what is wanted for one says nothing of another.
STAMP_DIR = "/etc/pixels/ssh_access.d"

NAME_SERVERS = r"""
act() { [ -n "${PX_LOOK:-}" ] || "$@"; }
dns_put() { put "$@" || { why="$1 cannot be written"; return 1; }; [ $wrote = no ] || dns_changed="$dns_changed $1"; }

# Sets dns_changed to what was not so already; where it fails, why says it.
set_name_servers() {
  dns_changed='' why=''
  if with_systemd && systemctl -q is-active systemd-resolved.service; then
    dns_put /etc/systemd/resolved.conf.d/pixels.conf 644 "[Resolve]${nl}DNS=$PX_DNS${nl}Domains=~." || return 1
    [ $wrote = no ] || act systemctl restart systemd-resolved.service ||
      { why="systemd-resolved does not take the name servers $PX_DNS"; return 1; }
    # What else stands there would be asked instead of it.
    case $(readlink -f /etc/resolv.conf) in
      /run/systemd/resolve/*) ;;
      *) act ln -sfn ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf || { why="/etc/resolv.conf cannot be written"; return 1; }
        dns_changed="$dns_changed /etc/resolv.conf" ;;
    esac
    return 0
  fi
  # Whoever gets the container its address writes the network's own name servers there again, unless it is told not to.
  [ ! -d /etc/dhcp ] || dns_put /etc/dhcp/dhclient-enter-hooks.d/pixels 644 'make_resolv_conf() { :; }' || return 1
  [ ! -d /etc/NetworkManager ] || dns_put /etc/NetworkManager/conf.d/pixels.conf 644 "[main]${nl}dns=none" || return 1
  [ ! -x /usr/share/udhcpc/default.script ] || [ -e /etc/udhcpc/udhcpc.conf ] || dns_put /etc/udhcpc/udhcpc.conf 644 'RESOLV_CONF="no"' ||
    return 1
  if [ -f /etc/dhcpcd.conf ] && ! grep -qx 'nohook resolv.conf' /etc/dhcpcd.conf; then
    # At the top: further down it could belong to a single interface.
    dns_put /etc/dhcpcd.conf 644 "nohook resolv.conf${nl}$(cat /etc/dhcpcd.conf)" || return 1
  fi
  lines=
  for server in $PX_DNS; do lines="$lines${lines:+$nl}nameserver $server"; done
  dns_put /etc/resolv.conf 644 "$lines"
}
"""

# As `put`, and nothing is written.
_LOOK = r"""
put() {
  wrote=yes
  if [ -f "$1" ] && [ ! -h "$1" ] && [ "$(cat "$1"; echo x)" = "$3${nl}x" ] && [ "$(stat -c '%a %u' "$1")" = "$2 0" ]; then wrote=no; fi
}
"""

# Whoever was promised other name servers by ssh_access must not look well served.
_ALONE = r"""
set_name_servers || { printf 'error %s\n' "$why"; exit 1; }
[ -z "$dns_changed" ] || act rm -f "$PX_STAMPS"/*
for file in $dns_changed; do printf 'changed %s\n' "$file"; done
"""


def script(servers: list[str], look: bool) -> str:
    """For a container that has Python: it says `changed FILE` for each, or `error` and why."""
    values = {"PX_DNS": " ".join(servers), "PX_STAMPS": STAMP_DIR, "PX_LOOK": "1" if look else ""}
    head = "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
    return "set -u\numask 022\n" + head + BASE + (_LOOK if look else "") + NAME_SERVERS + _ALONE
