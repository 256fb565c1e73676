"""Lints the documentation of the collection and of its plugins, in a clean copy under its real path."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import tree


def main() -> int:
    collection = tree.copy(tree.TREE.with_name("tree-docs"))
    command = [str(Path(sys.executable).with_name("antsibull-docs")), "lint-collection-docs", "--plugin-docs", "."]
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(collection.parents[2])}
    return subprocess.run(command, cwd=collection, env=environment, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
