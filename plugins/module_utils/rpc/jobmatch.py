# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whose job is it? Decided on proof, because the two mistakes are not alike: a foreign job taken for ours gives a wrong answer, and one of
ours taken for foreign would be started twice.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

_MASK = "********"


class Verdict(Enum):
    OURS = "ours"
    SAME = "same"  # another one's job that does exactly what ours would have
    FOREIGN = "foreign"  # proven: our call has made no job


def judge(record: dict[str, Any], request_id: str, method: str, params: list[Any], last_known: int) -> Verdict:
    """`last_known` is the highest job id that was known before our call."""
    job_id = record["id"]
    arguments = record.get("arguments")
    arguments = arguments if isinstance(arguments, list) else []
    equal = record.get("method") == method and agree(params, arguments)
    message_ids = record.get("message_ids")
    if isinstance(message_ids, list) and message_ids:
        # From 25.10 on. The first id is that of the request which made the job; the ids of calls thrown away are added behind it.
        if message_ids[0] == request_id:
            return Verdict.OURS
        return Verdict.SAME if equal else Verdict.FOREIGN
    if job_id <= last_known:
        return Verdict.SAME if equal else Verdict.FOREIGN
    if record.get("method") != method or identity(params) != identity(arguments):
        return Verdict.FOREIGN
    # Newer than our call, same method, same object: other differences may be the appliance's way of writing our arguments.
    return Verdict.OURS


def identity(params: list[Any]) -> str | None:
    """What a call is about: its first argument, or the name or id inside it."""
    first = params[0] if params else None
    if isinstance(first, dict):
        first = first.get("name", first.get("id"))
    return None if first is None else str(first)


def agree(ours: Any, theirs: Any) -> bool:
    """Whether all that we have said is there. The appliance adds defaults, sorts keys, masks secrets, and 25.04 writes numbers as text."""
    if theirs == _MASK or ours == theirs:
        return True
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return all(agree(value, theirs.get(key)) for key, value in ours.items())
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) <= len(theirs) and all(agree(mine, other) for mine, other in zip(ours, theirs, strict=False))
    if isinstance(ours, bool) or isinstance(theirs, bool):
        return False
    return isinstance(ours, (int, str)) and isinstance(theirs, (int, str)) and str(ours) == str(theirs)
