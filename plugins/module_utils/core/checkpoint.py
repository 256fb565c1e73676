# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The promise of the module `checkpoint`: the checkpoints of a task are there, are gone, or their containers are back at them."""

from __future__ import annotations

from typing import Any

from . import labels, naming
from .checkpoint_task import Task, Wish
from .context import Context
from .errors import CoreError, Invalid
from .front import Spec

STATES = ("present", "absent", "restored")
ON_NEWER = ("fail", "destroy", "keep")
DEPENDENTS = ("fail", "promote", "defer")

SPEC = Spec(
    arguments={
        "container": {"type": "list", "elements": "str", "required": True, "aliases": ["name"]},
        "label": {"type": "str"},
        "state": {"type": "str", "choices": list(STATES), "default": "present"},
        "on_newer": {"type": "str", "choices": list(ON_NEWER), "default": "fail"},
        "dependents": {"type": "str", "choices": list(DEPENDENTS), "default": "fail"},
        "stop_timeout": {"type": "int", "default": 30},
        "force": {"type": "bool", "default": True},
        "wait_for": {"type": "str", "choices": ["none", "address", "ssh"]},
        "wait_timeout": {"type": "int", "default": 120},
        "concurrency": {"type": "int", "default": 4},
    },
    required_if=(("state", "absent", ("label",)), ("state", "restored", ("label",))),
)

# What means something for some states only is refused for the others.
_FOR: dict[str, tuple[str, ...]] = {
    "on_newer": ("restored",),
    "dependents": ("absent", "restored"),
    "stop_timeout": ("restored",),
    "force": ("restored",),
    "wait_for": ("restored",),
    "wait_timeout": ("restored",),
}


def run(ctx: Context) -> dict[str, Any]:
    wish = _wish(ctx)
    names = naming.expand(ctx.params["container"])
    return _task(wish.state)(ctx, ctx.driver(), names, wish).result()


def _task(state: str) -> type[Task]:
    """Loaded only when it is wanted: Ansible compiles what it imports each time, and to take a checkpoint is a matter of moments."""
    if state == "present":
        from .checkpoint_take import Take

        return Take
    if state == "absent":
        from .checkpoint_remove import Remove

        return Remove
    from .checkpoint_restore import Restoring

    return Restoring


def _wish(ctx: Context) -> Wish:
    """The options, checked as far as that goes without the appliance."""
    params, state = ctx.params, ctx.params["state"]
    for name, states in _FOR.items():
        if name in ctx.given and state not in states:
            raise CoreError(f"{name} has no meaning with state={state}; it is for state={' and state='.join(states)}", option=name)
    if state == "restored" and params["dependents"] == "defer":
        raise Invalid("dependents", "defer", "it is for state=absent; a restore knows fail and promote")
    if not 1 <= params["concurrency"] <= 64:
        raise Invalid("concurrency", params["concurrency"], "1 to 64 containers at a time")
    if params["wait_timeout"] < 1:
        raise Invalid("wait_timeout", params["wait_timeout"], "it takes at least one second")
    if not 0 <= params["stop_timeout"] <= 290:
        raise Invalid("stop_timeout", params["stop_timeout"], "0 to 290 seconds; the appliance cuts longer ones")
    if params["stop_timeout"] == 0 and not params["force"]:
        raise Invalid("stop_timeout", 0, "without force it takes at least one second")
    return Wish(
        state=state,
        label=None if params["label"] is None else labels.check(params["label"]),
        on_newer=params["on_newer"],
        dependents=params["dependents"],
        stop_timeout=params["stop_timeout"],
        force=params["force"],
        wait_for=params["wait_for"],
        wait_timeout=params["wait_timeout"],
        concurrency=params["concurrency"],
    )
