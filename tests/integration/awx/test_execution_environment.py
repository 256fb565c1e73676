"""ansible-builder understands the execution environment. An image cannot be built here, so its context is as far as this goes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import yaml
from playbook import BIN, ROOT


def test_the_context_of_the_image_is_made(tmp_path: Path) -> None:
    definition = ROOT / "awx" / "execution_environment.yml"
    done = subprocess.run(
        [str(BIN / "ansible-builder"), "create", "-f", str(definition), "-c", str(tmp_path), "--output-filename", "Containerfile"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    repository = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["repository"]
    (collection,) = yaml.safe_load((tmp_path / "_build" / "requirements.yml").read_text(encoding="utf-8"))["collections"]
    assert collection["name"] == f"{repository}.git" and collection["type"] == "git"
    containerfile = (tmp_path / "Containerfile").read_text(encoding="utf-8")
    # What the collection itself needs is found in it, in the stage that has it installed.
    assert "introspect" in containerfile and "ansible-core>=2.19" in containerfile
    assert "git-core" in (tmp_path / "_build" / "bindep.txt").read_text(encoding="utf-8")
