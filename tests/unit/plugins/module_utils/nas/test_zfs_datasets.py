# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Data sets cloned, promoted, renamed and removed: each refusal and each lost answer."""

from __future__ import annotations

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.nas.errors import AlreadyExists, DriverError, Held, Missing, StillNeeded
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.zfs import ZfsStorage
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.errors import CallError, ConnectionFailed, OutcomeUnknown, PermissionDenied
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.nas.zfs_talk import (
    DS,
    PROPERTIES,
    READY,
    Talk,
    lost,
    refused,
    snapshot,
)

CLONE = "tank/.ix-virt/containers/px-task1"
PARKED = "tank/.ix-virt/pixels.old.px-base"
DENIED = PermissionDenied("x", code=-32001, errno=13)


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What would have been slept."""
    slept: list[float] = []
    monkeypatch.setattr("ansible_collections.pixels.sandbox.plugins.module_utils.nas.zfs.time.sleep", slept.append)
    return slept


class TestClone:
    def clone(self, talk: Talk, **outcome: Exception) -> None:
        talk.expect("call", f"{talk.service}.clone", {"snapshot": READY, "dataset_dst": CLONE}, result=True, **outcome)

    def test_one_call(self, talk: Talk, storage: ZfsStorage) -> None:
        self.clone(talk)
        storage.clone(READY, CLONE)

    def test_of_what_is_not_there(self, talk: Talk, storage: ZfsStorage) -> None:
        """That is no not-found for the appliance, but a refusal like any other."""
        self.clone(talk, error=refused("clone", "Failed to clone snapshot: not found"))
        talk.looks_for_snapshot(READY)
        with pytest.raises(Missing, match="pixels-ready does not exist"):
            storage.clone(READY, CLONE)

    def test_the_place_is_taken(self, talk: Talk, storage: ZfsStorage) -> None:
        """Also by a clone of the same: it may be somebody else's."""
        self.clone(talk, error=refused("clone", "Failed to clone snapshot: dataset already exists"))
        talk.looks_for_snapshot(READY, snapshot())
        talk.looks_for_dataset(CLONE, origin=READY)
        with pytest.raises(AlreadyExists, match="px-task1"):
            storage.clone(READY, CLONE)

    def test_another_refusal(self, talk: Talk, storage: ZfsStorage) -> None:
        self.clone(talk, error=refused("clone", "parent does not exist"))
        talk.looks_for_snapshot(READY, snapshot())
        talk.looks_for_dataset(CLONE, there=False)
        with pytest.raises(CallError, match="parent does not exist"):
            storage.clone(READY, CLONE)

    def test_denied(self, talk: Talk, storage: ZfsStorage) -> None:
        self.clone(talk, error=DENIED)
        with pytest.raises(PermissionDenied):
            storage.clone(READY, CLONE)

    def test_lost_and_done(self, talk: Talk, storage: ZfsStorage) -> None:
        self.clone(talk, error=lost("clone"))
        talk.looks_for_dataset(CLONE, origin=READY)
        storage.clone(READY, CLONE)

    def test_lost_and_not_done(self, talk: Talk, storage: ZfsStorage) -> None:
        self.clone(talk, error=lost("clone"))
        talk.looks_for_dataset(CLONE, there=False)
        self.clone(talk)
        storage.clone(READY, CLONE)

    def test_lost_and_something_else_is_there(self, talk: Talk, storage: ZfsStorage) -> None:
        """A data set of that name which is no clone of this snapshot is not ours."""
        self.clone(talk, error=lost("clone"))
        talk.looks_for_dataset(CLONE, origin="tank/.ix-virt/images/a@readonly")
        self.clone(talk, error=refused("clone", "dataset already exists"))
        talk.looks_for_dataset(CLONE, origin="tank/.ix-virt/images/a@readonly")
        talk.looks_for_snapshot(READY, snapshot())
        talk.looks_for_dataset(CLONE, origin="tank/.ix-virt/images/a@readonly")
        with pytest.raises(AlreadyExists):
            storage.clone(READY, CLONE)

    def test_lost_and_late(self, talk: Talk, storage: ZfsStorage) -> None:
        self.clone(talk, error=lost("clone"))
        talk.looks_for_dataset(CLONE, there=False)
        self.clone(talk, error=refused("clone", "dataset already exists"))
        talk.looks_for_dataset(CLONE, origin=READY)
        storage.clone(READY, CLONE)


class TestPromote:
    def promote(self, talk: Talk, **outcome: Exception) -> None:
        talk.expect("call", "pool.dataset.promote", CLONE, **outcome)

    def test_a_clone(self, talk: Talk, storage: ZfsStorage) -> None:
        talk.looks_for_dataset(CLONE, origin=READY)
        self.promote(talk)
        storage.promote(CLONE)

    def test_what_is_not_there(self, talk: Talk, storage: ZfsStorage) -> None:
        talk.looks_for_dataset(CLONE, there=False)
        with pytest.raises(Missing):
            storage.promote(CLONE)

    def test_what_is_no_clone(self, talk: Talk, storage: ZfsStorage) -> None:
        talk.looks_for_dataset(CLONE)
        with pytest.raises(DriverError, match="not a clone"):
            storage.promote(CLONE)

    def test_refused(self, talk: Talk, storage: ZfsStorage) -> None:
        """Two snapshots of one name, for example."""
        talk.looks_for_dataset(CLONE, origin=READY)
        self.promote(talk, error=refused("promote", "Failed to promote dataset: snapshot name is in use"))
        with pytest.raises(CallError, match="in use"):
            storage.promote(CLONE)

    def test_lost_and_done(self, talk: Talk, storage: ZfsStorage) -> None:
        talk.looks_for_dataset(CLONE, origin=READY)
        self.promote(talk, error=lost("promote"))
        talk.looks_for_dataset(CLONE)
        storage.promote(CLONE)

    def test_lost_and_done_in_a_chain(self, talk: Talk, storage: ZfsStorage) -> None:
        """The clone of a clone is one of the grandparent's snapshot afterwards."""
        talk.looks_for_dataset(CLONE, origin=READY)
        self.promote(talk, error=lost("promote"))
        talk.looks_for_dataset(CLONE, origin="tank/.ix-virt/images/a@readonly")
        storage.promote(CLONE)

    def test_lost_and_not_done(self, talk: Talk, storage: ZfsStorage, naps: list[float]) -> None:
        talk.looks_for_dataset(CLONE, origin=READY)
        self.promote(talk, error=lost("promote"))
        talk.looks_for_dataset(CLONE, origin=READY)
        talk.looks_for_dataset(CLONE, origin=READY)
        self.promote(talk)
        storage.promote(CLONE)
        assert naps == [3.0]

    def test_lost_and_late(self, talk: Talk, storage: ZfsStorage, naps: list[float]) -> None:
        """A second one on top of a late first one would go a generation too far, so the first gets time to show."""
        talk.looks_for_dataset(CLONE, origin=READY)
        self.promote(talk, error=lost("promote"))
        talk.looks_for_dataset(CLONE, origin=READY)
        talk.looks_for_dataset(CLONE, origin="tank/.ix-virt/images/a@readonly")
        storage.promote(CLONE)
        assert naps == [3.0]

    def test_one_that_has_timed_out_is_not_done_again(self, talk: Talk, storage: ZfsStorage) -> None:
        """As in a pool that hangs: both would be carried out when it goes on."""
        talk.looks_for_dataset(CLONE, origin=READY)
        self.promote(talk, error=OutcomeUnknown("promote", "no answer within 300 s", timed_out=True))
        talk.looks_for_dataset(CLONE, origin=READY)
        with pytest.raises(OutcomeUnknown, match="no answer"):
            storage.promote(CLONE)


class TestRename:
    def rename(self, talk: Talk, **outcome: Exception) -> None:
        if talk.old:
            talk.expect("call", "zfs.dataset.rename", DS, {"new_name": PARKED}, **outcome)
        else:
            talk.expect("call", "pool.dataset.rename", DS, {"new_name": PARKED, "force": True}, **outcome)

    def test_one_call(self, talk: Talk, storage: ZfsStorage) -> None:
        self.rename(talk)
        storage.rename(DS, PARKED)

    def test_what_is_not_there(self, talk: Talk, storage: ZfsStorage) -> None:
        self.rename(talk, error=refused("rename", "not found", 2))
        talk.looks_for_dataset(DS, there=False)
        with pytest.raises(Missing, match="px-base"):
            storage.rename(DS, PARKED)

    def test_the_place_is_taken(self, talk: Talk, storage: ZfsStorage) -> None:
        self.rename(talk, error=refused("rename", "dataset already exists"))
        talk.looks_for_dataset(DS)
        talk.looks_for_dataset(PARKED)
        with pytest.raises(AlreadyExists, match=r"pixels\.old\.px-base"):
            storage.rename(DS, PARKED)

    def test_another_refusal(self, talk: Talk, storage: ZfsStorage) -> None:
        self.rename(talk, error=refused("rename", "it is mounted"))
        talk.looks_for_dataset(DS)
        talk.looks_for_dataset(PARKED, there=False)
        with pytest.raises(CallError, match="mounted"):
            storage.rename(DS, PARKED)

    def test_lost_and_done(self, talk: Talk, storage: ZfsStorage) -> None:
        self.rename(talk, error=lost("rename"))
        talk.looks_for_dataset(PARKED)
        talk.looks_for_dataset(DS, there=False)
        storage.rename(DS, PARKED)

    def test_lost_and_not_done(self, talk: Talk, storage: ZfsStorage) -> None:
        self.rename(talk, error=lost("rename"))
        talk.looks_for_dataset(PARKED, there=False)
        self.rename(talk)
        storage.rename(DS, PARKED)

    def test_lost_and_late(self, talk: Talk, storage: ZfsStorage) -> None:
        self.rename(talk, error=lost("rename"))
        talk.looks_for_dataset(PARKED, there=False)
        self.rename(talk, error=refused("rename", "dataset does not exist"))
        talk.looks_for_dataset(PARKED)
        talk.looks_for_dataset(DS, there=False)
        storage.rename(DS, PARKED)

    def test_both_are_there_after_a_lost_one(self, talk: Talk, storage: ZfsStorage) -> None:
        """Then it was somebody else's place before."""
        self.rename(talk, error=lost("rename"))
        talk.looks_for_dataset(PARKED)
        talk.looks_for_dataset(DS)
        self.rename(talk, error=refused("rename", "dataset already exists"))
        talk.looks_for_dataset(PARKED)
        talk.looks_for_dataset(DS)
        talk.looks_for_dataset(DS)
        talk.looks_for_dataset(PARKED)
        with pytest.raises(AlreadyExists):
            storage.rename(DS, PARKED)


class TestDestroy:
    def destroy(self, talk: Talk, recursive: bool = False, **outcome: Exception) -> None:
        talk.expect("call", "zfs.dataset.delete", DS, {"force": True, "recursive": recursive}, result=True, **outcome)

    def looks(self, talk: Talk, *entries: dict[str, object]) -> None:
        expression = r"tank/\.ix\-virt/containers/px\-base\Z|tank/\.ix\-virt/containers/px\-base/"
        talk.expect("read", f"{talk.service}.query", [["dataset", "~", expression]], PROPERTIES, result=list(entries))

    @pytest.mark.parametrize("recursive", [False, True])
    def test_one_call_that_never_takes_clones_along(self, talk: Talk, storage: ZfsStorage, recursive: bool) -> None:
        self.destroy(talk, recursive)
        storage.destroy_dataset(DS, recursive=recursive)

    def test_gone_already(self, talk: Talk, storage: ZfsStorage) -> None:
        """For the appliance that is a refusal like any other."""
        self.destroy(talk, error=refused("delete", "Failed to delete dataset: cannot open: dataset does not exist"))
        talk.looks_for_dataset(DS, there=False)
        storage.destroy_dataset(DS)

    def test_clones_need_it(self, talk: Talk, storage: ZfsStorage) -> None:
        self.destroy(talk, True, error=refused("delete", "filesystem has dependent clones"))
        talk.looks_for_dataset(DS)
        self.looks(talk, snapshot(READY, 10, clones=CLONE), snapshot(f"{DS}@b", 20, clones=f"{CLONE},tank/x,{DS}/within"))
        with pytest.raises(StillNeeded) as caught:
            storage.destroy_dataset(DS, recursive=True)
        assert caught.value.by == [CLONE, "tank/x"]

    def test_a_snapshot_of_it_is_held(self, talk: Talk, storage: ZfsStorage) -> None:
        self.destroy(talk, True, error=refused("delete", "snapshot is held"))
        talk.looks_for_dataset(DS)
        self.looks(talk, snapshot(READY, 10, userrefs="1"))
        with pytest.raises(Held, match="pixels-ready"):
            storage.destroy_dataset(DS, recursive=True)

    def test_another_refusal(self, talk: Talk, storage: ZfsStorage) -> None:
        self.destroy(talk, error=refused("delete", "filesystem has children"))
        talk.looks_for_dataset(DS)
        self.looks(talk, snapshot())
        with pytest.raises(CallError, match="has children"):
            storage.destroy_dataset(DS)

    def test_lost_and_done(self, talk: Talk, storage: ZfsStorage) -> None:
        self.destroy(talk, error=lost("delete"))
        talk.looks_for_dataset(DS, there=False)
        storage.destroy_dataset(DS)

    def test_lost_and_not_done(self, talk: Talk, storage: ZfsStorage) -> None:
        self.destroy(talk, error=lost("delete"))
        talk.looks_for_dataset(DS)
        self.destroy(talk)
        storage.destroy_dataset(DS)

    def test_lost_and_late(self, talk: Talk, storage: ZfsStorage) -> None:
        self.destroy(talk, error=lost("delete"))
        talk.looks_for_dataset(DS)
        self.destroy(talk, error=refused("delete", "dataset does not exist"))
        talk.looks_for_dataset(DS, there=False)
        storage.destroy_dataset(DS)

    def test_one_that_has_timed_out_is_not_done_again(self, talk: Talk, storage: ZfsStorage) -> None:
        self.destroy(talk, error=OutcomeUnknown("delete", "no answer within 300 s", timed_out=True))
        talk.looks_for_dataset(DS)
        with pytest.raises(OutcomeUnknown, match="no answer"):
            storage.destroy_dataset(DS)

    def test_one_that_has_timed_out_and_happened(self, talk: Talk, storage: ZfsStorage) -> None:
        self.destroy(talk, error=OutcomeUnknown("delete", "no answer within 300 s", timed_out=True))
        talk.looks_for_dataset(DS, there=False)
        storage.destroy_dataset(DS)

    def test_lost_and_nobody_can_look(self, talk: Talk, storage: ZfsStorage) -> None:
        self.destroy(talk, error=lost("delete"))
        talk.expect("read", "zfs.dataset.query" if talk.old else "zfs.resource.query", ..., error=ConnectionFailed("gone"))
        with pytest.raises(OutcomeUnknown):
            storage.destroy_dataset(DS)
