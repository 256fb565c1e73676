# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The state `restored`: the containers are back at a checkpoint, and run."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from ..nas.driver import Container
from . import known_hosts, ssh_config
from .checkpoint_apply import Power, Progress, did, restore
from .checkpoint_errors import shown
from .checkpoint_plan import Restore, plan_restore
from .checkpoint_ready import make_ready
from .checkpoint_task import Task
from .checkpoint_view import labels_of
from .gateway import Ways
from .lineage import Checkpoint, Lineage
from .wait import Lookout
from .zfs_steps import Promote


class Restoring(Task):
    """All is decided before the first one is touched."""

    plans: dict[str, Restore]
    lookout: Lookout
    ways: Ways

    def _do(self) -> None:
        self.ways = Ways(self.driver, self.ctx.config, self.ctx.endpoint)
        self.plans, self.lookout = {}, Lookout(self.driver, self.ways.door)
        self._plan(self._left())
        if self._is_refused():
            return
        names = self._left()
        for name in names:
            plan, found = self.plans[name], self.lineages[name]
            gone = [entry.label for entry in plan.newer if entry.label is not None and entry.fate != "kept"]
            self._note(name, labels_of(found), labels_of(found, without=gone), data=f"as it was at {self.wish.label}")
        if self.ctx.check_mode:
            for name in names:
                self.entries[name] = self._restored(name, self._predicted(name))
            return
        # One that touches the data of others takes its turn alone, after those, and by what is there then.
        alone = [name for name in names if _promotes_others(self.lineages[name], self.plans[name])]
        self._in_parallel([name for name in names if name not in alone], self._restore)
        for name in alone:
            if len(names) > 1:
                self._plan([name])
            if name not in self.entries:
                self._in_parallel([name], self._restore)

    def _plan(self, names: list[str]) -> None:
        seen = self._look(names, datasets=True, promote=self.wish.dependents == "promote")
        for name in names:
            try:
                self.plans[name] = plan_restore(
                    self.lineages[name],
                    seen.datasets,
                    str(self.wish.label),
                    on_newer=self.wish.on_newer,
                    dependents=self.wish.dependents,
                    others=seen.others,
                )
            except Exception as error:
                self._fail(name, error)

    def _restore(self, name: str) -> dict[str, Any]:
        plan, container, watch, progress = self.plans[name], self.containers[name], self._watch(name), Progress()
        began = time.monotonic()
        restore(self.driver, container, self.lineages[name], plan, Power(self.wish.stop_timeout, self.wish.force), watch, progress)
        alias = known_hosts.alias(self.ctx.endpoint.label, name)
        try:
            ready = make_ready(self.driver, self.lookout, container, alias, self.wish.wait_for, self.wish.wait_timeout, watch)
        except Exception as error:
            error.actions = progress.actions  # type: ignore[attr-defined]
            raise
        ssh_config.keep(self.ctx, self.ways, ready.container)
        if ready.key_changed:
            progress.did("known_hosts")
        progress.enter("done")
        progress.timings["total"] = round(time.monotonic() - began, 3)
        return self._restored(name, progress, ready.container)

    def _predicted(self, name: str) -> Progress:
        """What check mode says: the actions that it would take."""
        plan, found, progress = self.plans[name], self.lineages[name], Progress()
        if plan.repaired:
            progress.did("repaired")
        if not self.containers[name].stopped:
            progress.did("stopped")
        for step in plan.down:
            did(found, step, progress)
        progress.did("started")
        for step in plan.after:
            did(found, step, progress)
        return progress

    def _restored(self, name: str, progress: Progress, container: Container | None = None) -> dict[str, Any]:
        plan, found = self.plans[name], self.lineages[name]
        # Wherever it was, it is in the container's own data set now.
        here = replace(plan.checkpoint.snapshot, dataset=found.dataset)
        return self._entry(
            name,
            self.wish.label,
            progress.actions,
            Checkpoint(plan.checkpoint.label, here),
            newer=[shown(entry) for entry in plan.newer],
            timings=progress.timings,
            status="running" if container is None else container.status,
            address=None if container is None else container.address,
        )


def _promotes_others(found: Lineage, plan: Restore) -> bool:
    return any(isinstance(step, Promote) and not found.owns(step.dataset) for step in plan.steps)
