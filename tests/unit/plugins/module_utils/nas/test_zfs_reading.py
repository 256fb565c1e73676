# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looking at the appliance's ZFS: names, one call for many, what cannot be seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.nas.driver import Container
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.errors import DriverError, Refused
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.storage import Dataset
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.zfs import ZfsStorage
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.zfs_calls import snapshot_filters
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.errors import CallError, PermissionDenied
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.nas.zfs_talk import (
    BELOW,
    DETAILS,
    DS,
    PROPERTIES,
    READY,
    Talk,
    invalid,
    no_such_path,
    shown,
    snapshot,
)

TASK = Container(id="px-task1", name="px-task1", status="running", pool="dozer")
HOLDER = "tank/.ix-virt"


class TestNames:
    def test_d32_the_pool_is_the_containers_own(self, storage: ZfsStorage) -> None:
        """D32: not the one that is set for all."""
        assert storage.dataset_of(TASK) == "dozer/.ix-virt/containers/px-task1"
        assert storage.parent_of(TASK) == "dozer/.ix-virt"

    @pytest.mark.parametrize("prefix", ["tank/boxes/all", "tank/boxes/all/"])
    def test_the_configuration_may_say_where(self, talk: Talk, prefix: str) -> None:
        storage = talk.storage(dataset_prefix=prefix)
        assert storage.dataset_of(TASK) == "tank/boxes/all/px-task1"
        assert storage.parent_of(TASK) == "tank/boxes"

    def test_a_pool_is_no_place(self, storage: ZfsStorage) -> None:
        storage.dataset_prefix = "tank"
        with pytest.raises(Refused, match=r"dataset_prefix=tank: "):
            storage.dataset_of(TASK)

    def test_an_unknown_pool_is_not_guessed(self, storage: ZfsStorage) -> None:
        with pytest.raises(DriverError, match="which pool px-task1 is in"):
            storage.dataset_of(replace(TASK, pool=None))


class TestSnapshots:
    def test_oldest_first(self, talk: Talk, storage: ZfsStorage) -> None:
        found = [snapshot(f"{DS}@pixels-b", 30), snapshot(f"{DS}@auto-2026", 20), snapshot(READY, 10)]
        talk.expect("read", f"{talk.service}.query", [["dataset", "=", DS]], PROPERTIES, result=found)
        assert [entry.name for entry in storage.snapshots([DS, DS])] == ["pixels-ready", "auto-2026", "pixels-b"]

    def test_sizes_only_where_they_are_wanted(self, talk: Talk, storage: ZfsStorage) -> None:
        """To count them takes its time."""
        talk.expect("read", f"{talk.service}.query", [["dataset", "=", DS]], DETAILS, result=[snapshot(READY, 10)])
        (entry,) = storage.snapshots([DS], details=True)
        assert entry.used is not None and entry.referenced is not None

    def test_nothing_asked_is_nothing_read(self, storage: ZfsStorage) -> None:
        """No filter would be all snapshots of the appliance."""
        assert list(storage.snapshots()) == []

    def test_a_failed_look_is_no_empty_answer(self, talk: Talk, storage: ZfsStorage) -> None:
        talk.expect("read", f"{talk.service}.query", ..., error=PermissionDenied("x", code=-32001, errno=13))
        with pytest.raises(PermissionDenied):
            storage.snapshots([DS])

    def test_clones_that_are_not_told_are_looked_up_from_their_side(self, talk: Talk, storage: ZfsStorage) -> None:
        other = "dozer/.ix-virt/containers/px-x@pixels-1"
        found = [snapshot(READY, 10, clones=None), snapshot(other, 11, clones="dozer/.ix-virt/containers/px-y")]
        talk.expect("read", f"{talk.service}.query", ..., result=found)
        datasets = [
            {"id": HOLDER, "properties": {"origin": shown("")}},
            {"id": DS, "properties": {"origin": shown("tank/.ix-virt/images/a@readonly")}},
            {"id": "tank/elsewhere/mine", "properties": {"origin": shown(READY)}},
        ]
        talk.expect("read", "zfs.dataset.query", [["id", "^", "tank/"]], BELOW, result=datasets)
        assert {entry.id: entry.clones for entry in storage.snapshots([DS])} == {
            READY: ("tank/elsewhere/mine",),
            other: ("dozer/.ix-virt/containers/px-y",),
        }

    @pytest.mark.parametrize("answer", [[], [{"id": DS, "properties": {}}], [{"id": DS}]])
    def test_clones_that_cannot_be_known_are_not_taken_for_none(self, talk: Talk, storage: ZfsStorage, answer: list[Any]) -> None:
        talk.expect("read", f"{talk.service}.query", ..., result=[snapshot(clones=None)])
        talk.expect("read", "zfs.dataset.query", ..., result=answer)
        with pytest.raises(DriverError, match="does not tell which data sets are clones"):
            storage.snapshots([DS])

    def test_nor_when_the_account_may_not_look(self, talk: Talk, storage: ZfsStorage) -> None:
        talk.expect("read", f"{talk.service}.query", ..., result=[snapshot(clones=None)])
        talk.expect("read", "zfs.dataset.query", ..., error=PermissionDenied("zfs.dataset.query", code=-32001, errno=13))
        with pytest.raises(PermissionDenied):
            storage.snapshots([DS])


class TestFilters:
    """One filter without OR, at which both versions stumble (but for one of exactly two branches)."""

    @pytest.mark.parametrize(
        ("datasets", "prefixes", "filters"),
        [
            (["p/a"], [], [["dataset", "=", "p/a"]]),
            (["p/a", "p/b"], [], [["dataset", "in", ["p/a", "p/b"]]]),
            ([], ["p/k."], [["dataset", "^", "p/k."]]),
            (["p/a"], ["p/k."], [["dataset", "~", r"p/a\Z|p/k\."]]),
            ([], ["p/a.", "p/b-"], [["dataset", "~", r"p/a\.|p/b\-"]]),
        ],
    )
    def test_shapes(self, datasets: list[str], prefixes: list[str], filters: list[Any]) -> None:
        assert snapshot_filters(datasets, prefixes) == filters

    def test_the_expression_means_what_was_asked(self) -> None:
        import re

        [[_field, operator, expression]] = snapshot_filters(["p/px-a", "p/px-b"], ["p/pixels.kept.px-a."])
        assert operator == "~"  # re.match on the appliance
        names = [
            "p/px-a",
            "p/px-b",
            "p/px-ab",
            "p/px-a/x",
            "p/pixels.kept.px-a.1",
            "p/pixelsxkept.px-a.1",
            "p/pixels.kept.px-ab.1",
            "q/p/px-a",
        ]
        assert [name for name in names if re.match(expression, name)] == ["p/px-a", "p/px-b", "p/pixels.kept.px-a.1"]


class TestDatasets:
    def test_all_below(self, talk: Talk, storage: ZfsStorage) -> None:
        names = {HOLDER: None, f"{HOLDER}/containers": None, DS: "tank/.ix-virt/images/a@readonly", f"{HOLDER}/pixels.old.px-a": None}
        if talk.old:
            found: list[Any] = [
                {"id": name, "properties": {"origin": shown(origin or "")}} for name, origin in names.items() if name != HOLDER
            ]
            talk.expect("read", "zfs.dataset.query", [["id", "^", f"{HOLDER}/"]], BELOW, result=found)
        else:
            found = [{"name": name, "properties": {"origin": {"raw": origin or "", "value": origin}}} for name, origin in names.items()]
            query = {"paths": [HOLDER], "properties": ["origin"], "get_children": True}
            talk.expect("read", "zfs.resource.query", query, result=found)
        assert list(storage.datasets([HOLDER])) == [
            Dataset(f"{HOLDER}/containers"),
            Dataset(DS, "tank/.ix-virt/images/a@readonly"),
            Dataset(f"{HOLDER}/pixels.old.px-a"),
        ]

    def test_details_only_where_they_are_wanted(self, talk: Talk, storage: ZfsStorage) -> None:
        """Sizes take their time."""
        raw = {"origin": "", "creation": "1795418260", "used": "8192"}
        if talk.old:
            options = {**BELOW, "extra": {**BELOW["extra"], "properties": ["origin", "creation", "used"]}}
            found: list[Any] = [{"id": DS, "properties": {key: shown(text) for key, text in raw.items()}}]
            talk.expect("read", "zfs.dataset.query", [["id", "^", f"{HOLDER}/"]], options, result=found)
        else:
            found = [{"name": DS, "properties": {key: {"raw": text, "value": text} for key, text in raw.items()}}]
            query = {"paths": [HOLDER], "properties": ["origin", "creation", "used"], "get_children": True}
            talk.expect("read", "zfs.resource.query", query, result=found)
        assert list(storage.datasets([HOLDER], details=True)) == [Dataset(DS, None, 1795418260, 8192)]

    def test_of_several_in_one_call_and_each_once(self, talk: Talk, storage: ZfsStorage) -> None:
        """Parents within each other are refused by 25.10."""
        if talk.old:
            expression = r"dozer/\.ix\-virt/|tank/\.ix\-virt/"
            talk.expect("read", "zfs.dataset.query", [["id", "~", expression]], BELOW, result=[])
        else:
            query = {"paths": ["dozer/.ix-virt", HOLDER], "properties": ["origin"], "get_children": True}
            talk.expect("read", "zfs.resource.query", query, result=[])
        assert list(storage.datasets([HOLDER, "dozer/.ix-virt", f"{HOLDER}/containers"])) == []

    def test_none_asked(self, storage: ZfsStorage) -> None:
        assert list(storage.datasets([])) == []

    def test_a_missing_parent_has_nothing_and_spoils_nothing(self) -> None:
        talk = Talk("25.10.6")
        query = {"properties": ["origin"], "get_children": True}
        talk.expect("read", "zfs.resource.query", {**query, "paths": ["dozer/.ix-virt", HOLDER]}, error=no_such_path("dozer/.ix-virt"))
        talk.expect("read", "zfs.resource.query", {**query, "paths": ["dozer/.ix-virt"]}, error=no_such_path("dozer/.ix-virt"))
        found = [{"name": DS, "properties": {"origin": {"raw": "", "value": None}}}]
        talk.expect("read", "zfs.resource.query", {**query, "paths": [HOLDER]}, result=found)
        assert [entry.name for entry in talk.storage().datasets([HOLDER, "dozer/.ix-virt"])] == [DS]
        talk.finish()

    @pytest.mark.parametrize(
        "error",
        [
            invalid("zfs.resource.query", "zfs.resource.query.paths", "must not overlap", 22),
            PermissionDenied("zfs.resource.query", code=-32001, errno=13),
        ],
    )
    def test_any_other_refusal_is_one(self, error: CallError) -> None:
        talk = Talk("25.10.6")
        talk.expect("read", "zfs.resource.query", ..., error=error)
        with pytest.raises(type(error)):
            talk.storage().datasets([HOLDER])
