# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The state `absent`: a checkpoint goes, unless somebody needs it."""

from __future__ import annotations

from typing import Any

from . import lineage
from .checkpoint_plan import Removal, plan_removal
from .checkpoint_task import Task
from .checkpoint_view import labels_of
from .zfs_steps import Promote, carry_out


class Remove(Task):
    """All is decided before the first one goes."""

    plans: dict[str, Removal]

    def _do(self) -> None:
        label, self.plans = str(self.wish.label), {}
        seen = self._look(self._left(), promote=self.wish.dependents == "promote")
        absent = []
        for name in self._left():
            try:
                plan = plan_removal(self.lineages[name], label, dependents=self.wish.dependents, others=seen.others)
            except Exception as error:
                self._fail(name, error)
                continue
            if plan is None:
                absent.append(name)
            else:
                self.plans[name] = plan
        if self._is_refused():
            return
        for name in absent:
            self.entries[name] = self._entry(name, label, [], deferred=False)
        for name in self._left():
            self._note(name, labels_of(self.lineages[name]), labels_of(self.lineages[name], without=[label]))
        if self.ctx.check_mode:
            for name in self._left():
                self.entries[name] = self._removed(name)
        else:
            self._in_parallel(self._left(), self._remove)

    def _remove(self, name: str) -> dict[str, Any]:
        plan, watch = self.plans[name], self._watch(name)
        watch.doing(f"deleting {plan.checkpoint.label}")
        for step in plan.steps:
            watch.check()
            carry_out(self.driver.storage, step)
        return self._removed(name)

    def _removed(self, name: str) -> dict[str, Any]:
        plan = self.plans[name]
        promoted = [f"promoted {lineage.container_of(step.dataset)}" for step in plan.steps if isinstance(step, Promote)]
        return self._entry(name, plan.checkpoint.label, [*promoted, "deleted"], plan.checkpoint, deferred=plan.deferred)
