"""What holds for every playbook: phases that can be chosen with tags, and results for whoever called."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
PLAYBOOKS = sorted((ROOT / "playbooks").glob("*.yml"))
TASKS = sorted([*(ROOT / "roles").glob("*/tasks/*.yml"), *(ROOT / "awx" / "tasks").glob("*.yml")])
DYNAMIC = ("ansible.builtin.include_role", "ansible.builtin.include_tasks")

# One piece of work each, from making what is worked in to clearing it away. A part alone would leave behind what another part removes.
WHOLE = {"agent_run", "base_build", "fleet"}
# Each step needs what the one before has found, so that none is a phase.
ALWAYS = {"awx_load"}


def _tasks(entries: list[dict[str, Any]], tags: frozenset[str] = frozenset()) -> Iterator[tuple[dict[str, Any], frozenset[str]]]:
    """Each task, and the tags that hold for it."""
    for entry in entries:
        own = entry.get("tags", [])
        mine = tags | frozenset([own] if isinstance(own, str) else own)
        inner = [task for part in ("pre_tasks", "tasks", "post_tasks", "block", "rescue", "always") for task in entry.get(part, [])]
        if inner:
            yield from _tasks(inner, mine)
        else:
            yield entry, mine


def _read(path: Path) -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return loaded


@pytest.mark.parametrize("path", [*PLAYBOOKS, *TASKS], ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_included_has_the_tags_of_what_includes_it(path: Path) -> None:
    """The tags of an include are those of the include alone: a chosen phase would say that it is included, and do nothing."""
    wrong = []
    for task, _tags in _tasks(_read(path)):
        for name in DYNAMIC:
            given = task.get(name)
            applied = (given.get("apply") or {}).get("tags", []) if isinstance(given, dict) else []
            if name in task and applied != task.get("tags", []):
                wrong.append(f"{task['name']}: tags {task.get('tags', [])}, applied {applied}")
    assert wrong == []


@pytest.mark.parametrize("path", PLAYBOOKS, ids=lambda path: path.stem)
def test_every_task_belongs_to_a_phase(path: Path) -> None:
    found = list(_tasks(_read(path)))
    phases = frozenset[str]().union(*(tags for _task, tags in found)) - {"always"}
    if path.stem in WHOLE:
        assert not any(tags for _task, tags in found), "part of it could be chosen"
        return
    assert [task["name"] for task, tags in found if not tags] == []
    assert bool(phases) is (path.stem not in ALWAYS)


@pytest.mark.parametrize("path", PLAYBOOKS, ids=lambda path: path.stem)
def test_every_playbook_leaves_results_and_its_head_names_them(path: Path) -> None:
    left: set[str] = set()
    for task, tags in _tasks(_read(path)):
        found = set(task.get("ansible.builtin.set_stats", {}).get("data", {})) | set(task.get("pixels.sandbox.report", {}).get("stats", {}))
        assert not found or tags != {"report"}, "who wants no table wants the results all the same"
        left |= found
    head = path.read_text(encoding="utf-8").split("\n- name:", 1)[0]
    said = re.search(r"Results for workflows and callers \(set_stats\):(.*)", head, re.DOTALL)
    assert left and said is not None
    assert left <= set(re.findall(r"pixels_\w+", said[1]))


def test_a_template_asks_for_tags_only_where_there_are_phases() -> None:
    awx = yaml.safe_load((ROOT / "awx" / "job_templates.yml").read_text(encoding="utf-8"))
    for template in awx["job_templates"]:
        asked = {**awx["job_template_defaults"], **template}
        for kind in ("ask_tags_on_launch", "ask_skip_tags_on_launch"):
            assert asked[kind] is (Path(template["playbook"]).stem not in WHOLE), f"{template['name']}: {kind}"
