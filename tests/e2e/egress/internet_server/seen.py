"""What has arrived in the simulated internet: one list, in order, that tests read from a number on."""

from __future__ import annotations

import time
from typing import Any

# The test world makes a few thousand entries; what a load generator does for minutes must not fill the memory.
MOST = 200_000
TEXT = 6000


class Seen:
    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self.dropped = 0

    def add(self, kind: str, address: str, port: int, text: bytes | str, **more: Any) -> None:
        """`text` is what the other side has said, as far as it can be read; tests look for their tokens in it."""
        if isinstance(text, bytes):
            text = text.decode("latin-1")
        entry = {"kind": kind, "address": address, "port": port, "text": text[:TEXT], "time": time.time(), **more}
        self.entries.append(entry)
        if len(self.entries) > MOST:
            self.dropped += MOST // 2
            del self.entries[: MOST // 2]

    @property
    def next(self) -> int:
        return self.dropped + len(self.entries)

    def since(self, number: int, text: str = "") -> list[dict[str, Any]]:
        found = self.entries[max(0, number - self.dropped) :]
        return [entry for entry in found if text in entry["text"]] if text else found
