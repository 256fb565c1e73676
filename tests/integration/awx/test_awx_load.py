"""The templates are loaded into an AWX over its API: once, and the second time there is nothing to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_awx import TOKEN, FakeAwx, Wrong
from playbook import ROOT, Playbooks, PlayRun

TEMPLATES: list[dict[str, Any]] = yaml.safe_load((ROOT / "awx" / "job_templates.yml").read_text())["job_templates"]
NAMES = {f"pixels: {template['name']}" for template in TEMPLATES}

Load = Callable[..., PlayRun]


@pytest.fixture
def load(home: Path, awx: FakeAwx, awx_certificate: tuple[Path, Path]) -> Load:
    """Runs the playbook, the token in the environment as a credential of AWX puts it."""
    playbooks = Playbooks(home, {"CONTROLLER_HOST": awx.url, "CONTROLLER_OAUTH_TOKEN": TOKEN})

    def run(*options: str, env: dict[str, str] | None = None, check: bool = False, **extra: Any) -> PlayRun:
        awx.writes.clear()
        return playbooks("awx_load", *options, env=env, check=check, **{"awx_ca_file": str(awx_certificate[0]), **extra})

    return run


def test_everything_is_made_and_then_nothing_is_left_to_do(load: Load, awx: FakeAwx) -> None:
    checked = load(check=True, awx_image="registry.example.org/ee:1").succeeded()
    assert awx.writes == []
    assert checked.changed == 1 and "Would make or change" in checked.stdout

    first = load(awx_image="registry.example.org/ee:1").succeeded()
    assert first.changed > 0
    assert {entry["name"] for entry in awx.objects["job_templates"].values()} == NAMES
    project = awx.named("projects", "pixels.sandbox")
    for template in TEMPLATES:
        made = awx.named("job_templates", f"pixels: {template['name']}")
        assert made["playbook"] == template["playbook"] and made["project"] == project["id"] and made["survey_enabled"] is True
        assert made["execution_environment"] == awx.named("execution_environments", "pixels.sandbox")["id"]
        assert awx.surveys[made["id"]]["spec"] == template["survey"]
    kind = awx.named("credential_types", "pixels.sandbox")
    assert kind["injectors"]["env"]["PIXELS_TRUENAS_HOST"] == "{{ host }}"

    second = load(awx_image="registry.example.org/ee:1").succeeded()
    assert second.changed == 0 and awx.writes == []
    assert "All of it is there already." in second.stdout


def test_only_what_differs_is_written(load: Load, awx: FakeAwx) -> None:
    only = {"awx_only": "Create containers,Stop containers"}
    load(**only).succeeded()
    assert len(awx.objects["job_templates"]) == 2
    awx.named("job_templates", "pixels: Create containers")["forks"] = 1
    awx.surveys[awx.named("job_templates", "pixels: Stop containers")["id"]]["description"] = "somebody's own"
    awx.add("credentials", name="Home NAS", credential_type=awx.named("credential_types", "pixels.sandbox")["id"])

    assert load(check=True, awx_credential="Home NAS", **only).succeeded().changed == 1 and awx.writes == []
    load(awx_credential="Home NAS", **only).succeeded()
    assert [body for method, _path, body in awx.writes if method == "PATCH"] == [{"forks": 20}]
    assert sum(path.endswith("/survey_spec/") for _method, path, _body in awx.writes) == 1
    assert sum(path.endswith("/credentials/") for _method, path, _body in awx.writes) == 2
    assert load(awx_credential="Home NAS", **only).succeeded().changed == 0 and awx.writes == []


def test_an_empty_prefix_is_none(load: Load, awx: FakeAwx) -> None:
    for prefix, name in (("", "Create containers"), ("nas2 ", "nas2 Create containers")):
        load(awx_only="Create containers", awx_prefix=prefix).succeeded()
        assert awx.named("job_templates", name)["playbook"] == "playbooks/create.yml"
    assert len(awx.objects["job_templates"]) == 2
    # Of any phase that is asked for: there is but one.
    assert load("--tags", "something", awx_only="Stop containers", awx_prefix="").succeeded().changed > 0
    assert awx.named("job_templates", "Stop containers")


def test_the_token_is_seen_nowhere(load: Load, awx: FakeAwx) -> None:
    awx.refuse["projects"] = Wrong(403, detail="You do not have permission to perform this action.")
    failed = load("-vvv")
    assert failed.rc != 0
    assert any("403" in text and "You do not have permission" in text for text in failed.failures()), failed.output
    assert TOKEN not in failed.output
    assert awx.objects["job_templates"] == {}


def test_what_is_wrong_is_said_before_anything_is_sent(load: Load, awx: FakeAwx) -> None:
    for env, extra, told in (
        ({"CONTROLLER_OAUTH_TOKEN": ""}, {}, "There is no token"),
        ({"CONTROLLER_HOST": ""}, {}, "Where is AWX?"),
        ({}, {"awx_only": "Make coffee"}, "there is no template Make coffee"),
        ({}, {"awx_host": "http://awx.example.org"}, "a token does not go over a network unencrypted"),
    ):
        refused = load(env=env, **extra)
        assert refused.rc != 0 and told in refused.output
    assert awx.requests == []


def test_a_certificate_that_nobody_vouches_for_gets_no_token(load: Load, awx: FakeAwx) -> None:
    refused = load(awx_ca_file="")
    assert refused.rc != 0 and "certificate" in refused.output.lower()
    assert awx.requests == []


def test_another_token_is_told_of(load: Load) -> None:
    refused = load(env={"CONTROLLER_OAUTH_TOKEN": "wrong"})
    assert refused.rc != 0 and "401" in refused.output
