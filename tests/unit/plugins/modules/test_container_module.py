# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module of the same name: options through AnsibleModule, and documentation that agrees with the specification."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args

from ansible_collections.pixels.sandbox.plugins.doc_fragments import auth as auth_fragment
from ansible_collections.pixels.sandbox.plugins.doc_fragments import cards as cards_fragment
from ansible_collections.pixels.sandbox.plugins.doc_fragments import mark as mark_fragment
from ansible_collections.pixels.sandbox.plugins.module_utils.core import auth, front
from ansible_collections.pixels.sandbox.plugins.modules import container, container_info
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.fake_driver import FakeDriver, job_failed

SECRET = "1-Xh7Qp0sEcReTsEcReT"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("PIXELS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def go(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], driver: FakeDriver, module: Any = container, **args: Any
) -> dict[str, Any]:
    monkeypatch.setattr(front, "driver_opener", lambda reuse: lambda endpoint: driver)
    with patch_module_args({"host": "nas", "api_key": SECRET, **args}):
        with pytest.raises(SystemExit):
            module.main()
    output = capsys.readouterr().out
    assert SECRET not in output
    return json.loads(output)


def test_create_and_again(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    driver = FakeDriver()
    first = go(monkeypatch, capsys, driver, name=["task1"], cpu="2")
    assert (first["changed"], first["container"]["status"]) == (True, "running")
    second = go(monkeypatch, capsys, driver, name=["task1"], cpu="2")
    assert second["changed"] is False


def test_check_mode(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    driver = FakeDriver()
    assert go(monkeypatch, capsys, driver, name=["task1"], _ansible_check_mode=True, _ansible_diff=True)["diff"]
    assert driver.changing_calls == []


def test_settings_are_the_configuration(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    result = go(monkeypatch, capsys, FakeDriver(), name=["task1"], settings={"pixels_default_cpu": "5"}, memory="")
    assert result["container"]["cpu"] == "5"
    assert result["container"]["memory"] == 2048


def test_failures(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    driver = FakeDriver()
    driver.fail("create", job_failed("create"))
    result = go(monkeypatch, capsys, driver, name=["a", "b"], concurrency=1)
    assert (result["failed"], len(result["containers"])) == (True, 2)
    result = go(monkeypatch, capsys, FakeDriver(), name=["Bad_Name"])
    assert (result["failed"], result["error"]["type"]) == (True, "Invalid")


def test_info(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert go(monkeypatch, capsys, FakeDriver(), container_info)["containers"] == []


@pytest.mark.parametrize("module", [container, container_info], ids=["container", "container_info"])
def test_the_documentation_agrees_with_the_specification(module: Any) -> None:
    documented = yaml.safe_load(module.DOCUMENTATION)["options"]
    if "pixels.sandbox.cards" in yaml.safe_load(module.DOCUMENTATION)["extends_documentation_fragment"]:
        documented |= yaml.safe_load(cards_fragment.ModuleDocFragment.DOCUMENTATION)["options"]
        documented |= yaml.safe_load(mark_fragment.ModuleDocFragment.DOCUMENTATION)["options"]
    assert set(documented) == set(module.SPEC.arguments)
    for name, rule in module.SPEC.arguments.items():
        for key in ("type", "elements", "required", "default", "choices", "aliases"):
            assert documented[name].get(key) == rule.get(key), f"{name}.{key}"


def test_the_fragment_agrees_with_the_shared_options() -> None:
    documented = yaml.safe_load(auth_fragment.ModuleDocFragment.DOCUMENTATION)["options"]
    assert set(documented) == set(auth.AUTH_ARGUMENTS)
    for name, rule in auth.AUTH_ARGUMENTS.items():
        assert (documented[name]["type"], documented[name].get("choices")) == (rule["type"], rule.get("choices"))


@pytest.mark.parametrize("module", [container, container_info], ids=["container", "container_info"])
def test_the_examples_use_options_that_exist(module: Any) -> None:
    known = set(module.SPEC.all_arguments()) | {alias for rule in module.SPEC.arguments.values() for alias in rule.get("aliases", [])}
    name = f"pixels.sandbox.{module.__name__.rpartition('.')[2]}"
    used = [task[name] or {} for task in yaml.safe_load(module.EXAMPLES) if name in task]
    assert used
    assert {option for arguments in used for option in arguments} <= known
