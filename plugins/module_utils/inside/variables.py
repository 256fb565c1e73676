# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Variables for a command that begins behind a login profile.

They travel in the environment under other names, which no profile sets, and get their own right before the command. So what the profile
says does not count more than they do, and they are in nobody's argument list.
"""

from __future__ import annotations

#: For the shell, right before it becomes the command. `_px_names` has a blank behind each.
REVEAL = r"""
while [ -n "$_px_names" ]; do
  eval "export ${_px_names%% *}=\"\$_px_v_${_px_names%% *}\"; unset _px_v_${_px_names%% *}"
  _px_names=${_px_names#* }
done
unset _px_names
"""


def disguised(variables: dict[str, str]) -> dict[str, str]:
    """The same as the shell is to be given them."""
    return {**{f"_px_v_{name}": value for name, value in variables.items()}, "_px_names": "".join(f"{name} " for name in variables)}
