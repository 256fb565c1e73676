# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What `access_shell.py` does for the user: its account, its keys and its right to become root, as shell functions.

What belongs to the user is written with the user's own rights, never root's: whatever a link planted there points to, it leads no further
than the user could go alone.
"""

from __future__ import annotations

ACCOUNT = r"""
field() { grep "^$2:" "$1" | head -n 1 | cut -d: -f"$3"; }
holder() { grep -E "^[^:]*:[^:]*:$2:" "$1" | head -n 1 | cut -d: -f1; }

# The accounts that images bring along for their first user.
is_stock() {
  case $1 in
    ubuntu | debian | fedora | centos | rocky | almalinux | alpine | opensuse | cloud-user | ec2-user | admin) return 0 ;;
    *) return 1 ;;
  esac
}

# Before anything is changed: can the account be as it is wanted?
check_account() {
  [ "$PX_USER" != root ] || return 0
  uid=$(field /etc/passwd "$PX_USER" 3)
  if [ -n "$uid" ]; then
    gid=$(field /etc/passwd "$PX_USER" 4)
    [ "$uid:$gid" = "$PX_UID:$PX_GID" ] ||
      fail "the user $PX_USER exists with uid $uid and gid $gid, wanted are $PX_UID and $PX_GID; give these, or another user"
    return 0
  fi
  gid=$(field /etc/group "$PX_USER" 3)
  [ -z "$gid" ] || [ "$gid" = "$PX_GID" ] || fail "the group $PX_USER exists with gid $gid, wanted is $PX_GID; give that, or another user"
  other=$(holder /etc/passwd "$PX_UID")
  [ -n "$other" ] || return 0
  is_stock "$other" || [ "$PX_REPLACE" = 1 ] ||
    fail "uid $PX_UID belongs to the user $other; replace_user=true renames that account to $PX_USER; or give another uid, or user=$other"
  gid=$(field /etc/passwd "$other" 4)
  [ "$gid" = "$PX_GID" ] || fail "uid $PX_UID belongs to the user $other, whose gid is $gid, wanted is $PX_GID; give that, or another uid"
}

# Sets home; changed=yes when it was not so.
account() {
  home=/root changed=no
  [ "$PX_USER" != root ] || return 0
  shell=$(command -v bash)
  [ -n "$(field /etc/passwd "$PX_USER" 3)" ] || make_account
  if [ "$(field /etc/passwd "$PX_USER" 7)" != "$shell" ]; then
    usermod -s "$shell" "$PX_USER" || fail "the shell of $PX_USER could not be set"
    changed=yes
  fi
  home=$(field /etc/passwd "$PX_USER" 6)
  if [ ! -d "$home" ]; then
    mkdir -p "$home" || fail "$home could not be made"
    [ ! -d /etc/skel ] || cp -R /etc/skel/. "$home"
    chown -hR "$PX_UID:$PX_GID" "$home" || fail "$home could not be given to $PX_USER"
    changed=yes
  fi
  for folder in "$home" "$home/.ssh"; do
    if [ -d "$folder" ] && [ ! -h "$folder" ] && [ "$(stat -c %u "$folder")" != "$PX_UID" ]; then
      chown -h "$PX_UID:$PX_GID" "$folder" || fail "$folder could not be given to $PX_USER"
      changed=yes
    fi
  done
  [ $changed = no ] || did user
}

make_account() {
  changed=yes
  other=$(holder /etc/passwd "$PX_UID")
  if [ -n "$other" ]; then
    echo "renaming the account $other to $PX_USER"
    usermod -l "$PX_USER" -d "/home/$PX_USER" -m "$other" ||
      fail "the account $other could not be renamed to $PX_USER; is somebody logged in with it?"
    [ "$(field /etc/group "$other" 3)" != "$PX_GID" ] || groupmod -n "$PX_USER" "$other" || fail "the group $other could not be renamed"
    # What the image gave its first user, a password or groups of administrators, is not for one whom an egress policy restricts.
    ! restricted || usermod -p '*' -G '' "$PX_USER" || fail "the groups of $PX_USER could not be set"
    return 0
  fi
  [ -n "$(holder /etc/group "$PX_GID")" ] || groupadd -g "$PX_GID" "$PX_USER" || fail "the group $PX_USER could not be made"
  # The password * fits nobody, while the usual ! would lock the account, for keys too where sshd does without PAM.
  useradd -m -u "$PX_UID" -g "$PX_GID" -s "$shell" -p '*' "$PX_USER" || fail "the user $PX_USER could not be made"
}

# PX_KEYS is the script of `access_keys.py`.
keys() {
  export PX_KEY PX_HOME=/root
  sh -c "$PX_KEYS"
  case $? in 0) ;; 10) did root_key ;; *) fail "the key could not be written for root" ;; esac
  [ "$PX_USER" != root ] || return 0
  PX_HOME=$home
  # Below a policy it can be no way to more than the user has: whoever waits for it may trace it, as it is the user's own process.
  set --
  if restricted; then
    command -v setpriv >/dev/null || fail "there is no setpriv, of util-linux, without which nothing may run as $PX_USER below a policy"
    set -- setpriv --no-new-privs
  fi
  # A session of its own: what runs as the user gets no hold of root's terminal.
  setsid "$@" su -s /bin/sh -c "$PX_KEYS" "$PX_USER" </dev/null
  case $? in 0) ;; 10) did user_key ;; *) fail "the key could not be written for $PX_USER" ;; esac
}

valid_sudoers() { visudo -cqf "$1"; }

# Before anything is changed: may the user have the right that is asked for? Without being asked for it, it goes by the egress policy.
check_rights() {
  if [ "$PX_USER" != root ] && [ "$PX_SUDO" = 1 ] && restricted; then
    fail "the egress policy of this container leaves its user no root; leave sudo out, or set the mode unrestricted first (network_set)"
  fi
}

# This user's right and nobody else's: root needs none, and another user keeps its own unless the policy leaves it to none.
sudo_rights() {
  [ "$PX_USER" != root ] || return 0
  file=/etc/sudoers.d/pixels
  if restricted || { [ "$PX_SUDO" = 0 ] && grep -q "^$PX_USER " "$file" 2>/dev/null; }; then
    if [ -e "$file" ]; then rm -f "$file" || fail "$file cannot be removed"; did sudo; fi
    return 0
  fi
  [ "$PX_SUDO" != 0 ] || return 0
  put "$file" 440 "$PX_USER ALL=(ALL:ALL) NOPASSWD: ALL" valid_sudoers || fail "the rights of $PX_USER could not be written to $file"
  [ $wrote = no ] || did sudo
}
"""
