"""The list of checks: what `make test` runs, in order."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / ".cache" / "test"
TOOLS = Path(__file__).resolve().parent
BIN = Path(sys.executable).parent
PLUGINS = "ansible_collections.pixels.sandbox.plugins"


@dataclass
class Check:
    """One command that must end with 0."""

    group: str
    title: str
    command: list[str]
    lane: str = "work"
    junit: Path | None = None  # a file, or a directory of files
    cwd: Path = ROOT
    env: dict[str, str] = field(default_factory=dict)
    timeout: float = 900.0
    provides: str | None = None  # later checks that need this are not tried when it failed
    needs: str | None = None

    @property
    def slug(self) -> str:
        return "".join(letter if letter.isalnum() else "-" for letter in self.title.lower())


def tool(name: str) -> str:
    return str(BIN / name)


def python(script: str, *arguments: str) -> list[str]:
    return [sys.executable, str(TOOLS / script), *arguments]


def pytest(group: str, title: str, folder: str, *options: str, lane: str = "work", timeout: float = 900.0, **more: str) -> Check:
    junit = WORK / f"{title.replace(' ', '-')}.xml"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--color=no",
        "--durations=8",
        "--durations-min=2",
        f"--junit-xml={junit}",
        *options,
        folder,
    ]
    return Check(group, title, command, lane=lane, junit=junit, timeout=timeout, env=dict(more))


def lint() -> list[Check]:
    collections = {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"), "NO_COLOR": "1"}
    mypy = tool("mypy")
    return [
        Check("lint", "ruff check", [tool("ruff"), "check", "."]),
        Check("lint", "ruff format", [tool("ruff"), "format", "--check", "."]),
        Check("lint", "mypy: plugins", [mypy, "-p", PLUGINS]),
        Check("lint", "mypy: lab", [mypy, "-p", "truenas_lab"]),
        Check(
            "lint",
            "mypy: tools of the tests",
            [mypy, "tests/tools", "tests/support", "tests/bench"],
            env={"MYPYPATH": "tests/tools:tests/support"},
        ),
        Check("lint", "shellcheck", [str(TOOLS / "shellcheck.sh")]),
        Check("lint", "ansible-lint", [tool("ansible-lint"), "--offline", "--profile", "production", "--nocolor"], env=collections),
        Check("lint", "antsibull-changelog", [tool("antsibull-changelog"), "lint"]),
        Check("lint", "antsibull-docs", python("docs_lint.py")),
    ]


def all_checks() -> list[Check]:
    required = {"PIXELS_TEST_REAL": "required"}
    return [
        *lint(),
        pytest("unit", "unit tests", "tests/unit", "-n", "2"),
        pytest("lab-tests", "the lab's own tests", "tests/lab/tests", timeout=1200),
        pytest("integration", "integration", "tests/integration", "-n", "2", timeout=1800),
        Check("ansible-test", "ansible-test sanity", python("run_ansible_test.py", "sanity"), timeout=1800),
        Check(
            "ansible-test",
            "ansible-test units",
            python("run_ansible_test.py", "units"),
            junit=ROOT / ".cache" / "tree-units" / "ansible_collections" / "pixels" / "sandbox" / "tests" / "output" / "junit",
        ),
        # The image and the packages of the real lab arrive while the other lane computes.
        Check("e2e", "the lab with real containers", [str(TOOLS / "real_lab.sh"), "up"], lane="real", timeout=1200, provides="lab"),
        Check(
            "e2e",
            "end to end",
            pytest("e2e", "end to end", "tests/e2e").command,
            lane="real",
            junit=WORK / "end-to-end.xml",
            env=required,
            timeout=2400,
            needs="lab",
        ),
        Check("e2e", "molecule", [str(TOOLS / "molecule.sh")], lane="real", env=required, timeout=1800, needs="lab"),
        Check("e2e", "the lab leaves no process", [str(TOOLS / "real_lab.sh"), "gone"], lane="real", timeout=120),
    ]
