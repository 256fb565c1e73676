# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Destroying with dependents: who is named, who is made independent, in which order, and that nothing of it is left."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import labels
from ansible_collections.pixels.sandbox.plugins.module_utils.core.apply import Watch
from ansible_collections.pixels.sandbox.plugins.module_utils.core.promotion import Held
from ansible_collections.pixels.sandbox.plugins.module_utils.core.removal import HasDependents, Remover
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.driver import Container
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.errors import OutcomeUnknown
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.fake_driver import FakeDriver, lost, not_sent, ours
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.fake_storage import home

KEPT = labels.kept_prefix("tank/.ix-virt", "px-base") + "1"


class _Killed(BaseException):
    """The controller."""


class Pool(FakeDriver):
    """base with the checkpoint ready, and clones of it."""

    def __init__(self, *clones: str) -> None:
        super().__init__(ours("base"), *(ours(name) for name in clones))
        self.ready = self.storage.take(home("px-base"), "pixels-ready").id
        for name in clones:
            self.made(name, self.ready)

    def made(self, name: str, snapshot: str) -> None:
        self.containers.setdefault(f"px-{name}", ours(name))
        self.storage.branch(snapshot, home(f"px-{name}"))
        self.storage.data[home(f"px-{name}")].content += f" and {name}"

    def of(self, *names: str) -> list[Container]:
        return [self.containers[f"px-{name}"] for name in names]

    def destroy(self, *names: str, dependents: str = "fail") -> dict[str, Exception]:
        """As a task does: those of the next wave after those of the one before. Returns why some stay."""
        remover = Remover(self, dependents)  # type: ignore[arg-type]
        containers = {container.name: container for container in self.of(*names)}
        plan = remover.prepare(containers.values())
        assert self.changing_calls == []
        for instance, _wave in sorted(plan.waves.items(), key=lambda entry: entry[1]):
            remover.remove(containers[instance], Watch())
        return plan.refused

    def contents(self) -> dict[str, str]:
        return {name: data.content for name, data in self.storage.data.items()}

    def left(self) -> list[str]:
        return sorted([*self.storage.data, *self.storage.all_snapshots()])


class TestFail:
    def test_d19_live_clones_are_named_and_nothing_is_touched(self) -> None:
        """D19: destroying a base with live clones refuses and names them."""
        pool = Pool("w1", "w2")
        before = pool.contents()
        refused = pool.destroy("base")
        assert isinstance(refused["px-base"], HasDependents)
        assert refused["px-base"].result["dependents"] == ["w1", "w2"]
        assert "w1, w2 are clones of it" in str(refused["px-base"])
        assert pool.changing_calls == []
        assert pool.contents() == before

    def test_clones_that_go_too_go_first(self) -> None:
        pool = Pool("w1", "w2")
        assert pool.destroy("base", "w2", "w1") == {}
        assert [call[1] for call in pool.changing_calls] == ["px-w2", "px-w1", "px-base"]
        assert pool.left() == []

    def test_one_clone_that_stays_keeps_its_source_only(self) -> None:
        pool = Pool("w1", "w2")
        refused = pool.destroy("base", "w1")
        assert list(refused) == ["px-base"]
        assert refused["px-base"].result["dependents"] == ["w2"]  # type: ignore[attr-defined]
        assert sorted(pool.containers) == ["px-base", "px-w2"]

    def test_what_is_refused_keeps_its_own_source_too(self) -> None:
        """base <- w1 <- v1: w1 stays for v1, so base stays for w1."""
        pool = Pool("w1")
        pool.made("v1", pool.storage.take(home("px-w1"), "pixels-x").id)
        refused = pool.destroy("base", "w1")
        assert {name: error.result["dependents"] for name, error in refused.items()} == {  # type: ignore[attr-defined]
            "px-w1": ["v1"],
            "px-base": ["w1"],
        }
        assert pool.changing_calls == []

    def test_three_generations(self) -> None:
        pool = Pool("w1")
        pool.made("v1", pool.storage.take(home("px-w1"), "pixels-x").id)
        assert pool.destroy("base", "w1", "v1") == {}
        assert [call[1] for call in pool.changing_calls] == ["px-v1", "px-w1", "px-base"]
        assert pool.left() == []

    def test_dependents_of_foreign_and_temporary_snapshots_count(self) -> None:
        pool = Pool()
        pool.storage.branch(pool.storage.take(home("px-base"), "auto-1").id, "tank/theirs")
        pool.made("w1", pool.storage.take(home("px-base"), "pixels.tmp.00000000-1-1-1").id)
        refused = pool.destroy("base")
        assert sorted(refused["px-base"].result["dependents"]) == ["tank/theirs", "w1"]  # type: ignore[attr-defined]

    def test_held_snapshots(self) -> None:
        pool = Pool()
        pool.storage.take(home("px-base"), "auto-1", held=True)
        refused = pool.destroy("base")
        assert isinstance(refused["px-base"], Held) and "@auto-1" in str(refused["px-base"])
        assert pool.changing_calls == []

    def test_without_dependents_a_container_goes_with_its_snapshots(self) -> None:
        pool = Pool()
        pool.storage.take(home("px-base"), "auto-1")
        assert pool.destroy("base") == {}
        assert pool.names() == ["delete"]
        assert pool.left() == []

    def test_one_whose_data_is_gone(self) -> None:
        pool = Pool()
        del pool.storage.data[home("px-base")]
        assert pool.destroy("base") == {}
        assert pool.containers == {}

    @pytest.mark.parametrize("count", [1, 20, 60])
    def test_few_reads_however_many(self, count: int) -> None:
        pool = Pool(*(f"w{number}" for number in range(count)))
        remover = Remover(pool, "fail")  # type: ignore[arg-type]
        remover.prepare(pool.containers.values())
        assert [call[0] for call in pool.calls] == ["datasets", "snapshots"]


class TestParked:
    """What restores have left beside a container."""

    def test_it_goes_before_the_container(self) -> None:
        pool = Pool()
        pool.storage.branch(pool.ready, KEPT)
        pool.storage.take(KEPT, "pixels-later")
        pool.storage.put(labels.new_dataset("tank/.ix-virt", "px-base"))
        pool.storage.put(labels.old_dataset("tank/.ix-virt", "px-base"))
        pool.storage.put(labels.old_dataset("tank/.ix-virt", "px-base2"), "of another one")
        pool.storage.put("tank/.ix-virt/pixels.kept.px-base.2.1", "of another one")
        pool.storage.put("tank/.ix-virt/custom", "theirs")
        assert pool.destroy("base") == {}
        assert pool.names() == ["destroy_dataset"] * 3 + ["delete"]
        assert pool.left() == ["tank/.ix-virt/custom", "tank/.ix-virt/pixels.kept.px-base.2.1", "tank/.ix-virt/pixels.old.px-base2"]

    def test_clones_of_what_was_kept_count(self) -> None:
        pool = Pool()
        pool.storage.branch(pool.ready, KEPT)
        pool.made("w1", pool.storage.take(KEPT, "pixels-later").id)
        assert pool.destroy("base")["px-base"].result["dependents"] == ["w1"]  # type: ignore[attr-defined]

    def test_a_restore_that_was_cut_off(self) -> None:
        """The present data set is a clone of the one parked, which could not go before it: it is turned round first."""
        pool = Pool()
        pool.storage.put(KEPT, "was its data")
        pool.storage.drop(home("px-base"))
        pool.storage.branch(pool.storage.take(KEPT, "pixels-x").id, home("px-base"))
        pool.storage.take(KEPT, "pixels-newer")
        assert pool.destroy("base") == {}
        assert pool.names() == ["promote", "destroy_dataset", "delete"]
        assert pool.left() == []


class TestPromote:
    def test_d19_the_clones_survive_to_the_byte(self) -> None:
        """D19: with promote the clones survive byte-identical, and nothing of the base is left but what they need."""
        pool = Pool("w1", "w2")
        contents = {name: content for name, content in pool.contents().items() if not name.endswith("base")}
        assert pool.destroy("base", dependents="promote") == {}
        assert pool.contents() == contents
        (left,) = pool.storage.all_snapshots()
        assert pool.storage.find(left).deferred, "what moved is not a checkpoint of the clone"
        pool.calls.clear()
        assert pool.destroy("w1", "w2") == {}
        assert pool.left() == []

    def test_several_checkpoints_with_clones(self) -> None:
        pool = Pool("w1")
        pool.made("w2", pool.storage.take(home("px-base"), "pixels-v2").id)
        pool.storage.take(home("px-base"), "pixels-v3")
        contents = {name: content for name, content in pool.contents().items() if not name.endswith("base")}
        assert pool.destroy("base", dependents="promote") == {}
        assert pool.contents() == contents
        pool.calls.clear()
        assert pool.destroy("w1") == {} or pool.destroy("w2", "w1") == {}

    def test_clones_that_go_too_are_not_promoted(self) -> None:
        pool = Pool("w1", "w2")
        assert pool.destroy("base", "w1", "w2", dependents="promote") == {}
        assert "promote" not in pool.names()
        assert pool.left() == []

    def test_a_conflict_of_names_is_found_before(self) -> None:
        pool = Pool("w1")
        pool.made("v1", pool.ready)
        pool.storage.drop(home("px-v1"))
        del pool.containers["px-v1"]
        pool.storage.take(home("px-w1"), "pixels-ready")
        refused = pool.destroy("base", dependents="promote")
        assert list(refused) == ["px-base"] and "w1" in str(refused["px-base"])
        assert pool.changing_calls == []

    def test_a_refused_one_leaves_the_plan_for_the_others_as_it_was(self) -> None:
        pool = Pool("w1")
        pool.containers["px-other"] = ours("other")
        pool.storage.put(home("px-other"), "other")
        pool.storage.take(home("px-w1"), "pixels-ready")
        assert list(pool.destroy("base", "other", dependents="promote")) == ["px-base"]
        assert "px-other" not in pool.containers

    def test_who_is_told(self) -> None:
        pool = Pool("w1", "w2")
        remover = Remover(pool, "promote")  # type: ignore[arg-type]
        remover.prepare(pool.of("base"))
        assert remover.promoted("px-base") == ["w1"]
        assert remover.promoted("px-w1") == []

    @pytest.mark.parametrize("step", range(4))
    def test_cut_off_at_any_point_the_same_again_converges(self, step: int) -> None:
        pool = Pool("w1", "w2")
        contents = {name: content for name, content in pool.contents().items() if not name.endswith("base")}
        count = [0]

        def stop(operation: str, name: str) -> None:
            if operation in ("promote", "destroy_snapshot", "delete", "destroy_dataset"):
                count[0] += 1
                if count[0] > step:
                    raise _Killed

        pool.on_call = stop
        try:
            pool.destroy("base", dependents="promote")
        except _Killed:
            pool.on_call = lambda operation, name: None
            pool.calls.clear()
            assert pool.destroy("base", dependents="promote") == {}
        pool.on_call = lambda operation, name: None
        assert pool.contents() == contents
        pool.calls.clear()
        assert pool.destroy("w1", "w2") == {}
        assert pool.left() == []


class TestAgain:
    @pytest.mark.parametrize("when", ["before", "after"])
    def test_a_lost_answer_is_looked_into(self, when: str) -> None:
        pool = Pool("w1")
        remover = Remover(pool, "promote")  # type: ignore[arg-type]
        (container,) = pool.of("base")
        remover.prepare([container])
        pool.fail("promote", lost("pool.dataset.promote"), when)
        with pytest.raises(OutcomeUnknown):
            remover.remove(container, Watch())
        remover.remove(container, Watch())
        assert sorted(pool.containers) == ["px-w1"]

    def test_a_clone_that_came_meanwhile_is_not_harmed(self) -> None:
        pool = Pool()
        remover = Remover(pool, "fail")  # type: ignore[arg-type]
        (container,) = pool.of("base")
        remover.prepare([container])
        pool.fail("delete", not_sent("virt.instance.delete"))
        with pytest.raises(Exception, match="no connection"):
            remover.remove(container, Watch())
        pool.made("w1", pool.ready)
        with pytest.raises(HasDependents):
            remover.remove(container, Watch())
        assert "px-w1" in pool.containers and "px-base" in pool.containers

    def test_one_without_a_known_pool_fails_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from ansible_collections.pixels.sandbox.plugins.module_utils.nas.errors import DriverError

        pool = Pool("w1")
        real = pool.storage.dataset_of

        def dataset_of(container: Container) -> str:
            if container.name == "px-base":
                raise DriverError("the appliance does not tell which pool px-base is in")
            return real(container)

        monkeypatch.setattr(pool.storage, "dataset_of", dataset_of)
        assert list(pool.destroy("base", "w1")) == ["px-base"]
        assert "px-w1" not in pool.containers


def test_waves() -> None:
    pool = Pool("w1", "w2")
    pool.made("v1", pool.storage.take(home("px-w1"), "pixels-x").id)
    plan = Remover(pool, "fail").prepare(pool.containers.values())  # type: ignore[arg-type]
    assert plan.waves == {"px-v1": 0, "px-w2": 0, "px-w1": 1, "px-base": 2}
    assert plan.removals["px-base"].after == {"px-w1", "px-w2"}


def test_two_that_need_each_other() -> None:
    """Not a task for one after the other: with promote it is done all the same."""
    pool: Any = Pool("w1")
    kept = labels.kept_prefix("tank/.ix-virt", "px-w1") + "1"
    pool.storage.branch(pool.ready, kept)
    pool.storage.drop(home("px-w1"))
    pool.storage.put(home("px-w1"), "w1")
    other = labels.kept_prefix("tank/.ix-virt", "px-base") + "1"
    pool.storage.branch(pool.storage.take(home("px-w1"), "pixels-y").id, other)
    assert len(pool.destroy("base", "w1")) >= 1
    pool.calls.clear()
    left = [name.removeprefix("px-") for name in pool.containers]
    assert pool.destroy(*left, dependents="promote") == {}
    assert pool.left() == []
