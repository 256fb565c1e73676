"""A job of every template, as AWX runs it: no terminal, the credential as files, the answers of the survey or none.

There are no real containers here, so nothing is opened to SSH; tests/e2e/provision/test_awx.py has those jobs that need it.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from awx_job import TEMPLATES, Jobs, answers, injected
from identity_answer import answer
from playbook import ROOT
from running_lab import RunningLab

NETWORK = {name for name, template in TEMPLATES.items() if "network_" in template["playbook"]}


@pytest.fixture
def ssh_key(tmp_path: Path) -> str:
    path = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "awx", "-f", str(path)], check=True)
    return path.read_text()


@pytest.fixture
def credential(lab: RunningLab, ssh_key: str) -> dict[str, Any]:
    return {
        "host": lab.host,
        "api_key": lab.api_key,
        "ca_certificate": (lab.directory / "tls" / "ca.pem").read_text(),
        "ssh_private_key": ssh_key,
    }


@pytest.fixture
def jobs(credential: dict[str, Any], tmp_path: Path) -> Iterator[Jobs]:
    # The path of a unix socket must be short.
    yield Jobs(tmp_path, credential, {"PIXELS_PROVISION_ENABLED": "false"})


def secrets_in(text: str, credential: dict[str, Any]) -> list[str]:
    key_lines = [line for line in credential["ssh_private_key"].splitlines() if len(line) > 60 and "KEY" not in line]
    assert key_lines
    return [secret for secret in (credential["api_key"], *key_lines) if secret in text]


def test_the_life_of_a_container(jobs: Jobs, lab: RunningLab, credential: dict[str, Any]) -> None:
    everything = []

    def job(name: str, **options: Any) -> Any:
        done = jobs(name, **options).succeeded()
        everything.append(done)
        return done

    assert job("Create containers", check=True, container="task[1:2]").artifacts["pixels_names"] == ["task1", "task2"]
    assert lab.instances() == {}
    made = job("Create containers", container="task[1:2]", memory=512, cpu="1", image="debian/12")
    assert made.artifacts["pixels_names"] == ["task1", "task2"] and len(made.artifacts["pixels_addresses"]) == 2
    assert job("Create containers", empty=True, container="task[1:2]").changed == 0
    assert lab.instances()["px-task1"]["memory"] == 512 * 1024**2

    taken = job("Take checkpoints", empty=True, container="task1")
    assert set(taken.artifacts["pixels_checkpoint_labels"]) == {"task1"}
    job("Take checkpoints", container="task1", label="ready")
    listed = job("List checkpoints", empty=True)
    assert listed.artifacts["pixels_checkpoint_list"] == {
        "task1": ["ready", taken.artifacts["pixels_checkpoint_labels"]["task1"]],
        "task2": [],
    }
    restored = job("Restore containers", container="task1", label="ready")
    assert restored.artifacts["pixels_names"] == ["task1"] and restored.artifacts["pixels_addresses"]["task1"]

    assert job("Stop containers", container="task1").artifacts["pixels_names"] == ["task1"]
    assert job("Start containers", container="task1").artifacts["pixels_addresses"]["task1"]
    assert job("Prune containers", empty=True).artifacts["pixels_pruned"] == []
    assert job("Prune containers", what=["expired", "half_made"]).artifacts["pixels_pruned"] == []
    assert job("Prune containers", what="expired\nhalf_made").artifacts["pixels_pruned"] == []
    gone = job("Destroy containers", empty=True, container="task[1:2]")
    assert gone.artifacts["pixels_destroyed"] == ["task1", "task2"]
    assert lab.instances() == {}

    for done in everything:
        assert secrets_in(done.files + done.output, credential) == []
        assert done.processes == []


def test_a_site(jobs: Jobs, lab: RunningLab) -> None:
    hosts: dict[str, Any] = {"one": None, "two": {"pixels_memory": 256}}
    inventory = {"pixels": {"vars": {"site_owner": "awx"}, "hosts": hosts}}
    made = jobs("Converge a site", inventory=inventory).succeeded()
    assert made.artifacts["pixels_names"] == ["one", "two"]
    assert jobs("Converge a site", empty=True, inventory=inventory).succeeded().changed == 0
    del hosts["two"]
    refused = jobs("Converge a site", inventory=inventory, limit="one", prune="true")
    assert refused.status == "successful"  # all of the group is within the limit
    assert refused.artifacts["pixels_pruned"] == ["two"]
    assert set(lab.instances()) == {"px-one"}


def test_a_source_of_an_inventory(jobs: Jobs, lab: RunningLab, tmp_path: Path) -> None:
    """What it tells of how to log in holds where it was asked. Each job has that told anew by the role targets."""
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKFC8SY3hTDsM8FnqOYrSTPTUkbLxWWJxs2OEIO2D6pv"
    answer(lab, {"match": r"PX_MARK='?(pixels:\w+)'?\nkey=", "output": rf'\1 {{"host_key": "{key}"}}' + "\n"})
    jobs("Create containers", container="task1", image="debian/12").succeeded()
    source = tmp_path / "fleet.pixels.yml"
    source.write_text("plugin: pixels.sandbox.pixels\n")
    synced = jobs.synced(source)
    assert synced["pixels_running"]["hosts"] == ["task1"]
    names = "{{ groups.pixels_running | map('extract', hostvars, 'pixels_name') }}"
    told = {
        "key": "{{ ansible_ssh_private_key_file }}",
        "same": "{{ ansible_ssh_private_key_file == lookup('pixels.sandbox.config', 'ssh.key') }}",
        "arguments": "{{ ansible_ssh_common_args }}",
        "pinned": "{{ lookup('ansible.builtin.file', (ansible_ssh_common_args | split('UserKnownHostsFile='))[1] | split | first) }}",
        "image": "{{ pixels_image }}",
    }
    role = {"name": "pixels.sandbox.targets"}
    plays = [
        {"hosts": "localhost", "gather_facts": False, "tasks": [{"import_role": role, "vars": {"targets_names": names}}]},
        {"hosts": "pixels_targets", "gather_facts": False, "tasks": [{"set_stats": {"data": told}}]},
    ]
    path = tmp_path / "play.yml"
    path.write_text(json.dumps(plays))
    told = jobs.play(str(path), inventory=synced).succeeded().artifacts
    assert told["same"] is True and told["image"] == "debian/12"
    assert told["key"] not in json.dumps(synced) and told["arguments"] not in json.dumps(synced)
    assert told["pinned"].startswith("task1.") and key in told["pinned"]


def test_a_fleet_is_only_shown(jobs: Jobs, lab: RunningLab) -> None:
    for empty in (True, False):
        done = jobs("Run a fleet", check=True, empty=empty, container="worker[1:2]", command="make test")
        assert "Would run in each: make test" in done.succeeded().output
    assert lab.instances() == {}


@pytest.mark.parametrize("name", sorted(NETWORK))
def test_what_is_not_there_is_a_failed_job_that_says_so(jobs: Jobs, name: str) -> None:
    more = {"domain": "api.example.org\ngit.example.org:22"} if any(q["variable"] == "domain" for q in TEMPLATES[name]["survey"]) else {}
    done = jobs(name, empty=True, container="nobody", **({"mode": "agent"} if name.startswith("Set") else {}), **more)
    assert done.status == "failed"
    assert "nobody does not exist" in done.output


# -- the data itself ------------------------------------------------------------------------------------------------


def test_every_template_names_a_playbook_and_variables_that_it_knows() -> None:
    for template in TEMPLATES.values():
        text = (ROOT / template["playbook"]).read_text(encoding="utf-8")
        head = text.split("- name:")[0]
        for question in template["survey"]:
            assert question["variable"] in head, f"{template['name']}: {question['variable']}"
        assert "set_stats" in text or "stats:" in text, template["playbook"]


def test_what_a_credential_leaves_open_is_not_set(tmp_path: Path) -> None:
    found = injected({"host": "nas", "api_key": "1-secret"}, tmp_path)
    assert {name: found[name] for name in ("PIXELS_TRUENAS_HOST", "PIXELS_TRUENAS_CA_FILE", "PIXELS_SSH_KEY")} == {
        "PIXELS_TRUENAS_HOST": "nas",
        "PIXELS_TRUENAS_CA_FILE": "",
        "PIXELS_SSH_KEY": "",
    }
    assert found["PIXELS_TRUENAS_INSECURE"] == "" and found["PIXELS_TRUENAS_USERNAME"] == ""
    assert "1-secret" not in found.values()
    assert Path(found["PIXELS_TRUENAS_API_KEY_FILE"]).read_text() == "1-secret"
    assert injected({"host": "nas", "api_key": "k", "insecure": True}, tmp_path)["PIXELS_TRUENAS_INSECURE"] == "true"


def test_the_environment_of_the_credential_is_settings_of_ours() -> None:
    from ansible_collections.pixels.sandbox.plugins.module_utils.core.config_keys import ENVIRONMENT

    injectors = yaml.safe_load((ROOT / "awx" / "credential_type.yml").read_text(encoding="utf-8"))["injectors"]
    assert injectors["env"].keys() <= ENVIRONMENT


def test_answers_are_typed_as_awx_types_them() -> None:
    found = answers(TEMPLATES["Run a fleet"], empty=False, container="w1", command="true")
    assert found["time_limit"] == 3600 and found["keep"] == "never" and found["from"] == "" and "memory" not in found
    assert answers(TEMPLATES["Run a fleet"], empty=True, container="w1", command="true")["time_limit"] == ""
