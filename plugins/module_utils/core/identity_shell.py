# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The shell script that lives in a container and notices, early at each boot, that the container is a clone.

The appliance puts a marker with an id into the environment of the container's first process, and every container has its own. The stamp
/etc/pixels/identity says whose identity the files of this system carry. Where the two differ, the files came from another container:
then that one's identity goes first, an own one is made, and what else is not to be kept is scrubbed. The stamp is written last, so
whatever is cut off begins anew at the next boot; with status 0 all is done.

It runs before the rest of the system, where nothing but /bin/sh and the usual small tools is certain, and in a tree that somebody hostile
may have prepared: a user's links are followed only where they lead no further than the user's home, only files are read, and other file
systems are left alone.

PX_ROOT and PX_ENVIRON let tests run it in a tree of their own.
"""

from __future__ import annotations

from .identity_rules import ENGINE
from .identity_scrub import CATEGORIES, category_rules, identity_rules

_BEGIN = r"""#!/bin/sh
# Written by pixels.sandbox: gives this container an identity of its own when it is a clone of another one. See docs/clones.md there.
set -u
umask 077
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH LC_ALL=C
root=${PX_ROOT:-}
environ=${PX_ENVIRON:-/proc/1/environ}
stamp=$root/etc/pixels/identity
log=$root/var/log/pixels-identity.log
scratch=$root/etc/pixels/.scratch
failed=0
nl='
'
IFS=$nl

# Starting a process is what takes time here, and twenty clones boot side by side: what the shell can do itself, it does.

# The texts in the marker that are of use here. It is compact JSON: what is passed over is passed over as a whole, quotes in it and all.
read_marker() {
  id='' new_name='' cloned=no scrub=all
  before='^PIXELS_SANDBOX=\{("[a-z]+":("([^"\\]|\\.)*"|-?[0-9]+|true|false|null),)*'
  for text in $(tr '\n\0' ' \n' <"$environ" | sed -nE "/^PIXELS_SANDBOX=/{
    h; s/$before\"from\":\".*/from:/p
    g; s/$before\"id\":\"([0-9a-f]{16})\"[,}].*/id:\4/p
    g; s/$before\"name\":\"([A-Za-z0-9-]+)\"[,}].*/name:\4/p
    g; s/$before\"scrub\":\"([a-z,]*)\"[,}].*/scrub:\4/p
  }"); do
    case $text in
      from:*) cloned=yes ;;
      id:*) id=${text#id:} ;;
      name:*) new_name=${text#name:} ;;
      scrub:*) scrub=${text#scrub:} ;;
    esac
  done
  [ -n "$new_name" ] || new_name=$(uname -n)
}

read_stamp() {
  own='' name=''
  [ ! -f "$stamp" ] || { read -r own; read -r name; } <"$stamp"
}

say() { printf '%s\n' "$1"; }
trouble() { say "FAILED: $1"; failed=1; }
is_file() { [ -f "$1" ] && [ ! -h "$1" ]; }

# Makes room for a file.
room() { is_file "$1" || { [ ! -e "$1" ] && [ ! -h "$1" ]; } || rm -rf -- "$1"; }

# A file of root's that all may read, complete or not at all. $3 is what its mode is not to have.
place() {
  room "$1" || return 1
  [ ! -e "$1.pixels" ] && [ ! -h "$1.pixels" ] || rm -rf -- "$1.pixels" || return 1
  umask "${3:-022}"
  set -C
  printf '%s\n' "$2" >"$1.pixels"
  set -- "$1" $?
  set +C
  umask 077
  if [ "$2" = 0 ] && mv -f -- "$1.pixels" "$1"; then return 0; fi
  rm -f -- "$1.pixels"
  return 1
}

write_stamp() {
  [ -d "$root/etc/pixels" ] || mkdir -m 755 -- "$root/etc/pixels" || return 1
  place "$stamp" "$1$nl$2"
}

"""

_IDENTITY = r"""
# The identity

machine_id() {
  file=$root/etc/machine-id
  # A first boot that was not completed leaves a mount there.
  case $nl$mounts$nl in *"$nl$file$nl"*) umount "$file" ;; esac
  read -r uuid </proc/sys/kernel/random/uuid
  new=
  IFS=-
  for part in $uuid; do new=$new$part; done
  IFS=$nl
  if ! place "$file" "$new" 333; then
    # Rather none than that of the source.
    : >"$file"
    trouble "/etc/machine-id cannot be written"
  fi
  copy=$root/var/lib/dbus/machine-id
  if [ -e "$copy" ] || [ -h "$copy" ]; then
    case $copy in "$(readlink -f "$file")") return ;; esac
    rm -rf -- "$copy"
    ln -s /etc/machine-id "$copy" || trouble "/var/lib/dbus/machine-id cannot be written"
  fi
}

host_name() {
  file=$root/etc/hostname
  before=
  if is_file "$file"; then read -r before <"$file"; fi
  [ "$before" = "$new_name" ] || place "$file" "$new_name" || trouble "/etc/hostname cannot be written"
  if [ -z "$root" ]; then
    read -r now </proc/sys/kernel/hostname
    [ "$now" = "$new_name" ] || hostname "$new_name" || trouble "the host name cannot be set"
  fi
  file=$root/etc/hosts
  is_file "$file" || { room "$file"; printf '127.0.0.1 localhost\n::1 localhost\n' >"$file"; }
  # The last line comes when no other has the name.
  set -- -e "/^[^#]*[[:space:]]$new_name([[:space:]]|\$)/{x; s/.*/y/; x; }" -e "\${x; /y/{x; b
    }; x; s/\$/\\${nl}127.0.1.1 $new_name/; }"
  for old in "$name" "$before"; do
    case $old in
      '' | localhost | "$new_name" | *[!A-Za-z0-9-]*) ;;
      # Twice, for two in a row share the blank between them.
      *) rule="s/(^|[[:space:]])$old([[:space:].]|\$)/\\1$new_name\\2/g"
        set -- -e "$rule" -e "$rule" "$@" ;;
    esac
  done
  if ! lines=$(sed -E "$@" "$file") || ! place "$file" "$lines"; then trouble "/etc/hosts cannot be written"; fi
}

# One is enough, and any other type takes longer to make.
host_key() {
  [ -x "$root/usr/sbin/sshd" ] || return 0
  umask 022
  ssh-keygen -q -t ed25519 -N '' -C '' -f "$root/etc/ssh/ssh_host_ed25519_key" </dev/null || trouble "no host key can be made"
  umask 077
}

# Which key its owner gets in with, when it looks like one.
access_key() {
  access=
  file=$root/etc/pixels/access_key
  if is_file "$file"; then read -r access <"$file"; fi
  case $access in
    *[!A-Za-z0-9@.+/=' '-]* | *' '*' '* | *' ') access= ;;
    ssh-*' '* | ecdsa-*' '* | sk-*' '*) ;;
    *) access= ;;
  esac
}

# One run has one log, for what comes with the source tells of another container.
open_log() {
  [ -d "$root/var/log" ] || mkdir -p -- "$root/var/log"
  room "$log"
  if : >"$log"; then exec >"$log" 2>&1; fi
}

renew() {
  open_log
  say "$(date -u '+%Y-%m-%dT%H:%M:%SZ'): this is $new_name ($id); its files came from ${name:-a container without a stamp} (${own:-no id})"
  # Only what is mounted below the root counts, and not what the kernel shows there.
  mounts=$(sed -nE -e 's/^([^ ]+ ){4}([^ ]+) .*/\2/' -e '/^\/(proc|sys|dev|run)(\/|$)/d' -e "s|^$root/.|&|p" /proc/self/mountinfo)
  # First of all, so that whatever goes wrong later nobody comes up as the source.
  wanted=$scrub
  scrub=identity
  apply / "$identity_rules" "$root/"
  machine_id
  host_name
  host_key
  case $wanted in '') ;; all) scrub=@CATEGORIES@,own ;; *) scrub=$wanted,own ;; esac
  if [ -n "$wanted" ]; then
    access_key
    own_rules
    apply / "$rules" "$root/"
    find_homes
    for home in $homes; do apply "~/" "$rules" "$home"; done
    [ ! -e "$scratch" ] || rm -f -- "$scratch"
  fi
  [ $failed = 0 ] || { say "not complete; the next boot tries again"; exit 1; }
  write_stamp "$id" "$new_name" || { trouble "/etc/pixels/identity cannot be written"; exit 1; }
  say "done"
}

read_marker
read_stamp

# For ssh_access, once in a container: 0 is that there was nothing to do, 10 that it has a stamp now, 3 that it is a clone.
if [ "${1:-}" = adopt ]; then
  if [ "$own" = "${id:--}" ] || { [ -z "$id" ] && [ -n "$own" ]; }; then exit 0; fi
  if [ -z "$own" ] && [ "${id:+$cloned}" != yes ] || { [ "$own" = - ] && [ "$name" = "$new_name" ]; }; then
    write_stamp "${id:--}" "$new_name" || exit 1
    exit 10
  fi
  exit 3
fi

if [ -z "$id" ] || [ "$own" = "$id" ]; then exit 0; fi
if [ "$own" = - ] && [ "$name" = "$new_name" ]; then
  write_stamp "$id" "$new_name"
  exit
fi
identity_rules='@IDENTITY@'
rules='@RULES@'
renew"""

SCRIPT = (
    _BEGIN
    + ENGINE
    + _IDENTITY.replace("@CATEGORIES@", ",".join(CATEGORIES)).replace("@IDENTITY@", identity_rules()).replace("@RULES@", category_rules())
)
