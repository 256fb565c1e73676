# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether ssh has said, in its last words, that the host does not let the key in. Then it is certain that nothing was run there.

Others may say the same of other hosts: a gateway on the way, and what a login profile starts.
"""

from __future__ import annotations

import re


def is_refused(said: str, user: str | None, host: str | None) -> bool:
    """`said` is standard error of an ssh that was to log in as the user there, perhaps behind a text of Ansible's own."""
    if not user or not host:
        return False
    whom = re.escape(f"{user}@{host}")
    return re.search(rf"(?:^|\s){whom}: Permission denied \([a-z0-9,@.-]*\)\.\s*\Z", said, re.MULTILINE) is not None
