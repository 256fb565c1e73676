# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Labels, and the names by which what is ours is told from what is not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import labels
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import Invalid


@pytest.mark.parametrize("label", ["ready", "a", "1", "v1.2_3-rc", "x" * 63, "20261123-153301-123456"])
def test_a_label_survives_the_way_to_the_appliance_and_back(label: str) -> None:
    assert labels.check(label) == label
    assert labels.label_of(labels.snapshot_name(label)) == label


@pytest.mark.parametrize("label", ["", "-a", ".a", "_a", "a b", "a@b", "a/b", "a%b", "ä", "x" * 64, "a\n", "../a", None, ["a"]])
def test_d14_odd_labels_are_refused(label: Any) -> None:
    with pytest.raises(Invalid):
        labels.check(label)


def test_numbers_are_labels_too() -> None:
    """As they come from YAML."""
    assert labels.check(1) == "1"


@pytest.mark.parametrize(
    "name", ["auto-2026-11-23_00-00", "px-clone-17", "ready", "pixels", "pixels-", "pixels--a", "pixels.tmp.x", "xpixels-a", "Pixels-a"]
)
def test_d10_other_snapshots_are_none_of_ours(name: str) -> None:
    assert labels.label_of(name) is None


def test_no_label_can_pass_for_a_temporary_snapshot() -> None:
    assert labels.token_of(labels.temporary_name("0-1-2-3")) == "0-1-2-3"
    assert labels.label_of(labels.temporary_name("0-1-2-3")) is None
    assert all(labels.token_of(labels.snapshot_name(label)) is None for label in (".tmp.x", "tmp.x"))


def test_default_labels_sort_by_time_and_are_apart_within_a_second() -> None:
    first = labels.default_label(datetime(2026, 11, 23, 15, 33, 1, 123456, tzinfo=UTC))
    second = labels.default_label(datetime(2026, 11, 23, 15, 33, 1, 123457, tzinfo=UTC))
    assert first == "20261123-153301-123456"
    assert sorted([second, first]) == [first, second] and labels.check(first)


PARENT = "tank/.ix-virt"


@pytest.mark.parametrize("instance", ["px-a", "px-a-1", "px-1"])
def test_parked_data_sets_say_whose_they_are(instance: str) -> None:
    kept = labels.kept_dataset(PARENT, instance, [])
    for dataset in (labels.new_dataset(PARENT, instance), labels.old_dataset(PARENT, instance), kept):
        assert labels.parked_instance(dataset) == instance
    assert labels.kept_instance(kept) == instance
    assert labels.kept_instance(labels.old_dataset(PARENT, instance)) is None
    assert kept.startswith(labels.kept_prefix(PARENT, instance))
    assert not labels.kept_dataset(PARENT, f"{instance}0", []).startswith(labels.kept_prefix(PARENT, instance))


@pytest.mark.parametrize("dataset", [f"{PARENT}/containers/px-a", f"{PARENT}/deleted", "tank/pixels", PARENT])
def test_other_data_sets_are_not_parked(dataset: str) -> None:
    assert labels.parked_instance(dataset) is None


def test_the_first_free_number() -> None:
    prefix = labels.kept_prefix(PARENT, "px-a")
    assert labels.kept_dataset(PARENT, "px-a", [f"{prefix}1", f"{prefix}3", f"{PARENT}/x"]) == f"{prefix}2"
