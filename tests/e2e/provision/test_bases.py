# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A golden base, from the plan to the canary: built, killed midway, refused by its test, published, cloned, changed, built anew."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from killing import Killer
from playbook import Playbooks, PlayRun
from running_lab import RunningLab

# The first run of the script hangs, until somebody kills it; what it has done is still there then.
DEFINITION = """\
description: A base for this test.
packages: [tree]
script: |
  echo run >>/var/tmp/runs
  [ "$(wc -l </var/tmp/runs)" != 1 ] || sleep 600
  echo FLAVOUR >/etc/flavour
script_user: root
tests:
  - tree --version
  - id -un; cat /etc/flavour; echo 'the end of it' >&2; test -e /var/tmp/good
"""


def incus(lab: RunningLab, *words: str, check: bool = True) -> str:
    """Behind the back of everything that is tested."""
    environment = {"INCUS_DIR": lab.env["INCUS_DIR"], "PATH": "/usr/bin:/bin:/usr/sbin:/sbin:/opt/incus/bin", "HOME": "/root"}
    done = subprocess.run(
        ["incus", *words], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0 or not check, done.stderr
    return done.stdout


class Bases:
    """The playbooks with this test's own definition."""

    def __init__(self, playbook: Playbooks, lab: RunningLab, folder: Path) -> None:
        self.playbook, self.lab, self.file = playbook, lab, folder / "tiny.yml"
        self.define("plain")

    def define(self, flavour: str, **replaced: str) -> None:
        text = DEFINITION.replace("FLAVOUR", flavour)
        for old, new in replaced.items():
            text = text.replace(old, new)
        self.file.write_text(text)

    def build(self, *, check: bool = False, **more: object) -> PlayRun:
        return self.playbook("base_build", check=check, definition=str(self.file), **more)

    @property
    def state(self) -> dict[str, str]:
        found = self.playbook("base_list", definition=str(self.file)).succeeded()
        return {entry["name"]: entry["state"] for entry in found.last("base_info")["bases"]}

    @property
    def checkpoints(self) -> list[str]:
        return [name for name in self.lab.snapshots() if name.endswith("@pixels-ready")]

    def flavour(self, container: str) -> str:
        return incus(self.lab, "exec", f"px-{container}", "--", "cat", "/etc/flavour").strip()


@pytest.fixture(scope="module")
def bases(playbook: Playbooks, real_lab: RunningLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bases]:
    real_lab.reset()
    yield Bases(playbook, real_lab, tmp_path_factory.mktemp("bases"))
    playbook("destroy", container="held,guarded,canary,late,tiny,tiny-next", dependents="promote")


def test_check_mode_shows_the_plan_and_makes_nothing(bases: Bases) -> None:
    since = bases.lab.mark()
    run = bases.build(check=True).succeeded()
    assert run.changed == 0 and bases.lab.changes(since) == []
    for line in ("tiny: missing; build", "make tiny of", "install and run: tree, its script", "test: tree --version", "publish tiny:ready"):
        assert line in run.stdout


def test_one_that_is_killed_midway_is_half_built(bases: Bases) -> None:
    killer = Killer(bases.playbook, "base_build", {"definition": str(bases.file)})
    try:
        until = time.monotonic() + 300
        while incus(bases.lab, "exec", "px-tiny", "--", "cat", "/var/tmp/runs", check=False) != "run\n":
            assert killer.running and time.monotonic() < until, killer.output()
            time.sleep(0.3)
    finally:
        killer.kill()
    assert bases.state == {"tiny": "half-built"}
    assert bases.checkpoints == []
    refused = bases.playbook("create", container="canary", **{"from": "tiny:ready"})
    assert refused.rc == 2 and "no checkpoint ready" in refused.failures()[-1]


def test_a_test_that_fails_publishes_nothing_and_is_told(bases: Bases) -> None:
    """It goes on in the container that the killed one has left."""
    run = bases.build()
    assert run.rc == 2
    told = run.failures()[-1]
    assert "tiny was not published: the test id -un; cat /etc/flavour" in told
    assert "Its exit status is 1" in told and "pixel\nplain\nthe end of it" in told, told
    assert bases.state == {"tiny": "half-built"}
    assert bases.checkpoints == []
    assert incus(bases.lab, "exec", "px-tiny", "--", "cat", "/var/tmp/runs") == "run\nrun\n", "it was not the same container"


def test_the_next_run_repairs_it(bases: Bases) -> None:
    incus(bases.lab, "exec", "px-tiny", "--", "touch", "/var/tmp/good")
    run = bases.build().succeeded()
    assert "tiny:ready is published" in run.stdout
    assert bases.state == {"tiny": "published"}
    assert len(bases.checkpoints) == 1
    assert bases.lab.instances()["px-tiny"]["status"] == "STOPPED"


def test_twice_changes_nothing_and_starts_nothing(bases: Bases) -> None:
    since = bases.lab.mark()
    run = bases.build().succeeded()
    assert run.changed == 0 and bases.lab.changes(since) == []
    assert "nothing to do" in run.stdout


def test_a_canary_has_what_was_built_and_is_no_base(bases: Bases) -> None:
    run = bases.playbook("create", container="canary", provision=True, **{"from": "tiny:ready"}).succeeded()
    assert run.last("container")["container"]["labels"] == {}
    assert bases.flavour("canary") == "plain"
    assert "tree" in bases.playbook("exec", container="canary", cmd="tree --version").succeeded().stdout
    assert (
        incus(bases.lab, "exec", "px-canary", "--", "sh", "-c", "ls /var/cache/apt/archives/*.deb /tmp/tmp.* 2>/dev/null", check=False)
        == ""
    )


def test_a_changed_definition_is_told_and_changes_nothing(bases: Bases) -> None:
    bases.define("sour", **{"!= 1 ] || sleep 600": "= 1 ]"})
    assert bases.state == {"tiny": "definition changed"}
    since = bases.lab.mark()
    run = bases.build().succeeded()
    assert run.changed == 0 and bases.lab.changes(since) == []
    assert "rebuild=true builds it anew" in run.stdout


def test_the_old_one_stays_when_the_new_one_fails_its_test(bases: Bases) -> None:
    before = bases.checkpoints
    run = bases.build(rebuild=True)
    assert run.rc == 2 and "the end of it" in run.failures()[-1]
    assert bases.state == {"tiny": "definition changed", "tiny-next": "half-built, to replace tiny"}
    assert bases.checkpoints == before


def test_built_anew_it_takes_the_place_and_its_clone_lives_on(bases: Bases) -> None:
    """In the container beside, which has been mended meanwhile."""
    incus(bases.lab, "exec", "px-tiny-next", "--", "sh", "-c", "touch /var/tmp/good; rm /var/tmp/runs")
    bases.build(rebuild=True).succeeded()
    assert bases.state == {"tiny": "published"}
    assert set(bases.lab.instances()) == {"px-tiny", "px-canary"}
    assert bases.flavour("canary") == "plain", "a clone of the old one"
    assert bases.build().succeeded().changed == 0
    late = {"name": "late", "from": "tiny:ready", "wait_for": "none"}
    bases.playbook.tasks({"name": "A clone of the new one", "pixels.sandbox.container": late}).succeeded()
    assert bases.flavour("late") == "sour"


def test_one_with_a_role_and_a_policy_is_tested_as_its_clones_will_be(bases: Bases, tmp_path: Path) -> None:
    tasks = tmp_path / "roles" / "flavouring" / "tasks"
    tasks.mkdir(parents=True)
    (tasks / "main.yml").write_text(
        '- name: Flavour it\n  ansible.builtin.copy: {content: "of a role", dest: /etc/flavour, mode: "0644"}\n'
    )
    definition = tmp_path / "guarded.yml"
    definition.write_text(
        "from: tiny:ready\nrole: flavouring\ntests:\n"
        "  - grep -x 'of a role' /etc/flavour\n  - '! sudo -n true'\n  - '! getent hosts two.example.org'\n"
    )
    asked = {
        "definition": str(definition),
        "egress": "allowlist",
        "allow": ["one.example.org"],
        "env": {"ANSIBLE_ROLES_PATH": str(tasks.parents[1])},
    }
    run = bases.playbook("base_build", **asked).succeeded()
    assert "guarded:ready is published" in run.stdout and [len(done.get("results", [])) for done in run.of("exec", skipped=False)] == [3, 0]
    since = bases.lab.mark()
    assert bases.playbook("base_build", **asked).succeeded().changed == 0 and bases.lab.changes(since) == []
    listed = bases.playbook("base_list", definition=str(definition)).succeeded().last("base_info")["bases"]
    assert {entry["name"]: entry["state"] for entry in listed}["guarded"] == "published"
    assert bases.playbook("base_build", definition=str(definition)).succeeded().changed == 0
    run = bases.playbook("base_build", definition=str(definition), rebuild=True, check=True).succeeded()
    assert "put in force: egress allowlist, and allow one.example.org, as before" in run.stdout
    made = bases.playbook("create", container="held", **{"from": "guarded:ready"}).succeeded()
    assert made.last("container")["container"]["egress"] == "allowlist"
    policy = bases.playbook("network_show", container="held").succeeded().last("egress_info")["egress"]
    assert (policy["mode"], policy["allow"], policy["in_force"]) == ("allowlist", ["one.example.org"], True)
    assert bases.flavour("held") == "of a role"
    bases.playbook("destroy", container="held,guarded").succeeded()


def test_nothing_is_left_when_all_are_destroyed(bases: Bases) -> None:
    bases.playbook("destroy", container="tiny,canary,late").succeeded()
    assert bases.lab.instances() == {}
    assert [name for name in [*bases.lab.datasets(), *bases.lab.snapshots()] if "tiny" in name or "canary" in name] == []
