"""What the documentation says about the code is what the code says."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from ansible_collections.pixels.sandbox.plugins.module_utils.core.auth import AUTH_ARGUMENTS, CONFIG_KEYS
from ansible_collections.pixels.sandbox.plugins.module_utils.core.config_keys import BY_PATH, KEYS

ROOT = Path(__file__).resolve().parents[3]


def _tool(name: str) -> ModuleType:
    """A tool by its file: below ansible-test the directory of the tools is not on the path."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tests" / "tools" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


config_reference = _tool("config_reference")
TOP = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
PAGES = sorted([*TOP, *(ROOT / "docs").glob("*.md"), *(ROOT / "roles").glob("*/README.md")])


def _modules(*options: str) -> set[str]:
    found = set()
    for path in (ROOT / "plugins" / "modules").glob("*.py"):
        if all(option in path.read_text(encoding="utf-8") for option in options):
            found.add(path.stem)
    return found


def test_the_reference_of_settings_is_current() -> None:
    text = config_reference.PAGE.read_text(encoding="utf-8")
    assert config_reference.page(text) == text, "run: make docs"
    for key in KEYS:
        assert key.env in text and f"`{key.var}`" in text


def test_a_stale_reference_is_noticed() -> None:
    text = config_reference.PAGE.read_text(encoding="utf-8")
    assert config_reference.page(text.replace("PIXELS_TRUENAS_HOST", "PIXELS_OLD_NAME")) == text


def test_every_option_that_has_a_setting_names_it_in_its_documentation() -> None:
    from ansible_collections.pixels.sandbox.plugins.doc_fragments.auth import ModuleDocFragment

    options = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]
    assert options.keys() == AUTH_ARGUMENTS.keys()
    for name, path in CONFIG_KEYS.items():
        said = " ".join(options[name]["description"])
        assert f"C({BY_PATH[path].var})" in said and f"E({BY_PATH[path].env})" in said and f"C({path})" in said


def test_the_action_group_has_the_modules_that_log_in_and_no_others() -> None:
    """Of any other module, module_defaults with an address would be an error."""
    groups = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8"))["action_groups"]
    assert set(groups["pixels"]) == _modules("- pixels.sandbox.auth\n")
    assert set(groups["pixels"]) == _modules("- pixels.sandbox.attributes.action_group\n")


def test_an_execution_environment_gets_what_the_collection_requires() -> None:
    environment = yaml.safe_load((ROOT / "meta" / "execution-environment.yml").read_text(encoding="utf-8"))
    wanted = {line for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")}
    given = (ROOT / environment["dependencies"]["python"]).read_text(encoding="utf-8").splitlines()
    assert {line for line in given if line and not line.startswith("#")} == {line for line in wanted if not line.startswith("ansible-core")}
    assert "openssh-client [platform:dpkg]" in (ROOT / environment["dependencies"]["system"]).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_names_in_the_pages_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (page.parent / target).exists(), f"{target} does not exist"
    for name in re.findall(r"ansible-playbook (?:playbooks/|pixels\.sandbox\.)([a-z_]+)", text):
        assert (ROOT / "playbooks" / f"{name}.yml").is_file(), f"there is no playbook {name}"
    plugins = {path.stem for folder in ("modules", "lookup", "filter", "inventory") for path in (ROOT / "plugins" / folder).glob("*.py")}
    known = plugins | {path.name for path in (ROOT / "roles").iterdir()} | {path.stem for path in (ROOT / "playbooks").glob("*.yml")}
    for name in re.findall(r"pixels\.sandbox\.([a-z_]+)", text):
        assert name in known | {"pixels", "git"}, f"there is no pixels.sandbox.{name}"
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for name in re.findall(r"(?:^|`)(?:\$ )?make ([a-z0-9-]+)", text, re.MULTILINE):
        assert name in targets, f"there is no make {name}"
    environment = {key.env for key in KEYS} | {"PIXELS_CONFIG", "PIXELS_PROFILE", "PIXELS_SANDBOX", "PIXELS_SSH_CONFIG"}
    for name in re.findall(r"\bPIXELS_[A-Z_]+\b", text):
        # What sessions bring along is called so on its way.
        assert name in environment or name.startswith("PIXELS_ENV_"), f"there is no setting {name}"


@pytest.mark.parametrize("playbook", sorted((ROOT / "playbooks").glob("*.yml")), ids=lambda path: path.stem)
def test_every_playbook_is_in_the_readme_and_says_how_to_run_it(playbook: Path) -> None:
    assert f"`{playbook.stem}`" in (ROOT / "README.md").read_text(encoding="utf-8")
    head = playbook.read_text(encoding="utf-8").split("- name:")[0]
    assert f"ansible-playbook playbooks/{playbook.stem}.yml" in head
    assert f"ansible-playbook pixels.sandbox.{playbook.stem}" in head
    assert "# Variables" in head


def test_every_module_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in sorted(_modules()) if f"`pixels.sandbox.{name}`" not in readme] == []


def _results(part: Any) -> set[str]:
    """The names that tasks leave to workflows, wherever in a playbook they are."""
    if isinstance(part, list):
        return {name for entry in part for name in _results(entry)}
    if not isinstance(part, dict):
        return set()
    told = {*part.get("ansible.builtin.set_stats", {}).get("data", {}), *(part.get("pixels.sandbox.report") or {}).get("stats", {})}
    return told | {name for entry in part.values() for name in _results(entry)}


def test_results_for_workflows_are_known_as_such_and_take_no_place() -> None:
    """AWX gives them to the jobs that follow as extra variables, which rank above those of hosts."""
    from ansible_collections.pixels.sandbox.plugins.module_utils.core.config import VARIABLES
    from ansible_collections.pixels.sandbox.plugins.module_utils.core.site_declaration import DECLARED, RESULTS

    told = {}
    for path in sorted((ROOT / "playbooks").glob("*.yml")):
        text = path.read_text(encoding="utf-8")
        told[path.name] = _results(yaml.safe_load(text))
        for name in told[path.name]:
            assert name in text.split("- name:", 1)[0], f"{path.name} does not tell of {name}"
    assert set().union(*told.values()) == RESULTS
    rows = re.findall(r"^\| `.*", (ROOT / "docs" / "inventory.md").read_text(encoding="utf-8"), re.MULTILINE)
    of_hosts = {name for row in rows for name in re.findall(r"`(pixels_\w+)`", row)}
    assert "pixels_status" in of_hosts and not RESULTS & (DECLARED | VARIABLES | of_hosts)
