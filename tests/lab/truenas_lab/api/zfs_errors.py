"""A refusal of ZFS as the error that a method answers with."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from errno import EFAULT
from typing import TypeVar

from ..engine.base import EngineError
from ..zfs.records import ZfsError
from .errors import CallError

T = TypeVar("T")


async def zfs(operation: Awaitable[T], prefix: str = "", errnos: Mapping[str, int] | None = None) -> T:
    """Wait for it; `errnos` says which refusals are told by a number of their own."""
    try:
        return await operation
    except ZfsError as exc:
        raise CallError(f"{prefix}{exc}", (errnos or {}).get(exc.kind, EFAULT)) from exc
    except EngineError as exc:
        raise CallError(f"{prefix}{exc}") from exc
