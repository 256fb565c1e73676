# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one interface that everything above the wire talks to.

`Session` (one WebSocket) and `BrokerClient` (a shared session) both implement it, so nobody above knows which one it has.
Safe to use from several threads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Progress:
    """What a running job says of itself: `percent` is 0 to 100, or None while it is unknown."""

    percent: int | None
    description: str


OnProgress = Callable[[Progress], None]


class Api(Protocol):
    """Calls to one appliance. Every method raises the types of `errors.py` and nothing else."""

    def read(self, method: str, *params: Any, timeout: float = 60.0) -> Any:
        """Call a method that changes nothing; repeated on a new connection when the connection was lost."""

    def call(self, method: str, *params: Any, timeout: float = 60.0) -> Any:
        """Call a method that changes something. Never repeated once it may have arrived: then it raises OutcomeUnknown."""

    def job(self, method: str, *params: Any, timeout: float = 900.0, on_progress: OnProgress | None = None) -> Any:
        """Start a job, follow it to its end, return its result; raises JobFailed or a more exact type."""

    def close(self) -> None:
        """Let go of the connection; a shared session stays open for the others."""
