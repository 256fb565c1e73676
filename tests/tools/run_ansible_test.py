"""Runs ansible-test in the clean copy.

ansible-test fetches pip's bootstrap script from a host of its own before it asks the configured package index for anything. A
script of the expected name in its cache that uses Python's bundled pip does the same without that host.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import tree

BOOTSTRAP = """\
import subprocess
import sys

subprocess.check_call([sys.executable, "-m", "ensurepip"])
subprocess.check_call([sys.executable, "-m", "pip", "install", "-q", "pip=={version}"])
"""


def provide_bootstrap() -> None:
    """Put the script where ansible-test looks first; one that is there already stays."""
    requirements = import_module("ansible_test._internal.python_requirements")
    text = Path(str(requirements.__file__)).read_text(encoding="utf-8")
    version = text.split("pip='", 1)[1].split("'", 1)[0]
    script = Path.home() / ".ansible" / "test" / "cache" / f"get_pip_{version.replace('.', '_')}.py"
    if not script.exists():
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(BOOTSTRAP.format(version=version), encoding="utf-8")


def main(arguments: list[str]) -> int:
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    collection = tree.copy(tree.TREE.with_name(f"tree-{arguments[0]}"))
    if arguments[0] == "sanity":
        provide_bootstrap()
        arguments = [*arguments, "--requirements"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PIXELS_", "PYTHON"))}
    command = [str(Path(sys.executable).with_name("ansible-test")), *arguments, "--python", python, "--color", "no"]
    return subprocess.run(command, cwd=collection, env=environment, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
