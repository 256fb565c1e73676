# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether anybody has used a container lately: the judgement, from what `idle_look.py` has seen.

In doubt it is in use. Processor time is known from one look to the next; what was used before the first look may have been used just
now, so the first look finds a container idle only when its processes have used next to nothing in all their lives.
"""

from __future__ import annotations

import re
from typing import Any

# Below that much of one processor, over the whole time, something only breathes.
_SHARE = 0.01
# However short the time is: a login alone takes some.
_LEAST = 2.0
# That much of one processor at this very moment is work, whatever the past was.
_BUSY = 0.1
_MOST = 300
_APART = 30.0
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def seconds(text: str) -> int:
    """`90`, `90s`, `15m`, `1h`, `2d`, `1w`; raises ValueError for everything else."""
    found = re.fullmatch(r"([0-9]{1,9})([smhdw]?)", str(text).strip())
    if not found or int(found.group(1)) < 1:
        raise ValueError(f"{text!r} is no time; allowed is a number with s, m, h, d or w, such as 90s or 1h")
    return int(found.group(1)) * _UNITS[found.group(2) or "s"]


def updated(record: dict[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
    """The record after this look: what all processes have used so far, at times that are some way apart."""
    usable = record.get("boot") == facts["boot"]
    before: dict[str, Any] = record.get("processes", {}) if usable else {}
    samples: list[list[float]] = list(record.get("samples", [])) if usable else []
    now: dict[str, Any] = facts["processes"]
    alive = {entry["pid"] for entry in now.values()}
    # What a process has used its parent inherits at its end. Where the parent is none of these, it is gone from the sum.
    lost = sum(entry["cpu"] for key, entry in before.items() if key not in now and entry["parent"] not in alive)
    used = _sum(now) - _sum(before) + lost
    total = (samples[-1][1] if samples else 0.0) + max(0.0, used)
    if samples and len(samples) > 1 and facts["now"] - samples[-2][0] < _APART:
        samples.pop()
    samples.append([facts["now"], total])
    return {"boot": facts["boot"], "processes": now, "samples": samples[-_MOST:]}


def _sum(processes: dict[str, Any]) -> float:
    return float(sum(entry["cpu"] for entry in processes.values()))


def judge(facts: dict[str, Any], record: dict[str, Any], limit: int) -> dict[str, Any]:
    """`record` is that of `updated`. `in_use` are the reasons why it is not idle."""
    now = facts["now"]
    in_use = [f"{len(facts['clients'])} attached to sessions"] if facts["clients"] else []
    in_use += [f"{len(facts['logins'])} SSH sessions"] if facts["logins"] else []
    in_use += [f"the job in {place} runs" for place in facts["jobs"]]
    in_use += ["its tools are being installed"] if facts["installing"] else []
    signs = {name: min(value, now) for name, value in facts["signs"].items() if value is not None}
    for name, value in sorted(signs.items(), key=lambda item: -item[1]):
        if now - value < limit:
            in_use.append(f"{name} {int(now - value)} seconds ago")
    if facts["load"] >= _BUSY:
        in_use.append(f"processes at work, with {facts['load'] * 100:.0f} % of a processor")
    else:
        in_use += _processor(record["samples"], now, limit)
    latest = max(signs.values(), default=None)
    return {
        "idle": not in_use,
        "in_use": in_use,
        "last_sign": None if latest is None else int(latest),
        "idle_for": None if latest is None else int(now - latest),
    }


def _processor(samples: list[list[float]], now: float, limit: int) -> list[str]:
    """Why what was used of the processors speaks against it."""
    allowed = max(_LEAST, _SHARE * limit)
    total = samples[-1][1]
    earlier = [sample for sample in samples if sample[0] <= now - limit]
    used = total - earlier[-1][1] if earlier else total
    if used <= allowed:
        return []
    if earlier:
        return [f"{used:.0f} seconds of processor time within {now - earlier[-1][0]:.0f} seconds"]
    since = now - samples[0][0]
    if total - samples[0][1] > allowed:
        return [f"{total - samples[0][1]:.0f} seconds of processor time within {since:.0f} seconds"]
    return [f"watched for {since:.0f} seconds only; what its processes have used of the processors may have been used just before"]
