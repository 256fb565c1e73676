"""The list of checks: what `make test` runs, in order."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / ".cache" / "test"
TOOLS = Path(__file__).resolve().parent
BIN = Path(sys.executable).parent
# Programs that a container gets, which have no suffix there; no tool finds them by itself.
NAMELESS = ["roles/egress/files/dhcp", "roles/egress/files/request", "roles/egress/files/sudo"]
PLUGINS = "ansible_collections.pixels.sandbox.plugins"


@dataclass
class Check:
    """One command that must end with 0."""

    group: str
    title: str
    command: list[str]
    lane: str = "work"  # lanes run side by side: "work" computes, "wait" waits for packages, images and containers
    real: bool = False  # needs real containers
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


def pytest(group: str, title: str, folder: str, *options: str, timeout: float) -> Check:
    """The options come before the folder."""
    junit = WORK / f"{title.replace(' ', '-')}.xml"
    how = ["-q", "--color=no", "--durations=8", "--durations-min=2", f"--junit-xml={junit}"]
    return Check(group, title, [sys.executable, "-m", "pytest", *how, *options, folder], junit=junit, timeout=timeout)


def lint() -> list[Check]:
    collections = {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"), "NO_COLOR": "1"}
    # Without a cache: one that several calls share has once reported a module as missing that was there.
    mypy = [tool("mypy"), f"--cache-dir={os.devnull}"]
    return [
        Check("lint", "ruff check", [tool("ruff"), "check", ".", *NAMELESS]),
        Check("lint", "ruff format", [tool("ruff"), "format", "--check", ".", *NAMELESS]),
        Check("lint", "mypy: plugins", [*mypy, "-p", PLUGINS]),
        Check("lint", "mypy: lab", [*mypy, "-p", "truenas_lab"]),
        Check(
            "lint",
            "mypy: tools of the tests",
            [*mypy, "tests/tools", "tests/support", "tests/bench"],
            env={"MYPYPATH": "tests/tools:tests/support:tests/bench:tests/e2e/egress"},
        ),
        Check("lint", "mypy: programs in containers", [*mypy, "--scripts-are-modules", *NAMELESS]),
        Check("lint", "shellcheck", [str(TOOLS / "shellcheck.sh")]),
        Check("lint", "ansible-lint", [tool("ansible-lint"), "--offline", "--profile", "production", "--nocolor"], env=collections),
        Check("lint", "antsibull-changelog", [tool("antsibull-changelog"), "lint"]),
        Check("lint", "antsibull-docs", python("docs_lint.py")),
    ]


def ansible_test() -> list[Check]:
    units = ROOT / ".cache" / "tree-units" / "ansible_collections" / "pixels" / "sandbox" / "tests" / "output" / "junit"
    return [
        Check("ansible-test", "ansible-test sanity", python("run_ansible_test.py", "sanity"), timeout=1800),
        Check("ansible-test", "ansible-test units", python("run_ansible_test.py", "units"), junit=units),
    ]


# The tests of policies have a lab of their own, so that both lanes have containers to wait for.
POLICIES = ("tests/e2e/egress", "tests/e2e/egress_gateway")
_LAB = str(TOOLS / "real_lab.sh")


def end_to_end() -> list[Check]:
    others = [f"--ignore={folder}" for folder in POLICIES]
    checks = [
        Check("e2e", "the lab with real containers", [_LAB, "up"], timeout=1200, provides="lab"),
        replace(pytest("e2e", "end to end", "tests/e2e", *others, timeout=4200), needs="lab"),
        Check("e2e", "molecule", [str(TOOLS / "molecule.sh")], timeout=1800, needs="lab"),
        Check("e2e", "the lab leaves no process", [_LAB, "gone"], timeout=120),
    ]
    return [replace(check, lane="wait", real=True, env={"PIXELS_TEST_REAL": "required"}) for check in checks]


def policies() -> list[Check]:
    checks = [
        Check("e2e", "the lab for policies", [_LAB, "up"], timeout=1200, provides="lab for policies"),
        replace(pytest("e2e", "policies end to end", POLICIES[1], POLICIES[0], timeout=4200), needs="lab for policies"),
        Check("e2e", "the lab for policies leaves no process", [_LAB, "gone"], timeout=120),
    ]
    env = {"PIXELS_TEST_REAL": "required", "PIXELS_E2E_LAB": str(ROOT / ".cache" / "policies")}
    return [replace(check, real=True, env=env) for check in checks]


def all_checks() -> list[Check]:
    return [
        *lint(),
        pytest("unit", "unit tests", "tests/unit", "-n", "2", timeout=1200),
        pytest("integration", "integration", "tests/integration", "-n", "2", timeout=3000),
        *ansible_test(),
        *policies(),
        *end_to_end(),
        replace(pytest("lab-tests", "the lab's own tests", "tests/lab/tests", timeout=1800), lane="wait"),
    ]
