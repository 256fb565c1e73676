# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What has to be known before anything about checkpoints is decided, asked for all containers of a task at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..nas.driver import Container, Driver
from ..nas.storage import Dataset, Snapshot
from . import lineage, marker, naming
from .apply import Watch, settled
from .errors import CoreError, Foreign
from .lineage import Lineage
from .plan import is_ours


@dataclass(frozen=True)
class Seen:
    """Their data, and that of all that depends on it."""

    lineages: dict[str, Lineage]  # by instance
    datasets: tuple[Dataset, ...] = ()
    others: tuple[Snapshot, ...] = ()  # of the data sets outside that depend on them


def containers(driver: Driver, names: list[str]) -> dict[str, Container]:
    """Those that there are, by instance, with one call."""
    if len(names) == 1:
        found = driver.get(naming.to_instance(names[0]))
        return {} if found is None else {found.name: found}
    return {container.name: container for container in driver.list(naming.PREFIX)}


def checked(driver: Driver, name: str, found: Container | None, watch: Watch) -> Container:
    """The container, once it is not on its way between two states; raises for one that is not ours or not there."""
    instance = naming.to_instance(name)
    if found is None:
        raise CoreError(f"{name}: there is no such container ({instance})", missing=True)
    if not is_ours(found):
        raise Foreign(name, instance)
    mark = marker.read(found.environment)
    if mark is not None and mark.making is not None:
        raise CoreError(
            f"{name}: it is half-made and has no data of its own yet; pixels.sandbox.container makes it anew",
            instance=instance,
            making=True,
        )
    now = settled(driver, instance, watch, found)
    if now is None:
        raise CoreError(f"{name}: it vanished while we looked at it", missing=True)
    return now


def look(driver: Driver, of: Iterable[Container], *, datasets: bool, promote: bool, details: bool = True) -> Seen:
    """One call for the snapshots, one for the data sets where those may change places, one for the dependents that may be promoted."""
    lineages = lineage.of(driver, of, details=details)
    seen = Seen(lineages)
    if datasets:
        parents = sorted({entry.parent for entry in lineages.values()} | {entry.dataset.rpartition("/")[0] for entry in lineages.values()})
        seen = Seen(lineages, tuple(driver.storage.datasets(parents)))
    # A data set that an earlier restore has swapped out is on its way to be destroyed, whatever is wanted now.
    leaving = any(snapshot.dataset == entry.old for entry in lineages.values() for snapshot in entry.snapshots)
    outside = {name for entry in lineages.values() for snapshot in entry.snapshots for name in entry.outside(snapshot)}
    if outside and (promote or leaving):
        seen = Seen(lineages, seen.datasets, tuple(driver.storage.snapshots(sorted(outside))))
    return seen
