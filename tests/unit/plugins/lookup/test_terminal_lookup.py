# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether there is a terminal is one answer, the same that the console goes by."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from ansible.errors import AnsibleLookupError

from ansible_collections.pixels.sandbox.plugins.lookup import terminal
from ansible_collections.pixels.sandbox.plugins.plugin_utils.terminal import NoTerminal


@pytest.mark.parametrize("there", [True, False])
def test_it_says_what_the_console_would_find(monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    @contextlib.contextmanager
    def of_parent() -> Iterator[None]:
        if not there:
            raise NoTerminal("standard input is no terminal")
        yield

    monkeypatch.setattr(terminal, "of_parent", of_parent)
    assert terminal.LookupModule().run([]) == [there]


def test_in_a_job_of_awx_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWX_ISOLATED_DATA_DIR", "/runner")
    assert terminal.LookupModule().run([]) == [False]


def test_it_takes_no_terms() -> None:
    with pytest.raises(AnsibleLookupError, match="nothing to be named"):
        terminal.LookupModule().run(["x"])
