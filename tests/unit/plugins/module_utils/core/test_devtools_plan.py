# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When the service is started, and when nothing is touched."""

from __future__ import annotations

import ast
import re
import sys
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core.devtools_plan import INSIDE
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError
from ansible_collections.pixels.sandbox.plugins.module_utils.inside import devtools_places as places
from ansible_collections.pixels.sandbox.plugins.module_utils.inside.devtools_state import digest_of
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.devtools_facts import after, asked, facts


def test_from_nothing() -> None:
    made = asked()
    assert (made.changed, made.request["start"], made.status) == (True, True, "pending") and made.why == ["nothing was asked for before"]
    assert made.before == {} and made.after["tools"]["claude-code"] and made.request["wish"]["digest"] == digest_of(made.request["wish"])


@pytest.mark.parametrize("status", ["pending", "running", "done"])
def test_what_is_fulfilled_or_being_fulfilled_is_left_alone(status: str) -> None:
    made = asked(after(asked(), status))
    assert (made.changed, made.request["start"], made.status, made.why) == (False, False, status, [])


STARTED: dict[str, tuple[dict[str, Any], str]] = {
    "failed": ({"status": "failed"}, r"it failed \(mise: the reason\)"),
    "stuck": ({"status": "running", "active": False}, "it is running, but nothing is at work"),
    "never started": ({"status": "pending", "active": False}, "it is pending, but nothing is at work"),
    "something lost": ({"lacks": ["claude"]}, "missing: claude"),
    "no state": ({"known": False, "state": None}, "not known"),
    "damaged wish": ({"wish": None}, "nothing was asked for"),
}


@pytest.mark.parametrize("name", list(STARTED))
def test_what_went_wrong_is_started_again(name: str) -> None:
    changes, why = STARTED[name]
    made = asked(after(asked(), **changes))
    assert made.changed and made.request["start"] and made.status == "pending"
    assert len(made.why) == 1 and re.search(why, made.why[0])


def test_something_else_is_asked_for() -> None:
    made = asked(after(asked()), install=["node"])
    assert made.changed and made.request["start"] and made.before["tools"] != made.after["tools"] == {"node": made.after["tools"]["node"]}


def test_another_program_is_put_there_without_starting_it() -> None:
    found = after(asked())
    found["files"][places.UNIT_FILE] = "644:other"
    made = asked(found)
    assert (made.changed, made.request["start"], made.why) == (True, False, ["the program in the container is another one"])
    made = asked(after(asked(), enabled=False))
    assert (made.changed, made.request["start"]) == (True, False)


def test_where_it_cannot_be() -> None:
    with pytest.raises(CoreError, match="Alpine Linux is not run by systemd"):
        asked(facts(system={"systemd": False, "name": "Alpine Linux", "manager": "apk"}))
    with pytest.raises(CoreError, match="none of the package managers apt, dnf and apk"):
        asked(facts(system={"manager": None}))


def test_the_program_has_all_its_parts_and_nothing_else() -> None:
    """What is imported there is the standard library, or a file that is sent along."""
    files = asked().request["files"]
    for name, file in files.items():
        if not name.endswith(".py"):
            continue
        for node in ast.walk(ast.parse(file["content"])):
            if isinstance(node, ast.ImportFrom) and node.level:
                parts = [node.module] if node.module else [alias.name for alias in node.names]
                assert all(f"{places.PROGRAM}/inside/{part}.py" in files for part in parts), (name, parts)
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                modules = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
                known = {*sys.stdlib_module_names, "inside"}
                assert all(str(module).split(".", maxsplit=1)[0] in known for module in modules), (name, modules)
    assert all((INSIDE / f"{part}.py").is_file() for part in places.PARTS)
    assert all(file["mode"] == "0644" for file in files.values())


def test_the_unit_is_bounded() -> None:
    unit = asked(timeout=600).request["files"][places.UNIT_FILE]["content"]
    assert (
        "RuntimeMaxSec=720\n" in unit
        and "@" not in unit.replace("egress-dns@", "")
        and f"ExecStart=/usr/bin/python3 -I -B {places.PROGRAM}\n" in unit
    )
