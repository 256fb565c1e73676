"""The archive that is built installs without a network, and works from where it is installed."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

import pytest
from playbook import BIN, Playbooks, clean_environment
from running_lab import RunningLab
from tree import build


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("build")
    return build(directory / "tree", directory / "dist")


def test_archive_holds_the_collection_and_nothing_of_the_workshop(archive: Path) -> None:
    with tarfile.open(archive) as tar:
        names = tar.getnames()
    assert {"MANIFEST.json", "README.md", "LICENSE", "meta/runtime.yml", "playbooks/create.yml", "plugins/action/container.py"} <= set(
        names
    )
    unwanted = (".git", ".venv", ".lab", ".cache", ".collections", ".ci")
    assert [name for name in names if name.split("/")[0] in unwanted or "__pycache__" in name] == []


@pytest.fixture
def installed(archive: Path, home: Path) -> Path:
    """A collections path that holds the collection as its users get it."""
    target = home / "collections"
    subprocess.run(
        [str(BIN / "ansible-galaxy"), "collection", "install", "--offline", "-p", str(target), str(archive)],
        env=clean_environment(home, ANSIBLE_COLLECTIONS_PATH=str(target)),
        cwd=home,
        check=True,
        capture_output=True,
    )
    return target


def test_playbooks_run_by_their_full_name(installed: Path, lab: RunningLab, home: Path) -> None:
    """From a directory that has nothing to do with the checkout."""
    somewhere = {"ANSIBLE_COLLECTIONS_PATH": str(installed), "ANSIBLE_CONFIG": str(home / "ansible.cfg")}
    (home / "ansible.cfg").write_text("[defaults]\n", encoding="utf-8")
    playbook = Playbooks(home, {**lab.env, **somewhere})
    run = playbook("pixels.sandbox.create", cwd=home, name="task1", provision=False).succeeded()
    assert run.changed >= 1
    assert lab.instances()["px-task1"]["status"] == "RUNNING"
    again = playbook("pixels.sandbox.create", cwd=home, name="task1", provision=False).succeeded()
    assert again.changed == 0
    assert "task1" in playbook("pixels.sandbox.list", cwd=home).succeeded().stdout
    playbook("pixels.sandbox.destroy", cwd=home, name="task1").succeeded()
    assert lab.instances() == {}
