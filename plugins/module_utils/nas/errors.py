# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What can be wrong before a call is made: the appliance is not ready, or cannot do what was asked.

Failures of calls are the types of `rpc.errors`; these here come from the drivers' own checks.
"""

from __future__ import annotations

from collections.abc import Iterable


class DriverError(Exception):
    """Base of what a driver itself finds wrong."""


class NotReady(DriverError):
    """The appliance answers, but its container service is not in a state in which an answer means anything."""

    def __init__(self, state: str | None) -> None:
        self.state = state
        super().__init__(
            f"the appliance's container service is not ready: its state is {state or 'unknown'}, it has to be INITIALIZED"
            " (TrueNAS: Containers, Configuration)"
        )


class Unsupported(DriverError):
    """This version of TrueNAS cannot do what the option asks for."""

    def __init__(self, version: str, option: str, reason: str) -> None:
        self.version = version
        self.option = option
        super().__init__(f"TrueNAS {version} cannot honour '{option}': {reason}")


class Refused(DriverError):
    """A value that the appliance is known to refuse, with the ones that it takes."""

    def __init__(self, option: str, value: object, reason: str, allowed: Iterable[str] = ()) -> None:
        self.option = option
        self.value = value
        self.allowed = list(allowed)
        text = f"{option}={value}: {reason}"
        if self.allowed:
            text += f"; allowed: {', '.join(self.allowed)}"
        super().__init__(text)


class AlreadyExists(DriverError):
    """A snapshot or data set of that name is there."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"{name} exists already")


class Missing(DriverError):
    """A snapshot or data set that was to be used is proven not to be there."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"{name} does not exist")


class StillNeeded(DriverError):
    """A snapshot or data set cannot go: `by` are the data sets that were made of it, or of its snapshots."""

    def __init__(self, name: str, by: Iterable[str]) -> None:
        self.name = name
        self.by = list(by)
        super().__init__(f"{name} cannot be removed: {', '.join(self.by)} {'is a clone' if len(self.by) == 1 else 'are clones'} of it")


class Held(DriverError):
    """A snapshot cannot go: somebody has put a hold on it."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"{name} cannot be removed: there is a hold on it (zfs holds), which whoever has put it there has to release")


class NewerInTheWay(DriverError):
    """A rollback would have to go past newer snapshots, or past newer ones that cannot go."""

    def __init__(self, snapshot: str, newer: Iterable[str], reason: str = "newer snapshots exist") -> None:
        self.snapshot = snapshot
        self.newer = list(newer)
        super().__init__(f"{snapshot} cannot be gone back to: {reason}: {', '.join(self.newer)}")
