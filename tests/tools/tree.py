"""A clean copy of the collection under its real path, `.../ansible_collections/pixels/sandbox`, and the archive built from it.

ansible-test refuses a link and looks at every file it finds, so it gets what git knows (and what is new and not ignored), no more.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TREE = ROOT / ".cache" / "tree"
BUILD = ROOT / ".cache" / "build"
DIST = ROOT / ".cache" / "dist"
LEFT_OUT = {".git", ".collections", ".venv", ".lab", ".cache", ".ansible", ".mypy_cache", ".pytest_cache", ".ruff_cache", "__pycache__"}


def source_files() -> list[Path]:
    """The files of the checkout, relative to it. Without git (an unpacked archive): all but what is certainly not ours."""
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        found = [Path(os.fsdecode(name)) for name in listed.stdout.split(b"\0") if name]
    else:
        found = []
        for folder, folders, names in os.walk(ROOT):
            folders[:] = [name for name in folders if name not in LEFT_OUT]
            found += [Path(folder, name).relative_to(ROOT) for name in names if not name.endswith((".pyc", ".tar.gz"))]
    return sorted(path for path in set(found) if path.parts[0] not in LEFT_OUT and (ROOT / path).is_file())


def copy(tree: Path = TREE) -> Path:
    """Make the copy anew; returns the collection's directory in it."""
    shutil.rmtree(tree, ignore_errors=True)
    target = tree / "ansible_collections" / "pixels" / "sandbox"
    for path in source_files():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, target / path)
    # With a repository of its own, a tool that asks git does not find the outer one, which ignores this place.
    subprocess.run(["git", "-C", str(target), "init", "-q"], check=False)
    subprocess.run(["git", "-C", str(target), "add", "-A"], check=False)
    return target


def build(tree: Path = BUILD, dist: Path = DIST) -> Path:
    """Build the archive; returns its path."""
    source = copy(tree)
    dist.mkdir(parents=True, exist_ok=True)
    for old in dist.glob("pixels-sandbox-*.tar.gz"):
        old.unlink()
    subprocess.run(
        [str(Path(sys.executable).with_name("ansible-galaxy")), "collection", "build", "--force", "--output-path", str(dist), str(source)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    shutil.rmtree(tree, ignore_errors=True)
    (archive,) = dist.glob("pixels-sandbox-*.tar.gz")
    return archive


def main(arguments: list[str]) -> int:
    if arguments == ["copy"]:
        print(copy())
    elif arguments == ["build"]:
        print(build())
    else:
        print("usage: tree.py copy|build", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
