"""The attacks, run as the agent: `python3 attacks.pyz` with what it has to know as JSON on its input; one JSON line for each row."""

from __future__ import annotations

import json
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import children
import load
import rows_daemons
import rows_dns
import rows_flows
import rows_ip
import rows_proxy
import rows_request
import rows_root
import rows_sockets
import rows_web
import tools

# Each registers its rows.
PARTS = (rows_daemons, rows_dns, rows_flows, rows_ip, rows_proxy, rows_request, rows_root, rows_sockets, rows_web)
LONGEST = 200.0
_out = threading.Lock()


def tell(ident: str, verdict: str, evidence: str, took: float) -> None:
    with _out:
        print(json.dumps({"id": ident, "verdict": verdict, "evidence": evidence[:1200], "seconds": round(took, 2)}), flush=True)


def one(ident: str) -> None:
    start = time.monotonic()
    try:
        verdict, evidence = tools.ROWS[ident]()
    except tools.Unsupported as error:
        verdict, evidence = "unsupported", str(error)
    except OSError as error:
        verdict, evidence = "blocked", repr(error)
    except Exception as error:  # a row that is wrong itself is no row that was held
        verdict, evidence = "broken", repr(error)
    tell(ident, verdict, evidence, time.monotonic() - start)


def several(idents: list[str]) -> None:
    for ident in idents:
        one(ident)


def main(config: dict[str, Any]) -> None:
    tools.WORLD.update(config)
    chosen = [ident for ident in tools.ROWS if not config.get("only") or ident in config["only"]]
    groups: dict[str, list[str]] = {}
    for ident in chosen:
        groups.setdefault(tools.GROUPS[ident], []).append(ident)
    with ThreadPoolExecutor(24) as pool:
        # What is measured in time comes before the crowd.
        first = [ident for ident in ("W07",) if ident in chosen]
        several(first)
        # Packages take longest, and take turns.
        running: list[Future[None]] = [pool.submit(several, sorted(groups.get("root", []), key=lambda ident: ident[0] != "W"))]
        running += [pool.submit(one, ident) for ident in groups.get("", []) if ident not in first]
        for future in running:
            future.result(LONGEST)
    # What depends on the others having been, and what would spoil them.
    several(groups.get("after", []))
    several(groups.get("stop", []))
    several(groups.get("kill", []))


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        children.main(json.loads(sys.argv[2]))
    elif sys.argv[1:2] == ["load"]:
        load.main(json.loads(sys.argv[2]))
    else:
        main(json.loads(sys.stdin.read()))
