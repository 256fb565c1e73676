# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What reads the user's file of variables when a session begins: the texts, and where they go.

Login shells read /etc/profile.d. A shell that `ssh host command` starts is no login shell: bash reads ~/.bashrc then, of which Debian's
returns early, so the same is asked for on its first lines; zsh reads ~/.zshenv. Units of the user's own systemd get what a generator says.
"""

from __future__ import annotations

from .environment_text import MARK, OF_THE_SHELL, PREFIX

FOLDER = ".pixels"
FILE = "environment"
PROFILE_PLACE = "/etc/profile.d/pixels-env.sh"
GENERATOR_PLACE = "/etc/systemd/user-environment-generators/50-pixels"
SSHD_PLACE = "/etc/ssh/sshd_config.d/50-pixels-env.conf"
SSHD_MAIN = "/etc/ssh/sshd_config"
#: Its files are changed, and the one that runs has not read them yet. A boot removes it, and needs nothing else.
SSHD_PENDING = "/run/pixels-sshd"

# For every shell there is, so nothing but what all of them know is used outside of `eval`. What it needs is called _px_env_*, and is gone
# at the end. Only the user's own file is read: a root that has kept somebody else's HOME must not run what that one has written.
PROFILE = (
    r"""# Written by pixels.sandbox.environment: the variables of ~/.pixels/environment, and those that the session has brought.
_px_env_file=${HOME:-/nonexistent}/@FOLDER@/@FILE@ _px_env_head= _px_env_line=
if [ -f "$_px_env_file" ] && [ -O "$_px_env_file" ] && [ -r "$_px_env_file" ]; then
  { IFS= read -r _px_env_line && IFS= read -r _px_env_head; } <"$_px_env_file" || :
fi
# In a session that has them already they stay as they are, so that they can be given other values there.
if [ "$_px_env_head" != "${@MARK@:+@MARK@=\"$@MARK@\"}" ]; then
  _px_env_rest="${@MARK@:-} "
  _px_env_rest="${_px_env_rest#* }"
  while [ -n "$_px_env_rest" ]; do
    _px_env_line=${_px_env_rest%% *} _px_env_rest=${_px_env_rest#* }
    case $_px_env_line in '' | [0-9]* | *[!A-Za-z0-9_]*) ;; *) unset "$_px_env_line" ;; esac
  done
  unset @MARK@
  if [ -n "$_px_env_head" ]; then
    case $- in *a*) . "$_px_env_file" ;; *) set -a; . "$_px_env_file"; set +a ;; esac
  fi
fi
# What ssh has sent as @PREFIX@NAME is NAME from here on.
if [ -n "${BASH_VERSION:-}" ]; then eval '_px_env_line="${!@PREFIX@@}"'
elif [ -n "${ZSH_VERSION:-}" ]; then eval '_px_env_line="${(k)parameters[(I)@PREFIX@*]}"'
else _px_env_line=$(awk 'BEGIN { for (name in ENVIRON) if (name ~ /^@PREFIX@/) printf "%s ", name }' 2>/dev/null)
fi
_px_env_rest="$_px_env_line "
while [ -n "$_px_env_rest" ]; do
  _px_env_line=${_px_env_rest%% *} _px_env_rest=${_px_env_rest#* }
  case ${_px_env_line#@PREFIX@} in
    '' | [0-9]* | *[!A-Za-z0-9_]* | @REFUSED@) ;;
    *) eval "export ${_px_env_line#@PREFIX@}=\"\$$_px_env_line\"; unset $_px_env_line" ;;
  esac
done
unset _px_env_file _px_env_head _px_env_line _px_env_rest
""".replace("@FOLDER@", FOLDER)
    .replace("@FILE@", FILE)
    .replace("@MARK@", MARK)
    .replace("@PREFIX@@", PREFIX + "@")
    .replace("@PREFIX@", PREFIX)
    .replace("@REFUSED@", " | ".join([*sorted(OF_THE_SHELL), MARK, PREFIX + "*"]))
)

BLOCK = f"""\
# >>> pixels.sandbox.environment: stays at the top, what follows may return early >>>
[ ! -r {PROFILE_PLACE} ] || . {PROFILE_PLACE}
# <<< pixels.sandbox.environment <<<
"""

GENERATOR = f"""\
#!/bin/sh
# Written by pixels.sandbox.environment: gives the user's own systemd the variables of ~/{FOLDER}/{FILE}, which is in its syntax.
file=$HOME/{FOLDER}/{FILE}
[ -f "$file" ] && [ -O "$file" ] && [ -r "$file" ] || exit 0
exec cat "$file"
"""

ACCEPT = f"AcceptEnv {PREFIX}*"
SSHD = f"# Written by pixels.sandbox.environment: variables of single sessions, never written to a disk.\n{ACCEPT}\n"


def with_block(content: bytes) -> bytes:
    """The start-up file with our lines at its top, once; all other lines to the byte as they were."""
    block = BLOCK.encode("ascii")
    ours = set(block.splitlines(keepends=True)) | set(block.splitlines())
    return block + b"".join(line for line in _lines(content) if line not in ours)


def _lines(content: bytes) -> list[bytes]:
    """Split at newlines and nothing else."""
    parts = content.split(b"\n")
    lines = [part + b"\n" for part in parts[:-1]]
    return [*lines, parts[-1]] if parts[-1] else lines
