"""What a pool consists of: datasets, snapshots, and what an engine has to do to their data."""

from __future__ import annotations

from dataclasses import dataclass, field

CONTAINERS = ".ix-virt/containers"
IMAGES = ".ix-virt/images"
DELETED = ".ix-virt/deleted/containers"
# What TrueNAS and Incus make in a pool that holds containers.
FIXED = (
    ".ix-virt",
    ".ix-virt/buckets",
    CONTAINERS,
    ".ix-virt/custom",
    ".ix-virt/deleted",
    ".ix-virt/deleted/buckets",
    DELETED,
    ".ix-virt/deleted/custom",
    ".ix-virt/deleted/images",
    ".ix-virt/deleted/virtual-machines",
    IMAGES,
    ".ix-virt/virtual-machines",
)
MISSING = "missing"
EXISTS = "exists"
BUSY = "busy"  # mounted, or held
CLONES = "clones"  # something depends on it
NEWER = "newer"  # newer snapshots stand in the way
CHILDREN = "children"
INVALID = "invalid"


class ZfsError(Exception):
    """ZFS refuses. `kind` says why; the text is ZFS's own."""

    def __init__(self, kind: str, text: str, names: list[str] | None = None) -> None:
        super().__init__(text)
        self.kind = kind
        self.names = names or []  # the datasets or snapshots that stand in the way


@dataclass
class Dataset:
    name: str
    guid: int
    txg: int
    created: float
    data: bool = False  # has data of its own; the pool's own structure has none worth keeping
    origin: int | None = None  # guid of the snapshot that it was cloned from
    token: str = ""  # tells what the engine has there from what came to be there later under the same name
    properties: dict[str, str] = field(default_factory=dict)
    referenced: int = 0  # as last measured

    @property
    def pool(self) -> str:
        return self.name.partition("/")[0]

    @property
    def parent(self) -> str:
        return self.name.rpartition("/")[0]

    @property
    def instance(self) -> str | None:
        """The name of the instance that lives in it."""
        return instance_of(self.name)

    @property
    def volume(self) -> Volume:
        return Volume(self.name, self.guid)


@dataclass
class Snapshot:
    dataset: int  # guid
    name: str
    guid: int
    txg: int
    created: float
    data: bool = False
    properties: dict[str, str] = field(default_factory=dict)
    holds: dict[str, float] = field(default_factory=dict)  # tag: since when
    deferred: bool = False  # to go with its last clone or hold
    referenced: int = 0  # as last measured


@dataclass(frozen=True)
class Volume:
    """Where an engine keeps the data of a dataset."""

    name: str
    guid: int

    @property
    def pool(self) -> str:
        return self.name.partition("/")[0]

    @property
    def instance(self) -> str | None:
        return instance_of(self.name)


def instance_of(dataset: str) -> str | None:
    pool, _slash, rest = dataset.partition("/")
    name = rest.removeprefix(f"{CONTAINERS}/")
    return name if pool and name and name != rest and "/" not in name else None


def instance_dataset(pool: str, instance: str) -> str:
    return f"{pool}/{CONTAINERS}/{instance}"


def is_internal(dataset: str) -> bool:
    """Whether it is one that the appliance keeps from those who use it."""
    return ".ix-virt" in dataset.split("/")[1:2]


# -- what an engine is asked to do, in order ------------------------------------------------------------------------


@dataclass(frozen=True)
class Take:
    """A snapshot of a volume."""

    volume: Volume
    snapshot: int


@dataclass(frozen=True)
class Drop:
    """A snapshot's data."""

    pool: str
    snapshot: int


@dataclass(frozen=True)
class MakeClone:
    """A volume with a snapshot's content; None: an empty one."""

    snapshot: int | None
    volume: Volume


@dataclass(frozen=True)
class Restore:
    """A volume gets a snapshot's content again."""

    volume: Volume
    snapshot: int


@dataclass(frozen=True)
class Destroy:
    volume: Volume


@dataclass(frozen=True)
class Move:
    volume: Volume
    to: Volume


Step = Take | Drop | MakeClone | Restore | Destroy | Move


@dataclass(frozen=True)
class Found:
    """A volume that an engine has at an instance's place."""

    token: str
    image: str | None = None  # the image whose copy it began as


@dataclass(frozen=True)
class Present:
    """What an engine really has in a pool."""

    instances: dict[str, Found] = field(default_factory=dict)
    parked: dict[int, Found] = field(default_factory=dict)  # by the guid of the dataset
    snapshots: frozenset[int] = frozenset()
    images: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Size:
    referenced: int
    unique: int  # what nothing else holds


@dataclass(frozen=True)
class Sizes:
    instances: dict[str, Size] = field(default_factory=dict)
    parked: dict[int, Size] = field(default_factory=dict)
    snapshots: dict[int, Size] = field(default_factory=dict)
    images: dict[str, Size] = field(default_factory=dict)

    def of(self, volume: Volume) -> Size | None:
        return self.parked.get(volume.guid) if volume.instance is None else self.instances.get(volume.instance)
