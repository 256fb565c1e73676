# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whose work something half-made is, and whether that is still going on."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import labels, lease


def test_our_own_is_ours_and_not_over() -> None:
    token = lease.token()
    assert lease.is_mine(token) and not lease.is_over(token)
    assert abs((lease.since(token) or 0) - time.time()) < 60


def test_it_is_fit_for_the_name_of_a_snapshot() -> None:
    token = lease.token()
    assert labels.token_of(labels.temporary_name(token)) == token
    assert len(labels.temporary_name(token)) < 100 and re.fullmatch(r"[a-z0-9-]+", token)


def test_another_process_is_at_it_until_it_is_gone() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    token = lease.token(process.pid)
    assert not lease.is_mine(token) and not lease.is_over(token)
    process.kill()
    process.wait()
    assert lease.is_over(token)


def test_a_killed_process_that_nobody_has_waited_for() -> None:
    """A zombie works on nothing, whatever its entry in the process table says."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    token = lease.token(process.pid)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    try:
        assert lease.is_over(token)
    finally:
        process.wait()


def test_a_process_number_that_is_used_again_is_another_process() -> None:
    host, pid, started, stamp = lease.token().split("-")
    assert lease.is_over("-".join([host, pid, str(int(started) + 1), stamp]))


@pytest.mark.parametrize(("age", "over"), [(0, False), (lease.PATIENCE - 1, False), (lease.PATIENCE + 1, True)])
def test_that_of_another_machine_counts_for_a_while(age: float, over: bool) -> None:
    assert lease.is_over("00000000-1-1-1000000", now=1_000_000 + age) is over


@pytest.mark.parametrize("text", ["", "x", "00000000-1-1", "zzzzzzzz-1-1-1", "00000000-1-1-1-1", "00000000-a-1-1"])
def test_what_is_no_token_is_nobodys(text: str) -> None:
    assert lease.is_over(text) and not lease.is_mine(text)
    assert lease.since(text) is None


def test_which_machine_it_is_of() -> None:
    """Of another one nothing can be seen; what is no token is of none."""
    token = lease.token()
    other = ("0" if token[0] != "0" else "1") + token[1:]
    assert [lease.is_elsewhere(text) for text in (token, other, "", "alpha")] == [False, True, False, False]
