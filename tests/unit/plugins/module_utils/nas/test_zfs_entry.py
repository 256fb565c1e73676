# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Entries of snapshots and data sets as records: what is known, what is not, and what that means."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.nas.errors import DriverError
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.storage import Dataset, Snapshot
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.zfs_entry import clones_of, dataset_record, snapshot_record, tells_origin
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.nas.zfs_talk import DS, READY, shown, snapshot


def test_a_snapshot_as_both_versions_give_it() -> None:
    record, clones_known = snapshot_record(snapshot(clones="tank/.ix-virt/containers/px-a,tank/.ix-virt/containers/px-b"))
    assert clones_known
    assert record == Snapshot(
        dataset=DS,
        name="pixels-ready",
        txg=1007,
        created=1795418260,
        used=8192,
        referenced=104857600,
        clones=("tank/.ix-virt/containers/px-a", "tank/.ix-virt/containers/px-b"),
    )


def test_numbers_come_from_the_raw_text() -> None:
    """The readable one is rounded: 100M; the parsed one of a date differs between versions."""
    entry = snapshot()
    entry["properties"]["referenced"] = shown("100M", rawvalue="104857601")
    entry["properties"]["creation"] = shown("Mon Nov 23 07:17 2026", rawvalue="1795418260", parsed={"$date": 1795418260000})
    record, _known = snapshot_record(entry)
    assert (record.referenced, record.created) == (104857601, 1795418260)


def test_the_transaction_is_found_in_either_place() -> None:
    entry = snapshot(txg=42)
    del entry["createtxg"]
    assert snapshot_record(entry)[0].txg == 42


@pytest.mark.parametrize("missing", ["creation", "createtxg"])
def test_without_its_order_or_time_nothing_can_be_decided(missing: str) -> None:
    entry = snapshot()
    entry["properties"].pop(missing)
    entry.pop(missing, None)
    with pytest.raises(DriverError, match=missing):
        snapshot_record(entry)


def test_sizes_may_be_unknown() -> None:
    record, _known = snapshot_record(snapshot(used=None, referenced=None))
    assert (record.used, record.referenced) == (None, None)


@pytest.mark.parametrize("text", ["", "-", "none"])
def test_no_clones(text: str) -> None:
    assert clones_of(snapshot(clones=text)) == ()


def test_a_missing_list_of_clones_is_not_an_empty_one() -> None:
    assert clones_of(snapshot(clones=None)) is None
    record, known = snapshot_record(snapshot(clones=None))
    assert (record.clones, known) == ((), False)


def test_a_list_of_clones_as_long_as_its_buffer_is_cut_off() -> None:
    """The appliance reads 4095 bytes of it and says nothing of the rest."""
    name = "tank/.ix-virt/containers/px-worker"
    whole = ",".join(f"{name}{number:03}" for number in range(200))
    assert clones_of(snapshot(clones=whole[:4095])) is None
    assert len(clones_of(snapshot(clones=whole[:3999])) or ()) > 100


@pytest.mark.parametrize(
    ("properties", "held", "deferred"),
    [
        ({"userrefs": "1"}, True, False),
        ({"userrefs": "12", "defer_destroy": "on"}, True, True),
        ({"userrefs": None, "defer_destroy": None}, False, False),
    ],
)
def test_holds_and_deferred(properties: dict[str, Any], held: bool, deferred: bool) -> None:
    record, _known = snapshot_record(snapshot(**properties))
    assert (record.held, record.deferred) == (held, deferred)


@pytest.mark.parametrize(
    ("properties", "origin", "told"),
    [
        ({"origin": shown(READY)}, READY, True),  # zfs.dataset.query
        ({"origin": shown("")}, None, True),
        ({"origin": {"raw": READY, "value": READY, "source": None}}, READY, True),  # zfs.resource.query
        ({"origin": {"raw": "", "value": None, "source": None}}, None, True),
        ({"origin": None}, None, True),
        ({}, None, False),
        (None, None, False),
    ],
)
def test_origins(properties: Any, origin: str | None, told: bool) -> None:
    entry = {"id": "tank/x", "name": "tank/x", "properties": properties}
    assert dataset_record(entry) == Dataset("tank/x", origin)
    assert tells_origin(entry) is told
