# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One account's authorized_keys, as a shell script that runs with the rights of that account (PX_HOME, PX_KEY).

It ends with 0 when nothing was to do, with 10 when something was. No link is followed, one that is in the way makes room. A line with
our key and options in front of it would restrict us, so it goes as well; all other lines stay.
"""

from __future__ import annotations

KEYS = r"""
set -u
umask 077
dir=$PX_HOME/.ssh file=$PX_HOME/.ssh/authorized_keys changed=0 old=
nl="
"
if [ -h "$dir" ]; then rm -f -- "$dir" || exit 1; changed=10; fi
if [ ! -d "$dir" ]; then mkdir -m 700 -- "$dir" || exit 1; changed=10; fi
if [ "$(stat -c %a "$dir")" != 700 ]; then chmod 700 "$dir" || exit 1; changed=10; fi
if [ -h "$file" ]; then rm -f -- "$file" || exit 1; changed=10; fi
if [ -e "$file" ]; then
  [ -f "$file" ] || { echo "$file is no file" >&2; exit 1; }
  # What its owner may not read, sshd does not either: it lets nobody in, but is not ours to throw away.
  old=$(cat -- "$file") || { mv -f -- "$file" "$file.unreadable" || exit 1; old=; changed=10; }
fi
blob=${PX_KEY#* } blob=${blob%% *}
bare=${PX_KEY%% *}" "$blob
count=$(printf "%s\n" "$old" | grep -cF -- "$blob")
case $nl$old$nl in *"$nl$bare$nl"* | *"$nl$bare "*) ;; *) count=0 ;; esac
if [ "$count" != 1 ]; then
  kept=$(printf "%s\n" "$old" | grep -vF -- "$blob")
  new=$(mktemp "$dir/.authorized_keys.XXXXXX") || exit 1
  printf "%s\n" "$kept${kept:+$nl}$PX_KEY" >"$new" && chmod 600 "$new" && mv -f -- "$new" "$file" ||
    { rm -f -- "$new"; exit 1; }
  changed=10
elif [ "$(stat -c %a "$file")" != 600 ]; then
  chmod 600 "$file" || exit 1
  changed=10
fi
exit $changed
"""
