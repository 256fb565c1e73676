# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A lease is over with its process, also while that is still listed because nobody has taken notice of its end."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import lease


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="what processes there are is told by /proc")
def test_a_killed_process_whose_parent_has_not_noticed_is_over() -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    token = lease.token(process.pid)
    assert not lease.is_over(token)
    process.kill()
    # Not waited for, so that it stays listed.
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert os.path.exists(f"/proc/{process.pid}/stat") and lease.is_over(token)
    process.wait()
    assert lease.is_over(token)


def test_since() -> None:
    assert abs((lease.since(lease.token()) or 0) - time.time()) < 60
    assert lease.since("nonsense") is None
