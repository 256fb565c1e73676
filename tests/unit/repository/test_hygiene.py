"""What holds for the repository as a whole: sizes, directions of imports, names that must not appear."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PLUGINS = ROOT / "plugins"
UTILS = PLUGINS / "module_utils"
MAX_LINES = 400
PREFIX = "ansible_collections.pixels.sandbox.plugins"


def _tracked() -> list[Path]:
    """The files of the checkout, also those not committed yet."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"], capture_output=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    paths = {ROOT / name for name in listed.stdout.decode().split("\0") if name}
    return sorted(path for path in paths if path.is_file() and not path.is_symlink())


def _python(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def _imports(path: Path) -> Iterator[str]:
    """The absolute names of what a file imports, wherever in it."""
    package = [*PREFIX.split("."), *path.relative_to(PLUGINS).parent.parts] if path.is_relative_to(PLUGINS) else []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *(node.module or "").split(".")]).rstrip(".")
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _offences(folder: Path, *forbidden: str) -> list[str]:
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in _python(folder)
        for name in _imports(path)
        if any(name == prefix or name.startswith(f"{prefix}.") for prefix in forbidden)
    ]


# In two parts, so that this file does not offend itself.
REGISTRIES = re.compile(r"\b(?:files\.pythonhosted|pypi|registry\.npmjs)\.(?:org|com)\b")


# Data, not a place where anything is fetched from: what agents may reach is a list of names, registries among them.
NAMES_REGISTRIES = "roles/egress/files/agent.yml"


def _machine_names() -> list[str]:
    """Where this checkout and what lies beside it are; a directory right below / is too ordinary a name to look for."""
    return [str(path) for path in (ROOT, ROOT.parent / "shared") if len(path.parts) > 2]


def test_no_file_names_this_machine_or_a_registry() -> None:
    found = []
    for path in _tracked():
        data = path == ROOT / NAMES_REGISTRIES
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if (REGISTRIES.search(line) and not data) or any(name in line for name in _machine_names()):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}")
    assert not found, "\n".join(found)


def test_plugin_files_are_small() -> None:
    sizes = {path.relative_to(ROOT): len(path.read_text(encoding="utf-8").splitlines()) for path in _python(PLUGINS)}
    assert {path: size for path, size in sizes.items() if size > MAX_LINES} == {}


def test_the_wire_and_the_appliance_know_no_ansible() -> None:
    assert _offences(UTILS / "rpc", "ansible") + _offences(UTILS / "nas", "ansible") == []


def test_imports_point_one_way() -> None:
    nas, core = (f"{PREFIX}.module_utils.{name}" for name in ("nas", "core"))
    fronts = (
        f"{PREFIX}.plugin_utils",
        f"{PREFIX}.modules",
        f"{PREFIX}.action",
        f"{PREFIX}.lookup",
        f"{PREFIX}.filter",
        f"{PREFIX}.inventory",
    )
    assert _offences(UTILS / "rpc", nas, core, *fronts) == []
    assert _offences(UTILS / "nas", core, *fronts) == []
    assert _offences(UTILS / "core", *fronts) == []


def test_lab_and_collection_are_two_readings_of_the_contract() -> None:
    assert _offences(ROOT / "tests" / "lab" / "truenas_lab", "ansible_collections", "ansible") == []
    assert _offences(PLUGINS, "truenas_lab") == []


def test_a_relative_import_across_packages_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The checks above would notice an offender."""
    monkeypatch.setitem(globals(), "PLUGINS", tmp_path)
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    offender = tmp_path / "module_utils" / "rpc" / "bad.py"
    offender.parent.mkdir(parents=True)
    offender.write_text("from ..core.naming import full_name\nimport ansible.module_utils.basic\n")
    assert _offences(offender.parent, f"{PREFIX}.module_utils.core") == [
        f"module_utils/rpc/bad.py imports {PREFIX}.module_utils.core.naming.full_name"
    ]
    assert len(_offences(offender.parent, "ansible")) == 1


def _names(folder: str) -> set[str]:
    return {path.stem for path in _python(PLUGINS / folder) if path.stem != "__init__"}


def test_every_action_has_a_module_and_what_logs_in_has_an_action() -> None:
    """A module that works in the container itself needs none; one that talks to the appliance runs on the controller."""
    assert _names("action") <= _names("modules")
    texts = {path.stem: path.read_text(encoding="utf-8") for path in _python(PLUGINS / "modules")}
    assert {name for name, text in texts.items() if "- pixels.sandbox.auth\n" in text} <= _names("action")


@pytest.mark.parametrize("path", _python(PLUGINS), ids=lambda path: str(path.relative_to(PLUGINS)))
def test_plugin_file_begins_with_licence_and_purpose(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if not text.strip():
        return
    assert "GNU General Public License v3.0" in "\n".join(text.splitlines()[:4])
    # Modules and other documented plugins say their purpose in DOCUMENTATION.
    assert ast.get_docstring(ast.parse(text)) or "DOCUMENTATION" in text
