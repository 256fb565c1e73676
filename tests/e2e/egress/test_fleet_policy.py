"""A fleet is restricted where the configuration says that containers are, before its workers have anything to do."""

from __future__ import annotations

import json
from pathlib import Path

from playbook import Playbooks
from running_lab import RunningLab

LOOK = ["sh", "-c", "grep NoNewPrivs /proc/self/status; grep -o allowlist /etc/egress/policy.json; sudo -n true || echo no root"]


def test_workers_are_restricted_before_their_job(playbook: Playbooks, real_lab: RunningLab, tmp_path: Path) -> None:
    results = tmp_path / "results"
    restricted = {"PIXELS_NETWORK_EGRESS": "allowlist"}
    playbook("fleet", name="epolicy", argv=LOOK, results=str(results), env=restricted).succeeded()
    assert (results / "epolicy" / "stdout.log").read_text().split("\n")[:3] == ["NoNewPrivs:\t1", "allowlist", "no root"]
    assert json.loads((results / "epolicy" / "result.json").read_text())["exit_status"] == 0
    assert "px-epolicy" not in real_lab.instances()


def test_one_that_stays_is_known_by_its_policy(playbook: Playbooks, real_lab: RunningLab, tmp_path: Path) -> None:
    asked = {"name": "ekept", "argv": LOOK, "results": str(tmp_path / "results"), "egress": "allowlist", "keep": "always"}
    playbook("fleet", **asked).succeeded()
    info = {"name": "Look", "pixels.sandbox.container_info": {"name": "ekept"}}
    (kept,) = playbook.tasks(info).succeeded().last("container_info")["containers"]
    playbook("destroy", container="ekept").succeeded()
    assert (kept["egress"], kept["owner"]) == ("allowlist", "fleet-kept")


def test_a_mode_that_there_is_not_is_refused_before_anything_is_made(playbook: Playbooks, real_lab: RunningLab, tmp_path: Path) -> None:
    since = real_lab.mark()
    run = playbook("fleet", name="epolicy", argv=LOOK, results=str(tmp_path / "results"), egress="closed")
    assert run.rc == 2 and "egress is unrestricted, agent, allowlist or learn" in run.failures()[0]
    assert real_lab.changes(since) == []
