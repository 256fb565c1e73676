"""How long things take, in one run and as ratios: `make bench`, or `run.py [--quick] [--only SUBJECT] [ROUNDS]`.

Playbooks against the lab with real containers, each beside the incus command line doing the same, and the wire by itself. A star marks
an aim that was missed; nothing fails because of it, since what else the machine does is in every figure. Nothing is left behind.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT / ".collections")]

import of_checkpoints  # noqa: E402
import of_clones  # noqa: E402
import of_console  # noqa: E402
import of_containers  # noqa: E402
import of_devtools  # noqa: E402
import of_egress  # noqa: E402
import of_inventory  # noqa: E402
import of_wire  # noqa: E402
from incus_cli import Incus  # noqa: E402
from measures import Added, Limit, Ratio, Timings  # noqa: E402
from playbook import Playbooks, clean_environment, make_home  # noqa: E402
from running_lab import REAL_LAB, RunningLab, real_lab_for_me  # noqa: E402

SUBJECTS = ("wire", "inventory", "containers", "console", "clones", "checkpoints", "egress", "devtools")
FLEET, SMALL_FLEET = 20, 4


def bench_real(timings: Timings, directory: Path, home: Path, rounds: int, subjects: set[str], fleet: int) -> None:
    """Everything that needs containers, in the lab of the end-to-end tests."""
    subprocess.run([str(ROOT / "tests" / "tools" / "real_lab.sh"), "up"], check=True)
    lab = RunningLab(REAL_LAB)
    lab.reset()
    try:
        key = {"PIXELS_SSH_KEY": str(home / ".ssh" / "id_ed25519")}
        playbook = Playbooks(home, {**lab.env, **key}, timeout=600)
        incus = Incus(clean_environment(home, INCUS_DIR=lab.env["INCUS_DIR"]), lab.ask("virt.global.config")["pool"])
        if "containers" in subjects:
            print("Containers:")
            of_containers.bench(timings, playbook, incus, rounds)
        if "console" in subjects:
            print("The console:")
            of_console.bench(timings, playbook, incus, rounds)
        if subjects & {"clones", "checkpoints"}:
            snapshot = of_clones.prepare(playbook, incus)
            if "clones" in subjects:
                print("Clones:")
                of_clones.bench(timings, playbook, incus, snapshot, rounds, fleet)
            if "checkpoints" in subjects:
                print("Checkpoints:")
                of_checkpoints.bench(timings, playbook, incus, snapshot, rounds)
        if "egress" in subjects:
            print("Egress:")
            of_egress.bench(timings, playbook, incus, lab, directory, rounds)
        if "devtools" in subjects:
            print("Tools for agents:")
            of_devtools.bench(timings, playbook, rounds)
    finally:
        lab.reset()


def main() -> int:
    parser = argparse.ArgumentParser(description="How long things take, as ratios.")
    parser.add_argument("rounds", nargs="?", type=int, help="how often each is measured (default: 3, with --quick 1)")
    parser.add_argument("--quick", action="store_true", help=f"a fleet of {SMALL_FLEET} instead of {FLEET}")
    parser.add_argument("--only", action="append", choices=SUBJECTS, help="leave the other subjects out")
    arguments = parser.parse_args()
    rounds = arguments.rounds or (1 if arguments.quick else 3)
    fleet = SMALL_FLEET if arguments.quick else FLEET
    subjects = set(arguments.only or SUBJECTS)
    timings = Timings()
    directory = Path(tempfile.mkdtemp(prefix="px-bench-"))
    try:
        home = make_home(directory / "home")
        os.environ["XDG_RUNTIME_DIR"] = str(home / "run")
        if "wire" in subjects:
            print("The wire:")
            of_wire.bench(timings, directory, rounds)
        if "inventory" in subjects:
            print("The inventory:")
            of_inventory.bench(timings, directory, home, rounds)
        if subjects - {"wire", "inventory"}:
            if os.geteuid() == 0 and sys.platform == "linux":
                with real_lab_for_me():
                    try:
                        bench_real(timings, directory, home, rounds, subjects, fleet)
                    finally:
                        subprocess.run([str(ROOT / "tests" / "tools" / "real_lab.sh"), "down"], check=True, stdout=subprocess.DEVNULL)
            else:
                print("\n!! LEFT OUT: everything with containers, which needs root on Linux\n")
        alone = (*of_wire.RATIOS, *of_inventory.RATIOS)
        others = (*of_checkpoints.RATIOS, *of_containers.RATIOS, *of_console.RATIOS, *alone, *of_egress.RATIOS, *of_devtools.RATIOS)
        ratios: tuple[Ratio, ...] = (*of_clones.Names(fleet).ratios(fleet), *others)
        limits: tuple[Limit, ...] = (*of_checkpoints.LIMITS, *of_console.LIMITS)
        added: tuple[Added, ...] = of_egress.ADDED
        timings.show(ratios, limits, added, rounds)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
