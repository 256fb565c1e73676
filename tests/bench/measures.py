"""What was measured: named lists of seconds, and what they say as ratios, with the aims beside."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Ratio:
    """One measure against another; `aim` is what it should not exceed."""

    label: str
    upper: str
    lower: str
    aim: float | None = None


@dataclass(frozen=True)
class Limit:
    """Seconds that a measure should not exceed, whatever anything else takes."""

    name: str
    aim: float


@dataclass
class Timings:
    """Named lists of seconds."""

    taken: dict[str, list[float]] = field(default_factory=dict)

    def measure(self, name: str, action: Callable[[], T]) -> T:
        began = time.perf_counter()
        result = action()
        seconds = time.perf_counter() - began
        self.taken.setdefault(name, []).append(seconds)
        print(f"  {seconds:8.3f} s  {name}", flush=True)
        return result

    def median(self, name: str) -> float | None:
        return statistics.median(self.taken[name]) if name in self.taken else None

    def ratio(self, ratio: Ratio) -> float | None:
        """Of the medians. Both sides of a round run one after the other, so what else the machine does hits both."""
        above, below = self.median(ratio.upper), self.median(ratio.lower)
        return above / below if above is not None and below else None

    def show(self, ratios: Sequence[Ratio], limits: Sequence[Limit], rounds: int) -> None:
        print(f"\nMedians of {rounds} (least, most):")
        for name, taken in self.taken.items():
            print(f"  {statistics.median(taken):8.3f} s  ({min(taken):.3f}, {max(taken):.3f})  {name}")
        print(f"\n{'':10} {'aim':>8}  ratios")
        for ratio in ratios:
            value = self.ratio(ratio)
            if value is not None:
                print(f"  {value:8.2f} {_aim(value, ratio.aim, ''):>8}  {ratio.label}")
        for limit in limits:
            median = self.median(limit.name)
            if median is not None:
                print(f"  {median:6.2f} s {_aim(median, limit.aim, ' s'):>8}  {limit.name}")


def _aim(value: float, aim: float | None, unit: str) -> str:
    """A star is a miss."""
    return "" if aim is None else f"{'*' if value > aim else ''}{aim:g}{unit}"
