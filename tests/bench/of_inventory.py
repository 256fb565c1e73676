"""An inventory of 1,000 containers: one call, beside one container's, the same from the cache, and Ansible with nothing to do."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from measures import Ratio, Timings
from playbook import BIN, clean_environment
from running_lab import RunningLab

MANY = 1000
NOTHING = "ansible-inventory of one host in a file"
ONE = "inventory of one container"
ALL = f"inventory of {MANY} containers"
CACHED = f"inventory of {MANY} containers from the cache"
ROOT = Path(__file__).resolve().parents[2]

RATIOS = (
    Ratio(f"an inventory of {MANY} containers from the cache against the appliance", CACHED, ALL),
    Ratio(f"an inventory of {MANY} containers against one", ALL, ONE),
    Ratio("an inventory of one container against a file", ONE, NOTHING),
)


def bench(timings: Timings, directory: Path, home: Path, rounds: int) -> None:
    lab = RunningLab.start(directory / "lab")
    try:
        lab.limits(rate_limit_calls=1_000_000)
        for number in range(MANY):
            made = json.dumps({"image": "debian/12", "owner": f"team{number % 10}"})
            lab.state(foreign={"name": f"px-box{number:04}", "environment": {"PIXELS_SANDBOX": made}, "start": number % 2 == 0})
        environment = clean_environment(home, **lab.env, ANSIBLE_COLLECTIONS_PATH=str(ROOT / ".collections"))

        def listed(source: Path) -> int:
            command = [str(BIN / "ansible-inventory"), "-i", str(source), "--list"]
            done = subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True, check=True)
            return len(json.loads(done.stdout)["_meta"]["hostvars"])

        def source(stem: str, /, **options: object) -> Path:
            path = home / f"{stem}.pixels.yml"
            path.write_text(json.dumps({"plugin": "pixels.sandbox.pixels", **options}), encoding="utf-8")
            return path

        cache = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(home / "cache")}
        one, every, kept = source("one", name=["box0000"]), source("all"), source("kept", **cache)
        nothing = home / "hosts.yml"
        nothing.write_text("all: {hosts: {box0000: {a: b}}}\n", encoding="utf-8")
        listed(kept)
        for _round in range(rounds):
            counts = [timings.measure(NOTHING, lambda: listed(nothing)), timings.measure(ONE, lambda: listed(one))]
            mark = lab.mark()
            counts.append(timings.measure(ALL, lambda: listed(every)))
            calls = len(lab.journal(mark, method="virt.*"))
            mark = lab.mark()
            counts.append(timings.measure(CACHED, lambda: listed(kept)))
            if (calls, len(lab.journal(mark))) != (1, 0) or counts != [1, 1, MANY, MANY]:
                raise SystemExit(f"{calls} calls for {MANY} containers, {len(lab.journal(mark))} with the cache; hosts: {counts}")
    finally:
        lab.destroy()
