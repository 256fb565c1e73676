# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Only what ssh says of this login, and says last, is a proof that nothing was run."""

from __future__ import annotations

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core.exec_refused import is_refused

SAID = "pixel@10.0.0.5: Permission denied (publickey)."


@pytest.mark.parametrize(
    "said",
    [
        SAID,
        f"{SAID}\r\n",
        f"Failed to connect to the host via ssh: {SAID}",
        f"Failed to connect to the host via ssh: no such identity: /k: No such file or directory\r\n{SAID}",
        "pixel@10.0.0.5: Permission denied (publickey,gssapi-with-mic,keyboard-interactive).",
        f"the command was not run: the connection ended with status 255 before a shell answered: {SAID}",
    ],
)
def test_the_login_was_refused(said: str) -> None:
    assert is_refused(said, "pixel", "10.0.0.5")


@pytest.mark.parametrize(
    "said",
    [
        "",
        "root@10.0.0.5: Permission denied (publickey).",
        "pixel@10.0.0.55: Permission denied (publickey).",
        "pixel@10x0.0.5: Permission denied (publickey).",
        "xpixel@10.0.0.5: Permission denied (publickey).",
        "root@192.0.2.1: Permission denied (publickey).\r\nConnection closed by UNKNOWN port 65535",
        f"{SAID}\r\nclient_loop: send disconnect: Broken pipe",
        f"{SAID}\nConnection to 10.0.0.5 closed by remote host.",
        "ssh: connect to host 10.0.0.5 port 22: Connection timed out",
        "Host key verification failed.",
        "/bin/sh: 1: x: Permission denied",
    ],
)
def test_nobody_knows(said: str) -> None:
    assert not is_refused(said, "pixel", "10.0.0.5")


@pytest.mark.parametrize(("user", "host"), [(None, "10.0.0.5"), ("pixel", None), ("", "")])
def test_without_knowing_who_was_to_log_in_where_there_is_no_proof(user: str | None, host: str | None) -> None:
    assert not is_refused(SAID, user, host)
