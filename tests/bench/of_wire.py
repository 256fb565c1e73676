"""200 calls over the shared session against 200 logins. The lab's login limit is lifted, or most of the time would be spent waiting."""

from __future__ import annotations

import os
from pathlib import Path

from measures import Ratio, Timings
from running_lab import RunningLab

CALLS = 200
SHARED = f"{CALLS} calls, each over the shared session"
LOGINS = f"{CALLS} calls, each with a login of its own"
ALONE = f"{CALLS} calls over one session in one process"

RATIOS = (
    Ratio("logins against the shared session", LOGINS, SHARED),
    Ratio("the shared session against a private one", SHARED, ALONE),
)


def bench(timings: Timings, directory: Path, rounds: int) -> None:
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
