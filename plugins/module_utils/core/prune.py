# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The promise of the module `prune`: what is ours and half-made, expired or without an owner goes, and nothing else does."""

from __future__ import annotations

import time
from typing import Any

from . import expiry, fleet, lease, ssh_config
from .context import Context
from .errors import Invalid
from .front import Spec
from .prune_apply import Outcome, Pruner
from .prune_items import CONTAINER, HOST_KEY, REPAIR, WHATS, Item
from .prune_look import look
from .prune_plan import Plan, Wish, plan

SPEC = Spec(
    arguments={
        "what": {"type": "list", "elements": "str", "choices": list(WHATS), "default": list(WHATS)},
        "dependents": {"type": "str", "choices": ["fail", "promote"], "default": "fail"},
        "older_than": {"type": "str"},
        "patience": {"type": "int", "default": int(lease.PATIENCE)},
        "concurrency": {"type": "int", "default": 4},
    },
)


def run(ctx: Context) -> dict[str, Any]:
    params = ctx.params
    if not 1 <= params["concurrency"] <= 64:
        raise Invalid("concurrency", params["concurrency"], "1 to 64 things at a time")
    if params["patience"] < 0:
        raise Invalid("patience", params["patience"], "a number of seconds, 0 for none")
    wish = Wish(
        what=frozenset(params["what"]),
        promote=params["dependents"] == "promote",
        older_than=_seconds(params["older_than"]),
        patience=params["patience"],
    )
    driver = ctx.driver()
    now = time.time()
    # What another machine is at counts for as long as we have patience with it.
    seen = look(driver, ctx.endpoint.label, int(now), lambda token: lease.is_over(token, now + lease.PATIENCE - wish.patience))
    decided = plan(seen, wish)
    if ctx.check_mode:
        outcomes = [Outcome(item) for item in decided.items]
    else:
        with fleet.Herald(ctx.show) as herald:
            pruner = Pruner(driver, ctx.endpoint.label, seen, params["dependents"], params["concurrency"], herald)
            outcomes = [outcome for step in decided.steps for outcome in pruner.carry_out(step)]
        gone = [found.item for found in outcomes if found.done and found.item.kind in (CONTAINER, HOST_KEY)]
        ssh_config.forget(ctx, [item.name for item in gone if item.action != REPAIR])
    return _result(ctx, decided, outcomes)


def _seconds(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return expiry.moment(expiry.duration(text), 0)
    except Invalid as error:
        raise Invalid("older_than", text, "a number of minutes, hours, days or weeks, as in 90m, 12h, 7d or 2w") from error


def _result(ctx: Context, decided: Plan, outcomes: list[Outcome]) -> dict[str, Any]:
    done = [outcome for outcome in outcomes if outcome.done]
    failed = [outcome for outcome in outcomes if outcome.failure is not None]
    left = [*decided.left, *(outcome.item for outcome in outcomes if outcome.spared)]
    result: dict[str, Any] = {
        "changed": bool(done),
        "pruned": [_entry(outcome.item, outcome.failure) for outcome in outcomes if not outcome.spared],
        "left": [_entry(item) for item in left],
        "freed": sum(outcome.item.size or 0 for outcome in done),
    }
    if ctx.diff:
        lines = "".join(f"{outcome.item.kind} {outcome.item.name}\n" for outcome in done)
        result["diff"] = {"before": lines, "after": ""}
    if failed:
        what = "; ".join(str(outcome.failure["msg"]) for outcome in failed if outcome.failure is not None)
        result.update(failed=True, msg=f"{len(failed)} of {len(outcomes)} could not be pruned: {what}")
    return result


def _entry(item: Item, failure: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "kind": item.kind,
        "name": item.name,
        "what": item.what,
        "action": item.action,
        "reason": item.reason,
        "age": item.age,
        "age_text": _age_text(item.age),
        "size": item.size,
        "size_text": _size_text(item.size),
        "dependents": list(item.dependents),
        **(failure or {}),
    }


def _age_text(seconds: int | None) -> str | None:
    """3d 4h, for people: the two largest parts."""
    if seconds is None:
        return None
    parts = []
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        if seconds >= length:
            parts.append(f"{seconds // length}{unit}")
            seconds %= length
        elif parts:
            break
    return " ".join(parts[:2]) or "0s"


def _size_text(size: int | None) -> str | None:
    if size is None:
        return None
    value, unit = float(size), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            break
        value /= 1024
    return f"{size} B" if unit == "B" else f"{value:.1f} {unit}"
