# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The part of a container's identity script that carries the rules of `identity_scrub.py` out: one shell function for each verb, and the
walk to what matches. See `identity_shell.py`, which it is a part of.
"""

from __future__ import annotations

ENGINE = r"""
# What a rule's verb does with a name in the current directory.

# Mounted by the appliance, it belongs to more than this container.
is_ours() {
  for mount in $mounts; do
    case ${PWD%/}/$1/ in "$mount"/*) say "${PWD%/}/$1 is mounted and is left alone"; return 1 ;; esac
  done
}

gone() { if [ -e "$1" ] || [ -h "$1" ]; then trouble "${PWD%/}/$1 cannot be removed"; else say "removed ${PWD%/}/$1"; fi; }

# Leaves what is mounted below it, and the directories on the way there.
empty_out() {
  find "./$1" -xdev ! -type d -exec rm -f -- '{}' + || return 1
  find "./$1" -xdev -depth -type d ! -path "./$1" -exec rmdir -- '{}' + 2>/dev/null
  return 0
}

remove() {
  is_ours "$1" || return 0
  if [ ! -d "$1" ] || [ -h "$1" ]; then rm -f -- "./$1"
  elif empty_out "$1"; then rmdir -- "./$1"
  fi
  gone "$1"
}

# All that match a pattern at once.
remove_files() {
  for entry in "$@"; do
    shift
    if [ -d "$entry" ] && [ ! -h "$entry" ]; then remove "$entry"
    elif { [ -e "$entry" ] || [ -h "$entry" ]; } && is_ours "$entry"; then set -- "$@" "./$entry"
    fi
  done
  [ $# -gt 0 ] || return 0
  rm -f -- "$@"
  for entry in "$@"; do gone "${entry#./}"; done
}

is_folder() { [ -d "$1" ] && [ ! -h "$1" ] && is_ours "$1"; }

clear() {
  is_folder "$1" || return 0
  for entry in "$1"/* "$1"/.[!.]* "$1"/..?*; do
    [ -e "$entry" ] || [ -h "$entry" ] || continue
    if empty_out "$1"; then say "cleared ${PWD%/}/$1"
    else trouble "${PWD%/}/$1 cannot be cleared"
    fi
    return 0
  done
}

empty() {
  is_folder "$1" || return 0
  # shellcheck disable=SC2016
  if find "./$1" -xdev -type f \( -name '*.gz' -o -name '*.xz' -o -name '*.zst' -o -name '*.old' -o -name '*.[0-9]' \) \
    -exec rm -f -- '{}' + &&
    find "./$1" -xdev -type f -size +0c ! -name pixels-identity.log -exec sh -c 'for file; do : >"$file" || exit; done' sh '{}' +
  then say "emptied ${PWD%/}/$1"
  else trouble "${PWD%/}/$1 cannot be emptied"
  fi
}

private() {
  if [ -S "$1" ]; then remove "$1"
  elif is_file "$1" && grep -q -E '^(-----BEGIN .*PRIVATE KEY|PuTTY-User-Key-File)' -- "./$1"; then remove "$1"
  fi
}

# Through the filter $2; a file that it cannot cope with goes. Written in place, it keeps its owner and its mode.
rewrite() {
  is_file "$1" || { remove "$1"; return; }
  is_ours "$1" || return 0
  room "$scratch"
  if "$2" <"./$1" >"$scratch" && cmp -s "./$1" "$scratch"; then return 0; fi
  if [ -s "$scratch" ] && cat "$scratch" >"./$1"; then say "took out of ${PWD%/}/$1"; else remove "$1"; fi
}

without_tokens() { sed -E '/(_auth|_authToken|_password|npmAuthToken|npmAuthIdent)[^[:alnum:]_-]/d'; }
tokens() { rewrite "$1" without_tokens; }

# A flat object becomes null and a text empty, so it stays JSON however it is laid out. No text of JSON has a carriage return in it.
without_account() {
  tr '\n' '\r' |
    sed -E -e 's/("oauthAccount"[[:space:]]*:[[:space:]]*)\{[^{}]*\}/\1null/g' \
      -e 's/("(primaryApiKey|accessToken|refreshToken)"[[:space:]]*:[[:space:]]*)"([^"\\]|\\.)*"/\1""/g' | tr '\r' '\n'
}
account() {
  rewrite "$1" without_account
  is_file "$1" || return 0
  if grep -q -E '"(oauthAccount"[[:space:]]*:[[:space:]]*\{|primaryApiKey"[[:space:]]*:[[:space:]]*"[^"])' -- "./$1"; then remove "$1"; fi
}

only_ours() { [ -z "$access" ] || grep -e "^$access\$" -e "^$access " || :; }
strangers() { rewrite "$1" only_ours; }

# Rules

# A link to a directory counts when it is root's, or when its owner could go there without it.
is_followed() {
  if [ ! -h "$1" ] || [ "$(stat -c %u -- "./$1")" = "$(id -u)" ]; then return 0; fi
  case $(cd -P "./$1" 2>/dev/null && pwd)/ in "$within"/?*) return 0 ;; esac
  say "the link ${PWD%/}/$1 is not followed"
  return 1
}

# Whether there can be something of that path at all: most are not there.
is_there() {
  certain=${1%%[*?]*}
  case $certain in
    "$1") [ -e "$1" ] || [ -h "$1" ] ;;
    */*) [ -d "${certain%/*}" ] ;;
  esac
}

# Gives to the verb $1 what matches the path $2 below the current directory.
each() {
  # shellcheck disable=SC2086
  case $1:$2 in
    *:*/*)
      set -- "$1" "$2" "$PWD"
      for entry in ${2%%/*}; do
        if [ -d "$entry" ] && is_followed "$entry" && cd -P "./$entry"; then
          each "$1" "${2#*/}"
          cd "$3" || exit 1
        fi
      done ;;
    remove:*) remove_files $2 ;;
    *) for entry in $2; do
        if [ -e "$entry" ] || [ -h "$entry" ]; then "$1" "$entry" || trouble "${PWD%/}/$entry: $1 does not work"; fi
      done ;;
  esac
}

# The rules $2 whose paths begin with $1, which the directory $3 stands for.
apply() {
  cd -P "$3" || { trouble "$3 cannot be entered"; return; }
  within=$PWD
  [ "$1" != / ] || within=/nowhere
  set -f
  for rule in $2; do
    set +f
    path=${rule#* }
    path=${path#* }
    case ,$scrub,:$path in
      *,"${rule%% *}",*:"$1"*)
        rule=${rule#* }
        if is_there "${path#"$1"}"; then each "${rule%% *}" "${path#"$1"}"; fi ;;
    esac
  done
  set +f
  cd /
}

# The home of root and of every account that somebody or something works with, and what is left of removed ones.
find_homes() {
  homes=$nl
  if is_file "$root/etc/passwd"; then
    while IFS=: read -r _ _ uid _ _ home shell; do
      case $uid in '' | *[!0-9]* | 65534) continue ;; esac
      case $home in '' | / | [!/]* | */../* | /bin* | /sbin* | /usr* | /dev* | /proc* | /run* | /nonexistent*) continue ;; esac
      case $shell in */nologin | */false) [ "$uid" -ge 1000 ] || continue ;; esac
      add_home "$root${home%/}"
    done <"$root/etc/passwd"
  fi
  for home in "$root"/root "$root"/home/*; do add_home "$home"; done
}

add_home() { case $homes in *"$nl$1$nl"*) ;; *) [ ! -d "$1" ] || homes=$homes$1$nl ;; esac; }

# More patterns, from whoever prepared the source.
own_rules() {
  for file in "$root"/etc/pixels/scrub.d/*.list; do
    is_file "$file" || continue
    while read -r path || [ -n "$path" ]; do
      case $path in
        '' | '#'*) ;;
        *..* | */) say "$file: $path is passed over: a pattern ends in a name and has no .. in it" ;;
        "~/"?* | /?*/?*) rules="$rules${nl}own remove $path" ;;
        *) say "$file: $path is passed over: a pattern begins with ~/ or with a directory" ;;
      esac
    done <"$file"
  done
}
"""
