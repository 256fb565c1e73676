"""The table of methods: what each is called, takes, needs, and which release has it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..settings import VERSIONS
from .schema import Param

if TYPE_CHECKING:
    from ..lab import Lab
    from .auth import Session
    from .jobs import Job
    from .rpc import Connection


@dataclass
class Call:
    """One call under way, as its method sees it."""

    lab: Lab
    method: Method
    api: str  # version of the endpoint it came by: v25.10.5
    session: Session | None
    connection: Connection | None
    job: Job | None = None
    message_id: Any = None


Handler = Callable[..., Awaitable[Any]]
Params = Callable[[str], Sequence[Param]]


@dataclass(frozen=True)
class JobKind:
    """How the jobs of a method run."""

    lock: Callable[[list[Any]], str] | None = None
    queue_size: int | None = None  # None: the setting
    logs: bool = False
    shown: Callable[[list[Any]], list[Any]] = list  # the arguments as the job object shows them


@dataclass(frozen=True)
class Method:
    name: str
    handler: Handler
    params: Params
    changes: bool = False  # changes something: what a dry run must never call
    job: JobKind | None = None
    no_auth: bool = False
    private: bool = False
    unlimited: bool = False  # not rate limited before login
    releases: tuple[str, ...] = VERSIONS
    api_since: str = ""  # first API version with a model for it
    required: tuple[str, ...] = ()  # arguments whose absence surfaces as Python's own TypeError
    python_name: str = ""
    answer: Callable[[Any, str], Any] | None = None  # translates a result to an API version
    rule: Callable[[list[Any]], str | None] | None = None  # asked about all arguments together

    @property
    def service(self) -> str:
        return self.name.rpartition(".")[0]


METHODS: dict[str, list[Method]] = {}


def nothing(_api: str) -> Sequence[Param]:
    """No arguments."""
    return ()


def takes(*params: Param) -> Params:
    """The same arguments in every API version."""
    return lambda _api: params


def method(name: str, params: Params = nothing, **options: Any) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        METHODS.setdefault(name, []).append(Method(name, handler, params, **options))
        return handler

    return register


def find(name: str, release: str) -> Method | None:
    for candidate in METHODS.get(name, []):
        if release in candidate.releases:
            return candidate
    return None
