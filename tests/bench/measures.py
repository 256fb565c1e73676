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
class Added:
    """What one measure has more than another: of latencies that says more than a ratio."""

    label: str
    upper: str
    lower: str


@dataclass(frozen=True)
class Limit:
    """Seconds that a measure should not exceed, whatever anything else takes."""

    name: str
    aim: float


@dataclass
class Timings:
    """Named lists of seconds."""

    taken: dict[str, list[float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def measure(self, name: str, action: Callable[[], T]) -> T:
        began = time.perf_counter()
        result = action()
        seconds = time.perf_counter() - began
        self.add(name, seconds)
        return result

    def add(self, name: str, *seconds: float) -> None:
        """Measured by whoever calls; several at once are told by their median."""
        self.taken.setdefault(name, []).extend(seconds)
        print(f"  {_time(statistics.median(seconds))}  {name}", flush=True)

    def note(self, text: str) -> None:
        """What is no time."""
        self.notes.append(text)

    def median(self, name: str) -> float | None:
        return statistics.median(self.taken[name]) if name in self.taken else None

    def ratio(self, ratio: Ratio) -> float | None:
        """Of the medians. Both sides of a round run one after the other, so what else the machine does hits both."""
        above, below = self.median(ratio.upper), self.median(ratio.lower)
        return above / below if above is not None and below else None

    def show(self, ratios: Sequence[Ratio], limits: Sequence[Limit], added: Sequence[Added], rounds: int) -> None:
        print(f"\nMedians of {rounds} (least, most):")
        for name, taken in self.taken.items():
            print(f"  {_time(statistics.median(taken))}  ({_time(min(taken)).strip()}, {_time(max(taken)).strip()})  {name}")
        print(f"\n{'':10} {'aim':>8}  ratios")
        for ratio in ratios:
            value = self.ratio(ratio)
            if value is not None:
                print(f"  {value:8.2f} {_aim(value, ratio.aim, ''):>8}  {ratio.label}")
        for limit in limits:
            median = self.median(limit.name)
            if median is not None:
                print(f"  {median:6.2f} s {_aim(median, limit.aim, ' s'):>8}  {limit.name}")
        for more in added:
            above, below = self.median(more.upper), self.median(more.lower)
            if above is not None and below is not None:
                print(f"  {_time(above - below)}         {more.label}")
        for text in self.notes:
            print(f"  {text}")


def _time(seconds: float) -> str:
    return f"{seconds * 1000:8.2f} ms" if abs(seconds) < 0.1 else f"{seconds:8.3f} s "


def _aim(value: float, aim: float | None, unit: str) -> str:
    """A star is a miss."""
    return "" if aim is None else f"{'*' if value > aim else ''}{aim:g}{unit}"
