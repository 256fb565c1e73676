# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was typed behind `-e cmd=` is the command, whatever Ansible makes of it."""

from __future__ import annotations

import pytest
from ansible.parsing.splitter import parse_kv

from ansible_collections.pixels.sandbox.plugins.lookup.typed import as_typed


@pytest.mark.parametrize(
    "command",
    [
        "ls -la",
        "ls",
        "git log --format=%h",
        "env A=1 B='x y' printenv",
        "make A=1",
        "echo  two   blanks",
        "echo back\\nslash",
        "'my program' --option",
        "docker ps --format '{{.Names}}'",
        "sh -c 'echo \"$HOME\"; ls | wc -l'",
    ],
)
def test_the_rest_of_the_option_is_the_command(command: str) -> None:
    option = f"cmd={command}"
    assert as_typed("cmd", parse_kv(option)["cmd"], ["name=task1", option]) == command


@pytest.mark.parametrize("option", ["cmd='ls -la'", "cmd='ls -la' name=task1", 'cmd="ls -la"'])
def test_value_that_is_quoted_as_a_whole_is_read_by_ansible(option: str) -> None:
    assert parse_kv(option)["cmd"] == "ls -la"
    assert as_typed("cmd", "ls -la", [option]) is None


@pytest.mark.parametrize("typed", [[], ["name=task1"], ['{"cmd": "ls -la"}'], ["@file"], ["name=task1 cmd='ls -la'"]])
def test_what_was_not_typed_so_is_read_by_ansible(typed: list[str]) -> None:
    assert as_typed("cmd", "ls -la", typed) is None


def test_last_one_typed_counts() -> None:
    assert as_typed("cmd", "pwd", ["cmd=ls -la", "cmd=pwd -P"]) == "pwd -P"


def test_another_source_that_came_later_counts() -> None:
    assert as_typed("cmd", "date", ["cmd=ls -la", '{"cmd": "date"}']) is None
