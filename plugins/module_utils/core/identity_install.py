# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the script of `identity_shell.py` gets its place in a container: the service that runs it at each boot, and the shell functions that
put both there. They go into the scripts that run through the appliance, behind `BASE` and the variables of `variables()`.
"""

from __future__ import annotations

from .identity_shell import SCRIPT

PLACE = "/usr/local/lib/pixels/identity"
UNIT_PLACE = "/etc/systemd/system/pixels-identity.service"
UNIT_LINK = "/etc/systemd/system/sysinit.target.wants/pixels-identity.service"
OPENRC_PLACE = "/etc/init.d/pixels-identity"
STAMP_FILE = "/etc/pixels/identity"
LOG_FILE = "/var/log/pixels-identity.log"
ACCESS_KEY_FILE = "/etc/pixels/access_key"

# What sends something out, or lets somebody in. Should the script fail, none of them starts: a clone must not be taken for its source.
_NETWORK = (
    "systemd-networkd.service",
    "networking.service",
    "ifupdown-pre.service",
    "NetworkManager.service",
    "dhcpcd.service",
    "connman.service",
    "ssh.service",
    "ssh.socket",
    "sshd.service",
    "sshd.socket",
)
# What reads or writes parts of the identity before sysinit.target, behind which all ordinary services come.
_EARLY = (
    "systemd-journald.service",
    "systemd-journal-flush.service",
    "systemd-random-seed.service",
    "systemd-machine-id-commit.service",
    "systemd-firstboot.service",
    "systemd-sysusers.service",
    "systemd-tmpfiles-setup.service",
    "systemd-tmpfiles-setup-dev.service",
    "systemd-tmpfiles-setup-dev-early.service",
    "systemd-udevd.service",
    "systemd-udev-trigger.service",
    "systemd-network-generator.service",
    "systemd-networkd-persistent-storage.service",
    "systemd-resolved.service",
    "systemd-timesyncd.service",
    "systemd-update-utmp.service",
    "cloud-init-main.service",
    "cloud-init-local.service",
    "cloud-init.service",
    "nftables.service",
    "network-pre.target",
    "sysinit.target",
)

# Without its script, say because somebody tidied up, it is passed over rather than failed: that is no reason to cut the network.
UNIT = f"""\
# Written by pixels.sandbox. See docs/clones.md there.
[Unit]
Description=Give a clone an identity of its own
DefaultDependencies=no
Wants=network-pre.target
Before={" ".join(_EARLY)}
Before={" ".join(_NETWORK)}
ConditionFileIsExecutable={PLACE}
RefuseManualStop=yes

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={PLACE}
StandardInput=null
StandardOutput=null
StandardError=null
TimeoutStartSec=120

[Install]
WantedBy=sysinit.target
RequiredBy={" ".join(_NETWORK)}"""

OPENRC = f"""\
#!/sbin/openrc-run
# Written by pixels.sandbox. See docs/clones.md there.
description="Give a clone an identity of its own"
depend() {{
  before hostname machine-id bootmisc networking net dhcpcd dbus sshd syslog seedrng urandom
  keyword -timeout
}}
start() {{
  ebegin "Looking whether this is a clone"
  {PLACE}
  eend $?
}}"""

# What more than one of the scripts needs.
BASE = r"""
nl='
'
has() { command -v "$1" >/dev/null 2>&1; }
with_systemd() { case $(readlink -f /sbin/init) in */systemd) return 0 ;; *) return 1 ;; esac; }

# A file of root's: wrote=yes when it was not so already. The temporary name has a dot in front, which sudo and sshd both pass over.
put() {
  wrote=no
  if [ -f "$1" ] && [ ! -h "$1" ] && [ "$(cat "$1"; echo x)" = "$3${nl}x" ] && [ "$(stat -c '%a %u' "$1")" = "$2 0" ]; then return 0; fi
  mkdir -p "${1%/*}" || return 1
  temporary=$(mktemp "${1%/*}/.pixels.XXXXXX") || return 1
  if printf '%s\n' "$3" >"$temporary" && chmod "$2" "$temporary" && { [ $# -lt 4 ] || "$4" "$temporary"; } &&
    mv -f "$temporary" "$1"; then
    wrote=yes
    return 0
  fi
  rm -f "$temporary"
  return 1
}
"""

# installed=yes when something was not so already; fails when it cannot be, or when nothing would run it.
INSTALL = rf"""
install_identity() {{
  installed=no
  put {PLACE} 755 "$PX_IDENTITY" || return 1
  [ $wrote = no ] || installed=yes
  if with_systemd; then
    put {UNIT_PLACE} 644 "$PX_UNIT" || return 1
    if [ $wrote = yes ]; then installed=yes; systemctl -q reenable pixels-identity.service || return 1
    elif ! systemctl -q is-enabled pixels-identity.service; then installed=yes; systemctl -q enable pixels-identity.service || return 1
    fi
  elif has rc-update; then
    put {OPENRC_PLACE} 755 "$PX_OPENRC" || return 1
    [ $wrote = no ] || installed=yes
    rc-update -q show sysinit | grep -q '^ *pixels-identity ' || {{ installed=yes; rc-update -q add pixels-identity sysinit || return 1; }}
  else return 2
  fi
}}
"""


def variables() -> dict[str, str]:
    """What `INSTALL` needs, by the name of the shell variable."""
    return {"PX_IDENTITY": SCRIPT, "PX_UNIT": UNIT, "PX_OPENRC": OPENRC}
