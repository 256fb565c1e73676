"""The simulated internet: `python3 internet.pyz CONFIG`. See tests/e2e/egress/internet.py, which starts it in a container."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from control import Control
from listeners import Listeners
from names import Names
from seen import Seen
from streams import server_context
from web import Web


async def main(config: dict) -> None:
    seen = Seen()
    names = Names(seen, config["records"])
    web = Web(seen, Path(config["files"]))
    tls = server_context(config["certificate"], config["key"])
    await Listeners(seen, names, web, tls, set(config["resolvers"])).start()
    await Control(seen, names).start(config["control"])
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
