# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Snapshots taken, removed and gone back to: each refusal and each lost answer."""

from __future__ import annotations

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.nas.errors import AlreadyExists, Held, Missing, NewerInTheWay, StillNeeded
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.zfs import ZfsStorage
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.errors import (
    ApiError,
    Busy,
    CallError,
    ConnectionFailed,
    OutcomeUnknown,
    PermissionDenied,
    UnknownMethod,
)
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.nas.zfs_talk import (
    DS,
    PROPERTIES,
    READY,
    Talk,
    invalid,
    lost,
    refused,
    snapshot,
)

NEWER = f"{DS}@auto-2026-11-23"
# Failures that say nothing about ZFS: they are passed on as they are, and no look is spent on them.
NOT_ABOUT_ZFS = [
    PermissionDenied("x", code=-32001, errno=13),
    UnknownMethod("x", code=-32601),
    Busy("x", 30.0, "dataset is busy", 16),
    ConnectionFailed("nas: no connection"),
]


class TestTake:
    def take(self, talk: Talk, **outcome: Exception) -> None:
        talk.expect("call", f"{talk.service}.create", {"dataset": DS, "name": "pixels-ready"}, result=snapshot(), **outcome)

    def test_one_call(self, talk: Talk, storage: ZfsStorage) -> None:
        self.take(talk)
        told = storage.snapshot(DS, "pixels-ready")
        assert told is not None and (told.id, told.clones) == (READY, ()) and told.created > 0

    @pytest.mark.parametrize("answer", [None, {}, {"id": READY, "properties": {}}])
    def test_an_answer_that_tells_too_little(self, talk: Talk, storage: ZfsStorage, answer: object) -> None:
        talk.expect("call", f"{talk.service}.create", {"dataset": DS, "name": "pixels-ready"}, result=answer)
        assert storage.snapshot(DS, "pixels-ready") is None

    def test_d14_one_of_that_name_is_there(self, talk: Talk, storage: ZfsStorage) -> None:
        self.take(talk, error=refused("create", "Failed to snapshot: dataset already exists", 17))
        with pytest.raises(AlreadyExists) as caught:
            storage.snapshot(DS, "pixels-ready")
        assert caught.value.name == READY

    def test_also_where_it_is_a_validation_error(self, talk: Talk, storage: ZfsStorage) -> None:
        self.take(talk, error=invalid("create", "pool.snapshot.create", "pixels-ready already exists.", 17))
        with pytest.raises(AlreadyExists):
            storage.snapshot(DS, "pixels-ready")

    def test_of_what_is_not_there(self, talk: Talk, storage: ZfsStorage) -> None:
        self.take(talk, error=refused("create", "Failed to snapshot: cannot open: dataset does not exist"))
        talk.looks_for_dataset(DS, there=False)
        with pytest.raises(Missing, match="px-base does not exist"):
            storage.snapshot(DS, "pixels-ready")

    def test_another_refusal_keeps_its_words(self, talk: Talk, storage: ZfsStorage) -> None:
        """Texts are not read: this one has "already exists" in it and is none."""
        self.take(talk, error=refused("create", "out of space; already exists"))
        talk.looks_for_dataset(DS)
        with pytest.raises(CallError, match="out of space"):
            storage.snapshot(DS, "pixels-ready")

    @pytest.mark.parametrize("error", NOT_ABOUT_ZFS, ids=lambda error: type(error).__name__)
    def test_other_failures_are_passed_on(self, talk: Talk, storage: ZfsStorage, error: ApiError) -> None:
        self.take(talk, error=error)
        with pytest.raises(type(error)) as caught:
            storage.snapshot(DS, "pixels-ready")
        assert caught.value is error

    def test_lost_and_done(self, talk: Talk, storage: ZfsStorage) -> None:
        self.take(talk, error=lost("create"))
        talk.looks_for_snapshot(READY, snapshot())
        storage.snapshot(DS, "pixels-ready")

    def test_lost_and_not_done(self, talk: Talk, storage: ZfsStorage) -> None:
        self.take(talk, error=lost("create"))
        talk.looks_for_snapshot(READY)
        self.take(talk)
        storage.snapshot(DS, "pixels-ready")

    def test_lost_and_late(self, talk: Talk, storage: ZfsStorage) -> None:
        """The appliance goes on with a call whose connection is gone: the second one meets the work of the first."""
        self.take(talk, error=lost("create"))
        talk.looks_for_snapshot(READY)
        self.take(talk, error=refused("create", "dataset already exists", 17))
        talk.looks_for_snapshot(READY, snapshot())
        storage.snapshot(DS, "pixels-ready")

    def test_lost_then_refused(self, talk: Talk, storage: ZfsStorage) -> None:
        self.take(talk, error=lost("create"))
        talk.looks_for_snapshot(READY)
        self.take(talk, error=refused("create", "out of space"))
        talk.looks_for_snapshot(READY)
        talk.looks_for_dataset(DS)
        with pytest.raises(CallError, match="out of space"):
            storage.snapshot(DS, "pixels-ready")

    def test_lost_twice(self, talk: Talk, storage: ZfsStorage) -> None:
        self.take(talk, error=lost("create"))
        talk.looks_for_snapshot(READY)
        self.take(talk, error=lost("create"))
        talk.looks_for_snapshot(READY)
        with pytest.raises(OutcomeUnknown):
            storage.snapshot(DS, "pixels-ready")

    def test_lost_for_good(self, talk: Talk, storage: ZfsStorage) -> None:
        """No second call without a look, and what is not known is what is said."""
        self.take(talk, error=lost("create"))
        talk.expect("read", f"{talk.service}.query", ..., error=ConnectionFailed("nas: no connection"))
        with pytest.raises(OutcomeUnknown) as caught:
            storage.snapshot(DS, "pixels-ready")
        assert isinstance(caught.value.__cause__, ConnectionFailed)


class TestDestroy:
    def delete(self, talk: Talk, defer: bool = False, **outcome: Exception) -> None:
        talk.expect("call", f"{talk.service}.delete", READY, {"defer": defer}, result=True, **outcome)

    @pytest.mark.parametrize("defer", [False, True])
    def test_one_call(self, talk: Talk, storage: ZfsStorage, defer: bool) -> None:
        self.delete(talk, defer)
        storage.destroy_snapshot(READY, defer=defer)

    def test_gone_already(self, talk: Talk, storage: ZfsStorage) -> None:
        self.delete(talk, error=invalid("delete", None, "cannot open: dataset does not exist", 2))
        storage.destroy_snapshot(READY)

    def test_clones_need_it(self, talk: Talk, storage: ZfsStorage) -> None:
        self.delete(talk, error=invalid("delete", "options.defer", "snapshot has dependent clones", 22))
        talk.looks_for_snapshot(READY, snapshot(clones="tank/a,tank/b"))
        with pytest.raises(StillNeeded, match="tank/a, tank/b are clones of it") as caught:
            storage.destroy_snapshot(READY)
        assert caught.value.by == ["tank/a", "tank/b"]

    def test_somebody_holds_it(self, talk: Talk, storage: ZfsStorage) -> None:
        self.delete(talk, error=refused("delete", "dataset is busy"))
        talk.looks_for_snapshot(READY, snapshot(userrefs="1"))
        with pytest.raises(Held):
            storage.destroy_snapshot(READY)

    def test_deferred_neither_is_in_the_way(self, talk: Talk, storage: ZfsStorage) -> None:
        self.delete(talk, True, error=refused("delete", "the pool is read-only"))
        talk.looks_for_snapshot(READY, snapshot(clones="tank/a", userrefs="1"))
        with pytest.raises(CallError, match="read-only"):
            storage.destroy_snapshot(READY, defer=True)

    def test_refused_and_gone(self, talk: Talk, storage: ZfsStorage) -> None:
        self.delete(talk, error=refused("delete", "it does not exist"))
        talk.looks_for_snapshot(READY)
        storage.destroy_snapshot(READY)

    def test_another_refusal(self, talk: Talk, storage: ZfsStorage) -> None:
        self.delete(talk, error=refused("delete", "the pool is read-only"))
        talk.looks_for_snapshot(READY, snapshot())
        with pytest.raises(CallError, match="read-only"):
            storage.destroy_snapshot(READY)

    def test_a_look_that_fails_does_not_hide_the_refusal(self, talk: Talk, storage: ZfsStorage) -> None:
        self.delete(talk, error=refused("delete", "the pool is read-only"))
        talk.expect("read", f"{talk.service}.query", ..., error=ConnectionFailed("nas: no connection"))
        with pytest.raises(CallError, match="read-only"):
            storage.destroy_snapshot(READY)

    @pytest.mark.parametrize("error", NOT_ABOUT_ZFS, ids=lambda error: type(error).__name__)
    def test_other_failures_are_passed_on(self, talk: Talk, storage: ZfsStorage, error: ApiError) -> None:
        self.delete(talk, error=error)
        with pytest.raises(type(error)):
            storage.destroy_snapshot(READY)

    def test_lost_and_done(self, talk: Talk, storage: ZfsStorage) -> None:
        self.delete(talk, error=lost("delete"))
        talk.looks_for_snapshot(READY)
        storage.destroy_snapshot(READY)

    def test_lost_and_deferred(self, talk: Talk, storage: ZfsStorage) -> None:
        """It is still there for its clones, and that is what was asked for."""
        self.delete(talk, True, error=lost("delete"))
        talk.looks_for_snapshot(READY, snapshot(clones="tank/a", defer_destroy="on"))
        storage.destroy_snapshot(READY, defer=True)

    def test_lost_and_not_done(self, talk: Talk, storage: ZfsStorage) -> None:
        self.delete(talk, True, error=lost("delete"))
        talk.looks_for_snapshot(READY, snapshot(clones="tank/a"))
        self.delete(talk, True)
        storage.destroy_snapshot(READY, defer=True)

    def test_lost_and_late(self, talk: Talk, storage: ZfsStorage) -> None:
        self.delete(talk, error=lost("delete"))
        talk.looks_for_snapshot(READY, snapshot())
        self.delete(talk, error=invalid("delete", None, "does not exist", 2))
        talk.looks_for_snapshot(READY)
        storage.destroy_snapshot(READY)


class TestRollback:
    def back(self, talk: Talk, newer: bool = False, **outcome: Exception) -> None:
        talk.expect("call", f"{talk.service}.rollback", READY, {"recursive": newer}, **outcome)

    def looks(self, talk: Talk, *entries: dict[str, object]) -> None:
        talk.expect("read", f"{talk.service}.query", [["dataset", "=", DS]], PROPERTIES, result=list(entries))

    @pytest.mark.parametrize("newer", [False, True])
    def test_one_call(self, talk: Talk, storage: ZfsStorage, newer: bool) -> None:
        self.back(talk, newer)
        storage.rollback(READY, newer=newer)

    def test_d10_newer_ones_are_named(self, talk: Talk, storage: ZfsStorage) -> None:
        """D10: whoever has made them."""
        self.back(talk, error=refused("rollback", "more recent snapshots or bookmarks exist"))
        self.looks(talk, snapshot(f"{DS}@pixels-old", 5), snapshot(READY, 10), snapshot(NEWER, 20))
        with pytest.raises(NewerInTheWay, match="auto-2026-11-23") as caught:
            storage.rollback(READY)
        assert caught.value.newer == [NEWER]

    def test_newer_ones_with_clones(self, talk: Talk, storage: ZfsStorage) -> None:
        self.back(talk, True, error=refused("rollback", "clones of previous snapshots exist"))
        self.looks(talk, snapshot(READY, 10), snapshot(NEWER, 20, clones="tank/a"))
        with pytest.raises(NewerInTheWay, match="have clones: tank/a"):
            storage.rollback(READY, newer=True)

    def test_newer_ones_with_holds(self, talk: Talk, storage: ZfsStorage) -> None:
        self.back(talk, True, error=refused("rollback", "dataset is busy"))
        self.looks(talk, snapshot(READY, 10), snapshot(NEWER, 20, userrefs="1"))
        with pytest.raises(NewerInTheWay, match="holds"):
            storage.rollback(READY, newer=True)

    def test_to_what_is_not_there(self, talk: Talk, storage: ZfsStorage) -> None:
        self.back(talk, error=refused("rollback", "dataset does not exist"))
        self.looks(talk, snapshot(NEWER, 20))
        with pytest.raises(Missing):
            storage.rollback(READY)

    def test_another_refusal(self, talk: Talk, storage: ZfsStorage) -> None:
        """A newer bookmark is in the way as well, and is no snapshot."""
        self.back(talk, error=refused("rollback", "more recent snapshots or bookmarks exist"))
        self.looks(talk, snapshot(READY, 10))
        with pytest.raises(CallError, match="bookmarks"):
            storage.rollback(READY)

    def test_a_lost_one_is_done_again(self, talk: Talk, storage: ZfsStorage) -> None:
        self.back(talk, True, error=lost("rollback"))
        self.back(talk, True)
        storage.rollback(READY, newer=True)

    def test_lost_twice(self, talk: Talk, storage: ZfsStorage) -> None:
        self.back(talk, error=lost("rollback"))
        self.back(talk, error=lost("rollback"))
        with pytest.raises(OutcomeUnknown):
            storage.rollback(READY)

    @pytest.mark.parametrize("error", NOT_ABOUT_ZFS, ids=lambda error: type(error).__name__)
    def test_other_failures_are_passed_on(self, talk: Talk, storage: ZfsStorage, error: ApiError) -> None:
        self.back(talk, error=error)
        with pytest.raises(type(error)):
            storage.rollback(READY)
