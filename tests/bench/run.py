"""How long things take, in one run and as ratios: `make bench`, or `run.py [ROUNDS]`.

Wall times of playbooks against the lab with real containers, the same create done with the incus command line, and 200 calls over
the shared session against 200 logins (there the lab's login limit is lifted, or most of the time would be spent waiting).
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT / ".collections")]

from playbook import Playbooks, clean_environment, make_home  # noqa: E402
from running_lab import REAL_LAB, RunningLab, real_lab_for_me  # noqa: E402

CALLS = 200


@dataclass
class Timings:
    """Named lists of seconds."""

    taken: dict[str, list[float]] = field(default_factory=dict)

    def measure(self, name: str, action: Callable[[], object]) -> None:
        began = time.perf_counter()
        action()
        seconds = time.perf_counter() - began
        self.taken.setdefault(name, []).append(seconds)
        print(f"  {seconds:8.3f} s  {name}", flush=True)

    def median(self, name: str) -> float | None:
        return statistics.median(self.taken[name]) if name in self.taken else None


EMPTY = "ansible-playbook with nothing to do"
BARE = "create, bare (running, with its address)"
SSH = "create, with SSH"
AGAIN_BARE = "create again, bare (changed=0)"
AGAIN = "create again, with SSH (changed=0)"
DESTROY = "destroy"
INCUS = "incus launch, until it has its address"
SHARED = f"{CALLS} calls, each over the shared session"
LOGINS = f"{CALLS} calls, each with a login of its own"
ALONE = f"{CALLS} calls over one session in one process"

RATIOS = (
    ("what create adds to incus itself", BARE, INCUS),
    ("what SSH adds to a bare create", SSH, BARE),
    ("second run against the first, with SSH", AGAIN, SSH),
    ("second run against an empty playbook", AGAIN, EMPTY),
    ("logins against the shared session", LOGINS, SHARED),
    ("the shared session against a private one", SHARED, ALONE),
)


def _unchanged(playbook: Playbooks, **variables: Any) -> None:
    run = playbook("create", **variables).succeeded()
    if run.changed:
        raise SystemExit(f"the second run changed something:\n{run.output}")


def _address(environment: dict[str, str], name: str) -> str:
    done = subprocess.run(["incus", "list", f"^{name}$", "-c4", "-fcsv"], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _incus_launch(environment: dict[str, str], image: str, pool: str, name: str) -> None:
    options = ["-s", pool, "-c", "limits.cpu=2", "-c", "limits.memory=2GiB"]
    subprocess.run(["incus", "launch", image, name, *options], env=environment, check=True, stdout=subprocess.DEVNULL)
    while not _address(environment, name):
        pass  # each look takes a few hundredths of a second by itself


def bench_containers(timings: Timings, home: Path, rounds: int) -> None:
    subprocess.run([str(ROOT / "tests" / "tools" / "real_lab.sh"), "up"], check=True)
    lab = RunningLab(REAL_LAB)
    lab.reset()
    key = {"PIXELS_SSH_KEY": str(home / ".ssh" / "id_ed25519")}
    playbook = Playbooks(home, {**lab.env, **key}, timeout=600)
    incus = clean_environment(home, INCUS_DIR=lab.env["INCUS_DIR"])
    image, pool = _fingerprint(incus), lab.ask("virt.global.config")["pool"]
    for _round in range(rounds):
        timings.measure(EMPTY, lambda: playbook.tasks({"name": "Nothing", "ansible.builtin.meta": "noop"}).succeeded())
        timings.measure(BARE, lambda: playbook("create", container="bench1", provision=False).succeeded())
        timings.measure(AGAIN_BARE, lambda: _unchanged(playbook, container="bench1", provision=False))
        timings.measure(SSH, lambda: playbook("create", container="bench2").succeeded())
        timings.measure(AGAIN, lambda: _unchanged(playbook, container="bench2"))
        if shutil.which("incus"):
            timings.measure(INCUS, lambda: _incus_launch(incus, image, pool, "bench3"))
            subprocess.run(["incus", "delete", "--force", "bench3"], env=incus, check=True, capture_output=True)
        timings.measure(DESTROY, lambda: playbook("destroy", container=["bench1", "bench2"]).succeeded())


def _fingerprint(incus: dict[str, str]) -> str:
    done = subprocess.run(["incus", "image", "list", "-cf", "-fcsv"], env=incus, capture_output=True, text=True, check=True)
    return done.stdout.split()[0]


def bench_calls(timings: Timings, directory: Path, rounds: int) -> None:
    from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.connect import open_api
    from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.endpoint import Endpoint

    lab = RunningLab.start(directory / "lab")
    try:
        # A login costs an appliance about a third of a second (the digest of the key); the lab charges nothing for it.
        lab.limits(rate_limit_calls=1_000_000)
        ca_file = str(lab.directory / "tls" / "ca.pem")
        endpoint = Endpoint.parse(lab.host, api_key=lab.api_key, ca_file=ca_file)

        def shared() -> None:
            for _round in range(CALLS):
                api = open_api(endpoint, controller_pid=os.getpid())
                api.read("system.version")
                api.close()

        def logins() -> None:
            for _round in range(CALLS):
                api = open_api(endpoint, reuse="never")
                api.read("system.version")
                api.close()

        def alone() -> None:
            api = open_api(endpoint, reuse="never")
            for _round in range(CALLS):
                api.read("system.version")
            api.close()

        for _round in range(rounds):
            mark = lab.mark()
            timings.measure(SHARED, shared)
            made = lab.logins(mark)
            if made > 1:
                raise SystemExit(f"the shared session logged in {made} times")
            timings.measure(LOGINS, logins)
            timings.measure(ALONE, alone)
    finally:
        lab.destroy()


def show(timings: Timings, rounds: int) -> None:
    print(f"\nMedians of {rounds}:")
    for name in timings.taken:
        print(f"  {timings.median(name):8.3f} s  {name}")
    print("\nRatios:")
    for label, upper, lower in RATIOS:
        above, below = timings.median(upper), timings.median(lower)
        if above is not None and below:
            print(f"  {above / below:8.2f}    {label}")


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    timings = Timings()
    directory = Path(tempfile.mkdtemp(prefix="px-bench-"))
    try:
        os.environ["XDG_RUNTIME_DIR"] = str(make_home(directory / "home") / "run")
        print("The wire:")
        bench_calls(timings, directory, rounds)
        if os.geteuid() == 0 and sys.platform == "linux":
            print("Containers:")
            with real_lab_for_me():
                try:
                    bench_containers(timings, directory / "home", rounds)
                finally:
                    subprocess.run([str(ROOT / "tests" / "tools" / "real_lab.sh"), "down"], check=True, stdout=subprocess.DEVNULL)
        else:
            print("\n!! LEFT OUT: everything with containers, which needs root on Linux\n")
        show(timings, rounds)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
