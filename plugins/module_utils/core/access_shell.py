# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The shell script that opens a container to SSH. It runs as root inside, through the appliance, where nothing but /bin/sh is certain.

Each step looks before it acts, says whether it changed something, and ends the script with a reason when it cannot do its work. What it
has to say goes to standard output as JSON behind PX_MARK; everything else there is the log. The variables PX_* come from
`access_script.py`, and what is done for the user from `access_account.py`.
"""

from __future__ import annotations

from .access_account import ACCOUNT
from .access_dns import NAME_SERVERS
from .identity_install import BASE, INSTALL

_BEGIN = r"""
set -u
umask 022
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH LC_ALL=C HOME=/root DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 APT_LISTCHANGES_FRONTEND=none
cd /
"""

_STEPS = r"""
json() { printf '%s' "$1" | tr -d '\000-\037' | sed 's/[\\"]/\\&/g'; }
tell() { printf '%s {"%s": "%s"}\n' "$PX_MARK" "$1" "$(json "$2")"; }
fail() { tell error "$1"; exit 1; }
did() { tell did "$1"; }
now() { date +%s; }

# The egress policy is there from before its first rule until after its last one.
restricted() { [ -e "$PX_POLICY" ]; }

# The system

wait_for_boot() {
  end=$(($(now) + PX_BOOT))
  while with_systemd; do
    case $(timeout "$PX_BOOT" systemctl is-system-running --wait 2>/dev/null) in running | degraded | maintenance) break ;; esac
    [ "$(now)" -lt "$end" ] || { echo "the container has not finished booting within $PX_BOOT s; going on"; break; }
    sleep 0.2
  done
  if has cloud-init; then timeout "$PX_BOOT" cloud-init status --wait >/dev/null 2>&1; fi
  return 0
}

# sudo looks its own host up; where that is no name for anybody it waits for DNS each time.
own_name() {
  name=$(uname -n)
  has getent || return 0
  if timeout 3 getent hosts "$name" >/dev/null; then return 0; fi
  old=$(cat /etc/hosts 2>/dev/null)
  put /etc/hosts 644 "${old:-127.0.0.1 localhost}${nl}127.0.1.1 $name" || fail "/etc/hosts cannot be written"
  did hosts
}

# An egress policy has a resolver of its own, and whoever asks another one is not answered. The stamp remembers what was left out.
name_servers() {
  left_out=
  [ -n "$PX_DNS" ] || return 0
  if restricted; then
    echo "this container has an egress policy, so its name servers stay as they are"
    left_out=dns
    return 0
  fi
  set_name_servers || fail "$why"
  [ -z "$dns_changed" ] || {
    did dns
    # They are for all users, and one who was promised others must not look well served.
    rm -f "${PX_STAMP_FILE%/*}"/*
  }
}

# Packages

full_python() { has python3 && python3 -c 'import ctypes, json, lzma, multiprocessing, tarfile' 2>/dev/null; }

missing() {
  [ -x /usr/sbin/sshd ] && has ssh-keygen || echo "$1"
  [ "$PX_PYTHON" = 0 ] || full_python || echo "$2"
  [ "$PX_SUDO" = 0 ] || { has sudo && has visudo; } || echo "$3"
  has bash || echo "$4"
  has useradd && has usermod && has su || echo "$5"
}

wait_for_route() {
  end=$(($(now) + PX_NETWORK))
  until grep -qE '^[^[:space:]]+[[:space:]]+00000000[[:space:]]' /proc/net/route ||
    grep -E '^0{32} 00 ' /proc/net/ipv6_route 2>/dev/null | grep -qv ' lo$'; do
    [ "$(now)" -lt "$end" ] || { echo "there is no default route after $PX_NETWORK s; going on"; return 0; }
    sleep 0.2
  done
}

# Whoever holds one of them is in /proc/locks, by the number of the file.
locked() {
  for lock in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/cache/apt/archives/lock; do
    number=$(stat -c %i "$lock" 2>/dev/null) || continue
    if grep -q ":$number " /proc/locks 2>/dev/null; then return 0; fi
  done
  return 1
}

wait_for_locks() {
  waited=no
  while locked; do
    [ $waited = yes ] || echo "waiting for another package manager, $lock is locked"
    waited=yes
    [ "$(now)" -lt "$deadline" ] || fail "another package manager holds $lock, and has not let go of it within $PX_PATIENCE s"
    sleep 0.5
  done
}

# No file is synchronised by itself: the appliance's file system keeps the order of writes, so a crash loses the end and nothing else.
apt() {
  left=$((deadline - $(now)))
  apt-get -q -y -o DPkg::Lock::Timeout="$((left > 5 ? left : 5))" -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 \
    -o APT::Update::Error-Mode=any -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
    -o Dpkg::Options::=--force-unsafe-io "$@" </dev/null 9>&-
}

# An installation that was cut off has to be ended before the next one.
apt_repair() {
  wait_for_locks
  [ -z "$(dpkg --audit 2>&1)" ] || dpkg --force-confdef --force-confold --configure -a </dev/null 9>&-
}

# A network that has only just come up may not answer at once.
apt_update() {
  for attempt in "$@"; do
    wait_for_locks
    if apt -o Acquire::Retries=1 update; then return 0; fi
    # It has no patience of its own for the lock of the package lists.
    while locked; do wait_for_locks; if apt -o Acquire::Retries=1 update; then return 0; fi; done
    [ "$attempt" = last ] || sleep 2
  done
  echo "the package lists could not all be fetched; going on with what there is"
}

apt_install() {
  apt_repair
  apt_update first second last
  apt --no-install-recommends install "$@" && return 0
  echo "once more, after a repair"
  apt_repair
  apt_update last
  apt --no-install-recommends install "$@"
}

packages() {
  system=$(. /etc/os-release 2>/dev/null; printf '%s' "${PRETTY_NAME:-unknown}")
  if has apt-get; then manager=apt; set -- openssh-server python3 sudo bash passwd
  elif has dnf; then manager=dnf; set -- openssh-server python3 sudo bash 'shadow-utils util-linux'
  elif has apk; then manager=apk; set -- openssh python3 sudo bash shadow
  else manager=; set -- sshd python3 sudo bash useradd
  fi
  # shellcheck disable=SC2046
  set -- $(missing "$@")
  [ $# -gt 0 ] || return 0
  [ -n "$manager" ] || fail "the distribution $system has none of the package managers apt, dnf and apk; install these by other means: $*"
  echo "installing $*"
  wait_for_route
  deadline=$(($(now) + PX_PATIENCE))
  case $manager in
    apt) apt_install "$@" ;;
    dnf) dnf -q -y --setopt=install_weak_deps=False install "$@" </dev/null 9>&- ;;
    apk) apk add --no-cache --wait "$PX_PATIENCE" "$@" </dev/null 9>&- ;;
  esac || fail "$manager could not install $* on $system"
  [ $manager != apt ] || apt-get clean
  [ -x /usr/sbin/sshd ] || fail "$manager has installed $*, and yet there is no /usr/sbin/sshd"
  did packages
}

# The SSH server

host_key() {
  key=/etc/ssh/ssh_host_ed25519_key
  reload=no
  if [ "$PX_NEW_HOST_KEY" = 1 ]; then rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub; fi
  if [ ! -s "$key" ]; then
    rm -f "$key" "$key.pub"
    ssh-keygen -q -t ed25519 -N '' -C '' -f "$key" </dev/null || fail "no host key could be made"
    reload=yes
    did host_key
  fi
  public=$(ssh-keygen -y -P '' -f "$key") || fail "the host key $key cannot be read"
}

password_logins() { ! sshd -T 2>/dev/null | grep -qi '^passwordauthentication no'; }

server_settings() {
  mkdir -p /run/sshd
  put /etc/ssh/sshd_config.d/00-pixels.conf 644 "$PX_SSHD" || fail "the settings of sshd cannot be written"
  changed=$wrote
  if password_logins; then
    # The first value counts, so ours have to be read first.
    old=$(cat /etc/ssh/sshd_config) || fail "/etc/ssh/sshd_config cannot be read"
    put /etc/ssh/sshd_config 644 "Include /etc/ssh/sshd_config.d/*.conf${nl}$old" || fail "/etc/ssh/sshd_config cannot be written"
    changed=yes
  fi
  sshd -t || fail "sshd does not take its settings"
  if password_logins; then fail "sshd still lets users in with a password"; fi
  # The message of the day costs every login, commands included, the time of the scripts that make it.
  if grep -qE '^session.*pam_motd' /etc/pam.d/sshd 2>/dev/null; then
    put /etc/pam.d/sshd 644 "$(sed -E 's/^(session.*pam_motd)/#\1/' /etc/pam.d/sshd)" || fail "/etc/pam.d/sshd cannot be written"
    changed=yes
  fi
  [ $changed = no ] || { reload=yes; did sshd; }
}

server() {
  changed=no
  if with_systemd; then
    unit=ssh
    systemctl cat ssh.service >/dev/null 2>&1 || unit=sshd
    if systemctl -q is-enabled ssh.socket 2>/dev/null; then
      systemctl -q is-active ssh.socket || { systemctl start ssh.socket || fail "ssh.socket does not start"; changed=yes; }
      [ $reload = no ] || systemctl try-reload-or-restart $unit.service || fail "sshd does not restart"
    else
      if ! systemctl -q is-enabled $unit.service 2>/dev/null; then
        systemctl -q enable $unit.service || fail "$unit.service cannot be enabled"
        changed=yes
      fi
      if ! systemctl -q is-active $unit.service; then
        systemctl start $unit.service || { systemctl --no-pager -l status $unit.service; fail "sshd does not start"; }
        changed=yes
      elif [ $reload = yes ]; then
        systemctl reload-or-restart $unit.service || fail "sshd does not restart"
      fi
    fi
  elif has rc-service; then
    rc-update -q show default | grep -q '^ *sshd ' || { rc-update -q add sshd default || fail "sshd cannot be enabled"; changed=yes; }
    if ! rc-service -q sshd status 9>&-; then rc-service sshd start 9>&- || fail "sshd does not start"; changed=yes
    elif [ $reload = yes ]; then rc-service sshd restart 9>&- || fail "sshd does not restart"
    fi
  else
    fail "neither systemd nor OpenRC runs this container, so nothing would start sshd"
  fi
  [ $changed = no ] || did service
}

# The service that makes a clone of this container somebody else, and the key that its clones go on letting in.
identity() {
  install_identity
  case $? in
    0) ;;
    2) echo "neither systemd nor OpenRC runs this container: no service gives its clones their identity"; return 0 ;;
    *) fail "the service that gives clones their identity cannot be installed" ;;
  esac
  changed=$installed
  blob=${PX_KEY#* }
  put /etc/pixels/access_key 600 "${PX_KEY%% *} ${blob%% *}" || fail "/etc/pixels cannot be written"
  [ $wrote = no ] || changed=yes
  /usr/local/lib/pixels/identity adopt
  case $? in
    0) ;;
    10) changed=yes ;;
    3) tail -n 5 /var/log/pixels-identity.log 2>/dev/null
      fail "this container is a clone that has not got an identity of its own; it gets one when it is restarted" ;;
    *) fail "/etc/pixels/identity cannot be written" ;;
  esac
  [ $changed = no ] || did identity
}

main() {
  mkdir -p /run
  if has flock; then
    exec 9>/run/pixels-ssh-access.lock
    flock -w "$PX_PATIENCE" 9 || fail "another run of this script has been at work in the container for $PX_PATIENCE s"
  fi
  wait_for_boot
  check_account
  check_rights
  name_servers
  packages
  own_name
  account
  keys
  sudo_rights
  identity
  host_key
  server_settings
  server
  system=$(. /etc/os-release 2>/dev/null; printf '%s' "${PRETTY_NAME:-unknown}")
  python=$(command -v python3)
  # Last, for it says that all of the above was done.
  facts="{\"os\": \"$(json "$system")\", \"python\": \"$(json "$python")\", \"left_out\": \"$left_out\"}"
  # Earlier versions had one for all users.
  rm -f /etc/pixels/ssh_access
  put "$PX_STAMP_FILE" 644 "$PX_STAMP$nl$facts" || fail "/etc/pixels cannot be written"
  [ $wrote = no ] || did stamp
  tell os "$system"
  tell python "$python"
  tell host_key "$public"
}
main
"""

SCRIPT = _BEGIN + BASE + INSTALL + ACCOUNT + NAME_SERVERS + _STEPS
