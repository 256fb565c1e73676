"""Where the lab may differ from the recordings, and why."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any


@dataclass(frozen=True)
class Allowed:
    scenario: str
    message: str  # pattern of the message's label; "*" is literal only in brackets
    path: str
    reason: str

    def covers(self, difference: Any) -> bool:
        return (
            difference.scenario == self.scenario
            and fnmatchcase(difference.message, self.message)
            and fnmatchcase(difference.path, self.path)
        )


_STAND_IN = "the recorder's storage was a stand-in with a few properties; an appliance shows them all"
ALLOWED: list[Allowed] = [
    Allowed("pool-snapshot", "*", "*properties.guid", _STAND_IN),
    Allowed("pool-snapshot", "*", "*properties.defer_destroy", _STAND_IN),
    Allowed("pool-snapshot", "*", "*properties.userrefs", _STAND_IN),
    Allowed("pool-snapshot", "*", "*properties.clones", _STAND_IN),
    Allowed("system-and-choices", "1[56]", "result.*", "the recorder's image server held images of its own invention"),
]
