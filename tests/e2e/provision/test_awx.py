"""Jobs of AWX in real containers: each on a machine that is new, so none knows a host key that another one has pinned."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from awx_job import Jobs
from running_lab import ROOT, RunningLab

BASE = "awxbase"


@pytest.fixture(scope="module")
def credential(real_lab: RunningLab, tmp_path_factory: Any) -> dict[str, Any]:
    key: Path = tmp_path_factory.mktemp("key") / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "awx", "-f", str(key)], check=True)
    return {
        "host": real_lab.host,
        "api_key": real_lab.api_key,
        "ca_certificate": (real_lab.directory / "tls" / "ca.pem").read_text(),
        "ssh_private_key": key.read_text(),
    }


@pytest.fixture(scope="module")
def jobs(credential: dict[str, Any], tmp_path_factory: Any, real_lab: RunningLab) -> Jobs:
    real_lab.reset()
    return Jobs(tmp_path_factory.mktemp("jobs"), credential, {"PIXELS_DEFAULT_IMAGE": real_lab.env["PIXELS_DEFAULT_IMAGE"]})


def test_what_one_job_has_made_the_next_ones_can_work_in(jobs: Jobs, real_lab: RunningLab, credential: dict[str, Any]) -> None:
    done = []

    def job(name: str, **options: Any) -> Any:
        done.append(jobs(name, **options))
        return done[-1].succeeded()

    made = job("Create containers", container=BASE, memory=256, egress="allowlist", allow="one.example.org\ntwo.example.org:8443")
    assert made.artifacts["pixels_names"] == [BASE] and made.artifacts["pixels_addresses"][BASE]
    shown = job("Show what containers may reach", empty=True, container=BASE).artifacts["pixels_egress_policies"][BASE]
    assert (shown["mode"], shown["in_force"], len(shown["allow"])) == ("allowlist", True, 2)
    # A play of one's own in the hosts that AWX has from a source of its inventory.
    source, play = jobs.folder / "fleet.pixels.yml", jobs.folder / "play.yml"
    source.write_text("plugin: pixels.sandbox.pixels\n")
    names = "{{ groups.pixels_running | map('extract', hostvars, 'pixels_name') }}"
    find = {"import_role": {"name": "pixels.sandbox.targets"}, "vars": {"targets_names": names}}
    ask = [{"pixels.sandbox.exec": {"cmd": "hostname"}, "register": "asked"}, {"set_stats": {"data": {"told": "{{ asked.stdout }}"}}}]
    plays = [
        {"hosts": "localhost", "gather_facts": False, "tasks": [find]},
        {"hosts": "pixels_targets", "gather_facts": False, "tasks": ask},
    ]
    play.write_text(json.dumps(plays))
    done.append(jobs.play(str(play), inventory=jobs.synced(source)).succeeded())
    assert done[-1].artifacts["told"].strip().endswith(BASE)
    assert job("Let containers reach more", check=True, container=BASE, domain="three.example.org").changed == 1
    job("Let containers reach more", container=BASE, domain="three.example.org")
    job("Let containers reach less", empty=True, container=BASE, domain="one.example.org")
    found = job("Set what containers may reach", empty=True, container=BASE, mode="allowlist", allow="two.example.org:8443")
    assert found.artifacts["pixels_egress_policies"][BASE]["allow"] == ["two.example.org:8443"]
    job("Take checkpoints", container=BASE, label="ready")
    fleet = job("Run a fleet", container="awx[1:2]", command="hostname", **{"from": f"{BASE}:ready"})
    assert fleet.artifacts["pixels_fleet"] == {"awx1": "done", "awx2": "done"}
    # Where AWX has its copy of the project, which goes with the job.
    shutil.rmtree(ROOT / fleet.artifacts["pixels_results"])
    job("Restore containers", container=BASE, label="ready")

    key = [line for line in credential["ssh_private_key"].splitlines() if len(line) > 60 and "KEY" not in line]
    for entry in done:
        assert [secret for secret in (credential["api_key"], *key) if secret in entry.files + entry.output] == []
        assert entry.processes == []
